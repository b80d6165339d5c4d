"""Matrices by rows or by columns: the layouts `torch.sparse_csr` and `torch.sparse_csc`.

They are sparse tensors whose elements lie row by row (or column by column), and operators work on them as such; what
is particular is how they are made, asked and printed, and that results are compressed again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import printing
from .._tensor import Tensor
from ..core.dtype import int64
from ..ops.inquiry import CONSTANTS
from ..ops.record import apply, layouts
from . import operators as on
from .creation import _as_tensor, to_sparse
from .tensor import SparseTensor, build, coalesce, flat_places, tracked_values

__all__ = ["dsmm", "sparse_compressed_tensor", "sparse_csc_tensor", "sparse_csr_tensor", "spmm"]

CSR, CSC = CONSTANTS["sparse_csr"], CONSTANTS["sparse_csc"]
# layout: the axis that is compressed, and the names of the two kinds of indices
NAMES = {CSR: (0, "crow_indices", "col_indices"), CSC: (1, "ccol_indices", "row_indices")}
WORDS = {CSR: "SparseCsr", CSC: "SparseCsc"}


class CompressedTensor(SparseTensor):
    """A sparse matrix in a compressed layout."""

    _layout: Any
    layout = property(lambda self: self._layout)
    is_sparse = False
    is_sparse_csr = property(lambda self: self._layout is CSR)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        _, outer, inner = NAMES[self._layout]
        parts = [(outer, _bounds(self)), (inner, self._where[1 - NAMES[self._layout][0]]), ("values", self._data)]
        contents = ",\n       ".join(f"{name}={_printed(part, 14 + len(name))}" for name, part in parts)
        facts = [f"size={tuple(self.shape)}", f"nnz={self._nnz()}"]
        if self.dtype not in printing._implied_dtypes(printing.dtypes.get_default_dtype()):
            facts.append(f"dtype={self.dtype}")
        facts += [f"layout={self._layout}", *printing._gradient_facts(self)]
        return printing._join_facts("tensor(" + contents, facts, 7)

    def numpy(self, *, force: bool = False) -> np.ndarray:
        raise TypeError(
            f"can't convert {WORDS[self._layout]} layout tensor to numpy. Use Tensor.to_dense() first."
        )  # fmt: skip


CompressedTensor.__name__ = CompressedTensor.__qualname__ = "Tensor"
CompressedTensor.__module__ = "torch"


def _printed(part: Any, indent: int) -> str:
    if not part.numel():
        return f"tensor([], size={tuple(part.shape)})"
    return f"tensor({printing.array_str(printing.values(part), indent)})"


def _bounds(x: CompressedTensor) -> Tensor:
    """Where each row (or column) begins among the elements, and where the last ends."""
    axis = NAMES[x._layout][0]
    counts = np.bincount(x._where._array()[axis], minlength=x.shape[axis])
    return Tensor._from_array(np.concatenate([[0], counts.cumsum()]).astype(np.int64))


def compress(x: SparseTensor, layout: Any) -> CompressedTensor:
    """A sparse matrix in a compressed layout; what has a history keeps it."""
    if x.ndim != 2:
        raise RuntimeError(f"{layout} tensors are matrices here, got {x.ndim} dimensions")
    x = coalesce(x)
    where, values = x._where, tracked_values(x)
    if layout is CSC:
        order = Tensor._from_array(np.argsort(where._array()[1], kind="stable"))
        where, values = where[:, order], values[order]
    return _of(build(where, values, x.shape, layout is CSR), layout)


def _of(x: Any, layout: Any) -> CompressedTensor:
    x.__class__ = CompressedTensor
    x._layout = layout
    return x


def _plain(x: Any) -> SparseTensor:
    """A compressed matrix in the coordinate layout, with its history."""
    places = flat_places(x._where, x.shape)
    return coalesce(build(x._where, tracked_values(x), x.shape, bool((np.diff(places) > 0).all())))


# --------------------------------------------------------------------------------------------------------------- making
def sparse_compressed_tensor(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:  # fmt: skip
    """A matrix by rows (`layout=torch.sparse_csr`) or columns: where each begins, the places of its elements, and the
    elements.

    Raises RuntimeError for a layout that is none of the two. Unlike PyTorch's default, indices that do not fit raise.
    """
    if layout not in NAMES:
        raise RuntimeError(f"expected sparse compressed layout, but got {layout}")
    bounds = np.asarray(_as_tensor(compressed_indices, int64, None).tolist(), np.int64)
    plain: Any = _as_tensor(plain_indices, int64, None)
    data: Any = _as_tensor(values, dtype, None)
    axis, outer, inner = NAMES[layout]
    if size is None:
        other = int(plain.max()) + 1 if plain.numel() else 0
        size = (len(bounds) - 1, other) if axis == 0 else (other, len(bounds) - 1)
    _check(bounds, plain, data, size, axis, outer, inner)
    lines = Tensor._from_array(np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)).astype(np.int64))
    both: list[Any] = [lines, plain] if axis == 0 else [plain, lines]
    where = on.cat([x.unsqueeze(0) for x in both])
    made: Any = _of(build(where, data, tuple(size), False), layout)
    made._is_sorted = bool((np.diff(flat_places(where, tuple(size))) > 0).all())
    return made.requires_grad_() if requires_grad else made


def _check(bounds: np.ndarray, plain: Any, data: Any, size: Any, axis: int, outer: str, inner: str) -> None:
    if len(bounds) != size[axis] + 1:
        raise RuntimeError(
            f"{outer}.shape[-1] must be equal to the number of lines + 1 = {size[axis] + 1}, but got {len(bounds)}"
        )
    if bounds[0] or bounds[-1] != plain.numel() or (np.diff(bounds) < 0).any():
        raise RuntimeError(f"`{outer}` must go from 0 to the number of `{inner}`, {plain.numel()}, and not fall")
    if len(data) != plain.numel():
        raise RuntimeError(
            f"number of elements in {inner} and values must be the same: {plain.numel()} and {len(data)}"
        )
    known = plain._array()
    if len(known) and (known.min() < 0 or known.max() >= size[1 - axis]):
        raise RuntimeError(f"`0 <= {inner} < {size[1 - axis]}` is not satisfied.")


def sparse_csr_tensor(
    crow_indices: Any, col_indices: Any, values: Any, size: Any = None, **options: Any
) -> Tensor:  # fmt: skip
    """A matrix by rows.

    >>> sparse_csr_tensor([0, 1, 3], [1, 0, 2], [2.0, 3.0, 4.0]).to_dense()
    tensor([[0., 2., 0.],
            [3., 0., 4.]])
    """
    return sparse_compressed_tensor(crow_indices, col_indices, values, size, **{**options, "layout": CSR})


def sparse_csc_tensor(
    ccol_indices: Any, row_indices: Any, values: Any, size: Any = None, **options: Any
) -> Tensor:  # fmt: skip
    """A matrix by columns."""
    return sparse_compressed_tensor(ccol_indices, row_indices, values, size, **{**options, "layout": CSC})


def compressed(x: Any, layout: Any) -> Tensor:
    """A dense or sparse matrix in a compressed layout."""
    if isinstance(x, CompressedTensor):
        return x if x._layout is layout else compress(_plain(x), layout)
    coo: Any = x if isinstance(x, SparseTensor) else to_sparse(x)
    return compress(coo, layout)


# ------------------------------------------------------------------------------------------------------------ operators
_TURNING = ("t", "transpose", "permute")


def _again(x: CompressedTensor, found: Any, turned: bool = False) -> Any:
    """A sparse result compressed as the tensor it comes from; by the other axis where axes have changed places."""
    if not isinstance(found, SparseTensor) or isinstance(found, CompressedTensor) or found.ndim != 2:
        return found
    layout = x._layout if not turned else CSC if x._layout is CSR else CSR
    return compress(found, layout)


_run = layouts.apply


def _apply(op: Any, inputs: tuple, attributes: dict[str, Any]) -> Any:
    first = next((x for x in inputs if isinstance(x, CompressedTensor)), None)
    if first is None:
        return _run(op, inputs, attributes)
    if op.name == "add" and any(type(x) is Tensor and x.ndim for x in inputs):
        return _run_dense(op, inputs, attributes)
    plain = tuple(_plain(x) if isinstance(x, CompressedTensor) else x for x in inputs)
    return _again(first, _run(op, plain, attributes), op.name in _TURNING)


def _run_dense(op: Any, inputs: tuple, attributes: dict[str, Any]) -> Any:
    return apply(op, tuple(x.to_dense() if isinstance(x, SparseTensor) else x for x in inputs), attributes)


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix."""
    return on.matmul(input, mat2)


