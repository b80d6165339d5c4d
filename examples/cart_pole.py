"""A cart with a pole on it, which falls unless the cart is pushed left or right in time: a world for three examples.

The physics is that of Barto, Sutton and Anderson (1983), integrated by Euler's method in steps of 0.02 s.
"""

import math
import random

FORCE, GRAVITY, CART, POLE, HALF_LENGTH, STEP = 10.0, 9.8, 1.0, 0.1, 0.5, 0.02
LIMIT, FALLEN = 2.4, math.radians(12)


class CartPole:
    """States are [position, speed, angle, angular speed]; actions are 0 (left) and 1 (right); a reward of 1 a step.

    An episode ends when the cart leaves the track, when the pole has fallen, or after `most` steps.
    """

    def __init__(self, most: int = 500, seed: int = 0) -> None:
        self.most = most
        self.random = random.Random(seed)

    def reset(self) -> list[float]:
        self.steps = 0
        self.state = [self.random.uniform(-0.05, 0.05) for _ in range(4)]
        return list(self.state)

    def step(self, action: int) -> tuple[list[float], float, bool]:
        """(next state, reward, whether the episode is over)"""
        x, speed, angle, turning = self.state
        force = FORCE if action == 1 else -FORCE
        mass, sin, cos = CART + POLE, math.sin(angle), math.cos(angle)
        push = (force + POLE * HALF_LENGTH * turning**2 * sin) / mass
        turn = (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4 / 3 - POLE * cos**2 / mass))
        drive = push - POLE * HALF_LENGTH * turn * cos / mass
        self.state = [x + STEP * speed, speed + STEP * drive, angle + STEP * turning, turning + STEP * turn]
        self.steps += 1
        fallen = abs(self.state[0]) > LIMIT or abs(self.state[2]) > FALLEN
        return list(self.state), 1.0, fallen or self.steps >= self.most


def play(policy, episodes: int, most: int = 500) -> float:
    """The mean number of steps that a policy (a function of the state) keeps the pole up."""
    world = CartPole(most, seed=1)
    total = 0
    for _ in range(episodes):
        state, over = world.reset(), False
        while not over:
            state, _, over = world.step(policy(state))
        total += world.steps
    return total / episodes


def draw_episodes(axis, lengths: list[int]) -> None:
    """The length of each episode, and the mean of twenty."""
    axis.plot(lengths, linewidth=0.5, color="gray")
    means = [sum(lengths[max(0, i - 19) : i + 1]) / min(i + 1, 20) for i in range(len(lengths))]
    axis.plot(means, label="mean of 20")
    axis.set(xlabel="episode", ylabel="steps that the pole stays up")
    axis.legend()
