"""Winograd's transforms for the gradient of a 3x3 weight: as `wino.py`, differentiated with respect to the taps.

    dg = G' [ (A dY A') * (B' d B) ] G        summed over pieces: for each of 16 points a product of matrices
                                              (channel of dY, piece) x (piece, channel of d)

Both factors are wanted with channels side by side, so the first phase copies the input and the gradient with channels
last and with their padding; then everything is contiguous. A thread transforms a block of pieces and adds its products
for all points to sums of its own; the last phase adds up the threads' sums and transforms them into taps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from . import conv_tasks as tasks
from . import jit
from .conv_geometry import Axes, Ints
from .conv_packs import tile_rows
from .conv_routine import Builder, Shapes, cut_rows, parts, rounded, task
from .conv_tasks import TURNED_SOURCE, Code, give_slot, take_slot
from .routine import Routine
from .share import chunks_for
from .tiles import Tile, tile_address, tile_type
from .vectors import Writer, module_text
from .wino import LEAST, both_ways, piece_to_points

BLOCK_BYTES = 1 << 19  # of transformed pieces: half of the second-level cache
MOST_PIECES, LEAST_PIECES = 128, 32

COPY = (
    "channels", "image", "channel", "row", "height", "width", "rows", "columns", "first_row", "first_column", "input",
    "into", "pitch",
)  # fmt: skip
PIECES = (
    "rows", "columns", "tall", "talls", "tiles", "tall_tile", "low_tile", "tall_narrow", "low_narrow", "down", "across",
    "block", "x_into", "x_rows", "x_columns", "x_pitch", "x_point", "y_into", "y_rows", "y_columns", "y_pitch",
    "y_point", "sums", "sum_bytes", "point", "buffer", "buffer_bytes", "slots", "slot_count",
)  # fmt: skip
TAPS = ("columns", "parts", "sums", "sum_bytes", "point")


# ----------------------------------------------------------------------------------------------------- transformations
def _results_to_points(w: Writer, x: Sequence[Any]) -> list[Any]:
    """A x"""
    return [x[0], w.b.fadd(x[0], x[1]), w.b.fsub(x[0], x[1]), w.b.fneg(x[1])]


def _points_to_taps(w: Writer, x: Sequence[Any]) -> list[Any]:
    """G' x"""
    half = w.splat(0.5)
    total, difference = w.b.fmul(w.b.fadd(x[1], x[2]), half), w.b.fmul(w.b.fsub(x[1], x[2]), half)
    return [w.b.fadd(x[0], total), difference, w.b.fadd(total, x[3])]


# ------------------------------------------------------------------------------------------------------ code of tasks
def _emit_copy(module: ir.Module, element: str) -> None:
    """Rows FIRST to LAST (of all images) of an input, with padding and with channels last."""
    w = Code(module, "channels_last", element, COPY)
    n = {name: w[name] for name in COPY}
    source, target = w.elements(w.word(w.add(w.block, w.mul(n["input"], 8)), 0)), w.scratch(n["into"])
    with w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as p:
        image, y = w.div(p, n["rows"]), w.add(w.rem(p, n["rows"]), n["first_row"])
        is_inside = w.b.and_(w.test(y, ">=", 0), w.test(y, "<", n["height"]))
        width, y = w.b.select(is_inside, n["width"], w.int(0)), w.b.select(is_inside, y, w.int(0))
        row = w.at(source, w.mul(image, n["image"]), w.mul(y, n["row"]))
        with w.loop(0, n["channels"], w.lanes) as c:
            several = [w.min(w.add(c, i), w.sub(n["channels"], 1)) for i in range(w.lanes)]
            rows = [w.at(row, w.mul(i, n["channel"])) for i in several]
            with w.loop(0, n["columns"], w.lanes) as j:
                start = w.add(j, n["first_column"])
                mask = w.between(w.sub(0, start), w.sub(width, start))
                loaded = [w.load(w.at(r, start), mask) for r in rows]
                for i, x in enumerate(w.transpose(loaded)):
                    column = w.add(j, i)
                    with w.b.if_then(w.test(column, "<", n["columns"])):
                        w.store(x, w.at(target, w.mul(w.add(w.mul(p, n["columns"]), column), n["pitch"]), c))
    w.b.ret_void()


def _emit_pieces(module: ir.Module, element: str) -> None:
    """Sums number PART over pieces FROM to TO: blocks of pieces are transformed, then multiplied point by point."""
    w = Code(module, "pieces", element, PIECES)
    n = {name: w[name] for name in PIECES}
    x, slot = take_slot(w)
    y = w.at(x, w.mul(n["x_point"], 16))
    sums = w.scratch(w.add(n["sums"], w.mul(w.given(tasks.PART), n["sum_bytes"])))
    with w.loop(w.given(tasks.FROM), w.given(tasks.TO), n["block"]) as first:
        several = w.min(n["block"], w.sub(w.given(tasks.TO), first))
        with w.loop(0, several) as t:
            _transform(w, n, "x", w.add(first, t), t, x, 4, piece_to_points)
            _transform(w, n, "y", w.add(first, t), t, y, 2, _results_to_points)
        is_first = w.test(first, "==", w.given(tasks.FROM))
        with w.loop(0, 16) as point:
            at = w.at(sums, w.mul(point, n["point"]))
            _multiply(
                w, n, w.at(y, w.mul(point, n["y_point"])), w.at(x, w.mul(point, n["x_point"])), at, several, is_first
            )
    give_slot(w, slot)
    w.b.ret_void()


