"""Functions over lists of tensors (`torch._foreach_add_` and its like): the same operator on each, recorded together.

Kenaz fuses what is recorded, so these need nothing of their own; they are here for the programs that call them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._tensor import Tensor
from .record import PUBLIC, public

# fmt: off
UNARY = (
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac", "lgamma", "log", "log10",
    "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)
BINARY = {"add": "add", "sub": "sub", "mul": "mul", "div": "div", "pow": "pow", "maximum": "clamp_min", "minimum": "clamp_max",
          "clamp_min": "clamp_min", "clamp_max": "clamp_max"}
# fmt: on


def _check(tensors: Any, *others: Any) -> None:
    """Refuse empty lists and lists of different lengths."""
    if not len(tensors):
        raise RuntimeError("Tensor list must have at least one tensor.")
    for other in others:
        if isinstance(other, (list, tuple)) and len(other) != len(tensors):
            if len(other) and isinstance(other[0], Tensor):
                raise RuntimeError(
                    f"Tensor lists must have the same number of tensors, got {len(tensors)} and {len(other)}"
                )
            raise RuntimeError(
                f"Tensor list must have same number of elements as scalar list, got {len(tensors)} and {len(other)}"
            )


def _each(value: Any, n: int) -> Sequence:
    """A value for each tensor: a list's elements, or the same for all."""
    return value if isinstance(value, (list, tuple)) else [value] * n


def _enter(name: str, function: Callable, inplace: bool) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name.removeprefix('_foreach_')}` of every tensor of a list."
    public(function, name)
    if inplace:

        def in_place(self: Any, *args: Any, **kwargs: Any) -> Any:
            for t, new in zip(self, function(self, *args, **kwargs), strict=True):
                t.copy_(new)
            return self

        in_place.__name__ = in_place.__qualname__ = name + "_"
        public(in_place, name + "_")


def _unary(name: str) -> None:
    one = getattr(Tensor, name)

    def function(self: Any) -> tuple:
        _check(self)
        return tuple([one(t) for t in self])

    _enter(f"_foreach_{name}", function, True)


def _binary(name: str, method: str) -> None:
    one = getattr(Tensor, method)

    def function(self: Any, other: Any, *, alpha: Any = 1) -> tuple:
        if not isinstance(self, (list, tuple)):  # only pow takes a number first
            return tuple([self**t for t in other])
        _check(self, other)
        scaled = _each(other, len(self)) if alpha == 1 else [o * alpha for o in _each(other, len(self))]
        return tuple([one(t, o) for t, o in zip(self, scaled, strict=True)])

    _enter(f"_foreach_{name}", function, True)


def _ternary(name: str) -> None:
    one: Any = PUBLIC[name]

    def function(self: Any, tensors1: Any, tensors2: Any, value: Any = 1) -> tuple:
        _check(self, tensors1, tensors2)
        values = value.tolist() if isinstance(value, Tensor) and value.ndim else value
        rows = zip(self, tensors1, tensors2, _each(values, len(self)), strict=True)
        return tuple([one(t, a, b, value=v) for t, a, b, v in rows])

    _enter(f"_foreach_{name}", function, True)


for _name in UNARY:
    _unary(_name)
for _name, _method in BINARY.items():
    _binary(_name, _method)
for _name in ("addcmul", "addcdiv"):
    _ternary(_name)


def _lerp(self: Any, tensors1: Any, weight: Any) -> tuple:
    _check(self, tensors1, weight)
    return tuple([t.lerp(o, w) for t, o, w in zip(self, tensors1, _each(weight, len(self)), strict=True)])


def _norm(self: Any, ord: Any = 2, dtype: Any = None) -> tuple:
    _check(self)
    return tuple([PUBLIC["norm"](t, ord, dtype=dtype) for t in self])


def _max(self: Any) -> tuple:
    _check(self)
    return tuple([t.max() for t in self])


def _clone(self: Any) -> tuple:
    _check(self)
    return tuple([t.clone() for t in self])


def _zero_(self: Any) -> Any:
    _check(self)
    for t in self:
        t.zero_()
    return self


def _copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    _check(self, src)
    for t, s in zip(self, src, strict=True):
        t.copy_(s)
    return self


_enter("_foreach_lerp", _lerp, True)
_enter("_foreach_norm", _norm, False)
_enter("_foreach_max", _max, False)
_enter("_foreach_clone", _clone, False)
_enter("_foreach_zero_", _zero_, False)
_enter("_foreach_copy_", _copy_, False)
