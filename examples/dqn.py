"""Deep Q-learning (2013): a network learns what each action is worth, from a memory of what happened.

The pole stays up for at least 100 of 500 steps on average; pushing at random keeps it up for about 22.
"""

import random

from cart_pole import CartPole, draw_episodes, play
from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=12000)
random.seed(chosen.seed)
DISCOUNT, BATCH, MEMORY = 0.99, 128, 10000


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 2))


worth, slow = network(), network()  # the slow copy says what comes after: a target that does not run away
slow.load_state_dict(worth.state_dict())
optimizer = torch.optim.Adam(worth.parameters(), lr=1e-3)
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=chosen.steps // 2)

# what happened: state, action, next state, whether the pole fell
memory = torch.zeros(MEMORY, 10)
world = CartPole(seed=chosen.seed)
lengths: list[int] = []


@torch.no_grad()
def best_action(state: list[float]) -> int:
    return worth(torch.tensor(state)).argmax().item()


def learn(filled: int) -> None:
    rows = memory[torch.randint(0, filled, (BATCH,))]
    states, actions, after, ended = rows[:, :4], rows[:, 4].long(), rows[:, 5:9], rows[:, 9]
    with torch.no_grad():  # double Q-learning: one network chooses, the other one judges
        choice = worth(after).argmax(1, keepdim=True)
        targets = 1.0 + DISCOUNT * (1 - ended) * slow(after).gather(1, choice).squeeze(1)
    values = worth(states).gather(1, actions.unsqueeze(1)).squeeze(1)
    loss = nn.functional.smooth_l1_loss(values, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()


state = world.reset()
for step in range(150 if chosen.quick else chosen.steps):
    explore = max(0.05, 1 - step / 4000)
    action = random.randrange(2) if random.random() < explore else best_action(state)
    after, _, over = world.step(action)
    fallen = over and world.steps < world.most
    memory[step % MEMORY] = torch.tensor([*state, action, *after, float(fallen)])
    state = after
    if over:
        lengths.append(world.steps)
        state = world.reset()
    if step >= BATCH and step % 2 == 0:
        learn(min(step + 1, MEMORY))
    if step % 300 == 0:
        slow.load_state_dict(worth.state_dict())
    if step % 2000 == 1999:
        print(f"step {step + 1}   mean of the last 10 episodes: {sum(lengths[-10:]) / 10:.0f} steps", flush=True)

steps = play(best_action, 1 if chosen.quick else 10)
drawn, axis = figure()
draw_episodes(axis, lengths)
save(drawn, chosen)
report(chosen, "steps that the pole stays up", steps, at_least=100)
