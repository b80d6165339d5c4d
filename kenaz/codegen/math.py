"""Elementary functions out of arithmetic that vectorises: no calls, no branches, to a few units in the last place.
In float64 LLVM's own `log` is called, one element at a time.

Reductions and coefficients are those of the Cephes library (S. L. Moshier, "Methods and Programs for Mathematical
Functions", 1989), but for the exponential series of float64, which is Taylor's; erf is a rational approximation on
[-4, 4].
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from . import jit
from .emit import Value

# fmt: off
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
_ERF_P = (-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
-7.34990630326855e-04,
          -2.95459980854025e-03, -1.60960333262415e-02)
_ERF_Q = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
-1.42647390514189e-02)
# fmt: on


def _polynomial(x: Value, coefficients: tuple[float, ...]) -> Value:
    """Horner's rule, the highest power first."""
    result = x.constant(coefficients[0])
    for c in coefficients[1:]:
        result = result * x + c
    return result


def _single(x: Value) -> bool:
    return x.dtype == np.float32


class _Exp(NamedTuple):
    """What `exp` needs for one dtype: beyond `low` and `high` it is 0 and inf; log 2 in two parts; bits of a number."""

    low: float
    high: float
    log2: tuple[float, float]
    coefficients: tuple[float, ...]
    bits: int
    mantissa: int
    bias: int


_EXPS = {
    4: _Exp(-104.0, 89.0, (0.693359375, -2.12194440e-4), _EXP, 32, 23, 127),
    8: _Exp(-746.0, 710.0, (6.93145751953125e-1, 1.42860682030941723212e-6),
            tuple(1 / math.factorial(k) for k in range(13, 1, -1)), 64, 52, 1023),
}  # fmt: skip


def exp(xp: Any, x: Value) -> Value:
    """2^n e^r with |r| <= log(2) / 2; nan passes through every step."""
    of = _EXPS[x.dtype.itemsize]
    clipped = (x < of.low).select(x.constant(of.low), (x > of.high).select(x.constant(of.high), x))
    n = xp.rint(clipped * 1.44269504088896341)
    r = clipped - n * of.log2[0] - n * of.log2[1]
    return _scaled(_polynomial(r, of.coefficients) * (r * r) + r + 1.0, n, of)


def _scaled(x: Value, n: Value, of: _Exp) -> Value:
    """x 2^n, which may overflow or be subnormal."""
    if x.lanes and x.lanes * x.dtype.itemsize == 64 and jit.has_avx512():
        return _scaled_avx512(x, n)
    half, b = _trunc_half(n), x.builder
    for part in (half, n - half):  # two factors: 2^n alone may be out of range where x 2^n is not
        whole = b.add(b.fptosi(part.ir, x.as_int(of.bits)), x.integers(of.bias, of.bits))
        x = x * Value(b, b.bitcast(b.shl(whole, x.integers(of.mantissa, of.bits)), x.ir.type), x.dtype)
    return x


def _trunc_half(n: Value) -> Value:
    b = n.builder
    return Value(b, b.sitofp(b.fptosi((n * 0.5).ir, n.as_int(32)), n.ir.type), n.dtype)


def _scaled_avx512(x: Value, n: Value) -> Value:
    """The one instruction that does it."""
    b, kind, mask = x.builder, x.ir.type, ir.IntType(x.lanes)
    name = f"llvm.x86.avx512.mask.scalef.{'ps' if _single(x) else 'pd'}.512"
    signature = ir.FunctionType(kind, [kind, kind, kind, mask, ir.IntType(32)])
    function = b.module.globals.get(name) or ir.Function(b.module, signature, name)
    whole, nearest = ir.Constant(mask, -1), ir.Constant(ir.IntType(32), 4)
    return Value(b, b.call(function, [x.ir, n.ir, x.ir, whole, nearest]), x.dtype)


def log(xp: Any, x: Value) -> Value:
    """log m + e log 2, with m in [sqrt(1/2), sqrt(2))."""
    if not _single(x):
        return xp.intrinsic("log", x)
    b = x.builder
    tiny = x < 1.17549435e-38
    scaled = tiny.select(x * 8388608.0, x)
    bits = b.bitcast(scaled.ir, x.as_int(32))
    exponent = b.sub(b.lshr(bits, x.integers(23, 32)), x.integers(126, 32))
    mantissa = b.or_(b.and_(bits, x.integers(0x007FFFFF, 32)), x.integers(0x3F000000, 32))
    m = Value(b, b.bitcast(mantissa, x.ir.type), x.dtype)
    e = Value(b, b.sitofp(exponent, x.ir.type), x.dtype) - tiny.select(x.constant(23.0), x.constant(0.0))
    low = m < 0.707106781186547524
    e = low.select(e - 1.0, e)
    m = low.select(m + m, m) - 1.0
    z = m * m
    y = _polynomial(m, _LOG) * m * z + e * -2.12194440e-4 - z * 0.5
    y = m + y + e * 0.693359375
    inf = x.constant(float("inf"))
    y = (x == inf).select(inf, y)
    return (x < 0.0).select(x.constant(float("nan")), (x == 0.0).select(-inf, (x != x).select(x, y)))


def sigmoid(xp: Any, x: Value) -> Value:
    return 1.0 / (exp(xp, -x) + 1.0)


def tanh(xp: Any, x: Value) -> Value:
    """x + x^3 R(x^2) near zero, 1 - 2 / (e^2x + 1) elsewhere."""
    a = xp.abs(x)
    far = 1.0 - 2.0 / (exp(xp, a + a) + 1.0)
    z = x * x
    if _single(x):
        ratio = _polynomial(z, _TANH)
    else:
        ratio = _polynomial(z, _TANH_P) / _polynomial(z, _TANH_Q)
    return (a < 0.625).select(ratio * z * x + x, (x < 0.0).select(-far, far))


def erf(xp: Any, x: Value) -> Value:
    if not _single(x):
        raise_unsupported("erf in float64")
    c = (x < -4.0).select(x.constant(-4.0), (x > 4.0).select(x.constant(4.0), x))
    z = c * c
    return (x != x).select(x, c * _polynomial(z, _ERF_P) / _polynomial(z, _ERF_Q))


def raise_unsupported(what: str) -> None:
    from .emit import Unsupported

    raise Unsupported(what)
