"""Bodies over `xp` become LLVM IR: the same functions that NumPy runs, called with `Value`s instead of arrays.

A `Value` is one element inside a loop, or a vector of neighbouring elements: the arithmetic is written the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from ..core.dtype import HALF, dtype
from . import jit

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
# dtype name -> (type in registers, type in memory)
TYPES: dict[str, tuple[Any, Any]] = {
    "float32": (F32, F32), "float64": (F64, F64), "int32": (I32, I32), "int64": (I64, I64), "bool": (I1, I8),
    "int8": (I8, I8), "uint8": (I8, I8), "int16": (I16, I16),
    # halves are computed with as float32, and rounded after every operator
    "float16": (F32, ir.HalfType()), "bfloat16": (F32, I16),
}  # fmt: skip
FLAGS = ("contract",)  # a * b + c may be one rounding; nothing else is reordered


class Unsupported(Exception):
    """A body asked for something that has no IR yet; the operator stays interpreted."""


def can_hold(d: dtype) -> bool:
    """Whether elements of a dtype can be computed with."""
    return d.name in TYPES and (d.name != "float16" or jit.converts_halves())


class Value:
    """One element or a vector of them: an LLVM value and its dtype, with Python's arithmetic."""

    __slots__ = ("builder", "dtype", "ir")
    __array_priority__ = 1000  # NumPy scalars in a body leave arithmetic to us

    def __init__(self, builder: ir.IRBuilder, value: Any, kind: Any):
        self.builder, self.ir, self.dtype = builder, value, np.dtype(kind)

    # ------------------------------------------------------------------------------------------------- arithmetic
    def pair(self, other: Any) -> tuple[Value, Value]:
        """Both operands in their common dtype; Python numbers take this one's, as in NumPy."""
        if not isinstance(other, Value):
            if isinstance(other, np.generic):
                return self, self.constant(other.item()) if other.dtype.kind == self.dtype.kind else self._wider(other)
            kind = self.dtype
            if isinstance(other, float) and kind.kind != "f":
                raise Unsupported("a float joins integers")
            if kind.kind == "b" and not isinstance(other, bool):
                kind = np.dtype(np.int64)
            return self.cast(kind), self._of(other, kind)
        kind = np.result_type(self.dtype, other.dtype)
        return self.cast(kind), other.cast(kind)

    def _wider(self, other: Any) -> Value:
        raise Unsupported("a NumPy number of another kind")

    @property
    def lanes(self) -> int:
        """How many elements this is; 0 for a single one that is not a vector."""
        return self.ir.type.count if isinstance(self.ir.type, ir.VectorType) else 0

    def constant(self, number: Any) -> Value:
        """A number in this value's dtype."""
        return self._of(number, self.dtype)

    def _of(self, number: Any, kind: np.dtype) -> Value:
        if kind.kind == "f":
            number = float(number)
        return Value(self.builder, same(register(kind), number, self.lanes), kind)

    def as_int(self, bits: int) -> Any:
        """The type of as many integers of some bits."""
        return wide(ir.IntType(bits), self.lanes)

    def integers(self, number: int, bits: int) -> Any:
        """As many times an integer, as an LLVM value."""
        return same(ir.IntType(bits), number, self.lanes)

    def cast(self, kind: Any) -> Value:
        """The value in another dtype."""
        kind = np.dtype(kind)
        if kind == self.dtype:
            return self
        b, to = self.builder, wide(register(kind), self.lanes)
        if self.dtype.kind == "b":
            value = b.uitofp(self.ir, to) if kind.kind == "f" else b.zext(self.ir, to)
        elif kind.kind == "b":
            zero = self.constant(0).ir
            value = (
                b.fcmp_unordered("!=", self.ir, zero) if self.dtype.kind == "f" else b.icmp_signed("!=", self.ir, zero)
            )
        elif self.dtype.kind == "f" and kind.kind == "f":
            value = b.fpext(self.ir, to) if kind.itemsize > self.dtype.itemsize else b.fptrunc(self.ir, to)
        elif self.dtype.kind == "f" and kind.itemsize < 4:  # what does not fit wraps around, as in C
            value = b.trunc(b.fptosi(self.ir, self.as_int(64)), to)
        elif self.dtype.kind == "f":
            value = b.fptosi(self.ir, to)
        elif kind.kind == "f":
            value = b.uitofp(self.ir, to) if self.dtype.kind == "u" else b.sitofp(self.ir, to)
        elif kind.itemsize == self.dtype.itemsize:
            value = self.ir
        elif kind.itemsize < self.dtype.itemsize:
            value = b.trunc(self.ir, to)
        else:
            value = b.zext(self.ir, to) if self.dtype.kind == "u" else b.sext(self.ir, to)
        return Value(b, value, kind)

    def to(self, d: dtype) -> Value:
        """The value as elements of `d` are in registers: halves are rounded float32s."""
        if d not in HALF:
            return self.cast(d.np)
        x = self.cast(np.float32)
        return Value(x.builder, _widened(x, _narrowed(x, d.name), d.name), np.float32)

    astype = cast

    def _binary(self, other: Any, float_op: str, int_op: str | None, swap: bool = False) -> Value:
        a, b = self.pair(other)
        if swap:
            a, b = b, a
        if a.dtype.kind == "f":
            return Value(self.builder, getattr(self.builder, float_op)(a.ir, b.ir, flags=FLAGS), a.dtype)
        if int_op is None or a.dtype.kind == "b":
            raise Unsupported(f"{float_op} of {a.dtype}")
        return Value(self.builder, getattr(self.builder, int_op)(a.ir, b.ir), a.dtype)

    # fmt: off
    def __add__(self, o: Any) -> Value: return self._binary(o, "fadd", "add")
    def __radd__(self, o: Any) -> Value: return self._binary(o, "fadd", "add", True)
    def __sub__(self, o: Any) -> Value: return self._binary(o, "fsub", "sub")
    def __rsub__(self, o: Any) -> Value: return self._binary(o, "fsub", "sub", True)
    def __mul__(self, o: Any) -> Value: return self._binary(o, "fmul", "mul")
    def __rmul__(self, o: Any) -> Value: return self._binary(o, "fmul", "mul", True)
    def __truediv__(self, o: Any) -> Value: return self._binary(o, "fdiv", None)
    def __rtruediv__(self, o: Any) -> Value: return self._binary(o, "fdiv", None, True)
    def __neg__(self) -> Value: return self._negated()
    def __pos__(self) -> Value: return self
    def __lt__(self, o: Any) -> Value: return self.compare("<", o)
    def __le__(self, o: Any) -> Value: return self.compare("<=", o)
    def __gt__(self, o: Any) -> Value: return self.compare(">", o)
    def __ge__(self, o: Any) -> Value: return self.compare(">=", o)
    def __eq__(self, o: Any) -> Value: return self.compare("==", o)  # type: ignore[override]  # a Value
    def __ne__(self, o: Any) -> Value: return self.compare("!=", o)  # type: ignore[override]  # a Value
    def __and__(self, o: Any) -> Value: return self._logic("and_", o)
    def __or__(self, o: Any) -> Value: return self._logic("or_", o)
    def __xor__(self, o: Any) -> Value: return self._logic("xor", o)
    def __invert__(self) -> Value: return Value(self.builder, self.builder.not_(self.ir), self.dtype)
    # fmt: on
    __hash__ = None  # type: ignore[assignment]  # how Python says unhashable

    def __pow__(self, exponent: Any) -> Value:
        if isinstance(exponent, float) and exponent.is_integer():
            exponent = int(exponent)
        if not isinstance(exponent, int) or not 0 <= exponent <= 4:
            raise Unsupported("a power")
        result = self.constant(1)
        for _ in range(exponent):
            result = result * self
        return result

    def _negated(self) -> Value:
        if self.dtype.kind != "f":
            return self.constant(0) - self
        return Value(self.builder, self.builder.fneg(self.ir), self.dtype)

    def compare(self, sign: str, other: Any) -> Value:
        a, b = self.pair(other)
        if a.dtype.kind == "f":
            compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        else:
            compare = self.builder.icmp_unsigned if a.dtype.kind in "bu" else self.builder.icmp_signed
        return Value(self.builder, compare(sign, a.ir, b.ir), np.bool_)

    def _logic(self, name: str, other: Any) -> Value:
        a, b = self.pair(other)
        if a.dtype.kind == "f":
            raise Unsupported("bits of floats")
        return Value(self.builder, getattr(self.builder, name)(a.ir, b.ir), a.dtype)

    def __bool__(self) -> bool:
        raise Unsupported("a branch on a value")

    def select(self, a: Value, b: Value) -> Value:
        """a where this truth value holds, else b."""
        return Value(self.builder, self.builder.select(self.ir, a.ir, b.ir), a.dtype)


