"""What operators do with sparse tensors: a rule for each, by the operator's name.

`apply` of a recorded operator comes here when an input is sparse; so `torch.add`, `+` and `add_` need one rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..autograd import nodes
from ..autograd.modes import state
from ..core.dtype import int64, result_dtype
from ..core.shape import broadcast
from ..ops.creation import zeros
from ..ops.declare import rename_node
from ..ops.joining import cat
from ..ops.pointwise import conj
from ..ops.record import apply, layouts
from .creation import to_sparse
from .tensor import (
    SparseSpec,
    SparseTensor,
    added,
    build,
    coalesce,
    columns,
    flat_places,
    indices_of,
    sparse_dim,
    to_dense,
    tracked_values,
    values_at,
)  # fmt: skip

RULES: dict[str, Callable] = {}


def rule(*names: str) -> Callable:
    """Decorate what operators of these names do: a function of their inputs and attributes."""

    def enter(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def run(op: Any, inputs: tuple, attributes: dict[str, Any]) -> Any:
    """The result of an operator of which some input is sparse."""
    found = RULES.get(op.name)
    if found is not None:
        return found(*inputs, **attributes)
    if op.name in _ZERO_STAYS:
        x = coalesce(inputs[0])
        return rename_node(with_values(x, apply(op, (tracked_values(x),), attributes)), _backward_name(op))
    raise unavailable(op.name)


def unavailable(name: str) -> NotImplementedError:
    """What PyTorch says of an operator that has no sparse form."""
    return NotImplementedError(
        f"Could not run 'aten::{name}' with arguments from the 'SparseCPU' backend. This could be because the operator "
        "doesn't exist for this backend, or was omitted during the selective/custom build process (if using custom "
        "build)."
    )


_ZERO_STAYS = frozenset(
    "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan isneginf isposinf log1p neg "
    "positive rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc".split()
)


def _backward_name(op: Any) -> str:
    return op.grad_name if type(op.grad_name) is str else f"{op.name.title()}Backward0"


def with_values(x: SparseTensor, values: Tensor) -> SparseTensor:
    """A sparse tensor with other values at the same places."""
    return build(x._where, values, x.shape[: sparse_dim(x)] + values.shape[1:], x._is_sorted)


def is_sparse(x: Any) -> bool:
    return isinstance(x, SparseTensor)


# ----------------------------------------------------------------------------------------------------------- arithmetic
@rule("add")
def add(a: Any, b: Any) -> Tensor:
    """Two sparse tensors, or a dense one and a sparse one."""
    if not is_sparse(a):
        return _dense_plus(a, b)
    if not is_sparse(b):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if a.shape != b.shape:
        raise RuntimeError(
            f"add: expected sizes of 'self' and 'other' to match, but {list(a.shape)} != {list(b.shape)}"
        )
    return rename_node(_union(a, b), "AddBackward0")


@rule("sub", "rsub")
def sub(a: Any, b: Any) -> Tensor:
    return add(a, -b)


def _union(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    if a._where is b._where:
        return with_values(a, tracked_values(a) + tracked_values(b))
    if sparse_dim(a) != sparse_dim(b):
        raise RuntimeError(
            "add: expected 'self' and 'other' to have same number of sparse dimensions, but "
            f"{sparse_dim(a)} != {sparse_dim(b)}"
        )
    kind = result_dtype([a.dtype, b.dtype], [], [])
    values = [tracked_values(x).to(kind) for x in (a, b)]
    both = build(cat([a._where, b._where], 1), cat(values), a.shape)
    return coalesce(both) if a._is_sorted and b._is_sorted else both


def _dense_plus(a: Any, b: SparseTensor) -> Tensor:
    if not isinstance(a, Tensor):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if broadcast(a.shape, b.shape) != a.shape:
        raise RuntimeError(
            f"add: expected sizes of 'self' and 'other' to match, but {list(a.shape)} != {list(b.shape)}"
        )
    return a + to_dense(b)


@rule("mul")
def mul(a: Any, b: Any) -> Tensor:
    """A sparse tensor times a number, a dense tensor, or another sparse one: zero wherever one of them is."""
    if not is_sparse(a):
        a, b = b, a
    if is_sparse(b):
        return rename_node(_product(a, b), "MulBackward0")
    if isinstance(b, Tensor) and b.ndim:
        b = values_at(b.expand(broadcast(a.shape, b.shape)), a._where)
    return rename_node(with_values(a, tracked_values(a) * b), "MulBackward0")


def _product(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    if a.shape != b.shape:
        raise RuntimeError(
            f"mul: expected 'self' and 'other' to have same sizes, but {list(a.shape)} != {list(b.shape)}"
        )
    a, b = coalesce(a), coalesce(b)
    size = a.shape[: sparse_dim(a)]
    places, ours, theirs = np.intersect1d(
        flat_places(a._where, size), flat_places(b._where, size), assume_unique=True, return_indices=True
    )
    values = [
        tracked_values(x).index_select(0, Tensor._from_array(i))
        for x, i in ((a, ours), (b, theirs))
    ]
    return build(columns(places, size), values[0] * values[1], a.shape, True)


@rule("div")
def div(a: Any, b: Any) -> Tensor:
    """A sparse tensor over a number."""
    return _over(a, b, lambda x, n: x / n)


@rule("floor_divide")
def floor_divide(a: Any, b: Any) -> Tensor:
    """A sparse tensor over a number, rounded down."""
    return _over(a, b, lambda x, n: x // n)


def _over(a: Any, b: Any, quotient: Callable) -> Tensor:
    if is_sparse(b) or isinstance(b, Tensor) and b.ndim:
        raise RuntimeError(
            "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
            f"{list(b.shape)} for divisor)"
        )
    return rename_node(with_values(a, quotient(tracked_values(a), b)), "DivBackward0")


@rule("pow")
def pow(a: Any, b: Any) -> Tensor:
    """A sparse tensor to the power of a number that is not zero."""
    if not is_sparse(a) or isinstance(b, Tensor):
        raise TypeError("pow(): a sparse base and a number as exponent are needed")
    if b == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor")
    a = coalesce(a)
    return rename_node(with_values(a, tracked_values(a) ** b), "PowBackward0")


@rule("copy")
def clone(x: SparseTensor, out: Any) -> Tensor:
    return build(x._where.clone(), tracked_values(x).clone(), x.shape, x._is_sorted)


@rule("to_copy")
def cast(x: SparseTensor, to: Any) -> Tensor:
    return with_values(x, tracked_values(x).to(to))


# ------------------------------------------------------------------------------------------------------------- products
class MmBackward0(nodes.BackwardNode):
    """The history of a product with a sparse matrix; gradients are dense, as PyTorch's are."""

    __slots__ = ("specs", "tensors")
    tensors: tuple[Any, Any]

    def apply(self, grads: list) -> tuple:
        (a, b), g = self.tensors, grads[0]
        right = _turned(conj(b)) if self.edges[0] is not None else None
        left = _turned(conj(a)) if self.edges[1] is not None else None
        return None if right is None else product(g, right), None if left is None else product(left, g)


