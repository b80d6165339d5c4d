"""Making sparse tensors: from indices and values, or out of dense ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.dtype import int64
from ..core.shape import Size
from ..ops.creation import empty, tensor
from .tensor import SparseTensor, build, columns, values_at


class Checks:
    """Whether indices are checked when a sparse tensor is made from them."""

    enabled = False


checks = Checks()


class check_sparse_tensor_invariants:
    """A context, a decorator and a switch: whether indices are checked when sparse tensors are made.

    >>> with check_sparse_tensor_invariants():
    ...     check_sparse_tensor_invariants.is_enabled()
    True
    """

    def __init__(self, enable: bool = True):
        self.value = enable

    @staticmethod
    def is_enabled() -> bool:
        return checks.enabled

    @staticmethod
    def enable() -> None:
        checks.enabled = True

    @staticmethod
    def disable() -> None:
        checks.enabled = False

    def __enter__(self) -> None:
        self._before, checks.enabled = checks.enabled, self.value

    def __exit__(self, *_: object) -> None:
        checks.enabled = self._before

    def __call__(self, function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.value):
                return function(*args, **kwargs)

        return checked


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A tensor of the given values at the given places, and zeros elsewhere; values of the same place add up.

    indices: (sparse_dim, nnz); values: (nnz, *dense sizes). Without a size, the smallest that holds them.

    >>> import kenaz as torch
    >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    if values is None and isinstance(indices, float | Tensor):
        raise TypeError(
            "sparse_coo_tensor() received an invalid combination of arguments - got "
            f"({type(indices).__name__}, size={type(size).__name__}), but expected indices and values, or a size"
        )
    if values is None:
        return _empty(indices if size is None else size, dtype, device, requires_grad)
    where = _as_tensor(indices, int64, device)
    kept = _as_tensor(values, dtype, device)
    if where.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(where.shape)}")
    if not kept.ndim or kept.shape[0] != where.shape[1]:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {where.shape[1]}, nnz from values: "
            f"{kept.shape[0] if kept.ndim else 1}"
        )
    size = _smallest(where, kept) if size is None else Size(int(s) for s in size)
    if len(size) != where.shape[0] + kept.ndim - 1:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = "
            f"{where.shape[0]}, dense_dim = {kept.ndim - 1}"
        )
    if checks.enabled if check_invariants is None else check_invariants:
        check_places(where, size, bool(is_coalesced))
    out = build(where, kept, size, bool(is_coalesced))
    return out.requires_grad_() if requires_grad else out


def _as_tensor(value: Any, dtype: Any, device: Any) -> Tensor:
    """A tensor as it is, or data made one."""
    if not isinstance(value, Tensor):
        return tensor(value, dtype=dtype, device=device)
    return value if dtype is None or value.dtype is dtype else value.to(dtype)


def _empty(size: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    size = Size(int(s) for s in size)
    out = build(empty((len(size), 0), dtype=int64), empty((0,), dtype=dtype, device=device), size, True)
    return out.requires_grad_() if requires_grad else out


def _smallest(where: Tensor, values: Tensor) -> Size:
    indices = where._array()
    if not indices.shape[1]:
        return Size((*[0] * len(indices), *values.shape[1:]))
    least = indices.min(1)
    if (least < 0).any():
        d = int(np.argmax(least < 0))
        raise RuntimeError(f"found negative index {least[d]} for dim {d}")
    return Size((*[int(n) + 1 for n in indices.max(1)], *values.shape[1:]))


def check_places(where: Tensor, size: Sequence[int], is_sorted: bool = False) -> None:
    """Raise where an index lies outside of the size, or where places are not in order though they should be."""
    indices = where._array()
    for d, row in enumerate(indices) if indices.shape[1] else ():
        if row.min() < 0:
            raise RuntimeError(f"found negative index {row.min()} for dim {d}")
        if row.max() >= size[d]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {row.max()}"
            )
    if is_sorted and indices.shape[1] and len(indices):
        flat = np.ravel_multi_index(tuple(indices), tuple(size[: len(indices)]))
        if (np.diff(flat) <= 0).any():
            raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")


_COMPRESSED = {"torch.sparse_csr": "to_sparse_csr", "torch.sparse_csc": "to_sparse_csc"}


def to_sparse(
    self: Tensor, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: Any = None
) -> Tensor:
    """The elements that are not zero, in the coordinate layout if `layout` names no other; `sparse_dim` leading axes
    are named by indices.

    >>> import kenaz as torch
    >>> torch.eye(2).to_sparse()
    tensor(indices=tensor([[0, 1],
                           [0, 1]]),
           values=tensor([1., 1.]),
           size=(2, 2), nnz=2, layout=torch.sparse_coo)
    """
    compressed: Any = getattr(self, _COMPRESSED.get(str(layout), ""), None)
    if compressed is not None:
        return compressed()
    if isinstance(self, SparseTensor) or str(layout) == "torch.strided":
        return self
    if layout is not None and str(layout) != "torch.sparse_coo":
        raise RuntimeError(f"to_sparse: conversion from Strided to {layout} is not supported; use torch.sparse_coo")
    count = self.ndim if sparse_dim is None else int(sparse_dim)
    if not (0 < count <= self.ndim or count == self.ndim == 0):
        raise IndexError(
            f"to_sparse: sparse_dim argument must be in >=1 and <= {self.ndim} for a tensor with {self.ndim} dimensions"
        )
    array = self.detach()._array()
    flags = (array != 0).reshape(*array.shape[:count], -1).any(-1)
    where = columns(np.flatnonzero(flags), self.shape[:count])
    return build(where, values_at(self, where), self.shape, True)


def sparse_mask(self: Tensor, mask: SparseTensor) -> Tensor:
    """The elements of a tensor at the places where a sparse tensor has some."""
    if not isinstance(mask, SparseTensor):
        raise RuntimeError("sparse_mask: expected mask to be sparse")
    if self.shape != mask.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)} but mask has size "
            f"{list(mask.shape)}"
        )
    return build(mask._where, values_at(self, mask._where), mask.shape, mask._is_sorted)


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Any = None) -> Tensor:
    """The sparse matrix of a shape whose diagonals are given by rows, each at its offset.

    >>> import kenaz as torch
    >>> torch.sparse.spdiags(torch.ones(1, 2), torch.tensor([1]), (2, 2)).to_dense()
    tensor([[0., 1.],
            [0., 0.]])
    """
    rows = diagonals.reshape(-1, diagonals.shape[-1])
    shifts = np.atleast_1d(offsets._array())
    if len(shifts) != len(rows):
        raise RuntimeError(
            f"Number of diagonals ({len(rows)}) does not match the number of offsets ({len(shifts)})"
        )
    if len(set(shifts.tolist())) != len(shifts):
        raise RuntimeError("Offset tensor contains duplicate values")
    height, width = (int(n) for n in shape)
    column = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    row = column - shifts[:, None]
    inside = (row >= 0) & (row < height) & (column < width)
    where = Tensor._from_array(np.stack([row[inside], column[inside]]).astype(np.int64))
    values = rows.reshape(-1).index_select(0, Tensor._from_array(np.flatnonzero(inside)))
    return build(where, values, (height, width))

