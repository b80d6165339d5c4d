"""Values written to, or folded into, the places of an index tensor; and parts of a tensor replaced by another."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import shape as shapes
from ..core.spec import Spec
from .arranging import constant_pad_nd
from .declare import View, opaque
from .gathering import (
    INTS,
    _gather,
    _index_add,
    _index_fill,
    _index_select,
    add_places,
    as_rows,
    axis_of,
    check_rows,
    check_rows_of,
    check_sizes,
    inplace_form,
    places,
)  # fmt: skip
from .indexing import add_at, check_bounds, check_range
from .lookups import native, with_twin
from .masking import checked_number, where
from .record import composite, number, write_out
from .views import _as_strided as as_strided_view
from .views import as_strided, contiguous, diagonal, select, slice_


# -------------------------------------------------------------------------------------------------- folding into places
# One derivative for scatter_reduce and index_reduce: both fold `source` into places of x that an index names, and differ
# only in how a gradient is looked up at those places.
def _fold_into(xp: Any, x: Any, key: tuple, source: Any, reduce: str, include_self: bool) -> Any:
    """x (overwritten) with `source` folded into the places of a key."""
    if reduce == "sum" or reduce == "mean":
        if not include_self:
            x[key] = 0
        add_at(xp, x, key, source)
        if reduce == "mean":
            counts = xp.full(x.shape, int(include_self), np.int64)
            xp.add.at(counts, key, 1)
            counts[counts == 0] = 1
            x[...] = xp.floor_divide(x, counts) if x.dtype.kind in "iu" else x / counts
        return x
    if not include_self:
        x[key] = _starts(x.dtype)[reduce]
    {"prod": xp.multiply, "amax": xp.maximum, "amin": xp.minimum}[reduce].at(x, key, source)
    return x


def _starts(kind: Any) -> dict:
    if kind.kind == "b":
        return {"prod": True, "amax": False, "amin": True}
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-np.inf, np.inf)
    return {"prod": 1, "amax": low, "amin": high}


def _fold_grad(
    g: Tensor,
    y: Tensor,
    x: Tensor,
    source: Tensor,
    reduce: str,
    include_self: bool,
    at: Any,
    add: Any,
    fold: Any,
    clear: Any,
) -> tuple:
    """Gradients of a fold: `at(t)` looks t up at the index's places, `add(t, s)` adds s there, `fold(t, s)` multiplies by s
    there, `clear(t)` puts zeros there."""
    if reduce == "sum":
        gx, gs = g, at(g)
    elif reduce == "mean":
        n = x.new_ones(x.shape) if include_self else clear(x.new_ones(x.shape))
        n = add(n, source.new_ones(source.shape))
        n = n.masked_fill(n == 0, 1)
        gx, gs = g / n, at(g) / at(n)
    elif reduce == "prod":
        x = x if include_self else _clear_to_one(x, clear)
        zero_x, zero_s = x == 0, source == 0
        safe_x, safe_s = x.masked_fill(zero_x, 1), source.masked_fill(zero_s, 1)
        product = fold(safe_x, safe_s)  # of everything that is not zero
        zeros_s = add(x.new_zeros(x.shape), zero_s.to(x.dtype))
        zeros = zeros_s + zero_x.to(x.dtype)
        gx = g * where(zeros_s == 0, product / safe_x, 0)
        others = at(zeros) - zero_s.to(x.dtype)
        gs = at(g) * where(others == 0, at(product) / safe_s, 0)
    else:
        hit = (source == at(y)).to(x.dtype)
        self_hit = (x == y).to(x.dtype) if include_self else clear((x == y).to(x.dtype))
        count = add(self_hit, hit)
        share = g / count.masked_fill(count == 0, 1)
        gx, gs = share * self_hit if include_self else g, at(share) * hit
    return (gx if include_self else clear(gx)), gs


def _clear_to_one(x: Tensor, clear: Any) -> Tensor:
    """x with ones at the index's places."""
    return clear(x) + (1 - clear(x.new_ones(x.shape)))


# -------------------------------------------------------------------------------------------------------------- scatter
def _scatter_rule(x: Spec, index: Spec, source: Any, dim: int, **rest: Any) -> tuple:
    check_sizes("scatter", x, index, dim, source if type(source) is Spec else None)
    return x.size, x.dtype


def _cut(source: Any, index: Any) -> Any:
    return source[tuple(slice(s) for s in index.shape)] if getattr(source, "shape", ()) else source


def _scatter_parts(xp: Any, x: Any, index: Any, source: Any, dim: int) -> tuple:
    """A copy of x, the key of the index's places, and the part of the source beside the index."""
    out = xp.array(x, order="C")
    flat = out if out.ndim else out.reshape(1)
    index = index if index.ndim else index.reshape(1)
    if index.size:
        check_range(index, flat.shape[dim], 0, dim, RuntimeError)
    source = source.reshape(1) if getattr(source, "shape", None) == () and hasattr(source, "reshape") else source
    return out, flat, places(xp, index, dim) if index.size else None, _cut(source, index)


