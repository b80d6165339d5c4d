"""`x[...]` and `x[...] = value`.

A key is read once, left to right. Integers, slices, None and Ellipsis make ONE view; tensors, masks, lists and arrays
are set aside with the axis of that view they index, and go to the operator `index` (or `index_put` for assignment).

    x[2, None, idx, 1:]   ->   view (select, unsqueeze, slice) of x   ->   index(view, idx at axis 1)
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import scalar_name
from ..core.spec import Spec, spec
from ..graph.node import Op
from .conversion import copy_, fill_
from .creation import from_numpy, tensor
from .declare import View, look, opaque
from .lookups import native, with_twin
from .masking import checked_number, masked_put, where
from .record import NUMBERS, assign, check_writable, composite, method, register
from .views import contiguous, embed, expand

FULL = slice(None)
Advanced = list  # of (axis of the view, index tensor)


# ------------------------------------------------------------------------------------------------------ reading a key
class Reading:
    """A view under construction, axis by axis, and the index tensors met on the way."""

    __slots__ = ("advanced", "axis", "last", "offset", "parts", "place", "size", "source", "stride")

    def __init__(self, source: Any):
        self.source = source  # whatever has size and stride
        self.size: list[int] = []
        self.stride: list[int] = []
        self.offset = 0
        self.axis = 0  # the next axis of the source
        self.place = 0  # of the current item in the key, for errors
        self.last = "alias"  # the last of the elementary views, after which PyTorch names the backward node
        self.parts: list = []  # the key without its tensors, from which the same view of another layout can be made
        self.advanced: Advanced = []

    def number(self, i: int) -> None:
        d = self.axis
        n = self.source.size[d]
        if not -n <= i < n:
            raise IndexError(f"index {i} is out of bounds for dimension {self.place} with size {n}")
        self.offset += (i + n if i < 0 else i) * self.source.stride[d]
        self.axis += 1
        self.last = "select"
        self.parts.append(i)

    def slice(self, s: slice) -> None:
        d = self.axis
        start, stop, step = s.start, s.stop, s.step
        if start is None and stop is None and step is None:
            self.keep(1)
            self.last = "slice"
            return
        step = 1 if step is None else _bound(step)
        if step <= 0:
            raise ValueError("step must be greater than zero" if step else "slice step cannot be zero")
        first, end = shapes.slice_bounds(
            None if start is None else _bound(start), None if stop is None else _bound(stop), self.source.size[d]
        )
        stride = self.source.stride[d]
        self.size.append((end - first + step - 1) // step)
        self.stride.append(stride * step)
        self.offset += first * stride
        self.axis += 1
        self.last = "slice"
        self.parts.append(slice(first, end, step))

    def new_axis(self) -> None:
        d, source = self.axis, self.source
        self.size.append(1)
        self.stride.append(source.size[d] * source.stride[d] if d < len(source.size) else 1)
        self.last = "unsqueeze"
        self.parts.append(None)

    def keep(self, count: int) -> None:
        """Take over axes as they are."""
        d = self.axis
        self.size.extend(self.source.size[d : d + count])
        self.stride.extend(self.source.stride[d : d + count])
        self.axis += count
        self.parts += [FULL] * count

    def tensor(self, t: Tensor) -> None:
        kind = t._spec.dtype
        if kind is dtypes.bool_ or kind is dtypes.uint8:
            self.mask(t)
            return
        if kind is not dtypes.int64 and kind is not dtypes.int32:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if not t._spec.ndim:
            self.number(int(t.item()))
            return
        self.advanced.append((len(self.size), t))
        self.keep(1)

    def mask(self, t: Tensor) -> None:
        axis, n = self.axis, t._spec.ndim
        if t._spec.dtype is dtypes.uint8:
            import warnings

            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
                stacklevel=5,
            )
            t = t != 0
        if not n:
            self.flag(bool(t.item()))
            return
        if t._spec.size != self.source.size[axis : axis + n]:
            raise IndexError(
                f"The shape of the mask {list(t.shape)} at index "
                f"{_first_difference(t.shape, self.source.size[axis:])} does not "
                f"match the shape of the indexed tensor {list(self.source.size)} at index "
                f"{axis + _first_difference(t.shape, self.source.size[axis:])}"
            )
        self.advanced.append((len(self.size), t))
        self.keep(n)

    def flag(self, value: bool) -> None:
        """True and False: a new axis of which everything, or nothing, is taken."""
        self.new_axis()
        self.advanced.append((len(self.size) - 1, Tensor._from_array(np.zeros(int(value), np.int64))))


def _first_difference(a: Sequence[int], b: Sequence[int]) -> int:
    return next(i for i, s in enumerate(a) if s != b[i])


def _bound(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


def read_key(source: Any, key: Any) -> Reading:
    """What a key asks of something with `size` and `stride`."""
    key = _as_tuple(key)
    ndim = len(source.size)
    used = sum(map(_axes_used, key))
    if used > ndim:
        if not ndim and used == 1 and len(key) == 1 and not isinstance(key[0], (Tensor, slice)):
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                "convert a "
                "0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    reading = Reading(source)
    for reading.place, k in enumerate(key):
        kind = type(k)
        if kind is int:
            reading.number(k)
        elif kind is slice:
            reading.slice(k)
        elif k is None:
            reading.new_axis()
        elif k is Ellipsis:
            reading.keep(ndim - used)
            used = ndim
        elif kind is bool or kind is np.bool_:
            reading.flag(bool(k))
        elif isinstance(k, Tensor):
            reading.tensor(k)
        elif isinstance(k, (list, tuple, np.ndarray, range)):
            reading.tensor(_index_tensor(k))
        else:
            reading.number(_integer(k))
    reading.keep(ndim - reading.axis)
    return reading


def _as_tuple(key: Any) -> tuple:
    kind = type(key)
    if kind is tuple:
        return tuple(_list_as_tensor(k) for k in key)
    if kind is list:
        if len(key) < 32 and any(
            k is None or k is Ellipsis or isinstance(k, (Tensor, slice, list, tuple)) for k in key
        ):
            import warnings

            warnings.warn(
                "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in "
                "pytorch 2.9; use "
                "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
                "x[torch.tensor(seq)], which will result either in an error or a different result",
                stacklevel=5,
            )
            return tuple(_list_as_tensor(k) for k in key)
        return (_index_tensor(key),)
    return (_list_as_tensor(key),)


def _list_as_tensor(k: Any) -> Any:
    return _index_tensor(k) if isinstance(k, (list, tuple, np.ndarray, range)) else k


def _index_tensor(k: Any) -> Tensor:
    """Lists and arrays as index tensors; numbers that are not integers are cut, as PyTorch does."""
    if isinstance(k, np.ndarray):
        if k.dtype.kind in "iu" and k.dtype != np.uint8:
            return Tensor._from_array(k.astype(np.int64))
        return from_numpy(np.ascontiguousarray(k))
    if not len(k):
        return Tensor._from_array(np.empty(0, np.int64))
    found = tensor(list(k))
    return found if found.dtype.kind <= 1 else Tensor._from_array(found._array().astype(np.int64))


def _axes_used(k: Any) -> int:
    if k is None or k is Ellipsis or type(k) is bool or type(k) is np.bool_:
        return 0
    if isinstance(k, Tensor) and k._spec.dtype in (dtypes.bool_, dtypes.uint8):
        return k._spec.ndim
    return 1


def _integer(k: Any) -> int:
    if not isinstance(k, (float, complex)):
        try:
            return operator.index(k)
        except TypeError:
            pass
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(k).__name__})"
    )


# ---------------------------------------------------------------------------------------------------------- the view
def _part_rule(v: View, parts: tuple) -> View:
    """The view that a key without tensors asks for."""
    reading = read_key(v, parts)
    return View(reading.size, reading.stride, reading.offset)


class _Part:
    """What `embed` asks of a view function: `op.rule`."""

    class op:
        rule = staticmethod(_part_rule)


def _never(call: Any) -> Any:
    raise AssertionError("a view is never run")


PARTS = {
    name: register(
        Op("part_" + name, "view", _never, rule=_part_rule, grad=lambda g, y, _x, parts: embed(g, _x, _Part, parts),
           grad_name=name.capitalize() + "Backward0")
    )
    for name in ("select", "slice", "unsqueeze", "alias")
}  # fmt: skip
_SELECT, _SLICE = PARTS["select"], PARTS["slice"]


def _row(x: Tensor, i: int) -> Tensor:
    """x[i]: the commonest key, with its spec looked up instead of made."""
    s = x._spec
    found = s.variants.get("row")
    if found is None:
        if not s.ndim:
            read_key(s, i)
        plain, shifted = (spec(s.size[1:], s.stride[1:], s.dtype, s.device, far) for far in (False, True))
        found = s.variants["row"] = s.size[0], s.stride[0], plain, shifted
    n, step, plain, shifted = found
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for dimension 0 with size {n}")
    offset = x._offset + (i + n if i < 0 else i) * step
    return look(x, _SELECT, shifted if offset else plain, offset, {"parts": (i,)})


def _rows(x: Tensor, key: slice) -> Tensor:
    """x[a:b]: the next commonest."""
    s = x._spec
    start, stop, step = key.start, key.stop, key.step
    if step is not None or type(start) not in _BOUND or type(stop) not in _BOUND or not s.ndim:
        return _view_of(x, read_key(s, key))
    n = s.size[0]
    first, end = _bounds(start, stop, n)
    count = end - first
    found = s.variants.get(count)  # other kinds of variants have other kinds of keys
    if found is None:
        found = tuple(spec((count, *s.size[1:]), s.stride, s.dtype, s.device, far) for far in (False, True))
        s.variants[count] = found
    offset = x._offset + first * s.stride[0]
    return look(x, _SLICE, found[offset != 0], offset, {"parts": (slice(first, end),)})


_BOUND = frozenset((int, type(None)))


def _bounds(start: int | None, stop: int | None, n: int) -> tuple[int, int]:
    """Where a slice of n places begins and ends, the end not before the beginning."""
    if start is None:
        start = 0
    elif start < 0:
        start = start + n if start > -n else 0
    if start > n:
        start = n
    if stop is None or stop > n:
        stop = n
    elif stop < 0:
        stop += n
    return start, stop if stop > start else start


def _parts(x: Tensor, key: tuple) -> Tensor | None:
    """x[i, a:b, ...] with integers and plain slices alone, the next commonest; None for all other keys."""
    s = x._spec
    size, stride, offset, parts, last = [], [], x._offset, [], _SELECT
    if not 0 < len(key) <= s.ndim:
        return None
    for k, n, step in zip(key, s.size, s.stride):
        kind = type(k)
        if kind is int:
            if not -n <= k < n:
                return None
            offset += (k + n if k < 0 else k) * step
            parts.append(k)
            last = _SELECT
        elif kind is slice and k.step is None and type(k.start) in _BOUND and type(k.stop) in _BOUND:
            first, end = _bounds(k.start, k.stop, n)
            size.append(end - first)
            stride.append(step)
            offset += first * step
            parts.append(slice(first, end))
            last = _SLICE
        else:
            return None
    place = len(key)
    seen = spec((*size, *s.size[place:]), (*stride, *s.stride[place:]), s.dtype, s.device, offset != 0)
    return look(x, last, seen, offset, {"parts": tuple(parts)})


def _view_of(x: Tensor, reading: Reading) -> Tensor:
    s = x._spec
    offset = x._offset + reading.offset
    seen = spec(tuple(reading.size), tuple(reading.stride), s.dtype, s.device, offset != 0)
    return look(x, PARTS[reading.last], seen, offset, {"parts": tuple(reading.parts)})


def getitem(self: Tensor, key: Any) -> Tensor:
    """The part of a tensor that a key names: a view for integers, slices, None and Ellipsis, else a copy."""
    if type(key) is int:
        return _row(self, key)
    if type(key) is slice:
        return _rows(self, key)
    view = _parts(self, key) if type(key) is tuple else None
    if view is not None:
        return view
    reading = read_key(self._spec, key)
    if not reading.advanced:
        return _view_of(self, reading)
    return index(_before_index(self, reading), *_index_arguments(reading.advanced))


def _before_index(x: Tensor, reading: Reading) -> Tensor:
    """The view that the index tensors work on; x itself where the key has nothing but tensors and full slices."""
    for part in reading.parts:
        if part is not FULL:
            return _view_of(x, reading)
    return x


def _index_arguments(advanced: Advanced) -> tuple[tuple, tuple]:
    """Index tensors and the axes they index; a mask becomes one index tensor per axis (which needs its values)."""
    tensors, where = [], []
    for axis, t in advanced:
        if t._spec.dtype is dtypes.bool_:
            for i, found in enumerate(np.nonzero(t._array())):
                tensors.append(Tensor._from_array(found))
                where.append(axis + i)
        else:
            tensors.append(t)
            where.append(axis)
    return tuple(tensors), tuple(where)


# ----------------------------------------------------------------------------------------------------- index, index_put
def check_bounds(t: Tensor, n: int, low: int | None = None, axis: int = 0, kind: Any = IndexError) -> None:
    """Raise at the user's line where the values of an index are known and out of range; else the kernel does."""
    value = t._storage.node.value
    if type(value) is np.ndarray and t._spec.numel:
        check_range(t._array(), n, -n if low is None else low, axis, kind)


