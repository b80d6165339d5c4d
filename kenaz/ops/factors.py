"""Factorizations of matrices and the operators built on them, with their derivatives.

`decompositions.py` and `linalg.py` give them PyTorch's signatures.

Derivatives follow Giles, "An extended collection of matrix derivative results" (2008), and Townsend, "Differentiating
the singular value decomposition" (2016); H marks the conjugate transpose, so that they hold for complex matrices too.
"""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.shape import broadcast
from ..core.spec import Spec
from ..runtime import lapack
from .declare import opaque
from .joining import cat


def eye_like(x: Tensor, n: int | None = None) -> Tensor:
    """The identity of x's dtype, n by n or as wide as x."""
    from .creation import eye

    return eye(x.shape[-1] if n is None else n, dtype=x.dtype)


def add(a: Any, b: Any) -> Any:
    """a + b, where None is zero."""
    return b if a is None else a if b is None else a + b


def _skew(x: Tensor) -> Tensor:
    return x - x.mH


def _diag(x: Tensor) -> Tensor:
    return x.diag_embed()


def _lead(x: Spec) -> tuple:
    return tuple(x.size[:-2])


# --------------------------------------------------------------------------------------------------- solving, inverting
@opaque(
    lambda a: [(a.size, a.dtype), (_lead(a), dtypes.int32)], name="linalg_inv_ex", grad_name="LinalgInvExBackward0",
    grad=lambda g, y, _a: -(y[0].mH @ g[0] @ y[0].mH),
)  # fmt: skip
def inv_ex(xp: Any, a: Any) -> Any:
    """The inverse and, per matrix, which pivot is zero."""
    return lapack.inverse(a)


def _solve_rule(a: Spec, b: Spec) -> list:
    lead = broadcast(_lead(a), _lead(b))
    return [((*lead, *b.size[-2:]), b.dtype), (_lead(a), dtypes.int32)]


def _solve_grad_a(g: Tensor, x: Tensor, a: Tensor) -> Tensor:
    return -(solve_ex(a.mH, g)[0] @ x.mH)


@opaque(_solve_rule, name="linalg_solve_ex", grad_name="LinalgSolveExBackward0", grad=(
    lambda g, y, a, _b: _solve_grad_a(g[0], y[0], a), lambda g, y, a, _b: solve_ex(a.mH, g[0])[0]))  # fmt: skip
def solve_ex(xp: Any, a: Any, b: Any) -> Any:
    """x with a x = b and, per matrix, which pivot is zero."""
    return lapack.solve(a, b)


def _triangle(x: Tensor, upper: bool, unit: bool) -> Tensor:
    return x.triu(1 if unit else 0) if upper else x.tril(-1 if unit else 0)


@opaque(
    lambda a, b, upper, unit: ((*broadcast(_lead(a), _lead(b)), *b.size[-2:]), b.dtype), name="linalg_solve_triangular",
    grad_name="LinalgSolveTriangularBackward0", grad=(
        lambda g, y, a, _b, upper, unit: _triangle(
            -(solve_triangular(a.mH, g, upper=not upper, unit=unit) @ y.mH), upper, unit),
        lambda g, y, a, _b, upper, unit: solve_triangular(a.mH, g, upper=not upper, unit=unit)),
)  # fmt: skip
def solve_triangular(xp: Any, a: Any, b: Any, upper: bool, unit: bool) -> Any:
    """x with a x = b for a triangular a."""
    return lapack.solve_triangular(a, b, upper, unit)


def _det_grad(g: Tensor, a: Tensor) -> Tensor:
    return g[..., None, None] * adjugate(a).mH


@opaque(
    lambda a: (_lead(a), a.dtype),
    name="linalg_det",
    grad_name="LinalgDetBackward0",
    grad=lambda g, y, a: _det_grad(g, a),
)
def det(xp: Any, a: Any) -> Any:
    """The determinant."""
    return xp.linalg.det(a)