def _beside(g: Tensor, source: Spec, index: Tensor) -> Tensor:
    """A gradient of the index's size as one of the source's, which may be larger."""
    if g._spec.size == source.size:
        return g
    pad: list[int] = []
    for n, m in zip(reversed(source.size), reversed(g._spec.size), strict=True):
        pad += (0, n - m)
    return constant_pad_nd(g, pad)


def _scatter_grads(name: str, spreads: bool) -> tuple:
    keep = (lambda g, y, _x, index, _source, dim: g) if name == "add" else (
        lambda g, y, _x, index, _source, dim: SCATTER_VALUE(g, index, 0, dim=dim)
    )  # fmt: skip
    value = (
        (lambda g, y, _x, index, _source, dim: _beside(_gather(g, index, dim=dim), _source, index)) if spreads else None
    )
    return (keep, None, value)


def _write_places(xp: Any, x: Any, index: Any, source: Any, dim: int) -> Any:
    out, flat, key, source = _scatter_parts(xp, x, index, source, dim)
    if key is not None:
        flat[key] = source
    return out


SCATTER = opaque(
    _scatter_rule, _scatter_grads("write", True), name="scatter", halves=True,
    native=native("scatter", program="put places in"),
)(_write_places)  # fmt: skip
_scattered = with_twin(SCATTER)
SCATTER_VALUE = opaque(
    _scatter_rule,
    _scatter_grads("write", False),
    name="scatter_value",
    grad_name="ScatterBackward1",
    halves=True,
    late_errors=True,
    native=native("scatter_value"),
)(_write_places)


@opaque(
    _scatter_rule, _scatter_grads("add", True), name="scatter_add",
    native=native("scatter", program="add places to"),
)  # fmt: skip
def _scatter_add(xp: Any, x: Any, index: Any, source: Any, dim: int) -> Any:
    out, flat, key, source = _scatter_parts(xp, x, index, source, dim)
    if key is not None:
        add_places(xp, flat, index, source, dim)
    return out


_scatter_added = with_twin(_scatter_add)


def _scatter_reduce_grad(
    g: Tensor, y: Tensor, x: Tensor, index: Tensor, source: Tensor, dim: int, reduce: str, include_self: bool
) -> tuple:
    size = index._spec.size
    inner = source if source._spec.size == size else source[tuple(slice(s) for s in size)]
    gx, gs = _fold_grad(
        g, y, x, inner, reduce, include_self,
        at=lambda t: _gather(t, index, dim=dim), add=lambda t, s: _scatter_add(t, index, s, dim=dim),
        fold=lambda t, s: _scatter_reduce(t, index, s, dim=dim, reduce="prod", include_self=True),
        clear=lambda t: SCATTER_VALUE(t, index, 0, dim=dim),
    )  # fmt: skip
    return gx, None, _beside(gs, source._spec, index)


@opaque(_scatter_rule, _scatter_reduce_grad, name="scatter_reduce", late_errors=True, native=native("scatter_reduce"))
def _scatter_reduce(xp: Any, x: Any, index: Any, source: Any, dim: int, reduce: str, include_self: bool) -> Any:
    out, flat, key, source = _scatter_parts(xp, x, index, source, dim)
    if key is not None:
        _fold_into(xp, flat, key, source, reduce, include_self)
    return out


