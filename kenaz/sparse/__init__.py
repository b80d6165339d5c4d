"""`torch.sparse`: tensors in the coordinate layout.

    tensor.py     what a sparse tensor is, and how values go in and out of it, with their gradients
    creation.py   making them: `sparse_coo_tensor`, `to_sparse`, `spdiags`
    operators.py  a rule for each operator that takes them
    methods.py    their methods

>>> import kenaz as torch
>>> a = torch.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2))
>>> torch.sparse.mm(a, torch.ones(2, 1))
tensor([[2.],
        [3.]])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..ops.declare import rename_node
from . import methods as methods
from . import operators as on
from .creation import check_sparse_tensor_invariants, sparse_coo_tensor, spdiags
from .tensor import SparseTensor

__all__ = [
    "addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "softmax", "spdiags", "sum",
]  # fmt: skip


def mm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices (n, m) and (m, p); the gradient of a sparse factor is sparse."""
    for x in (mat1, mat2):
        if x.ndim != 2:
            shapes.axis(1, x.ndim)
    return rename_node(on.product(mat1, mat2), "SparseAddmmBackward0")


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta mat + alpha (mat1 @ mat2) for a sparse mat1."""
    return mat * beta + mm(mat1, mat2) * alpha


def sum(input: Tensor, dim: int | Sequence[int] | None = None, dtype: Any = None) -> Tensor:
    """The sum over axes, of all without `dim`: sparse while a sparse axis is left.

    >>> import kenaz as torch
    >>> torch.sparse.sum(torch.eye(3).to_sparse())
    tensor(3.)
    """
    return input.sum(dim, dtype=dtype)


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Tensor:
    """Softmax over an axis among the elements that are there."""
    return on.softmax(input, dim, dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`."""
    return on.softmax(input, dim, dtype, log=True)


def hspmm(mat1: Any, mat2: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix as a sparse tensor of dense rows."""
    return mm(mat1, mat2).to_sparse(1)


def smm(input: Any, mat: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix as a sparse tensor."""
    return mm(input, mat).to_sparse()


SparseTensor.smm = smm  # type: ignore[attr-defined]  # methods are attached


class _Legacy:
    """`torch.sparse.FloatTensor(indices, values, size)`, or of sizes only."""

    def __init__(self, dtype: dtypes.dtype):
        self.dtype = dtype

    def __call__(self, *args: Any) -> Tensor:
        if len(args) > 1 and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args, dtype=self.dtype)
        return sparse_coo_tensor(args[0] if args and not isinstance(args[0], int) else args or (0,), dtype=self.dtype)


for _dtype in dtypes.ALL:
    globals()[f"{dtypes.scalar_name(_dtype)}Tensor"] = _Legacy(_dtype)
