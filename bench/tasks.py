"""What is measured: a task is `(repetitions, make)`, and `make(torch)` returns the function to repeat."""

import time
from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]


def add(torch: Any, *, grad: bool) -> Step:
    a, b = torch.ones(4, requires_grad=grad), torch.ones(4)
    return lambda: a + b


def chain(torch: Any, *, grad: bool) -> Step:
    a, b = torch.ones(4, requires_grad=grad), torch.ones(4)
    return lambda: ((a + b) * a).exp() - b


def view(torch: Any) -> Step:
    a = torch.ones(4, 4)
    return lambda: a.t()


def index(torch: Any) -> Step:
    a = torch.ones(4, 4)
    return lambda: a[1:, 2]


def read(torch: Any) -> Step:
    a, b = torch.ones(4), torch.ones(4)
    return lambda: (a + b).sum().item()


def elementwise(torch: Any) -> Step:
    x = torch.rand(1_000_000)
    return lambda: (torch.sigmoid(x) * x + 1).sum().item()


def training(torch: Any, model: Any, x: Any, y: Any) -> Step:
    """A step of plain gradient descent that ends with the loss read."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def perceptron(torch: Any) -> Step:
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return training(torch, model, torch.rand(64, 784), torch.randint(0, 10, (64,)))


def lenet(torch: Any) -> Step:
    nn = torch.nn
    model = nn.Sequential(
        *(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    return training(torch, model, torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,)))


TASKS: dict[str, tuple[int, Callable[[Any], Step]]] = {
    "record a + b": (5000, lambda torch: add(torch, grad=False)),
    "record a + b, with gradients": (5000, lambda torch: add(torch, grad=True)),
    "record ((a + b) * a).exp() - b": (2000, lambda torch: chain(torch, grad=False)),
    "record the same, with gradients": (2000, lambda torch: chain(torch, grad=True)),
    "record a.t()": (5000, view),
    "record a[1:, 2]": (5000, index),
    "read (a + b).sum().item()": (1000, read),
    "elementwise, a million values": (5, elementwise),
    "step of 784-128-10, batch 64": (20, perceptron),
    "step of the demo's network": (5, lenet),
}


def measure(torch: Any, task: str, made: dict[str, Step]) -> float:
    """Seconds for one repetition; a task is made and warmed up at its first measurement."""
    repeat, make = TASKS[task]
    if task not in made:
        torch.manual_seed(0)
        made[task] = make(torch)
        for _ in range(min(repeat, 30)):
            made[task]()
    step = made[task]
    start = time.perf_counter()
    for _ in range(repeat):
        step()
    return (time.perf_counter() - start) / repeat
