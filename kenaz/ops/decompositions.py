"""Factorizations with PyTorch's signatures: Cholesky, QR, eigenvalues, singular values, LU, LDL."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..autograd.modes import state
from ..core import dtype as dtypes
from ..core.dtype import FLOAT, scalar_name
from . import factors
from .checks import NOT_POSITIVE, ZERO_PIVOT, floating, linalg, matrices, refuse, square, unsupported, with_out
from .composed import composed
from .declare import rename_node as named_grad
from .record import method, public, requires_grad
from .reduction import return_type


def _named(name: str, fields: str, values: Any) -> Any:
    return return_type(name, tuple(fields.split()), tuple(values))


def twin(function: Any, name: str | None = None, tensor: bool = True, torch: bool = True) -> Any:
    """Make a function of linear algebra torch.name and Tensor.name as well."""
    name = name or function.__name__
    if torch:
        public(function, name)
    if tensor:
        method(name, function)
    return function


# ------------------------------------------------------------------------------------------------------------- Cholesky
def _cholesky_ex(name: str, A: Tensor, upper: bool) -> tuple[Tensor, Tensor]:
    square(name, A)
    floating(name, A, "cholesky_cpu")
    return factors.cholesky_ex(A, upper=bool(upper))


@linalg
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with A = L L^H (or the upper one, its adjoint).

    >>> from .creation import tensor
    >>> cholesky(tensor([[4.0, 2.0], [2.0, 5.0]])).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    factor, info = _cholesky_ex("linalg.cholesky", A, upper)
    refuse(info, "linalg.cholesky", NOT_POSITIVE)
    return factor


@linalg
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """The factor, and which leading minor is not positive (0: all are)."""
    factor, info = _cholesky_ex("linalg.cholesky", A, upper)
    if check_errors:
        refuse(info, "linalg.cholesky", NOT_POSITIVE)
    return _named("linalg_cholesky_ex", "L info", (factor, info))


def _cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The triangular factor; `linalg.cholesky` is the newer name."""
    square("cholesky", input)
    unsupported(input, "cholesky_cpu")
    factor, info = factors.cholesky_ex(input, upper=bool(upper))
    refuse(info, "cholesky", NOT_POSITIVE)
    return named_grad(factor, "CholeskyBackward0")


twin(with_out("cholesky", _cholesky))


def _two(b: Tensor, factor: Tensor, name: str) -> None:
    for t, word in ((b, "b"), (factor, "u")):
        if t.ndim < 2:
            raise RuntimeError(f"{word} should have at least 2 dimensions, but has {t.ndim} dimensions instead")
    square(name, factor)
    if b.shape[-2] != factor.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {factor.shape[-1]} by {factor.shape[-1]} but "
            f"each b matrix is "
            f"{b.shape[-2]} by {b.shape[-1]}"
        )


def _cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """x with A x = input, where input2 is the triangular factor of A."""
    _two(input, input2, "cholesky_solve")
    return _solved_by(input, input2, upper=bool(upper))


def _factor_grad(common: Tensor, factor: Tensor, upper: bool) -> Tensor:
    """The gradient of a factor whose inverse product has the symmetric gradient `common`; all of the factor counts."""
    return -(factor @ common) if upper else -(common @ factor)


def _solved_by_grad(g: Tensor, x: Tensor, factor: Tensor, upper: bool) -> tuple[Tensor, Tensor]:
    right = _cholesky_solve(g, factor, upper)
    common = right @ x.mH
    return right, _factor_grad(common + common.mH, factor, upper)


@composed(lambda g, y, _b, factor, upper: _solved_by_grad(g, y, factor, upper), "CholeskySolveBackward0")
def _solved_by(b: Tensor, factor: Tensor, upper: bool) -> Tensor:
    low = factor.mH if upper else factor
    half = factors.solve_triangular(low, b, upper=False, unit=False)
    return factors.solve_triangular(low.mH, half, upper=True, unit=False)


cholesky_solve = twin(with_out("cholesky_solve", _cholesky_solve))


@composed(lambda g, y, factor, upper: _factor_grad(y @ (g + g.mH) @ y, factor, upper), "CholeskyInverseBackward0")
def _inverse_of(factor: Tensor, upper: bool) -> Tensor:
    return _solved_by(factors.eye_like(factor).expand(factor.shape), factor, upper=upper)


def _cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A from its triangular factor."""
    square("cholesky_inverse", L)
    return _inverse_of(L, upper=bool(upper))


twin(with_out("cholesky_inverse", _cholesky_inverse))


# ------------------------------------------------------------------------------------------------------------------- QR
@linalg
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and an upper triangular R, A = Q R."""
    matrices("linalg.qr", A)
    floating("linalg.qr", A, "geqrf_cpu")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return _named("linalg_qr", "Q R", factors.qr(A, mode=mode))


