"""A few of the workloads for JAX, as a JAX program is written: pure functions under `jit`."""

# Measured where it is installed, never a dependency.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from typing import Any

from .workloads import Setting, Step


def perceptron(setting: Setting) -> Step:
    """As `workloads.perceptron`: momentum kept beside the parameters."""
    import jax
    import jax.numpy as jnp

    batch, sizes = setting.pick(128, 4), (784, 1024, 256, 10)
    keys = iter(jax.random.split(jax.random.key(0), 16))

    def uniform(size: tuple, fan_in: int) -> Any:
        return jax.random.uniform(next(keys), size, minval=-(fan_in**-0.5), maxval=fan_in**-0.5)

    parameters = [(uniform((m, n), m), uniform((n,), m)) for m, n in zip(sizes, sizes[1:], strict=False)]
    moving = jax.tree.map(jnp.zeros_like, parameters)
    x = jax.random.uniform(next(keys), (batch, 784))
    y = jax.random.randint(next(keys), (batch,), 0, 10)

    def loss_of(parameters: Any) -> Any:
        h = x
        for w, b in parameters[:-1]:
            h = jax.nn.relu(h @ w + b)
        scores = jax.nn.log_softmax(h @ parameters[-1][0] + parameters[-1][1])
        return -scores[jnp.arange(batch), y].mean()

    @jax.jit
    def update(parameters: Any, moving: Any) -> tuple:
        loss, grads = jax.value_and_grad(loss_of)(parameters)
        moving = jax.tree.map(lambda m, g: 0.9 * m + g, moving, grads)
        return jax.tree.map(lambda p, m: p - 0.01 * m, parameters, moving), moving, loss

    def step() -> float:
        nonlocal parameters, moving
        parameters, moving, loss = update(parameters, moving)
        return float(loss)

    return step


def regression_by_hand(setting: Setting) -> Step:
    """As `workloads.regression_by_hand`: an update is compiled, the loop over batches is Python's."""
    import jax

    updates, batch = setting.pick(100, 3), 16
    x = jax.random.normal(jax.random.key(0), (batch * updates, 3))
    y = x @ jax.numpy.array([[1.5], [-2.0], [0.5]]) + 0.7

    @jax.jit
    def update(line: Any, xb: Any, yb: Any) -> tuple:
        loss, grads = jax.value_and_grad(lambda line: ((xb @ line[0] + line[1] - yb) ** 2).mean())(line)
        return jax.tree.map(lambda p, g: p - 0.01 * g, line, grads), loss

    line = (jax.numpy.zeros((3, 1)), jax.numpy.zeros(1))

    def step() -> float:
        nonlocal line
        for i in range(0, batch * updates, batch):
            line, loss = update(line, x[i : i + batch], y[i : i + batch])
        return float(loss)

    return step


def elementwise(setting: Setting) -> Step:
    """As `workloads.elementwise`."""
    import jax
    import jax.numpy as jnp

    n = setting.pick(1 << 22, 1 << 8)
    a, b = (jax.random.uniform(key, (n,)) for key in jax.random.split(jax.random.key(0)))
    chain = jax.jit(lambda a, b: (jnp.tanh(a * 3 - b) * jnp.exp(-a) + b).mean())
    return lambda: float(chain(a, b))


def softmax_norm(setting: Setting) -> Step:
    """As `workloads.softmax_norm`."""
    import jax
    import jax.numpy as jnp

    rows, columns = setting.pick(2048, 4), setting.pick(1000, 12)
    keys = jax.random.split(jax.random.key(0))
    given = jax.random.normal(keys[0], (rows, columns)), jax.random.uniform(keys[1], (columns,)), jnp.zeros(columns)

    def loss_of(given: tuple) -> Any:
        x, weight, bias = given
        centred = x - x.mean(-1, keepdims=True)
        normed = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return (jax.nn.softmax(normed * weight + bias) ** 2).sum()

    both = jax.jit(jax.value_and_grad(loss_of))

    def step() -> float:
        loss, grads = both(given)
        return float(loss) + float(grads[0][0, 0])

    return step


WORKLOADS = {f.__name__: f for f in (perceptron, regression_by_hand, elementwise, softmax_norm)}
