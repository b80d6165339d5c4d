"""Writing kernels by hand: functions over explicit vectors, for code that is too intricate for LLVM's vectoriser.

A `Writer` is an IR builder for one element type and the vector width of this host. Vectors are loaded and stored
unaligned; a mask says which lanes count. Addresses are typed element pointers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from . import jit

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VOID = ir.VoidType()
Int = int  # inside the class its method hides the name
ELEMENTS = {
    "float32": ir.FloatType(), "float64": ir.DoubleType(), "int32": I32, "int64": I64, "int16": I16, "uint8": I8,
}  # fmt: skip
_SHORT = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "int16": "i16", "uint8": "i8"}


class BFloat(ir.Type):
    """bfloat16 in IR."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


def constant(value: int) -> ir.Constant:
    return ir.Constant(I64, value)


@contextmanager
def counted(
    b: ir.IRBuilder, start: Any, end: Any, step: Any, values: Sequence[Any] = (), name: str = "i"
) -> Iterator[tuple[Any, list, list]]:
    """A loop over [start, end) that carries values: gives (counter, values at the top of a turn, an empty list to fill
    with the next values). After the block, the middle list holds the values after the last turn."""
    before = b.block
    head, body, done = (b.append_basic_block(name + part) for part in ("_head", "_body", "_done"))
    b.branch(head)
    b.position_at_end(head)
    counter = b.phi(I64, name)
    counter.add_incoming(start, before)
    carried = [b.phi(v.type) for v in values]
    for phi, v in zip(carried, values, strict=True):
        phi.add_incoming(v, before)
    b.cbranch(b.icmp_signed("<", counter, end), body, done)
    b.position_at_end(body)
    after: list = []
    yield counter, carried, after
    counter.add_incoming(b.add(counter, step, flags=["nsw"]), b.block)
    for phi, v in zip(carried, after, strict=True):
        phi.add_incoming(v, b.block)
    b.branch(head)
    b.position_at_end(done)


def splat(b: ir.IRBuilder, x: Any, lanes: int) -> Any:
    """A vector with `x` in every lane."""
    kind = ir.VectorType(x.type, lanes)
    one = b.insert_element(ir.Constant(kind, ir.Undefined), x, ir.Constant(I32, 0))
    return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