def _adjugate_grad(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    """From adj(a) = det(a) / a: d adj = tr(da / a) adj - (1 / a) da adj."""
    inverse = inv_ex(a)[0].mH
    total = (y.mH @ g).diagonal(0, -2, -1).sum(-1)
    return total[..., None, None] * inverse - inverse @ g @ y.mH


@opaque(lambda a: (a.size, a.dtype), name="adjugate", grad=lambda g, y, a: _adjugate_grad(g, y, a))
def adjugate(xp: Any, a: Any) -> Any:
    """The transposed cofactors, for singular matrices too."""
    return lapack.adjugate(a)


def _slogdet_grad(g: tuple, y: tuple, a: Tensor) -> Tensor:
    weight = g[1]
    if y[0].dtype.is_complex:
        turn = -(g[0].conj() * y[0]).imag if g[0] is not None else 0.0
        weight = (0 if weight is None else weight) + 1j * turn
    elif weight is None:
        weight = g[0] * 0
    return weight[..., None, None] * inv_ex(a)[0].mH


@opaque(
    lambda a: [(_lead(a), a.dtype), (_lead(a), a.dtype.to_real())], name="linalg_slogdet",
    grad_name="LinalgSlogdetBackward0",
    grad=lambda g, y, a: _slogdet_grad(g, y, a),
)  # fmt: skip
def slogdet(xp: Any, a: Any) -> Any:
    """The sign of the determinant and the logarithm of its absolute value."""
    return tuple(xp.linalg.slogdet(a))


# --------------------------------------------------------------------------------------------------------- Cholesky, QR
def _cholesky_grad(g: Tensor, y: Tensor, upper: bool) -> Tensor:
    factor, g = (y.mH, g.mH) if upper else (y, g)
    p = (factor.mH @ g).tril()
    p = p - _diag(p.diagonal(0, -2, -1)) / 2
    inner = solve_triangular(factor.mH, p + p.mH, upper=True, unit=False)  # L^-H (P + P^H) L^-1, from both sides
    return solve_triangular(factor.mH, inner.mH, upper=True, unit=False).mH / 2


@opaque(
    lambda a, upper: [(a.size, a.dtype), (_lead(a), dtypes.int32)], name="linalg_cholesky_ex",
    grad_name="LinalgCholeskyExBackward0", grad=lambda g, y, _a, upper: _cholesky_grad(g[0], y[0], upper),
)  # fmt: skip
def cholesky_ex(xp: Any, a: Any, upper: bool) -> Any:
    """The triangular factor and, per matrix, which leading minor is not positive."""
    return lapack.cholesky(a, upper)


def _qr_rule(a: Spec, mode: str) -> list:
    m, n = a.size[-2:]
    k = m if mode == "complete" else min(m, n)
    q = (0,) if mode == "r" else (*_lead(a), m, k)
    return [(q, a.dtype), ((*_lead(a), k, n), a.dtype)]


def _qr_grad(g: tuple, y: tuple, mode: str) -> Tensor:
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') "
            "if you are going to require gradients through linalg.qr"
        )
    q, r = y
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols")
    gq, gr = g
    if m >= n:
        return _qr_square(gq, gr, q, r)
    left, right = r[..., :m], r[..., m:]  # wide: A = Q (U | V), where Q U factors the first columns
    gu, gv = (None, None) if gr is None else (gr[..., :m], gr[..., m:])
    a_right = q @ right
    first = _qr_square(add(gq, None if gv is None else a_right @ gv.mH), gu, q, left)
    return cat([first, q @ gv if gv is not None else a_right * 0], -1)


def _qr_square(gq: Any, gr: Any, q: Tensor, r: Tensor) -> Tensor:
    m = add(None if gr is None else r @ gr.mH, None if gq is None else -(gq.mH @ q))
    low = m.tril(-1)
    mirrored = low + low.mH + _diag(m.diagonal(0, -2, -1).real)
    inner = add(gq, q @ mirrored)
    return solve_triangular(r, inner.mH, upper=True, unit=False).mH


@opaque(_qr_rule, name="linalg_qr", grad_name="LinalgQrBackward0", grad=lambda g, y, _a, mode: _qr_grad(g, y, mode))
def qr(xp: Any, a: Any, mode: str) -> Any:
    """Q with orthonormal columns and an upper triangular R."""
    if mode == "r":
        return xp.empty(0, a.dtype), xp.linalg.qr(a, "r")
    return tuple(xp.linalg.qr(a, mode))


@opaque(lambda a: [(a.size, a.dtype), ((*_lead(a), min(a.size[-2:])), a.dtype)], name="geqrf", grad=None)
def geqrf(xp: Any, a: Any) -> Any:
    """Householder vectors below R, and their factors."""
    return lapack.geqrf(a)


@opaque(lambda v, tau: (v.size, v.dtype), name="linalg_householder_product", grad=None)
def householder_product(xp: Any, v: Any, tau: Any) -> Any:
    """The first columns of the product of the reflections."""
    return lapack.householder_product(v, tau)


@opaque(lambda v, tau, x, left, transpose: (x.size, x.dtype), name="ormqr", grad=None)
def ormqr(xp: Any, v: Any, tau: Any, x: Any, left: bool, transpose: bool) -> Any:
    """x times the product of the reflections."""
    return lapack.reflect(v, tau, x, left, reverse=left != transpose, conjugate=transpose)