def check_range(a: np.ndarray, n: int, low: int, axis: int = 0, kind: Any = IndexError) -> None:
    if a.size and (a.min() < low or a.max() >= n):
        wrong = a[(a < low) | (a >= n)].flat[0]
        raise kind(f"index {wrong} is out of bounds for dimension {axis} with size {n}")


def index(x: Tensor, indices: tuple, where: tuple) -> Tensor:
    """x at index tensors that stand at the axes `where`."""
    for i, (t, axis) in enumerate(zip(indices, where, strict=True)):
        check_bounds(t, x._spec.size[axis], axis=i)
    return _indexed(x, *indices, where=where)


def _index_rule(x: Spec, *indices: Spec, where: tuple) -> tuple:
    return _indexed_size(x, indices, where), x.dtype


def _indexed_size(x: Spec, indices: Sequence[Spec], where: tuple) -> tuple:
    try:
        common = shapes.broadcast(*[i.size for i in indices])
    except RuntimeError:
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(i.size)) for i in indices)
        ) from None
    if 0 not in common:
        for axis in where:
            if x.size[axis] == 0:
                raise IndexError("index is out of bounds for dimension with size 0")
    rest = [s for d, s in enumerate(x.size) if d not in where]
    at = (
        where[0] if where[-1] - where[0] == len(where) - 1 else 0
    )  # tensors apart from each other: their axes come first
    return (*rest[:at], *common, *rest[at:])