def _transform(w: Code, n: dict, name: str, piece: Any, place: Any, into: Any, size: int, transform: Any) -> None:
    """The points of all channels of a piece of `size` x `size` elements, which lie 2 apart."""
    pitch, columns = n[f"{name}_pitch"], n[f"{name}_columns"]
    image, rest = w.div(piece, w.mul(n["down"], n["across"])), w.rem(piece, w.mul(n["down"], n["across"]))
    row = w.add(w.mul(image, n[f"{name}_rows"]), w.mul(w.div(rest, n["across"]), 2))
    corner = w.mul(w.add(w.mul(row, columns), w.mul(w.rem(rest, n["across"]), 2)), pitch)
    source, target = w.at(w.scratch(n[f"{name}_into"]), corner), w.at(into, w.mul(place, pitch))
    with w.loop(0, w.sub(pitch, w.lanes), w.lanes) as c:
        square = [
            [w.load(w.at(source, w.mul(w.add(w.mul(columns, i), j), pitch), c)) for j in range(size)]
            for i in range(size)
        ]
        for i, v in enumerate(sum(both_ways(w, transform, square), [])):
            w.store(v, w.at(target, w.mul(n[f"{name}_point"], i), c))


def _multiply(w: Code, n: dict, y: Any, x: Any, sums: Any, depth: Any, is_first: Any) -> None:
    """The product for one point, added to its sums unless it is the first."""
    kind = tile_type(Tile(1, 1, w.name))
    width = 2 * w.lanes
    with w.loop(0, n["tiles"]) as tile:
        row, _ = tile_rows(w, tile)
        is_tall = w.test(tile, "<", n["talls"])
        whole, narrow = (w.b.select(is_tall, n[f"tall_{k}"], n[f"low_{k}"]) for k in ("tile", "narrow"))
        with w.loop(0, n["columns"], width) as j:
            left = w.min(w.sub(n["columns"], j), width)
            is_narrow = w.test(left, "<=", w.lanes)
            address = w.b.select(is_narrow, narrow, whole)
            last = w.b.select(is_narrow, left, w.sub(left, w.lanes))
            c = w.at(sums, w.mul(row, n["columns"]), j)
            d = w.b.select(is_first, w.null, c)
            operands = [depth, w.at(y, row), 1, n["y_pitch"], w.at(x, j), n["x_pitch"], last]
            w.call_at(address, kind, [*operands, c, n["columns"], d, n["columns"], w.one, w.one])


def _emit_taps(module: ir.Module, element: str) -> None:
    """Taps of rows FIRST to LAST from the sums of all parts; nine vectors of channels become rows of nine taps."""
    w = Code(module, "taps", element, TAPS)
    n = {name: w[name] for name in TAPS}
    target = w.input(tasks.TARGET)
    with w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as row, w.loop(0, n["columns"], w.lanes) as c:
        left = w.sub(n["columns"], c)
        mask, at = w.first_lanes(left), w.add(w.mul(row, n["columns"]), c)
        with w.folding(0, n["parts"], 1, [w.zero] * 16) as (part, points, after):
            base = w.at(w.scratch(w.add(n["sums"], w.mul(part, n["sum_bytes"]))), at)
            for i in range(16):
                after.append(w.b.fadd(points[i], w.load(w.at(base, w.mul(n["point"], i)), mask)))
        taps = sum(both_ways(w, _points_to_taps, [points[i : i + 4] for i in (0, 4, 8, 12)]), [])
        for start in range(0, 9, w.lanes):
            some = taps[start : start + w.lanes]
            turned = w.transpose(some + [w.zero] * (w.lanes - len(some)))
            for i, v in enumerate(turned):
                with w.b.if_then(w.test(left, ">", i)):
                    w.store(v, w.at(target, w.mul(w.add(at, i), 9), start), w.first_lanes(len(some)))
    w.b.ret_void()


@functools.lru_cache(None)
def _functions(element: str, vector_bytes: int) -> dict[str, int]:
    def build() -> str:
        module = ir.Module()
        _emit_copy(module, element)
        _emit_pieces(module, element)
        _emit_taps(module, element)
        return module_text(module)

    return jit.load(("winograd_weight", element, vector_bytes), ("channels_last", "pieces", "taps"), build)


# ------------------------------------------------------------------------------------------------------------ routines
def pays(shapes: Shapes, axes: Axes, x_stride: Ints, y_stride: Ints) -> bool:
    """Whether the gradient of a weight is one that this does, and faster."""
    three = all(len(axis.taps) == 3 and axis.step == 1 and axis.shifts[1] - axis.shifts[0] == 1 for axis in axes)
    enough = min(shapes.features, shapes.channels) >= LEAST and shapes.groups == 1 and shapes.element == "float32"
    near = x_stride[3] == y_stride[3] == 1
    return three and enough and near and max(axis.places for axis in axes) > 2


