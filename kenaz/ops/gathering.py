"""Elements and slices picked by index tensors (gather, take, index_select), slices written by number (index_add)."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import scalar_name
from ..core.spec import Spec
from .declare import opaque
from .indexing import add_at, check_bounds, check_range
from .lookups import native, with_twin
from .masking import checked_number
from .record import assign, composite, number, write_out
from .views import contiguous, expand


def axis_of(x: Spec, dim: Any) -> int:
    return shapes.axis(operator.index(dim), x.ndim)


# --------------------------------------------------------------------------------------------------------- index_select
def _select_rule(x: Spec, index: Spec, dim: int) -> tuple:
    if not x.ndim:
        return (), x.dtype
    return (*x.size[:dim], index.numel, *x.size[dim + 1 :]), x.dtype


@opaque(
    _select_rule, name="index_select", halves=True, native=native("index_select"),
    grad=lambda g, y, _x, index, dim: _spread_rows(contiguous(g), index, size=_x.size, dim=dim),
)  # fmt: skip
def _index_select(xp: Any, x: Any, index: Any, dim: int) -> Any:
    if not x.ndim:
        return x.copy()
    check_selected(index, x.shape[dim])
    return x.take(index.reshape(-1), dim)


def check_selected(index: Any, n: int, in_rows: bool = False) -> None:
    """Raise where an index names a slice that is not there; of the second axis PyTorch says it with numbers."""
    if index.size and (index.min() < 0 or index.max() >= n):
        if in_rows:
            wrong = next(int(i) for i in index.reshape(-1) if not 0 <= i < n)
            raise RuntimeError(f"INDICES element is out of DATA bounds, id={wrong} axis_dim={n}")
        raise IndexError("index out of range in self")


@opaque(
    lambda g, index, size, dim: (size, g.dtype), name="spread_rows", halves=True, native=native("spread_rows"),
    grad=lambda g, y, _g, index, size, dim: _index_select(g, index, dim=dim),
)  # fmt: skip
def _spread_rows(xp: Any, g: Any, index: Any, size: tuple, dim: int) -> Any:
    out = xp.zeros(size, g.dtype)
    if not out.ndim:
        return g.reshape(())
    add_at(xp, xp.moveaxis(out, dim, 0), (index.reshape(-1),), xp.moveaxis(g, dim, 0))
    return out


_selected = with_twin(_index_select)


@composite()
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices along an axis whose numbers are in a 1-d tensor."""
    if not isinstance(index, Tensor):
        raise TypeError(f"index_select(): argument 'index' (position 3) must be Tensor, not {type(index).__name__}")
    if index._spec.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index._spec.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    d = axis_of(input._spec, dim)
    values = _known(index)
    if input._spec.ndim and values is not None:
        check_selected(values, input._spec.size[d], d == 1 and input._spec.contiguous)
    result = _selected(input, index, dim=d)
    return result if out is None else write_out(result, out, "index_select")


# --------------------------------------------------------------------------------------------------------------- gather
def check_sizes(name: str, x: Spec, index: Spec, dim: int, src: Spec | None = None) -> None:
    """Raise where an index does not fit beside `x` (everywhere but along `dim`) or inside `src`."""
    if index.numel == 0:
        return
    if max(index.ndim, 1) != max(x.ndim, 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor"
            if src is None and name == "gather"
            else "Index tensor must have the same number of dimensions as self tensor"
        )
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
                f"Expected index {list(index.size)} to be no larger than self {list(x.size)} apart from dimension "
                f"{dim}{beside}"
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
    _gather_rule, name="gather", halves=True, native=native("gather"),
    grad=lambda g, y, _x, index, dim: _spread_places(contiguous(g), index, size=_x.size, dim=dim),
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
    lambda g, index, size, dim: (size, g.dtype), name="spread_places", halves=True, native=native("spread_places"),
    grad=lambda g, y, _g, index, size, dim: _gather(g, index, dim=dim),
)  # fmt: skip
def _spread_places(xp: Any, g: Any, index: Any, size: tuple, dim: int) -> Any:
    out = xp.zeros(size, g.dtype)
    add_places(xp, out, index, g, dim)
    return out


