"""The first phase of a convolution, and what packs B: everything that copies operands to where tiles read them.

    pad               planes with their padding written out, columns dealt into phases
    pack_weights      A in panels as high as a tile, turned so that a tile reads it front to back
    pack, turn        a panel of B, whose vectors are runs of the source (`conv_geometry`), as it lies or turned

`PAD` and `PACK` are the words of the tasks `pad` and `pack_weights`; the other two are called by the second phase.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import vectors
from .conv_tasks import FIRST, GROUP, LAST, WEIGHT, Code
from .vectors import I64, VOID, Writer, constant

PAD = (
    "channels", "image", "channel", "row", "column", "height", "width", "rows", "row_step", "first_row", "phases",
    "columns", "column_step", "first_column", "input", "into",
)  # fmt: skip
PACK = (
    "rows", "depth", "depth_block", "tall", "talls", "row_offsets", "offsets", "stride", "group", "packed",
    "groups_table",
)  # fmt: skip
RUNS = (1, 2, 3, 4, 0)  # variants of packing: how many runs a vector has, or 0 for any number
BOTH = 3  # a variant of `pad`


# ------------------------------------------------------------------------------------------------------------- padding
def emit_pad(module: ir.Module, element: str, step: int) -> None:
    """Copy planes FIRST to LAST of the source; `step` 1 or 2 columns apart, 0 for any strides, `BOTH` for two phases at
    once."""
    w = Code(module, f"pad{step}", element, PAD)
    n = {name: w[name] for name in PAD}
    plane = w.mul(n["phases"], n["rows"], n["columns"])
    source, target = w.elements(w.word(w.add(w.block, w.mul(n["input"], 8)), 0)), w.scratch(n["into"])
    with w.loop(w.given(FIRST), w.given(LAST)) as p:
        image, channel = w.div(p, n["channels"]), w.rem(p, n["channels"])
        x = w.at(source, w.mul(image, n["image"]), w.mul(channel, n["channel"]))
        into = w.at(target, w.mul(p, plane))
        with w.loop(0, n["rows"]) as i:
            y = w.add(w.mul(i, n["row_step"]), n["first_row"])
            inside = w.b.and_(w.test(y, ">=", 0), w.test(y, "<", n["height"]))
            width = w.b.select(inside, n["width"], constant(0))
            row = w.at(x, w.mul(w.b.select(inside, y, constant(0)), n["row"]))
            if step == BOTH:
                _copy_both(w, n, row, w.at(into, w.mul(i, n["columns"])), n["first_column"], width)
            else:
                with w.loop(0, n["phases"]) as f:
                    to = w.at(into, w.mul(w.add(w.mul(f, n["rows"]), i), n["columns"]))
                    _COPIES[step](w, n, row, to, w.add(f, n["first_column"]), width)
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


def _copy_both(w: Code, n: dict, row: Any, to: Any, first: Any, width: Any) -> None:
    """Neighbouring columns go to two phases, that are loaded once."""

    def move(j: Any, is_inside: bool) -> None:
        start = w.add(w.mul(j, 2), first)
        halves = [_load_inside(w, row, w.add(start, half * w.lanes), width, is_inside) for half in range(2)]
        mask = None if is_inside else w.first_lanes(w.sub(n["columns"], j))
        for f in range(2):
            x = w.b.shuffle_vector(*halves, w.ordered(range(f, 2 * w.lanes, 2)))
            w.store(x, w.at(to, w.mul(n["rows"], n["columns"], f), j), mask)

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


_COPIES = {0: _copy_any, 1: _copy_near, 2: _copy_pairs}


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


def emit_pack(module: ir.Module, element: str, runs: int) -> None:
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


def emit_turn(module: ir.Module, element: str, runs: int) -> None:
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


def emit_pack_weights(module: ir.Module, element: str, turned: bool) -> None:
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
