"""Tensors put together and taken apart: cat, stack, split and what follows from them."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor, make_tensor
from ..autograd.modes import state
from ..autograd.nodes import attach, call_of
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import scalar_name
from ..core.shape import Size
from ..core.spec import Spec, fresh, spec
from ..execute import mode
from ..graph.node import Op
from .declare import opaque
from .gathering import index_select
from .record import composite, public, register, requires_grad, write_out
from .views import expand, flat, slice_, unsqueeze


# -------------------------------------------------------------------------------------------------------- cat and stack
def _common_dtype(specs: Sequence[Spec]) -> Any:
    found = specs[0].dtype
    for s in specs[1:]:
        if s.dtype is not found:
            return dtypes.result_dtype([s.dtype for s in specs if s.ndim], [s.dtype for s in specs if not s.ndim], [])
    return found


def _mixed(tensors: Sequence[Tensor]) -> Any:
    """The dtype that tensors of several dtypes are brought to; None where they agree."""
    specs = {t._spec: None for t in tensors}  # mostly one or two, however many tensors there are
    return None if len({s.dtype for s in specs}) == 1 else _common_dtype([*specs])


def _is_nothing(s: Spec) -> bool:
    """A 1-d tensor without elements joins anything, for old programs' sake."""
    return s.size == (0,)


def _cat_rule(*specs: Spec, dim: int, dtype: Any) -> tuple:
    real = [s for s in specs if not _is_nothing(s)] or specs[:1]
    first = real[0]
    for i, s in enumerate(specs):
        if _is_nothing(s):
            continue
        if s.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {s.ndim}")
        for d in range(s.ndim):
            if d != dim and s.size[d] != first.size[d]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {first.size[d]} but got "
                    "size "
                    f"{s.size[d]} for tensor number {i} in the list."
                )
    total = sum(s.size[dim] for s in real)
    return (*first.size[:dim], total, *first.size[dim + 1 :]), dtype or first.dtype


def _cat_grad(g: Tensor, y: Any, *_tensors: Spec, dim: int, needs: tuple) -> tuple:
    found, start = [], 0
    for s, need in zip(_tensors, needs, strict=True):
        if _is_nothing(s):
            found.append(g.new_zeros(0) if need else None)
            continue
        n = s.size[dim]
        found.append(g.narrow(dim, start, n) if need else None)
        start += n
    return tuple(found)


def _native_cat(call: Any) -> Any:
    from ..codegen import moves

    return moves.cat(call)


def _native_stack(call: Any) -> Any:
    from ..codegen import moves

    return moves.stack(call)


@opaque(_cat_rule, _cat_grad, name="cat", halves=True, native=_native_cat)
def _cat(xp: Any, *arrays: Any, dim: int, dtype: Any) -> Any:
    real = [a for a in arrays if a.shape != (0,)] or arrays[:1]
    if dtype is not None:
        real = [a.astype(dtype.np) for a in real]
    return xp.concatenate(real, dim)


def tensor_list(name: str, tensors: Any, what: str = "tensors") -> tuple:
    """A sequence of tensors, or PyTorch's complaint."""
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument '{what}' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    if {type(t) for t in tensors} != _PLAIN:
        for i, t in enumerate(tensors):
            if not isinstance(t, Tensor):
                raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return tuple(tensors)


_PLAIN = {Tensor}


def cat(tensors: Any, dim: int = 0, *, axis: int | None = None, out: Tensor | None = None) -> Tensor:
    """The tensors one after another along an axis.

    >>> from .creation import tensor
    >>> cat([tensor([1, 2]), tensor([3])]).tolist()
    [1, 2, 3]
    """
    tensors = tensor_list("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t._spec.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    first = next((t for t in tensors if not _is_nothing(t._spec)), tensors[0])
    result = _cat(
        *tensors,
        dim=shapes.axis(operator.index(dim if axis is None else axis), first._spec.ndim),
        dtype=_mixed(tensors),
    )
    return result if out is None else write_out(result, out, "cat")


for _n in ("cat", "concat", "concatenate"):
    public(cat, _n)


def _stack_rule(*specs: Spec, dim: int, dtype: Any) -> tuple:
    first = specs[0].size
    for i, s in enumerate(specs):
        if s.size != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(s.size)} at "
                f"entry {i}"
            )
    return (*first[:dim], len(specs), *first[dim:]), dtype or specs[0].dtype


