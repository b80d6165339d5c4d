"""What goes along a line of a tensor element by element, in compiled code: running sums and products, and orders.

A dense tensor is seen as (outer, length, inner), `length` along the axis of the lines. A scan has neighbours of `inner`
side by side where there are any; an order looks at one line at a time, whose elements lie `inner` apart:

    first few     the best so far in order; an element that is better than the last of them moves in
    all           runs that are in order are merged, two by two, from scratch memory to scratch memory and back

Equal elements keep their order; nan is larger than any number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ..core.spec import Spec
from ..graph.node import Call
from . import jit
from .routine import Routine
from .share import chunks_for, part
from .vectors import ELEMENTS, I64, Writer, module_text, new_function

FEW = 128  # so many elements are picked without an order of all
_SIZES = ("outer", "length", "inner", "chunks", "kept")
_KINDS = ("float32", "float64", "int32", "int64")
_ONES = {"sum": 0, "prod": 1}  # what changes nothing


def scan(call: Call, what: str) -> Routine | None:
    """Running sums or products along an axis."""
    x = call.specs[0]
    return _routine(f"scan {what}", call, x, 1, 0) if x.dtype is call.out.dtype else None


def cumprod_back(call: Call) -> Routine | None:
    """The gradient of running products, from (gradient, input)."""
    return _routine("cumprod back", call, call.specs[1], 1, 0)


def order(call: Call) -> Routine | None:
    """The numbers of a line's elements in their order."""
    n = _length(call)
    item = 8 + call.specs[0].dtype.itemsize
    return _routine("order", call, call.specs[0], n.bit_length(), 2 * n * item + 16, call.attributes["descending"], n)


def first(call: Call) -> Routine | None:
    """The numbers of the first few elements of each line's order."""
    k, x = call.attributes["k"], call.specs[0]
    if not 0 < k <= FEW:
        return None
    return _routine("first", call, x, 2, k * x.dtype.itemsize + 8, call.attributes["largest"], k)


def _length(call: Call) -> int:
    x = call.specs[0]
    return x.size[call.attributes["dim"]] if x.ndim else 1


