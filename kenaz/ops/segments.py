"""Reductions over segments of an axis, hashes, and `nonzero` of a known size."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from .creation import full
from .declare import rename_node, unsupported
from .joining import cat, stack
from .record import composite, public

_REDUCTIONS = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "amax", "amax": "amax", "min": "amin", "amin": "amin"}
_EMPTY = {"sum": 0.0, "mean": float("nan"), "prod": 1.0, "amax": float("-inf"), "amin": float("inf")}


@public
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: Any = None,
) -> Tensor:  # fmt: skip
    """A reduction ("sum", "mean", "prod", "max", "min") of every segment of an axis; `lengths` or `offsets` say where
    segments are, for each place on the axes before it.

    >>> from .creation import tensor
    >>> segment_reduce(tensor([1.0, 2.0, 3.0]), "sum", lengths=tensor([1, 2]))
    tensor([1., 5.])
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    axis = shapes.axis(axis, data.ndim)
    if offsets is not None:
        bounds = np.asarray(offsets.tolist(), np.int64)
    else:
        counts = np.asarray(lengths.tolist(), np.int64)
        bounds = np.concatenate([np.zeros((*counts.shape[:-1], 1), np.int64), counts.cumsum(-1)], -1)
        if not unsafe and (bounds[..., -1] != data.shape[axis]).any():
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when "
                "!unsafe."
            )
    if not axis:
        return rename_node(_segments(data, bounds, _REDUCTIONS[reduce], initial), "SegmentReduceBackward0")
    lead = data.shape[:axis]
    parts = [_segments(data[i], bounds[i], _REDUCTIONS[reduce], initial) for i in itertools.product(*map(range, lead))]
    found = stack(parts).reshape(*lead, *parts[0].shape)
    return rename_node(found, "SegmentReduceBackward0")


def _segments(data: Tensor, bounds: np.ndarray, reduce: str, initial: Any) -> Tensor:
    """The reduction of the segments of the first axis between bounds."""
    empty = _EMPTY[reduce] if initial is None else initial
    rows: list[Any] = []
    for start, end in itertools.pairwise(map(int, bounds)):
        part: Any = data[start:end]
        if not len(part):
            rows.append(full((1, *data.shape[1:]), empty, dtype=data.dtype))
            continue
        if initial is not None:
            part = cat([full((1, *data.shape[1:]), initial, dtype=data.dtype), part])
        found = part.sum(0) / (end - start) if reduce == "mean" else getattr(part, reduce)(0)
        rows.append(found.unsqueeze(0))
    return cat(rows)


# ------------------------------------------------------------------------------------------------------------------ hash
@composite()
def hash_tensor(input: Tensor, dim: Any = (), *, keepdim: bool = False, mode: int = 0, out: Any = None) -> Tensor:
    """The exclusive or of all elements, or of those along axes, as 64-bit floats or integers.

    >>> from .creation import tensor
    >>> hash_tensor(tensor([1, 2, 4]))
    tensor(7, dtype=torch.uint64)
    """
    if mode:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.dtype.is_complex:
        raise unsupported("xor_sum_cpu", input.dtype)
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    if not input.numel() and not dims:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument."
        )
    axes = tuple(shapes.axis(d, input.ndim) for d in dims) or tuple(range(input.ndim))
    wide = np.float64 if input.dtype.is_floating_point else np.int64
    bits = input.detach()._array().astype(wide).view(np.uint64)
    for axis in sorted(axes, reverse=True):
        bits = np.bitwise_xor.reduce(bits, axis, keepdims=keepdim)
    found = Tensor._from_array(np.asarray(bits, np.uint64))
    return found if out is None else out.copy_(found)


# --------------------------------------------------------------------------------------------------------------- nonzero
@composite()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Any = None) -> Tensor:
    """The places of the first `size` elements that are not zero, filled up with `fill_value`.

    >>> from .creation import tensor
    >>> nonzero_static(tensor([0, 5, 6]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = input.nonzero()[:size]
    rest = full((size - len(found), input.ndim), fill_value, dtype=dtypes.int64)
    found = cat([found, rest])
    return found if out is None else out.copy_(found)
