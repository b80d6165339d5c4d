"""Actor and critic: one network acts, another one says how good a state is, and both learn at every few steps.

The pole stays up for at least 100 of 500 steps on average; pushing at random keeps it up for about 22.
"""

from cart_pole import CartPole, draw_episodes, play
from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=500)
WORLDS, LENGTH, DISCOUNT = 8, 16, 0.99
actor = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
critic = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=4e-3)
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=chosen.steps)

# several carts at once: each decision is then one small matrix product for all of them
worlds = [CartPole(seed=chosen.seed + i) for i in range(WORLDS)]
states = [world.reset() for world in worlds]
lengths = []


def play_on() -> tuple[torch.Tensor, ...]:
    """LENGTH steps in every world: states, actions, whether an episode ended, and the states after them."""
    seen, taken, ended = [], [], []
    for _ in range(LENGTH):
        with torch.no_grad():
            actions = torch.distributions.Categorical(logits=actor(torch.tensor(states))).sample().tolist()
        seen.append([list(state) for state in states])
        taken.append(actions)
        overs = []
        for i, (world, action) in enumerate(zip(worlds, actions)):
            states[i], _, over = world.step(action)
            if over:
                lengths.append(world.steps)
                states[i] = world.reset()
            overs.append(float(over))
        ended.append(overs)
    return torch.tensor(seen), torch.tensor(taken), torch.tensor(ended), torch.tensor(states)


for step in range(3 if chosen.quick else chosen.steps):
    seen, taken, ended, after = play_on()
    values = critic(seen).squeeze(-1)
    with torch.no_grad():
        coming = critic(after).squeeze(-1)
        targets = []
        for t in reversed(range(LENGTH)):  # a reward, and what the critic expects after it
            coming = 1.0 + DISCOUNT * coming * (1 - ended[t])
            targets.insert(0, coming)
        better = torch.stack(targets) - values
    chances = torch.distributions.Categorical(logits=actor(seen))
    scale = better.std() + 1e-6
    loss = -(chances.log_prob(taken) * better / scale).mean() - 0.01 * chances.entropy().mean()
    loss = loss + nn.functional.smooth_l1_loss(values, torch.stack(targets))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(actor.parameters(), 0.5)
    optimizer.step()
    schedule.step()
    if step % 100 == 99:
        print(f"step {step + 1}   mean of the last 20 episodes: {sum(lengths[-20:]) / 20:.0f} steps", flush=True)

with torch.no_grad():
    steps = play(lambda s: actor(torch.tensor(s)).argmax().item(), 1 if chosen.quick else 10)
drawn, axis = figure()
draw_episodes(axis, lengths)
save(drawn, chosen)
report(chosen, "steps that the pole stays up", steps, at_least=100)
