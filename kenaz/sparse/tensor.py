"""Tensors that keep only some of their elements: the coordinate layout, `torch.sparse_coo`.

    indices   (sparse_dim, nnz) int64: a column says where in the leading axes an element stands
    values    (nnz, *dense sizes): what stands there; elements of the same place add up

Both are ordinary tensors, and everything a sparse tensor can do is done to them: an operator takes the values of its
inputs out (`tracked_values`), works on them, and builds a sparse tensor of the result (`build`). These two are also
all that autograd has to know: the gradient of what was built, at its places, is that of the values; and the gradient
of values is sparse, with the same indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..autograd import nodes
from ..autograd.modes import state
from ..core import device as devices
from ..core.dtype import dtype, int64
from ..core.shape import Size
from ..ops.creation import zeros
from ..ops.inquiry import sparse_coo


class SparseSpec:
    """What the Spec of a dense tensor is, without a way to look at memory: no operator on memory accepts it."""

    __slots__ = ("contiguous", "device", "dtype", "ndim", "numel", "shifted", "size", "stride", "variants")

    def __init__(self, size: Sequence[int], dtype: dtype, device: devices.device):
        self.size, self.dtype, self.device, self.ndim = Size(size), dtype, device, len(size)
        self.numel, self.stride, self.contiguous, self.shifted = math.prod(size), (0,) * len(size), False, False
        self.variants: dict = {}

    def like(self, dtype: dtype) -> SparseSpec:
        """The same in another dtype."""
        return SparseSpec(self.size, dtype, self.device)


class SparseTensor(Tensor):
    """A tensor in the coordinate layout; it calls itself torch.Tensor, as PyTorch's do."""

    _spec: Any  # a SparseSpec
    _where: Tensor  # the indices
    _data: Tensor  # the values, without history
    _is_sorted: bool  # coalesced: places are in order, and none is twice

    layout = property(lambda self: sparse_coo)
    is_sparse = True

    @property
    def _storage(self) -> Any:  # type: ignore[override]  # it has none
        raise NotImplementedError("Cannot access storage of SparseTensorImpl")

    @property
    def _version(self) -> int:
        return self._data._version

    def _array(self) -> np.ndarray:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    def numpy(self, *, force: bool = False) -> np.ndarray:
        raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def data_ptr(self) -> int:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")


SparseTensor.__name__ = SparseTensor.__qualname__ = "Tensor"
SparseTensor.__module__ = "torch"


class SparseCooTensorWithDimsAndTensorsBackward0(nodes.BackwardNode):
    """The history of a sparse tensor: that of its values."""

    __slots__ = ("specs", "where")
    where: Tensor

    def apply(self, grads: list) -> Any:
        return values_at(grads[0], self.where)


class ValuesBackward0(nodes.BackwardNode):
    """The history of values that were taken out of a sparse tensor."""

    __slots__ = ("is_sorted", "size", "specs", "where")
    is_sorted: bool
    size: Size
    where: Tensor

    def apply(self, grads: list) -> Any:
        return build(self.where, grads[0], self.size, self.is_sorted)


for _class in (SparseCooTensorWithDimsAndTensorsBackward0, ValuesBackward0):
    _class.__module__ = "builtins"


# ---------------------------------------------------------------------------------------------------- in and out of it
def build(where: Tensor, values: Tensor, size: Sequence[int], is_sorted: bool = False) -> SparseTensor:
    """The sparse tensor of known parts; its gradient goes to the values."""
    self: Any = object.__new__(SparseTensor)
    self._spec, self._offset, self._grad_fn = SparseSpec(size, values.dtype, values.device), 0, None
    self._base, self._output_nr = None, 0
    self._where, self._is_sorted = where, is_sorted or where.shape[1] < 2
    self._data = values.detach() if values._grad_fn is not None else values
    if state.enabled and values._grad_fn is not None:
        fn = SparseCooTensorWithDimsAndTensorsBackward0()
        fn.where = where
        self._grad_fn = _linked(fn, values)
    return self


def tracked_values(x: SparseTensor) -> Tensor:
    """The values of a sparse tensor; where it requires gradients, theirs goes to the tensor."""
    if x._grad_fn is None or not state.enabled:
        return x._data
    values = x._data.detach()
    fn = ValuesBackward0()
    fn.where, fn.size, fn.is_sorted = x._where, x.shape, x._is_sorted
    values._grad_fn = _linked(fn, x)
    return values