def _numpy_key(x: Any, indices: Sequence, where: tuple) -> tuple:
    key: list = [FULL] * x.ndim
    for number, (i, axis) in enumerate(zip(indices, where, strict=True)):
        check_range(i, x.shape[axis], -x.shape[axis], number)
        key[axis] = i
    return tuple(key)


@opaque(
    _index_rule, name="index", halves=True, native=native("index"),
    grad=lambda g, y, _x, *indices, where: _index_add_at(contiguous(g), *indices, size=_x.size, where=where),
)  # fmt: skip
def _index(xp: Any, x: Any, *indices: Any, where: tuple) -> Any:
    key = _numpy_key(x, indices, where)
    return x.take(indices[0], 0) if where == (0,) else x[key]


_indexed = with_twin(_index, None)


@opaque(
    lambda g, *indices, size, where: (size, g.dtype), name="index_add_at", halves=True, native=native("index_add_at"),
    grad=lambda g, y, _g, *indices, size, where: _index(g, *indices, where=where),
)  # fmt: skip
def _index_add_at(xp: Any, g: Any, *indices: Any, size: tuple, where: tuple) -> Any:
    out = xp.zeros(size, g.dtype)
    add_at(xp, out, _numpy_key(out, indices, where), g)
    return out


def add_at(xp: Any, out: Any, key: tuple, values: Any) -> None:
    """out[key] += values, where places that come up repeatedly receive every one of their values.

    Rows that follow one index array are sorted and summed in runs: NumPy's `add.at` visits element by element.
    """
    if len(key) > 1 and all(type(k) is slice for k in key[1:]) and not isinstance(key[0], slice):
        key = key[:1]
    rows = out.shape[0] if out.ndim else 1
    if len(key) != 1 or isinstance(key[0], slice) or out.ndim == 1 or not rows or out.dtype.kind in "Vb":
        _add_at(xp, out, key, values)
        return
    at = key[0].reshape(-1) % rows
    values = xp.broadcast_to(values, key[0].shape + out.shape[1:]).reshape((len(at), *out.shape[1:]))
    if not len(at):
        return
    order = xp.argsort(at, kind="stable")
    at = at[order]
    starts = xp.flatnonzero(xp.concatenate(([True], at[1:] != at[:-1])))
    out[at[starts]] += xp.add.reduceat(values[order], starts, axis=0)


