"""Solving, inverting, determinants and products with PyTorch's signatures, and the older names of them in `torch`."""

from __future__ import annotations

from math import prod
from typing import Any

from .._tensor import Tensor
from ..core import shape as shapes
from ..core.dtype import FLOAT, scalar_name
from . import factors
from .checks import LINALG, SINGULAR, floating, linalg, matrices, refuse, square, with_out
from .decompositions import _named, named_grad, svdvals, twin
from .masking import where
from .norms import tolerances
from .products import matmul
from .record import public


# --------------------------------------------------------------------------------------------------------- determinants
@linalg
def det(A: Tensor) -> Tensor:
    """The determinant.

    >>> from .creation import tensor
    >>> det(tensor([[2.0, 1.0], [1.0, 3.0]])).item()
    5.0
    """
    square("linalg.det", A)
    floating("linalg.det", A, "lu_cpu")
    return factors.det(A)


@linalg
def slogdet(A: Tensor) -> Any:
    """The sign of the determinant and the logarithm of its absolute value."""
    square("linalg.slogdet", A)
    floating("linalg.slogdet", A, low=False)
    return _named("linalg_slogdet", "sign logabsdet", factors.slogdet(A))


def _slogdet(input: Tensor) -> Any:
    """The sign of the determinant and the logarithm of its absolute value."""
    return _named("slogdet", "sign logabsdet", slogdet(input))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan where that is negative."""
    square("logdet", input)
    floating("logdet", input, low=False)
    sign, value = factors.slogdet(input)
    if input.dtype.is_complex:
        return sign.log() + value
    return where(sign == -1.0, float("nan"), value)


twin(det)
twin(with_out("slogdet", _slogdet))
twin(logdet)


# ---------------------------------------------------------------------------------------------------- inverses, systems
@linalg
def inv(A: Tensor) -> Tensor:
    """The inverse."""
    square("linalg.inv", A)
    floating("linalg.inv", A, low=False)
    inverse, info = factors.inv_ex(A)
    refuse(info, "linalg.inv", SINGULAR)
    return inverse


@linalg
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """The inverse, and which pivot is zero (0: none)."""
    square("linalg.inv", A)
    floating("linalg.inv", A, low=False)
    inverse, info = factors.inv_ex(A)
    if check_errors:
        refuse(info, "linalg.inv_ex", SINGULAR)
    return _named("linalg_inv_ex", "inverse info", (inverse, info))


twin(with_out("inverse", lambda input: inv(input)))


def _same_types(name: str, A: Tensor, B: Tensor) -> None:
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {scalar_name(A.dtype)} and B "
            f"of type "
            f"{scalar_name(B.dtype)} instead"
        )


def _compatible(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    if A.shape[-2 if left else -1] != B.shape[-2 if left else -1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )


def _solve(A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    square("linalg.solve", A)
    floating("linalg.solve", A, low=False)
    _same_types("linalg.solve", A, B)
    vector = B.ndim == 1 or B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
    if not left and vector:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this "
            "case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    B = B.unsqueeze(-1) if vector else B
    _compatible("linalg.solve", A, B, left)
    x, info = factors.solve_ex(A, B) if left else factors.solve_ex(A.mT, B.mT)
    x = x if left else x.mT
    return x.squeeze(-1) if vector else x, info


_NO_SOLUTION = "The solver failed because the input matrix is singular."


@linalg
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (or X A = B).

    >>> from .creation import tensor
    >>> solve(tensor([[2.0, 0.0], [0.0, 4.0]]), tensor([2.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    x, info = _solve(A, B, left)
    refuse(info, "torch.linalg.solve", _NO_SOLUTION)
    return named_grad(x, "LinalgSolveExBackward0")


@linalg
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """X with A X = B, and which pivot is zero (0: none)."""
    x, info = _solve(A, B, left)
    if check_errors:
        refuse(info, "torch.linalg.solve_ex", _NO_SOLUTION)
    return _named("linalg_solve_ex", "result info", (x, info))


@linalg
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B (or X A = B) for a triangular A."""
    name = "linalg.solve_triangular"
    _same_types(name, A, B)
    square(name, A)
    matrices(name, B, "B")
    _compatible(name, A, B, left)
    if left:
        return factors.solve_triangular(A, B, upper=bool(upper), unit=bool(unitriangular))
    x = factors.solve_triangular(A.mT, B.mT, upper=not upper, unit=bool(unitriangular)).mT
    return named_grad(x, "LinalgSolveTriangularBackward0")


