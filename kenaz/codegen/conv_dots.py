"""Gradients of small weights (few channels, or few in a group) as inner products: lanes are places, nothing is turned.

    dw (channel, k) = sum over places of gradient (channel, place) * input (place + offset of k)

A vector is a window as in `conv_direct.py`: neighbours in the input, and in the gradient one run for each row that it
touches. A tile keeps `rows` x `columns` vectors of sums while it walks along the windows of an image. The last phase
adds up lanes and parts.
"""

from __future__ import annotations

import functools

import numpy as np
from llvmlite import ir

from . import conv_tasks as tasks
from . import jit
from .conv_direct import MOST_SEGMENTS, cover
from .conv_geometry import Ints, forward_axes, plan_source, reads
from .conv_packs import load_runs, read_runs
from .conv_routine import SMALL, Builder, Shapes, cut_rows, parts, task
from .conv_tasks import Code
from .routine import ALIGN, Routine
from .share import chunks_for
from .vectors import ELEMENTS, I64, VOID, Writer, module_text

TILES = ((6, 4), (4, 5), (3, 7), (2, 9), (1, 9))  # rows, columns
TURN = 110  # cycles in which a square of `lanes` x `lanes` is turned

DOTS = (
    "rows", "columns", "tall", "wide", "tile", "windows", "x_padded", "x_source", "x_image", "x_group", "y_image",
    "y_group", "y_row", "reads", "table", "sums", "part_bytes", "group_bytes", "stride",
)  # fmt: skip
FOLD = ("rows", "columns", "parts", "sums", "part_bytes", "group_bytes", "stride")


# ---------------------------------------------------------------------------------------------------------------- tiles
def _type(element: str) -> ir.FunctionType:
    """dots(windows, y, y_row, rows, x, reads, columns, table, sums, stride)"""
    pointer = ELEMENTS[element].as_pointer()
    return ir.FunctionType(VOID, [I64, pointer, I64, I64, pointer, I64, I64, I64, pointer, I64])


def _emit_tile(module: ir.Module, element: str, rows: int, columns: int, runs: int) -> None:
    """Add the inner products of `rows` rows of y and `columns` shifts of x to their sums; rows or columns that are not
    there repeat the last, into sums that nobody reads."""
    function = ir.Function(module, _type(element), f"dots{rows}x{columns}x{runs}")
    function.attributes.add("noinline")
    w = Writer(function, element)
    windows, y, y_row, rows_left, x, places, columns_left, table, sums, stride = function.args
    ys = [w.at(y, w.mul(w.min(i, w.sub(rows_left, 1)), y_row)) for i in range(rows)]
    shifts = [w.mul(w.min(j, w.sub(columns_left, 1)), 8) for j in range(columns)]
    xs = [w.at(x, w.word(w.add(places, shift), 0)) for shift in shifts]
    cells = [w.at(sums, w.mul(w.add(w.mul(stride, i), j), w.lanes)) for i in range(rows) for j in range(columns)]
    with w.folding(0, windows, 1, [w.load(cell) for cell in cells]) as (k, totals, after):
        at = w.add(table, w.mul(k, 16 * (1 + runs)))
        start, mask, known = w.word(at, 0), w.bits(w.word(at, 1)), read_runs(w, w.add(at, 16), runs)
        right = [w.load(w.at(p, start), mask) for p in xs]
        for i in range(rows):
            left = load_runs(w, ys[i], known)
            after += [w.fma(left, right[j], totals[i * columns + j]) for j in range(columns)]
    for cell, total in zip(cells, totals, strict=True):
        w.store(total, cell)
    w.b.ret_void()