_gathered = with_twin(_gather)


def add_places(xp: Any, out: Any, index: Any, values: Any, dim: int) -> None:
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
    d = axis_of(input._spec, dim)
    if index._spec.dtype not in INTS and index._spec.numel:
        raise RuntimeError("gather(): Expected dtype int32/int64 for index")
    if index._spec.ndim == input._spec.ndim and input._spec.ndim:
        check_bounds(index, input._spec.size[d], 0, d, RuntimeError)
    result = _gathered(input, index, dim=d)
    return result if out is None else write_out(result, out, "gather")


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """Elements at `indices` along an axis, both sides broadcast; without an axis those of the flat tensor."""
    if indices._spec.dtype is not dtypes.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_name(indices.dtype)}"
        )
    if dim is None:
        result = gather(input.reshape(-1), 0, indices.reshape(-1))
        return result if out is None else write_out(result, out, "take_along_dim")
    if indices._spec.ndim != input._spec.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input._spec.ndim} dimensions for input, and {indices._spec.ndim} dimensions for indices"
        )
    d = axis_of(input._spec, dim)
    size = list(shapes.broadcast(*[(*t._spec.size[:d], 1, *t._spec.size[d + 1 :]) for t in (input, indices)]))
    x = expand(input, (*size[:d], input._spec.size[d], *size[d + 1 :]))
    index = expand(indices, (*size[:d], indices._spec.size[d], *size[d + 1 :]))
    return gather(x, d, index, out=out)


composite()(take_along_dim)


# ------------------------------------------------------------------------------------------------------------ take, put
@opaque(
    lambda x, index: (index.size, x.dtype), name="take", halves=True, late_errors=True,
    grad=lambda g, y, _x, index: _put(g.new_zeros(_x.size), index, g, accumulate=True),
)  # fmt: skip
def _take(xp: Any, x: Any, index: Any) -> Any:
    _check_flat(index, x.size)
    return x.reshape(-1)[index]


def _check_flat(index: Any, n: int) -> None:
    if index.size and (index.min() < -n or index.max() >= n):
        wrong = index[(index < -n) | (index >= n)].flat[0]
        raise IndexError(f"out of range: tried to access index {wrong} on a tensor of {n} elements.")


def _known(t: Tensor) -> Any:
    """The values of an index tensor where they are computed already, for errors at the user's line."""
    return t._array() if type(t._storage.node.value) is np.ndarray and t._spec.numel else None


@composite()
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of the flat tensor at the given places, in the size of `index`."""
    if index._spec.dtype is not dtypes.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {scalar_name(index.dtype)}")
    if not input._spec.numel and index._spec.numel:
        raise IndexError("take(): tried to take from an empty tensor")
    values = _known(index)
    if values is not None:
        _check_flat(values, input._spec.numel)
    result = _take(input, index)
    return result if out is None else write_out(result, out, "take")


@opaque(
    lambda x, index, source, accumulate: (x.size, x.dtype), name="put", halves=True, late_errors=True,
    grad=(
        lambda g, y, _x, index, _source, accumulate: (
            g if accumulate else _put(g, index, g.new_zeros(index.shape), accumulate=False)
        ),
        None,
        lambda g, y, _x, index, _source, accumulate: _take(g, index).reshape(_source.size),
    ),
)  # fmt: skip
def _put(xp: Any, x: Any, index: Any, source: Any, accumulate: bool) -> Any:
    _check_flat(index, x.size)
    out = xp.array(x, order="C")
    flat = out.reshape(-1)
    if accumulate:
        add_at(xp, flat, (index.reshape(-1),), source.reshape(-1))
    else:
        flat[index.reshape(-1)] = source.reshape(-1)
    return out


@composite()
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with the elements of `source` written to, or added at, places of the flat tensor."""
    if index._spec.dtype is not dtypes.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {scalar_name(index.dtype)}")
    if input._spec.dtype is not source._spec.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{scalar_name(input.dtype)} and "
            f"source.dtype = {scalar_name(source.dtype)}"
        )
    if index._spec.numel != source._spec.numel:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source._spec.numel}, index.numel() = {index._spec.numel}"
        )
    values = _known(index)
    if values is not None:
        _check_flat(values, input._spec.numel)
    return _put(input, index, source, accumulate=bool(accumulate))