MmBackward0.__module__ = "builtins"


def _turned(x: Any) -> Any:
    return x.transpose(0, 1)


@rule("matmul", "mv", "matmul_nd", "dot")
def matmul(a: Any, b: Any) -> Tensor:
    """The product of two matrices, or of a matrix and a vector; sparse where both are."""
    with_vector = [x.ndim == 1 for x in (a, b)]
    if a.ndim > 2 or b.ndim > 2:
        raise RuntimeError("expand is unsupported for Sparse tensors")
    a, b = a.unsqueeze(0) if with_vector[0] else a, b.unsqueeze(1) if with_vector[1] else b
    out = _recorded(a, b)
    for dim in (0, -1):
        out = out.squeeze(dim) if with_vector[dim] else out
    return out


def _recorded(a: Any, b: Any) -> Tensor:
    if is_sparse(a) and is_sparse(b):
        return product(a, b)
    before, state.enabled = state.enabled, False
    try:
        out = product(a, b)
    finally:
        state.enabled = before
    if state.enabled and (a._grad_fn is not None or b._grad_fn is not None):
        fn = MmBackward0()
        fn.tensors, fn.specs = (a, b), [a._spec, b._spec]
        fn.edges, fn.sequence = (nodes.grad_edge(a), nodes.grad_edge(b)), next(nodes._sequence)
        out._grad_fn = fn
    return out


def product(a: Any, b: Any) -> Tensor:
    """The matrix product; gradients of sparse factors are sparse."""
    if not is_sparse(a) and not is_sparse(b):
        return a @ b
    if is_sparse(a) and is_sparse(b):
        return _sparse_product(a, b)
    if not is_sparse(a):
        return product(b.t(), a.transpose(0, 1)).transpose(0, 1)
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(f"addmm: Argument #3 (dense): Expected dim 0 size {a.shape[1]}, got {b.shape[0]}")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"addmm: expected a and b to have the same dtype, but got {a.dtype} and {b.dtype}")
    rows, cols = indices_of(a._where)
    terms = tracked_values(a).unsqueeze(1) * b.index_select(0, cols)
    return zeros((a.shape[0], b.shape[1]), dtype=terms.dtype).index_add(0, rows, terms)