def from_memory(b: ir.IRBuilder, loaded: Any, d: dtype, lanes: int) -> Value:
    """What was loaded, as a value."""
    if d.name == "bool":
        loaded = b.trunc(loaded, wide(I1, lanes))
    if d not in HALF:
        return Value(b, loaded, d.np)
    like = Value(b, ir.Constant(wide(F32, lanes), ir.Undefined), np.float32)
    return Value(b, _widened(like, loaded, d.name), np.float32)


def to_memory(value: Value, d: dtype) -> Any:
    """A value that was made `to` a dtype, as it is stored."""
    if d.name == "bool":
        return value.builder.zext(value.ir, wide(I8, value.lanes))
    return _narrowed(value, d.name) if d in HALF else value.ir


def _widened(like: Value, half: Any, name: str) -> Any:
    """float32 for halves: bfloat16 is the upper half of a float32's bits."""
    b, to = like.builder, wide(F32, like.lanes)
    if name == "float16":
        return b.fpext(half, to)
    return b.bitcast(b.shl(b.zext(half, like.as_int(32)), like.integers(16, 32)), to)


def _narrowed(x: Value, name: str) -> Any:
    """Halves for float32, rounded to nearest even; bfloat16 by adding to the bits, with nan kept apart."""
    b = x.builder
    if name == "float16":
        return b.fptrunc(x.ir, wide(ir.HalfType(), x.lanes))
    bits = b.bitcast(x.ir, x.as_int(32))
    odd = b.and_(b.lshr(bits, x.integers(16, 32)), x.integers(1, 32))
    rounded = b.add(bits, b.add(odd, x.integers(0x7FFF, 32)))
    kept = b.select((x != x).ir, x.integers(0x7FC00000, 32), rounded)
    return b.trunc(b.lshr(kept, x.integers(16, 32)), x.as_int(16))