class Side:
    """An input with channels last: `rows` x `columns` places of `pitch` elements."""

    def __init__(self, build: Builder, name: str, channels: int, rows: int, columns: int, images: int):
        self.name, self.channels, self.rows, self.columns = name, channels, rows, columns
        self.pitch = rounded(channels, build.lanes) + build.lanes  # an odd number of lines keeps rows in different sets
        self.into = build.take((images * rows * columns * self.pitch + build.lanes) * build.item)

    def words(self, point: int) -> dict[str, int]:
        words = {"into": self.into, "rows": self.rows, "columns": self.columns, "pitch": self.pitch, "point": point}
        return {f"{self.name}_{word}": value for word, value in words.items()}


class WinogradWeight:
    """The routine of the gradient of a 3x3 weight."""

    def __init__(self, shapes: Shapes, axes: Axes):
        self.shapes, self.build = shapes, Builder(shapes.element, 2)
        self.functions = _functions(shapes.element, jit.vector_bytes())
        self.first = axes[0].shifts[0], axes[1].shifts[0]
        down, across = self.pieces = (-(-axes[0].places // 2), -(-axes[1].places // 2))
        images = shapes.images
        self.x = Side(self.build, "x", shapes.channels, 2 * down + 2, 2 * across + 2, images)
        self.y = Side(self.build, "y", shapes.features, 2 * down, 2 * across, images)

    def routine(self, x_stride: Ints, y_stride: Ints) -> Routine:
        """From an input and a gradient of the given strides."""
        build, shapes = self.build, self.shapes
        self._copy(self.x, x_stride, shapes.window.size, self.first, TURNED_SOURCE)
        self._copy(self.y, y_stride, shapes.window.out, (0, 0), tasks.GRADIENT)
        count = shapes.images * math.prod(self.pieces)
        ranges = parts(count, build.threads)
        longest = max(b - a for a, b in ranges)
        block = BLOCK_BYTES // (16 * (self.x.pitch + self.y.pitch) * build.item)
        block = min(max(block, LEAST_PIECES), MOST_PIECES, longest)
        block = -(-longest // -(-longest // block))
        points = {side.name: block * side.pitch + build.lanes for side in (self.x, self.y)}
        words = self.x.words(points["x"]) | self.y.words(points["y"]) | self._tiles()
        words |= build.slots(16 * sum(points.values()) * build.item)
        sums = self._sums(len(ranges))
        words |= sums | {"block": block, "down": self.pieces[0], "across": self.pieces[1]}
        at = build.words(PIECES, words)
        build.multiply += [task(self.functions["pieces"], at, 0, 0, 0, *r, i) for i, r in enumerate(ranges)]
        at = build.words(TAPS, sums | {"columns": shapes.channels, "parts": len(ranges)})
        several = chunks_for(16 * shapes.features * shapes.channels * len(ranges), shapes.features)
        build.finish += [task(self.functions["taps"], at, *part) for part in parts(shapes.features, several)]
        return build.routine()

    def _sums(self, several: int) -> dict[str, int]:
        point = self.shapes.features * self.shapes.channels + self.build.lanes
        size = rounded((16 * point + self.build.lanes) * self.build.item, 64)
        return {"point": point, "sum_bytes": size, "sums": self.build.take(size * several)}

    def _copy(self, side: Side, stride: Ints, size: Ints, first: Ints, input: int) -> None:
        build, images = self.build, self.shapes.images
        words = dict(zip(("image", "channel", "row"), stride, strict=False))
        words |= {"channels": side.channels, "height": size[0], "width": size[1], "rows": side.rows}
        words |= {"columns": side.columns, "first_row": first[0], "first_column": first[1]}
        at = build.words(COPY, words | {"input": input, "into": side.into, "pitch": side.pitch})
        rows = images * side.rows
        several = chunks_for(rows * side.columns * side.pitch, rows)
        build.prepare += [task(self.functions["channels_last"], at, *part) for part in parts(rows, several)]

    def _tiles(self) -> dict[str, int]:
        heights, columns, element = cut_rows(self.shapes.features, (2,)), self.shapes.channels, self.build.element
        rest = columns % (2 * self.build.lanes)
        has_narrow = 0 < rest <= self.build.lanes
        words = {"rows": self.shapes.features, "columns": columns, "tiles": heights.tiles}
        words |= {"tall": heights.tall, "talls": heights.talls}
        used = {"tall": (heights.tall, heights.talls), "low": (heights.tall - 1, heights.tiles - heights.talls)}
        for name, (high, several) in used.items():
            words[f"{name}_tile"] = tile_address(Tile(high, 2, element)) if several else 0
            words[f"{name}_narrow"] = tile_address(Tile(high, 1, element)) if several and has_narrow else 0
        return words
