"""The compiled code of convolutions: one module for an element type, whatever the sizes.

A routine's phase is a list of tasks; chunk i of phase j does task i of table j, which is (function, block of words,
more). Every function here is `void f(block, task)` over the routine's block and the task's row of its table:

    prepare   pad               planes with their padding written out, columns dealt into phases
              pack_weights      A in panels as high as a tile, turned so that a tile reads it front to back
              clear             marks the buffers of the next phase as free
    multiply  multiply          panels of places: packs B for some panels and some depth, then all tiles over it
              multiply_turned   the same for the gradient of the weight, where the depth is places
    finish    spread            phases of an input's gradient, dealt back into columns
              add_up            partial sums of a weight's gradient

Words of a task's own block are named below; the offsets of memory in scratch are in bytes, everything else in elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from . import jit, vectors
from .tiles import Tile, tile_type
from .vectors import I32, I64, VOID, Writer, constant, module_text

# words of the routine's block, counted from the result's address: inputs lie before it
SOURCE, WEIGHT, BIAS, TARGET, SCRATCH, TASKS = -3, -2, -1, 0, 1, 2
TURNED_SOURCE, GRADIENT = -2, -1  # the inputs of a weight's gradient
# words of a task
FUNCTION, WORDS, FIRST, LAST, GROUP, FROM, TO, PART = range(8)
TASK_WORDS = 8

PAD = (
    "channels", "image", "channel", "row", "column", "height", "width", "rows", "row_step", "first_row", "phases",
    "columns", "column_step", "first_column", "input", "into",
)  # fmt: skip
PACK = (
    "rows", "depth", "depth_block", "tall", "talls", "row_offsets", "offsets", "stride", "group", "packed",
    "groups_table",
)  # fmt: skip
MULTIPLY = (
    "rows", "depth", "depth_block", "tall", "talls", "tall_tile", "low_tile", "pack", "runs", "vectors", "reads",
    "starts", "ends", "ends_words", "count", "each", "source_period", "target_period", "source_group", "target_group",
    "target_row", "packed", "padded", "source", "through", "target", "has_bias", "buffer", "buffer_bytes", "slots",
    "slot_count", "block",
)  # fmt: skip
TURNED = (
    "rows", "columns", "tall", "talls", "tall_tile", "low_tile", "tall_narrow", "low_narrow", "vectors", "depth_block",
    "column_block", "periods", "each", "last_each", "x_padded", "x_source", "x_group", "x_period", "x_pack", "x_runs",
    "x_rows", "x_table", "x_last", "y_padded", "y_source", "y_group", "y_period", "y_pack", "y_runs", "y_rows",
    "y_table", "y_last", "y_buffer", "buffer", "buffer_bytes", "slots", "slot_count", "parts", "partial", "part_bytes",
)  # fmt: skip
SPREAD = ("channels", "height", "width", "down", "across", "table")
ADD = ("elements", "parts", "part_bytes", "source")

RUNS = (1, 2, 3, 4, 0)  # variants of packing: how many runs a vector has, or 0 for any number


class Code(Writer):
    """A writer of one task function, with the task's words by name."""

    def __init__(self, module: ir.Module, name: str, element: str, names: Sequence[str] = ()):
        function = ir.Function(module, ir.FunctionType(VOID, [I64, I64]), name)
        function.attributes.add("noinline")
        super().__init__(function, element)
        self.block, self.task = function.args
        self.words_at = self.word(self.task, WORDS)
        self.place = {n: i for i, n in enumerate(names)}
        self.bytes = np.dtype(element).itemsize

    def __getitem__(self, name: str) -> Any:
        """A word of the task's block."""
        return self.word(self.words_at, self.place[name])

    def given(self, i: int) -> Any:
        """A word of the task."""
        return self.word(self.task, i)

    def elements(self, address: Any) -> Any:
        """An address as a pointer to elements."""
        return self.b.inttoptr(address, self.pointer)

    def input(self, i: int) -> Any:
        return self.elements(self.word(self.block, i))

    def scratch(self, offset: Any) -> Any:
        """The elements at an offset in bytes of the scratch memory."""
        return self.elements(self.add(self.word(self.block, SCRATCH), offset))

    def either(self, flag: Any, in_scratch: Any, i: int) -> Any:
        """Elements in scratch memory where the flag is set, else those of word `i`."""
        return self.b.select(self.test(flag, "!=", 0), self.scratch(in_scratch), self.input(i))

    def call_at(self, address: Any, kind: ir.FunctionType, arguments: Sequence[Any]) -> None:
        """Call compiled code whose address is a word."""
        self.b.call(self.b.inttoptr(address, kind.as_pointer()), [self.int(a) for a in arguments])

    def between(self, low: Any, high: Any) -> Any:
        """The mask of lanes from `low` up to `high`."""
        return self.b.and_(self.first_lanes(high), self.b.not_(self.first_lanes(low)))

    def ordered(self, order: Sequence[int]) -> ir.Constant:
        return ir.Constant(ir.VectorType(I32, len(order)), list(order))


