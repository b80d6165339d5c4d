"""Functions that bodies call, out of those in `math.py`: logarithms and powers of other kinds, sines, signs.

What has no form for vectors of float64 calls LLVM's own function, element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from . import jit, math
from .emit import Unsupported, Value
from .math import exp, log, log_limits, log_parts, polynomial, tanh

# Sine and cosine on [-pi/4, pi/4]: S. L. Moshier, Cephes library, sinf.c and sin.c (1989), by bytes of an element.
_SIN = {
    4: (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
    8: (1.58962301576546568060e-10, -2.50507477628578072866e-8, 2.75573136213857245213e-6, -1.98412698295895385996e-4,
        8.33333333332211858878e-3, -1.66666666666666307295e-1),
}  # fmt: skip
_COS = {
    4: (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
    8: (-1.13585365213876817300e-11, 2.08757008419747316778e-9, -2.75573141792967388112e-7, 2.48015872888517045348e-5,
        -1.38888888888730564116e-3, 4.16666666666665929218e-2),
}  # fmt: skip
# Half of pi in parts, of which all but the last are short enough for exact products with a number of quarter turns.
_HALF_PI = {
    4: (1.5707963267948966, 6.123233995736766e-17),
    8: (2 * 7.85398125648498535156e-1, 2 * 3.77489470793079817668e-8, 2 * 2.69515142907905952645e-15),
}


def _is_single(x: Value) -> bool:
    if x.dtype.kind != "f":
        raise Unsupported(f"this function of {x.dtype}")
    return x.dtype.itemsize == 4


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
    return exp(xp, x.cast(np.float64) * float(np.log(2))).cast(np.float32) if _is_single(x) else math.exp2(xp, x)


def log2(xp: Any, x: Value) -> Value:
    """In float64 (log m) / log 2 + e, which is exact for powers of 2."""
    if _is_single(x):
        return (log(xp, x.cast(np.float64)) * float(1 / np.log(2))).cast(np.float32)
    m, e, y = log_parts(x)
    more = 0.44269504088896340735992  # 1 / log 2 - 1
    return log_limits(x, y * more + m * more + y + m + e)


def log10(xp: Any, x: Value) -> Value:
    """In float64 (log m + e log 2) / log 10 with constants in two parts, the small ones first."""
    if _is_single(x):
        return (log(xp, x.cast(np.float64)) * float(1 / np.log(10))).cast(np.float32)
    m, e, y = log_parts(x)
    of_log, of_two = (4.3359375e-1, 7.00731903251827651129e-4), (3.0078125e-1, 2.48745663981195213739e-4)
    small = y * of_log[1] + m * of_log[1] + e * of_two[1]
    return log_limits(x, small + y * of_log[0] + m * of_log[0] + e * of_two[0])


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
    if not _is_single(a):
        return xp.intrinsic("pow", a, b)
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
FAR = {4: 1e15, 8: 3e7}  # beyond, float64 does not tell quarter turns apart, or not as well as it tells numbers


def sin(xp: Any, x: Value) -> Value:
    return _corrected(_is_far(xp, x), _turned(xp, x, 0.0), lambda: xp.intrinsic("sin", x))


def cos(xp: Any, x: Value) -> Value:
    return _corrected(_is_far(xp, x), _turned(xp, x, 1.0), lambda: xp.intrinsic("cos", x))


def _is_far(xp: Any, x: Value) -> Value:
    _is_single(x)
    return xp.abs(x) > FAR[_parts_of(x)]


def _parts_of(x: Value) -> int:
    """Which parts of pi / 2: those of float32 are longer, and need products and sums that are rounded together."""
    return x.dtype.itemsize if jit.fuses() else 8


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
    bytes_each, wide = x.dtype.itemsize, x.cast(np.float64)
    r = wide
    n = xp.rint(wide * (2 / np.pi))
    for part in _HALF_PI[_parts_of(x)]:
        r = r - n * part
    r = r.cast(x.dtype)
    z = r * r
    sine = polynomial(z, _SIN[bytes_each]) * z * r + r
    cosine = polynomial(z, _COS[bytes_each]) * z * z - z * 0.5 + 1.0
    quarter = n + quarters
    quarter = quarter - xp.floor(quarter * 0.25) * 4.0
    y = ((quarter == 1.0) | (quarter == 3.0)).select(cosine, sine)
    y = (quarter >= 2.0).select(-y, y)
    return (xp.abs(x) == x.constant(np.inf)).select(x.constant(np.nan), y)


_LARGE = {4: 80.0, 8: 700.0}  # where e^x is still finite


def sinh(xp: Any, x: Value) -> Value:
    """(u + u / (u + 1)) / 2 with u = expm1 x, of |x|; near the largest numbers exp(x / 2)^2 / 2."""
    a = xp.abs(x)
    u = expm1(xp, a)
    half = exp(xp, a * 0.5)
    y = (a < _LARGE[x.dtype.itemsize]).select((u + u / (u + 1.0)) * 0.5, half * 0.5 * half)
    return (x < 0).select(-y, y)


def cosh(xp: Any, x: Value) -> Value:
    a = xp.abs(x)
    e, half = exp(xp, a), exp(xp, a * 0.5)
    return (a < _LARGE[x.dtype.itemsize]).select((e + 1.0 / e) * 0.5, half * 0.5 * half)


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