def _add_at(xp: Any, out: Any, key: tuple, values: Any) -> None:
    if out.dtype.kind == "V" or out.dtype == np.float16:  # halves add up in float32
        wide = out.astype(np.float32)
        xp.add.at(wide, key, np.asarray(values).astype(np.float32))
        out[...] = wide.astype(out.dtype)
    elif out.dtype == bool:
        xp.logical_or.at(out, key, values)
    else:
        xp.add.at(out, key, values)


def _index_put_rule(x: Spec, value: Any, *indices: Spec, where: tuple, accumulate: bool) -> Spec:
    wanted = _indexed_size(x, indices, where)
    if type(value) is Spec and value.size != wanted:
        try:
            fits = shapes.broadcast(value.size, wanted) == wanted
        except RuntimeError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value.size)} cannot be broadcast to indexing result of "
                "shape "
                f"{list(wanted)}"
            )
    return x.like(x.dtype)


def _index_put_grad(
    g: Tensor, y: Any, _x: Spec, _value: Any, *indices: Tensor, where: tuple, accumulate: bool, needs: tuple
) -> tuple:
    base = value = None
    if needs[0]:
        base = g if accumulate else _index_put(g, 0, *indices, where=where, accumulate=False)
    if needs[1]:
        value = _index(g, *indices, where=where)
    return base, value


