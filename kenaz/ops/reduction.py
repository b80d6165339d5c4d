"""Reductions: operators that fold axes, and scans, which keep what they fold on the way."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import FLOAT, dtype, scalar_name
from ..core.spec import Spec
from .declare import FLOATING, SAME, TO_BOOL, WIDEN_INTS, fresh, numpy_names, opaque, reduction
from .pointwise import conj
from .record import composite, method, public, write_out


def spread(g: Tensor, x: Spec, dim: tuple, keepdim: bool) -> Tensor:
    """The gradient of a fold, repeated along the axes that were folded."""
    return restored(g, x, dim, keepdim).expand(x.size)


def restored(g: Tensor, x: Any, dim: tuple, keepdim: bool) -> Tensor:
    """A folded tensor with axes of one element where axes were folded."""
    if not keepdim and x.ndim:
        for d in sorted(dim):
            g = g.unsqueeze(d)
    return g


def count(x: Any, dim: tuple) -> int:
    """How many elements are folded into one."""
    n = 1
    for d in dim if x.ndim else ():
        n *= x.shape[d] if isinstance(x, Tensor) else x.size[d]
    return n


def _float_only(d: dtype) -> tuple[dtype, dtype]:
    if d.kind < FLOAT:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            + scalar_name(d)
        )
    return d, d


# ------------------------------------------------------------------------------------------------------------------ sums
sum = reduction(
    "sum", WIDEN_INTS, lambda xp, x, axes, keepdims: xp.sum(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, _x, dim, keepdim: spread(g, _x, dim, keepdim),
)  # fmt: skip
mean = reduction(
    "mean", _float_only, lambda xp, x, axes, keepdims: xp.mean(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, _x, dim, keepdim: spread(g / count(_x, dim), _x, dim, keepdim),
)  # fmt: skip
nansum = reduction(
    "nansum", WIDEN_INTS, lambda xp, x, axes, keepdims: xp.nansum(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, x, dim, keepdim: spread(g, x, dim, keepdim) * (x == x),
)  # fmt: skip
_all = reduction("all", TO_BOOL, lambda xp, x, axes, keepdims: xp.all(x, axes, keepdims=keepdims))
_any = reduction("any", TO_BOOL, lambda xp, x, axes, keepdims: xp.any(x, axes, keepdims=keepdims))


def _share(g: Tensor, y: Tensor, x: Tensor, dim: tuple, keepdim: bool) -> Tensor:
    """The gradient of an extreme goes in equal parts to all elements that are equal to it."""
    mask = x == restored(y, x, dim, keepdim)
    return restored(g, x, dim, keepdim) / mask.sum(dim, True) * mask


_EMPTY = "{}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."


def _extreme(name: str, body: Any) -> Any:
    return reduction(name, SAME, body, grad=lambda g, y, x, dim, keepdim: _share(g, y, x, dim, keepdim), empty=_EMPTY.format(name))


amax = _extreme("amax", lambda xp, x, axes, keepdims: xp.max(x, axes, keepdims=keepdims))
amin = _extreme("amin", lambda xp, x, axes, keepdims: xp.min(x, axes, keepdims=keepdims))
