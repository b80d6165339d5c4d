"""Winograd's F(2x2, 3x3): four results of a 3x3 convolution with 16 multiplications in place of 36.

    Y = A' [ (G g G') * (B' d B) ] A     g: taps, d: a 4x4 piece of the input, Y: 2x2 results, *: element by element

    B' = 1  0 -1  0      G =  1    0    0      A' = 1  1  1  0
         0  1  1  0          1/2  1/2  1/2          0  1 -1 -1
         0 -1  1  0          1/2 -1/2  1/2
         0  1  0 -1           0    0    1

Summed over channels, the products of each of the 16 points are a product of matrices: M (row, piece) = sum over
channels of U (row, channel) V (channel, piece). Pieces lie 2 apart, so they are places of a convolution with stride 2
and 4 taps, read through the same tables. A thread transforms a panel of pieces into V, multiplies all rows for the 16
points, and transforms the products into results while they are in its cache. Sums in V and U cost precision: errors are
up to twice those of the plain sum at 512 channels, which is why there is a switch.

Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks (2015).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from . import conv_packs as packs
from . import conv_tasks as tasks
from . import jit
from .conv_geometry import Axes, Axis, Ints, Repeat, Source, plan_source, reads, repeat, runs, starts_of
from .conv_packs import load_any, load_runs, read_runs, tile_rows
from .conv_routine import Builder, Shapes, Weight, cut_rows, parts, task
from .conv_tasks import Code, give_slot, take_slot
from .routine import Routine
from .share import chunks_for
from .tiles import Tile, tile_address, tile_type
from .vectors import ELEMENTS, I64, VOID, Writer, constant, module_text

LEAST = 32  # channels on both sides from which the transforms pay

WEIGHTS = ("channels", "tall", "talls", "row", "channel", "packed", "point", "backwards")
PANELS = (
    "channels", "tall", "talls", "tall_tile", "low_tile", "vectors", "runs", "end_runs", "pieces", "results", "reads",
    "starts", "ends", "count", "each", "source_period", "target_period", "channel", "target_row", "packed", "point",
    "padded", "source", "has_bias", "buffer", "buffer_bytes", "slots", "slot_count", "v_point", "product",
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- transformations
def _taps_to_points(w: Writer, x: Sequence[Any]) -> list[Any]:
    """G x"""
    half = w.splat(0.5)
    ends, middle = w.b.fmul(w.b.fadd(x[0], x[2]), half), w.b.fmul(x[1], half)
    return [x[0], w.b.fadd(ends, middle), w.b.fsub(ends, middle), x[2]]


def piece_to_points(w: Writer, x: Sequence[Any]) -> list[Any]:
    """B' x"""
    return [w.b.fsub(x[0], x[2]), w.b.fadd(x[1], x[2]), w.b.fsub(x[2], x[1]), w.b.fsub(x[1], x[3])]


def _points_to_results(w: Writer, x: Sequence[Any]) -> list[Any]:
    """A' x"""
    return [w.b.fadd(w.b.fadd(x[0], x[1]), x[2]), w.b.fsub(w.b.fsub(x[1], x[2]), x[3])]


