"""Norms of vectors and matrices, condition, rank: `torch.linalg`'s, over reductions and singular values."""

from __future__ import annotations

import math
from typing import Any

from .._tensor import Tensor
from ..core import shape as shapes
from ..core.dtype import FLOAT, PYTHON_TYPES, finfo, promote_types, scalar_name
from . import factors, reduction
from .checks import floating, linalg, matrices, square
from .decompositions import eigvalsh, svdvals
from .masking import where

INF = math.inf


def typed(name: str, x: Tensor, dtype: Any) -> Tensor:
    """The tensor in the dtype that a norm was asked to be computed in, which may not be narrower."""
    if dtype is None:
        return x
    dtype = PYTHON_TYPES.get(dtype, dtype)
    if dtype.kind < FLOAT:
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {scalar_name(dtype)}")
    if x.dtype.is_complex != dtype.is_complex:
        kind = "complex" if x.dtype.is_complex else "real"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {scalar_name(dtype)}")
    if promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"{name}: the dtype of the input ({scalar_name(x.dtype)}) should be convertible without narrowing to the "
            f"specified dtype ({scalar_name(dtype)})"
        )
    return x.to(dtype)


@linalg
def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """(sum |x|^ord)^(1 / ord) over axes, with its limits for 0 and infinity."""
    floating("linalg.vector_norm", x)
    x = typed("linalg.vector_norm", x, dtype)
    dims = shapes.axes(None if isinstance(dim, list | tuple) and not len(dim) else dim, x.ndim)
    ord = float(ord)
    empty = [d for d in dims if x.ndim and not x.shape[d]]
    if empty and (ord < 0 or ord == INF):
        place = (
            "an empty tensor because"
            if dim is None
            else f"the dimension {empty[0]} because this dimension is empty and"
        )
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord:g} norm on {place} the operation does not have an identity"
        )
    return reduction.vector_norm(x, ord, dims, keepdim)


def _two_axes(name: str, x: Tensor, dim: Any) -> tuple[int, int]:
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(
            f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, [dim] if isinstance(dim, int) else dim))}"
        )
    a, b = (shapes.axis(d, x.ndim) for d in dim)
    if a == b:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    return a, b


_ORDERS = (1, 2, INF)


@linalg
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A norm of matrices: "fro", "nuc", 1, 2, inf, or the negative orders, which take the smallest."""
    name = "linalg.matrix_norm"
    matrices(name, A)
    floating(name, A)
    A = typed(name, A, dtype)
    rows, columns = _two_axes(name, A, dim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord != "nuc" and (isinstance(ord, str) or abs(ord) not in _ORDERS):
        raise RuntimeError(f"{name}: Order {ord if isinstance(ord, str) else f'{ord:g}'} not supported.")
    if ord == "nuc" or abs(ord) == 2:
        s = svdvals(A.movedim((rows, columns), (-2, -1)))
        value = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord > 0 else s.amin(-1)
    else:
        summed, kept = (rows, columns) if abs(ord) == 1 else (columns, rows)
        totals = A.abs().sum(summed, keepdim=True)
        value = (totals.amax if ord > 0 else totals.amin)((kept,)).squeeze(summed - (summed > kept))
    if keepdim:
        for d in sorted((rows, columns)):
            value = value.unsqueeze(d)
    return value


@linalg
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """vector_norm or matrix_norm, whichever the number of axes asks for."""
    if dim is not None and _count(dim) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got [{', '.join(map(str, dim))}]"
        )
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        if dim is None and A.ndim > 2:
            raise RuntimeError(_WHICH.format(A.ndim))
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if dim is None and A.ndim not in (1, 2):
        raise RuntimeError(_WHICH.format(A.ndim))
    if A.ndim == 2 if dim is None else _count(dim) == 2:
        return matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


_WHICH = "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {}D."


def _count(dim: Any) -> int:
    return 1 if isinstance(dim, int) else len(dim)


@linalg
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number: the norm of A times that of its inverse."""
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p in (None, 2, -2):
        s = svdvals(A)
        first, last = s[..., 0], s[..., -1]
        return last / first if p == -2 else first / last
    if not isinstance(p, str) and abs(p) not in _ORDERS:
        raise RuntimeError(f"linalg.cond got an invalid norm type: {float(p):g}")
    square("linalg.cond", A)
    inverse, info = factors.inv_ex(A)
    value = matrix_norm(A, p) * matrix_norm(inverse, p)
    return where(info == 0, value, value * 0 + INF)


def tolerances(name: str, A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """atol and rtol with their defaults: rtol is eps times the longer side unless atol says enough."""
    if rtol is None:
        default = finfo(A.dtype).eps * max(A.shape[-2:])
        if atol is None:
            return 0.0, default
        rtol = (
            where(atol > 0, atol * 0.0, atol * 0.0 + default)
            if isinstance(atol, Tensor)
            else (0.0 if atol > 0 else default)
        )
    return 0.0 if atol is None else atol, rtol


@linalg
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values exceed max(atol, rtol * the largest)."""
    name = "torch.linalg.matrix_rank"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor input must have at least 2 dimensions.")
    if tol is not None:
        atol, rtol = tol, 0.0
    if not A.numel():
        return (A.abs().sum((-2, -1)) * 0).to(factors.dtypes.int64)
    s = eigvalsh(A).abs() if hermitian else svdvals(A)
    atol, rtol = tolerances(name, A, atol, rtol)
    largest = s.amax(-1, keepdim=True)
    low = (rtol.unsqueeze(-1) if isinstance(rtol, Tensor) else rtol) * largest
    high = atol.unsqueeze(-1) if isinstance(atol, Tensor) else atol
    limit = where(low > high, low, low * 0 + high)
    return (s > limit).sum(-1)
