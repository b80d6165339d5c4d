"""Dense linear algebra that NumPy does not offer: LU and LDL factors, triangular systems, Householder products, expm.

Arrays are stacks of matrices, (..., m, n). Everything works on the whole stack at once and, where matrices are large,
in blocks, so that most of the work is matrix products.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any
BLOCK = 32


def _size(x: Array) -> Array:
    """What LAPACK compares pivots by: |re| + |im|."""
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def adjoint(x: Array) -> Array:
    return x.conj().swapaxes(-1, -2) if x.dtype.kind == "c" else x.swapaxes(-1, -2)


# ----------------------------------------------------------------------------------------------------------- triangular
def solve_triangular(a: Array, b: Array, upper: bool, unit: bool) -> Array:
    """x with a x = b; only one triangle of a is read. Leading axes broadcast."""
    n = a.shape[-1]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.array(np.broadcast_to(b, (*lead, *b.shape[-2:])))
    starts = list(range(0, n, BLOCK))
    for start in reversed(starts) if upper else starts:
        stop = min(start + BLOCK, n)
        done = slice(stop, n) if upper else slice(0, start)
        if done.stop > done.start:
            x[..., start:stop, :] -= a[..., start:stop, done] @ x[..., done, :]
        _substitute(a[..., start:stop, start:stop], x[..., start:stop, :], upper, unit)
    return x


def _substitute(a: Array, x: Array, upper: bool, unit: bool) -> None:
    """Solve one block in place, row by row."""
    n = a.shape[-1]
    for i in range(n - 1, -1, -1) if upper else range(n):
        done = slice(i + 1, n) if upper else slice(0, i)
        if done.stop > done.start:
            x[..., i : i + 1, :] -= a[..., i : i + 1, done] @ x[..., done, :]
        if not unit:
            x[..., i, :] /= a[..., i, i, None]


# ------------------------------------------------------------------------------------------------------------------ LU
def lu(a: Array, pivot: bool = True) -> tuple[Array, Array, Array]:
    """The factors of LAPACK's getrf: L and U in one matrix, rows swapped at each step (from 1), the first zero
    pivot (or 0).
    """
    *lead, m, n = a.shape
    x = a.reshape(math.prod(lead), m, n).copy()
    k = min(m, n)
    pivots = np.tile(np.arange(1, k + 1, dtype=np.int32), (len(x), 1))
    info = np.zeros(len(x), np.int32)
    for start in range(0, k, BLOCK):
        stop = min(start + BLOCK, k)
        for j in range(start, stop):
            _eliminate(x, j, stop, pivots if pivot else None, info)
        if stop < n:
            x[:, start:stop, stop:] = solve_triangular(
                x[:, start:stop, start:stop], x[:, start:stop, stop:], False, True
            )
            x[:, stop:, stop:] -= x[:, stop:, start:stop] @ x[:, start:stop, stop:]
    return x.reshape(a.shape), pivots.reshape(*lead, k), info.reshape(lead)


def _eliminate(x: Array, j: int, stop: int, pivots: Array, info: Array) -> None:
    """One column of a panel that ends at `stop`."""
    if pivots is not None:
        size = _size(x[:, j:, j])
        best = np.where(np.isnan(size[:, 0]), 0, np.argmax(np.where(np.isnan(size), -1, size), axis=1)) + j
        moved = np.flatnonzero(best != j)
        if len(moved):
            rows = best[moved]
            x[moved, j], x[moved, rows] = x[moved, rows], x[moved, j]
            pivots[:, j] = best + 1
    p = x[:, j, j]
    info[(p == 0) & (info == 0)] = j + 1
    x[:, j + 1 :, j] /= np.where(p == 0, 1, p)[:, None]
    if j + 1 < stop:
        x[:, j + 1 :, j + 1 : stop] -= x[:, j + 1 :, j, None] * x[:, j, None, j + 1 : stop]


def permutation(pivots: Array, m: int) -> Array:
    """Row i of (P^T A) is row permutation[i] of A, for the swaps of `lu`."""
    *lead, k = pivots.shape
    p = pivots.reshape(math.prod(lead), k) - 1
    order = np.tile(np.arange(m), (len(p), 1))
    every = np.arange(len(p))
    for j in range(k):
        order[every, j], order[every, p[:, j]] = order[every, p[:, j]], order[every, j].copy()
    return order.reshape(*lead, m)


def permutation_matrix(pivots: Array, m: int, dtype: Any) -> Array:
    """P with A = P L U."""
    return np.eye(m, dtype=dtype)[permutation(pivots, m)].swapaxes(-1, -2)


# ------------------------------------------------------------------------------------------------------- factorizations
def cholesky(a: Array, upper: bool) -> tuple[Array, Array]:
    """The factor, and per matrix the order of the first leading minor that is not positive (or 0)."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        factor = np.linalg.cholesky(a, upper=upper)
        if not np.isnan(factor).any():
            return factor, info
    except np.linalg.LinAlgError:
        pass
    n = a.shape[-1]
    factor = np.tril(adjoint(a) if upper else a).reshape(math.prod(a.shape[:-2]), n, n)
    for i, x in enumerate(factor):
        info.reshape(-1)[i] = _cholesky_of(x)
    factor = factor.reshape(a.shape)
    return (np.ascontiguousarray(adjoint(factor)) if upper else factor), info