def _triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """x with A x = input for a triangular A; `linalg.solve_triangular` is the newer name."""
    for t, word in ((input, "b"), (A, "A")):
        if t.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {word} to have at least 2 dimensions, but it has {t.ndim} "
                f"dimensions instead"
            )
    matrix, above = (A.mT, not upper) if transpose else (A, upper)
    x = factors.solve_triangular(matrix, input, upper=bool(above), unit=bool(unitriangular))
    return _named(
        "triangular_solve", "solution cloned_coefficient", (x, A.clone().expand(*x.shape[:-2], *A.shape[-2:]))
    )


twin(with_out("triangular_solve", _triangular_solve))


@linalg
def pinv(
    A: Tensor, *args: Any, atol: Any = None, rtol: Any = None, hermitian: bool = False, rcond: Any = None
) -> Tensor:
    """The pseudoinverse of Moore and Penrose."""
    if args:
        rcond, hermitian = args[0], args[1] if len(args) > 1 else hermitian
    if A.ndim < 2 or A.dtype.kind < FLOAT or A.dtype in factors.dtypes.HALF:
        raise RuntimeError(
            f"linalg.pinv({scalar_name(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions "
            f"of float, double, "
            "cfloat or cdouble types"
        )
    if not A.numel():
        return A.mH.clone()
    atol, rtol = tolerances("linalg.pinv", A, atol, rcond if rcond is not None else rtol)
    return factors.pinv(A, atol, rtol, hermitian=bool(hermitian))


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse; `linalg.pinv` is the newer name."""
    return pinv(input, rtol=rcond)


twin(pinverse)


@linalg
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The least squares solution of A X = B, residuals, rank, and singular values, the latter as far as the
    driver finds them.
    """
    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    driver = driver or "gelsy"
    vector = A.ndim - 1 == B.ndim and A.shape[:-1] == B.shape or B.ndim == 1
    right = B.unsqueeze(-1) if vector else B
    if A.shape[-2] != right.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-2)")
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{scalar_name(A.dtype)} and other's dtype {scalar_name(B.dtype)}"
        )
    m, n = A.shape[-2:]
    eps = factors.dtypes.finfo(A.dtype).eps * max(m, n)
    limit = eps if rcond is None else rcond if rcond >= 0 else factors.dtypes.finfo(A.dtype).eps
    x = factors.pinv(A, 0.0, 0.0 if driver == "gels" else limit, hermitian=False) @ right
    s = svdvals(A.detach())
    none = A.reshape(-1)[:0].abs()
    rank = (s > s.amax(-1, keepdim=True) * limit).sum(-1) if min(m, n) else s.sum(-1).to(factors.dtypes.int64)
    residuals = none
    if m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all())):
        error = (A @ x - right).abs()
        residuals = (error * error).sum(-2)
        residuals = residuals.squeeze(-1) if vector else residuals
    shown = none.to(factors.dtypes.int64) if driver == "gels" else rank
    values = s if driver in ("gelsd", "gelss") else none
    return _named(
        "linalg_lstsq",
        "solution residuals rank singular_values",
        (x.squeeze(-1) if vector else x, residuals, shown, values.detach()),
    )


# ------------------------------------------------------------------------------------------------------------- products
LINALG["matmul"] = matmul


@linalg
def matrix_power(A: Tensor, n: int) -> Tensor:
    """A to the n-th power, by squaring; negative powers are those of the inverse."""
    square("linalg.matrix_power", A)
    if n == 0:
        return A * 0 + factors.eye_like(A) if A.requires_grad else factors.eye_like(A).expand(A.shape).clone()
    if n < 0:
        A, n = inv(A), -n
    result = None
    while n:
        if n & 1:
            result = A if result is None else result @ A
        n >>= 1
        A = A @ A if n else A
    assert result is not None
    return result.clone() if result is A else result


twin(matrix_power)