# --------------------------------------------------------------------------------------------------------- dispatch
_TASK = ir.FunctionType(VOID, [I64, I64])


def _emit_phase(module: ir.Module, index: int, inputs: int) -> None:
    """Phase `index` of a routine with so many inputs: chunk i does task i of its table."""
    function = ir.Function(module, _TASK, f"phase{index}_{inputs}")
    w = Writer(function)
    block, chunk = w.add(function.args[0], 8 * inputs), function.args[1]
    task = w.add(w.word(block, TASKS + index), w.mul(chunk, 8 * TASK_WORDS))
    w.b.call(w.b.inttoptr(w.word(task, FUNCTION), _TASK.as_pointer()), [block, task])
    w.b.ret_void()


# ------------------------------------------------------------------------------------------------------------- padding
def _emit_pad(module: ir.Module, element: str, step: int) -> None:
    """Copy planes FIRST to LAST of the source; `step` 1 or 2 columns apart, or 0 for any strides."""
    w = Code(module, f"pad{step}", element, PAD)
    n = {name: w[name] for name in PAD}
    plane = w.mul(n["phases"], n["rows"], n["columns"])
    source, target = w.elements(w.word(w.add(w.block, w.mul(n["input"], 8)), 0)), w.scratch(n["into"])
    copy = {0: _copy_any, 1: _copy_near, 2: _copy_pairs}[step]
    with w.loop(w.given(FIRST), w.given(LAST)) as p:
        image, channel = w.div(p, n["channels"]), w.rem(p, n["channels"])
        x = w.at(source, w.mul(image, n["image"]), w.mul(channel, n["channel"]))
        into = w.at(target, w.mul(p, plane))
        with w.loop(0, n["rows"]) as i:
            y = w.add(w.mul(i, n["row_step"]), n["first_row"])
            inside = w.b.and_(w.test(y, ">=", 0), w.test(y, "<", n["height"]))
            width = w.b.select(inside, n["width"], constant(0))
            row = w.at(x, w.mul(w.b.select(inside, y, constant(0)), n["row"]))
            with w.loop(0, n["phases"]) as f:
                to = w.at(into, w.mul(w.add(w.mul(f, n["rows"]), i), n["columns"]))
                copy(w, n, row, to, w.add(f, n["first_column"]), width)
    w.b.ret_void()


def _copy_near(w: Code, n: dict, row: Any, to: Any, first: Any, width: Any) -> None:
    def move(j: Any, is_inside: bool) -> None:
        x = _load_inside(w, row, w.add(j, first), width, is_inside)
        w.store(x, w.at(to, j), None if is_inside else w.first_lanes(w.sub(n["columns"], j)))

    _in_three(w, n, 1, first, width, move)


def _copy_pairs(w: Code, n: dict, row: Any, to: Any, first: Any, width: Any) -> None:
    def move(j: Any, is_inside: bool) -> None:
        start = w.add(w.mul(j, 2), first)
        halves = [_load_inside(w, row, w.add(start, half * w.lanes), width, is_inside) for half in range(2)]
        x = w.b.shuffle_vector(*halves, w.ordered(range(0, 2 * w.lanes, 2)))
        w.store(x, w.at(to, j), None if is_inside else w.first_lanes(w.sub(n["columns"], j)))

    _in_three(w, n, 2, first, width, move)


