"""Uniform numbers to normal ones, in the very arithmetic of PyTorch's CPU kernels.

    (u, v) uniform  ->  r = sqrt(-2 log(1 - u)),  theta = 2 pi v  ->  r cos(theta), r sin(theta)

G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29 (1958).

PyTorch's float32 kernel evaluates log, sin and cos with the single-precision polynomials of Cephes (S. L. Moshier,
1984-1992), as everybody does who vectorises them, and its compiler contracts `a * b + c` into one fused operation.
Both show in the last bit, so both are done here: `fma32` rounds once because a float64 holds the product of two float32
exactly. (The sum is rounded to float64 first, which changes the float32 about once in 2**29 sums.) Where a product is
exact anyway (powers of two, the split constants of the argument reduction), a plain sum is the same.

The float64 kernel calls the C library, whose log and log1p differ from NumPy's vectorised ones in the last bit: `libm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

F = np.float32
PAIRS = 8192  # a slice of this many fits the second-level cache together with its temporaries

# fmt: off
LOG = [7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
       -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1]
COS = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]
SIN = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]
LN2 = 0.693359375, -2.12194440e-4                                            # high and low part
PI4 = 0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8           # pi / 4 in three parts
# fmt: on


def normal32(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal numbers in float32: of every 16 uniform ones the first 8 give the radii, the last 8 the angles."""
    blocks = uniform.reshape(-1, 2, 8)
    normal = np.empty_like(blocks)
    step = PAIRS // 8
    for start in range(0, len(blocks), step):
        _fill32(blocks[start : start + step], normal[start : start + step], mean, std)
    return normal.reshape(-1)


def _fill32(uniform: np.ndarray, normal: np.ndarray, mean: float, std: float) -> None:
    radius = log32(F(1) - uniform[:, 0])
    radius *= F(-2)
    np.sqrt(radius, out=radius)
    sin, cos = sincos32(uniform[:, 1] * F(2 * math.pi))
    for row, wave in enumerate((cos, sin)):
        wave *= radius
        normal[:, row] = scale32(wave, mean, std)


def normal64(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The same in float64."""
    blocks = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2 * libm(math.log, 1 - blocks[:, 0]))
    theta = 2 * math.pi * blocks[:, 1]
    normal = np.stack((radius * np.cos(theta), radius * np.sin(theta)), axis=1)
    return scale64(normal, mean, std).reshape(-1)


# ---- fused multiply-add


def fma32(a: np.ndarray, b: np.ndarray | float, c: np.ndarray | float) -> np.ndarray:
    """a * b + c, rounded once; `a`, `b` and `c` are float64 arrays (or numbers) that hold float32 values."""
    product = np.multiply(a, b, dtype=np.float64)
    product += c
    return product.astype(F)


def fma64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """a * b + c in float64, rounded (all but) once: T. J. Dekker's exact product and D. E. Knuth's exact sum."""
    product = a * b
    a_high, b_high = _upper_half(a), _upper_half(np.array(b))
    a_low, b_low = a - a_high, b - b_high
    product_error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    total = product + c
    shift = total - product
    sum_error = (product - (total - shift)) + (c - shift)
    return total + (product_error + sum_error)


def _upper_half(x: np.ndarray) -> np.ndarray:
    shifted = x * 134217729.0  # 2**27 + 1
    return shifted - (shifted - x)


def scale32(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """x * std + mean as one fused operation, in float32; `x` may be overwritten."""
    if _is_exact(float(F(std))) or mean == 0:
        x *= F(std)
        x += F(mean)
        return x
    return fma32(x.astype(np.float64), np.float64(F(std)), np.float64(F(mean)))


def scale64(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """x * std + mean as one fused operation, in float64."""
    # Dekker's split overflows beyond 2**970, where nobody looks at the last bit.
    is_plain = _is_exact(std) or mean == 0 or not abs(std) < 1e280 or not abs(mean) < 1e280
    return x * std + mean if is_plain else fma64(x, std, mean)


def _is_exact(factor: float) -> bool:
    """Whether a product with `factor` is never rounded: it is a power of two."""
    return math.frexp(factor)[0] == 0.5


# ---- the functions


def libm(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """`function` of the C library for each element (70 ns; NumPy's own takes 1 ns and differs in the last bit)."""
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def _polynomial(coefficients: list[float], x: np.ndarray) -> np.ndarray:
    """Horner's rule with fused operations: float32 values in a float64 array, like `x`."""
    total = x * F(coefficients[0])
    rounded = np.empty(x.shape, F)
    for k, coefficient in enumerate(coefficients[1:]):
        if k:
            total *= x
        total += np.float64(F(coefficient))
        rounded[...] = total
        total[...] = rounded
    return total


def log32(x: np.ndarray) -> np.ndarray:
    """log(x) for normal x > 0 in float32: x = m 2**e with sqrt(1/2) <= m < sqrt(2), and a polynomial in m - 1."""
    bits = x.view(np.int32)
    exponent = (bits >> 23) - 126
    m = ((bits & 0x007FFFFF) | 0x3F000000).view(F)
    is_low = m < F(math.sqrt(0.5))
    exponent -= is_low
    m += np.where(is_low, m, F(0))
    m -= F(1)
    e = exponent.astype(F)
    square = m * m
    m64 = m.astype(np.float64)
    y = _polynomial(LOG, m64)
    y *= m64
    y = fma32(y.astype(F), square, e * F(LN2[1]))
    square *= F(0.5)
    y -= square
    m += y
    e *= F(LN2[0])
    m += e
    return m


def sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sin(x) and cos(x) for 0 <= x < 8192 in float32: the nearest multiple of pi/2 off, then one polynomial each."""
    octant = (x * F(4 / math.pi)).astype(np.int32)
    octant += 1
    octant &= ~1
    multiple = octant.astype(F)
    x = x - multiple * F(PI4[0])
    x -= multiple * F(PI4[1])
    x = fma32(multiple.astype(np.float64), -np.float64(F(PI4[2])), x)
    square = x * x
    square64 = square.astype(np.float64)
    cos = _polynomial(COS, square64).astype(F)
    cos *= square
    cos = fma32(cos.astype(np.float64), square64, square * F(-0.5))
    cos += F(1)
    sin = _polynomial(SIN, square64).astype(F)
    sin *= square
    sin = fma32(sin.astype(np.float64), x, x)
    is_swapped = (octant & 2) != 0
    sin, cos = np.where(is_swapped, cos, sin), np.where(is_swapped, sin, cos)
    # The sign bits: sin is negative in octants 4 and 6, cos in 2 and 4.
    sin.view(np.int32)[...] ^= (octant & 4) << 29
    cos.view(np.int32)[...] ^= ((octant + 2) & 4) << 29
    return sin, cos