# ---------------------------------------------------------------------------------------------------------------- tasks
def _emit_dots(module: ir.Module, element: str) -> None:
    """Sums number PART of a group over the images FROM to TO."""
    w = Code(module, "dots", element, DOTS)
    n = {name: w[name] for name in DOTS}
    group = w.given(tasks.GROUP)
    part = w.add(n["sums"], w.mul(w.given(tasks.PART), n["part_bytes"]), w.mul(group, n["group_bytes"]))
    sums = w.scratch(part)
    x = w.at(w.either(n["x_padded"], n["x_source"], tasks.TURNED_SOURCE), w.mul(group, n["x_group"]))
    y = w.at(w.input(tasks.GRADIENT), w.mul(group, n["y_group"]))
    with w.loop(0, w.div(n["group_bytes"], w.lanes * w.bytes)) as i:
        w.store(w.zero, w.at(sums, w.mul(i, w.lanes)))
    with w.loop(w.given(tasks.FROM), w.given(tasks.TO)) as image:
        y_image, x_image = w.at(y, w.mul(image, n["y_image"])), w.at(x, w.mul(image, n["x_image"]))
        with w.loop(0, n["rows"], n["tall"]) as row, w.loop(0, n["columns"], n["wide"]) as column:
            left = [n["windows"], w.at(y_image, w.mul(row, n["y_row"])), n["y_row"], w.sub(n["rows"], row)]
            places = w.add(n["reads"], w.mul(column, 8))
            right = [x_image, places, w.sub(n["columns"], column), n["table"]]
            into = w.at(sums, w.mul(w.add(w.mul(row, n["stride"]), column), w.lanes))
            w.call_at(n["tile"], _type(element), [*left, *right, into, n["stride"]])
    w.b.ret_void()


def _emit_fold(module: ir.Module, element: str) -> None:
    """Rows FIRST to LAST (of all groups) of the result: the sums of all parts and lanes."""
    w = Code(module, "fold", element, FOLD)
    n = {name: w[name] for name in FOLD}
    target = w.input(tasks.TARGET)
    with w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as row, w.loop(0, n["columns"]) as column:
        group, inner = w.div(row, n["rows"]), w.rem(row, n["rows"])
        start = w.add(n["sums"], w.mul(group, n["group_bytes"]))
        cell = w.mul(w.add(w.mul(inner, n["stride"]), column), w.lanes)
        with w.folding(0, n["parts"], 1, [w.zero]) as (part, total, after):
            sums = w.scratch(w.add(start, w.mul(part, n["part_bytes"])))
            after.append(w.b.fadd(total[0], w.load(w.at(sums, cell))))
        folded = w.lane(w.fold(total[0], w.b.fadd))
        w.b.store(folded, w.at(target, w.mul(row, n["columns"]), column))
    w.b.ret_void()


@functools.lru_cache(None)
def _functions(element: str, vector_bytes: int) -> dict[str, int]:
    def build() -> str:
        module = ir.Module()
        _emit_dots(module, element)
        _emit_fold(module, element)
        return module_text(module)

    return jit.load(("convolution_dots", element, vector_bytes), ("dots", "fold"), build)


@functools.lru_cache(None)
def _tile(element: str, rows: int, columns: int, runs: int, vector_bytes: int) -> int:
    def build() -> str:
        module = ir.Module()
        _emit_tile(module, element, rows, columns, runs)
        return module_text(module)

    name = f"dots{rows}x{columns}x{runs}"
    return jit.load((name, element, vector_bytes), (name,), build)[name]