def _load_inside(w: Code, row: Any, start: Any, width: Any, is_inside: bool) -> Any:
    """The elements of a row from `start`; those outside are zero."""
    mask = None if is_inside else w.between(w.sub(0, start), w.sub(width, start))
    return w.load(w.at(row, start), mask)


def _in_three(w: Code, n: dict, step: int, first: Any, width: Any, move: Any) -> None:
    """Move vectors of columns; those that lie inside the row without masks, which take longer than moving."""
    last = constant(-w.lanes)
    begin = w.div(w.max(w.add(w.sub(0, first), step - 1), 0), step)
    begin = w.b.and_(w.add(begin, w.lanes - 1), last)
    end = w.div(w.max(w.sub(width, first), 0), step)
    end = w.max(w.b.and_(w.min(end, n["columns"]), last), w.min(begin, n["columns"]))
    border = w.min(begin, n["columns"])
    for start, stop, is_inside in ((0, border, False), (begin, end, True), (end, n["columns"], False)):
        with w.loop(start, stop, w.lanes) as j:
            move(j, is_inside)


def _copy_any(w: Code, n: dict, row: Any, to: Any, first: Any, width: Any) -> None:
    with w.loop(0, n["columns"]) as j:
        x = w.add(w.mul(j, n["column_step"]), first)
        inside = w.b.and_(w.test(x, ">=", 0), w.test(x, "<", width))
        with w.b.if_else(inside) as (then, otherwise):
            with then:
                w.b.store(w.b.load(w.at(row, w.mul(x, n["column"]))), w.at(to, j))
            with otherwise:
                w.b.store(ir.Constant(w.element, 0.0), w.at(to, j))


# ------------------------------------------------------------------------------------------------------------- packing
def read_runs(w: Writer, table: Any, runs: int) -> list[tuple[Any, Any]]:
    """The (offset, mask) of each run of a vector."""
    return [(w.word(table, 2 * r), w.bits(w.word(table, 2 * r + 1))) for r in range(runs)]


def load_runs(w: Writer, base: Any, runs: list[tuple[Any, Any]]) -> Any:
    """A vector of B out of its runs; lanes in no run are zero."""
    x = None
    for offset, mask in runs:
        x = w.load(w.at(base, offset), mask, x)
    return x


def load_any(w: Writer, base: Any, table: Any, count: Any) -> Any:
    """The same for a number of runs that is known when it runs."""
    with w.folding(0, count, 1, [w.zero]) as (r, (x,), after):
        at = w.add(table, w.mul(r, 16))
        after.append(w.load(w.at(base, w.word(at, 0)), w.bits(w.word(at, 1)), x))
        carried = [x]
    return carried[0]


def pack_type(element: str) -> ir.FunctionType:
    """pack(source, into, table of the first vector, runs, vectors, reads, depth)"""
    pointer = vectors.ELEMENTS[element].as_pointer()
    return ir.FunctionType(VOID, [pointer, pointer, I64, I64, I64, I64, I64])


def turn_type(element: str) -> ir.FunctionType:
    """turn(source, into, table of the first vector, runs, row offsets, rows, stride of the result, depth)"""
    pointer = vectors.ELEMENTS[element].as_pointer()
    return ir.FunctionType(VOID, [pointer, pointer, I64, I64, I64, I64, I64, I64])


def _emit_pack(module: ir.Module, element: str, runs: int) -> None:
    """A panel of B: for each step of the depth `vectors` vectors of places."""
    function = ir.Function(module, pack_type(element), f"pack{runs}")
    function.attributes.add("noinline")
    w = Writer(function, element)
    source, into, table, count, vectors_, reads, depth = function.args
    source.add_attribute("noalias")
    into.add_attribute("noalias")
    step, width = w.mul(count, 16), w.mul(vectors_, w.lanes)
    with w.loop(0, vectors_) as v:
        at = w.add(table, w.mul(v, step))
        known = read_runs(w, at, runs)
        to = w.at(into, w.mul(v, w.lanes))
        whole = w.b.and_(depth, constant(-4))
        for start, end, steps in ((0, whole, 4), (whole, depth, 1)):
            with w.loop(start, end, steps) as k:
                for s in range(steps):
                    i = w.add(k, s)
                    base = w.at(source, w.word(w.add(reads, w.mul(i, 8)), 0))
                    x = load_runs(w, base, known) if runs else load_any(w, base, at, count)
                    w.store(x, w.at(to, w.mul(i, width)))
    w.b.ret_void()