class Writer:
    """Builds one function. `element` is the name of a dtype; `lanes` defaults to what fills a register."""

    def __init__(self, function: ir.Function, element: str = "float32", lanes: int = 0):
        self.function, self.module = function, function.module
        self.b = ir.IRBuilder(function.append_basic_block("start"))
        self.name, self.element = element, ELEMENTS[element]
        self.lanes = lanes or jit.vector_bytes() // np.dtype(element).itemsize
        self.vector = ir.VectorType(self.element, self.lanes)
        self.mask = ir.VectorType(I1, self.lanes)
        self.pointer = self.element.as_pointer()
        self.zero = ir.Constant(self.vector, None)

    # ------------------------------------------------------------------------------------------------------ integers
    def int(self, x: Any) -> Any:
        """An int64 for a Python number."""
        return constant(x) if isinstance(x, int) else x

    def add(self, *terms: Any) -> Any:
        """The sum of int64s."""
        total = self.int(terms[0])
        for t in terms[1:]:
            total = self.b.add(total, self.int(t))
        return total

    def sub(self, x: Any, y: Any) -> Any:
        return self.b.sub(self.int(x), self.int(y))

    def mul(self, *factors: Any) -> Any:
        """The product of int64s."""
        total = self.int(factors[0])
        for f in factors[1:]:
            total = self.b.mul(total, self.int(f))
        return total

    def div(self, x: Any, y: Any) -> Any:
        """x // y for numbers that are not negative."""
        return self.b.udiv(self.int(x), self.int(y))

    def rem(self, x: Any, y: Any) -> Any:
        return self.b.urem(self.int(x), self.int(y))

    def min(self, x: Any, y: Any) -> Any:
        x, y = self.int(x), self.int(y)
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def max(self, x: Any, y: Any) -> Any:
        x, y = self.int(x), self.int(y)
        return self.b.select(self.b.icmp_signed(">", x, y), x, y)

    def test(self, x: Any, sign: str, y: Any) -> Any:
        """A comparison of int64s."""
        return self.b.icmp_signed(sign, self.int(x), self.int(y))

    # --------------------------------------------------------------------------------------------------------- control
    @contextmanager
    def loop(self, start: Any, end: Any, step: Any = 1, name: str = "i") -> Iterator[Any]:
        """A loop over [start, end); gives the counter."""
        with counted(self.b, self.int(start), self.int(end), self.int(step), (), name) as (counter, _, _):
            yield counter

    def folding(self, start: Any, end: Any, step: Any, values: Sequence[Any]) -> Any:
        """A loop that carries values, as `counted`."""
        return counted(self.b, self.int(start), self.int(end), self.int(step), values, "fold")

    # ---------------------------------------------------------------------------------------------------------- memory
    def word(self, block: Any, i: Int, to: Any = None) -> Any:
        """Word `i` of a block of int64s, as a number or as a pointer to elements of type `to`."""
        if isinstance(block.type, ir.IntType):
            block = self.b.inttoptr(block, I64.as_pointer())
        value = self.b.load(self.b.gep(block, [constant(i)]))
        return value if to is None else self.b.inttoptr(value, to.as_pointer())

    def words(self, block: Any, start: Int, count: Int, to: Any = None) -> list[Any]:
        return [self.word(block, i, to) for i in range(start, start + count)]

    def at(self, pointer: Any, *index: Any) -> Any:
        """The address `index` elements further on."""
        return self.b.gep(pointer, [self.add(*index)])

    def load(self, pointer: Any, mask: Any = None, other: Any = None) -> Any:
        """A vector; lanes outside the mask are `other`, or zero."""
        b = self.b
        where = b.bitcast(pointer, self.vector.as_pointer())
        align = ELEMENTS_BYTES[self.name]
        if mask is None:
            return b.load(where, align=align)
        kind = ir.FunctionType(self.vector, [where.type, I32, self.mask, self.vector])
        f = self.declare(f"llvm.masked.load.v{self.lanes}{_SHORT[self.name]}.p0", kind)
        return b.call(f, [where, ir.Constant(I32, align), mask, self.zero if other is None else other])

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        b = self.b
        where = b.bitcast(pointer, self.vector.as_pointer())
        align = ELEMENTS_BYTES[self.name]
        if mask is None:
            b.store(value, where, align=align)
            return
        kind = ir.FunctionType(VOID, [self.vector, where.type, I32, self.mask])
        f = self.declare(f"llvm.masked.store.v{self.lanes}{_SHORT[self.name]}.p0", kind)
        b.call(f, [value, where, ir.Constant(I32, align), mask])

    def prefetch(self, pointer: Any, write: bool = False) -> None:
        kind = ir.FunctionType(VOID, [pointer.type, I32, I32, I32])
        f = self.declare("llvm.prefetch.p0", kind)
        self.b.call(f, [pointer, ir.Constant(I32, int(write)), ir.Constant(I32, 3), ir.Constant(I32, 1)])

    # --------------------------------------------------------------------------------------------------------- vectors
    def splat(self, x: Any) -> Any:
        """A vector of one element, or of a Python number."""
        if isinstance(x, (int, float)):
            return ir.Constant(self.vector, [x] * self.lanes)
        return splat(self.b, x, self.lanes)

    def first_lanes(self, n: Any) -> Any:
        """The mask of the first n lanes, n an int64 or a Python number."""
        if isinstance(n, int):
            return ir.Constant(self.mask, [int(i < n) for i in range(self.lanes)])
        numbers = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        return self.b.icmp_signed("<", numbers, self.splat(n))

    def bits(self, word: Any) -> Any:
        """A mask from the low bits of an int64."""
        return self.b.bitcast(self.b.trunc(word, ir.IntType(self.lanes)), self.mask)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z, rounded once."""
        f = self.declare(f"llvm.fma.v{self.lanes}{_SHORT[self.name]}", ir.FunctionType(x.type, [x.type] * 3))
        return self.b.call(f, [x, y, z])

    def add_pairs(self, x: Any, y: Any, z: Any) -> Any:
        """z plus the inner products of pairs: each float32 of x and y is the bits of two bfloat16s."""
        kind = ir.VectorType(BFloat(), 2 * self.lanes)
        name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * self.lanes}"
        f = self.declare(name, ir.FunctionType(self.vector, [self.vector, kind, kind]))
        return self.b.call(f, [z, self.b.bitcast(x, kind), self.b.bitcast(y, kind)])

    def call(self, name: str, *xs: Any) -> Any:
        """One of LLVM's elementwise functions on vectors: "sqrt", "fabs", "maxnum", "minnum", "rint" ..."""
        f = self.declare(
            f"llvm.{name}.v{self.lanes}{_SHORT[self.name]}", ir.FunctionType(xs[0].type, [x.type for x in xs])
        )
        return self.b.call(f, list(xs))

    def fold(self, vector: Any, combine: Any) -> Any:
        """All lanes combined by `combine(x, y)`; the result is in every lane."""
        distance = self.lanes // 2
        while distance:
            order = self.lanes_of([i ^ distance for i in range(self.lanes)])  # LLVM 22 mistakes rotations
            vector = combine(vector, self.b.shuffle_vector(vector, vector, order))
            distance //= 2
        return vector

    def lane(self, vector: Any, i: Int = 0) -> Any:
        return self.b.extract_element(vector, ir.Constant(I32, i))

    def transpose(self, rows: Sequence[Any]) -> list[Any]:
        """`lanes` vectors as the rows of a square matrix, transposed."""
        v, n = list(rows), self.lanes
        distance = n // 2
        while distance:
            turned = list(v)
            for i in range(n):
                if i & distance:
                    continue
                low = [j if not j & distance else n + j - distance for j in range(n)]
                high = [j + distance if not j & distance else n + j for j in range(n)]
                turned[i] = self.b.shuffle_vector(v[i], v[i + distance], self.lanes_of(low))
                turned[i + distance] = self.b.shuffle_vector(v[i], v[i + distance], self.lanes_of(high))
            v = turned
            distance //= 2
        return v

    def lanes_of(self, order: Sequence[Int]) -> ir.Constant:
        return ir.Constant(ir.VectorType(I32, len(order)), list(order))

    def declare(self, name: str, kind: ir.FunctionType) -> Any:
        return self.module.globals.get(name) or ir.Function(self.module, kind, name)


ELEMENTS_BYTES = {"float32": 4, "float64": 8, "int32": 4, "int64": 8, "int16": 2, "uint8": 1}


def new_function(module: ir.Module, name: str, arguments: Sequence[Any] = (I64, I64), inline: bool = False) -> Any:
    """A function without a result. Phases take (block, chunk)."""
    function = ir.Function(module, ir.FunctionType(VOID, list(arguments)), name)
    if not inline:
        function.attributes.add("noinline")
    for argument in function.args:
        if argument.type.is_pointer:
            argument.add_attribute("noalias")
    return function


def module_text(module: ir.Module) -> str:
    """The IR of a module, with vectors as wide as the machine has; LLVM prefers half of that on some hosts."""
    return str(module).replace(" noinline", ' noinline "prefer-vector-width"="512"')
