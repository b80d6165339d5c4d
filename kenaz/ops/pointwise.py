"""Arithmetic, comparisons, bits, and elementary functions. `g`: incoming gradient, `y`: the result, then the inputs."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import COMPLEX, FLOAT, INT, dtype
from .creation import full
from .declare import (
    FLOATING,
    NUMBERS,
    SAME,
    TO_BOOL,
    TO_REAL,
    binary,
    dunder,
    only,
    pointwise,
    rename_node,
    same_size,
    unary,
    writer,
)  # fmt: skip
from .record import REGISTRY, assign, composite, method, number, public, write_out


def conj(x: Any) -> Any:
    """The conjugate of a tensor or number; real ones are returned as they are."""
    if isinstance(x, Tensor):
        return x.conj() if x.dtype.is_complex else x
    return x.conjugate() if type(x) is builtins.complex else x


def _numbered(word: str, second: int = 0, neither: int = 1, first: int = 2) -> Any:
    """The names of a binary operator's backward nodes where they say which argument was a number."""

    def name(a: Any, b: Any) -> str:
        which = first if not isinstance(a, Tensor) else second if not isinstance(b, Tensor) else neither
        return f"{word}Backward{which}"

    return name


# ------------------------------------------------------------------------------------------------------------ arithmetic
_add = binary("add", only(SAME, "add_stub", "wide"), lambda xp, a, b: xp.add(a, b), grad=(lambda g, y, a, b: g, lambda g, y, a, b: g), torch=False, tensor=False, numbers="both")
_sub = binary("sub", only(SAME, "add_stub", "wide"), lambda xp, a, b: a - b, grad=(lambda g, y, a, b: g, lambda g, y, a, b: -g), torch=False, tensor=False, numbers="both")
_plain_sub_rule = _sub.op.rule


_rsub = binary("rsub", only(SAME, "add_stub", "wide"), lambda xp, a, b: b - a, torch=False, tensor=False,
               grad=(lambda g, y, a, b: -g, lambda g, y, a, b: g), grad_name="RsubBackward1")  # fmt: skip


def _sub_rule(specs: tuple, attributes: dict) -> tuple:
    """Booleans cannot be subtracted: PyTorch names the operators that were meant."""
    found = [s is bool or getattr(s, "dtype", None) is dtypes.bool_ for s in specs]
    if True in found:
        raise RuntimeError(_BOOL_SUB[all_of(found)])
    return _plain_sub_rule(specs, attributes)


_sub.op.rule = _rsub.op.rule = _sub_rule
all_of = builtins.all
mul = binary(
    "mul", SAME, lambda xp, a, b: a * b, grad=(lambda g, y, a, b: g * conj(b), lambda g, y, a, b: g * conj(a)), aliases=("multiply",), numbers="both"
)
_div = binary(
    "div", FLOATING, lambda xp, a, b: xp.true_divide(a, b), torch=False, tensor=False,
    grad=(lambda g, y, a, b: g / conj(b), lambda g, y, a, b: -g * conj((a / b) / b)), numbers="both",
    grad_name=lambda a, b: "DivBackward0" if isinstance(a, Tensor) else "MulBackward0",  # PyTorch multiplies by the reciprocal
)  # fmt: skip