@opaque(_stack_rule, lambda g, y, *_tensors, dim: g.unbind(dim), name="stack", halves=True, native=_native_stack)
def _stack(xp: Any, *arrays: Any, dim: int, dtype: Any) -> Any:
    arrays = [a.astype(dtype.np) for a in arrays] if dtype else arrays
    if dim == 0 and arrays[0].ndim:  # half the time where there are many
        return xp.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)
    return xp.stack(arrays, dim)


_MANY = 8


def _rows_of_one(tensors: tuple) -> Tensor | None:
    """Rows of one computed memory stacked by a gather, 64 of them in a third of the time; None for other tensors."""
    storage, s = tensors[0]._storage, tensors[0]._spec
    node = storage.node
    if type(node.value) is not np.ndarray or type(s) is not Spec or not s.contiguous or not s.numel:
        return None
    if {t._storage for t in tensors} != {storage} or {t._grad_fn for t in tensors} != {None}:
        return None
    if {type(t) for t in tensors} != _PLAIN or node.call.out.dtype is not s.dtype:
        return None
    rows, rest = np.divmod([t._offset for t in tensors], s.numel)
    if rest.any() or len({(t._spec.size, t._spec.stride, t._spec.dtype) for t in tensors}) > 1:
        return None
    table = make_tensor(storage, fresh((node.value.size // s.numel, *s.size), s.dtype, s.device))
    return index_select(table, 0, Tensor._from_array(rows))


@composite("torch")
def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one size along a new axis."""
    tensors = tensor_list("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    if out is None and not dim and len(tensors) >= _MANY and not mode.slow:
        rows = _rows_of_one(tensors)
        if rows is not None:
            return rows
    result = _stack(*tensors, dim=shapes.axis(operator.index(dim), tensors[0]._spec.ndim + 1), dtype=_mixed(tensors))
    return result if out is None else write_out(result, out, "stack")


# ------------------------------------------------------------------------------------------------ several views at once
# One backward node for all the pieces: their gradients are joined once, instead of each laid out in zeros and added.
def _never(call: Any) -> Any:
    raise AssertionError("a view is never run")


def _join_pieces(g: tuple, y: Any, _x: Spec, dim: int, sizes: tuple) -> Tensor:
    known = next(p for p in g if p is not None)
    before, after = _x.size[:dim], _x.size[dim + 1 :]
    return cat([known.new_zeros((*before, n, *after)) if p is None else p for p, n in zip(g, sizes, strict=True)], dim)


def _stack_pieces(g: tuple, y: Any, _x: Spec, dim: int) -> Tensor:
    known = next(p for p in g if p is not None)
    zeros = known.new_zeros(known.shape) if any(p is None for p in g) else None
    return stack([zeros if p is None else p for p in g], dim)


SPLIT, SPLIT_SIZES = (
    register(Op(name, "view", _never, rule=_never, grad=_join_pieces)) for name in ("split", "split_with_sizes")
)
UNBIND = register(Op("unbind", "view", _never, rule=_never, grad=_stack_pieces))


def _pieces(x: Tensor, op: Op, specs: list, offsets: list, attributes: dict) -> tuple:
    base = x if x._base is None else x._base
    version = base._grad_version
    out = []
    for s, offset in zip(specs, offsets, strict=True):
        piece = make_tensor(x._storage, s, offset)
        piece._base = base
        if version:
            piece._view_version = version
        out.append(piece)
    pieces = tuple(out)
    if pieces and state.enabled and requires_grad((x,)):
        attach(call_of(op, pieces, (x,), attributes), pieces, (x,))
    return pieces


def _split(x: Tensor, op: Op, dim: int, sizes: Sequence[int]) -> tuple:
    s = x._spec
    step, start, specs, offsets = s.stride[dim], x._offset, [], []
    for n in sizes:
        specs.append(spec((*s.size[:dim], n, *s.size[dim + 1 :]), s.stride, s.dtype, s.device, start != 0))
        offsets.append(start)
        start += n * step
    return _pieces(x, op, specs, offsets, {"dim": dim, "sizes": tuple(sizes)})


@composite()
def split(tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None) -> tuple:
    """Views of a tensor in pieces of one size (the last may be smaller), or of the given sizes."""
    size = split_size if split_size_or_sections is None else split_size_or_sections
    if isinstance(size, (tuple, list)):
        return split_with_sizes(tensor, size, dim)
    size, n = operator.index(size), _length(tensor, dim, "split")
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if not size:
        if n:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        size = 1
    full, rest = divmod(n, size)
    sizes = [size] * full + [rest] * bool(rest) or [0]
    return _split(tensor, SPLIT, shapes.axis(dim, tensor._spec.ndim), sizes)


def _length(x: Tensor, dim: int, name: str) -> int:
    if not x._spec.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return x._spec.size[shapes.axis(operator.index(dim), x._spec.ndim)]


@composite()
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple:
    """Views of a tensor in pieces of the given sizes."""
    sizes = [operator.index(s) for s in split_sizes]
    n = _length(input, dim, "split_with_sizes")
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}"
        )
    if sum(sizes) != n:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension "
            f"{shapes.axis(dim, input._spec.ndim)}), but got split_sizes={sizes}"
        )
    return _split(input, SPLIT_SIZES, shapes.axis(dim, input._spec.ndim), sizes)


@composite()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """At most `chunks` views of equal size, the last of which may be smaller."""
    if not input._spec.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = _length(input, dim, "chunk")
    if not n:
        return split_with_sizes(input, [0] * chunks, dim)
    return split(input, -(-n // chunks), dim)


@composite()
def unbind(input: Tensor, dim: int = 0) -> tuple:
    """All the slices along an axis, without that axis."""
    s = input._spec
    if not s.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = shapes.axis(operator.index(dim), s.ndim)
    size, stride = s.size[:d] + s.size[d + 1 :], s.stride[:d] + s.stride[d + 1 :]
    plain, shifted = (spec(tuple(size), stride, s.dtype, s.device, far) for far in (False, True))
    offsets = [input._offset + i * s.stride[d] for i in range(s.size[d])]
    return _pieces(input, UNBIND, [shifted if o else plain for o in offsets], offsets, {"dim": d})


@composite()
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple:
    """Views of a tensor in a number of nearly equal pieces, or cut at the given places."""
    at = indices_or_sections
    if not input._spec.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    d = shapes.axis(operator.index(dim), input._spec.ndim)
    n = input._spec.size[d]
    if isinstance(at, Tensor):
        if at._spec.ndim > 1 or at._spec.dtype is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional "
                "tensor, but got a "
                f"tensor with {at._spec.ndim} dims"
                if at._spec.ndim > 1
                else "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{scalar_name(at.dtype)}"
            )
        at = at.tolist()
    if isinstance(at, (tuple, list)):
        cuts = [0, *map(operator.index, at), n]
    else:
        if at <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {at}")
        base, more = divmod(n, at)
        cuts = [i * base + min(i, more) for i in range(at + 1)]
    return tuple(slice_(input, d, first, last, 1) for first, last in zip(cuts[:-1], cuts[1:], strict=True))


def _axis_split(name: str, least: int, dim: int) -> None:
    def function(input: Tensor, *args: Any, **kwargs: Any) -> tuple:
        for k in kwargs:
            if k not in ("sections", "indices"):
                raise TypeError(f"{name}() got an unexpected keyword argument '{k}'")
        at = args[0] if len(args) == 1 else args or next(iter(kwargs.values()))
        if input._spec.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with "
                f"{input._spec.ndim} "
                "dimensions!"
            )
        d = 0 if input._spec.ndim == 1 else dim
        n = input._spec.size[d]
        if type(at) is int and (at <= 0 or n % at):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the dimension {n} is not "
                "divisible by the "
                f"split_size {at}!"
            )
        return tensor_split(input, at, d)

    function.__name__ = name
    function.__doc__ = f"Views of a tensor in equal pieces, or cut at the given places, along axis {dim}."
    composite()(function)


for _name, _least, _dim in (("hsplit", 1, 1), ("vsplit", 2, 0), ("dsplit", 3, 2)):
    _axis_split(_name, _least, _dim)


# ------------------------------------------------------------------------------------------- cat after a change of size
def _at_least(name: str, grow: Any) -> Any:
    def function(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            tensors = tuple(tensors[0])
        elif len(tensors) == 1:
            return grow(tensors[0])
        return tuple(map(grow, tensors))

    function.__name__ = name
    function.__doc__ = f"Tensors with at least {name[8]} axes; tuples and several arguments give a tuple."
    return public(function)


def _two(t: Tensor) -> Tensor:
    n = t._spec.ndim
    return t.reshape(1, 1) if n == 0 else unsqueeze(t, 0) if n == 1 else t


def _three(t: Tensor) -> Tensor:
    n = t._spec.ndim
    return unsqueeze(_two(t), 2) if n in (1, 2) else t.reshape(1, 1, 1) if n == 0 else t


def _one(t: Tensor) -> Tensor:
    return t if t._spec.ndim else t.reshape(1)


atleast_1d, atleast_2d, atleast_3d = (
    _at_least(f"atleast_{i + 1}d", grow) for i, grow in enumerate((_one, _two, _three))
)


def _stacked(names: tuple, grow: Any, dim: Any) -> None:
    def function(tensors: Any, *, out: Tensor | None = None) -> Tensor:
        tensors = tensor_list(names[0], tensors)
        if not tensors:
            raise RuntimeError(f"{names[0]} expects a non-empty TensorList")
        tensors = tuple(map(grow, tensors))
        return cat(tensors, dim if dim is not None else int(tensors[0]._spec.ndim > 1), out=out)

    function.__name__ = names[0]
    function.__doc__ = "Tensors one after another along " + (
        f"axis {dim}." if dim is not None else "the second axis, or the only one."
    )
    for n in names:
        public(function, n)


def _column(t: Tensor) -> Tensor:
    return t if t._spec.ndim > 1 else t.reshape(t._spec.numel, 1)


_stacked(("hstack",), _one, None)
_stacked(("vstack", "row_stack"), _two, 0)
_stacked(("dstack",), _three, 2)
_stacked(("column_stack",), _column, 1)


def _block_rule(*specs: Spec) -> tuple:
    for i, s in enumerate(specs):
        if s.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {s.ndim} dimensions"
            )
    blocks = [_block(s.size) for s in specs]
    return (sum(b[0] for b in blocks), sum(b[1] for b in blocks)), _common_dtype(specs)


def _block(size: tuple) -> tuple:
    return (1,) * (2 - len(size)) + tuple(size)


def _block_grad(g: Tensor, y: Any, *_tensors: Spec) -> tuple:
    found, row, column = [], 0, 0
    for s in _tensors:
        height, width = _block(s.size)
        found.append(g[row : row + height, column : column + width].reshape(s.size))
        row, column = row + height, column + width
    return tuple(found)


@opaque(_block_rule, _block_grad, name="block_diag", halves=True)
def _block_diag(xp: Any, *arrays: Any) -> Any:
    arrays = tuple(a.reshape(_block(a.shape)) for a in arrays)
    out = xp.zeros((sum(a.shape[0] for a in arrays), sum(a.shape[1] for a in arrays)), xp.result_type(*arrays))
    row = column = 0
    for a in arrays:
        out[row : row + a.shape[0], column : column + a.shape[1]] = a
        row, column = row + a.shape[0], column + a.shape[1]
    return out


@composite("torch")
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given ones along its diagonal."""
    if not tensors:
        return Tensor._from_array(np.zeros((1, 0), np.float32))
    return _block_diag(*tensors)


# ----------------------------------------------------------------------------------------------- grids and combinations
@composite("torch")
def broadcast_tensors(*tensors: Any) -> tuple:
    """Tensors expanded to their common size."""
    tensors = flat(tensors)
    if not tensors:
        return ()
    size = shapes.broadcast(*[t._spec.size for t in tensors])
    return tuple(expand(t, size) for t in tensors)


@composite("torch")
def broadcast_shapes(*shapes: Any) -> Size:
    """The size that sizes broadcast to."""
    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    result = [1] * max(map(len, sizes), default=0)
    for n, size in enumerate(sizes):
        for i in range(-1, -1 - len(size), -1):
            if size[i] < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({size[i]}): ({size[i]})")
            if size[i] in (1, result[i]):
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {size[i]} at {i}! Mismatching argument at index "
                    f"{n} had "
                    f"{size}; but expected shape should be broadcastable to {result}"
                )
            result[i] = size[i]
    return Size(result)


@composite("torch")
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple:
    """Views that hold the coordinates of a grid; "ij": the first axis is that of the first tensor, "xy": the second."""
    tensors = flat(tensors)
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t._spec.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t._spec.dtype is not tensors[0]._spec.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    turned = indexing == "xy" and len(tensors) > 1
    order = (tensors[1], tensors[0], *tensors[2:]) if turned else tensors
    size = tuple(t._spec.numel for t in order)
    grids = [
        expand(t.reshape((1,) * i + (t._spec.numel,) + (1,) * (len(order) - i - 1)), size) for i, t in enumerate(order)
    ]
    if turned:
        grids[:2] = grids[1], grids[0]
    return tuple(grids)


def _vector(t: Tensor) -> Tensor:
    if t._spec.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    return t


@composite("torch")
def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples with one element of each vector, a row each."""
    tensors = tuple(map(_vector, flat(tensors)))
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.flatten() for g in meshgrid(*tensors, indexing="ij")], 1)


@composite("torch")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to take r elements of a vector, a row each."""
    _vector(input)
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if not r:
        return input.new_empty(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input._spec.numel), r)), np.int64).reshape(-1, r)
    return stack([index_select(input, 0, Tensor._from_array(np.ascontiguousarray(c))) for c in rows.T], 1)