@composite("Tensor")
def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Write the elements of `source` to, or add them at, places of the flat tensor."""
    return assign(self, put(self, index, source, accumulate))


# ------------------------------------------------------------------------------------------------ slices along an axis
def _check_vector(name: str, index: Tensor, source: Any, n: int | None) -> None:
    if index._spec.ndim > 1:
        raise IndexError(
            f"{name}_(): Index is supposed to be a vector, but got dim: {index._spec.ndim} with type: "
            f"{scalar_name(index.dtype)} and size: {list(index.shape)}"
        )


def check_rows_of(name: str, x: Tensor, dim: Any, index: Tensor, source: Tensor, kinds: tuple) -> int:
    """Check what the functions of (x, dim, index, source) have in common, and return the axis."""
    d = axis_of(x._spec, dim)
    _check_vector(name, index, source, None)
    if index._spec.dtype not in kinds:
        raise _INDEX_DTYPE[name]
    if x._spec.dtype is not source._spec.dtype:
        if name == "index_copy":
            raise RuntimeError(
                f"{name}_(): self and source expected to have the same dtype, but got (self) {scalar_name(x.dtype)} "
                "and (source) "
                f"{scalar_name(source.dtype)}"
            )
        raise RuntimeError(
            f"{name}_(): self ({scalar_name(x.dtype)}) and source ({scalar_name(source.dtype)}) must have the same "
            "scalar type"
        )
    n = source._spec.size[d] if source._spec.ndim > d else 1
    if index._spec.numel != n:
        if name == "index_copy":
            raise IndexError(
                f"{name}_(): Number of indices ({index._spec.numel}) should be equal to source.size(dim) ({n})"
            )
        raise (RuntimeError if name == "index_add" else IndexError)(
            f"{name}_(): Number of indices ({index._spec.numel}) should be equal to source.size(dim): ({n}), for "
            f"dim: {d}"
        )
    size = x._spec.size
    if source._spec.ndim and x._spec.ndim and (*size[:d], n, *size[d + 1 :]) != source._spec.size:
        if name == "index_copy":
            raise RuntimeError(
                f"{name}_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
                f"{list(size[:d] + size[d + 1 :])} at dimension {d} and source slice shape: "
                f"{list(source.shape[:d] + source.shape[d + 1 :])} at dimension 0."
            )
        raise RuntimeError(
            f"source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(size)} source.shape = {list(source.shape)}"
        )
    if x._spec.ndim:
        values = _known(index)
        if values is not None:
            check_rows(name, values, x._spec.size, d)
    return d


_INDEX_DTYPE = {
    "index_add": RuntimeError("index_add_(): Expected dtype int32/int64 for index but got: Float"),
    "index_copy": IndexError("index_copy_(): Expected a long tensor for index, but got Float"),
    "index_reduce": IndexError("index_reduce_(): Expected dtype int32/int64 for index"),
}
INTS = (dtypes.int64, dtypes.int32)


def check_rows(name: str, index: Any, size: Any, dim: int) -> None:
    """Raise where an index names a slice that is not there, as the PyTorch kernel for this axis says it."""
    n = size[dim] if len(size) else 1
    if not index.size or index.min() >= 0 and index.max() < n:
        return
    at_an_end = len(size) > 1 and dim in (0, len(size) - 1)
    if name == "index_reduce" or name == "index_add" and not at_an_end:
        raise IndexError("index out of range in self")
    prefix, kind = ("index_copy_(): ", IndexError) if name == "index_copy" else ("", RuntimeError)
    wrong = index[(index < 0) | (index >= n)].flat[0]
    raise kind(f"{prefix}index {wrong} is out of bounds for dimension {dim} with size {n}")


def as_rows(xp: Any, x: Any, index: Any, source: Any, dim: int) -> tuple:
    """A copy of x, that copy with the axis in front, the index as a vector, and the source's slices in front."""
    out = xp.array(x, order="C")
    rows = xp.moveaxis(out, dim, 0) if out.ndim else out.reshape(1)
    source = xp.moveaxis(source, dim, 0) if source.ndim else source.reshape(1)
    return out, rows, index.reshape(-1), source.reshape((index.size, *rows.shape[1:]))


