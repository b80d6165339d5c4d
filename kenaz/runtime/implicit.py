"""How drawn values move with the parameters they were drawn for, at a fixed quantile: -(dF/da) / (dF/dx).

Where F is a power series with positive terms, so is its derivative by the parameter, term by term (Figurnov, Mohamed
and Mnih 2018): both sums run together. With the smaller tail of F little cancels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special import digamma

Array = Any
LARGE = 1e4  # shapes from here on: a gamma variable is a + z sqrt(a) + (z^2 - 1) / 3 with a fixed z, within 1e-5


def gamma_slope(a: Array, x: Array) -> Array:
    """dx/da of x ~ Gamma(a, 1).

    >>> gamma_slope(np.array([1.0]), np.array([1.0])).round(6)
    array([1.173563])
    """
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    result = np.empty(a.shape)
    large = a >= LARGE
    z = (x[large] - a[large]) / np.sqrt(a[large])
    result[large] = 1 + z / (2 * np.sqrt(a[large]))
    result[~large] = _gamma_slope(a[~large], x[~large])
    return result


def _gamma_slope(a: Array, x: Array) -> Array:
    """From P(a, x) = pdf(x) x / a (1 + x / (a + 1) + x^2 / ((a + 1)(a + 2)) + ...)."""
    term, total = np.ones_like(a), np.ones_like(a)
    of_log, slope = np.zeros_like(a), np.zeros_like(a)  # d log(term) / da, and the sum of dterm / da
    k = 0
    while a.size and (k < 8 or np.any(term > 1e-17 * total)):
        k += 1
        term = term * x / (a + k)
        of_log -= 1 / (a + k)
        total += term
        slope += term * of_log
    with np.errstate(divide="ignore", invalid="ignore"):
        result = -x / a * (total * (np.log(x) - digamma(a + 1)) + slope)
    return np.where(x > 0, result, 0.0)


def beta_slope(x: Array, a: Array, b: Array) -> Array:
    """dx/da of x ~ Beta(a, b).

    >>> beta_slope(np.array([0.5]), np.array([1.0]), np.array([1.0])).round(6)
    array([0.346574])
    """
    x, a, b = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (x, a, b)))
    result = np.empty(x.shape)
    low = x <= a / (a + b)
    result[low] = -_lower(x[low], a[low], b[low])
    high = ~low
    result[high] = _upper(x[high], a[high], b[high])
    return result


def _sums(x: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """S = sum of (a + b)_n / (a + 1)_n x^n, dS/da and dS/db."""
    term, total = np.ones_like(x), np.ones_like(x)
    of_a, of_b, slope_a, slope_b = (np.zeros_like(x) for _ in range(4))
    k = 0
    while x.size and k < 100_000 and (k < 8 or np.any(term > 1e-17 * total)):
        k += 1
        term = term * x * (a + b + k - 1) / (a + k)
        of_b += 1 / (a + b + k - 1)
        of_a += 1 / (a + b + k - 1) - 1 / (a + k)
        total += term
        slope_a += term * of_a
        slope_b += term * of_b
    return total, slope_a, slope_b


def _lower(x: Array, a: Array, b: Array) -> Array:
    """(dF/da) / pdf from F = pdf(x) x (1 - x) / a S(x, a, b)."""
    total, slope, _ = _sums(x, a, b)
    factor = np.log(x) - digamma(a + 1) + digamma(a + b)
    return x * (1 - x) / a * (total * factor + slope)


def _upper(x: Array, a: Array, b: Array) -> Array:
    """(d(1 - F)/da) / pdf, in which 1 - F is the lower tail of 1 - x with the parameters exchanged."""
    total, _, slope = _sums(1 - x, b, a)
    factor = np.log(x) - digamma(a) + digamma(a + b)
    return x * (1 - x) / b * (total * factor + slope)
