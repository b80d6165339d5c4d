"""A few of the workloads for tinygrad, as its own examples are written: `Tensor`, `nn.optim` and `TinyJit`."""

# Measured where it is installed, never a dependency.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from typing import Any

from .workloads import Setting, Step


def perceptron(setting: Setting) -> Step:
    """As `workloads.perceptron`."""
    from tinygrad import Context, Tensor, TinyJit, nn

    batch = setting.pick(128, 4)
    layers = [nn.Linear(784, 1024), nn.Linear(1024, 256), nn.Linear(256, 10)]
    optimizer = nn.optim.SGD(nn.state.get_parameters(layers), lr=0.01, momentum=0.9)
    x, y = Tensor.rand(batch, 784).realize(), Tensor.randint(batch, high=10).realize()

    @TinyJit
    @Context(TRAINING=1)
    def update() -> Any:
        optimizer.zero_grad()
        loss = layers[2](layers[1](layers[0](x).relu()).relu()).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*optimizer.schedule_step())

    return lambda: update().item()


def regression_by_hand(setting: Setting) -> Step:
    """As `workloads.regression_by_hand`: an update is replayed, the loop over batches is Python's."""
    from tinygrad import Tensor, TinyJit

    updates, batch = setting.pick(100, 3), 16
    x = Tensor.randn(batch * updates, 3).realize()
    y = (x @ Tensor([[1.5], [-2.0], [0.5]]) + 0.7).realize()
    batches = [(x[i : i + batch].contiguous().realize(), y[i : i + batch].contiguous().realize())
               for i in range(0, batch * updates, batch)]  # fmt: skip
    slope, shift = Tensor.zeros(3, 1).contiguous().realize(), Tensor.zeros(1).contiguous().realize()

    @TinyJit
    def update(xb: Any, yb: Any) -> Any:
        loss = ((xb @ slope + shift - yb) ** 2).mean()
        grads = loss.gradient(slope, shift)
        for p, g in zip((slope, shift), grads, strict=True):
            p.assign(p - 0.01 * g)
        return loss.realize(slope, shift)

    def step() -> float:
        for xb, yb in batches:
            loss = update(xb, yb)
        return loss.item()

    return step


def elementwise(setting: Setting) -> Step:
    """As `workloads.elementwise`."""
    from tinygrad import Tensor, TinyJit

    n = setting.pick(1 << 22, 1 << 8)
    a, b = Tensor.rand(n).realize(), Tensor.rand(n).realize()
    chain = TinyJit(lambda a, b: ((a * 3 - b).tanh() * (-a).exp() + b).mean().realize())
    return lambda: chain(a, b).item()


def softmax_norm(setting: Setting) -> Step:
    """As `workloads.softmax_norm`."""
    from tinygrad import Tensor, TinyJit

    rows, columns = setting.pick(2048, 4), setting.pick(1000, 12)
    x, weight = Tensor.randn(rows, columns).realize(), Tensor.rand(columns).realize()
    bias = Tensor.zeros(columns).contiguous().realize()

    @TinyJit
    def both(x: Any, weight: Any, bias: Any) -> tuple:
        loss = ((x.layernorm() * weight + bias).softmax() ** 2).sum()
        grads = loss.gradient(x, weight, bias)
        loss.realize(*grads)
        return loss, grads[0]

    def step() -> float:
        loss, gradient = both(x, weight, bias)
        return loss.item() + gradient[0, 0].item()

    return step


WORKLOADS = {f.__name__: f for f in (perceptron, regression_by_hand, elementwise, softmax_norm)}
