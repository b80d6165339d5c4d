"""Convolutions of many images, whose vectors lie along the images: nothing is packed.

The source is turned once, with its padding written out and the images rounded up to whole vectors. Then a vector of B
lies in memory as a tile reads it, whatever the window's size, stride and dilation; the result comes likewise.

    source (image, channel, place) -> (channel, padded place, image)      turned
    C (channel, place, image) = weight (channel, k) x B (k, place, image) multiplied
    C (channel, place, image) -> (image, channel, place)                  turned back

The depth of the weight's gradient is (image, place), and there vectors lie along the window's channels:

    source (image, channel, place) -> (image, padded place, channel); the result's gradient the same way
    C (feature, tap, channel) = sum over (image, place) of gradient x source -> (feature, channel, tap)

Turning moves an element once; packing moves it once for each tap, and gathers it from short rows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from . import conv_direct, jit
from . import conv_tasks as tasks
from .conv_geometry import Axes, Ints, Padding, Panels, Source, forward_axes, plan_source
from .conv_routine import DEPTH_BYTES, SMALL, Builder, Heights, Shapes, cut_rows, parts, rounded, task
from .conv_tasks import Code
from .routine import Routine
from .share import chunks_for
from .tiles import Tile
from .vectors import I64, module_text

TURN = (
    "input", "source", "from", "rows", "along", "columns", "places", "zeros", "zero_count", "result", "into", "to",
    "stored",
)  # fmt: skip
WEIGHT = (
    "rows", "depth", "depth_block", "tall", "talls", "tall_tile", "low_tile", "vectors", "reads", "starts", "ends", "x",
    "x_group", "y", "y_step", "into", "columns",
)  # fmt: skip


AHEAD = 2  # vectors of a row that turning asks memory for before it needs them
ROOM = 3 << 19  # bytes beyond which what is turned comes from memory that all cores share
# nanoseconds, measured on Zen 4: to turn an element, in the caches and beyond; to copy a row with its padding, and each
# of its elements; to pack a vector, each of its runs, and a run where there are many
TURNED, TURNED_FAR, COPIED_ROW, COPIED, PACKED, RUN, MANY_RUNS = 0.3, 0.8, 5.0, 0.15, 0.6, 0.42, 3.0
PRODUCT = 1 / 55  # nanoseconds of a multiplication and addition


# ---------------------------------------------------------------------------------------------------- what costs more
def turning(elements: int, item: int) -> float:
    """Nanoseconds to turn so many elements."""
    return elements * (TURNED if elements * item < ROOM else TURNED_FAR)


def copying(shapes: Shapes, channels: int, padding: Padding | None) -> float:
    """Nanoseconds to copy a source with its padding."""
    if padding is None:
        return 0
    rows = shapes.images * channels * padding.rows
    passes = 1 if padding.phases == 2 else padding.phases
    return rows * (passes * COPIED_ROW + padding.phases * padding.columns * COPIED)


def packing(axes: Axes, source: Source, is_copy: bool, rows: int, lanes: int) -> float:
    """Nanoseconds for what a vector of B costs besides its products: packing it, or lanes that are no places."""
    pitch, places = axes[0].step * source.row, axes[1].places
    across = places if pitch != places else places * axes[0].places
    runs = lanes / across + 0.5
    packed = PACKED + RUN * runs if runs <= 5 else MANY_RUNS * runs
    if is_copy and rows <= conv_direct.MOST_ROWS and axes[0].places * places >= lanes and pitch >= places:
        return min(packed, 0.28 * rows * (pitch / places - 1) + 0.2)
    return packed


# ------------------------------------------------------------------------------------------------------------- turning
class Plane:
    """A plane with its padding: where its places lie, and which places of the padding are zero; in places."""

    def __init__(self, size: Ints, axes: Sequence[Axes]):
        self.low = tuple(max(a[i].low() for a in axes) for i in (0, 1))
        high = (max(a[i].high() for a in axes) for i in (0, 1))
        self.height, self.width = (n + low + high for n, low, high in zip(size, self.low, high, strict=True))
        at = np.arange(self.height * self.width).reshape(self.height, self.width)
        inside = at[self.low[0] : self.low[0] + size[0], self.low[1] : self.low[1] + size[1]]
        self.inside, self.border = inside.ravel(), np.setdiff1d(at, inside)

    @property
    def places(self) -> int:
        return self.height * self.width

    def shifts(self, axes: Axes) -> np.ndarray:
        """Where each tap of an axis pair looks, from the place of its window."""
        rows, columns = (np.array(a.shifts, np.int64) + low for a, low in zip(axes, self.low, strict=True))
        return rows[:, None] * self.width + columns

    def starts(self, axes: Axes) -> np.ndarray:
        """The places of the windows."""
        rows, columns = (np.arange(a.places, dtype=np.int64) * a.step for a in axes)
        return rows[:, None] * self.width + columns


def is_flat(size: Ints, stride: Ints) -> bool:
    """Whether the places of a plane lie one after the other."""
    return stride[3] == 1 and (size[0] == 1 or stride[2] == size[1])


class Turn:
    """Matrices of `rows` rows that are `along` apart, turned: column c of matrix m goes to m * to + places[c]."""

    def __init__(self, build: Builder, rows: int, along: int, columns: int, places: np.ndarray, stored: int = 0):
        self.build = build
        self.words = {
            "rows": rows, "along": along, "columns": columns, "places": build.hold(places), "stored": stored or rows,
            "zeros": 0, "zero_count": 0, "input": 0, "source": 0, "result": 0, "into": 0,
        }  # fmt: skip

    def zero(self, places: np.ndarray) -> None:
        """Write zeros to these places too."""
        self.words |= {"zeros": self.build.hold(places), "zero_count": len(places)}

    def tasks(self, count: int, apart: int, to: int, **where: int) -> list[list[int]]:
        """The tasks for `count` matrices that are `apart`, and `to` apart when they are turned."""
        words = self.words | where | {"from": apart, "to": to}
        at = self.build.words(TURN, words)
        several = chunks_for(count * words["rows"] * words["columns"], count)
        function = functions(self.build.element, jit.vector_bytes())["turn_images"]
        return [task(function, at, *part) for part in parts(count, several)]


# --------------------------------------------------------------------------------------- the result, the input's slopes
class Batch:
    """C (channel, place, image) for every group and phase of a convolution or of the gradient of its input."""

    def __init__(self, whole: Any, size: Ints, stride: Ints, into: Ints, many: Sequence[tuple[Ints, Axes]]):
        self.whole, self.build, self.shapes = whole, whole.build, whole.shapes
        self.images = rounded(self.shapes.images, self.build.lanes)
        self.into, self.plane = into, Plane(size, [axes for _, axes in many])
        self.row = math.prod(into) * self.images
        self.channels = whole.channels * self.shapes.groups
        self.source = self._take(self.channels * self.plane.places)
        self.target = self._take(whole.rows * self.shapes.groups * math.prod(into))
        turn = Turn(
            self.build, self.shapes.images, stride[0], math.prod(size), self.plane.inside * self.images, self.images
        )
        turn.zero(self.plane.border * self.images)
        self.build.prepare += turn.tasks(
            self.channels, stride[1], self.plane.places * self.images, input=tasks.SOURCE, into=self.source
        )

    def _take(self, rows: int) -> int:
        return self.build.take(rows * self.images * self.build.item)

    def panels(self, phase: Ints, across: Ints, axes: Axes) -> Panels:
        """Vectors of images at the places of a phase, one place after the other."""
        lanes, vectors = self.build.lanes, self.whole.heights.vectors
        blocks = np.arange(0, self.images, lanes)
        rows, columns = (np.arange(a.places) * s + f for a, s, f in zip(axes, across, phase, strict=True))
        to = rows[:, None] * self.into[1] + columns
        start, end = ((at.ravel()[:, None] * self.images + blocks).ravel() for at in (self.plane.starts(axes), to))
        count = -(-len(start) // vectors)
        left = count * vectors - len(start)
        table = np.stack([end, np.full(len(end), (1 << lanes) - 1)], axis=1)
        starts = np.pad(start, (0, left)).reshape(count, vectors)
        ends = np.pad(table, ((0, left), (0, 0))).reshape(count, vectors, 1, 2)
        return Panels(count, 1, count, np.concatenate([starts, starts[-1:]]), np.concatenate([ends, ends[-1:]]))

    def reads(self, axes: Axes) -> np.ndarray:
        """For each k = (channel, tap) the offset of what it reads."""
        channels = np.arange(self.whole.channels, dtype=np.int64) * self.plane.places
        return ((channels[:, None, None] + self.plane.shifts(axes)) * self.images).ravel()

    def finish(self) -> None:
        """Turn the result back."""
        shapes, places = self.shapes, math.prod(self.into)
        features = self.whole.rows * shapes.groups
        turn = Turn(self.build, places, self.images, shapes.images, np.arange(shapes.images) * features * places)
        self.build.finish += turn.tasks(features, self.row, places, input=tasks.SCRATCH, source=self.target, result=1)


def pays(whole: Any, size: Ints, stride: Ints, into: Ints, many: Sequence[tuple[Ints, Axes]]) -> bool:
    """Whether turning costs less than copying and packing; planes have to lie as they are read."""
    shapes, build = whole.shapes, whole.build
    images, channels = shapes.images, whole.channels * shapes.groups
    if not all(axes[0].taps and axes[1].taps for _, axes in many) or not is_flat(size, stride):
        return False
    found, source, padding = plan_source(stride, channels, [axes for _, axes in many])
    other = copying(shapes, channels, padding)
    for axes in found:
        vectors = axes[0].places * axes[1].places * images / build.lanes
        depth = channels * len(axes[0].taps) * len(axes[1].taps)
        other += vectors * depth * packing(axes, source, padding is not None, whole.rows, build.lanes)
    elements = images * (channels * math.prod(size) + whole.rows * shapes.groups * math.prod(into))
    products = images * whole.rows * sum(
        channels * math.prod(len(axis.taps) * axis.places for axis in axes) for axes in found
    )  # fmt: skip
    waste = rounded(images, build.lanes) / images - 1
    return turning(elements, build.item) + waste * products * PRODUCT < other


# ---------------------------------------------------------------------------------------------- gradient of the weight
class BatchWeight:
    """C (feature, tap, channel) for every group: the result's gradients times inputs, summed over (image, place)."""

    def __init__(self, shapes: Shapes):
        self.shapes, self.build = shapes, Builder(shapes.element, 2)
        self.axes = forward_axes(shapes.window)
        self.rows, self.channels = shapes.features // shapes.groups, shapes.channels // shapes.groups
        self.taps = len(self.axes[0].taps) * len(self.axes[1].taps)
        self.heights = cut_rows(self.rows)
        self.plane = Plane(shapes.window.size, [self.axes])

    def pays(self, x_stride: Ints, y_stride: Ints) -> bool:
        """Whether turning costs less than copying the source and packing its windows."""
        shapes, build, window = self.shapes, self.build, self.shapes.window
        if not is_flat(window.size, x_stride) or not is_flat(window.out, y_stride):
            return False
        places, columns = shapes.images * math.prod(window.out), self.taps * self.channels
        (axes,), source, padding = plan_source(x_stride, shapes.channels, [self.axes])
        vectors = places * columns * shapes.groups / build.lanes
        other = copying(shapes, shapes.channels, padding)
        other += vectors * packing(axes, source, False, self.rows, build.lanes)
        elements = shapes.images * shapes.channels * math.prod(window.size) + places * shapes.features
        waste = len(self._vectors()[0]) * build.lanes / columns - 1
        return turning(elements, build.item) + waste * places * columns * shapes.features * PRODUCT < other

    def _vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the vectors of a window begin, and how many of their lanes count: channels of neighbouring taps that
        lie side by side are one run."""
        lanes, all_channels = self.build.lanes, self.shapes.channels
        taps = self.plane.shifts(self.axes) * all_channels
        joins = self.shapes.groups == 1 and self.shapes.window.dilation[1] == 1
        first, length = (taps[:, 0], taps.shape[1] * self.channels) if joins else (taps.ravel(), self.channels)
        at = np.arange(0, length, lanes)
        return (first[:, None] + at).ravel(), np.tile(np.minimum(length - at, lanes), len(first))

    def routine(self, x_stride: Ints, y_stride: Ints) -> Routine:
        """From an input and a gradient of the given strides."""
        shapes, build, window = self.shapes, self.build, self.shapes.window
        places = math.prod(window.out)
        depth, columns = shapes.images * places, self.taps * self.channels
        image = self.plane.places * shapes.channels
        x = build.take((shapes.images * image + build.lanes) * build.item)
        y = build.take(depth * shapes.features * build.item)
        into = build.take(shapes.features * columns * build.item)
        turn = Turn(build, shapes.channels, x_stride[1], math.prod(window.size), self.plane.inside * shapes.channels)
        turn.zero(self.plane.border * shapes.channels)
        build.prepare += turn.tasks(shapes.images, x_stride[0], image, input=tasks.TURNED_SOURCE, into=x)
        turn = Turn(build, shapes.features, y_stride[1], places, np.arange(places) * shapes.features)
        build.prepare += turn.tasks(shapes.images, y_stride[0], places * shapes.features, input=tasks.GRADIENT, into=y)
        reads = np.arange(shapes.images)[:, None] * image + self.plane.starts(self.axes).ravel() * shapes.channels
        words = {"x": x, "x_group": self.channels, "y": y, "y_step": shapes.features, "into": into, "columns": columns}
        self._add_product(words | {"depth": depth, "reads": build.hold(reads)})
        turn = Turn(build, self.taps, self.channels, self.channels, np.arange(self.channels) * self.taps)
        build.finish += turn.tasks(shapes.features, columns, columns, input=tasks.SCRATCH, source=into, result=1)
        return build.routine()

    def _add_product(self, words: dict[str, int]) -> None:
        build, heights, depth = self.build, self.heights, words["depth"]
        count, starts, ends = self._panels()
        most = DEPTH_BYTES // build.item
        words |= {"rows": self.rows, "tall": heights.tall, "talls": heights.talls, "vectors": heights.vectors}
        words |= {"starts": build.hold(starts), "ends": build.hold(ends), "depth_block": -(-depth // -(-depth // most))}
        at = build.words(WEIGHT, words | windows_of(heights, build.element))
        function = functions(build.element, jit.vector_bytes())["multiply_slopes"]
        groups, several = self.shapes.groups, 1
        if build.threads > 1 and self.rows * words["columns"] * depth * groups > SMALL:
            several = -(-4 * build.threads // groups)
        build.multiply += [task(function, at, *part, g) for part in parts(count, several) for g in range(groups)]

    def _panels(self) -> tuple[int, np.ndarray, np.ndarray]:
        """How many panels there are, where their vectors begin, and where they go: one feature's columns in order."""
        vectors = self.heights.vectors
        starts, counts = self._vectors()
        ends = np.stack([np.cumsum(counts) - counts, (1 << counts) - 1], axis=1)
        count = -(-len(starts) // vectors)
        left = count * vectors - len(starts)
        return count, np.pad(starts, (0, left)), np.pad(ends, ((0, left), (0, 0)))


def windows_of(heights: Heights, element: str) -> dict[str, int]:
    """The addresses of the tiles over windows for these heights."""
    kinds = (heights.tall, heights.talls), (heights.tall - 1, heights.tiles - heights.talls)
    tall, low = (
        conv_direct.tile_address(Tile(high, heights.vectors, element, "table", 1), jit.vector_bytes()) if used else 0
        for high, used in kinds
    )
    return {"tall_tile": tall, "low_tile": low}


# ----------------------------------------------------------------------------------------------------------------- code
@functools.lru_cache(None)
def functions(element: str, vector_bytes: int) -> dict[str, int]:
    """The addresses of the tasks."""

    def build() -> str:
        module = ir.Module()
        _emit_turn(module, element)
        _emit_slopes(module, element)
        return module_text(module)

    return jit.load(("conv_batch", element, vector_bytes), ["turn_images", "multiply_slopes"], build)


def _emit_turn(module: ir.Module, element: str) -> None:
    """Matrices FIRST to LAST, in squares through registers. Rows beyond the last one are read from the last one, and
    stored as far as there is room, so that nothing undefined is ever computed with."""
    w = Code(module, "turn_images", element, TURN)
    n = {name: w[name] for name in TURN}
    given = w.word(w.add(w.block, w.mul(n["input"], 8)), 0)
    source = w.elements(w.add(given, n["source"]))
    target = w.b.select(w.test(n["result"], "!=", 0), w.input(tasks.TARGET), w.scratch(n["into"]))
    with w.loop(w.given(tasks.FIRST), w.given(tasks.LAST), name="matrix") as m:
        base, to = w.at(source, w.mul(m, n["from"])), w.at(target, w.mul(m, n["to"]))
        with w.loop(0, n["zero_count"], name="zero") as z, w.loop(0, n["stored"], w.lanes) as r:
            there = w.at(to, w.word(w.add(n["zeros"], w.mul(z, 8)), 0), r)
            w.store(w.zero, there, w.first_lanes(w.sub(n["stored"], r)))
        with w.loop(0, n["columns"], w.lanes, name="column") as c, w.loop(0, n["rows"], w.lanes, name="row") as r:
            _turn_square(w, n, w.at(base, c), to, c, r)
    w.b.ret_void()


def _turn_square(w: Code, n: dict[str, Any], base: Any, to: Any, c: Any, r: Any) -> None:
    last, wide = w.sub(n["rows"], 1), w.sub(n["columns"], c)
    mask, kept = w.first_lanes(wide), w.first_lanes(w.sub(n["stored"], r))
    starts = [w.at(base, w.mul(w.min(last, w.add(r, i)), n["along"])) for i in range(w.lanes)]
    for start in starts:
        w.prefetch(w.at(start, AHEAD * w.lanes))
    rows = [w.load(start, mask) for start in starts]
    none = ir.Constant(w.mask, None)
    for j, column in enumerate(w.transpose(rows)):
        is_column = w.test(wide, ">", j)
        at = w.b.select(is_column, w.add(c, j), c)
        place = w.word(w.add(n["places"], w.mul(at, 8)), 0)
        w.store(column, w.at(to, place, r), w.b.select(is_column, kept, none))


def _emit_slopes(module: ir.Module, element: str) -> None:
    """C for panels FIRST to LAST of its columns: a panel's windows over a part of the depth, for all rows."""
    w = Code(module, "multiply_slopes", element, WEIGHT)
    n = {name: w[name] for name in WEIGHT}
    group = w.given(tasks.GROUP)
    x = w.at(w.scratch(n["x"]), w.mul(group, n["x_group"]))
    y = w.at(w.scratch(n["y"]), w.mul(group, n["rows"]))
    into = w.at(w.scratch(n["into"]), w.mul(group, n["rows"], n["columns"]))
    border, kind = w.mul(n["talls"], n["tall"]), conv_direct.tile_type(element)
    sizes = (("tall_tile", 0, border, n["tall"]), ("low_tile", border, n["rows"], w.sub(n["tall"], 1)))
    with w.loop(0, n["depth"], n["depth_block"]) as pc, w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as j:
        depth, first = w.min(n["depth_block"], w.sub(n["depth"], pc)), w.mul(j, n["vectors"])
        table = w.b.inttoptr(w.add(n["ends"], w.mul(first, 16)), I64.as_pointer())
        operand = [w.add(n["reads"], w.mul(pc, 8)), x, w.add(n["starts"], w.mul(first, 8))]
        add = w.b.zext(w.test(pc, ">", 0), I64)
        for name, start, end, high in sizes:
            with w.b.if_then(w.test(start, "<", end)), w.loop(start, end, high) as row:
                a, c = w.at(y, w.mul(pc, n["y_step"]), row), w.at(into, w.mul(row, n["columns"]))
                given = [depth, a, n["y_step"], *operand, c, n["columns"], table, w.null, add]
                w.call_at(n[name], kind, given)
    w.b.ret_void()