def _cholesky_of(x: Array) -> int:
    """Factor the lower triangle of one matrix in place; stops where it is not positive definite, and says there."""
    for j in range(len(x)):
        d = (x[j, j] - np.vdot(x[j, :j], x[j, :j])).real
        if not d > 0:
            x[j, j] = d
            return j + 1
        x[j, j] = np.sqrt(d)
        x[j + 1 :, j] = (x[j + 1 :, j] - x[j + 1 :, :j] @ x[j, :j].conj()) / x[j, j]
    return 0


def inverse(a: Array) -> tuple[Array, Array]:
    """The inverse, and per matrix which pivot is zero (or 0)."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        return np.linalg.inv(a), info
    except np.linalg.LinAlgError:
        factors, pivots, info = lu(a)
        return lu_solve(factors, pivots, None), info


def solve(a: Array, b: Array) -> tuple[Array, Array]:
    """x with a x = b, and per matrix which pivot is zero (or 0)."""
    try:
        return np.linalg.solve(a, b), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        factors, pivots, info = lu(a)
        return lu_solve(factors, pivots, b), info


def lu_solve(factors: Array, pivots: Array, b: Array | None) -> Array:
    """x with A x = b (b = None: the identity), from the factors of A."""
    n = factors.shape[-1]
    b = np.broadcast_to(np.eye(n, dtype=factors.dtype), factors.shape) if b is None else b
    lead = np.broadcast_shapes(factors.shape[:-2], b.shape[:-2])
    order = np.broadcast_to(permutation(pivots, n), (*lead, n))
    b = np.take_along_axis(np.broadcast_to(b, (*lead, *b.shape[-2:])), order[..., None], -2)
    return solve_triangular(factors, solve_triangular(factors, b, False, True), True, False)


def householder_product(v: Array, tau: Array, columns: int | None = None) -> Array:
    """The first columns of H1 H2 ... Hk, where Hi = 1 - tau_i v_i v_i^H and v_i is below the diagonal of column i."""
    *_, m, n = v.shape
    q = np.zeros((*v.shape[:-2], m, columns or n), v.dtype)
    for i in range(min(m, q.shape[-1])):
        q[..., i, i] = 1
    return reflect(v, tau, q, left=True, reverse=True)


def reflect(v: Array, tau: Array, x: Array, left: bool, reverse: bool, conjugate: bool = False) -> Array:
    """x times (from the left or the right) the reflections, the last of them first where `reverse`; `conjugate`:
    of tau.
    """
    x = x.copy()
    k = tau.shape[-1]
    for i in range(k - 1, -1, -1) if reverse else range(k):
        h = v[..., i:, i].copy()
        h[..., 0] = 1
        t = tau[..., i, None, None]
        t = t.conj() if conjugate else t
        if left:
            x[..., i:, :] -= t * h[..., None] * (h.conj()[..., None, :] @ x[..., i:, :])
        else:
            x[..., i:] -= t * (x[..., i:] @ h[..., None]) * h.conj()[..., None, :]
    return x


def geqrf(a: Array) -> tuple[Array, Array]:
    """Householder vectors below R, and their factors."""
    if 0 in a.shape:
        return a.copy(), np.zeros((*a.shape[:-2], min(a.shape[-2:])), a.dtype)
    h, tau = np.linalg.qr(a, mode="raw")
    return h.swapaxes(-1, -2).astype(a.dtype), tau.astype(a.dtype)


# ------------------------------------------------------------------------------------------------------------------ LDL
_ALPHA = (1 + 17**0.5) / 8  # Bunch and Kaufman 1977: the growth of one 2x2 step equals that of two 1x1 steps


def ldl(a: Array, hermitian: bool) -> tuple[Array, Array, Array]:
    """The lower factors of LAPACK's sytrf or hetrf: L and D in one matrix, pivots (negative pairs for 2x2
    blocks), the info.
    """
    *lead, n, _ = a.shape
    x = np.tril(a).reshape(math.prod(lead), n, n)
    pivots, info = np.zeros((len(x), n), np.int32), np.zeros(len(x), np.int32)
    for i in range(len(x)):
        info[i] = _ldl_of(x[i], pivots[i], hermitian and a.dtype.kind == "c")
    return x.reshape(a.shape), pivots.reshape(*lead, n), info.reshape(lead)


def _ldl_of(x: Array, pivots: Array, hermitian: bool) -> int:
    """Bunch and Kaufman's diagonal pivoting on the lower triangle of one matrix, in place."""
    n, k, info = len(x), 0, 0
    conj = np.conj if hermitian else lambda v: v
    while k < n:
        step, swap = 1, k
        here = abs(x[k, k].real) if hermitian else _size(x[k, k])
        below = _size(x[k + 1 :, k])
        r = k + 1 + int(np.argmax(below)) if k + 1 < n else k
        column = below[r - k - 1] if k + 1 < n else 0
        if max(here, column) == 0:
            info = info or k + 1
            pivots[k] = k + 1
            k += 1
            continue
        if here < _ALPHA * column:
            row = max(_size(x[r, k:r]).max(), _size(x[r + 1 :, r]).max(initial=0))
            own = abs(x[r, r].real) if hermitian else _size(x[r, r])
            if here * row < _ALPHA * column * column:
                swap, step = (r, 1) if own >= _ALPHA * row else (r, 2)
        at = k + step - 1
        if swap != at:
            _swap_symmetric(x, at, swap, conj)
            if step == 2:
                x[k + 1, k], x[swap, k] = x[swap, k], x[k + 1, k]
        rest = slice(k + step, n)
        low = x[rest, k : k + step].copy()
        d = x[k : k + step, k : k + step].copy()
        if step == 2:
            d[0, 1] = conj(d[1, 0])
        factor = low / d[0, 0] if step == 1 else np.linalg.solve(d.T, low.T).T
        x[rest, rest] -= np.tril(factor @ conj(low).T)
        x[rest, k : k + step] = factor
        pivots[k : k + step] = swap + 1 if step == 1 else -(swap + 1)
        k += step
    return info


