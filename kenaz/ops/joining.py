"""Tensors put together and taken apart: cat, stack, split and what follows from them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .._tensor import Tensor, make_tensor
from ..autograd.backward import attach
from ..autograd.modes import state
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.spec import Spec, spec
from ..graph.node import Op
from .declare import opaque
from .record import composite, method, public, register, requires_grad, write_out


# ---------------------------------------------------------------------------------------------------------- cat and stack
def _common_dtype(specs: Sequence[Spec]) -> Any:
    found = specs[0].dtype
    for s in specs[1:]:
        if s.dtype is not found:
            return dtypes.result_dtype([s.dtype for s in specs if s.ndim], [s.dtype for s in specs if not s.ndim], [])
    return found


def _is_nothing(s: Spec) -> bool:
    """A 1-d tensor without elements joins anything, for old programs' sake."""
    return s.size == (0,)


def _cat_rule(*specs: Spec, dim: int) -> tuple:
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
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {first.size[d]} but got size "
                    f"{s.size[d]} for tensor number {i} in the list."
                )
    total = sum(s.size[dim] for s in real)
    return (*first.size[:dim], total, *first.size[dim + 1 :]), _common_dtype(specs)


def _cat_grad(g: Tensor, y: Any, *_tensors: Spec, dim: int, needs: tuple) -> tuple:
    found, start = [], 0
    for s, need in zip(_tensors, needs, strict=True):
        if _is_nothing(s):
            found.append(g.new_zeros(0) if need else None)  # type: ignore[attr-defined]
            continue
        n = s.size[dim]
        found.append(g.narrow(dim, start, n) if need else None)  # type: ignore[attr-defined]
        start += n
    return tuple(found)


@opaque(_cat_rule, _cat_grad, name="cat", halves=True)
def _cat(xp: Any, *arrays: Any, dim: int) -> Any:
    real = [a for a in arrays if a.shape != (0,)] or arrays[:1]
    return xp.concatenate(real, dim)


def tensor_list(name: str, tensors: Any, what: str = "tensors") -> tuple:
    """A sequence of tensors, or PyTorch's complaint."""
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(f"{name}(): argument '{what}' (position 1) must be tuple of Tensors, not {type(tensors).__name__}")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return tuple(tensors)


def cat(tensors: Any, dim: int = 0, *, axis: int | None = None, out: Tensor | None = None) -> Tensor:
    """The tensors one after another along an axis.

    >>> cat([from_list([1, 2]), from_list([3])]).tolist()
    [1, 2, 3]
    """
    tensors = tensor_list("cat", tensors)
    if not tensors:
        raise ValueError("expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t._spec.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    first = next((t for t in tensors if not _is_nothing(t._spec)), tensors[0])
    result = _cat(*tensors, dim=shapes.axis(operator.index(dim if axis is None else axis), first._spec.ndim))
    return result if out is None else write_out(result, out, "cat")


for _n in ("cat", "concat", "concatenate"):
    public(cat, _n)


def _stack_rule(*specs: Spec, dim: int) -> tuple:
    first = specs[0].size
    for i, s in enumerate(specs):
        if s.size != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(s.size)} at entry {i}"
            )
    return (*first[:dim], len(specs), *first[dim:]), _common_dtype(specs)


@opaque(_stack_rule, lambda g, y, *_tensors, dim: g.unbind(dim), name="stack", halves=True)
def _stack(xp: Any, *arrays: Any, dim: int) -> Any:
    return xp.stack(arrays, dim)


@composite("torch")
def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one size along a new axis."""
    tensors = tensor_list("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    result = _stack(*tensors, dim=shapes.axis(operator.index(dim), tensors[0]._spec.ndim + 1))
    return result if out is None else write_out(result, out, "stack")


# ------------------------------------------------------------------------------------------------ several views at once
# One backward node for all the pieces: their gradients are joined once, instead of each being laid out in zeros and added.
def _never(call: Any) -> Any:
    raise AssertionError("a view is never run")


def _join_pieces(g: tuple, y: Any, _x: Spec, dim: int) -> Tensor:
    return cat(g, dim)


SPLIT, SPLIT_SIZES = (
    register(Op(name, "view", _never, rule=_never, grad=_join_pieces)) for name in ("split", "split_with_sizes")
)
UNBIND = register(Op("unbind", "view", _never, rule=_never, grad=lambda g, y, _x, dim: stack(g, dim)))


def _pieces(x: Tensor, op: Op, dim: int, specs: list, offsets: list) -> tuple:
    base = x if x._base is None else x._base
    version = base.__dict__.get("_grad_version", 0)
    out = []
    for s, offset in zip(specs, offsets, strict=True):
        piece = make_tensor(x._storage, s, offset)
        piece._base = base
        if version:
            piece._view_version = version
        out.append(piece)
    pieces = tuple(out)
    if pieces and state.enabled and requires_grad((x,)):
        attach(op, pieces, (x,), {"dim": dim})
    return pieces


def _split(x: Tensor, op: Op, dim: int, sizes: Sequence[int]) -> tuple:
    s = x._spec
    step, start, specs, offsets = s.stride[dim], x._offset, [], []
    for n in sizes:
        specs.append(spec((*s.size[:dim], n, *s.size[dim + 1 :]), s.stride, s.dtype, s.device, start != 0))
        offsets.append(start)
        start += n * step
    return _pieces(x, op, dim, specs, offsets)


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
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
            )
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
        raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}")
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
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    d = shapes.axis(operator.index(dim), s.ndim)
    size, stride = s.size[:d] + s.size[d + 1 :], s.stride[:d] + s.stride[d + 1 :]
    plain, shifted = (spec(tuple(size), stride, s.dtype, s.device, far) for far in (False, True))
    offsets = [input._offset + i * s.stride[d] for i in range(s.size[d])]
    return _pieces(input, UNBIND, d, [shifted if o else plain for o in offsets], offsets)


assert method
