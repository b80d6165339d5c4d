"""Arithmetic, comparisons, bits, and elementary functions. `g`: incoming gradient, `y`: the result, then the inputs."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import FLOAT, INT, dtype
from .declare import (
    FLOATING, SAME, TO_BOOL, binary, dunder, pointwise, same_size, unary,
)  # fmt: skip
from .creation import full
from .record import NUMBERS, apply, assign, composite, method, number, public, write_out


def conj(x: Any) -> Any:
    """The conjugate of a tensor or number; real ones are returned as they are."""
    if isinstance(x, Tensor):
        return x.conj() if x.dtype.is_complex else x  # type: ignore[attr-defined]
    return x.conjugate() if type(x) is complex else x


# ------------------------------------------------------------------------------------------------------------ arithmetic
_add = binary("add", SAME, lambda xp, a, b: xp.add(a, b), grad=(lambda g, y, a, b: g, lambda g, y, a, b: g), torch=False, tensor=False)
_sub = binary("sub", SAME, lambda xp, a, b: a - b, grad=(lambda g, y, a, b: g, lambda g, y, a, b: -g), torch=False, tensor=False)
mul = binary(
    "mul", SAME, lambda xp, a, b: a * b, grad=(lambda g, y, a, b: g * conj(b), lambda g, y, a, b: g * conj(a)), aliases=("multiply",)
)
_div = binary(
    "div", FLOATING, lambda xp, a, b: xp.true_divide(a, b), torch=False, tensor=False,
    grad=(lambda g, y, a, b: g / conj(b), lambda g, y, a, b: -g * conj((a / b) / b)),
)  # fmt: skip


def _with_alpha(base: Any, name: str) -> Any:
    def function(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
        if name == "sub" and dtypes.bool_ in (getattr(input, "dtype", None), getattr(other, "dtype", None)):
            raise RuntimeError(_BOOL_SUB[isinstance(other, Tensor) and isinstance(input, Tensor) and input.dtype is other.dtype])
        if alpha != 1:
            other = other * alpha
        return base(input, other, out=out)

    def inplace(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
        return assign(self, same_size(self, function(self, other, alpha=alpha)))

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


floor_divide = binary("floor_divide", SAME, lambda xp, a, b: xp.floor_quotient(a, b))
_trunc_divide = binary("trunc_divide", SAME, lambda xp, a, b: xp.trunc_quotient(a, b), torch=False, tensor=False)
_ROUNDINGS = {"floor": floor_divide, "trunc": _trunc_divide}
div = _rounded(_div)


def _div_inplace(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    return assign(self, same_size(self, div(self, other, rounding_mode=rounding_mode)))


for _n in ("div", "divide", "true_divide"):
    public(div, _n)
    method(_n, div)
    method(_n + "_", _div_inplace)

_pow = binary(
    "pow", SAME, lambda xp, a, b: xp.power_as_c(a, b), torch=False, tensor=False,
    grad=(lambda g, y, a, b: _pow_grad_base(g, a, b), lambda g, y, a, b: _pow_grad_exponent(g, y, a, b)),
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
    return _pow(input, exponent, out=out)


def _pow_inplace(self: Tensor, exponent: Any) -> Tensor:
    return assign(self, same_size(self, pow(self, exponent)))


public(pow)
method("pow", pow)
method("pow_", _pow_inplace)

remainder = binary("remainder", SAME, lambda xp, a, b: xp.remainder_as_c(a, b), grad=(lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_ratio(a, b)))
fmod = binary("fmod", SAME, lambda xp, a, b: xp.fmod(a, b), grad=(lambda g, y, a, b: g, lambda g, y, a, b: -g * div(a, b, rounding_mode="trunc")))


def floor_ratio(a: Any, b: Any) -> Any:
    return div(a, b, rounding_mode="floor")


# ----------------------------------------------------------------------------------------------------------- comparisons
def _compare(name: str, body: Any, aliases: tuple = ()) -> Any:
    return binary(name, TO_BOOL, body, aliases=aliases)


eq = _compare("eq", lambda xp, a, b: a == b)
ne = _compare("ne", lambda xp, a, b: a != b, ("not_equal",))
lt = _compare("lt", lambda xp, a, b: a < b, ("less",))
le = _compare("le", lambda xp, a, b: a <= b, ("less_equal",))
gt = _compare("gt", lambda xp, a, b: a > b, ("greater",))
ge = _compare("ge", lambda xp, a, b: a >= b, ("greater_equal",))

# ------------------------------------------------------------------------------------------------------ unary functions
neg = unary("neg", SAME, lambda xp, x: -x, grad=lambda g, y, _x: -g, aliases=("negative",))
exp = unary("exp", FLOATING, lambda xp, x: xp.exp(x), grad=lambda g, y, _x: g * conj(y))
log = unary("log", FLOATING, lambda xp, x: xp.log(x), grad=lambda g, y, x: g / conj(x))
sqrt = unary("sqrt", FLOATING, lambda xp, x: xp.sqrt(x), grad=lambda g, y, _x: g / (conj(y) * 2))
tanh = unary("tanh", FLOATING, lambda xp, x: xp.tanh(x), grad=lambda g, y, _x: g * conj(1 - y * y))
sigmoid = unary("sigmoid", FLOATING, lambda xp, x: xp.sigmoid(x), grad=lambda g, y, _x: g * conj(y * (1 - y)))

# -------------------------------------------------------------------------------------------------- selection by a mask
where_op = None


def _where_kind(d: dtype) -> tuple[dtype, dtype]:
    return d, d


for _op, _names in {
    "add": ("__add__", "__radd__"), "sub": ("__sub__", "__rsub__"), "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__", "__rtruediv__"), "pow": ("__pow__", "__rpow__"),
}.items():  # fmt: skip
    from .record import REGISTRY

    method(_names[0], dunder(REGISTRY[_op]))
    method(_names[1], dunder(REGISTRY[_op], reverse=True))
for _op, _name in {"eq": "__eq__", "ne": "__ne__", "lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__"}.items():
    method(_name, dunder(REGISTRY[_op]))
method("__neg__", neg)
for _op in ("add", "sub", "mul", "div", "pow"):
    _name = "truediv" if _op == "div" else _op
    method(f"__i{_name}__", getattr(Tensor, _op + "_"))

assert FLOAT and NUMBERS and apply and composite and pointwise and write_out
