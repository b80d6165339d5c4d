"""The methods of sparse tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ..core.dtype import scalar_name
from ..ops.conversion import _to_arguments
from ..ops.record import layouts
from . import operators as on
from .creation import _empty, check_places, sparse_mask, to_sparse
from .tensor import SparseTensor, become, build, coalesce, sparse_dim, to_dense, tracked_values

Sparse = SparseTensor
Plain: Any = Tensor  # its methods are attached elsewhere


# ------------------------------------------------------------------------------------------------------ what is in it
def indices(self: Sparse) -> Tensor:
    """Where the elements stand, a column for each."""
    _need_coalesced(self, "indices")
    return self._where


def values(self: Sparse) -> Tensor:
    """The elements that are kept."""
    _need_coalesced(self, "values")
    return tracked_values(self)


def _need_coalesced(x: Sparse, what: str) -> None:
    if not x._is_sorted:
        raise RuntimeError(f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first")


def _set_coalesced(self: Sparse, coalesced: bool) -> Sparse:
    self._is_sorted = coalesced
    return self


def _to_dense(self: Sparse, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    dense = on.rename_node(to_dense(self), "ToDenseBackward0")
    return dense if dtype is None else dense.to(dtype)


def _detach(self: Sparse) -> Sparse:
    return build(self._where, self._data, self.shape, self._is_sorted)


def _to(self: Sparse, *args: Any, **kwargs: Any) -> Tensor:
    kind, _, copy = _to_arguments(*args, **kwargs)
    out = self if kind is None or kind is self.dtype else on.cast(self, kind)
    return on.clone(out, None) if copy and out is self else out


def _type(self: Sparse, dtype: Any = None, non_blocking: bool = False) -> Any:
    if dtype is None:
        return f"torch.sparse.{scalar_name(self.dtype)}Tensor"
    return Tensor.type(self, dtype)  # type: ignore[attr-defined]  # methods are attached


def _getitem(self: Sparse, key: Any) -> Tensor:
    """Elements by integers, whole slices, None and Ellipsis, as a chain of simpler operators."""
    key = key if isinstance(key, tuple) else (key,)
    if Ellipsis in key:
        i = key.index(Ellipsis)
        rest = self.ndim - len([k for k in key if k is not None and k is not Ellipsis])
        key = key[:i] + (slice(None),) * rest + key[i + 1 :]
    out: Any = self
    dim = 0
    for k in key:
        if k is None:
            out, dim = on.unsqueeze(out, dim), dim + 1
        elif isinstance(k, int):
            out = on.select(out, dim, k) if on.is_sparse(out) else out.select(dim, k)
        elif k == slice(None):
            dim += 1
        else:
            raise on.unavailable("as_strided" if isinstance(k, slice) else "index.Tensor")
    return out


def _no_reshape(self: Sparse, *size: Any) -> Tensor:
    raise RuntimeError("reshape is not implemented for sparse tensors")


# ------------------------------------------------------------------------------------------------------------ in place
def _in_place(function: Callable) -> Callable:
    def inplace(self: Sparse, *args: Any, **kwargs: Any) -> Sparse:
        return become(self, function(self, *args, **kwargs))

    return inplace


def _copied(self: Sparse, src: Any, non_blocking: bool = False) -> Tensor:
    if not on.is_sparse(src):
        raise RuntimeError(
            "copy_() between dense and sparse Tensors is not implemented! Found self type = "
            f"{self.type()} and src type = {src.type()}"
        )
    return on.clone(src, None)


def _resized(self: Sparse, size: Any, sparse_dim: int, dense_dim: int) -> Tensor:
    """The same elements in a tensor of another size."""
    check_places(self._where, size)
    return build(self._where, self._data, tuple(size), self._is_sorted)


# ------------------------------------------------------------------------------------------------------------ the list
_ONLY_SPARSE: dict[str, Callable] = {
    "indices": indices,
    "values": values,
    "_indices": lambda self: self._where,
    "_values": lambda self: self._data,
    "_nnz": lambda self: self._where.shape[1],
    "_coalesced_": _set_coalesced,
    "_dimI": sparse_dim,
    "_dimV": lambda self: self.ndim - sparse_dim(self),
    "coalesce": lambda self: on.rename_node(coalesce(self), "CoalesceBackward0"),
    "is_coalesced": lambda self: self._is_sorted,
    "sparse_dim": sparse_dim,
    "dense_dim": lambda self: self.ndim - sparse_dim(self),
    "to_dense": _to_dense,
    "detach": _detach,
    "clone": lambda self, *, memory_format=None: on.clone(self, None),
    "to": _to,
    "type": _type,
    "is_contiguous": lambda self, memory_format=None: False,
    "reshape": _no_reshape,
    "flatten": _no_reshape,
    "norm": on.norm,
    "transpose": lambda self, dim0, dim1: on.transpose(self, dim0, dim1),
    "__getitem__": _getitem,
    "sparse_resize_": lambda self, *args: become(self, _resized(self, *args)),
    "copy_": _in_place(_copied),
    "zero_": lambda self: become(self, _empty(self.shape, self.dtype, None, False)),
    "add_": _in_place(Plain.add),
    "sub_": _in_place(Plain.sub),
    "mul_": _in_place(Plain.mul),
    "div_": _in_place(Plain.div),
    "neg_": _in_place(Plain.neg),
    "pow_": _in_place(Plain.pow),
    "abs_": _in_place(Plain.abs),
    "sqrt_": _in_place(Plain.sqrt),
}
_ONLY_SPARSE |= {f"__i{name}__": _ONLY_SPARSE[f"{name}_"] for name in ("add", "sub", "mul")}
_ONLY_SPARSE["__itruediv__"] = _ONLY_SPARSE["div_"]
for _name, _function in _ONLY_SPARSE.items():
    setattr(SparseTensor, _name, _function)
SparseTensor.data = property(_detach)  # type: ignore[attr-defined]  # methods are attached
layouts.to_sparse, layouts.sparse_mask = to_sparse, sparse_mask