def wide(kind: Any, lanes: int) -> Any:
    """The type of `lanes` elements; of one where there are 0."""
    return ir.VectorType(kind, lanes) if lanes else kind


def same(kind: Any, number: Any, lanes: int) -> ir.Constant:
    """A constant in each of `lanes` elements."""
    return ir.Constant(ir.VectorType(kind, lanes), [number] * lanes) if lanes else ir.Constant(kind, number)


def register(kind: np.dtype) -> Any:
    """The register type of a NumPy dtype."""
    found = TYPES.get(np.dtype(kind).name)
    if found is None:
        raise Unsupported(f"elements of type {kind}")
    return found[0]


class Namespace:
    """`xp` for bodies: what they may call on values. Functions of `math.py` are found by name."""

    def __init__(self, builder: ir.IRBuilder, lanes: int = 0):
        self.builder, self.lanes = builder, lanes

    inf, nan = np.inf, np.nan

    def lift(self, x: Any, like: Value | None = None) -> Value:
        """A value for a value or a number."""
        if isinstance(x, Value):
            return x
        if like is not None and not isinstance(x, (np.ndarray, np.generic)):
            return like.pair(x)[1]
        array = np.asarray(x)
        kind = array.dtype
        return Value(self.builder, same(register(kind), array.item(), self.lanes), kind)

    def where(self, condition: Value, a: Any, b: Any) -> Value:
        if not isinstance(a, Value) and isinstance(b, Value):
            b, a = b.pair(self._loose(a))
        else:
            a, b = self.lift(a).pair(self._loose(b))
        return condition.cast(np.bool_).select(a, b)

    def _loose(self, x: Any) -> Any:
        return x.item() if isinstance(x, (np.ndarray, np.generic)) and x.ndim == 0 and x.dtype.kind == "f" else x

    def maximum(self, a: Any, b: Any) -> Value:
        return self._winner(a, b, ">")

    def minimum(self, a: Any, b: Any) -> Value:
        return self._winner(a, b, "<")

    def _winner(self, a: Any, b: Any, sign: str) -> Value:
        """The larger or smaller; nan wins over both, as in NumPy."""
        a, b = a.pair(b) if isinstance(a, Value) else tuple(reversed(b.pair(a)))
        best = a.compare(sign, b).select(a, b)
        return (a != a).select(a, (b != b).select(b, best)) if a.dtype.kind == "f" else best

    def clip(self, x: Value, low: Any, high: Any) -> Value:
        return self.minimum(self.maximum(x, low), high)

    def zeros(self, size: Any, kind: Any) -> Value:
        if size != ():
            raise Unsupported("an array inside a body")
        return self.lift(np.zeros((), kind))

    def asarray(self, x: Any) -> Any:
        return x if isinstance(x, Value) else np.asarray(x)

    def add(self, a: Any, b: Any) -> Value:
        return self.logical_or(a, b) if _is_bool(a) and _is_bool(b) else a + b

    def true_divide(self, a: Any, b: Any) -> Value:
        return a / b

    def multiply(self, a: Any, b: Any) -> Value:
        return a * b

    def square(self, x: Value) -> Value:
        return x * x

    def power_as_c(self, a: Any, b: Any) -> Value:
        if isinstance(a, Value) and not isinstance(b, Value):
            return a**b
        first = a if isinstance(a, Value) else b
        return self.power(self.lift(a, first), self.lift(b, first))

    def logical_not(self, x: Value) -> Value:
        return ~x.cast(np.bool_)

    def logical_and(self, a: Value, b: Value) -> Value:
        return a.cast(np.bool_) & b.cast(np.bool_)

    def logical_or(self, a: Value, b: Value) -> Value:
        return a.cast(np.bool_) | b.cast(np.bool_)

    def abs(self, x: Value) -> Value:
        return self.intrinsic("fabs", x) if x.dtype.kind == "f" else (x < 0).select(-x, x)

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x)

    def floor(self, x: Value) -> Value:
        return self.intrinsic("floor", x)

    def ceil(self, x: Value) -> Value:
        return self.intrinsic("ceil", x)

    def trunc(self, x: Value) -> Value:
        return self.intrinsic("trunc", x)

    def rint(self, x: Value) -> Value:
        return self.intrinsic("rint", x)

    def intrinsic(self, name: str, *xs: Value) -> Value:
        """A function that LLVM knows."""
        if xs[0].dtype.kind != "f":
            raise Unsupported(f"{name} of {xs[0].dtype}")
        kind = xs[0].ir.type
        short = "f64" if xs[0].dtype.itemsize == 8 else "f32"
        full = f"llvm.{name}.v{xs[0].lanes}{short}" if xs[0].lanes else f"llvm.{name}.{short}"
        known = self.builder.module.globals.get(full)
        function = known or ir.Function(self.builder.module, ir.FunctionType(kind, [kind] * len(xs)), full)
        return Value(self.builder, self.builder.call(function, [x.ir for x in xs]), xs[0].dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from . import functions, math

        found = getattr(math, name, None) or getattr(functions, name, None)
        if found is None:
            raise Unsupported(f"xp.{name}")
        return lambda *args: found(self, *args)


def _is_bool(x: Any) -> bool:
    return isinstance(x, Value) and x.dtype.kind == "b"
