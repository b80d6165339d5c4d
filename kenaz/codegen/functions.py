"""Functions that bodies call, out of those in `math.py`: logarithms and powers of other kinds, sines, signs.

float32 where not said otherwise; what has no form for vectors of float64 stays interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from .emit import Unsupported, Value
from .math import exp, log, tanh

# Sine and cosine on [-pi/4, pi/4]: S. L. Moshier, Cephes library, sinf.c (1989).
_SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)  # in two parts


def _only_single(x: Value) -> None:
    if x.dtype != np.float32:
        raise Unsupported(f"this function of {x.dtype}")


# ---------------------------------------------------------------------------------------------- logarithms and powers
def log1p(xp: Any, x: Value) -> Value:
    """log u + (x - (u - 1)) / u with u = 1 + x rounded: what the rounding lost comes back to first order."""
    u = x + 1.0
    y = log(xp, u) + (x - (u - 1.0)) / u
    y = (u == x.constant(0)).select(x.constant(-np.inf), y)
    return (xp.abs(x) == x.constant(np.inf)).select((x > 0).select(x, x.constant(np.nan)), y)


def expm1(xp: Any, x: Value) -> Value:
    """2 t / (1 - t) with t = tanh(x / 2) near zero, exp x - 1 elsewhere."""
    near = xp.abs(x) < 1.0
    t = tanh(xp, near.select(x * 0.5, x.constant(0)))
    return near.select((t + t) / (1.0 - t), exp(xp, x) - 1.0)


def exp2(xp: Any, x: Value) -> Value:
    _only_single(x)
    return exp(xp, x.cast(np.float64) * float(np.log(2))).cast(np.float32)


def log2(xp: Any, x: Value) -> Value:
    _only_single(x)
    return (log(xp, x.cast(np.float64)) * float(1 / np.log(2))).cast(np.float32)


def log10(xp: Any, x: Value) -> Value:
    _only_single(x)
    return (log(xp, x.cast(np.float64)) * float(1 / np.log(10))).cast(np.float32)


def logaddexp(xp: Any, a: Any, b: Any) -> Value:
    """log(exp a + exp b) around the larger of both."""
    a, b = a.pair(b) if isinstance(a, Value) else tuple(reversed(b.pair(a)))
    high = xp.maximum(a, b)
    equal = a == b  # also where both are infinite
    distance = equal.select(a.constant(0), a - b)
    return high + log1p(xp, exp(xp, -xp.abs(distance)))


def power(xp: Any, a: Value, b: Value) -> Value:
    """a ** b by way of float64, so that float32 is rounded once; a negative base needs a whole exponent."""
    a, b = a.pair(b)
    if a.dtype == np.float64:
        return xp.intrinsic("pow", a, b)
    _only_single(a)
    base, exponent = a.cast(np.float64), b.cast(np.float64)
    size = exp(xp, exponent * log(xp, xp.abs(base)))
    size = (xp.abs(base) == 1.0).select(base.constant(1), size)
    whole = exponent == xp.floor(exponent)
    odd = whole & (xp.floor(exponent * 0.5) * 2.0 != exponent) & (xp.abs(exponent) < 2.0**53)
    negative = (base < 0) | ((base == 0.0) & (1.0 / base < 0))
    y = (negative & odd).select(-size, size)
    y = ((base < 0) & ~whole & (xp.abs(base) != np.inf)).select(base.constant(np.nan), y)
    return (exponent == 0.0).select(base.constant(1), y).cast(np.float32)


# -------------------------------------------------------------------------------------------------------------- sines
FAR = 1e15  # beyond, float64 does not tell quarter turns apart


def sin(xp: Any, x: Value) -> Value:
    return _corrected(xp.abs(x) > FAR, _turned(xp, x, 0.0), lambda: xp.intrinsic("sin", x))


def cos(xp: Any, x: Value) -> Value:
    return _corrected(xp.abs(x) > FAR, _turned(xp, x, 1.0), lambda: xp.intrinsic("cos", x))


def _corrected(where: Value, y: Value, slow: Callable[[], Value]) -> Value:
    """`y`, or what `slow` gives where the mask holds; it is computed only if the mask holds anywhere."""
    b, lanes = y.builder, y.lanes
    bits = ir.IntType(max(lanes, 1))
    anywhere = b.icmp_unsigned("!=", b.bitcast(where.ir, bits), ir.Constant(bits, 0))
    before, rare, after = b.block, b.append_basic_block("rare"), b.append_basic_block("after")
    b.cbranch(anywhere, rare, after)
    b.position_at_end(rare)
    mended = where.select(slow(), y)
    end = b.block
    b.branch(after)
    b.position_at_end(after)
    result = b.phi(y.ir.type)
    result.add_incoming(y.ir, before)
    result.add_incoming(mended.ir, end)
    return Value(b, result, y.dtype)


def _turned(xp: Any, x: Value, quarters: float) -> Value:
    """sin(x + quarters pi / 2): reduced in float64 to the nearest quarter turn, which says which series it is."""
    _only_single(x)
    wide = x.cast(np.float64)
    n = xp.rint(wide * (1 / _HALF_PI[0]))
    r = (wide - n * _HALF_PI[0] - n * _HALF_PI[1]).cast(np.float32)
    z = r * r
    sine = ((r.constant(_SIN[0]) * z + _SIN[1]) * z + _SIN[2]) * z * r + r
    cosine = ((r.constant(_COS[0]) * z + _COS[1]) * z + _COS[2]) * z * z - z * 0.5 + 1.0
    quarter = n + quarters
    quarter = quarter - xp.floor(quarter * 0.25) * 4.0
    y = ((quarter == 1.0) | (quarter == 3.0)).select(cosine, sine)
    y = (quarter >= 2.0).select(-y, y)
    return (xp.abs(x) == x.constant(np.inf)).select(x.constant(np.nan), y)


def sinh(xp: Any, x: Value) -> Value:
    """(u + u / (u + 1)) / 2 with u = expm1 x, of |x|; near the largest numbers exp(x / 2)^2 / 2."""
    _only_single(x)
    a = xp.abs(x)
    u = expm1(xp, a)
    half = exp(xp, a * 0.5)
    y = (a < 80.0).select((u + u / (u + 1.0)) * 0.5, half * 0.5 * half)
    return (x < 0).select(-y, y)


def cosh(xp: Any, x: Value) -> Value:
    _only_single(x)
    a = xp.abs(x)
    e, half = exp(xp, a), exp(xp, a * 0.5)
    return (a < 80.0).select((e + 1.0 / e) * 0.5, half * 0.5 * half)


# --------------------------------------------------------------------------------------------------------------- signs
def sign(xp: Any, x: Value) -> Value:
    zero, one = x.constant(0), x.constant(1)
    y = (x > zero).select(one, (x < zero).select(zero - one, zero))
    return (x != x).select(x, y) if x.dtype.kind == "f" else y


def isinf(xp: Any, x: Value) -> Value:
    return xp.abs(x) == x.constant(np.inf)


def isfinite(xp: Any, x: Value) -> Value:
    return xp.abs(x) < x.constant(np.inf)


def isnan(xp: Any, x: Value) -> Value:
    return x != x


def logical_xor(xp: Any, a: Value, b: Value) -> Value:
    return a.cast(np.bool_) ^ b.cast(np.bool_)


def zeros_like(xp: Any, x: Value) -> Value:
    return x.constant(0)


def ones_like(xp: Any, x: Value) -> Value:
    return x.constant(1)


def copysign(xp: Any, a: Any, b: Any) -> Value:
    a, b = a.pair(b) if isinstance(a, Value) else tuple(reversed(b.pair(a)))
    return xp.intrinsic("copysign", a, b)


def fmax(xp: Any, a: Value, b: Value) -> Value:
    """The larger; the other one where one is nan."""
    a, b = a.pair(b)
    return (a != a).select(b, (b != b).select(a, xp.maximum(a, b)))


def fmin(xp: Any, a: Value, b: Value) -> Value:
    """The smaller; the other one where one is nan."""
    a, b = a.pair(b)
    return (a != a).select(b, (b != b).select(a, xp.minimum(a, b)))