@linalg
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices."""
    square("linalg.matrix_exp", A)
    floating("linalg.matrix_exp", A)
    return factors.matrix_exp(A)


twin(lambda input: matrix_exp(input), "matrix_exp")


@linalg
def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, in the order that costs least; the first and last may be vectors."""
    tensors = list(tensors)
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    size = list(tensors[-1].shape[1:]) if tensors[-1].ndim > 1 else []
    if tensors[0].ndim > 1:
        size = [tensors[0].shape[0], *size]
    for i, t in enumerate(tensors):
        allowed = (1, 2) if i in (0, n - 1) else (2,)
        if t.ndim not in allowed:
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be {'1D or 2D' if len(allowed) == 2 else '2D'} but got {t.ndim}D"
            )
    first = tensors[0].unsqueeze(0) if tensors[0].ndim == 1 else tensors[0]
    last = tensors[-1].unsqueeze(-1) if tensors[-1].ndim == 1 else tensors[-1]
    chain = [first, *tensors[1:-1], last]
    for i in range(n - 1):
        if chain[i].shape[1] != chain[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(chain[i].shape)} and "
                f"{list(chain[i + 1].shape)} cannot be "
                "multiplied"
            )
    return _chained(chain, _cheapest([c.shape[0] for c in chain] + [chain[-1].shape[1]]), 0, n - 1).reshape(size)


def _cheapest(p: list[int]) -> dict:
    """Where to split each stretch of a chain of matrices, matrix i being p[i] by p[i + 1] (Cormen et al., section
    14.2).
    """
    n = len(p) - 1
    cost, split = {(i, i): 0 for i in range(n)}, {}
    for width in range(1, n):
        for i in range(n - width):
            j = i + width
            options = [(cost[i, k] + cost[k + 1, j] + p[i] * p[k + 1] * p[j + 1], k) for k in range(i, j)]
            cost[i, j], split[i, j] = min(options)
    return split


def _chained(chain: list, split: dict, i: int, j: int) -> Tensor:
    if i == j:
        return chain[i]
    k = split[i, j]
    return _chained(chain, split, i, k) @ _chained(chain, split, k + 1, j)


def _cross_axis(name: str, input: Tensor, other: Tensor, dim: int) -> Tensor:
    if input.ndim != other.ndim:
        raise RuntimeError(f"{name}: inputs must have the same number of dimensions.")
    d = shapes.axis(dim, input.ndim)
    if input.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(
            f"{name}: inputs dimension {dim} must have length 3. Got {input.shape[d]} and {other.shape[d]}"
        )
    a, b = (t.roll(1, d) for t in (input, other))
    # with x rolled by one: (a x b)_i = a_(i+1) b_(i+2) - a_(i+2) b_(i+1)
    return named_grad(input.roll(-1, d) * b - a * other.roll(-1, d), "LinalgCrossBackward0")


@linalg
def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of three-dimensional vectors."""
    return _cross_axis("linalg.cross", input, other, dim)


def _cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product, by default over the first axis of length 3."""
    if dim is None:
        dim = next((d for d, s in enumerate(input.shape) if s == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return _cross_axis("linalg.cross", input, other, dim)


twin(with_out("cross", _cross))


@linalg
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Inner products over an axis, x conjugated."""
    if x.dtype.kind < FLOAT:
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {scalar_name(x.dtype)}"
        )
    return (x.conj() * y).sum(dim)


@linalg
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, by default over the last two axes."""
    return A.diagonal(offset, dim1, dim2)


@linalg
def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers 0, 1, ..., N - 1 of the elements, along a new last axis."""
    x = x if x.ndim else x.unsqueeze(0)
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    from .creation import ones
    from .joining import cat

    one = ones((*x.shape, 1), dtype=x.dtype if x.dtype.kind >= FLOAT else factors.dtypes.int64)
    return cat([one, x.unsqueeze(-1).expand(*x.shape, n - 1).cumprod(-1)], -1)


@linalg
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the map that A is from its last axes to its first `ind`."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, rest = A.shape[:ind], A.shape[ind:]
    if prod(first) != prod(rest):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{prod(rest)} != "
            f"{prod(first)}"
        )
    return inv(A.reshape(prod(rest), prod(rest))).reshape(*rest, *first)


@linalg
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B."""
    if dims is not None:
        moved = [shapes.axis(d, A.ndim) for d in dims]
        A = A.permute([d for d in range(A.ndim) if d not in moved] + moved)
    size = A.shape[B.ndim :]
    if prod(size) != prod(A.shape[: B.ndim]):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            "prod(self.shape[:other.ndim]), but got "
            f"{prod(size)} != {prod(A.shape[: B.ndim])}"
        )
    return solve(A.reshape(-1, prod(size)), B.reshape(-1)).reshape(size)


def _vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector's elements as columns, the highest first unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 2:
        powers = x.new_ones((x.shape[0], n), dtype=x.dtype if x.dtype.kind >= FLOAT else factors.dtypes.int64)
    else:
        powers = vander(x, N=n)
    return powers if increasing else powers.flip(-1)


public(_vander, "vander")
