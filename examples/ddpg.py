"""Deep deterministic policy gradient (2015): a pendulum is swung up, with a force that may be any number.

An episode of the trained policy costs at most 400 on average; pushing at random costs about 1,200.
"""

import math
import random

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, episodes=60)
random.seed(chosen.seed)
DISCOUNT, BATCH, MEMORY, LENGTH, STRONGEST, FOLLOW = 0.98, 128, 20000, 200, 2.0, 0.01


class Pendulum:
    """A rod on a hinge that hangs at first, anyhow. The force is too weak to lift it at once: it must swing."""

    def reset(self) -> list[float]:
        self.angle, self.speed = random.uniform(-math.pi, math.pi), random.uniform(-1, 1)  # 0 is upright
        return self.seen()

    def seen(self) -> list[float]:
        return [math.cos(self.angle), math.sin(self.angle), self.speed / 8]

    def step(self, force: float) -> tuple[list[float], float]:
        """What is seen a twentieth of a second later, and what the state cost: distance, speed and force."""
        off = (self.angle + math.pi) % (2 * math.pi) - math.pi
        cost = off**2 + 0.1 * self.speed**2 + 0.001 * force**2
        self.speed += (15 * math.sin(self.angle) + 3 * force) * 0.05
        self.speed = max(-8.0, min(8.0, self.speed))
        self.angle += self.speed * 0.05
        return self.seen(), cost


def network(inputs: int, *last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1), *last)


def judged(critic: nn.Module, states: torch.Tensor, forces: torch.Tensor) -> torch.Tensor:
    return critic(torch.cat([states, forces], 1))


# the actor says what to do, the critic what that is worth; slow copies of both give targets that do not run away
actor, slow_actor = network(3, nn.Tanh()), network(3, nn.Tanh())
critic, slow_critic = network(4), network(4)
PAIRS = [(actor, slow_actor), (critic, slow_critic)]
for fast, slow in PAIRS:
    slow.load_state_dict(fast.state_dict())
actor_optimizer = torch.optim.Adam(actor.parameters(), lr=1e-3)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3)
memory = torch.zeros(MEMORY, 8)  # state, force, reward, next state


def learn(filled: int) -> None:
    rows = memory[torch.randint(0, filled, (BATCH,))]
    states, forces, rewards, after = rows.split([3, 1, 1, 3], 1)
    with torch.no_grad():
        targets = rewards + DISCOUNT * judged(slow_critic, after, slow_actor(after))
    loss = nn.functional.mse_loss(judged(critic, states, forces), targets)
    critic_optimizer.zero_grad()
    loss.backward()
    critic_optimizer.step()
    # the critic can be differentiated: it tells the actor in which direction a force should change
    regret = -judged(critic, states, actor(states)).mean()
    actor_optimizer.zero_grad()
    regret.backward()
    actor_optimizer.step()
    with torch.no_grad():
        for fast, slow in PAIRS:
            for p, q in zip(fast.parameters(), slow.parameters()):
                q.lerp_(p, FOLLOW)


@torch.no_grad()
def best_force(state: list[float]) -> float:
    return actor(torch.tensor(state)).item()


def episode(noise: float, start: int | None = None) -> tuple[float, list[float]]:
    """The cost of an episode and its angles; from `start` on in memory it is kept, and learned from."""
    world = Pendulum()
    state, total, angles = world.reset(), 0.0, []
    for t in range(30 if chosen.quick else LENGTH):
        force = max(-1.0, min(1.0, best_force(state) + random.gauss(0, 1) * noise))
        after, cost = world.step(force * STRONGEST)
        if start is not None:
            memory[(start + t) % MEMORY] = torch.tensor([*state, force, -cost / 10, *after])
            if start + t > BATCH:
                learn(min(start + t, MEMORY))
        state, total = after, total + cost
        angles.append(math.cos(world.angle))
    return total, angles


costs = []
episodes = 2 if chosen.quick else chosen.episodes
for i in range(episodes):
    costs.append(episode(max(0.1, 0.6 - i / 40), i * LENGTH)[0])
    if i % 10 == 9:
        print(f"episode {i + 1}   mean cost of the last 10: {sum(costs[-10:]) / 10:.0f}", flush=True)

trials = [episode(0.0) for _ in range(2 if chosen.quick else 20)]
mean = sum(cost for cost, _ in trials) / len(trials)
drawn, (left, right) = figure(1, 2, size=(7, 3.2))
left.plot(costs)
left.set(xlabel="episode", ylabel="cost")
for _, angles in trials[:6]:
    right.plot(angles, linewidth=0.9)
right.set(xlabel="step", ylabel="height (1: upright)", title="the trained policy")
save(drawn, chosen)
report(chosen, "cost of an episode", mean, at_most=400)