def _emit_turn(module: ir.Module, element: str, runs: int) -> None:
    """Rows whose elements along the depth are vectors with runs, turned: into[k * stride + r] = source[offset of r +
    k]. The depth is a multiple of the lanes."""
    function = ir.Function(module, turn_type(element), f"turn{runs}")
    function.attributes.add("noinline")
    w = Writer(function, element)
    source, into, table, count, offsets, rows, stride, depth = function.args
    source.add_attribute("noalias")
    into.add_attribute("noalias")
    step = w.mul(count, 16)
    with w.loop(0, rows, w.lanes) as r:
        several = [w.min(w.add(r, i), w.sub(rows, 1)) for i in range(w.lanes)]
        bases = [w.at(source, w.word(w.add(offsets, w.mul(i, 8)), 0)) for i in several]
        mask = w.first_lanes(w.sub(rows, r))
        with w.loop(0, depth, w.lanes) as k:
            at = w.add(table, w.mul(w.div(k, w.lanes), step))
            known = read_runs(w, at, runs)
            several = [load_runs(w, base, known) if runs else load_any(w, base, at, count) for base in bases]
            for j, x in enumerate(w.transpose(several)):
                w.store(x, w.at(into, w.mul(w.add(k, j), stride), r), mask)
    w.b.ret_void()


def tile_rows(w: Code, tile: Any) -> tuple[Any, Any]:
    """The first row of a tile, and how many it has: `talls` tiles of `tall` rows come first, then lower ones by one."""
    talls, tall = w["talls"], w["tall"]
    is_tall = w.test(tile, "<", talls)
    high = w.b.select(is_tall, tall, w.sub(tall, 1))
    low_first = w.add(w.mul(talls, tall), w.mul(w.sub(tile, talls), w.sub(tall, 1)))
    return w.b.select(is_tall, w.mul(tile, tall), low_first), high


def _emit_pack_weights(module: ir.Module, element: str, turned: bool) -> None:
    """Tiles FIRST to LAST of A, for all depths; `turned` where the depth is contiguous in the weight."""
    w = Code(module, f"pack_weights{int(turned)}", element, PACK)
    n = {name: w[name] for name in PACK}
    group = w.given(GROUP)
    weight = w.at(w.input(WEIGHT), w.mul(group, n["group"]))
    packed = w.at(w.scratch(n["packed"]), w.mul(group, n["rows"], rounded(w, n["depth"])))
    copy = _turn_tile if turned else _gather_tile
    with w.loop(0, n["depth"], n["depth_block"]) as pc:
        depth = w.min(n["depth_block"], w.sub(n["depth"], pc))
        with w.loop(w.given(FIRST), w.given(LAST)) as tile:
            row, high = tile_rows(w, tile)
            to = w.at(packed, w.mul(pc, n["rows"]), w.mul(row, rounded(w, depth)))
            copy(w, n, weight, to, row, high, pc, depth)
    w.b.ret_void()


def rounded(w: Code, depth: Any) -> Any:
    """A depth as a multiple of the lanes: so much room has A."""
    return w.b.and_(w.add(depth, w.lanes - 1), constant(-w.lanes))


def _turn_tile(w: Code, n: dict, weight: Any, to: Any, row: Any, high: Any, pc: Any, depth: Any) -> None:
    rows_at = w.add(n["row_offsets"], w.mul(row, 8))
    table = w.add(n["groups_table"], w.mul(w.div(pc, w.lanes), 16))
    w.b.call(w.module.globals["turn1"], [weight, to, table, constant(1), rows_at, high, high, rounded(w, depth)])