def _routine(
    program: str, call: Call, x: Spec, cost: int, scratch: int, down: bool = False, kept: int = 0
) -> Routine | None:
    dim, specs = call.attributes["dim"], [s for s in (*call.specs, call.out) if type(s) is Spec]
    if not x.ndim or x.dtype.name not in _KINDS or not all(s.contiguous for s in specs):
        return None
    outer, length, inner = math.prod(x.size[:dim]), x.size[dim], math.prod(x.size[dim + 1 :])
    if program == "cumprod back" and not x.dtype.name.startswith("float"):
        return None
    units = outer if program.startswith(("scan", "cumprod")) else outer * inner
    chunks = chunks_for(x.numel * cost, units)
    scratch = -(-scratch // 16) * 16
    function = _compiled(program, x.dtype.name, down)
    return Routine([(function, chunks)], [outer, length, inner, chunks, kept, scratch], scratch * chunks)


@functools.cache
def _compiled(program: str, element: str, down: bool) -> int:
    def build() -> str:
        module = ir.Module("lines")
        tensors = 3 if program == "cumprod back" else 2
        w = _Lines(new_function(module, "go"), element, tensors, down)
        _PROGRAMS[program](w)
        return module_text(module)

    return jit.load(("lines", program, element, down), ["go"], build, vectorize=True)["go"]


class _Lines(Writer):
    """Words of the block: tensors, scratch; sizes, bytes of scratch memory for a chunk."""

    def __init__(self, function: ir.Function, element: str, tensors: int, down: bool):
        super().__init__(function, element)
        self.block, self.chunk = function.args
        self.down, self.floats = down, element.startswith("float")
        self.n = dict(zip(_SIZES, self.words(self.block, tensors + 1, len(_SIZES)), strict=True))
        each = self.word(self.block, tensors + 1 + len(_SIZES))
        self.scratch = self.add(self.word(self.block, tensors), self.mul(self.chunk, each))

    def array(self, i: int, kind: Any = None) -> Any:
        return self.word(self.block, i, kind or self.element)

    def constant(self, value: int) -> Any:
        return ir.Constant(self.element, float(value) if self.floats else value)

    def apply(self, what: str, x: Any, y: Any) -> Any:
        names = {"sum": ("add", "fadd"), "prod": ("mul", "fmul")}
        return getattr(self.b, names[what][self.floats])(x, y)

    def shared(self, units: Any) -> Any:
        """The loop over this chunk's part of the units."""
        return self.loop(*part(self, units, self.chunk, self.n["chunks"]))


    def before(self, x: Any, y: Any) -> Any:
        """Whether x comes before y, and is not equal."""
        b = self.b
        if not self.floats:
            return b.icmp_signed(">" if self.down else "<", x, y)
        if self.down:
            x, y = y, x
        x_is_number, y_is_nan = b.fcmp_ordered("ord", x, x), b.fcmp_unordered("uno", y, y)
        return b.or_(b.fcmp_ordered("<", x, y), b.and_(x_is_number, y_is_nan))


def _scan(w: _Lines, what: str) -> None:
    """Words: x, result."""
    n, b = w.n, w.b
    with w.shared(n["outer"]) as o:
        start = w.mul(o, n["length"], n["inner"])
        x, y = w.at(w.array(0), start), w.at(w.array(1), start)
        with b.if_else(w.test(n["inner"], "==", 1)) as (alone, beside):
            with alone, w.folding(0, n["length"], 1, [w.constant(_ONES[what])]) as (i, (total,), after):
                after.append(w.apply(what, total, b.load(w.at(x, i))))
                b.store(after[0], w.at(y, i))
            with beside:
                with w.loop(0, n["inner"]) as k:
                    b.store(b.load(w.at(x, k)), w.at(y, k))
                with w.loop(1, n["length"]) as i, w.loop(0, n["inner"]) as k:
                    at = w.add(w.mul(i, n["inner"]), k)
                    total = b.load(w.at(y, w.sub(at, n["inner"])))
                    b.store(w.apply(what, total, b.load(w.at(x, at))), w.at(y, at))
    b.ret_void()


def _cumprod_back(w: _Lines) -> None:
    """Words: g, x, result. The sum over k >= i of g_k times all x_j, j <= k, but x_i: what comes before i times
    s_i = g_i + x_(i+1) s_(i+1)."""
    n, b = w.n, w.b
    zero, one = w.constant(0), w.constant(1)
    with w.shared(n["outer"]) as o, w.loop(0, n["inner"]) as k:
        start = w.add(w.mul(o, n["length"], n["inner"]), k)
        g, x, y = (w.at(w.array(i), start) for i in range(3))
        with w.folding(0, n["length"], 1, [zero, zero]) as (i, (rest, factor), after):
            at = w.mul(w.sub(w.sub(n["length"], 1), i), n["inner"])
            rest = b.fadd(b.load(w.at(g, at)), b.fmul(factor, rest))
            b.store(rest, w.at(y, at))
            after += [rest, b.load(w.at(x, at))]
        with w.folding(0, n["length"], 1, [one]) as (i, (before,), after):
            at = w.mul(i, n["inner"])
            b.store(b.fmul(b.load(w.at(y, at)), before), w.at(y, at))
            after.append(b.fmul(before, b.load(w.at(x, at))))
    b.ret_void()


def _each_line(w: _Lines, kept: Any, visit: Callable[[Any, Any], None]) -> None:
    """`visit(address of a line, address of its results)`; elements and results are `inner` apart."""
    n = w.n
    with w.shared(w.mul(n["outer"], n["inner"])) as line:
        o, k = w.div(line, n["inner"]), w.rem(line, n["inner"])
        x = w.at(w.array(0), w.add(w.mul(o, n["length"], n["inner"]), k))
        visit(x, w.at(w.array(1, I64), w.add(w.mul(o, kept, n["inner"]), k)))
    w.b.ret_void()


def _first(w: _Lines) -> None:
    """Words: x, numbers. The keys that are kept are in the scratch memory, in order; their numbers in the result."""
    n, b = w.n, w.b
    keys = b.inttoptr(w.scratch, w.pointer)

    def visit(x: Any, y: Any) -> None:
        with w.folding(0, n["length"], 1, [w.int(0)]) as (i, (count,), after):
            key = b.load(w.at(x, w.mul(i, n["inner"])))
            last = b.load(w.at(keys, w.max(w.sub(count, 1), 0)))
            is_full = w.test(count, "==", n["kept"])
            with b.if_then(b.or_(b.not_(is_full), w.before(key, last))):
                _insert(w, keys, y, key, i, b.select(is_full, w.sub(count, 1), count))
            after.append(b.select(is_full, count, w.add(count, 1)))

    _each_line(w, n["kept"], visit)


def _insert(w: _Lines, keys: Any, numbers: Any, key: Any, number: Any, end: Any) -> None:
    """Put a key in its place among the first `end`, those after it one further on."""
    b = w.b
    head, shift, done = (b.append_basic_block(name) for name in ("insert", "shift", "inserted"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    place = b.phi(I64)
    place.add_incoming(end, before)
    previous = w.sub(place, 1)
    other = b.load(w.at(keys, w.max(previous, 0)))
    b.cbranch(b.and_(w.test(place, ">", 0), w.before(key, other)), shift, done)
    b.position_at_end(shift)
    b.store(other, w.at(keys, place))
    b.store(b.load(w.at(numbers, w.mul(previous, w.n["inner"]))), w.at(numbers, w.mul(place, w.n["inner"])))
    place.add_incoming(previous, shift)
    b.branch(head)
    b.position_at_end(done)
    b.store(key, w.at(keys, place))
    b.store(number, w.at(numbers, w.mul(place, w.n["inner"])))


def _order(w: _Lines) -> None:
    """Words: x, numbers. The scratch memory holds two lines of keys and two of numbers."""
    n, b = w.n, w.b
    size = n["length"]
    numbers = [w.add(w.scratch, w.mul(size, 8 * side)) for side in range(2)]
    start, item = w.add(w.scratch, w.mul(size, 16)), np.dtype(w.name).itemsize
    keys = [w.add(start, w.mul(size, item * side)) for side in range(2)]

    def visit(x: Any, y: Any) -> None:
        to_keys, to_numbers = b.inttoptr(keys[0], w.pointer), b.inttoptr(numbers[0], I64.as_pointer())
        with w.loop(0, size) as i:
            b.store(b.load(w.at(x, w.mul(i, n["inner"]))), w.at(to_keys, i))
            b.store(i, w.at(to_numbers, i))
        found = _merged(w, [(k, p) for k, p in zip(keys, numbers, strict=True)])
        with w.loop(0, size) as i:
            b.store(b.load(w.at(found, i)), w.at(y, w.mul(i, n["inner"])))

    _each_line(w, size, visit)


def _merged(w: _Lines, sides: list[tuple[Any, Any]]) -> Any:
    """Merge runs of 1, 2, 4 ... elements until there is one; the address of the numbers in order."""
    b, size = w.b, w.n["length"]
    before = b.block
    head, body, done = (b.append_basic_block(name) for name in ("width", "merge", "merged"))
    b.branch(head)
    b.position_at_end(head)
    width = b.phi(I64)
    now = [b.phi(I64) for _ in range(4)]  # keys and numbers that are read, and that are written
    width.add_incoming(w.int(1), before)
    for phi, value in zip(now, (*sides[0], *sides[1]), strict=True):
        phi.add_incoming(value, before)
    b.cbranch(w.test(width, "<", size), body, done)
    b.position_at_end(body)
    pointers = [b.inttoptr(v, kind) for v, kind in zip(now, (w.pointer, I64.as_pointer()) * 2, strict=True)]
    with w.loop(0, size, w.mul(width, 2)) as start:
        middle = w.min(w.add(start, width), size)
        _merge(w, pointers, start, middle, w.min(w.add(start, width, width), size))
    width.add_incoming(w.mul(width, 2), b.block)
    for phi, value in zip(now, (*now[2:], *now[:2]), strict=True):
        phi.add_incoming(value, b.block)
    b.branch(head)
    b.position_at_end(done)
    return b.inttoptr(now[1], I64.as_pointer())


def _merge(w: _Lines, pointers: list, start: Any, middle: Any, end: Any) -> None:
    """Two runs that lie side by side become one."""
    b, (keys, numbers, new_keys, new_numbers) = w.b, pointers
    with w.folding(start, end, 1, [start, middle]) as (at, (i, j), after):
        left, right = w.min(i, w.sub(middle, 1)), w.min(j, w.sub(end, 1))
        x, y = b.load(w.at(keys, left)), b.load(w.at(keys, right))
        there = b.and_(w.test(j, "<", end), b.or_(w.test(i, ">=", middle), w.before(y, x)))
        b.store(b.select(there, y, x), w.at(new_keys, at))
        b.store(b.load(w.at(numbers, b.select(there, right, left))), w.at(new_numbers, at))
        step = b.zext(there, I64)
        after += [w.add(i, w.sub(1, step)), w.add(j, step)]


_PROGRAMS: dict[str, Callable[[_Lines], None]] = {
    "scan sum": functools.partial(_scan, what="sum"),
    "scan prod": functools.partial(_scan, what="prod"),
    "cumprod back": _cumprod_back,
    "order": _order,
    "first": _first,
}


# ------------------------------------------------------------------------------------------------------------ triangles
def triangle(call: Call, upper: bool) -> Routine | None:
    """Matrices with nothing on one side of a diagonal."""
    x, kinds = call.specs[0], {1: "uint8", 4: "int32", 8: "int64"}
    kind = kinds.get(x.dtype.itemsize)
    if kind is None or x.ndim < 2 or not x.contiguous or not call.out.contiguous:
        return None
    rows = x.numel // x.size[-1]
    constants = [rows, x.size[-2], x.size[-1], chunks_for(x.numel, rows), call.attributes["diagonal"]]
    return Routine([(_triangle(kind, upper), constants[3])], constants, in_place={0: [0]})


@functools.cache
def _triangle(kind: str, upper: bool) -> int:
    def build() -> str:
        module = ir.Module("triangle")
        w = Writer(new_function(module, "cut"), kind)
        b, (block, chunk) = w.b, w.function.args
        x, y = w.words(block, 0, 2, ELEMENTS[kind])
        rows, high, wide, chunks, diagonal = w.words(block, 3, 5)
        with w.loop(*part(w, rows, chunk, chunks)) as row:
            edge = w.add(w.rem(row, high), diagonal)
            with w.loop(0, wide) as column:
                at = w.add(w.mul(row, wide), column)
                kept = w.test(column, ">=" if upper else "<=", edge)
                b.store(b.select(kept, b.load(w.at(x, at)), ir.Constant(w.element, 0)), w.at(y, at))
        b.ret_void()
        return module_text(module)

    return jit.load(("triangle", kind, upper), ["cut"], build, vectorize=True)["cut"]
