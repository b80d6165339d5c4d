"""Special functions that NumPy lacks, over whole arrays, to a few units in the last place of float64.

    erf family     exp(-x^2) (1 + 2x)^-1 times a fit in (x - k) / (x + k) (Shepherd, Laframboise 1981; Cody 1969)
    inverses       fits in sqrt(-log(1 - x^2)): Giles 2010
    gamma family   a fit between the zeros 1 and 2, recurrences, Stirling's series, Euler and Maclaurin's sum for zeta
    gammainc       series, Lentz's continued fraction (Gautschi 1979), Gauss' quadrature around the peak for large a
    Bessel, Airy   fits near zero, Hankel's asymptotic form far away (Abramowitz and Stegun 9.2, 9.7, 10.4)

The fits are in special_tables.py. Functions work on blocks that stay in the cache: a polynomial passes over its
block often.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import special_tables as fits

BLOCK = 8192
Array = Any


def blockwise(function: Callable) -> Callable:
    """Let a function of flat float64 arrays take arrays of any shape, broadcast, and return their floating dtype."""

    @functools.wraps(function)
    def whole(*arguments: Any) -> Array:
        arrays = [np.asarray(a) for a in arguments]
        kinds = [a.dtype for a in arrays if a.dtype.kind == "f"]
        out = np.result_type(*kinds) if kinds else np.dtype(np.float64)
        if len(arrays) > 1:
            arrays = list(np.broadcast_arrays(*arrays))
        size, flat = arrays[0].shape, [a.reshape(-1) for a in arrays]
        result = np.empty(flat[0].size, out)
        with np.errstate(all="ignore"):
            for start in range(0, result.size, BLOCK):
                part = slice(start, start + BLOCK)
                result[part] = function(*[a[part].astype(np.float64) for a in flat])
        return result.reshape(size)

    return whole


def fitted(table: tuple, x: Array) -> Array:
    """A fit of special_tables.py at x."""
    kind, low, high, c = table
    t = (x - (low + high) / 2) * (2 / (high - low))
    if kind == "P":
        y = c[0] * t
        for a in c[1:-1]:
            y += a
            y *= t
        y += c[-1]
        return y
    twice, b1, b2 = 2 * t, np.zeros_like(t), np.zeros_like(t)
    for a in c[:0:-1]:
        b1, b2 = twice * b1 - b2 + a, b1
    return t * b1 - b2 + c[0]


def choose(x: Array, *cases: tuple[Array, Callable]) -> Array:
    """Each element by the first case (condition, function) that holds; nan where none does."""
    out = np.full(x.shape, np.nan)
    left = np.ones(x.shape, bool)
    for condition, function in cases:
        here = left & condition
        if here.all():
            return function(x)
        if here.any():
            out[here] = function(x[here])
            left &= ~here
    return out


# ------------------------------------------------------------------------------------------------------- error function
def _exp_square(x: Array, sign: float) -> Array:
    """exp(sign x^2), where the error of squaring is made up for."""
    high = x.astype(np.float32).astype(np.float64)  # 24 bits: the square is exact
    return np.exp(sign * high * high) * np.exp(sign * (x - high) * (x + high))


def _erfcx_right(x: Array) -> Array:
    return fitted(fits.ERFCX, 1 - 7.5 / (x + 3.75)) / (1 + 2 * x)


def _erfc_right(x: Array) -> Array:
    x = np.minimum(x, 28.0)
    return _erfcx_right(x) * _exp_square(x, -1.0)


# fmt: off
# erf(x) / x as a quotient of polynomials in x^2 up to 16, lowest power first: relative error 2.0e-9
_ERF_SINGLE = (
    (
        1.1283791693738663, 0.18520330962012282, 0.05431690410118072, 0.0038496127881909614, 0.00037960807741307815,
        4.6847541672914444e-06, -1.3202116933508e-08,
    ),
    (
        1.0, 0.4974655734783995, 0.11395843575462093, 0.015462089354064507, 0.0013075690820390968,
        6.311035866020914e-05,
    ),
)
# fmt: on


def erf(x: Any) -> Array:
    """The error function; of float32 by one quotient without cases, to 2e-9 before it is rounded."""
    return _erf_single(x) if getattr(x, "dtype", None) == np.float32 else _erf(x)


@blockwise
def _erf_single(x: Array) -> Array:
    x = np.clip(x, -4, 4)  # where it is one
    t = x * x
    p, q = (_horner(c, t) for c in _ERF_SINGLE)
    p *= x
    p /= q
    return p


def _horner(c: tuple, t: Array) -> Array:
    y = c[-1] * t
    for a in c[-2:0:-1]:
        y += a
        y *= t
    y += c[0]
    return y


@blockwise
def _erf(x: Array) -> Array:
    return choose(x, (np.abs(x) < 1, lambda x: x * fitted(fits.ERF, x * x)),
                  (x == x, lambda x: np.copysign(1 - _erfc_right(np.abs(x)), x)))  # fmt: skip


@blockwise
def erfc(x: Array) -> Array:
    return choose(x, (x >= 0.25, _erfc_right), (x > -1, lambda x: 1 - x * fitted(fits.ERF, x * x)),
                  (x <= -1, lambda x: 2 - _erfc_right(-x)))  # fmt: skip


def _erfcx(x: Array) -> Array:
    return choose(x, (x >= 0, _erfcx_right), (x > -27, lambda x: 2 * _exp_square(x, 1.0) - _erfcx_right(-x)),
                  (x <= -27, lambda x: np.full_like(x, np.inf)))  # fmt: skip


erfcx = blockwise(_erfcx)


def _inverse_ratio(w: Array) -> Array:
    """erfinv(x) / x from w = -log(1 - x^2)."""
    s = np.sqrt(w)
    return choose(
        s,
        (s <= 2.5, lambda s: fitted(fits.ERFINV_0, s * s)),
        (s <= 4, lambda s: fitted(fits.ERFINV_1, s)),
        (s <= 8, lambda s: fitted(fits.ERFINV_2, s)),
        (s <= 28, lambda s: fitted(fits.ERFINV_3, s)),
    )


@blockwise
def erfinv(x: Array) -> Array:
    a = np.abs(x)
    y = x * _inverse_ratio(np.where(a < 0.5, -np.log1p(-x * x), -np.log((1 - a) * (1 + a))))
    return np.where(a < 1, y, np.where(a == 1, np.copysign(np.inf, x), np.nan))


@blockwise
def ndtr(x: Array) -> Array:
    z = x * math.sqrt(0.5)
    return choose(z, (z < -0.5, lambda z: 0.5 * _erfc_right(-z)), (z > 0.5, lambda z: 1 - 0.5 * _erfc_right(z)),
                  (z == z, lambda z: 0.5 + 0.5 * z * fitted(fits.ERF, z * z)))  # fmt: skip


@blockwise
def ndtri(p: Array) -> Array:
    q = 2 * np.minimum(p, 1 - p)  # erfc's inverse at q; exact, as 1 - p is where it is chosen
    ratio = _inverse_ratio(np.where(q > 0.5, -np.log1p(-((1 - q) ** 2)), -np.log(q * (2 - q))))
    y = np.where(p < 0.5, -1, 1) * math.sqrt(2) * (1 - q) * ratio
    return np.where(p == 0, -np.inf, np.where(p == 1, np.inf, np.where((p > 0) & (p < 1), y, np.nan)))


@blockwise
def log_ndtr(x: Array) -> Array:
    z = x * math.sqrt(0.5)
    return choose(
        z,
        (z < -0.7, lambda z: np.log(0.5 * _erfcx_right(-z)) - z * z),
        (
            z == z,
            lambda z: np.log1p(
                -0.5 * np.where(z > 0, _erfc_right(np.abs(z)), 1 - z * fitted(fits.ERF, np.minimum(z * z, 1)))
            ),
        ),
    )


# ---------------------------------------------------------------------------------------------------------------- gamma
# B_2k of Bernoulli: the numbers behind Stirling's series and Euler and Maclaurin's sum
_BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
    854513 / 138,
)


def _series(coefficients: list[float], t: Array) -> Array:
    """c0 + c1 t + c2 t^2 + ..."""
    y = np.full_like(t, coefficients[-1])
    for c in coefficients[-2::-1]:
        y *= t
        y += c
    return y


_STIRLING = [b / ((2 * k + 1) * (2 * k + 2)) for k, b in enumerate(_BERNOULLI)]
_PSI = [b / (2 * k + 2) for k, b in enumerate(_BERNOULLI)]


def _stirling_rest(x: Array) -> Array:
    """log gamma(x) - ((x - 1/2) log x - x + log sqrt(2 pi)) for x >= 8."""
    return _series(_STIRLING, 1 / (x * x)) / x


def _lgamma_high(x: Array) -> Array:
    log = np.log(x)
    return np.where(x > 1e300, x * (log - 1), (x - 0.5) * log - x + 0.5 * math.log(2 * math.pi) + _stirling_rest(x))


def _lgamma_low(x: Array) -> Array:
    """For 0 < x < 8: gamma(x) = (x - 1) (x - 2) ... gamma(r) with 1 <= r < 2."""
    product, r = np.ones_like(x), x.copy()
    for _ in range(6):
        high = r >= 2
        r -= high
        product *= np.where(high, r, 1)
    r = np.where(x < 1, x + 1, r)
    low = (r - 1) * (r - 2) * fitted(fits.LGAMMA, r)
    low = np.where(x < 1, x * (x - 1) * fitted(fits.LGAMMA, r), low)  # r - 1 and r - 2, unrounded
    return low + np.log(product) - np.where(x < 1, np.log(x), 0)


def _lgamma_right(x: Array) -> Array:
    return choose(x, (x < 8, _lgamma_low), (x < np.inf, _lgamma_high), (x == np.inf, lambda x: x))


def _sin_pi(x: Array) -> Array:
    """|sin(pi x)|"""
    return np.abs(np.sin(np.pi * (x - np.rint(x))))


def _lgamma(x: Array) -> Array:
    return choose(
        x, (x > 0, _lgamma_right), ((x == np.floor(x)) | np.isinf(x), lambda x: np.full_like(x, np.inf)),
        (x > -1e-300, lambda x: -np.log(-x)),
        (x < 0, lambda x: math.log(math.pi) - np.log(_sin_pi(x)) - np.log(-x) - _lgamma_right(-x)),
    )  # fmt: skip


lgamma = blockwise(_lgamma)


def _digamma_right(x: Array) -> Array:
    total, x = np.zeros_like(x), x.copy()
    while (low := x < 10).any():
        total -= np.where(low, 1 / x, 0)
        x += low
    square = 1 / (x * x)
    return total + np.log(x) - 0.5 / x - square * _series(_PSI, square)


@blockwise
def digamma(x: Array) -> Array:
    return choose(
        x, (x == np.inf, lambda x: x), (x > 0, _digamma_right), (x == 0, lambda x: np.copysign(np.inf, -x)),
        ((x < 0) & (x != np.floor(x)), lambda x: _digamma_right(1 - x) - np.pi / np.tan(np.pi * (x - np.rint(x)))),
    )  # fmt: skip


def _zeta(s: Array, q: Array) -> Array:
    """Hurwitz' zeta function by Euler and Maclaurin's sum: terms one by one up to where the rest is an integral."""
    valid = (s > 1) & ((q > 0) | (s == np.floor(s)))
    pole = (s == 1) | (q <= 0) & (q == np.floor(q))
    a, total = np.where(valid & ~pole, q, 1.0), np.zeros_like(q)
    enough = np.clip(s, 10, 40)
    while (low := a < enough).any():
        total += np.where(low, a**-s, 0)
        a = np.where(low & (a < -1000), a + 1000, a + low) if (a < -1000).any() else a + low
    sums, power = total, a**-s
    total = total + power * a / (s - 1) + power / 2
    term = power * s / a
    for k, b in enumerate(_BERNOULLI):
        total += term * (b / math.factorial(2 * k + 2))
        term = term * (s + 2 * k + 1) * (s + 2 * k + 2) / (a * a)
    total = np.where((sums == 0) & (power == 0), np.nan, total)  # all terms vanish: PyTorch gives no number
    total = np.where(np.isinf(s), np.where(sums > 0, sums, np.nan), np.where(np.isinf(q), np.nan, total))
    return np.where((s == 1) | ~(s < 1) & pole, np.inf, np.where(valid, total, np.nan))


zeta = blockwise(_zeta)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of digamma."""
    return digamma(x) if n == 0 else _trigamma(x) if n == 1 else _polygamma(n, x)