def _gather_tile(w: Code, n: dict, weight: Any, to: Any, row: Any, high: Any, pc: Any, depth: Any) -> None:
    with w.loop(0, depth) as k:
        offset = w.word(w.add(n["offsets"], w.mul(w.add(pc, k), 8)), 0)
        base, into = w.at(weight, offset, w.mul(row, n["stride"])), w.at(to, w.mul(k, high))
        with w.loop(0, high) as r:
            w.b.store(w.b.load(w.at(base, w.mul(r, n["stride"]))), w.at(into, r))


# ----------------------------------------------------------------------------------------- buffers of running threads
def _emit_clear(module: ir.Module) -> None:
    """Mark FIRST to LAST of the slots as free; their place is word FROM of the task."""
    w = Code(module, "clear", "float32")
    slots = w.add(w.word(w.block, SCRATCH), w.given(FROM))
    with w.loop(w.given(FIRST), w.given(LAST)) as i:
        w.b.store(constant(0), w.b.inttoptr(w.add(slots, w.mul(i, 8)), I64.as_pointer()))
    w.b.ret_void()


def take_slot(w: Code) -> tuple[Any, Any]:
    """A buffer that no other task uses, and its slot to give back: as many as threads, so that they stay in caches."""
    b = w.b
    slots, count = w.add(w.word(w.block, SCRATCH), w["slots"]), w["slot_count"]
    before, look, done = b.block, b.append_basic_block("look"), b.append_basic_block("taken")
    b.branch(look)
    b.position_at_end(look)
    i = b.phi(I64)
    i.add_incoming(constant(0), before)
    slot = b.inttoptr(w.add(slots, w.mul(i, 8)), I64.as_pointer())
    swapped = b.cmpxchg(slot, constant(0), constant(1), "seq_cst", "seq_cst")
    i.add_incoming(w.rem(w.add(i, 1), count), b.block)
    b.cbranch(b.extract_value(swapped, 1), done, look)
    b.position_at_end(done)
    return w.scratch(w.add(w["buffer"], w.mul(i, w["buffer_bytes"]))), slot


def give_slot(w: Code, slot: Any) -> None:
    w.b.store_atomic(constant(0), slot, "seq_cst", 8)


# ------------------------------------------------------------------------------------------------------ multiplication
def _emit_multiply(module: ir.Module, element: str) -> None:
    """C for panels FIRST to LAST: B packed block by block, and every tile of A over it."""
    w = Code(module, "multiply", element, MULTIPLY)
    n = {name: w[name] for name in MULTIPLY}
    group, width = w.given(GROUP), w.mul(n["vectors"], w.lanes)
    source = w.at(w.either(n["padded"], n["source"], SOURCE), w.mul(group, n["source_group"]))
    target = w.at(w.either(n["through"], n["target"], TARGET), w.mul(group, n["target_group"]))
    packed = w.at(w.scratch(n["packed"]), w.mul(group, n["rows"], rounded(w, n["depth"])))
    buffer, slot = take_slot(w)
    bias = w.at(w.input(BIAS), w.mul(group, n["rows"]))
    null = ir.Constant(w.pointer, None)
    tile_kind = tile_type(Tile(1, 1, element, "table"))
    lowest = ir.Constant(w.element, float("-inf"))

    def panel(j: Any) -> tuple[Any, Any]:
        """The repetition of the pattern that a panel lies in, and its place in the tables."""
        is_last = w.test(w.add(j, 1), "==", n["count"])
        return w.div(j, n["each"]), w.b.select(is_last, n["each"], w.rem(j, n["each"]))

    def pack(first: Any, several: Any, pc: Any, depth: Any) -> None:
        reads = w.add(n["reads"], w.mul(pc, 8))
        with w.loop(0, several) as j:
            period, q = panel(w.add(first, j))
            table = w.add(n["starts"], w.mul(q, n["vectors"], n["runs"], 16))
            into = w.at(buffer, w.mul(j, depth, width))
            base = w.at(source, w.mul(period, n["source_period"]))
            w.call_at(n["pack"], pack_type(element), [base, into, table, n["runs"], n["vectors"], reads, depth])

    def tiles_of(tile: Any, high: Any, row: Any, first: Any, several: Any, pc: Any, depth: Any) -> None:
        a = w.at(packed, w.mul(pc, n["rows"]), w.mul(row, rounded(w, depth)))
        add = w.b.zext(w.test(pc, ">", 0), I64)
        biased = w.b.select(w.test(n["has_bias"], "!=", 0), w.at(bias, row), null)
        into = w.at(target, w.mul(row, n["target_row"]))
        with w.loop(0, several) as j:
            period, q = panel(w.add(first, j))
            table = w.b.inttoptr(w.add(n["ends"], w.mul(q, n["ends_words"])), I64.as_pointer())
            c = w.at(into, w.mul(period, n["target_period"]))
            b = w.at(buffer, w.mul(j, depth, width))
            operands = [depth, a, 1, high, b, width, w.lanes]
            w.call_at(tile, tile_kind, [*operands, c, n["target_row"], table, biased, add, lowest])

    with w.loop(w.given(FIRST), w.given(LAST), n["block"]) as first:
        several = w.min(n["block"], w.sub(w.given(LAST), first))
        with w.loop(0, n["depth"], n["depth_block"]) as pc:
            depth = w.min(n["depth_block"], w.sub(n["depth"], pc))
            pack(first, several, pc, depth)
            border = w.mul(n["talls"], n["tall"])
            with w.loop(0, border, n["tall"]) as row:
                tiles_of(n["tall_tile"], n["tall"], row, first, several, pc, depth)
            low = w.sub(n["tall"], 1)
            with w.b.if_then(w.test(border, "<", n["rows"])):
                with w.loop(border, n["rows"], low) as row:
                    tiles_of(n["low_tile"], low, row, first, several, pc, depth)
    give_slot(w, slot)
    w.b.ret_void()