def _linked(fn: Any, source: Tensor) -> Any:
    fn.edges, fn.specs, fn.sequence = (nodes.grad_edge(source),), [source._spec], next(nodes._sequence)
    return fn


def become(x: SparseTensor, result: Any) -> SparseTensor:
    """`x` with the contents and the history of a result: how a sparse tensor is written to in place."""
    if state.enabled and type(x._grad_fn) is nodes.AccumulateGrad:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if result.dtype is not x.dtype:
        result = build(result._where, result._data.to(x.dtype), result.shape, result._is_sorted)
    x._where, x._data, x._is_sorted, x._spec = result._where, result._data, result._is_sorted, result._spec
    if state.enabled and result._grad_fn is not None:
        x._grad_fn = result._grad_fn
    return x


# -------------------------------------------------------------------------------------------------------------- places
def flat_places(where: Tensor, size: Sequence[int]) -> np.ndarray:
    """The indices as one number for each element, in the order of memory of a dense tensor."""
    indices = where._array()
    if not len(indices):
        return np.zeros(where.shape[1], np.int64)
    return np.ravel_multi_index(tuple(indices), tuple(size[: len(indices)]))


def columns(flat: np.ndarray, size: Sequence[int]) -> Tensor:
    """The indices of places that are given as one number each."""
    if not size:
        return zeros((0, len(flat)), dtype=int64)
    return Tensor._from_array(np.array(np.unravel_index(flat, tuple(size)), np.int64).reshape(len(size), len(flat)))


def indices_of(where: Tensor) -> tuple[Tensor, ...]:
    """A tensor of indices for each sparse axis, as indexing takes them."""
    return where.unbind(0)


def coalesce(x: SparseTensor) -> SparseTensor:
    """The same elements in order, those of the same place added up."""
    if x._is_sorted:
        return x
    size = x.shape[: sparse_dim(x)]
    flat = flat_places(x._where, size)
    if (np.diff(flat) > 0).all():
        return build(x._where, tracked_values(x), x.shape, True)
    places, group = np.unique(flat, return_inverse=True)
    return build(columns(places, size), added(tracked_values(x), group, len(places)), x.shape, True)


def added(values: Tensor, group: np.ndarray, count: int) -> Tensor:
    """The sums of values that belong to the same group, for each of `count` groups."""
    if values.dtype.kind == 0:
        return added(values.to(int64), group, count) != 0
    index = Tensor._from_array(group.reshape(-1).astype(np.int64))
    return zeros((count, *values.shape[1:]), dtype=values.dtype).index_add(0, index, values)


def values_at(x: Tensor, where: Tensor) -> Tensor:
    """The values of a dense or sparse tensor at some places, zero where a sparse one has none."""
    if not isinstance(x, SparseTensor):
        return x[indices_of(where)] if len(where) else x.unsqueeze(0).expand(where.shape[1], *x.shape)
    if x._where is where:
        return tracked_values(x)
    x = coalesce(x)
    size = x.shape[: sparse_dim(x)]
    have, asked = flat_places(x._where, size), flat_places(where, size)
    found = np.minimum(np.searchsorted(have, asked), max(len(have) - 1, 0))
    values = tracked_values(x)
    if not len(have):
        return zeros((len(asked), *values.shape[1:]), dtype=values.dtype)
    taken = values.index_select(0, Tensor._from_array(found))
    hit = have[found] == asked
    if hit.all():
        return taken
    return taken * Tensor._from_array(hit.reshape(-1, *[1] * (values.ndim - 1))).to(values.dtype)


def to_dense(x: SparseTensor) -> Tensor:
    """All elements, zeros too."""
    values, where = tracked_values(x), x._where
    if not len(where):
        return values.sum(0, dtype=values.dtype)
    n = len(where)
    flat = added(values, flat_places(where, x.shape[:n]), math.prod(x.shape[:n]))
    return flat.reshape(x.shape)


def sparse_dim(x: SparseTensor) -> int:
    """How many axes, the leading ones, are named by indices."""
    return x._where.shape[0]