# ----------------------------------------------------------------------------------------- eigenvalues, singular values
def _eigh_grad(g: tuple, y: tuple) -> Tensor:
    values, v = y
    gl, gv = g
    inner = None
    if gv is not None:
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        inner = (v.mH @ gv) / (gaps + _diag(values * 0 + float("inf")))
    return v @ add(inner, None if gl is None else _diag(gl).to(v.dtype)) @ v.mH


@opaque(
    lambda a, uplo: [(a.size[:-1], a.dtype.to_real()), (a.size, a.dtype)], name="linalg_eigh",
    grad_name="LinalgEighBackward0",
    grad=lambda g, y, _a, uplo: _eigh_grad(g, y), late_errors=True,
)  # fmt: skip
def eigh(xp: Any, a: Any, uplo: str) -> Any:
    """Eigenvalues, ascending, and eigenvectors of a Hermitian matrix."""
    return _converged(lambda: tuple(xp.linalg.eigh(a, uplo)), "linalg.eigh", a)


def to_complex(d: Any) -> Any:
    return d if d.is_complex else dtypes.complex128 if d is dtypes.float64 else dtypes.complex64


def _eig_grad(g: tuple, y: tuple) -> Tensor:
    values, v = y
    gl, gv = g
    inner = None if gl is None else _diag(gl)
    if gv is not None:
        vgv = v.mH @ gv
        free = vgv - v.mH @ (v * vgv.diagonal(0, -2, -1).real.unsqueeze(-2))  # the length of v is not free
        gaps = (values.unsqueeze(-2) - values.unsqueeze(-1)).conj()
        n = values.shape[-1]
        inner = add(inner, (free / (gaps + eye_like(values, n))) * (1 - eye_like(values, n)))
    return solve_ex(v.mH, inner @ v.mH)[0]


@opaque(
    lambda a: [(a.size[:-1], to_complex(a.dtype)), (a.size, to_complex(a.dtype))], name="linalg_eig",
    grad_name="LinalgEigBackward0", grad=lambda g, y, _a: _eig_grad(g, y), late_errors=True,
)  # fmt: skip
def eig(xp: Any, a: Any) -> Any:
    """Eigenvalues and eigenvectors, complex."""
    if not xp.isfinite(a).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    return tuple(xp.linalg.eig(a))


def _svd_grad(g: tuple, y: tuple) -> Tensor:
    u, s, vh = y
    gu, gs, gvh = g
    k = s.shape[-1]
    if u.shape[-1] > k or vh.shape[-2] > k:
        extra_u = gu is not None and u.shape[-1] > k
        if extra_u or gvh is not None and vh.shape[-2] > k:
            u, vh = u[..., :k], vh[..., :k, :]
            gu, gvh = None if gu is None else gu[..., :k], None if gvh is None else gvh[..., :k, :]
        else:
            u, vh = u[..., :k], vh[..., :k, :]
    inner = None if gs is None else _diag(gs.to(u.dtype))
    if gu is not None or gvh is not None:
        gaps = s.unsqueeze(-2) ** 2 - s.unsqueeze(-1) ** 2 + eye_like(s)
        if gu is not None:
            inner = add(inner, (_skew(u.mH @ gu) / gaps) * s.unsqueeze(-2))
        if gvh is not None:
            inner = add(inner, s.unsqueeze(-1) * (_skew(vh @ gvh.mH) / gaps))
        if u.dtype.is_complex and gu is not None:
            inner = inner + _diag((u.mH @ gu).diagonal(0, -2, -1).imag * 1j / s)
    result = u @ inner @ vh
    if gu is not None and u.shape[-2] > k:
        outside = gu / s.unsqueeze(-2)
        result = result + (outside - u @ (u.mH @ outside)) @ vh
    if gvh is not None and vh.shape[-1] > k:
        outside = gvh / s.unsqueeze(-1)
        result = result + u @ (outside - (outside @ vh.mH) @ vh)
    return result


def _svd_rule(a: Spec, full: bool) -> list:
    m, n = a.size[-2:]
    k = min(m, n)
    lead = _lead(a)
    return [
        ((*lead, m, m if full else k), a.dtype),
        ((*lead, k), a.dtype.to_real()),
        ((*lead, n if full else k, n), a.dtype),
    ]


@opaque(
    _svd_rule,
    name="linalg_svd",
    grad_name="LinalgSvdBackward0",
    grad=lambda g, y, _a, full: _svd_grad(g, y),
    late_errors=True,
)
def svd(xp: Any, a: Any, full: bool) -> Any:
    """U, the singular values, and V^H."""
    return _converged(lambda: tuple(xp.linalg.svd(a, full)), "linalg.svd", a)