def _emit_multiply_turned(module: ir.Module, element: str) -> None:
    """The gradient of the weight for its columns FIRST to LAST over the periods FROM to TO: C = Y X, where the depth is
    places. Rows of Y are channels of the result, rows of X are (channel, tap); both are turned when they are packed."""
    w = Code(module, "multiply_turned", element, TURNED)
    n = {name: w[name] for name in TURNED}
    group, width = w.given(GROUP), w.mul(n["vectors"], w.lanes)
    x = w.at(w.either(n["x_padded"], n["x_source"], TURNED_SOURCE), w.mul(group, n["x_group"]))
    y = w.at(w.either(n["y_padded"], n["y_source"], GRADIENT), w.mul(group, n["y_group"]))
    partial = w.add(n["partial"], w.mul(w.given(PART), n["part_bytes"]))
    target = w.b.select(w.test(n["parts"], ">", 1), w.scratch(partial), w.input(TARGET))
    target = w.at(target, w.mul(group, n["rows"], n["columns"]))
    x_buffer, slot = take_slot(w)
    y_buffer = w.at(x_buffer, n["y_buffer"])
    turn_kind, tile_kind = turn_type(element), tile_type(Tile(1, 1, element))
    one, lowest = ir.Constant(w.element, 1.0), ir.Constant(w.element, float("-inf"))
    null = ir.Constant(w.pointer, None)
    border = w.mul(n["talls"], n["tall"])
    sizes = (("tall", 0, border, n["tall"]), ("low", border, n["rows"], w.sub(n["tall"], 1)))

    def pack_y(base: Any, table: Any, depth: Any) -> None:
        for _, start, end, high in sizes:
            with w.b.if_then(w.test(start, "<", end)), w.loop(start, end, high) as row:
                into, rows = w.at(y_buffer, w.mul(row, depth)), w.add(n["y_rows"], w.mul(row, 8))
                w.call_at(n["y_pack"], turn_kind, [base, into, table, n["y_runs"], rows, high, high, depth])

    def pack_x(base: Any, table: Any, depth: Any, first: Any, last: Any) -> None:
        with w.loop(first, last, width) as j:
            into, rows = w.at(x_buffer, w.mul(w.sub(j, first), depth)), w.add(n["x_rows"], w.mul(j, 8))
            several = w.min(width, w.sub(last, j))
            w.call_at(n["x_pack"], turn_kind, [base, into, table, n["x_runs"], rows, several, width, depth])

    def multiply(depth: Any, first: Any, last: Any, add: Any) -> None:
        for name, start, end, high in sizes:
            with w.b.if_then(w.test(start, "<", end)), w.loop(start, end, high) as row, w.loop(first, last, width) as j:
                left = w.min(width, w.sub(last, j))
                is_narrow = w.test(left, "<=", w.sub(width, w.lanes))
                tile = w.b.select(is_narrow, n[f"{name}_narrow"], n[f"{name}_tile"])
                lanes = w.b.select(is_narrow, left, w.sub(left, w.sub(width, w.lanes)))
                a, b = w.at(y_buffer, w.mul(row, depth)), w.at(x_buffer, w.mul(w.sub(j, first), depth))
                c = w.at(target, w.mul(row, n["columns"]), j)
                d = w.b.select(add, c, null)
                left_side = [depth, a, 1, high, b, width, lanes]
                w.call_at(tile, tile_kind, [*left_side, c, n["columns"], d, n["columns"], one, one, lowest])

    with w.loop(w.given(FROM), w.given(TO)) as period:
        is_last = w.test(w.add(period, 1), "==", n["periods"])
        each = w.b.select(is_last, n["last_each"], n["each"])
        tables = [w.b.select(is_last, n[f"{s}_last"], n[f"{s}_table"]) for s in "xy"]
        bases = [w.at(p, w.mul(period, n[f"{s}_period"])) for p, s in ((x, "x"), (y, "y"))]
        with w.loop(0, each, n["depth_block"]) as q:
            depth = w.mul(w.min(n["depth_block"], w.sub(each, q)), w.lanes)
            at = [w.add(t, w.mul(q, n[f"{s}_runs"], 16)) for t, s in zip(tables, "xy", strict=True)]
            pack_y(bases[1], at[1], depth)
            add = w.b.or_(w.test(period, ">", w.given(FROM)), w.test(q, ">", 0))
            with w.loop(w.given(FIRST), w.given(LAST), n["column_block"]) as first:
                last = w.min(w.add(first, n["column_block"]), w.given(LAST))
                pack_x(bases[0], at[0], depth, first, last)
                multiply(depth, first, last, add)
    give_slot(w, slot)
    w.b.ret_void()