# -------------------------------------------------------------------------------------------------------------- routine
def _cut(rows: int, columns: int, runs: int) -> tuple[float, int, int]:
    """The cycles for a vector of places, and the tile that needs least: a multiplication or a load is 1, masks 6."""

    def cycles(tall: int, wide: int) -> float:
        return -(-rows // tall) * -(-columns // wide) * (max(tall * wide, runs * tall + 1.2 * wide) + 6)

    return min((cycles(*tile), *tile) for tile in TILES)


class Dots:
    """The routine of the gradient of a small weight."""

    def __init__(self, shapes: Shapes, x_stride: Ints):
        self.shapes = shapes
        self.build = Builder(shapes.element, 2)
        self.rows, self.channels = shapes.features // shapes.groups, shapes.channels // shapes.groups
        (self.axes,), self.source, self.padding = plan_source(x_stride, shapes.channels, [forward_axes(shapes.window)])
        self.columns = self.channels * len(self.axes[0].taps) * len(self.axes[1].taps)

    def pays(self, y_stride: Ints) -> bool:
        """Whether it takes less time than turning both operands and multiplying them."""
        rows, columns, lanes = self.axes[0], self.axes[1], self.build.lanes
        pitch = rows.step * self.source.row
        is_dense = y_stride[3] == 1 and y_stride[2] == columns.places
        if not is_dense or pitch < columns.places or jit.vector_bytes() < 64:  # tiles need 32 registers
            return False
        start, runs = cover(rows.places, columns.places, pitch, lanes)
        if runs.shape[1] > MOST_SEGMENTS:
            return False
        self.cycles, self.tall, self.wide = _cut(self.rows, self.columns, runs.shape[1])
        vectors = -(-self.columns // lanes)
        turned = TURN * (vectors + cut_rows(self.rows, (2,)).tiles) + self.rows * vectors * lanes
        return self.cycles * len(start) < turned * (rows.places * columns.places / lanes)

    def routine(self, x_stride: Ints, y_stride: Ints) -> Routine:
        """From an input and a gradient of the given strides."""
        build, shapes, window = self.build, self.shapes, self.shapes.window
        shape = (shapes.images, shapes.channels, *window.size)
        where = build.copy(shape, x_stride, self.padding, self.source, tasks.TURNED_SOURCE)
        words = {"x_padded": where["padded"], "x_source": where["source"], "x_image": self.source.image}
        words |= {"x_group": self.channels * self.source.channel, "y_image": y_stride[0], "y_row": y_stride[1]}
        words |= {"y_group": self.rows * y_stride[1]}
        words |= {"rows": self.rows, "columns": self.columns, "tall": self.tall, "wide": self.wide}
        rows, columns = self.axes
        start, runs = cover(rows.places, columns.places, rows.step * self.source.row, build.lanes)
        words["tile"] = _tile(shapes.element, self.tall, self.wide, runs.shape[1], jit.vector_bytes())
        mask = np.bitwise_or.reduce(runs[..., 1], axis=1)
        table = np.concatenate([np.stack([start, mask], 1), runs.reshape(len(start), -1)], 1)
        words |= {"windows": len(start), "table": build.hold(table)}
        words["reads"] = build.hold(reads(self.axes, self.source, self.channels))
        ranges = parts(shapes.images, self._parts())
        words |= self._sums(len(ranges))
        at = build.words(DOTS, words)
        functions = _functions(shapes.element, jit.vector_bytes())
        for g in range(shapes.groups):
            build.multiply += [task(functions["dots"], at, 0, 0, g, *r, i) for i, r in enumerate(ranges)]
        at = build.words(FOLD, words | {"parts": len(ranges)})
        cells = shapes.features * self.columns
        several = chunks_for(cells * build.lanes * len(ranges), shapes.features)
        build.finish += [task(functions["fold"], at, *part) for part in parts(shapes.features, several)]
        return build.routine()

    def _parts(self) -> int:
        """Into how many parts images are cut: one where there are groups enough, or where it is not worth it."""
        shapes, several = self.shapes, self.build.threads
        work = shapes.features * self.columns * shapes.images * self.axes[0].places * self.axes[1].places
        return 2 * several if 1 < several and shapes.groups < 2 * several and work > SMALL else 1

    def _sums(self, several: int) -> dict[str, int]:
        """Sums of every part and group, in whole tiles."""
        build = self.build
        stride, rows = -(-self.columns // self.wide) * self.wide, -(-self.rows // self.tall) * self.tall
        group = stride * rows * build.lanes * build.item
        part = group * self.shapes.groups + ALIGN
        words = {"stride": stride, "group_bytes": group, "part_bytes": part}
        return words | {"sums": build.take(part * several)}