def both_ways(w: Writer, transform: Any, square: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """T x T' for a square of vectors."""
    columns = [transform(w, column) for column in zip(*square, strict=True)]
    return [transform(w, row) for row in zip(*columns, strict=True)]


# ------------------------------------------------------------------------------------------------------ code of tasks
_FLIP = (3, 1, 2, 0)


def _emit_weights(module: ir.Module, element: str) -> None:
    """U of tiles FIRST to LAST: the taps of one channel for the rows of a tile are turned and transformed at a time.
    Taps that go backwards exchange the first and the last point of each axis."""
    w = Code(module, "weights", element, WEIGHTS)
    n = {name: w[name] for name in WEIGHTS}
    weight, packed = w.input(tasks.WEIGHT), w.scratch(n["packed"])
    backwards = w.test(n["backwards"], "!=", 0)
    exchanged = [w.b.select(backwards, w.int(4 * _FLIP[i // 4] + _FLIP[i % 4]), w.int(i)) for i in range(16)]
    starts = [w.mul(n["point"], i) for i in exchanged]
    with w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as tile:
        row, high = tile_rows(w, tile)
        with w.loop(0, high, w.lanes) as r:
            rows = [w.add(row, w.min(w.add(r, i), w.sub(high, 1))) for i in range(w.lanes)]
            bases = [w.at(weight, w.mul(i, n["row"])) for i in rows]
            mask, into = w.first_lanes(w.sub(high, r)), w.at(packed, w.mul(row, n["channels"]), r)
            with w.loop(0, n["channels"]) as c:
                taps = _taps(w, [w.at(base, w.mul(c, n["channel"])) for base in bases])
                points = both_ways(w, _taps_to_points, [taps[i : i + 3] for i in (0, 3, 6)])
                for i, x in enumerate(sum(points, [])):
                    w.store(x, w.at(into, w.mul(c, high), starts[i]), mask)
    w.b.ret_void()


def _taps(w: Writer, bases: Sequence[Any]) -> list[Any]:
    """Nine vectors, one of each tap, from rows of nine taps."""
    taps: list[Any] = []
    for start in range(0, 9, w.lanes):
        mask = w.first_lanes(min(9 - start, w.lanes))
        taps += w.transpose([w.load(w.at(base, start), mask) for base in bases])
    return taps[:9]


def _pieces_type(element: str) -> ir.FunctionType:
    """pieces(source, into, table of the panel, runs, vectors, reads, channels, channel, point to point)"""
    pointer = ELEMENTS[element].as_pointer()
    return ir.FunctionType(VOID, [pointer, pointer, *[I64] * 7])


def _emit_pieces(module: ir.Module, element: str, many: int) -> None:
    """V of a panel: pieces of 4x4 elements of all channels, transformed."""
    function = ir.Function(module, _pieces_type(element), f"pieces{many}")
    function.attributes.add("noinline")
    w = Writer(function, element)
    source, into, table, count, vectors, places, channels, channel, point = function.args
    source.add_attribute("noalias")
    into.add_attribute("noalias")
    offsets = [w.word(places, i) for i in range(16)]
    width = w.mul(vectors, w.lanes)
    with w.loop(0, vectors) as v:
        at = w.add(table, w.mul(v, count, 16))
        known = read_runs(w, at, many)
        with w.loop(0, channels) as c:
            base = w.at(source, w.mul(c, channel))
            starts = [w.at(base, offset) for offset in offsets]
            piece = [load_runs(w, s, known) if many else load_any(w, s, at, count) for s in starts]
            points = both_ways(w, piece_to_points, [piece[i : i + 4] for i in (0, 4, 8, 12)])
            to = w.at(into, w.mul(c, width), w.mul(v, w.lanes))
            for i, x in enumerate(sum(points, [])):
                w.store(x, w.at(to, w.mul(point, i)))
    w.b.ret_void()


def _results_type(element: str) -> ir.FunctionType:
    """results(products, target, bias or null, table of the panel, vectors, rows, row of the target, elements from point
    to point)"""
    pointer = ELEMENTS[element].as_pointer()
    return ir.FunctionType(VOID, [pointer, pointer, pointer, *[I64] * 5])


def _emit_results(module: ir.Module, element: str, many: int) -> None:
    """Results of a tile's rows from their products. The table has runs for each (vector, row of the 2x2, half)."""
    function = ir.Function(module, _results_type(element), f"results{many}")
    function.attributes.add("noinline")
    w = Writer(function, element)
    products, target, bias, table, vectors, rows, target_row, point = function.args
    width = w.mul(vectors, w.lanes)
    has_bias = w.b.icmp_unsigned("!=", w.b.ptrtoint(bias, I64), constant(0))
    bias = w.b.select(has_bias, bias, products)
    with w.loop(0, vectors) as v:
        known = read_runs(w, w.add(table, w.mul(v, 4 * many * 16)), 4 * many)
        with w.loop(0, rows) as r:
            at = w.at(products, w.mul(r, width), w.mul(v, w.lanes))
            points = [w.load(w.at(at, w.mul(point, i))) for i in range(16)]
            pairs = both_ways(w, _points_to_results, [points[i : i + 4] for i in (0, 4, 8, 12)])
            added = w.splat(w.b.select(has_bias, w.b.load(w.at(bias, r)), ir.Constant(w.element, 0.0)))
            row = w.at(target, w.mul(r, target_row))
            for i, (even, odd) in enumerate(pairs):
                for half in range(2):
                    order = [half * w.lanes // 2 + k // 2 + k % 2 * w.lanes for k in range(w.lanes)]
                    x = w.b.fadd(w.b.shuffle_vector(even, odd, _order(order)), added)
                    first = (2 * i + half) * many
                    for offset, mask in known[first : first + many]:
                        w.store(x, w.at(row, offset), mask)
    w.b.ret_void()


def _order(order: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))


def _emit_panels(module: ir.Module, element: str) -> None:
    """Tiles FROM to TO of the result, for panels FIRST to LAST."""
    w = Code(module, "panels", element, PANELS)
    n = {name: w[name] for name in PANELS}
    source, target = w.either(n["padded"], n["source"], tasks.SOURCE), w.input(tasks.TARGET)
    packed, width = w.scratch(n["packed"]), w.mul(n["vectors"], w.lanes)
    pieces, slot = take_slot(w)
    products = w.at(pieces, w.mul(n["v_point"], 16))
    kind = tile_type(Tile(1, 1, element))
    with w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as panel:
        period = w.div(panel, n["each"])
        is_last = w.test(w.add(panel, 1), "==", n["count"])
        q = w.b.select(is_last, n["each"], w.rem(panel, n["each"]))
        table = w.add(n["starts"], w.mul(q, n["vectors"], n["runs"], 16))
        base = w.at(source, w.mul(period, n["source_period"]))
        sizes = [n["runs"], n["vectors"], n["reads"], n["channels"], n["channel"], n["v_point"]]
        w.call_at(n["pieces"], _pieces_type(element), [base, pieces, table, *sizes])
        ends = w.add(n["ends"], w.mul(q, n["vectors"], n["end_runs"], 4 * 16))
        into = w.at(target, w.mul(period, n["target_period"]))
        with w.loop(w.given(tasks.FROM), w.given(tasks.TO)) as tile:
            row, high = tile_rows(w, tile)
            address = w.b.select(w.test(tile, "<", n["talls"]), n["tall_tile"], n["low_tile"])
            with w.loop(0, 16) as point:
                a = w.at(packed, w.mul(point, n["point"]), w.mul(row, n["channels"]))
                b = w.at(pieces, w.mul(point, n["v_point"]))
                c = w.at(products, w.mul(point, n["product"]))
                left = [n["channels"], a, 1, high, b, width, w.lanes]
                w.call_at(address, kind, [*left, c, width, w.null, 0, w.one, w.one])
            bias = w.b.select(w.test(n["has_bias"], "!=", 0), w.at(w.input(tasks.BIAS), row), w.null)
            rows = [w.at(into, w.mul(row, n["target_row"])), bias, ends, n["vectors"], high]
            w.call_at(n["results"], _results_type(element), [products, *rows, n["target_row"], n["product"]])
    give_slot(w, slot)
    w.b.ret_void()


# ------------------------------------------------------------------------------------------------------------- modules
def _emit_common(module: ir.Module, element: str) -> None:
    _emit_weights(module, element)
    _emit_panels(module, element)


_EMIT = {"pieces": _emit_pieces, "results": _emit_results}


def _text(part: str, element: str) -> str:
    module = ir.Module()
    if part == "panels":
        _emit_common(module, element)
    else:
        _EMIT[part[:-1]](module, element, int(part[-1]))
    return module_text(module)


@functools.lru_cache(None)
def _functions(part: str, element: str, vector_bytes: int) -> dict[str, int]:
    names = ("weights", "panels") if part == "panels" else (part,)
    return jit.load(("winograd", part, element, vector_bytes), names, lambda: _text(part, element))


def _function(part: str, name: str, element: str) -> int:
    return _functions(part, element, jit.vector_bytes())[name]


# ------------------------------------------------------------------------------------------------------------ routines
def pays(shapes: Shapes, axes: Axes, rows: int, channels: int, weight: Weight) -> bool:
    """Whether a convolution is one that this does, and faster."""
    three = all(len(axis.taps) == 3 and axis.step == 1 and abs(axis.shifts[1] - axis.shifts[0]) == 1 for axis in axes)
    near = weight.depth[1:] == (3, 1) and min(axes[0].places * axes[1].places, 16) == 16
    enough = min(rows, channels) >= LEAST and shapes.groups == 1 and shapes.element == "float32"
    return three and near and enough and max(axis.places for axis in axes) > 2


class Winograd:
    """The routine of a 3x3 convolution: `rows` channels out of `channels`."""

    def __init__(self, shapes: Shapes, rows: int, channels: int, weight: Weight, has_bias: bool):
        self.shapes, self.weight, self.has_bias = shapes, weight, has_bias
        self.rows, self.channels = rows, channels
        self.build = Builder(shapes.element, 3)
        self.heights = cut_rows(rows, (2,))

    def routine(self, size: Ints, stride: Ints, axes: Axes) -> Routine:
        """From a source of the given size and strides."""
        build, images = self.build, self.shapes.images
        pieces = tuple(_pieces_of(axis) for axis in axes)
        (pieces,), source, padding = plan_source(stride, self.channels, [(pieces[0], pieces[1])])
        where = build.copy((images, self.channels, *size), stride, padding, source, tasks.SOURCE)
        width = self.heights.vectors * build.lanes
        r = repeat(pieces[0].places * pieces[1].places, images, width)
        words = self._weights(axes) | where | self._tables(axes, pieces, source, r)
        v_point, product = self.channels * width + build.lanes, self.heights.tall * width + build.lanes
        words |= {"v_point": v_point, "product": product} | build.slots(16 * (v_point + product) * build.item)
        self._add_tasks(words, r.total)
        return build.routine()

    def _weights(self, axes: Axes) -> dict[str, int]:
        """Transform the weight in the first phase; a gradient's taps go backwards."""
        build, heights, weight = self.build, self.heights, self.weight
        point = self.rows * self.channels + build.lanes
        words = {"channels": self.channels, "tall": heights.tall, "talls": heights.talls, "point": point}
        words["packed"] = build.take((16 * point + build.lanes) * build.item)
        backwards = int(axes[0].shifts[1] < axes[0].shifts[0])
        at = build.words(WEIGHTS, words | {"row": weight.row, "channel": weight.depth[0], "backwards": backwards})
        function = _function("panels", "weights", build.element)
        several = chunks_for(16 * self.rows * self.channels, heights.tiles)
        build.prepare += [task(function, at, *part) for part in parts(heights.tiles, several)]
        return words

    def _tables(self, axes: Axes, pieces: Axes, source: Source, r: Repeat) -> dict[str, int]:
        build, heights, places = self.build, self.heights, axes[0].places * axes[1].places
        starts = runs(starts_of(pieces, source, r), r.valid, build.lanes)
        ends = _ends(axes, pieces, r, self.rows * places, build.lanes)
        many, end_runs = starts.shape[1], ends.shape[1]
        element, vectors = build.element, heights.vectors
        return {
            "tall_tile": tile_address(Tile(heights.tall, vectors, element)) if heights.talls else 0,
            "low_tile": tile_address(Tile(heights.tall - 1, vectors, element)) if heights.talls < heights.tiles else 0,
            "vectors": vectors, "runs": many, "end_runs": end_runs, "count": r.total, "each": r.each,
            "pieces": _function(p := f"pieces{many if many in packs.RUNS else 0}", p, element),
            "results": _function(p := f"results{end_runs}", p, element),
            "reads": build.hold(reads(pieces, source, 1)), "starts": build.hold(starts), "ends": build.hold(ends),
            "source_period": r.period * source.image, "target_period": r.period * self.rows * places,
            "channel": source.channel, "target_row": places, "has_bias": int(self.has_bias),
        }  # fmt: skip

    def _add_tasks(self, words: dict[str, int], panels: int) -> None:
        """Parts of the panels; where there are few, parts of the tiles too, which transform the pieces again."""
        build, tiles = self.build, self.heights.tiles
        at, function = build.words(PANELS, words), _function("panels", "panels", build.element)
        several = 4 * build.threads if build.threads > 1 else 1
        ranges = parts(panels, several)
        if len(ranges) < build.threads:
            split = parts(tiles, -(-build.threads // len(ranges)))
        else:
            split = [(0, tiles)]
        build.multiply += [task(function, at, *r, 0, *t) for r in ranges for t in split]


def _pieces_of(axis: Axis) -> Axis:
    first = min(axis.shifts)
    return Axis(axis.size, -(-axis.places // 2), 2, tuple(range(first, first + 4)), tuple(range(4)))


def _ends(axes: Axes, pieces: Axes, r: Repeat, image: int, lanes: int) -> np.ndarray:
    """Where results go: for each vector of pieces, row of the 2x2 and half of the vector the runs of its results."""
    y, x = np.divmod(r.place, pieces[1].places)
    rows, columns = axes[0].places, axes[1].places
    row = 2 * y[:, None, None] + np.arange(2)[:, None]  # (piece, row of the 2x2, column of the 2x2)
    column = 2 * x[:, None, None] + np.arange(2)
    offset = r.image[:, None, None] * image + row * columns + column
    valid = r.valid[:, None, None] & (row < rows) & (column < columns)

    def in_order(a: np.ndarray) -> np.ndarray:
        return a.reshape(-1, lanes, 2, 2).transpose(0, 2, 1, 3).ravel()

    return runs(in_order(offset), in_order(valid), lanes)