# ------------------------------------------------------------------------------------------------------------ finishing
def _emit_spread(module: ir.Module, element: str, pairs: bool) -> None:
    """Deal the phases of planes FIRST to LAST back into their rows and columns. The table has for each phase its offset
    in scratch (or -1: zeros), its elements from channel to channel and image to image, and its columns."""
    w = Code(module, f"spread{int(pairs)}", element, SPREAD)
    n = {name: w[name] for name in SPREAD}
    target = w.input(TARGET)
    with w.loop(w.given(FIRST), w.given(LAST)) as p:
        image, channel = w.div(p, n["channels"]), w.rem(p, n["channels"])

        def phase(y: Any, f: Any) -> tuple[Any, Any]:
            """A row of a phase, and how many columns of it there are: none where the phase is zero."""
            at = w.add(n["table"], w.mul(w.add(w.mul(w.rem(y, n["down"]), n["across"]), f), 32))
            offset, from_channel, from_image, columns = w.words(at, 0, 4)
            there = w.test(offset, ">=", 0)
            row = w.mul(w.div(y, n["down"]), columns)
            row = w.at(w.scratch(offset), w.mul(channel, from_channel), w.mul(image, from_image), row)
            return row, w.b.select(there, columns, constant(0))

        with w.loop(0, n["height"]) as y:
            to = w.at(target, w.mul(w.add(w.mul(p, n["height"]), y), n["width"]))
            if pairs:
                _interleave(w, n, to, [phase(y, f) for f in (0, 1)])
            else:
                _deal(w, n, to, lambda f, y=y: phase(y, f))
    w.b.ret_void()