@opaque(
    _index_put_rule, _index_put_grad, name="index_put", halves=True, late_errors=True, overwrites=True,
    native=native("index_put"),
)  # fmt: skip
def _index_put(xp: Any, x: Any, value: Any, *indices: Any, where: tuple, accumulate: bool) -> Any:
    key = _numpy_key(x, indices, where)
    if accumulate:
        add_at(xp, x, key, value)
    else:
        x[key] = value
    return x


def put_at(x: Tensor, value: Any, indices: tuple, where: tuple, accumulate: bool = False) -> Tensor:
    """x with `value` (a number or a tensor) written to, or added at, the places of the index tensors."""
    for i, (t, axis) in enumerate(zip(indices, where, strict=True)):
        check_bounds(t, x._spec.size[axis], axis=i)
    if isinstance(value, Tensor):
        if value._spec.dtype is not x._spec.dtype:
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{scalar_name(x.dtype)} for the destination and {scalar_name(value.dtype)} for the source."
            )
    else:
        value = checked_number(value, x._spec.dtype)
    return _index_put(x, value, *indices, where=where, accumulate=accumulate)


# ----------------------------------------------------------------------------------------------------------- assignment
def setitem(self: Tensor, key: Any, value: Any) -> None:
    """Write a number or a tensor to the part of a tensor that a key names."""
    if not isinstance(value, Tensor):
        value = _assigned_number(self, value)
    if type(key) is int:
        _write(_row(self, key), value)
        return
    reading = read_key(self._spec, key)
    if not reading.advanced:
        _write(_view_of(self, reading), value)
        return
    x = _before_index(self, reading)
    check_writable(x)
    if len(reading.advanced) == 1 and reading.advanced[0][1]._spec.dtype is dtypes.bool_:
        if _write_masked(x, *reading.advanced[0], value):
            return
    indices, where = _index_arguments(reading.advanced)
    assign(x, put_at(x, _trimmed(value, reading, indices, where), indices, where))


