"""Reductions and normalizations in which an element counts for nothing where `mask` is False (`torch.masked`).

>>> import kenaz as torch
>>> torch.masked.mean(torch.tensor([1.0, 2.0, 9.0]), mask=torch.tensor([True, True, False]))
tensor(1.5000)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _api as torch
from ._api import Tensor
from .core.shape import axis

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
    "median", "norm",
    "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
INF = float("inf")


def _axes(input: Tensor, dim: Any) -> tuple[int, ...]:
    """The axes that are folded: all where none are named."""
    dims = (dim,) if isinstance(dim, int) else tuple(dim or range(input.ndim))
    found: list[int] = []
    for d in dims:
        place = axis(d, input.ndim)
        if place in found:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        found.append(place)
    return tuple(found)


def _lowest(d: Any) -> Any:
    return -INF if d.is_floating_point or d.is_complex else torch.iinfo(d).min


def _highest(d: Any) -> Any:
    return INF if d.is_floating_point or d.is_complex else torch.iinfo(d).max


def _visible(input: Tensor, mask: Tensor) -> Tensor:
    """The mask at the size of the input."""
    if mask.ndim > input.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return mask.to(torch.bool).expand(input.shape)


def _covered(name: str, input: Tensor, mask: Tensor | None, identity: Any) -> Tensor:
    """The input with masked elements replaced by what changes nothing in the result."""
    if mask is None:
        return input
    if callable(identity):
        if input.dtype is torch.bool:
            raise NotImplementedError(f"identity of {name} on torch.bool input")
        identity = identity(input.dtype)
    return torch.where(_visible(input, mask), input, torch.tensor(identity, dtype=input.dtype))


def _converted(input: Tensor, dtype: Any, widen: bool = False) -> Tensor:
    if dtype is None and widen and not (input.is_floating_point() or input.is_complex()):
        dtype = torch.int64
    return input if dtype is None else input.to(dtype)


# ----------------------------------------------------------------------------------------------------------------
# reductions
def _folding(name: str, identity: Any, fold: Callable, widen: bool = False) -> Callable:
    def function(
        input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
    ) -> Tensor:
        x = _covered(name, _converted(input, dtype, widen), mask, identity)
        return fold(x, _axes(x, dim), bool(keepdim)).to(x.dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`torch.{name}` of the elements that the mask shows."
    return function


def _prod(x: Tensor, dims: tuple, keepdim: bool) -> Tensor:
    for d in sorted(dims, reverse=True):
        x = x.prod(d, keepdim=keepdim)
    return x


sum = _folding("sum", 0, lambda x, dims, keepdim: x.sum(dims, keepdim) if x.ndim else x.sum(), widen=True)
prod = _folding("prod", 1, _prod, widen=True)
amax = _folding("amax", _lowest, lambda x, dims, keepdim: x.amax(dims, keepdim))
amin = _folding("amin", _highest, lambda x, dims, keepdim: x.amin(dims, keepdim))
logsumexp = _folding("logsumexp", _lowest, lambda x, dims, keepdim: torch.logsumexp(x, dims, keepdim))


def _place(name: str, identity: Callable) -> Callable:
    def function(
        input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
    ) -> Tensor:
        x = _covered(name, _converted(input, dtype), mask, identity)
        return getattr(torch, name)(x, dim, bool(keepdim)).to(x.dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"`torch.{name}` among the elements that the mask shows, in the dtype of the input as PyTorch gives it."
    )
    return function


argmax, argmin = _place("argmax", _lowest), _place("argmin", _highest)


def _count(input: Tensor, dims: tuple, mask: Tensor | None, keepdim: bool = True) -> Tensor:
    """How many elements each fold sees."""
    shown = torch.ones(input.shape, dtype=torch.int64) if mask is None else _visible(input, mask).to(torch.int64)
    return shown.sum(dims, keepdim) if input.ndim else shown


def mean(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The mean of the elements that the mask shows; nan where it shows none."""
    x = _converted(input, dtype)
    if not (x.is_floating_point() or x.is_complex()):
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{x.dtype}"
        )
    dims = _axes(x, dim)
    if mask is None:
        return x.mean(dims, bool(keepdim))
    return sum(x, dim, keepdim=keepdim, mask=mask) / _count(x, dims, mask, bool(keepdim))


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The lower median of the elements that the mask shows; nan where it shows none."""
    x = _converted(input, dtype)
    if mask is None:
        return x.median(dim, bool(keepdim)).values
    floating = x.is_floating_point()
    if not floating:
        if not bool(_visible(x, mask).any(dim).all()):
            raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
        x = x.to(torch.float64)
    found = torch.nanmedian(_covered("median", x, mask, float("nan")), dim, bool(keepdim)).values
    return found if floating else found.to(dtype or input.dtype)


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
    mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The vector norm of the elements that the mask shows."""
    order = 2.0 if ord is None else float(ord)
    x = _covered("norm", _converted(input, dtype), mask, INF if order == -INF else 0)
    return torch.linalg.vector_norm(x, order, _axes(x, dim), bool(keepdim))


def _variance(
    input: Tensor, dim: Any, unbiased: bool | None, correction: Any, keepdim: bool, dtype: Any, mask: Tensor | None
) -> Tensor:  # fmt: skip
    x = _converted(input, dtype)
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(torch.float32)
    dims = _axes(x, dim)
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    count = _count(x, dims, mask)
    centred = _covered("var", x - sum(x, dims, keepdim=True, mask=mask) / count, mask, 0)
    squares = centred * centred.conj()
    total = (squares.real if x.is_complex() else squares).sum(dims, True) if x.ndim else squares
    found = total / (count - correction).clamp(min=0)
    return found if keepdim or not x.ndim else found.squeeze(dims)


def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The variance of the elements that the mask shows."""
    found = _variance(input, dim, unbiased, correction, keepdim, dtype, mask)
    return found.to(input.dtype) if input.is_complex() else found


def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation of the elements that the mask shows."""
    found = _variance(input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()
    return found.to(dtype or input.dtype) if dtype is not None or input.is_complex() else found


# ------------------------------------------------------------------------------------------------------------ along
# one axis
def _along(name: str, identity: Any, apply: Callable, widen: bool = False) -> Callable:
    def function(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
        return apply(_covered(name, _converted(input, dtype, widen), mask, identity), dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` along an axis, in which masked elements count for nothing."
    return function


cumsum = _along("cumsum", 0, lambda x, dim: torch.cumsum(x, dim), widen=True)
cumprod = _along("cumprod", 1, lambda x, dim: torch.cumprod(x, dim), widen=True)
softmax = _along("softmax", _lowest, lambda x, dim: torch.softmax(x, dim))
log_softmax = _along("log_softmax", _lowest, lambda x, dim: torch.log_softmax(x, dim))
softmin = _along("softmin", _highest, lambda x, dim: torch.softmax(-x, dim))


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The elements that the mask shows, divided by their norm (at least `eps`) along an axis; the others become
    zero."""
    x = _converted(input, dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    return _covered("normalize", x, mask, 0) / size.clamp(min=eps)


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """log(exp(input) + exp(other)), in which masked elements count for nothing."""
    left, right = _converted(input, dtype), _converted(other, dtype)
    return torch.logaddexp(
        _covered("logaddexp", left, input_mask, -INF), _covered("logaddexp", right, other_mask, -INF)
    )