def _qr(input: Tensor, some: bool = True) -> Any:
    """Q and R; `linalg.qr` is the newer name."""
    return _named("qr", "Q R", qr(input, "reduced" if some else "complete"))


twin(with_out("qr", _qr))


def _geqrf(input: Tensor) -> Any:
    """Householder vectors and their factors, as LAPACK's geqrf gives them."""
    matrices("torch.geqrf", input, "input")
    unsupported(input, "geqrf_cpu")
    return _named("geqrf", "a tau", factors.geqrf(input))


twin(with_out("geqrf", _geqrf))


def _householder_composed(v: Tensor, tau: Tensor) -> Tensor:
    """The same product out of operators that can be differentiated."""
    from .creation import eye

    m, n = v.shape[-2:]
    q = eye(m, n, dtype=v.dtype).expand(*v.shape[:-2], m, n)
    unit = v.tril(-1) + eye(m, n, dtype=v.dtype)
    if not tau.shape[-1]:
        return q + v.sum() * 0
    for i in range(tau.shape[-1] - 1, -1, -1):
        h = unit[..., :, i : i + 1]
        q = q - tau[..., i, None, None] * (h @ (h.mH @ q))
    return q


@linalg
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H1 H2 ... Hk, where Hi = 1 - tau_i v_i v_i^H and v_i is below the diagonal of column i."""
    name = "torch.linalg.householder_product"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau.ndim != A.ndim - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} "
            f"and input.ndim is "
            f"equal to {A.ndim}"
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {scalar_name(tau.dtype)} does not match input dtype {scalar_name(A.dtype)}"
        )
    if state.enabled and requires_grad((A, tau)):
        return named_grad(_householder_composed(A, tau), "LinalgHouseholderProductBackward0")
    return factors.householder_product(A, tau)


def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """The first columns of the product of Householder reflections."""
    return householder_product(input, input2)


twin(with_out("orgqr", orgqr))


def _ormqr(input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """input3 times the orthogonal matrix that `geqrf` found, or its adjoint."""
    for t, word in ((input, "input"), (input3, "other")):
        if t.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {word} must have at least 2 dimensions.")
    side = -2 if left else -1
    if input.shape[-2] != input3.shape[side]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if input2.shape[-1] != min(input3.shape[side], input.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if state.enabled and requires_grad((input, input2, input3)):
        whole = _full_product(input, input2)
        whole = whole.mH if transpose else whole
        return whole @ input3 if left else input3 @ whole
    return factors.ormqr(input, input2, input3, left=bool(left), transpose=bool(transpose))


def _full_product(v: Tensor, tau: Tensor) -> Tensor:
    from .joining import cat

    m, n = v.shape[-2:]
    wide = v if m == n else cat([v, v.new_zeros((*v.shape[:-2], m, m - n))], -1) if n < m else v[..., :m]
    return _householder_composed(wide, tau)


twin(with_out("ormqr", _ormqr))


# -------------------------------------------------------------------------------------- eigenvalues and singular values
@linalg
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices."""
    return _named("linalg_eigh", "eigenvalues eigenvectors", _eigh("linalg.eigh", A, UPLO))