@blockwise
def _trigamma(x: Array) -> Array:
    two = lambda x: np.full_like(x, 2.0)
    return choose(x, (x == np.inf, np.zeros_like), (x > 0, lambda x: _zeta(two(x), x)),
                  (x <= 0, lambda x: (np.pi / _sin_pi(x)) ** 2 - _zeta(two(x), 1 - x)))  # fmt: skip


@blockwise
def _polygamma(n: Array, x: Array) -> Array:
    return np.where(n % 2 == 1, 1.0, -1.0) * np.exp(_lgamma(n + 1)) * _zeta(n + 1, x)


# ------------------------------------------------------------------------------------------- incomplete gamma functions
_LEGENDRE: list = []


def _log1p_less(mu: Array) -> Array:
    """log(1 + mu) - mu; near zero by the series of 2 atanh(u), u = mu / (2 + mu), where the first terms cancel by
    hand.
    """
    u = mu / (2 + mu)
    near = 2 * u**3 * _series([1 / (2 * k + 3) for k in range(11)], u * u) - mu * u
    return np.where(np.abs(mu) < 0.3, near, np.log1p(mu) - mu)


def _density(a: Array, x: Array) -> Array:
    """x^a exp(-x) / gamma(a), without the cancellation of large a."""
    near = np.sqrt(a / (2 * np.pi)) * np.exp(a * _log1p_less((x - a) / a) - _stirling_rest(np.maximum(a, 8)))
    return np.where(a >= 8, near, np.exp(a * np.log(x) - x - _lgamma(a)))