dsmm = spmm
layouts.apply = _apply


# -------------------------------------------------------------------------------------------------------------- methods
def _through(name: str) -> Callable:
    """A method of sparse tensors whose result is compressed again."""
    inherited = getattr(SparseTensor, name)

    def method(self: CompressedTensor, *args: Any, **kwargs: Any) -> Any:
        return _again(self, inherited(_plain(self), *args, **kwargs), name in _TURNING)

    return method


def _dense(name: str) -> Callable:
    inherited = getattr(SparseTensor, name)
    return lambda self, *args, **kwargs: inherited(_plain(self), *args, **kwargs)


def _indices(name: str, words: str) -> Callable:
    def method(self: CompressedTensor) -> Tensor:
        axis, outer, _ = NAMES[self._layout]
        if name not in NAMES[self._layout]:
            raise RuntimeError(f"{name} expected sparse {words} layout but got {WORDS[self._layout]}")
        return _bounds(self) if name == outer else self._where[1 - axis]

    return method


def _refused(name: str) -> Callable:
    def method(self: CompressedTensor, *args: Any) -> Any:
        raise RuntimeError(f"{name} expected sparse coordinate tensor layout but got {WORDS[self._layout]}")

    return method


_METHODS: dict[str, Callable] = {
    **{name: _through(name) for name in ("clone", "detach", "to", "transpose")},
    **{name: _dense(name) for name in ("to_dense", "norm", "__getitem__")},
    **{name: _refused(name) for name in ("indices", "coalesce", "is_coalesced", "_indices")},
    **{name: _indices(name, "row compressed tensor") for name in ("crow_indices", "col_indices")},
    **{name: _indices(name, "column compressed tensor") for name in ("ccol_indices", "row_indices")},
    "values": tracked_values,
    "to_sparse": lambda self, *_, layout=None, **__: compressed(self, layout) if layout in NAMES else _plain(self),
    "to_sparse_coo": _plain,
}
for _name, _function in _METHODS.items():
    setattr(CompressedTensor, _name, _function)
