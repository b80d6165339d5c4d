"""Samples of functions: differences, derivatives and integrals along an axis."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from .joining import cat
from .record import NUMBERS, composite
from .reduction import diff


# -------------------------------------------------------------------------------------------------------------- derivatives
@composite("torch")
def gradient(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple:
    """The derivative along each axis, by central differences inside and one-sided ones at the edges.

    `spacing` is a distance between samples (of all axes, or one per axis) or the samples' coordinates along each axis.

    >>> from .creation import tensor
    >>> gradient(tensor([1.0, 2.0, 4.0]))
    (tensor([1.0000, 1.5000, 2.0000]),)
    """
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [shapes.axis(d, input.ndim) for d in dims]
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    steps = _steps(input, spacing, dims, dim)
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input.dtype is dtypes.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if any(input.shape[d] < edge_order + 1 for d in dims):
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple([_derivative(input, d, h, edge_order) for d, h in zip(dims, steps, strict=True)])


def _steps(input: Tensor, spacing: Any, dims: list[int], dim: Any) -> list:
    """A distance, or the coordinates' differences, for each axis."""
    if spacing is None:
        return [1] * len(dims)
    if type(spacing) in NUMBERS or isinstance(spacing, Tensor) and not spacing.ndim:
        return [spacing] * len(dims)
    if isinstance(spacing, Tensor):
        raise TypeError(
            "gradient() received an invalid combination of arguments - got (Tensor, spacing=Tensor), but expected one of:"
        )
    if len(spacing) != len(dims):
        given, expected = len(spacing), "torch.gradient expected spacing to be unspecified, a scalar"
        if dim is None:
            raise RuntimeError(
                f"{expected}, or a list of length equal to 'self.dim() = {input.ndim}', since dim argument was not given, "
                f"but got a list of length {given}"
            )
        raise RuntimeError(
            f"{expected} or it's spacing and dim arguments to have the same length, but got a spacing argument of length "
            f"{given} and a dim argument of length {len(dims)}."
        )
    found = []
    for h in spacing:
        if isinstance(h, Tensor) and h.ndim > 1:
            raise RuntimeError(
                f"torch.gradient expected each element of spacing to have one dimension, but got an element with {h.ndim} dimensions!"
            )
        found.append(diff(h) if isinstance(h, Tensor) and h.ndim else h)
    return found


def _derivative(x: Tensor, d: int, h: Any, edge_order: int) -> Tensor:
    n = x.shape[d]
    at = lambda i, count=1: x.narrow(d, i, count)
    uneven = isinstance(h, Tensor) and h.ndim == 1
    if uneven:
        h = h.reshape([-1 if i == d else 1 for i in range(x.ndim)])
    step = lambda i: h.narrow(d, i, 1) if uneven else h
    if n == 2:
        return cat([(at(1) - at(0)) / step(0)] * 2, d)
    if uneven:
        a, b = h.narrow(d, 0, n - 2), h.narrow(d, 1, n - 2)
        inside = (
            at(0, n - 2) * (-b / (a * (a + b)))
            + at(1, n - 2) * ((b - a) / (a * b))
            + at(2, n - 2) * (a / (b * (a + b)))
        )
    else:
        inside = (at(2, n - 2) - at(0, n - 2)) / (h * 2)
    if edge_order == 1:
        return cat([(at(1) - at(0)) / step(0), inside, (at(n - 1) - at(n - 2)) / step(n - 2)], d)
    first, last = (
        _edge(at(0), at(1), at(2), step(0), step(1)),
        _edge(at(n - 1), at(n - 2), at(n - 3), step(n - 2), step(n - 3)),
    )
    return cat([first, inside, -last], d)


def _edge(x0: Tensor, x1: Tensor, x2: Tensor, a: Any, b: Any) -> Tensor:
    """The derivative at x0 of the parabola through three samples, `a` and `b` apart."""
    return x1 * ((a + b) / (a * b)) - x0 * ((2 * a + b) / (a * (a + b))) - x2 * (a / (b * (a + b)))


# ---------------------------------------------------------------------------------------------------------------- integrals
def _areas(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """The areas of the trapezoids between neighbouring samples."""
    d = shapes.axis(dim, y.ndim)
    if y.dtype is dtypes.bool_ and x is None:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    n = y.shape[d]
    if x is None:
        return (y.narrow(d, 0, max(n - 1, 0)) + y.narrow(d, min(n, 1), max(n - 1, 0))) * (dx / 2)
    if dtypes.bool_ in (x.dtype, y.dtype):
        raise RuntimeError(f"{name}: received a bool input for `x` or `y`, but bool is not supported")
    if x.ndim == 1:
        if x.shape[0] != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        width = diff(x).reshape([-1 if i == d else 1 for i in range(y.ndim)])
    else:
        width = diff(x.reshape((1,) * (y.ndim - x.ndim) + x.shape), dim=d)
    return (y.narrow(d, 0, max(n - 1, 0)) + y.narrow(d, min(n, 1), max(n - 1, 0))) * (width / 2)


@composite("torch")
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1.0, dim: int = -1) -> Tensor:
    """The integral of samples by the trapezoidal rule.

    >>> from .creation import tensor
    >>> trapezoid(tensor([1.0, 5.0, 10.0]))
    tensor(10.5000)
    """
    return _areas("trapezoid", y, x, dx, dim).sum(dim)


@composite("torch")
def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = 1.0, dim: int = -1) -> Tensor:
    """The old name of `trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


@composite("torch")
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1.0, dim: int = -1) -> Tensor:
    """The integrals up to each sample by the trapezoidal rule.

    >>> from .creation import tensor
    >>> cumulative_trapezoid(tensor([1.0, 5.0, 10.0]))
    tensor([ 3.0000, 10.5000])
    """
    return _areas("cumulative_trapezoid", y, x, dx, dim).cumsum(dim)