def _scatter_arguments(name: str, input: Tensor, dim: Any, index: Tensor, source: Any) -> int:
    d = axis_of(input._spec, dim)
    if index._spec.dtype not in INTS and index._spec.numel:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if isinstance(source, Tensor) and source._spec.dtype is not input._spec.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if isinstance(source, Tensor) and index._spec.numel and max(source._spec.ndim, 1) != max(index._spec.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if index._spec.ndim == input._spec.ndim and input._spec.ndim:
        check_sizes(name, input._spec, index._spec, d, source._spec if isinstance(source, Tensor) else None)
        check_bounds(index, input._spec.size[d], 0, d, RuntimeError)
    return d


@composite()
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The tensor with out[index[i][j]][j] = src[i][j] for dim 0, likewise along other axes; src may be a number."""
    src = number(value if src is None else src)
    d = _scatter_arguments("scatter", input, dim, index, src)
    if reduce is not None and reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if isinstance(src, Tensor):
        if reduce is None:
            result = _scattered(input, index, src, dim=d)
        else:
            warnings.warn(
                "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
                "PyTorch "
                "release. Use torch.scatter_reduce instead for more reduction options.",
                stacklevel=2,
            )
            result = _scatter_reduce(input, index, src, dim=d, reduce=_REDUCE[reduce], include_self=True)
    else:
        src = checked_number(src, input._spec.dtype)
        if reduce is None:
            result = SCATTER_VALUE(input, contiguous(index), src, dim=d)
        else:
            filled = input.new_full(index.shape, src)
            result = _scatter_reduce(input, index, filled, dim=d, reduce=_REDUCE[reduce], include_self=True)
    return result if out is None else write_out(result, out, "scatter")


_REDUCE = {"add": "sum", "multiply": "prod"}


@composite()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tensor with src[i][j] added to out[index[i][j]][j] for dim 0, and likewise along the other axes."""
    result = _scatter_added(input, index, src, dim=_scatter_arguments("scatter_add", input, dim, index, src))
    return result if out is None else write_out(result, out, "scatter_add")


@composite()
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The tensor with src folded into the places of an index; reduce is sum, prod, mean, amax or amin."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    d = _scatter_arguments("scatter_reduce", input, dim, index, src)
    result = _scatter_reduce(input, contiguous(index), src, dim=d, reduce=reduce, include_self=bool(include_self))
    return result if out is None else write_out(result, out, "scatter_reduce")


def _index_reduce_grad(
    g: Tensor, y: Tensor, x: Tensor, index: Tensor, source: Tensor, dim: int, reduce: str, include_self: bool
) -> tuple:
    gx, gs = _fold_grad(
        g, y, x, source, reduce, include_self,
        at=lambda t: _index_select(t, index, dim=dim), add=lambda t, s: _index_add(t, index, s, dim=dim),
        fold=lambda t, s: _index_reduce(t, index, s, dim=dim, reduce="prod", include_self=True),
        clear=lambda t: _index_fill(t, index, 0, dim=dim),
    )  # fmt: skip
    return gx, None, gs


@opaque(lambda x, index, source, **rest: (x.size, x.dtype), _index_reduce_grad, name="index_reduce", late_errors=True)
def _index_reduce(xp: Any, x: Any, index: Any, source: Any, dim: int, reduce: str, include_self: bool) -> Any:
    out, rows, index, source = as_rows(xp, x, index, source, dim)
    check_rows("index_reduce", index, x.shape, dim)
    _fold_into(xp, rows, (index,), source, reduce, include_self)
    return out


@composite()
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The tensor with slices of `source` folded into those whose numbers are in `index`, by prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    warnings.warn("index_reduce() is in beta and the API may change at any time.", stacklevel=2)
    d = check_rows_of("index_reduce", input, dim, index, source, INTS)
    result = _index_reduce(input, index, source, dim=d, reduce=reduce, include_self=bool(include_self))
    return result if out is None else write_out(result, out, "index_reduce")


for _function in (index_reduce, scatter, scatter_add, scatter_reduce):
    inplace_form(_function)


# -------------------------------------------------------------------------------------------- a view of a copy replaced
def _replaced(name: str, look: Any) -> Any:
    """input with `src` in place of what a view sees: `look(tensor, *args)` is the view."""
    rule = look.op.rule

    def spec_rule(x: Spec, src: Spec, args: tuple) -> Any:
        seen = tuple(rule(View(x.size, x.stride), *args).size)
        if src.size != seen:
            raise RuntimeError(
                f"expected src to have a size equal to the slice of self. src size = {list(src.size)}, slice size = "
                f"{list(seen)}"
            )
        return x.size, x.dtype

    @opaque(
        spec_rule, name=name, halves=True,
        grad=(
            # PyTorch's gradient of as_strided_scatter is what was written to, and not the rest
            lambda g, y, _x, _src, args: (
                raw(g.new_zeros(_x.size), look(g, *args), args=args) if look is as_strided_view
                else raw(g, g.new_zeros(_src.size), args=args)
            ),
            lambda g, y, _x, _src, args: look(g, *args),
        ),
    )  # fmt: skip
    def raw(xp: Any, x: Any, src: Any, args: tuple) -> Any:
        out = xp.array(x, order="C")
        v = rule(View(out.shape, shapes.contiguous_stride(out.shape)), *args)
        if shapes.numel(v.size):
            steps = tuple(q * out.itemsize for q in v.stride)
            np.ndarray(v.size, out.dtype, out, v.offset * out.itemsize, steps)[...] = src
        return out

    return raw


_select_scatter, _slice_scatter = _replaced("select_scatter", select), _replaced("slice_scatter", slice_)
_diagonal_scatter = _replaced("diagonal_scatter", diagonal)
_strided_scatter = _replaced("as_strided_scatter", as_strided_view)


@composite()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of the tensor with `src` as one of its slices."""
    return _select_scatter(input, src, args=(dim, index))


@composite()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    """A copy of the tensor with `src` as its slices from `start` to `end`."""
    return _slice_scatter(input, src, args=(dim, start, end, step))


@composite()
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of the tensor with `src` as a diagonal."""
    return _diagonal_scatter(input, src, args=(offset, dim1, dim2))


@composite()
def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A copy of the tensor with `src` as what `as_strided` sees."""
    as_strided(input, size, stride, storage_offset)  # raises where that would reach beyond the storage
    return _strided_scatter(input, src, args=(tuple(size), tuple(stride), storage_offset or 0))