def _interleave(w: Code, n: dict, to: Any, rows: Sequence[tuple[Any, Any]]) -> None:
    with w.loop(0, n["width"], 2 * w.lanes) as x:
        half = w.div(x, 2)
        pair = [w.load(w.at(row, half), w.first_lanes(w.sub(columns, half))) for row, columns in rows]
        for i in range(2):
            order = [i * w.lanes // 2 + k // 2 + k % 2 * w.lanes for k in range(w.lanes)]
            mask = w.first_lanes(w.sub(n["width"], w.add(x, i * w.lanes)))
            w.store(w.b.shuffle_vector(*pair, w.ordered(order)), w.at(to, x, i * w.lanes), mask)


def _deal(w: Code, n: dict, to: Any, phase: Any) -> None:
    with w.loop(0, n["across"]) as f:
        row, columns = phase(f)
        with w.loop(f, n["width"], n["across"]) as x:
            j = w.div(w.sub(x, f), n["across"])
            there = w.test(columns, ">", 0)
            with w.b.if_else(there) as (then, otherwise):
                with then:
                    w.b.store(w.b.load(w.at(row, j)), w.at(to, x))
                with otherwise:
                    w.b.store(ir.Constant(w.element, 0.0), w.at(to, x))


def _emit_add_up(module: ir.Module, element: str) -> None:
    """Elements FIRST to LAST of the result as the sum of the parts."""
    w = Code(module, "add_up", element, ADD)
    n = {name: w[name] for name in ADD}
    target = w.input(TARGET)
    with w.loop(w.given(FIRST), w.given(LAST), w.lanes) as i:
        mask = w.first_lanes(w.sub(w.given(LAST), i))
        with w.folding(0, n["parts"], 1, [w.zero]) as (p, carried, after):
            part = w.scratch(w.add(n["source"], w.mul(p, n["part_bytes"])))
            after.append(w.b.fadd(carried[0], w.load(w.at(part, i), mask)))
        w.store(carried[0], w.at(target, i), mask)
    w.b.ret_void()


# -------------------------------------------------------------------------------------------------------------- modules
PHASES = 3
_FUNCTIONS = {
    "common": (*(f"phase{i}_{n}" for i in range(PHASES) for n in (2, 3)), "clear", *(f"pad{i}" for i in (0, 1, 2))),
    "places": ("pack_weights0", "pack_weights1", "multiply", "spread0", "spread1"),
    "weight": ("multiply_turned", "add_up"),
}
_found: dict[tuple[str, str, int], dict[str, int]] = {}


def functions(part: str, element: str) -> dict[str, int]:
    """The addresses of a module's functions: a part in `_FUNCTIONS`, or "pack" or "turn" with the number of runs."""
    key = part, element, jit.vector_bytes()
    if key not in _found:
        names = _FUNCTIONS.get(part, (part,))
        _found[key] = jit.load(("convolution", *key), names, lambda: _text(part, element))
    return _found[key]


def packing(kind: str, element: str, runs: int) -> int:
    """The address of `pack` or `turn` for vectors with so many runs."""
    name = f"{kind}{runs if runs in RUNS else 0}"
    return functions(name, element)[name]


def _text(part: str, element: str) -> str:
    module = ir.Module()
    if part in _PARTS:
        _PARTS[part](module, element)
    else:
        emit = _emit_pack if part[:-1] == "pack" else _emit_turn
        emit(module, element, int(part[-1]))
    return module_text(module)


def _emit_common(module: ir.Module, element: str) -> None:
    for i in range(PHASES):
        _emit_phase(module, i, 2)
        _emit_phase(module, i, 3)
    _emit_clear(module)
    for step in (0, 1, 2):
        _emit_pad(module, element, step)


def _emit_places(module: ir.Module, element: str) -> None:
    _emit_turn(module, element, 1)
    for flag in (False, True):
        _emit_pack_weights(module, element, flag)
        _emit_spread(module, element, flag)
    _emit_multiply(module, element)


def _emit_weight(module: ir.Module, element: str) -> None:
    _emit_multiply_turned(module, element)
    _emit_add_up(module, element)


_PARTS = {"common": _emit_common, "places": _emit_places, "weight": _emit_weight}