def _assigned_number(self: Tensor, value: Any) -> Any:
    if type(value) in NUMBERS:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return tensor(value)
    raise TypeError(f"can't assign a {type(value).__name__} to a torch.{scalar_name(self.dtype)}Tensor")


def _write(x: Tensor, value: Any) -> None:
    """Write to a view."""
    if not isinstance(value, Tensor):
        fill_(x, value)
        return
    if (
        value._storage is x._storage
        and value._spec is x._spec
        and value._offset == x._offset
        and value._grad_fn is not None
    ):
        return  # x[i] += y ends with x[i] = x[i]: written already
    while value._spec.ndim > x._spec.ndim and value._spec.size[0] == 1:
        value = value[0]
    copy_(x, value if value._spec.size == x._spec.size else expand(value, x._spec.size))


def _trimmed(value: Any, reading: Reading, indices: tuple, where: tuple) -> Any:
    """A value without leading axes of one element beyond what the place has."""
    if not isinstance(value, Tensor):
        return value
    ndim = len(reading.size) - len(where) + max((i._spec.ndim for i in indices), default=0)
    while value._spec.ndim > ndim and value._spec.size[0] == 1:
        value = value[0]
    return value


def _write_masked(x: Tensor, axis: int, mask: Tensor, value: Any) -> bool:
    """x[mask] = number without asking for the mask's values: a selection. False for more than one element."""
    if isinstance(value, Tensor):
        if value._spec.ndim or value._spec.dtype is not x._spec.dtype:
            return False
    else:
        value = checked_number(value, x._spec.dtype)
    n = mask._spec.ndim
    shape = (1,) * axis + tuple(mask._spec.size) + (1,) * (x._spec.ndim - axis - n)
    assign(x, masked_put(x, value, mask.reshape(shape) if shape != mask._spec.size else mask))
    return True


method("__getitem__", getitem)
method("__setitem__", setitem)


# ---------------------------------------------------------------------------------------------- index_put as a function
def _placed(x: Tensor, indices: Sequence) -> tuple[tuple, tuple, Tensor]:
    """Index tensors (with None for axes left alone) as tensors and their axes."""
    reading = read_key(
        x._spec, tuple(FULL if i is None else i if i.ndim or i.dtype.kind == 0 else i.reshape(1) for i in indices)
    )
    return (*_index_arguments(reading.advanced), x)


@composite()
def index_put(input: Tensor, indices: Sequence, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of the tensor with values written to, or with `accumulate` added at, the places of index tensors."""
    tensors, where, _ = _placed(input, indices)
    return put_at(input, values, tensors, where, accumulate)


@composite()
def index_put_(input: Tensor, indices: Sequence, values: Tensor, accumulate: bool = False) -> Tensor:
    """Write values to, or with `accumulate` add them at, the places of index tensors."""
    check_writable(input)
    return assign(input, index_put(input, indices, values, accumulate))


# ------------------------------------------------------------------------------------------------------------ iteration
def _iterate(self: Tensor) -> Any:
    if not self._spec.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _contains(self: Tensor, element: Any) -> bool:
    if not isinstance(element, Tensor) and type(element) not in NUMBERS:
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    return bool((self == element).any())


method("__iter__", _iterate)
method("__contains__", _contains)

__all__ = ["add_at", "check_bounds", "check_range", "getitem", "index", "put_at", "setitem", "where"]
