"""Pooling in compiled code: maxima and means of windows over planes, and their derivatives.

A vector holds neighbouring windows of one row. At a tap (i, j) they see places of one row of the plane that lie
`stride` apart, which are read (or, on the way back, added to) with their borders masked off:

    stride 1    x[start : start + lanes]                               one vector
    stride 2    x[start : start + 2 * lanes : 2]                       two vectors, every other lane
    any other   x[start : start + stride * lanes : stride]             a gather

Sizes, kernels, strides, padding and dilation are words of the block, so that a module serves every shape. What depends
on a row or a column of windows alone comes in tables: the taps that are inside, and how many values are averaged.
Planes are independent, and are what threads share.
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
from .vectors import ELEMENTS_BYTES, I32, I64, VOID, Writer, module_text, new_function

_SIZES = ("planes", "chunks", "high", "wide", "rows", "columns", "taps_down", "taps_across")
_STEPS = ("stride_down", "stride_across", "up", "left", "apart_down", "apart_across")


class Plane(Writer):
    """A writer of loops over the windows of planes. `stride` is how windows of a row lie apart: 1, 2 or 0 for any."""

    def __init__(self, module: ir.Module, name: str, element: str, stride: int, pointers: int):
        function = new_function(module, name)
        super().__init__(function, element)
        self.stride, block = stride, function.args[0]
        self.block, self.chunk = block, function.args[1]
        names = (*_SIZES, *_STEPS)
        self.n = dict(zip(names, self.words(block, pointers + 1, len(names)), strict=True))
        self.tables = pointers + 1 + len(names)
        self.ints = ir.VectorType(I32, self.lanes)
        self.iota = ir.Constant(self.ints, list(range(self.lanes)))
        self.width = self.spread(self.n["wide"])

    def spread(self, x: Any) -> Any:
        """An int64 in every lane of a vector of int32."""
        return self.splat(self.b.trunc(self.int(x), I32))

    def table(self, i: int, to: Any) -> Any:
        """The address of table `i`."""
        return self.word(self.block, self.tables + i, to)

    def planes(self) -> Any:
        """The loop over this chunk's planes."""
        first, last = part(self, self.n["planes"], self.chunk, self.n["chunks"])
        return self.loop(first, last, name="plane")

    def some_ints(self, pointer: Any, mask: Any) -> Any:
        """A vector of int32 where the mask says so, else zero."""
        where = self.b.bitcast(pointer, self.ints.as_pointer())
        kind = ir.FunctionType(self.ints, [where.type, I32, self.mask, self.ints])
        read = self.declare(f"llvm.masked.load.v{self.lanes}i32.p0", kind)
        return self.b.call(read, [where, ir.Constant(I32, 4), mask, ir.Constant(self.ints, None)])

    # --------------------------------------------------------------------------------------- places a stride apart
    def inside(self, start: Any) -> Any:
        """Which of the places start, start + 1, ... lie in the row."""
        return self.b.icmp_unsigned("<", self.b.add(self.spread(start), self.iota), self.width)

    def apart(self, row: Any, start: Any) -> tuple[Any, Any]:
        """The addresses of places a stride apart, and which of them lie in the row."""
        b, kind = self.b, ir.VectorType(I64, self.lanes)
        numbers = ir.Constant(kind, list(range(self.lanes)))
        places = b.add(self.splat(start), b.mul(numbers, self.splat(self.n["stride_across"])))
        bytes_each = ir.Constant(kind, [ELEMENTS_BYTES[self.name]] * self.lanes)
        addresses = b.add(self.splat(b.ptrtoint(row, I64)), b.mul(places, bytes_each))
        where = b.inttoptr(addresses, ir.VectorType(self.pointer, self.lanes))
        return where, b.icmp_unsigned("<", places, self.splat(self.n["wide"]))

    def take(self, row: Any, start: Any, outside: Any) -> Any:
        """The values of a row at places a stride apart; `outside` stands where there is none."""
        if self.stride == 0:
            return self._gather(*self.apart(row, start), outside)
        parts = [self._piece(row, start, i, outside) for i in range(self.stride)]
        return parts[0] if self.stride == 1 else self._shuffled(parts[0], parts[1], range(0, 2 * self.lanes, 2))

    def _piece(self, row: Any, start: Any, i: int, outside: Any = None) -> Any:
        begin = self.add(start, i * self.lanes)
        return self.load(self.at(row, begin), self.inside(begin), outside)

    def give(self, row: Any, start: Any, values: Any, between: Any) -> None:
        """Add values to the places of a row a stride apart, where there are such; to the places between those of
        stride 2 add `between`."""
        if self.stride == 0:
            where, mask = self.apart(row, start)
            self._scatter(self.b.fadd(self._gather(where, mask, self.zero), values), where, mask)
            return
        for i in range(self.stride):
            begin = self.add(start, i * self.lanes)
            share = values if self.stride == 1 else self._shuffled(values, between, self._in_turns(i))
            self.store(self.b.fadd(self._piece(row, start, i), share), self.at(row, begin), self.inside(begin))

    def _in_turns(self, i: int) -> list[int]:
        """The lanes of two vectors in turns, half of each."""
        return [(i * self.lanes + j) // 2 + j % 2 * self.lanes for j in range(self.lanes)]

    def _shuffled(self, x: Any, y: Any, order: Any) -> Any:
        return self.b.shuffle_vector(x, y, self.lanes_of(list(order)))

    def _gather(self, where: Any, mask: Any, outside: Any) -> Any:
        kind = ir.FunctionType(self.vector, [where.type, I32, self.mask, self.vector])
        read = self.declare(f"llvm.masked.gather.{self._suffix()}", kind)
        return self.b.call(read, [where, self._align(), mask, outside])

    def _scatter(self, values: Any, where: Any, mask: Any) -> None:
        kind = ir.FunctionType(VOID, [self.vector, where.type, I32, self.mask])
        write = self.declare(f"llvm.masked.scatter.{self._suffix()}", kind)
        self.b.call(write, [values, where, self._align(), mask])

    def _suffix(self) -> str:
        return f"v{self.lanes}f{8 * ELEMENTS_BYTES[self.name]}.v{self.lanes}p0"

    def _align(self) -> Any:
        return ir.Constant(I32, ELEMENTS_BYTES[self.name])


# ------------------------------------------------------------------------------------------------------------ programs
def _windows(w: Plane, x: Any, body: Callable) -> None:
    """For each vector of windows: body(address of the plane, place of the first, which there are, row, column)."""
    n = w.n
    with w.planes() as plane:
        image = w.at(x, w.mul(plane, n["high"], n["wide"]))
        with w.loop(0, n["rows"], name="row") as row, w.loop(0, n["columns"], w.lanes, name="column") as column:
            place = w.add(w.mul(w.add(w.mul(plane, n["rows"]), row), n["columns"]), column)
            body(image, place, w.first_lanes(w.sub(n["columns"], column)), row, column)


def _taps(w: Plane, row: Any, column: Any, taps: Any, values: list, visit: Callable, step: int = 1) -> list:
    """Fold `visit(values, row of the plane, column of the plane, tap)` over every `step`-th tap inside; gives the last
    values."""
    n = w.n
    top, left = w.sub(w.mul(row, n["stride_down"]), n["up"]), w.sub(w.mul(column, n["stride_across"]), n["left"])
    first, last = (w.b.load(w.at(taps, w.mul(row, 2), i)) for i in range(2))
    with w.folding(first, last, 1, values) as (i, outer, after):
        high = w.add(top, w.mul(i, n["apart_down"]))
        with w.folding(0, n["taps_across"], step, outer) as (j, inner, then):
            then.extend(visit(inner, high, w.add(left, w.mul(j, n["apart_across"])), j))
        after.extend(inner)
    return outer


def _maximum(module: ir.Module, element: str, stride: int, with_places: bool) -> None:
    """The largest value, and where it is first: the last NaN's place if there is one."""
    w = Plane(module, "forward", element, stride, 2 + with_places)
    b, n = w.b, w.n
    x, y = w.words(w.block, 0, 2, w.element)
    places = w.word(w.block, 2, I64) if with_places else None
    taps, rows, columns = w.table(0, I64), w.table(1, I64), w.table(2, I32)
    lowest = w.splat(-math.inf)
    steps = b.mul(w.iota, w.spread(n["stride_across"]))

    def visit(values: list, high: Any, start: Any, image: Any) -> list:
        best = values[0]
        seen = w.take(w.at(image, w.mul(high, n["wide"])), start, lowest)
        better = b.or_(b.fcmp_ordered(">", seen, best), b.fcmp_unordered("uno", seen, seen))
        here = b.add(w.spread(w.add(w.mul(high, n["wide"]), start)), steps)
        return [b.select(better, seen, best), *[b.select(better, here, v) for v in values[1:]]]

    def window(image: Any, place: Any, mask: Any, row: Any, column: Any) -> None:
        values = [lowest]
        if with_places:
            begin = w.spread(w.mul(b.load(w.at(rows, row)), n["wide"]))
            values.append(b.add(begin, w.some_ints(w.at(columns, column), mask)))
        found = _taps(w, row, column, taps, values, lambda v, high, start, _: visit(v, high, start, image))
        w.store(found[0], w.at(y, place), mask)
        if with_places:
            _store_wide(w, found[1], w.at(places, place), w.sub(n["columns"], column))

    _windows(w, x, window)
    b.ret_void()


def _store_wide(w: Plane, places: Any, pointer: Any, count: Any) -> None:
    """Store the first `count` of a vector of int32 as int64."""
    kind = ir.VectorType(I64, w.lanes)
    store = w.declare(
        f"llvm.masked.store.v{w.lanes}i64.p0", ir.FunctionType(VOID, [kind, kind.as_pointer(), I32, w.mask])
    )
    where = w.b.bitcast(pointer, kind.as_pointer())
    w.b.call(store, [w.b.zext(places, kind), where, ir.Constant(I32, 8), w.first_lanes(count)])


def _counts(w: Plane, rows: Any, columns: Any, row: Any, column: Any, mask: Any) -> Any:
    """How many values the mean of each window is over; 1 where the mask says that there is no window."""
    return w.b.fmul(w.splat(w.b.load(w.at(rows, row))), w.load(w.at(columns, column), mask, w.splat(1.0)))


def _average(module: ir.Module, element: str, stride: int) -> None:
    """The sum under each window divided by a count."""
    w = Plane(module, "forward", element, stride, 2)
    x, y = w.words(w.block, 0, 2, w.element)
    taps, rows, columns = w.table(0, I64), w.table(1, w.element), w.table(2, w.element)

    def window(image: Any, place: Any, mask: Any, row: Any, column: Any) -> None:
        def visit(values: list, high: Any, start: Any, _: Any) -> list:
            return [w.b.fadd(values[0], w.take(w.at(image, w.mul(high, w.n["wide"])), start, w.zero))]

        total = _taps(w, row, column, taps, [w.zero], visit)[0]
        w.store(w.b.fdiv(total, _counts(w, rows, columns, row, column, mask)), w.at(y, place), mask)

    _windows(w, x, window)
    w.b.ret_void()


def _average_back(module: ir.Module, element: str, stride: int) -> None:
    """Each window's share of its gradient added to all its places, among zeros."""
    w = Plane(module, "backward", element, stride, 2)
    g, x = w.words(w.block, 0, 2, w.element)
    taps, rows, columns = w.table(0, I64), w.table(1, w.element), w.table(2, w.element)
    n = w.n
    with w.planes() as plane:
        image = _cleared(w, x, plane)
        with w.loop(0, n["rows"], name="row") as row, w.loop(0, n["columns"], w.lanes, name="column") as column:
            mask = w.first_lanes(w.sub(n["columns"], column))
            place = w.add(w.mul(w.add(w.mul(plane, n["rows"]), row), n["columns"]), column)
            counts = _counts(w, rows, columns, row, column, mask)
            share = w.b.fdiv(w.load(w.at(g, place), mask), counts)

            def visit(values: list, high: Any, start: Any, tap: Any, share: Any = share) -> list:
                has_next = w.test(w.add(tap, 1), "<", n["taps_across"])
                w.give(w.at(image, w.mul(high, n["wide"])), start, share, w.b.select(has_next, share, w.zero))
                return []

            _taps(w, row, column, taps, [], visit, step=2 if stride == 2 else 1)
    w.b.ret_void()


def _cleared(w: Plane, x: Any, plane: Any) -> Any:
    """The address of a plane of x, which is zero now."""
    size = w.mul(w.n["high"], w.n["wide"])
    image = w.at(x, w.mul(plane, size))
    with w.loop(0, size, w.lanes) as i:
        w.store(w.zero, w.at(image, i), w.first_lanes(w.sub(size, i)))
    return image


_AT_ONCE = 4  # single values added in a turn of a loop


def _add_one(w: Plane, image: Any, size: Any, value: Any, place: Any) -> None:
    """Add one value to the place it belongs to; a place outside of the plane is nowhere."""
    index = w.b.load(place)
    with w.b.if_then(w.b.icmp_unsigned("<", index, size), likely=True):
        cell = w.at(image, index)
        w.b.store(w.b.fadd(w.b.load(cell), w.b.load(value)), cell)


def _scatter_back(module: ir.Module, element: str, stride: int) -> None:
    """Each value added to the place in its plane that its index names, among zeros: the derivative of a maximum."""
    w = Plane(module, "backward", element, stride, 3)
    b, n = w.b, w.n
    g, places, x = w.word(w.block, 0, w.element), w.word(w.block, 1, I64), w.word(w.block, 2, w.element)
    size, count = w.mul(n["high"], n["wide"]), w.mul(n["rows"], n["columns"])
    with w.planes() as plane:
        image = _cleared(w, x, plane)
        start = w.mul(plane, count)
        many = w.mul(w.div(count, _AT_ONCE), _AT_ONCE)
        for first, last, step in ((0, many, _AT_ONCE), (many, count, 1)):
            with w.loop(first, last, step) as i:
                for k in range(step):
                    _add_one(w, image, size, w.at(g, start, i, k), w.at(places, start, i, k))
    b.ret_void()


# ------------------------------------------------------------------------------------------------------------ routines
_PROGRAMS: dict[str, tuple[Callable, str]] = {
    "maximum": (functools.partial(_maximum, with_places=False), "forward"),
    "maximum and place": (functools.partial(_maximum, with_places=True), "forward"),
    "average": (_average, "forward"),
    "average back": (_average_back, "backward"),
    "scatter": (_scatter_back, "backward"),
}


@functools.cache
def _compiled(program: str, element: str, stride: int, vector_bytes: int) -> int:
    """The address of a program's function."""
    write, entry = _PROGRAMS[program]

    def build() -> str:
        module = ir.Module(program)
        write(module, element, stride)
        return module_text(module)

    return jit.load(("pools", program, element, stride, vector_bytes), [entry], build)[entry]


def _routine(program: str, call: Call, window: Any, planes: int, tables: list) -> Routine:
    """A routine over planes with the windows of a `kenaz.ops.windows.Window` over two axes."""
    element = call.specs[0].dtype.name
    (high, wide), (down, across) = window.size, window.stride
    stride = across if across <= 2 else 0
    sizes = [high, wide, *window.out, *window.kernel, down, across, *window.padding, *window.dilation]
    chunks = chunks_for(planes * (high * wide + math.prod(window.out) * math.prod(window.kernel) // 4), planes)
    function = _compiled(program, element, stride, jit.vector_bytes())
    return Routine([(function, chunks)], [planes, chunks, *sizes, *tables])


def _fits(*specs: Any) -> bool:
    """Whether the kernels take tensors of these specs: dense planes of floats."""
    return all(s.contiguous and s.numel for s in specs) and specs[0].dtype.name in ("float32", "float64")


def _outs(call: Call) -> tuple[Spec, ...]:
    return call.out if type(call.out) is tuple else (call.out,)


def _axis(window: Any, axis: int) -> tuple[int, np.ndarray, int, int, int, int]:
    """Size, first places, kernel, padding, dilation and number of the windows along an axis."""
    size, kernel, stride, padding, dilation, out = (field[axis] for field in window)
    return size, np.arange(out) * stride - padding, kernel, padding, dilation, out


def _taps_inside(window: Any, axis: int) -> np.ndarray:
    """For each window along an axis the first tap that is inside, and the one after the last."""
    size, starts, kernel, _, apart, _ = _axis(window, axis)
    first, last = np.maximum(-(starts // apart), 0), np.minimum(-((starts - size) // apart), kernel)
    return np.ascontiguousarray(np.stack((first, np.maximum(first, last)), 1), np.int64)


def max_pool(call: Call, window: Any) -> Routine | None:
    """The largest value under each window, and its place if there is a second result."""
    x = call.specs[0]
    if len(window.size) != 2 or not _fits(x, *_outs(call)) or math.prod(window.size) >= 1 << 31:
        return None
    taps = [_taps_inside(window, axis) for axis in (0, 1)]
    first = [_axis(window, axis)[1] + taps[axis][:, 0] * window.dilation[axis] for axis in (0, 1)]
    tables = [taps[0], first[0].astype(np.int64), first[1].astype(np.int32)]
    program = "maximum and place" if type(call.out) is tuple else "maximum"
    return _routine(program, call, window, x.numel // math.prod(window.size), tables)


def avg_pool(call: Call, window: Any, count_pad: bool, divisor: int | None, back: bool = False) -> Routine | None:
    """The mean under each window, or with `back` its derivative."""
    if len(window.size) != 2 or not _fits(call.specs[0], *_outs(call)):
        return None
    kind = call.specs[0].dtype.np
    tables = [_taps_inside(window, 0), *(_counted(window, axis, count_pad).astype(kind) for axis in (0, 1))]
    if divisor is not None:
        tables[1:] = np.full(window.out[0], divisor, kind), np.ones(window.out[1], kind)
    planes = call.specs[0].numel // math.prod(window.out if back else window.size)
    return _routine("average back" if back else "average", call, window, planes, tables)


def _counted(window: Any, axis: int, count_pad: bool) -> np.ndarray:
    """How many places along an axis the mean of each window is over."""
    size, starts, kernel, padding, _, _ = _axis(window, axis)
    ends = np.minimum(starts + kernel, size + padding if count_pad else size)
    return ends - (starts if count_pad else np.maximum(starts, 0))


def scatter_planes(call: Call) -> Routine | None:
    """Values added to the places in planes of `size` that their indices name."""
    g, indices, size = call.specs[0], call.specs[1], call.attributes["size"]
    if not _fits(g, *_outs(call)) or not indices.contiguous:
        return None
    planes = call.out.numel // math.prod(size)
    plane, seen = math.prod(size), g.numel // planes
    chunks = chunks_for(planes * (plane + 4 * seen), planes)
    function = _compiled("scatter", g.dtype.name, 1, jit.vector_bytes())
    return Routine([(function, chunks)], [planes, chunks, 1, plane, 1, seen, *[1] * (len(_SIZES) + len(_STEPS) - 6)])
