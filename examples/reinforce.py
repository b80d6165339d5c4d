"""REINFORCE (1992): a policy learns to balance a pole from nothing but how long it stayed up.

It stays up for at least 150 of 500 steps on average, in episodes that the policy has not learned from; pushing at
random keeps it up for about 22.
"""

from cart_pole import CartPole, draw_episodes, play
from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, episodes=300)
policy = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
world = CartPole(seed=chosen.seed)


def episode() -> tuple[list[list[float]], list[int]]:
    """The states and the actions of an episode, played as the policy is now."""
    states, actions, over = [], [], False
    state = world.reset()
    while not over:
        with torch.no_grad():
            action = torch.distributions.Categorical(logits=policy(torch.tensor(state))).sample().item()
        states.append(state)
        actions.append(action)
        state, _, over = world.step(action)
    return states, actions


def returns_of(length: int, discount: float = 0.99) -> torch.Tensor:
    """What was still to come at each step, as rewards of 1 were: standardised, so that half of it counts as bad."""
    total, sums = 0.0, []
    for _ in range(length):
        total = 1.0 + discount * total
        sums.append(total)
    returns = torch.tensor(sums[::-1])
    return (returns - returns.mean()) / (returns.std() + 1e-6)


lengths = []
for number in range(3 if chosen.quick else chosen.episodes):
    states, actions = episode()
    # actions that went well become likelier, others less likely
    chances = torch.distributions.Categorical(logits=policy(torch.tensor(states)))
    loss = -(chances.log_prob(torch.tensor(actions)) * returns_of(len(states))).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    lengths.append(len(states))
    if number % 50 == 49:
        print(f"episode {number + 1}   mean of the last 50: {sum(lengths[-50:]) / 50:.0f} steps", flush=True)

with torch.no_grad():
    steps = play(lambda s: policy(torch.tensor(s)).argmax().item(), 1 if chosen.quick else 10)
drawn, axis = figure()
draw_episodes(axis, lengths)
save(drawn, chosen)
report(chosen, "steps that the pole stays up", steps, at_least=150)