@opaque(
    lambda a: ((*_lead(a), min(a.size[-2:])), a.dtype.to_real()), name="linalg_svdvals", grad=None, late_errors=True,
)  # fmt: skip
def svdvals(xp: Any, a: Any) -> Any:
    """The singular values."""
    return _converged(lambda: xp.linalg.svd(a, compute_uv=False), "linalg.svd", a)


class LinAlgError(RuntimeError):
    """Raised where a matrix does not admit what was asked for."""


LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"
LinAlgError.__module__ = "torch._C"


def _converged(compute: Any, name: str, a: Any) -> Any:
    import numpy as np

    why = "contained non-finite values" if not np.isfinite(a).all() else (
        "is ill-conditioned or has too many repeated " + ("singular values" if name == "linalg.svd" else "eigenvalues")
    )  # fmt: skip
    try:
        if name == "linalg.svd" and "finite" in why:
            raise np.linalg.LinAlgError
        return compute()
    except np.linalg.LinAlgError:
        raise LinAlgError(f"{name}: The algorithm failed to converge because the input matrix {why}.") from None


# -------------------------------------------------------------------------------------------------------------- LU, LDL
def _lu_factor_rule(a: Spec, pivot: bool) -> list:
    k = min(a.size[-2:])
    return [(a.size, a.dtype), ((*_lead(a), k), dtypes.int32), (_lead(a), dtypes.int32)]


def _lu_grad(gl: Any, gu: Any, low: Tensor, up: Tensor, order: Tensor) -> Tensor:
    """The gradient of P L U, for A of any shape: the square part, and what of L is below it or of U beside it."""
    m, n = low.shape[-2], up.shape[-1]
    k = min(m, n)
    zero = (low[..., :k, :k] @ up[..., :k, :k]) * 0
    l1, u1 = low[..., :k, :], up[..., :, :k]
    gl1, gu1 = (zero if gl is None else gl[..., :k, :]), (zero if gu is None else gu[..., :, :k])
    rest = None
    if m > k:
        below = (l1[..., :1, :] * 0).expand(*low.shape[:-2], m - k, k) if gl is None else gl[..., k:, :]
        rest = _right_adjoint_solve(u1, below)
        gu1 = gu1 - low[..., k:, :].mH @ rest
    elif n > k:
        beside = (u1[..., :, :1] * 0).expand(*up.shape[:-2], k, n - k) if gu is None else gu[..., :, k:]
        rest = solve_triangular(l1.mH, beside, upper=True, unit=True)
        gl1 = gl1 - rest @ up[..., :, k:].mH
    inner = (l1.mH @ gl1).tril(-1) + (gu1 @ u1.mH).triu()
    square = _right_adjoint_solve(u1, solve_triangular(l1.mH, inner, upper=True, unit=True))
    whole = square if rest is None else cat([square, rest], -2 if m > k else -1)
    return order @ whole if order is not None else whole


def _right_adjoint_solve(u: Tensor, b: Tensor) -> Tensor:
    """b u^-H"""
    return solve_triangular(u, b.mH, upper=True, unit=False).mH


def _lu_factor_grad(g: Tensor, y: tuple, a: Spec, pivot: bool) -> Tensor:
    m, n = a.size[-2:]
    k = min(m, n)
    low, up = unpacked(y[0])
    order = permutation_matrix(y[1], rows=m, dtype=a.dtype) if pivot else None
    return _lu_grad(g[..., :, :k].tril(-1), g[..., :k, :].triu(), low, up, order)


def unpacked(factors: Tensor) -> tuple[Tensor, Tensor]:
    """L and U of both in one matrix."""
    m, n = factors.shape[-2:]
    k = min(m, n)
    low = factors[..., :, :k].tril(-1)
    from .creation import eye

    return low + eye(m, k, dtype=factors.dtype), factors[..., :k, :].triu()


@opaque(
    _lu_factor_rule, name="linalg_lu_factor_ex", grad_name="LinalgLuFactorExBackward0",
    grad=lambda g, y, _a, pivot: _lu_factor_grad(g[0], y, _a, pivot),
)  # fmt: skip
def lu_factor_ex(xp: Any, a: Any, pivot: bool) -> Any:
    """L and U in one matrix, the rows swapped at each step, and per matrix which pivot is zero."""
    return lapack.lu(a, pivot)


