"""Elementary functions out of arithmetic that vectorises: no calls, no branches, to a few units in the last place.

Reductions and coefficients are those of the Cephes library (S. L. Moshier, "Methods and Programs for Mathematical
Functions", 1989), but for the exponential series of float64, which is Taylor's; erf of float32 is a rational
approximation on [-4, 4].
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
_LOG_P = (1.01875663804580931796e-4, 4.97494994976747001425e-1, 4.70579119878881725854, 1.44989225341610930846e1,
          1.79368678507819816313e1, 7.70838733755885391666)
_LOG_Q = (1.0, 1.12873587189167450590e1, 4.52279145837532221105e1, 8.29875266912776603211e1, 7.11544750618563894466e1,
          2.31251620126765340583e1)
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
_ERF_P = (-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
-7.34990630326855e-04,
          -2.95459980854025e-03, -1.60960333262415e-02)
_ERF_Q = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
-1.42647390514189e-02)
_ERF_T = (9.60497373987051638749, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
          5.55923013010394962768e4)
_ERF_U = (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
          4.92673942608635921086e4)
_ERFC_P = (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
           1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
           5.57535335369399327526e2)
_ERFC_Q = (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
           1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3, 5.57535340817727675546e2)
# fmt: on


def polynomial(x: Value, coefficients: tuple[float, ...]) -> Value:
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
    clipped = _between(x, of.low, of.high)
    n = xp.rint(clipped * 1.44269504088896341)
    return _power(clipped - n * of.log2[0] - n * of.log2[1], n, of)


def exp2(xp: Any, x: Value) -> Value:
    """2^n e^(r log 2)."""
    of = _EXPS[x.dtype.itemsize]
    clipped = _between(x, of.low * math.log2(math.e), of.high * math.log2(math.e))
    n = xp.rint(clipped)
    return _power((clipped - n) * math.log(2), n, of)


def _between(x: Value, low: float, high: float) -> Value:
    return (x < low).select(x.constant(low), (x > high).select(x.constant(high), x))


def _power(r: Value, n: Value, of: _Exp) -> Value:
    return _scaled(polynomial(r, of.coefficients) * (r * r) + r + 1.0, n, of)


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


class _Log(NamedTuple):
    """What `log` needs for one dtype: bits of a number and of its mantissa, the exponent of 1/2, the smallest normal
    number, and the power of two that makes smaller ones normal."""

    bits: int
    mantissa: int
    half: int
    normal: float
    shift: int


_LOGS = {4: _Log(32, 23, 126, 2.0**-126, 23), 8: _Log(64, 52, 1022, 2.0**-1022, 54)}


def log_parts(x: Value) -> tuple[Value, Value, Value]:
    """(m, e, y) where x = (1 + m) 2^e with 1 + m in [sqrt(1/2), sqrt(2)), and log(1 + m) = m + y."""
    b, of = x.builder, _LOGS[x.dtype.itemsize]
    tiny = x < of.normal
    bits = b.bitcast(tiny.select(x * 2.0**of.shift, x).ir, x.as_int(of.bits))
    exponent = b.sub(b.lshr(bits, x.integers(of.mantissa, of.bits)), x.integers(of.half, of.bits))
    exponent = b.trunc(exponent, x.as_int(32)) if of.bits > 32 else exponent  # int64s become floats only on AVX-512
    mantissa = b.and_(bits, x.integers((1 << of.mantissa) - 1, of.bits))
    mantissa = b.or_(mantissa, x.integers(of.half << of.mantissa, of.bits))
    m = Value(b, b.bitcast(mantissa, x.ir.type), x.dtype)
    e = Value(b, b.sitofp(exponent, x.ir.type), x.dtype) - tiny.select(x.constant(of.shift), x.constant(0))
    low = m < 0.707106781186547524
    e, m = low.select(e - 1.0, e), low.select(m + m, m) - 1.0
    z = m * m
    series = polynomial(m, _LOG) if _single(x) else polynomial(m, _LOG_P) / polynomial(m, _LOG_Q)
    return m, e, series * m * z - z * 0.5


def log(xp: Any, x: Value) -> Value:
    """log m + e log 2, with log 2 in two parts."""
    m, e, y = log_parts(x)
    return log_limits(x, m + (y + e * -2.121944400546905827679e-4) + e * 0.693359375)


def log_limits(x: Value, y: Value) -> Value:
    """A logarithm where it is one; infinite at zero and infinity, nan below."""
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
        ratio = polynomial(z, _TANH)
    else:
        ratio = polynomial(z, _TANH_P) / polynomial(z, _TANH_Q)
    return (a < 0.625).select(ratio * z * x + x, (x < 0.0).select(-far, far))


def erf(xp: Any, x: Value) -> Value:
    if not _single(x):
        return _erf_double(xp, x)
    c = _between(x, -4.0, 4.0)
    z = c * c
    return (x != x).select(x, c * polynomial(z, _ERF_P) / polynomial(z, _ERF_Q))


def _erf_double(xp: Any, x: Value) -> Value:
    """x T(x^2) / U(x^2) up to 1; beyond, 1 - e^(-x^2) P(|x|) / Q(|x|), which is 1 from 6 on."""
    a = xp.abs(x)
    z = x * x
    near = x * polynomial(z, _ERF_T) / polynomial(z, _ERF_U)
    c = (a > 6.0).select(x.constant(6.0), a)
    far = 1.0 - exp(xp, -c * c) * polynomial(c, _ERFC_P) / polynomial(c, _ERFC_Q)
    return (a < 1.0).select(near, (x != x).select(x, (x < 0.0).select(-far, far)))