@opaque(
    lambda x, index, source, dim: (x.size, x.dtype), name="index_add", native=native("index_add"),
    grad=(
        lambda g, y, _x, index, _source, dim: g,
        None,
        lambda g, y, _x, index, _source, dim: _index_select(g, index, dim=dim).reshape(_source.size),
    ),
)  # fmt: skip
def _index_add(xp: Any, x: Any, index: Any, source: Any, dim: int) -> Any:
    out, rows, index, source = as_rows(xp, x, index, source, dim)
    check_rows("index_add", index, x.shape, dim)
    add_at(xp, rows, (index,), source)
    return out


_added = with_twin(_index_add)


@composite()
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Tensor | None = None
) -> Tensor:
    """The tensor with slices of `source` added to the slices whose numbers are in `index`."""
    d = check_rows_of("index_add", input, dim, index, source, INTS)
    result = _added(input, index, source * alpha if alpha != 1 else source, dim=d)
    return result if out is None else write_out(result, out, "index_add")


@opaque(
    lambda x, index, source, dim: (x.size, x.dtype), name="index_copy", halves=True, late_errors=True,
    native=native("index_copy"),
    grad=(
        lambda g, y, _x, index, _source, dim: g.index_fill(dim, index, 0),
        None,
        lambda g, y, _x, index, _source, dim: _index_select(g, index, dim=dim).reshape(_source.size),
    ),
)  # fmt: skip
def _index_copy(xp: Any, x: Any, index: Any, source: Any, dim: int) -> Any:
    out, rows, index, source = as_rows(xp, x, index, source, dim)
    check_rows("index_copy", index, x.shape, dim)
    rows[index] = source
    return out


@composite()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tensor with slices of `source` in place of the slices whose numbers are in `index`."""
    result = _index_copy(input, index, source, dim=check_rows_of("index_copy", input, dim, index, source, (dtypes.int64,)))
    return result if out is None else write_out(result, out, "index_copy")


@opaque(
    lambda x, index, value, dim: (x.size, x.dtype), name="index_fill", halves=True, late_errors=True,
    grad=(
        lambda g, y, _x, index, _value, dim: _index_fill(g, index, 0, dim=dim),
        None,
        lambda g, y, _x, index, _value, dim: (g - _index_fill(g, index, 0, dim=dim)).sum(),
    ),
)  # fmt: skip
def _index_fill(xp: Any, x: Any, index: Any, value: Any, dim: int) -> Any:
    out = xp.array(x, order="C")
    rows = xp.moveaxis(out, dim, 0) if out.ndim else out.reshape(1)
    check_range(index, len(rows), -len(rows), dim)
    rows[index.reshape(-1)] = value
    return out


@composite()
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """The tensor with a value in the slices whose numbers are in `index`."""
    value = number(value)
    if index._spec.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index._spec.ndim > 1:
        raise IndexError("Index has to be a vector/scalar")
    d = axis_of(input._spec, dim)
    if isinstance(value, Tensor):
        if value._spec.ndim:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value._spec.ndim} "
                "dimension(s)."
            )
    else:
        value = checked_number(value, input._spec.dtype)
    if input._spec.ndim:
        check_bounds(index, input._spec.size[d], axis=d)
    return _index_fill(input, index, value, dim=d)


def inplace_form(function: Any) -> None:
    """Attach the method that writes what a function returns to its first argument."""

    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return assign(self, function(self, *args, **kwargs))

    inplace.__name__ = function.__name__ + "_"
    inplace.__doc__ = function.__doc__
    composite("Tensor")(inplace)


for _function in (index_add, index_copy, index_fill):
    inplace_form(_function)


@composite("torch")
def unravel_index(indices: Tensor, shape: Any) -> tuple:
    """The coordinates of flat places in a tensor of a size."""
    sizes = [shape] if isinstance(shape, int) else [int(s) for s in shape]
    found = []
    for s in reversed(sizes):
        found.append(indices % s)
        indices = indices.div(s, rounding_mode="floor")
    return tuple(reversed(found))