def _by_series(a: Array, x: Array) -> Array:
    """P(a, x) for x not much larger than a."""
    term = 1 / a
    total, k = term.copy(), a.copy()
    for _ in range(2000):
        k += 1
        term = term * x / k
        total += term
        if not (term > total * 1e-17).any():
            break
    return total * _density(a, x)


def _by_fraction(a: Array, x: Array) -> Array:
    """Q(a, x) for x larger than a, and larger than 1."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / b
    h = d.copy()
    for i in range(1, 2000):
        an = -i * (i - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        h = h * d * c
        if not (np.abs(d * c - 1) > 3e-16).any():
            break
    return h * _density(a, x)


def _by_quadrature(a: Array, x: Array) -> tuple[Array, Array]:
    """P and Q for large a: the smaller of the two is an integral over a few widths of the peak."""
    if not _LEGENDRE:
        _LEGENDRE.extend(np.polynomial.legendre.leggauss(40))
    nodes, weights = _LEGENDRE
    peak = a - 1
    width = np.sqrt(peak)
    right = x > peak
    end = np.where(right, np.maximum(peak + 11.5 * width, x + 6 * width),
                   np.maximum(0, np.minimum(peak - 11.5 * width, x - 6 * width)))  # fmt: skip
    total, half, middle = np.zeros_like(x), (end - x) / 2, (end + x) / 2
    for node, weight in zip(nodes, weights, strict=True):
        total += weight * np.exp(peak * _log1p_less((middle + half * node - peak) / peak))
    part = np.abs(half) * total * np.exp(-_stirling_rest(peak)) / np.sqrt(2 * np.pi * peak)
    return np.where(right, 1 - part, part), np.where(right, part, 1 - part)


def _gammainc(a: Array, x: Array) -> tuple[Array, Array]:
    p, q = np.full_like(x, np.nan), np.full_like(x, np.nan)
    finite = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    large = finite & (a > 200) & (np.abs(x - a) < 5 * np.sqrt(a))
    low = finite & ~large & ((x <= 1.1) | (x <= a))
    high = finite & ~large & ~low
    if low.any():
        p[low] = _by_series(a[low], x[low])
        q[low] = 1 - p[low]
    if high.any():
        q[high] = _by_fraction(a[high], x[high])
        p[high] = 1 - q[high]
    if large.any():
        p[large], q[large] = _by_quadrature(a[large], x[large])
    none = ~(a <= 0) & (x == 0) | (a == np.inf) & ~(x < 0) & ~np.isinf(x)
    everything = (x == np.inf) & ~(a < 0) & ~np.isinf(a) | (a == 0) & (x > 0)
    p[none], q[none], p[everything], q[everything] = 0, 1, 1, 0
    return p, q


@blockwise
def gammainc(a: Array, x: Array) -> Array:
    return _gammainc(a, x)[0]


@blockwise
def gammaincc(a: Array, x: Array) -> Array:
    small = (a > 0) & (x > 0) & (x <= 1.1) & (a < 0.5)
    q = _gammainc(a, x)[1]
    if small.any():  # 1 - P would cancel: take the first term of P apart (Gautschi)
        q[small] = _small_complement(a[small], x[small])
    return q


def _small_complement(a: Array, x: Array) -> Array:
    log = np.log(x)
    first = -np.expm1(a * log - _lgamma(a + 1))  # 1 - x^a / gamma(a + 1)
    total, power = np.zeros_like(x), np.ones_like(x)
    for k in range(1, 40):
        power = power * -x / k
        total += power / (a + k)
    return first - np.exp(a * log - _lgamma(a + 1)) * a * total


# ----------------------------------------------------------------------------------------------------- Bessel, modified
def _scaled_i(x: Array, low: tuple, high: tuple) -> Array:
    """exp(-x) I(x) for x >= 0, divided by x in the low part where the fit is."""
    return choose(x, (x <= 8, lambda x: fitted(low, x)), (x > 8, lambda x: fitted(high, 1 / x) / np.sqrt(x)))


def _i0e(x: Array) -> Array:
    return _scaled_i(np.abs(x), fits.I0_LOW, fits.I0_HIGH)


def _i1e(x: Array) -> Array:
    a = np.abs(x)
    return np.where(a <= 8, x, np.sign(x)) * _scaled_i(a, fits.I1_LOW, fits.I1_HIGH)


def _grown(x: Array, scaled: Array) -> Array:
    """exp(|x|) scaled, in two steps so that it overflows no earlier than it must."""
    half = np.exp(np.abs(x) / 2)
    return scaled * half * half


i0e, i1e = blockwise(_i0e), blockwise(_i1e)
i0 = blockwise(lambda x: _grown(x, _i0e(x)))  # nan at infinity, as PyTorch's
i1 = blockwise(lambda x: _grown(x, _i1e(x)))


def _k0_low(x: Array) -> Array:
    return fitted(fits.K0_LOW, x * x) - np.log(x / 2) * _i0e(x) * np.exp(x)


def _k1_low(x: Array) -> Array:
    return fitted(fits.K1_LOW, x * x) / x + np.log(x / 2) * _i1e(x) * np.exp(x)


def _k(low: Callable, high: tuple, scaled: bool) -> Callable:
    def k(x: Array) -> Array:
        return choose(
            x, (x == 0, lambda x: np.full_like(x, np.inf)),
            ((x > 0) & (x <= 2), lambda x: low(x) * (np.exp(x) if scaled else 1)),
            (x > 2, lambda x: fitted(high, 1 / x) / np.sqrt(x) * (1 if scaled else np.exp(-x))),
        )  # fmt: skip

    return blockwise(k)


modified_bessel_i0, modified_bessel_i1 = i0, i1
modified_bessel_k0, scaled_modified_bessel_k0 = _k(_k0_low, fits.K0_HIGH, False), _k(_k0_low, fits.K0_HIGH, True)
modified_bessel_k1, scaled_modified_bessel_k1 = _k(_k1_low, fits.K1_HIGH, False), _k(_k1_low, fits.K1_HIGH, True)


# -------------------------------------------------------------------------------------------------- Bessel, oscillating
def _far(x: Array, order: int, p: tuple, q: tuple, second: bool) -> Array:
    """sqrt(2 / (pi x)) (P cos chi - Q sin chi), or (P sin chi + Q cos chi), where chi = x - (2 order + 1) pi / 4."""
    t = (8 / x) ** 2
    big_p, big_q = fitted(p, t), fitted(q, t) * (8 / x)
    s, c = np.sin(x), np.cos(x)  # of chi, by the addition theorem: subtracting pi / 4 from a large x would round
    sin, cos = (s - c, s + c) if order == 0 else (-s - c, s - c)
    wave = big_p * sin + big_q * cos if second else big_p * cos - big_q * sin
    return wave / np.sqrt(np.pi * x)


def _j0(x: Array) -> Array:
    a = np.abs(x)
    return choose(
        a, (a <= 8, lambda x: fitted(fits.J0_LOW, x * x)), (a > 8, lambda x: _far(x, 0, fits.J0_P, fits.J0_Q, False))
    )


def _j1(x: Array) -> Array:
    a = np.abs(x)
    y = choose(
        a,
        (a <= 8, lambda x: x * fitted(fits.J1_LOW, x * x)),
        (a > 8, lambda x: _far(x, 1, fits.J1_P, fits.J1_Q, False)),
    )
    return np.where(x < 0, -y, y)


def _y0_low(x: Array) -> Array:
    return fitted(fits.Y0_LOW, x * x) + 2 / np.pi * np.log(x / 2) * _j0(x)


def _y1_low(x: Array) -> Array:
    return x * fitted(fits.Y1_LOW, x * x) + 2 / np.pi * (np.log(x / 2) * _j1(x) - 1 / x)


def _y(low: Callable, order: int, p: tuple, q: tuple) -> Callable:
    return blockwise(
        lambda x: choose(
            x,
            (x == 0, lambda x: np.full_like(x, -np.inf)),
            ((x > 0) & (x <= 8), low),
            (x > 8, lambda x: _far(x, order, p, q, True)),
        )
    )


bessel_j0, bessel_j1 = blockwise(_j0), blockwise(_j1)
bessel_y0, bessel_y1 = _y(_y0_low, 0, fits.J0_P, fits.J0_Q), _y(_y1_low, 1, fits.J1_P, fits.J1_Q)


@blockwise
def spherical_bessel_j0(x: Array) -> Array:
    return np.where(np.abs(x) < 1e-4, 1 - x * x / 6, np.where(np.isinf(x), 0, np.sin(x) / x))


def _airy_left(x: Array) -> Array:
    x = -x
    zeta = 2 / 3 * x * np.sqrt(x)
    t, s, c = zeta**-2, np.sin(zeta), np.cos(zeta)
    wave = (s + c) * fitted(fits.AI_P, t) - (c - s) * fitted(fits.AI_Q, t) / zeta
    return wave / np.sqrt(2 * np.pi * np.sqrt(x))


def _airy_right(x: Array) -> Array:
    zeta = 2 / 3 * x * np.sqrt(x)
    return fitted(fits.AI_RIGHT, 1 / zeta) * np.exp(-zeta) / (2 * np.sqrt(np.pi * np.sqrt(x)))


@blockwise
def airy_ai(x: Array) -> Array:
    return choose(x, (x == np.inf, np.zeros_like), (x > 2, _airy_right), (x >= -5, lambda x: fitted(fits.AI_MIDDLE, x)),
                  (x > -np.inf, _airy_left))  # fmt: skip


# ----------------------------------------------------------------------------------------------- orthogonal polynomials
def _recurrence(first: Callable, step: Callable) -> Callable:
    """A family from p0 = 1, p1 = first(x) and p[k + 1] = step(k, x, p[k], p[k - 1])."""

    @blockwise
    def polynomial(x: Array, n: Array) -> Array:
        n = np.trunc(n)
        before, current = np.ones_like(x), first(x)
        out = np.where(n < 0, 0.0, np.where(n == 0, before, current))
        for k in range(1, int(np.nanmax(n, initial=0))):
            before, current = current, step(k, x, current, before)
            out = np.where(n == k + 1, current, out)
        return out

    return polynomial


def _chebyshev(x: Array, p: Array, q: Array) -> Array:
    return 2 * x * p - q


_T = (lambda x: x, lambda x: 2 * x, lambda x: 2 * x - 1, lambda x: 2 * x + 1)
for _name, _first in zip("tuvw", _T, strict=True):
    globals()["chebyshev_polynomial_" + _name] = _recurrence(_first, lambda k, x, p, q: _chebyshev(x, p, q))
    globals()["shifted_chebyshev_polynomial_" + _name] = _recurrence(
        lambda x, _first=_first: _first(2 * x - 1), lambda k, x, p, q: _chebyshev(2 * x - 1, p, q)
    )
hermite_polynomial_h = _recurrence(lambda x: 2 * x, lambda k, x, p, q: 2 * (x * p - k * q))
hermite_polynomial_he = _recurrence(lambda x: x, lambda k, x, p, q: x * p - k * q)
laguerre_polynomial_l = _recurrence(lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1))
legendre_polynomial_p = _recurrence(lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1))