def _with_alpha(base: Any, name: str) -> Any:
    def function(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
        if alpha != 1:
            other = other * alpha
        return base(input, other, out=out)

    def general(self: Tensor, other: Any) -> Tensor:
        return assign(self, same_size(self, base(self, other)))

    fast = writer(base.op, general)

    def inplace(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
        return fast(self, other if alpha == 1 else other * alpha)

    function.__name__, inplace.__name__ = name, name + "_"
    for n in (name, {"add": "add", "sub": "subtract"}[name]):
        public(function, n)
        method(n, function)
        method(n + "_", inplace)
    return function


_BOOL_SUB = {
    True: "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator "
    "instead.",
    False: "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the "
    "`~` or `logical_not()` operator instead.",
}
add = _with_alpha(_add, "add")
sub = _with_alpha(_sub, "sub")


def _rounded(base: Any) -> Any:
    def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
        """The quotient; `rounding_mode` "trunc" rounds it towards zero, "floor" down."""
        if rounding_mode is None:
            return base(input, other, out=out)
        if rounding_mode not in _ROUNDINGS:
            raise RuntimeError(
                "div expected rounding_mode to be one of None, 'trunc', or 'floor' "
                f"but found '{rounding_mode}'"
            )
        return _ROUNDINGS[rounding_mode](input, other, out=out)

    return div


def _check_divisor(call: Any, a: Any, b: Any) -> None:
    """Integers cannot be divided by zero."""
    if call.compute.kind <= INT and b is not None and not np.all(b):
        raise RuntimeError("ZeroDivisionError")


floor_divide = binary("floor_divide", only(SAME, "div_floor_cpu", dtypes.bool_, COMPLEX, "wide"), lambda xp, a, b: xp.floor_quotient(a, b), numbers="both", late_errors=_check_divisor)


def _rounded_quotient(name: str, body: Any) -> Any:
    kind = only(SAME, f"{name}_cpu", dtypes.bool_, COMPLEX, "wide")
    flat = (lambda g, y, _a, b: g * 0, lambda g, y, a, _b: g * 0)
    return binary(name, kind, body, torch=False, tensor=False, numbers="both", late_errors=_check_divisor, grad=flat, grad_name="DivBackward2")


_ROUNDINGS = {
    "floor": _rounded_quotient("div_floor", lambda xp, a, b: xp.floor_quotient(a, b)),
    "trunc": _rounded_quotient("div_trunc", lambda xp, a, b: xp.trunc_quotient(a, b)),
}
div = _rounded(_div)


def _div_inplace(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    return assign(self, same_size(self, div(self, other, rounding_mode=rounding_mode)))


for _n in ("div", "divide", "true_divide"):
    public(div, _n)
    method(_n, div)
    method(_n + "_", _div_inplace)

_pow = binary(
    "pow", only(SAME, "pow", dtypes.bool_, "wide"), lambda xp, a, b: xp.power_as_c(a, b), torch=False, tensor=False,
    grad=(lambda g, y, a, b: _pow_grad_base(g, a, b), lambda g, y, a, b: _pow_grad_exponent(g, y, a, b)), numbers="either",
    grad_name=_numbered("Pow"), cost=8,
)  # fmt: skip


def _pow_grad_base(g: Tensor, a: Tensor, b: Any) -> Tensor:
    """b a^(b-1), and zero where b is zero."""
    if isinstance(b, Tensor):
        return g * conj((b * a ** (b - 1)).masked_fill(b == 0, 0))
    return g * 0 if b == 0 else g * conj(a * 2 if b == 2 else b * a ** (b - 1))


def _pow_grad_exponent(g: Tensor, y: Tensor, a: Any, b: Tensor) -> Tensor:
    """y log a, and zero where a is zero and b is not negative."""
    if isinstance(a, Tensor):
        still = (a == 0) if b.dtype.is_complex else (a == 0) & (b >= 0)
        return g * conj((y * a.log()).masked_fill(still, 0))
    return g * 0 if a == 0 else g * conj(y * full((), a, dtype=y.dtype).log())


def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """input to the power of exponent, elementwise."""
    exponent = number(exponent)
    integers = isinstance(input, Tensor) and input.dtype.kind <= INT
    if integers and type(exponent) is int and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if type(exponent) is bool and isinstance(input, Tensor) and input.dtype is dtypes.bool_:  # a bool to the power of a Python bool
        result = input.clone() if exponent else input.new_ones(input.shape)
        return result if out is None else write_out(result, out, "pow")
    return _pow(input, exponent, out=out)


def _pow_inplace(self: Tensor, exponent: Any) -> Tensor:
    return assign(self, same_size(self, pow(self, exponent)))


public(pow)
method("pow", pow)
method("pow_", _pow_inplace)

remainder = binary("remainder", only(SAME, "remainder_cpu", dtypes.bool_, COMPLEX, "wide"), lambda xp, a, b: xp.remainder_as_c(a, b), grad=(lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_ratio(a, b)), numbers="either", late_errors=_check_divisor, grad_name=_numbered("Remainder"))
fmod = binary("fmod", only(SAME, "fmod_cpu", dtypes.bool_, COMPLEX, "wide"), lambda xp, a, b: xp.fmod(a, b), grad=(lambda g, y, a, b: g, lambda g, y, a, b: -g * div(a, b, rounding_mode="trunc")), late_errors=_check_divisor, grad_name=_numbered("Fmod"))


# ----------------------------------------------------------------------------------------------------------- comparisons
def _compare(name: str, body: Any, aliases: tuple = ()) -> Any:
    kind = TO_BOOL if name in ("eq", "ne") else only(TO_BOOL, f"{name}_cpu", COMPLEX, "wide")
    return binary(name, kind, body, aliases=aliases)


eq = _compare("eq", lambda xp, a, b: a == b)
ne = _compare("ne", lambda xp, a, b: a != b, ("not_equal",))
lt = _compare("lt", lambda xp, a, b: a < b, ("less",))
le = _compare("le", lambda xp, a, b: a <= b, ("less_equal",))
gt = _compare("gt", lambda xp, a, b: a > b, ("greater",))
ge = _compare("ge", lambda xp, a, b: a >= b, ("greater_equal",))



def floor_ratio(a: Any, b: Any) -> Any:
    return div(a, b, rounding_mode="floor")


# ------------------------------------------------------------------------------------------------------ the operators of Python
def _negative(d: dtype) -> tuple[dtype, dtype]:
    if d is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
            "`logical_not()` operator instead."
        )
    return d, d


def _bits(kernel: str, *more: Any) -> Any:
    return only(SAME, kernel, FLOAT, COMPLEX, *more)


neg = unary("neg", _negative, lambda xp, x: -x, grad=lambda g, y, _x: -g, aliases=("negative",))
bitwise_not = unary("bitwise_not", _bits("bitwise_not_cpu", "wide"), lambda xp, x: ~x)
bitwise_and = binary("bitwise_and", _bits("bitwise_and_cpu"), lambda xp, a, b: a & b, numbers="either")
bitwise_or = binary("bitwise_or", _bits("bitwise_or_cpu"), lambda xp, a, b: a | b, numbers="either")
bitwise_xor = binary("bitwise_xor", _bits("bitwise_xor_cpu"), lambda xp, a, b: a ^ b, numbers="either")
bitwise_left_shift = binary("bitwise_left_shift", _bits("lshift_cpu", dtypes.bool_, "wide"), lambda xp, a, b: a << b, numbers="either")
bitwise_right_shift = binary("bitwise_right_shift", _bits("rshift_cpu", dtypes.bool_, "wide"), lambda xp, a, b: a >> b, numbers="either")
logical_and = binary("logical_and", TO_BOOL, lambda xp, a, b: xp.logical_and(a, b), numbers="none")
logical_or = binary("logical_or", TO_BOOL, lambda xp, a, b: xp.logical_or(a, b), numbers="none")
logical_xor = binary("logical_xor", TO_BOOL, lambda xp, a, b: xp.logical_xor(a, b), numbers="none")
logical_not = unary("logical_not", TO_BOOL, lambda xp, x: xp.logical_not(x))

def _pow_operator(fast: Any) -> Any:
    """`x ** y` where y is not an integer or bool goes the fast way: those have rules of their own."""

    def __pow__(self: Tensor, other: Any) -> Any:
        if self._spec.dtype.kind <= INT and not isinstance(other, Tensor):
            return pow(self, other) if type(number(other)) in NUMBERS else NotImplemented
        return fast(self, other)

    return __pow__


for _op, _names in {
    "add": ("__add__", "__radd__"), "sub": ("__sub__", "__rsub__"), "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__", "__rtruediv__"), "pow": ("__pow__", "__rpow__"), "remainder": ("__mod__", "__rmod__"),
    "floor_divide": ("__floordiv__", "__rfloordiv__"), "bitwise_and": ("__and__", "__rand__"),
    "bitwise_or": ("__or__", "__ror__"), "bitwise_xor": ("__xor__", "__rxor__"),
    "bitwise_left_shift": ("__lshift__", "__rlshift__"), "bitwise_right_shift": ("__rshift__", "__rrshift__"),
}.items():  # fmt: skip
    method(_names[0], dunder(REGISTRY[_op]))
    method(_names[1], dunder(REGISTRY[_op], reverse=True))
    method(_names[0].replace("__", "__i", 1), writer(REGISTRY[_op], getattr(Tensor, _op + "_")))
for _op in ("eq", "ne", "lt", "le", "gt", "ge"):
    method(f"__{_op}__", dunder(REGISTRY[_op]))
method("__rsub__", dunder(REGISTRY["rsub"]))
method("__pow__", _pow_operator(Tensor.__pow__))
method("__neg__", neg)
for _reverse, _shown in {"__rdiv__": "__rtruediv__", "__div__": "__truediv__", "__idiv__": "__itruediv__"}.items():
    method(_reverse, getattr(Tensor, _shown))


def _invert(self: Tensor) -> Tensor:
    if self.dtype.kind > INT:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


method("__invert__", _invert)

# ----------------------------------------------------------------------------------------------------- rounding and signs
_zero_grad = lambda g, y, _x: g * 0


def sgn_like(x: Tensor) -> Tensor:
    """x / |x|, zero at zero."""
    return x.sgn() if x.dtype.is_complex else x.sign()


def _sign(xp: Any, x: Any) -> Any:
    """-1, 0 or 1; nan has no sign."""
    return x if x.dtype.kind == "b" else xp.sign(x) if x.dtype.kind in "iu" else xp.sign(xp.where(x == x, x, x.dtype.type(0)))


abs = unary("abs", only(TO_REAL, "abs_cpu", dtypes.bool_, "wide"), lambda xp, x: xp.abs(x), grad=lambda g, y, x: g * sgn_like(x), aliases=("absolute",))
method("__abs__", abs)
sign = unary("sign", only(SAME, "sign_cpu", "wide", COMPLEX, words="Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.", refusal=NotImplementedError), _sign, grad=_zero_grad)
sgn = unary("sgn", SAME, lambda xp, x: xp.where(x == 0, x, x / xp.where(x == 0, 1, xp.abs(x))) if x.dtype.kind == "c" else _sign(xp, x),
            grad=lambda g, y, x: _sgn_grad(g, y, x))  # fmt: skip


def _sgn_grad(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    if not x.dtype.is_complex:
        return g * 0
    a = x.abs()
    return ((g - (g.conj() * y).real * y) / a).masked_fill(a == 0, 0)  # only the part across x remains


floor = unary("floor", only(SAME, "floor_vml_cpu", dtypes.bool_, COMPLEX), lambda xp, x: xp.floor(x).astype(x.dtype), grad=_zero_grad)
ceil = unary("ceil", only(SAME, "ceil_vml_cpu", dtypes.bool_, COMPLEX), lambda xp, x: xp.ceil(x).astype(x.dtype), grad=_zero_grad)
trunc = unary("trunc", only(SAME, "trunc_vml_cpu", dtypes.bool_, COMPLEX), lambda xp, x: xp.trunc(x).astype(x.dtype), grad=_zero_grad, aliases=("fix",))
frac = unary("frac", only(SAME, "frac_cpu", dtypes.bool_, INT, COMPLEX), lambda xp, x: x - xp.trunc(x), grad=lambda g, y, _x: g)
signbit = unary("signbit", TO_BOOL, lambda xp, x: xp.signbit(x) if x.dtype.kind == "f" else x < 0, inplace=False)
isnan = unary("isnan", TO_BOOL, lambda xp, x: x != x, inplace=False)
isinf = unary("isinf", TO_BOOL, lambda xp, x: xp.isinf(x), inplace=False)
isfinite = unary("isfinite", TO_BOOL, lambda xp, x: xp.isfinite(x), inplace=False)
isposinf = unary("isposinf", TO_BOOL, lambda xp, x: x == xp.inf, inplace=False)
isneginf = unary("isneginf", TO_BOOL, lambda xp, x: x == -xp.inf, inplace=False)
isreal = unary("isreal", TO_BOOL, lambda xp, x: xp.imag(x) == 0, inplace=False)


def _no_plus(d: dtype) -> tuple[dtype, dtype]:
    if d is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return d, d


positive = unary("positive", _no_plus, lambda xp, x: +x, grad=lambda g, y, _x: g, inplace=False)


method("__pos__", positive)


@pointwise(only(SAME, "round_vml_cpu", dtypes.bool_, COMPLEX), grad=lambda g, y, _x, decimals: g * 0, name="round")
def _round(xp: Any, x: Any, decimals: int = 0) -> Any:
    """x to the nearest integer (halves to even), or to `decimals` digits after the point."""
    if x.dtype.kind in "iub":
        return x
    if decimals == 0:
        return xp.rint(x)
    scale = x.dtype.type(10.0 ** builtins.abs(decimals))
    return xp.rint(x * scale) / scale if decimals > 0 else xp.rint(x / scale) * scale


# ------------------------------------------------------------------------------------------- elementary functions
# fmt: off
exp = unary("exp", FLOATING, lambda xp, x: xp.exp(x), cost=8, grad=lambda g, y, _x: g * conj(y))
exp2 = unary("exp2", FLOATING, lambda xp, x: xp.exp2(x), cost=8, grad=lambda g, y, _x: g * conj(y) * math.log(2))
expm1 = unary("expm1", FLOATING, lambda xp, x: xp.expm1(x), cost=8, grad=lambda g, y, _x: g * (conj(y) + 1))
log = unary("log", FLOATING, lambda xp, x: xp.log(x), cost=8, grad=lambda g, y, x: g / conj(x))
log2 = unary("log2", FLOATING, lambda xp, x: xp.log2(x), cost=8, grad=lambda g, y, x: g / (conj(x) * math.log(2)))
log10 = unary("log10", FLOATING, lambda xp, x: xp.log10(x), cost=8, grad=lambda g, y, x: g / (conj(x) * math.log(10)))
log1p = unary("log1p", FLOATING, lambda xp, x: xp.log1p(x), cost=8, grad=lambda g, y, x: g / (conj(x) + 1))
sqrt = unary("sqrt", FLOATING, lambda xp, x: xp.sqrt(x), grad=lambda g, y, _x: g / (conj(y) * 2))
rsqrt = unary("rsqrt", FLOATING, lambda xp, x: 1 / xp.sqrt(x), grad=lambda g, y, _x: g * conj(y * y * y) * -0.5)
square = unary("square", lambda d: (dtypes.int64,) * 2 if d is dtypes.bool_ else (d, d), lambda xp, x: xp.square(x) if x.dtype.kind != "b" else x, grad=lambda g, y, x: g * conj(x * 2), grad_name="PowBackward0")
reciprocal = unary("reciprocal", FLOATING, lambda xp, x: 1 / x, grad=lambda g, y, _x: -g * conj(y * y))
sin = unary("sin", FLOATING, lambda xp, x: xp.sin(x), cost=8, grad=lambda g, y, x: g * conj(x.cos()))
cos = unary("cos", FLOATING, lambda xp, x: xp.cos(x), cost=8, grad=lambda g, y, x: -g * conj(x.sin()))
tan = unary("tan", FLOATING, lambda xp, x: xp.tan(x), cost=8, grad=lambda g, y, _x: g * conj(1 + y * y))
asin = unary("asin", FLOATING, lambda xp, x: xp.arcsin(x), grad=lambda g, y, x: g * conj((1 - x * x).rsqrt()), aliases=("arcsin",))
acos = unary("acos", FLOATING, lambda xp, x: xp.arccos(x), grad=lambda g, y, x: -g * conj((1 - x * x).rsqrt()), aliases=("arccos",))
atan = unary("atan", FLOATING, lambda xp, x: xp.arctan(x), grad=lambda g, y, x: g / conj(x * x + 1), aliases=("arctan",))
sinh = unary("sinh", FLOATING, lambda xp, x: xp.sinh(x), cost=8, grad=lambda g, y, x: g * conj(x.cosh()))
cosh = unary("cosh", FLOATING, lambda xp, x: xp.cosh(x), cost=8, grad=lambda g, y, x: g * conj(x.sinh()))
tanh = unary("tanh", FLOATING, lambda xp, x: xp.tanh(x), cost=8, grad=lambda g, y, _x: g * conj(1 - y * y))
asinh = unary("asinh", FLOATING, lambda xp, x: xp.arcsinh(x), grad=lambda g, y, x: g * conj((x * x + 1).rsqrt()), aliases=("arcsinh",))
def _acosh_slope(x: Tensor) -> Tensor:
    """1 / sqrt(x^2 - 1), which for real numbers is also asked for where acosh is nan."""
    return conj((x - 1).rsqrt() * (x + 1).rsqrt()) if x.dtype.is_complex else (x * x - 1).rsqrt()


acosh = unary("acosh", FLOATING, lambda xp, x: xp.arccosh(x), grad=lambda g, y, x: g * _acosh_slope(x), aliases=("arccosh",))
atanh = unary("atanh", FLOATING, lambda xp, x: xp.arctanh(x), grad=lambda g, y, x: g / conj(1 - x * x), aliases=("arctanh",))
sigmoid = unary("sigmoid", FLOATING, lambda xp, x: xp.sigmoid(x), cost=8, grad=lambda g, y, _x: g * conj(y * (1 - y)), )
deg2rad = unary("deg2rad", FLOATING, lambda xp, x: x * (math.pi / 180), grad=lambda g, y, _x: g * (math.pi / 180))
rad2deg = unary("rad2deg", FLOATING, lambda xp, x: x * (180 / math.pi), grad=lambda g, y, _x: g * (180 / math.pi))
angle = unary("angle", lambda d: FLOATING(d)[:1] + (FLOATING(d)[0].to_real(),), lambda xp, x: xp.where(x < 0, x.dtype.type(math.pi), xp.where(x == x, x.dtype.type(0), x)) if x.dtype.kind == "f" else xp.angle(x),
              grad=lambda g, y, x: _angle_grad(g, x), inplace=False)
erf = unary("erf", only(FLOATING, "erf_vml_cpu", COMPLEX), lambda xp, x: xp.erf(x), cost=8, grad=lambda g, y, x: g * (2 / math.sqrt(math.pi)) * (-x * x).exp())
erfc = unary("erfc", only(FLOATING, "erfc_vml_cpu", COMPLEX), lambda xp, x: xp.erfc(x), cost=8, grad=lambda g, y, x: g * (-2 / math.sqrt(math.pi)) * (-x * x).exp())
erfinv = unary("erfinv", only(FLOATING, "erfinv_vml_cpu", COMPLEX), lambda xp, x: xp.erfinv(x), grad=lambda g, y, _x: g * (math.sqrt(math.pi) / 2) * (y * y).exp())
lgamma = unary("lgamma", only(FLOATING, "lgamma_vml_cpu", COMPLEX), lambda xp, x: xp.lgamma(x), grad=lambda g, y, x: g * x.digamma())
digamma = unary("digamma", only(FLOATING, "digamma", COMPLEX), lambda xp, x: xp.digamma(x), grad=lambda g, y, x: g * polygamma(1, x))
i0 = unary("i0", only(FLOATING, "i0_vml_cpu", COMPLEX), lambda xp, x: xp.i0(x), grad=lambda g, y, x: g * _i1(x))
sinc = unary("sinc", FLOATING, lambda xp, x: xp.sinc(x), grad=lambda g, y, x: g * (((x * math.pi).cos() - y) / x).masked_fill(x == 0, 0))
# fmt: on


def _i1(x: Tensor) -> Tensor:
    from .special import SPECIAL  # it stands above this file

    return SPECIAL["i1"](x)


def _angle_grad(g: Tensor, x: Tensor) -> Tensor:
    if not x.dtype.is_complex:
        return g * 0
    return g * (x * 1j / (x.abs() ** 2)).masked_fill(x == 0, 0)


@pointwise(FLOATING, tensor=False, torch=False, inplace=False, name="polygamma", grad=lambda g, y, x, n: g * polygamma(n + 1, x))
def _polygamma(xp: Any, x: Any, n: int = 0) -> Any:
    """The n-th derivative of digamma."""
    return xp.polygamma(n, x)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of the digamma function."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    result = digamma(input) if n == 0 else _polygamma(input, n)
    return result if out is None else write_out(result, out, "polygamma")


public(polygamma)
method("polygamma", lambda self, n: polygamma(n, self))


@pointwise(FLOATING, grad=lambda g, y, x, eps: _logit_grad(g, x, eps))
def logit(xp: Any, x: Any, eps: Any = None) -> Any:
    """log(x / (1 - x)), x clamped to [eps, 1 - eps] first where eps is given."""
    if eps is not None:
        x = xp.clip(x, x.dtype.type(eps), x.dtype.type(1 - eps))
    return xp.log(x / (1 - x))


def _logit_grad(g: Tensor, x: Tensor, eps: Any) -> Tensor:
    d = g / (x * (1 - x))
    if eps is None:
        return d.masked_fill((x < 0) | (x > 1), float("nan"))
    return d.masked_fill((x < eps) | (x > 1 - eps), 0)


@pointwise(FLOATING, grad=lambda g, y, x, p: g * sum_of_shifted_digammas(x, p))
def mvlgamma(xp: Any, x: Any, p: int = 1) -> Any:
    """The multivariate log-gamma function of dimension p."""
    total = p * (p - 1) / 4 * math.log(math.pi)
    for i in range(p):
        total = total + xp.lgamma(x - i / 2)
    return total


def sum_of_shifted_digammas(x: Tensor, p: int) -> Tensor:
    total = x.digamma()
    for i in range(1, p):
        total = total + (x - i / 2).digamma()
    return total


# --------------------------------------------------------------------------------------------------------- two arguments
def _winner(name: str, body: Any, first: Any, aliases: tuple = ()) -> Any:
    """max or min of two: the gradient goes to the winner, in halves where they are equal."""
    return binary(name, only(SAME, f"{name}_cpu", COMPLEX, "wide", words=f"{name} not implemented for complex tensors."), body, inplace=False, aliases=aliases, numbers="none", grad=(
        lambda g, y, a, b: _split_tie(g, a, b, first), lambda g, y, a, b: _split_tie(g, b, a, first)))  # fmt: skip


def _split_tie(g: Tensor, a: Tensor, b: Any, first: Any) -> Tensor:
    half = (g / 2).masked_fill(a != b, 0)
    return g.masked_fill(~first(a, b), 0) + half


def complex_logaddexp(xp: Any, a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b)), the one with the larger real part taken out."""
    swap = a.real < b.real
    top, low = xp.where(swap, b, a), xp.where(swap, a, b)
    return xp.where((top.real == low.real) & xp.isinf(top.real), top, top + xp.log1p(xp.exp(low - top)))


maximum = _winner("maximum", lambda xp, a, b: xp.maximum(a, b), lambda a, b: a > b)
minimum = _winner("minimum", lambda xp, a, b: xp.minimum(a, b), lambda a, b: a < b)
_fgrads = lambda better: (
    lambda g, y, a, b: g.masked_fill(~(better(a, b) | (b != b)), 0), lambda g, y, a, b: g.masked_fill(better(a, b) | (b != b), 0)
)  # fmt: skip
fmax = binary("fmax", only(SAME, "maximum_cpu", COMPLEX, "wide", words="fmax not implemented for complex tensors."), lambda xp, a, b: xp.fmax(a, b), inplace=False, grad=_fgrads(lambda a, b: a >= b), numbers="none")
fmin = binary("fmin", only(SAME, "minimum_cpu", COMPLEX, "wide", words="fmin not implemented for complex tensors."), lambda xp, a, b: xp.fmin(a, b), inplace=False, grad=_fgrads(lambda a, b: a <= b), numbers="none")
atan2 = binary("atan2", only(FLOATING, "atan2_cpu", COMPLEX), lambda xp, a, b: xp.arctan2(a, b), aliases=("arctan2",), grad=(
    lambda g, y, a, b: g * (b / (a * a + b * b)), lambda g, y, a, b: g * (-a / (a * a + b * b))), numbers="none")  # fmt: skip
hypot = binary("hypot", only(SAME, "hypot_cpu", dtypes.bool_, INT, COMPLEX), lambda xp, a, b: xp.hypot(a, b), grad=(lambda g, y, a, b: g * (a / y), lambda g, y, a, b: g * (b / y)), numbers="none")
logaddexp = binary("logaddexp", only(SAME, "logaddexp_cpu", dtypes.bool_, INT), lambda xp, a, b: xp.logaddexp(a, b) if a.dtype.kind == "f" else complex_logaddexp(xp, a, b), inplace=False, cost=16, grad=(
    lambda g, y, a, b: g * conj((a - y).exp()), lambda g, y, a, b: g * conj((b - y).exp())), numbers="none")  # fmt: skip
logaddexp2 = binary("logaddexp2", only(SAME, "logaddexp2_cpu", dtypes.bool_, INT, COMPLEX), lambda xp, a, b: xp.logaddexp2(a, b), inplace=False, grad=(
    lambda g, y, a, b: g * (a - y).exp2(), lambda g, y, a, b: g * (b - y).exp2()), numbers="none")  # fmt: skip
copysign = binary("copysign", only(FLOATING, "copysign_cpu", COMPLEX), lambda xp, a, b: xp.copysign(a, b), grad=(
    lambda g, y, a, b: g * (y / a).masked_fill(a == 0, 0), lambda g, y, _a, _b: g * 0), grad_name=_numbered("Copysign", 1, 0))  # fmt: skip
nextafter = binary("nextafter", only(SAME, "nextafter_cpu", dtypes.bool_, INT, COMPLEX), lambda xp, a, b: xp.nextafter(a, b), numbers="none", grad=(
    lambda g, y, _a, _b: g, lambda g, y, _a, _b: g * 0))  # fmt: skip
heaviside = binary("heaviside", only(SAME, "heaviside_cpu", COMPLEX, "wide", words="heaviside is not yet implemented for complex tensors."), lambda xp, a, b: xp.heaviside(a, b).astype(xp.asarray(a).dtype), numbers="none")
gcd = binary("gcd", only(SAME, "gcd_cpu", dtypes.bool_, FLOAT, COMPLEX, "wide"), lambda xp, a, b: xp.gcd(a, b), numbers="none")
lcm = binary("lcm", only(SAME, "lcm_cpu", dtypes.bool_, FLOAT, COMPLEX, "wide"), lambda xp, a, b: xp.lcm(a, b), numbers="none")
ldexp = binary("ldexp", FLOATING, lambda xp, a, b: a * xp.exp2(b), grad=(
    lambda g, y, a, b: g * (b * 0.0 + 2.0) ** b, lambda g, y, a, b: g * y * math.log(2)), numbers="none")  # fmt: skip
float_power_op = binary("float_power_op", lambda d: (_double(d), _double(d)), lambda xp, a, b: xp.power(a, b), torch=False, tensor=False, grad=(
    lambda g, y, a, b: _pow_grad_base(g, a, b), lambda g, y, a, b: _pow_grad_exponent(g, y, a, b)), numbers="either", grad_name=_numbered("Pow"))  # fmt: skip
xlogy = binary("xlogy", only(FLOATING, "xlogy_cpu", COMPLEX), lambda xp, a, b: xp.where((a == 0) & (b == b), xp.zeros_like(xp.asarray(a)), a * xp.log(b)), grad=(
    lambda g, y, a, b: g * _log(b).masked_fill((a == 0) & (b <= 0), 0), lambda g, y, a, b: g * a / b), numbers="either", grad_name=_numbered("Xlogy", 2, 0, 1))  # fmt: skip


def _double(d: dtype) -> dtype:
    return dtypes.complex128 if d.is_complex else dtypes.float64


def _log(x: Any) -> Any:
    return x.log() if isinstance(x, Tensor) else full((), x).log()


@composite()
def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """input to the power of exponent in float64 (complex128 where either is complex)."""
    result = float_power_op(input, exponent)
    return result if out is None else write_out(result, out, "float_power")


method("float_power_", lambda self, exponent: assign(self, float_power(self, exponent)))


@composite()
def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha input."""
    return rename_node(_rsub(input if alpha == 1 else input * alpha, other), f"RsubBackward{int(not isinstance(other, Tensor))}")


def _parts(name: str, body: Any, grads: Any) -> Any:
    """An operator that makes complex numbers out of two real tensors of one dtype."""
    kernel = binary(name, lambda d: (d, d.to_complex()), body, torch=False, tensor=False, numbers="none", grad=grads)

    def function(first: Tensor, second: Tensor, out: Tensor | None) -> Tensor:
        names = [dtypes.scalar_name(t.dtype) for t in (first, second)]
        if any(n not in ("Half", "Float", "Double") for n in names):
            raise RuntimeError(f"Expected both inputs to be Half, Float or Double tensors but got {names[0]} and {names[1]}")
        if first.dtype is not second.dtype:
            raise RuntimeError(
                f"Expected object of scalar type {names[0]} but got scalar type {names[1]} for second argument"
            )
        result = kernel(first, second)
        if out is not None and out.dtype is not result.dtype:
            raise RuntimeError(
                f"Expected object of scalar type {dtypes.scalar_name(result.dtype)} but got scalar type "
                f"{dtypes.scalar_name(out.dtype)} for argument 'out'"
            )
        return result if out is None else write_out(result, out, name)

    return function


def _joined(xp: Any, real: Any, imag: Any) -> Any:
    real, imag = xp.broadcast_arrays(real, imag)
    found = xp.empty(real.shape, xp.result_type(real.dtype, "complex64"))
    found.real, found.imag = real, imag
    return found


_complex = _parts("complex", _joined, (lambda g, y, _a, _b: g.real, lambda g, y, _a, _b: g.imag))
_polar = _parts("polar", lambda xp, a, b: _joined(xp, a * xp.cos(b), a * xp.sin(b)), (
    lambda g, y, a, b: g.real * b.cos() + g.imag * b.sin(), lambda g, y, a, b: a * (g.imag * b.cos() - g.real * b.sin())))  # fmt: skip


@composite("torch")
def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """real + imag j."""
    return _complex(real, imag, out)


@composite("torch")
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """abs (cos angle + j sin angle)."""
    return _polar(abs, angle, out)


# --------------------------------------------------------------------------------------------------------- limits and mixes
def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """x limited to [min, max]; either may be a number, a tensor, or None."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        result = input if min is None else _clamp_min(input, min)
        result = rename_node(result if max is None else _clamp_max(result, max), "ClampBackward0")
    elif builtins.any(v is not None and type(number(v)) not in NUMBERS for v in (min, max)):
        got = ", ".join(f"{n}={type(v).__name__}" for n, v in (("min", min), ("max", max)) if v is not None)
        raise TypeError(
            f"clamp() received an invalid combination of arguments - got ({got}, ), but "
            "expected one of:\n * (Tensor input, Tensor min = None, Tensor max = None, *, Tensor out = None)\n"
            " * (Tensor input, Number min = None, Number max = None, *, Tensor out = None)\n"
        )
    elif max is None:
        result = rename_node(_clamp_min(input, number(min)), "ClampBackward1")
    elif min is None:
        result = rename_node(_clamp_max(input, number(max)), "ClampBackward1")
    else:
        result = _clamp(input, number(min), number(max))
    return result if out is None else write_out(result, out, "clamp")


_clamp = pointwise(SAME, name="clamp", torch=False, tensor=False, grad_name="ClampBackward1", grad=(
    lambda g, y, x, low, high: g.masked_fill(~((x >= low) & (x <= high)), 0),
    lambda g, y, *r: None, lambda g, y, *r: None))(lambda xp, x, low, high: xp.minimum(xp.maximum(x, low), high))  # fmt: skip
_clamp_min = binary("clamp_min", only(SAME, "maximum_cpu", COMPLEX, "wide"), lambda xp, a, b: xp.maximum(a, b), grad=(
    lambda g, y, a, b: g.masked_fill(~(a >= b), 0), lambda g, y, a, b: g.masked_fill(~(a < b), 0)), grad_name=_numbered("ClampMin"))  # fmt: skip
_clamp_max = binary("clamp_max", only(SAME, "minimum_cpu", COMPLEX, "wide"), lambda xp, a, b: xp.minimum(a, b), grad=(
    lambda g, y, a, b: g.masked_fill(~(a <= b), 0), lambda g, y, a, b: g.masked_fill(~(a > b), 0)), grad_name=_numbered("ClampMax"))  # fmt: skip


def _clamp_inplace(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    return assign(self, same_size(self, clamp(self, min, max)))


for _n in ("clamp", "clip"):
    public(clamp, _n)
    method(_n, clamp)
    method(_n + "_", _clamp_inplace)
    public(_clamp_inplace, _n + "_")

_lerp = pointwise(SAME, name="lerp", torch=False, tensor=False, grad_name=lambda a, b, w: f"LerpBackward{int(isinstance(w, Tensor))}", grad=(
    lambda g, y, a, b, w: g * conj(1 - w), lambda g, y, a, b, w: g * conj(w), lambda g, y, a, b, w: g * conj(b - a)))(
    lambda xp, a, b, w: xp.where(xp.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w)))  # fmt: skip


@composite()
def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    """input + weight (end - input)."""
    if end.dtype is not input.dtype:
        raise RuntimeError(f"expected dtype {_word(input)} for `end` but got dtype {_word(end)}")
    result = _lerp(input, end, weight)
    return result if out is None else write_out(result, out, "lerp")


def _word(x: Tensor) -> str:
    from .products import _cpp

    return _cpp(x.dtype)


def _three(name: str, body: Any, grads: Any) -> Any:
    kernel = pointwise(SAME, name=name, torch=False, tensor=False, grad=grads)(body)

    def function(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1, out: Tensor | None = None) -> Tensor:
        if name == "addcdiv" and isinstance(tensor1, Tensor) and tensor1.dtype.kind <= INT and tensor2.dtype.kind <= INT:
            raise RuntimeError(
                "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true "
                "division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * "
                "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) "
                "for float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / "
                "tensor2), for all dtypes."
            )
        result = kernel(input, tensor1, tensor2, number(value))
        return result if out is None else write_out(result, out, name)

    def inplace(self: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        return assign(self, same_size(self, function(self, tensor1, tensor2, value=value)))

    function.__name__, inplace.__name__ = name, name + "_"
    public(function)
    method(name, function)
    method(name + "_", inplace)
    return function


addcmul = _three("addcmul", lambda xp, x, a, b, v: x + v * a * b, (
    lambda g, y, x, a, b, v: g, lambda g, y, x, a, b, v: g * conj(b * v), lambda g, y, x, a, b, v: g * conj(a * v), None))  # fmt: skip
addcdiv = _three("addcdiv", lambda xp, x, a, b, v: x + v * (a / b), (
    lambda g, y, x, a, b, v: g, lambda g, y, x, a, b, v: g * conj(v / b), lambda g, y, x, a, b, v: -g * conj(v * a / (b * b)), None))  # fmt: skip


@pointwise(SAME, grad=lambda g, y, x, nan, posinf, neginf: g * isfinite(x))
def nan_to_num(xp: Any, x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with nan and infinities replaced (by 0 and the largest and smallest numbers unless said)."""
    if x.dtype.kind in "iub":
        return x
    return xp.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


@composite()
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether |input - other| <= atol + rtol |other|, elementwise."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{dtypes.scalar_name(input.dtype)} did not match {dtypes.scalar_name(other.dtype)}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    close = input == other
    if equal_nan and input.dtype.kind >= FLOAT:
        close = close | ((input != input) & (other != other))
    if rtol == 0 and atol == 0 or input.dtype is dtypes.bool_:
        return close
    wide = other if other.dtype.kind >= FLOAT else other.to(dtypes.get_default_dtype())
    error = (input - wide).abs()
    return close | (isfinite(error) & (error <= atol + (rtol * wide).abs()))


@composite()
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether |input - other| <= atol + rtol |other| everywhere."""
    return builtins.bool(isclose(input, other, rtol, atol, equal_nan)._array().all())


@composite()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same size and the same elements."""
    return input.shape == other.shape and builtins.bool((input == other)._array().all())