def _swap_symmetric(x: Array, i: int, j: int, conj: Any) -> None:
    """Swap rows and columns i < j of a matrix whose lower triangle is given (its part from column i on)."""
    x[j + 1 :, i], x[j + 1 :, j] = x[j + 1 :, j].copy(), x[j + 1 :, i].copy()
    x[i + 1 : j, i], x[j, i + 1 : j] = conj(x[j, i + 1 : j].copy()), conj(x[i + 1 : j, i].copy())
    x[j, i] = conj(x[j, i])
    x[i, i], x[j, j] = x[j, j], x[i, i]


def ldl_solve(factors: Array, pivots: Array, b: Array, hermitian: bool) -> Array:
    """x with A x = b, from the factors of A."""
    n = factors.shape[-1]
    lead = np.broadcast_shapes(factors.shape[:-2], b.shape[:-2])
    count = math.prod(lead)
    x = np.array(np.broadcast_to(b, (*lead, *b.shape[-2:]))).reshape(count, *b.shape[-2:])
    f = np.broadcast_to(factors, (*lead, n, n)).reshape(count, n, n)
    p = np.broadcast_to(pivots, (*lead, n)).reshape(count, n)
    for i in range(len(x)):
        _ldl_solve_one(f[i], p[i], x[i], hermitian and f.dtype.kind == "c")
    return x.reshape(*lead, *b.shape[-2:])


def _ldl_solve_one(f: Array, pivots: Array, x: Array, hermitian: bool) -> None:
    conj = np.conj if hermitian else lambda v: v
    n, k, steps = len(f), 0, []
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        at, swap = k + step - 1, abs(int(pivots[k])) - 1
        x[[at, swap]] = x[[swap, at]]
        x[k + step :] -= f[k + step :, k : k + step] @ x[k : k + step]
        d = f[k : k + step, k : k + step].copy()
        if step == 2:
            d[0, 1] = conj(d[1, 0])
        x[k : k + step] = x[k : k + step] / d[0, 0] if step == 1 else np.linalg.solve(d, x[k : k + step])
        steps.append((k, step, at, swap))
        k += step
    for k, step, at, swap in reversed(steps):
        x[k : k + step] -= conj(f[k + step :, k : k + step]).T @ x[k + step :]
        x[[at, swap]] = x[[swap, at]]


# ------------------------------------------------------------------------------------------------------------ functions
def matrix_exp(a: Array) -> Array:
    """exp of square matrices: Taylor's series of a / 2^s, squared s times (Moler and Van Loan 2003, method 3)."""
    if not a.size:
        return a.copy()
    a = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)  # each squaring doubles the error
    norm = np.abs(a).sum(-2).max(-1)
    known = np.where(np.isfinite(norm) & (norm > 0.25), norm, 0.25)
    squarings = np.ceil(np.log2(known * 4)).astype(int)
    scaled = a / np.exp2(squarings)[..., None, None]
    eye = np.eye(a.shape[-1])
    y = eye + scaled / 13
    for k in range(12, 0, -1):  # 0.25^13 / 13! is below 1e-17
        y = eye + (scaled / k) @ y
    for i in range(int(squarings.max())):
        y = np.where((squarings > i)[..., None, None], y @ y, y)
    return y


def adjugate(a: Array) -> Array:
    """The transposed cofactors, det(a) times the inverse where there is one: from the singular values, which may
    be zero.
    """
    n = a.shape[-1]
    u, s, vh = np.linalg.svd(a)
    left, right = np.cumprod(s, -1), np.cumprod(s[..., ::-1], -1)[..., ::-1]
    one = np.ones_like(s[..., :1])
    others = np.concatenate([one, left], -1)[..., :n] * np.concatenate([right, one], -1)[..., 1:]
    phase = np.linalg.det(u) * np.linalg.det(vh)
    return phase[..., None, None] * (adjoint(vh) * others[..., None, :]) @ adjoint(u)