@opaque(lambda pivots, rows, dtype: ((*pivots.size[:-1], rows, rows), dtype), name="permutation_matrix", grad=None)
def permutation_matrix(xp: Any, pivots: Any, rows: int, dtype: Any) -> Any:
    """The matrix P for which P L U is what was factored."""
    return lapack.permutation_matrix(pivots, rows, dtype.np)


def _lu_rule(a: Spec, pivot: bool) -> list:
    m, n = a.size[-2:]
    k = min(m, n)
    return [((*_lead(a), m, m) if pivot else (0,), a.dtype), ((*_lead(a), m, k), a.dtype), ((*_lead(a), k, n), a.dtype)]


@opaque(
    _lu_rule, name="linalg_lu", grad_name="LinalgLuBackward0",
    grad=lambda g, y, _a, pivot: _lu_grad(g[1], g[2], y[1], y[2], y[0] if pivot else None),
)  # fmt: skip
def lu(xp: Any, a: Any, pivot: bool) -> Any:
    """P, L and U."""
    import numpy as np

    factors, pivots, _ = lapack.lu(a, pivot)
    m, n = a.shape[-2:]
    k = min(m, n)
    p = lapack.permutation_matrix(pivots, m, a.dtype) if pivot else np.empty(0, a.dtype)
    return p, np.tril(factors[..., :k], -1) + np.eye(m, k, dtype=a.dtype), np.triu(factors[..., :k, :])


@opaque(
    lambda a, hermitian: [(a.size, a.dtype), (a.size[:-1], dtypes.int32), (_lead(a), dtypes.int32)],
    name="linalg_ldl_factor_ex",
    grad=None,
)  # fmt: skip
def ldl_factor_ex(xp: Any, a: Any, hermitian: bool) -> Any:
    """Bunch and Kaufman's factors in one matrix, the pivots, and per matrix which block of D is zero."""
    return lapack.ldl(a, hermitian)


@opaque(
    lambda a, p, b, hermitian: ((*broadcast(_lead(a), _lead(b)), *b.size[-2:]), b.dtype), name="linalg_ldl_solve",
    grad=None,
)  # fmt: skip
def ldl_solve(xp: Any, a: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
    """x with A x = b, from the factors of A."""
    return lapack.ldl_solve(a, pivots, b, hermitian)


# ------------------------------------------------------------------------------------------------------------ functions
def _matrix_exp_grad(g: Tensor, a: Tensor) -> Tensor:
    """The upper right block of exp((A^H, G), (0, A^H))."""
    n = a.shape[-1]
    a = a.mH
    block = cat([cat([a, g], -1), cat([a * 0, a], -1)], -2)
    return matrix_exp(block)[..., :n, n:]


@opaque(lambda a: (a.size, a.dtype), name="linalg_matrix_exp", grad_name="LinalgMatrixExpBackward0",
        grad=lambda g, y, a: _matrix_exp_grad(g, a))  # fmt: skip
def matrix_exp(xp: Any, a: Any) -> Any:
    """The exponential of square matrices."""
    return lapack.matrix_exp(a)


def _pinv_grad(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    """Golub and Pereyra 1973."""
    gh, yh = g.mH, y.mH
    if a.shape[-2] <= a.shape[-1]:
        k = gh @ y
        kyh = k @ yh
        return -((y @ k).mH) + kyh - (a @ y) @ kyh + (yh @ y) @ (gh - k @ a)
    k = y @ gh
    yhk = yh @ k
    return -((k @ y).mH) + (gh - a @ k) @ y @ yh + yhk - (yhk @ y) @ a


@opaque(
    lambda a, atol, rtol, hermitian: ((*_lead(a), a.size[-1], a.size[-2]), a.dtype), name="linalg_pinv",
    grad_name="LinalgPinvBackward0", late_errors=True,
    grad=(lambda g, y, a, _at, _rt, hermitian: _pinv_grad(g, y, a), None, None),
)  # fmt: skip
def pinv(xp: Any, a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """The pseudoinverse; singular values up to max(atol, rtol * the largest) count as zero."""
    if hermitian:
        s, v = xp.linalg.eigh(a)
        size, u, vh = xp.abs(s), v, lapack.adjoint(v)
    else:
        u, s, vh = _converged(lambda: xp.linalg.svd(a, full_matrices=False), "linalg.svd", a)
        size = s
    limit = xp.maximum(
        xp.asarray(atol)[..., None], xp.asarray(rtol)[..., None] * size.max(-1, keepdims=True, initial=0)
    )
    keep = size > limit
    inverse = xp.where(keep, 1 / xp.where(keep, s, 1), 0).astype(s.dtype)
    return (lapack.adjoint(vh) * inverse[..., None, :]) @ lapack.adjoint(u)
