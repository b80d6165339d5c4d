"""Special functions, their derivatives, and the names that `torch.special` gives to them and to older functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ..core.dtype import finfo
from . import activation, network, pointwise, reduction  # noqa: F401  softmax is public by then
from .checks import with_out
from .declare import FLOATING, binary, unary
from .masking import where
from .record import PUBLIC

SPECIAL: dict[str, Callable] = {}  # the `torch.special` namespace
_ROOT_PI = math.sqrt(math.pi)


def _camel(name: str) -> str:
    return "Special" + "".join(part.capitalize() for part in name.split("_")) + "Backward0"


def one(name: str, grad: Callable | None = None, body: Callable | None = None, **extra: Any) -> Callable:
    """Declare torch.special.name of one tensor; its kernel is the function of runtime/special.py unless `body` is
    given.
    """
    kernel = body or (lambda xp, x: getattr(xp, name)(x))
    function = unary(
        "special_" + name, FLOATING, kernel, grad=grad, torch=False, tensor=False, inplace=False,
        grad_name=extra.pop("grad_name", _camel(name)), **extra,
    )  # fmt: skip
    SPECIAL[name] = function
    return function


def two(name: str, grad: Any = None, body: Callable | None = None, **extra: Any) -> Callable:
    """Declare torch.special.name of two tensors, or a tensor and a number."""
    kernel = body or (lambda xp, a, b: getattr(xp, name)(a, b))
    function = binary(
        "special_" + name, FLOATING, kernel, grad=grad, torch=False, tensor=False, inplace=False,
        numbers=extra.pop("numbers", "either"), grad_name=extra.pop("grad_name", _camel(name)), **extra,
    )  # fmt: skip
    SPECIAL[name] = function
    return function


# --------------------------------------------------------------------------------------------------------- one argument
def _entr(xp: Any, x: Any) -> Any:
    return xp.where(
        x > 0, -x * xp.log(xp.where(x > 0, x, 1)), xp.where(x == 0, x.dtype.type(0), xp.where(x < 0, -xp.inf, x))
    )


def _half_near_zero(slope: Tensor, x: Tensor) -> Tensor:
    """The slope of i1 or i1e; its formula divides by x, and the limit is a half."""
    return where(x.abs() > finfo(x.dtype).eps, slope, 0.5)


one("entr", lambda g, y, x: g * where(x > 0, -x.log() - 1, where(x == 0, math.inf, math.nan)), _entr)
one("erfcx", lambda g, y, x: g * (2 * x * y - 2 / _ROOT_PI))
one("i0e", lambda g, y, x: g * (SPECIAL["i1e"](x) - x.sgn() * y), grad_name="SpecialI0EBackward0")
one("i1", lambda g, y, x: g * _half_near_zero(pointwise.i0(x) - y / x, x))
one(
    "i1e",
    lambda g, y, x: g * _half_near_zero(SPECIAL["i0e"](x) - y * (x.sgn() + 1 / x), x),
    grad_name="SpecialI1EBackward0",
)
one("log_ndtr", lambda g, y, x: g * (-(y + x * x * 0.5)).exp() / math.sqrt(2 * math.pi))
one("ndtri", lambda g, y, _x: g * (y * y / 2).exp() * math.sqrt(2 * math.pi))
one("ndtr", lambda g, y, x: g * (x * x * -0.5).exp() / math.sqrt(2 * math.pi), grad_name="MulBackward1")
for _name in (
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0", "modified_bessel_i1",
    "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
    "spherical_bessel_j0",
):  # fmt: skip
    one(_name, body=lambda xp, x, _name=_name: getattr(xp, _name)(x))


# -------------------------------------------------------------------------------------------------------- two arguments
def _underived(name: str) -> Callable:
    def refuse(g: Tensor, y: Tensor, a: Any, b: Any) -> Tensor:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return refuse


def _xlog1py(xp: Any, a: Any, b: Any) -> Any:
    a = xp.asarray(a)
    return xp.where((a == 0) & (b == b), xp.zeros_like(a), a * xp.log1p(b))


def _log1p(x: Any) -> Any:
    return x.log1p() if isinstance(x, Tensor) else math.log1p(x) if x > -1 else (-math.inf if x == -1 else math.nan)


def _density(a: Any, x: Tensor) -> Tensor:
    """The derivative of gammainc by x: x^(a - 1) exp(-x) / gamma(a)."""
    log_gamma = a.lgamma() if isinstance(a, Tensor) else math.lgamma(a)
    return ((a - 1) * x.log() - x - log_gamma).exp()


two("xlog1py", (
    lambda g, y, a, b: g * _without_zero(_log1p(b), a, b), lambda g, y, a, b: g * a / (b + 1)), _xlog1py,
    grad_name="SpecialXlog1PyBackward0")  # fmt: skip


def _without_zero(value: Any, a: Tensor, b: Any) -> Any:
    """`value`, but zero where a is zero and the logarithm of 1 + b is not finite."""
    if not isinstance(b, Tensor):
        return value if b > -1 else where(a == 0, 0.0, a * 0 + value)
    return value.masked_fill((a == 0) & (b <= -1), 0)


two("zeta", (_underived("zeta"), lambda g, y, a, b: g * -a * SPECIAL["zeta"](a + 1, b)))
SPECIAL["gammainc"] = binary(
    "igamma", FLOATING, lambda xp, a, x: xp.gammainc(a, x), numbers="none",
    grad=(_underived("igamma: input"), lambda g, y, a, b: g * _density(a, b)),
)  # fmt: skip
SPECIAL["gammaincc"] = binary(
    "igammac", FLOATING, lambda xp, a, x: xp.gammaincc(a, x), numbers="none",
    grad=(_underived("igammac: input"), lambda g, y, a, b: -g * _density(a, b)),
)  # fmt: skip
for _name in (
    *(f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"),
    "hermite_polynomial_h",
    "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
):  # fmt: skip
    two(_name, body=lambda xp, x, n, _name=_name: getattr(xp, _name)(x, n))


# ---------------------------------------------------------------------------------------------------------- other names
def _softmax(name: str, kernel: Callable) -> Callable:
    def function(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        return kernel(input, dim, dtype=dtype)

    function.__name__, function.__doc__ = name, kernel.__doc__
    return function


def multigammaln(input: Tensor, p: int) -> Tensor:
    """The multivariate log-gamma function of dimension p."""
    return pointwise.mvlgamma(input, p)


SPECIAL |= {
    name: getattr(pointwise, name)
    for name in "digamma erf erfc erfinv exp2 expm1 i0 log1p logit polygamma sinc xlogy".split()
}  # fmt: skip
SPECIAL |= {
    "expit": pointwise.sigmoid, "gammaln": pointwise.lgamma, "psi": pointwise.digamma, "round": PUBLIC["round"],
    "logsumexp": reduction.logsumexp, "multigammaln": with_out("multigammaln", multigammaln),
    "log_softmax": _softmax("log_softmax", PUBLIC["log_softmax"]), "softmax": _softmax("softmax", PUBLIC["softmax"]),
}  # fmt: skip
