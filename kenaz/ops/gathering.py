"""Elements picked and placed by index tensors of the result's own size (gather, scatter) or along one axis (index_select ...)."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.spec import Spec
from .declare import opaque
from .indexing import add_at, check_bounds, check_range
from .record import composite, write_out


def _axis_of(x: Spec, dim: Any) -> int:
    return shapes.axis(operator.index(dim), x.ndim)


# ---------------------------------------------------------------------------------------------------------- index_select
def _select_rule(x: Spec, index: Spec, dim: int) -> tuple:
    if not x.ndim:
        return (), x.dtype
    return (*x.size[:dim], index.numel, *x.size[dim + 1 :]), x.dtype


@opaque(
    _select_rule, name="index_select", halves=True, late_errors=True,
    grad=lambda g, y, _x, index, dim: _spread_rows(g, index, size=_x.size, dim=dim),
)  # fmt: skip
def _index_select(xp: Any, x: Any, index: Any, dim: int) -> Any:
    if not x.ndim:
        return x.copy()
    check_range(index, x.shape[dim], 0, 0)
    return x.take(index.reshape(-1), dim)


@opaque(
    lambda g, index, size, dim: (size, g.dtype), name="spread_rows", halves=True,
    grad=lambda g, y, _g, index, size, dim: _index_select(g, index, dim=dim),
)  # fmt: skip
def _spread_rows(xp: Any, g: Any, index: Any, size: tuple, dim: int) -> Any:
    out = xp.zeros(size, g.dtype)
    if not out.ndim:
        return g.reshape(())
    add_at(xp, xp.moveaxis(out, dim, 0), (index.reshape(-1),), xp.moveaxis(g, dim, 0))
    return out


def check_index(name: str, index: Any, kinds: tuple = (dtypes.int64, dtypes.int32)) -> None:
    """Raise what PyTorch raises where an index tensor has a wrong dtype."""
    if index._spec.dtype not in kinds:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index but got: {index.dtype}")


@composite()
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices along an axis whose numbers are in a 1-d tensor."""
    if not isinstance(index, Tensor):
        raise TypeError(f"index_select(): argument 'index' (position 3) must be Tensor, not {type(index).__name__}")
    if index._spec.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index._spec.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    d = _axis_of(input._spec, dim)
    if input._spec.ndim:
        check_bounds(index, input._spec.size[d], 0)
    result = _index_select(input, index, dim=d)
    return result if out is None else write_out(result, out, "index_select")


# ---------------------------------------------------------------------------------------------------------------- gather
def check_sizes(name: str, x: Spec, index: Spec, dim: int, src: Spec | None = None) -> None:
    """Raise where an index does not fit beside `x` (everywhere but along `dim`) or inside `src`."""
    if index.numel == 0:
        return
    if max(index.ndim, 1) != max(x.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor" if src is None and name == "gather"
                           else "Index tensor must have the same number of dimensions as self tensor")
    for d in range(index.ndim):
        if name == "gather":
            if d != dim and index.size[d] > x.size[d]:
                raise RuntimeError(
                    f"Size does not match at dimension {d} expected index {list(index.size)} to be no larger than self "
                    f"{list(x.size)} apart from dimension {dim}"
                )
        elif (d != dim and index.size[d] > x.size[d]) or (src is not None and index.size[d] > src.size[d]):
            beside = f" and to be no larger size than src {list(src.size)}" if src is not None else ""
            raise RuntimeError(
                f"Expected index {list(index.size)} to be no larger than self {list(x.size)} apart from dimension {dim}{beside}"
            )


def _gather_rule(x: Spec, index: Spec, dim: int) -> tuple:
    check_sizes("gather", x, index, dim)
    return index.size, x.dtype


def places(xp: Any, index: Any, dim: int) -> tuple:
    """The key that addresses, for every element of an index, the place of that number along an axis."""
    n = index.ndim
    key = [xp.arange(s).reshape((1,) * d + (s,) + (1,) * (n - d - 1)) for d, s in enumerate(index.shape)]
    key[dim] = index
    return tuple(key)


@opaque(
    _gather_rule, name="gather", halves=True, late_errors=True,
    grad=lambda g, y, _x, index, dim: _spread_places(g, index, size=_x.size, dim=dim),
)  # fmt: skip
def _gather(xp: Any, x: Any, index: Any, dim: int) -> Any:
    if not x.ndim:
        check_range(index, 1, 0, 0, RuntimeError)
        return xp.broadcast_to(x, index.shape)
    if not index.ndim:
        check_range(index, x.shape[0], 0, 0, RuntimeError)
        return x[index]
    if not index.size:
        return xp.empty(index.shape, x.dtype)
    check_range(index, x.shape[dim], 0, dim, RuntimeError)
    return x[places(xp, index, dim)]


@opaque(
    lambda g, index, size, dim: (size, g.dtype), name="spread_places", halves=True,
    grad=lambda g, y, _g, index, size, dim: _gather(g, index, dim=dim),
)  # fmt: skip
def _spread_places(xp: Any, g: Any, index: Any, size: tuple, dim: int) -> Any:
    out = xp.zeros(size, g.dtype)
    _add_places(xp, out, index, g, dim)
    return out


def _add_places(xp: Any, out: Any, index: Any, values: Any, dim: int) -> None:
    if not index.size:
        return
    if not out.ndim:
        out[...] += values.sum(dtype=out.dtype)
        return
    key = places(xp, index.reshape(index.shape or (1,)), dim)
    strides = [int(s) for s in np.cumprod([1, *out.shape[:0:-1]])[::-1]]
    flat = sum(k * q for k, q in zip(key, strides, strict=True))  # a single index: NumPy adds these fast
    memory = out if out.flags.c_contiguous else out.copy()
    add_at(xp, memory.reshape(-1), (flat.reshape(-1),), xp.asarray(values).reshape(-1))
    if memory is not out:
        out[...] = memory


@composite()
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and likewise along the other axes."""
    if not isinstance(index, Tensor):
        raise TypeError(f"gather(): argument 'index' (position 3) must be Tensor, not {type(index).__name__}")
    d = _axis_of(input._spec, dim)
    if index._spec.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"gather(): Expected dtype int32/int64 for index")
    if index._spec.ndim == input._spec.ndim and input._spec.ndim:
        check_bounds(index, input._spec.size[d], 0, d, RuntimeError)
    result = _gather(input, index, dim=d)
    return result if out is None else write_out(result, out, "gather")