def _sparse_product(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    """Pairs of elements whose inner indices are equal, summed for each outer pair of indices."""
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    a, b = coalesce(a), coalesce(b)
    (rows, inner), (starts, cols) = a._where._array(), b._where._array()
    first, last = np.searchsorted(starts, inner, "left"), np.searchsorted(starts, inner, "right")
    counts = last - first
    ours = np.repeat(np.arange(len(inner)), counts)
    theirs = np.arange(len(ours)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    size = (a.shape[0], b.shape[1])
    places, group = np.unique(rows[ours] * size[1] + cols[theirs], return_inverse=True)
    terms = _picked(a, ours) * _picked(b, theirs)
    out: Any = build(columns(places, size), added(terms, group, len(places)), size, True)
    rename_node(out, "SparseSparseMatmulBackward0")
    return out


def _picked(x: SparseTensor, numbers: np.ndarray) -> Tensor:
    return tracked_values(x).index_select(0, Tensor._from_array(numbers.astype(np.int64)))


@rule("linear")
def linear(x: Any, w: Any, b: Any = None) -> Tensor:
    out = matmul(x, _turned(w))
    return out if b is None or type(b) is int else out + b


@rule("addmm")
def addmm(x: Any, a: Any, b: Any, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta x + alpha (a @ b)."""
    return x * beta + matmul(a, b) * alpha


# ----------------------------------------------------------------------------------------------------------- reductions
@rule("sum")
def sum(x: SparseTensor, dim: Sequence[int], keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The sum over axes: dense where no sparse axis is left."""
    n = sparse_dim(x)
    inner = tuple(d - n + 1 for d in dim if d >= n)
    values = tracked_values(x).to(dtype) if dtype is not None else tracked_values(x)
    values = values.sum(inner, keepdim) if inner else values if values.dtype.kind >= 2 else values.to(int64)
    left = [d for d in range(n) if d not in dim]
    if not left and not keepdim:
        return rename_node(values.sum(0), "SumBackward0")
    outer = [d for d in range(n) if keepdim or d in left]
    size = [1 if d in dim else x.shape[d] for d in outer]
    where = x._where.index_select(0, Tensor._from_array(np.array(outer, np.int64)))
    gone = Tensor._from_array(np.array([[0 if d in dim else 1] for d in outer], np.int64))
    return coalesce(build(where * gone, values, (*size, *values.shape[1:])))


def norm(x: SparseTensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The norm of all elements."""
    if dim is not None or keepdim:
        raise RuntimeError(
            "norm_sparse currently only supports full reductions, so 'dim' must be empty and 'keepdim' must be false"
        )
    return tracked_values(coalesce(x)).norm(p, dtype=dtype)


def softmax(x: SparseTensor, dim: int, dtype: Any = None, log: bool = False) -> Tensor:
    """Softmax over an axis among the elements that are there; those that are not count as minus infinity."""
    x = coalesce(x if dtype is None else x.to(dtype))
    n, values = sparse_dim(x), tracked_values(x)
    dim = dim % x.ndim
    if dim >= n:
        return with_values(x, values.log_softmax(dim - n + 1) if log else values.softmax(dim - n + 1))
    rows = np.delete(x._where._array(), dim, 0)
    size = [s for d, s in enumerate(x.shape[:n]) if d != dim]
    flat = np.ravel_multi_index(tuple(rows), tuple(size)) if size else np.zeros(rows.shape[1], np.int64)
    kinds, group = np.unique(flat, return_inverse=True)
    most = np.full((len(kinds), *values.shape[1:]), -np.inf, values.dtype.np)
    np.maximum.at(most, group, values.detach()._array())
    index = Tensor._from_array(group.astype(np.int64))
    shifted = values - Tensor._from_array(most[group])
    total = added(shifted.exp(), group, len(kinds))
    if log:
        return with_values(x, shifted - total.log().index_select(0, index))
    return with_values(x, shifted.exp() / total.index_select(0, index))


# ---------------------------------------------------------------------------------------------------------- arrangement
@rule("transpose")
def transpose(x: SparseTensor, dim0: int, dim1: int) -> Tensor:
    order = list(range(x.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(x, order)


@rule("t")
def t(x: SparseTensor) -> Tensor:
    return transpose(x, 0, 1) if x.ndim == 2 else x


@rule("permute")
def permute(x: SparseTensor, dims: Sequence[int]) -> Tensor:
    """Axes in another order; sparse and dense ones do not mix."""
    n, order = sparse_dim(x), [d % x.ndim for d in dims]
    if sorted(order[:n]) != list(range(n)):
        raise RuntimeError("transpose: sparse and dense axes cannot be exchanged")
    if order == list(range(x.ndim)):
        return x
    where = x._where.index_select(0, Tensor._from_array(np.array(order[:n], np.int64)))
    values = tracked_values(x).permute(0, *[d - n + 1 for d in order[n:]])
    return build(where, values, [x.shape[d] for d in order])


@rule("unsqueeze")
def unsqueeze(x: SparseTensor, dim: int) -> Tensor:
    """A new axis of one: a sparse one up to the place behind the last sparse axis."""
    n = sparse_dim(x)
    dim = dim + x.ndim + 1 if dim < 0 else dim
    size = [*x.shape[:dim], 1, *x.shape[dim:]]
    if dim > n:
        return build(x._where, tracked_values(x).unsqueeze(dim - n + 1), size, x._is_sorted)
    none = zeros((1, x._where.shape[1]), dtype=int64)
    return build(cat([x._where[:dim], none, x._where[dim:]]), tracked_values(x), size, x._is_sorted)


@rule("select")
def select(x: SparseTensor, dim: int, index: int) -> Tensor:
    """One element of an axis: dense where it was the last sparse one."""
    n, dim = sparse_dim(x), dim % x.ndim
    if not -x.shape[dim] <= index < x.shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {dim}")
    index %= x.shape[dim]
    if dim >= n:
        return with_values(x, tracked_values(x).select(dim - n + 1, index))
    indices = x._where._array()
    hits = np.flatnonzero(indices[dim] == index)
    values = _picked(x, hits)
    if n == 1:
        return values.sum(0, dtype=values.dtype)
    where = Tensor._from_array(np.ascontiguousarray(np.delete(indices[:, hits], dim, 0)))
    return build(where, values, [s for d, s in enumerate(x.shape) if d != dim], x._is_sorted)


@rule("index_select")
def index_select(x: SparseTensor, index: Tensor, dim: int) -> Tensor:
    """Some elements of an axis, in the order of the index, as often as it names them."""
    n, dim = sparse_dim(x), dim % x.ndim
    if dim >= n:
        return with_values(x, tracked_values(x).index_select(dim - n + 1, index))
    asked, indices = index._array().reshape(-1), x._where._array()
    if asked.size and (asked.min() < -x.shape[dim] or asked.max() >= x.shape[dim]):
        raise IndexError(
            f"index_select(): index contains {asked.max()} that is out of range for tensor of size {list(x.shape)} at "
            f"dimension {dim}"
        )
    new, old = np.nonzero(asked[:, None] % x.shape[dim] == indices[dim])
    moved = indices[:, old].copy()
    moved[dim] = new
    size = [len(asked) if d == dim else s for d, s in enumerate(x.shape)]
    return coalesce(build(Tensor._from_array(moved), _picked(x, old), size))


@rule("cat")
def joined(*tensors: Any, dim: int, dtype: Any = None) -> Tensor:
    """Sparse tensors one behind the other along a sparse axis."""
    if not all(map(is_sparse, tensors)):
        raise RuntimeError("Concatenating sparse tensors, but a dense tensor was found.")
    n, size = sparse_dim(tensors[0]), list(tensors[0].shape)
    if dim >= n:
        return to_sparse(cat([to_dense(x) for x in tensors], dim), n)
    starts = np.cumsum([0, *[x.shape[dim] for x in tensors]])
    axis = Tensor._from_array((np.arange(n)[:, None] == dim).astype(np.int64))
    places = [x._where + axis * int(start) for x, start in zip(tensors, starts, strict=False)]
    size[dim] = int(starts[-1])
    return build(cat(places, 1), cat([tracked_values(x) for x in tensors]), size)


@rule("stack")
def stacked(*tensors: Any, dim: int, dtype: Any = None) -> Tensor:
    """Sparse tensors along a new axis."""
    return joined(*[unsqueeze(x, dim) for x in tensors], dim=dim)


layouts.spec, layouts.apply, layouts.rows = SparseSpec, run, build
