"""The second and third phase of a convolution: one module for an element type, whatever the sizes.

    multiply          panels of places: packs B for some panels and some depth, then all tiles over it
    multiply_turned   the same for the gradient of the weight, where the depth is places
    spread            phases of an input's gradient, dealt back into columns
    add_up            partial sums of a weight's gradient

All are tasks (`conv_tasks`), with the words named below. `functions` has the addresses of these and of what the first
phase does (`conv_packs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from . import conv_packs, jit
from .conv_packs import RUNS, pack_type, rounded, turn_type
from .conv_tasks import (
    BIAS,
    FIRST,
    FROM,
    GRADIENT,
    GROUP,
    LAST,
    PART,
    SOURCE,
    TARGET,
    TO,
    TURNED_SOURCE,
    Code,
    emit_clear,
    emit_phase,
    give_slot,
    take_slot,
)  # fmt: skip
from .tiles import Tile, tile_type
from .vectors import I64, constant, module_text

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


# ------------------------------------------------------------------------------------------------------ multiplication
class _Multiply(Code):
    """C for panels FIRST to LAST: B packed block by block, and every tile of A over it."""

    def __init__(self, module: ir.Module, element: str):
        super().__init__(module, "multiply", element, MULTIPLY)
        self.n = n = {name: self[name] for name in MULTIPLY}
        group, self.width = self.given(GROUP), self.mul(n["vectors"], self.lanes)
        self.source = self.at(self.either(n["padded"], n["source"], SOURCE), self.mul(group, n["source_group"]))
        self.target = self.at(self.either(n["through"], n["target"], TARGET), self.mul(group, n["target_group"]))
        self.packed = self.at(self.scratch(n["packed"]), self.mul(group, n["rows"], rounded(self, n["depth"])))
        self.buffer, self.slot = take_slot(self)
        self.bias = self.at(self.input(BIAS), self.mul(group, n["rows"]))
        self.pack_kind, self.tile_kind = pack_type(element), tile_type(Tile(1, 1, element, "table"))

    def write(self) -> None:
        n = self.n
        with self.loop(self.given(FIRST), self.given(LAST), n["block"]) as first:
            several = self.min(n["block"], self.sub(self.given(LAST), first))
            with self.loop(0, n["depth"], n["depth_block"]) as pc:
                depth = self.min(n["depth_block"], self.sub(n["depth"], pc))
                self._pack(first, several, pc, depth)
                self._all_tiles(first, several, pc, depth)
        give_slot(self, self.slot)
        self.b.ret_void()

    def _panel(self, j: Any) -> tuple[Any, Any]:
        """The repetition of the pattern that a panel lies in, and its place in the tables."""
        n = self.n
        is_last = self.test(self.add(j, 1), "==", n["count"])
        return self.div(j, n["each"]), self.b.select(is_last, n["each"], self.rem(j, n["each"]))

    def _pack(self, first: Any, several: Any, pc: Any, depth: Any) -> None:
        n = self.n
        reads = self.add(n["reads"], self.mul(pc, 8))
        with self.loop(0, several) as j:
            period, q = self._panel(self.add(first, j))
            table = self.add(n["starts"], self.mul(q, n["vectors"], n["runs"], 16))
            into = self.at(self.buffer, self.mul(j, depth, self.width))
            base = self.at(self.source, self.mul(period, n["source_period"]))
            self.call_at(n["pack"], self.pack_kind, [base, into, table, n["runs"], n["vectors"], reads, depth])

    def _all_tiles(self, first: Any, several: Any, pc: Any, depth: Any) -> None:
        n = self.n
        border = self.mul(n["talls"], n["tall"])
        with self.loop(0, border, n["tall"]) as row:
            self._tiles(n["tall_tile"], n["tall"], row, first, several, pc, depth)
        low = self.sub(n["tall"], 1)
        with self.b.if_then(self.test(border, "<", n["rows"])), self.loop(border, n["rows"], low) as row:
            self._tiles(n["low_tile"], low, row, first, several, pc, depth)

    def _tiles(self, tile: Any, high: Any, row: Any, first: Any, several: Any, pc: Any, depth: Any) -> None:
        """The tiles of one height at one row: one for each panel of B."""
        n = self.n
        a = self.at(self.packed, self.mul(pc, n["rows"]), self.mul(row, rounded(self, depth)))
        add = self.b.zext(self.test(pc, ">", 0), I64)
        biased = self.b.select(self.test(n["has_bias"], "!=", 0), self.at(self.bias, row), self.null)
        into = self.at(self.target, self.mul(row, n["target_row"]))
        with self.loop(0, several) as j:
            period, q = self._panel(self.add(first, j))
            table = self.b.inttoptr(self.add(n["ends"], self.mul(q, n["ends_words"])), I64.as_pointer())
            c = self.at(into, self.mul(period, n["target_period"]))
            b = self.at(self.buffer, self.mul(j, depth, self.width))
            operands = [depth, a, 1, high, b, self.width, self.lanes]
            self.call_at(tile, self.tile_kind, [*operands, c, n["target_row"], table, biased, add])


class _MultiplyTurned(Code):
    """The gradient of the weight for its columns FIRST to LAST over the periods FROM to TO: C = Y X, where the depth is
    places. Rows of Y are channels of the result, rows of X are (channel, tap); both are turned when they are packed."""

    def __init__(self, module: ir.Module, element: str):
        super().__init__(module, "multiply_turned", element, TURNED)
        self.n = n = {name: self[name] for name in TURNED}
        group, self.width = self.given(GROUP), self.mul(n["vectors"], self.lanes)
        self.x = self.at(self.either(n["x_padded"], n["x_source"], TURNED_SOURCE), self.mul(group, n["x_group"]))
        self.y = self.at(self.either(n["y_padded"], n["y_source"], GRADIENT), self.mul(group, n["y_group"]))
        self.target = self.at(self._part(), self.mul(group, n["rows"], n["columns"]))
        self.x_buffer, self.slot = take_slot(self)
        self.y_buffer = self.at(self.x_buffer, n["y_buffer"])
        self.turn_kind, self.tile_kind = turn_type(element), tile_type(Tile(1, 1, element))
        border = self.mul(n["talls"], n["tall"])
        self.heights = (("tall", 0, border, n["tall"]), ("low", border, n["rows"], self.sub(n["tall"], 1)))

    def _part(self) -> Any:
        """Where the sums of this task go: a part in scratch memory, or the result where there is one part only."""
        n = self.n
        partial = self.add(n["partial"], self.mul(self.given(PART), n["part_bytes"]))
        return self.b.select(self.test(n["parts"], ">", 1), self.scratch(partial), self.input(TARGET))

    def write(self) -> None:
        n = self.n
        with self.loop(self.given(FROM), self.given(TO)) as period:
            is_last = self.test(self.add(period, 1), "==", n["periods"])
            each = self.b.select(is_last, n["last_each"], n["each"])
            tables = [self.b.select(is_last, n[f"{s}_last"], n[f"{s}_table"]) for s in "xy"]
            bases = [self.at(p, self.mul(period, n[f"{s}_period"])) for p, s in ((self.x, "x"), (self.y, "y"))]
            with self.loop(0, each, n["depth_block"]) as q:
                depth = self.mul(self.min(n["depth_block"], self.sub(each, q)), self.lanes)
                at = [self.add(t, self.mul(q, n[f"{s}_runs"], 16)) for t, s in zip(tables, "xy", strict=True)]
                self._pack_y(bases[1], at[1], depth)
                add = self.b.or_(self.test(period, ">", self.given(FROM)), self.test(q, ">", 0))
                with self.loop(self.given(FIRST), self.given(LAST), n["column_block"]) as first:
                    last = self.min(self.add(first, n["column_block"]), self.given(LAST))
                    self._pack_x(bases[0], at[0], depth, first, last)
                    self._tiles(depth, first, last, add)
        give_slot(self, self.slot)
        self.b.ret_void()

    @contextmanager
    def _rows(self, start: Any, end: Any, high: Any) -> Iterator[Any]:
        """A loop over the first rows of the tiles of one height, of which there may be none."""
        with self.b.if_then(self.test(start, "<", end)), self.loop(start, end, high) as row:
            yield row

    def _pack_y(self, base: Any, table: Any, depth: Any) -> None:
        n = self.n
        for _, start, end, high in self.heights:
            with self._rows(start, end, high) as row:
                into, rows = self.at(self.y_buffer, self.mul(row, depth)), self.add(n["y_rows"], self.mul(row, 8))
                self.call_at(n["y_pack"], self.turn_kind, [base, into, table, n["y_runs"], rows, high, high, depth])

    def _pack_x(self, base: Any, table: Any, depth: Any, first: Any, last: Any) -> None:
        n, width = self.n, self.width
        with self.loop(first, last, width) as j:
            into = self.at(self.x_buffer, self.mul(self.sub(j, first), depth))
            rows = self.add(n["x_rows"], self.mul(j, 8))
            several = self.min(width, self.sub(last, j))
            self.call_at(n["x_pack"], self.turn_kind, [base, into, table, n["x_runs"], rows, several, width, depth])

    def _tiles(self, depth: Any, first: Any, last: Any, add: Any) -> None:
        for name, start, end, high in self.heights:
            with self._rows(start, end, high) as row, self.loop(first, last, self.width) as j:
                self._tile(name, high, row, j, depth, first, last, add)

    def _tile(
        self, name: str, high: Any, row: Any, j: Any, depth: Any, first: Any, last: Any, add: Any
    ) -> None:  # fmt: skip
        """One tile of C: a narrow one where a vector less has room for the columns that are left."""
        n, width = self.n, self.width
        left = self.min(width, self.sub(last, j))
        is_narrow = self.test(left, "<=", self.sub(width, self.lanes))
        tile = self.b.select(is_narrow, n[f"{name}_narrow"], n[f"{name}_tile"])
        lanes = self.b.select(is_narrow, left, self.sub(left, self.sub(width, self.lanes)))
        a, b = self.at(self.y_buffer, self.mul(row, depth)), self.at(self.x_buffer, self.mul(self.sub(j, first), depth))
        c = self.at(self.target, self.mul(row, n["columns"]), j)
        d = self.b.select(add, c, self.null)
        operands = [depth, a, 1, high, b, width, lanes, c, n["columns"], d, n["columns"]]
        self.call_at(tile, self.tile_kind, [*operands, self.one, self.one])


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
PADS = (0, 1, 2, conv_packs.BOTH)
_FUNCTIONS = {
    "common": (*(f"phase{i}_{n}" for i in range(PHASES) for n in (2, 3)), "clear", *(f"pad{i}" for i in PADS)),
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
        emit = conv_packs.emit_pack if part[:-1] == "pack" else conv_packs.emit_turn
        emit(module, element, int(part[-1]))
    return module_text(module)


def _emit_common(module: ir.Module, element: str) -> None:
    for i in range(PHASES):
        emit_phase(module, i, 2)
        emit_phase(module, i, 3)
    emit_clear(module)
    for step in PADS:
        conv_packs.emit_pad(module, element, step)


def _emit_places(module: ir.Module, element: str) -> None:
    conv_packs.emit_turn(module, element, 1)
    for flag in (False, True):
        conv_packs.emit_pack_weights(module, element, flag)
        _emit_spread(module, element, flag)
    _Multiply(module, element).write()


def _emit_weight(module: ir.Module, element: str) -> None:
    _MultiplyTurned(module, element).write()
    _emit_add_up(module, element)


_PARTS = {"common": _emit_common, "places": _emit_places, "weight": _emit_weight}