def _eigh(name: str, A: Tensor, UPLO: str) -> tuple:
    square(name, A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    unsupported(A, "linalg_eigh_cpu")
    return factors.eigh(A, uplo=UPLO.upper())


@linalg
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices, ascending."""
    return _eigh("linalg.eigh", A, UPLO)[0]


def _eig(name: str, A: Tensor) -> tuple:
    square(name, A)
    if A.dtype.kind < FLOAT:
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_name(A.dtype)}")
    unsupported(A, "linalg_eig_out_cpu")
    return factors.eig(A)


@linalg
def eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors, complex."""
    return _named("linalg_eig", "eigenvalues eigenvectors", _eig("linalg.eig", A))


@linalg
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues, complex."""
    return _eig("linalg.eigvals", A)[0]


def _check_svd(A: Tensor, driver: str | None) -> None:
    matrices("linalg.svd", A)
    floating("linalg.svd", A, "linalg_svd_cpu")
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


@linalg
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """U, the singular values (descending), and V^H."""
    _check_svd(A, driver)
    return _named("linalg_svd", "U S Vh", factors.svd(A, full=bool(full_matrices)))


@linalg
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, descending."""
    _check_svd(A, driver)
    return factors.svd(A, full=False)[1] if state.enabled and requires_grad((A,)) else factors.svdvals(A)


def _svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """U, the singular values and V (not its adjoint); `linalg.svd` is the newer name."""
    matrices("linalg.svd", input)
    if not compute_uv:
        m, n = input.shape[-2:]
        lead = input.shape[:-2]
        return _named("svd", "U S V", (input.new_zeros((*lead, m, m)), svdvals(input), input.new_zeros((*lead, n, n))))
    u, s, vh = factors.svd(input, full=not some)
    return _named("svd", "U S V", (u, s, vh.mH))


twin(with_out("svd", _svd))


# -------------------------------------------------------------------------------------------------------------- LU, LDL
def _check_lu(name: str, A: Tensor) -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    unsupported(A, "lu_cpu")


@linalg
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """P, L and U with A = P L U."""
    _check_lu("linalg.lu", A)
    return _named("linalg_lu", "P L U", factors.lu(A, pivot=bool(pivot)))


@linalg
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """L and U in one matrix, and the rows swapped at each step (from 1)."""
    _check_lu("torch.lu_factor", A)
    LU, pivots, info = factors.lu_factor_ex(A, pivot=bool(pivot))
    refuse(info, "torch.linalg.lu_factor", ZERO_PIVOT, RuntimeError)
    return _named("linalg_lu_factor", "LU pivots", (LU, pivots))


@linalg
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """The factors, the pivots, and which diagonal element of U is zero (0: none)."""
    _check_lu("torch.lu_factor", A)
    LU, pivots, info = factors.lu_factor_ex(A, pivot=bool(pivot))
    if check_errors:
        refuse(info, "torch.linalg.lu_factor_ex", ZERO_PIVOT, RuntimeError)
    return _named("linalg_lu_factor_ex", "LU pivots info", (LU, pivots, info))


def _lu(self: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple:
    """The factors and pivots, and the infos where they are asked for."""
    LU, pivots, info = lu_factor_ex(self, pivot=pivot)
    if get_infos:
        return _named("_lu_with_info", "LU pivots info", (LU, pivots, info))
    refuse(info, "torch.linalg.lu_factor_ex", ZERO_PIVOT, RuntimeError)
    return LU, pivots


twin(_lu, "lu")


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """P, L and U from what `lu_factor` returns."""
    if LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this "
            "function is intended to "
            "be used with the output produced by torch.linalg.lu_factor"
        )
    none = LU_data.new_empty((0,))
    p = none
    if unpack_pivots:
        p = factors.permutation_matrix(LU_pivots, rows=LU_data.shape[-2], dtype=LU_data.dtype)
    low, up = factors.unpacked(LU_data) if unpack_data else (none, none)
    return _named("lu_unpack", "P L U", (p, low, up))


twin(with_out("lu_unpack", lu_unpack), tensor=False)


@linalg
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B (or X A = B), from the factors of A (or of its adjoint)."""
    square("torch.linalg.lu_solve", LU, "LU")
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{scalar_name(LU.dtype)} and B of type "
            f"{scalar_name(B.dtype)} instead"
        )
    side = -2 if left else -1
    if B.shape[side] != LU.shape[-1]:
        raise RuntimeError(
            f"linalg.lu_solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({LU.shape[-2]}x{LU.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    low, up = factors.unpacked(LU)
    order = factors.permutation_matrix(pivots, rows=LU.shape[-1], dtype=LU.dtype)
    if adjoint:
        half = factors.solve_triangular(up.mH, B, upper=False, unit=False)
        x = order @ factors.solve_triangular(low.mH, half, upper=True, unit=True)
    else:
        half = factors.solve_triangular(low, order.mT @ B, upper=False, unit=True)
        x = factors.solve_triangular(up, half, upper=True, unit=False)
    return named_grad(x, "LinalgLuSolveBackward0")


def _lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """x with A x = input, from what `lu_factor` returns for A."""
    return lu_solve(LU_data, LU_pivots, input)


twin(with_out("lu_solve", _lu_solve))


def _ldl(A: Tensor, hermitian: bool) -> tuple:
    square("torch.linalg.ldl_factor_ex", A)
    floating("torch.linalg.ldl_factor_ex", A, "ldl_factor_kernel_cpu")
    return factors.ldl_factor_ex(A, hermitian=bool(hermitian))


@linalg
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """Bunch and Kaufman's factors of a symmetric (or Hermitian) matrix, the pivots, and which block of D is zero."""
    values = _ldl(A, hermitian)
    if check_errors:
        refuse(values[2], "torch.linalg.ldl_factor_ex", _LDL, RuntimeError)
    return _named("linalg_ldl_factor_ex", "LD pivots info", values)


_LDL = "The diagonal element {} of D is exactly zero."


@linalg
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """Bunch and Kaufman's factors of a symmetric (or Hermitian) matrix, and the pivots."""
    LD, pivots, info = _ldl(A, hermitian)
    refuse(info, "torch.linalg.ldl_factor", _LDL, RuntimeError)
    return _named("linalg_ldl_factor", "LD pivots", (LD, pivots))


@linalg
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """X with A X = B, from the factors of A."""
    square("torch.linalg.ldl_solve", LD, "LD")
    if B.ndim < 2:
        raise RuntimeError(
            f"torch.linalg.ldl_solve: Expected B to have at least 2 dimensions, but it has {B.ndim} dimensions instead"
        )
    return factors.ldl_solve(LD, pivots, B, hermitian=bool(hermitian))
