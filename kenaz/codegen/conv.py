"""Convolutions in compiled code: what is multiplied with what, and who does which part of it.

Forward and backward are products of matrices whose second operand is read through tables (`conv_geometry.py`):

    result            C (channel, place)        = weight (channel, k) x input (k, place)
    input's gradient  C (input channel, place)  = weight (input channel, k) x gradient (k, place)
    weight's gradient C (channel, k)            = gradient (channel, place) x input (k, place), summed over places

With stride s the gradient of the input is s x s convolutions, one for each phase (row mod s, column mod s) of the
input, with the taps that reach it; their results are dealt back into place. The code is in `conv_code.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..core import config
from ..core.spec import Spec
from ..graph.node import Call
from ..runtime import threads
from . import conv_batch, conv_direct, conv_dots, conv_whole, jit, wino, wino_weight
from . import conv_code as code
from . import conv_packs as packs
from . import conv_tasks as tasks
from .conv_geometry import (
    Axes,
    Axis,
    Groups,
    Ints,
    Panels,
    Source,
    backward_axes,
    forward_axes,
    groups_of_places,
    panels,
    plan_source,
    reads,
    runs,
    weights,
)
from .conv_routine import BLOCK_VECTORS, DEPTH_BYTES, SMALL, Builder, Shapes, Weight, cut_rows, parts, rounded, task
from .routine import ALIGN, Routine
from .share import chunks_for
from .tiles import Tile, tile_address

_made: dict[tuple, Routine | None] = {}
MOST_MADE = 1000


def _once(make: Callable[[Call], Routine | None]) -> Callable[[Call], Routine | None]:
    """Keep what `make` gives: networks repeat their convolutions, and tables take a millisecond."""

    @functools.wraps(make)
    def routine(call: Call) -> Routine | None:
        switches = threads.get_num_threads(), jit.vector_bytes(), config.WINOGRAD
        key = make, call.specs, call.out, call.attributes["window"], call.attributes["groups"], switches
        if key not in _made:
            if len(_made) >= MOST_MADE:
                _made.clear()
            _made[key] = make(call)
        return _made[key]

    return routine


@_once
def forward(call: Call) -> Routine | None:
    """The routine of a convolution (input, weight, bias), or None where NumPy does it."""
    x, w, bias = call.specs
    shapes = _shapes(call, x, w.size[0], x.size[1], (w, bias))
    if shapes is None:
        return None
    if conv_whole.fits(shapes, call.specs):
        return conv_whole.forward(shapes, w.numel // w.size[0], bias)
    stride = _four(w.stride)
    weight = Weight(stride[0], (stride[1], *stride[2:]), w.size[0] // shapes.groups * stride[0])
    axes, operands = forward_axes(shapes.window), (shapes.features, shapes.channels, weight, type(bias) is Spec)
    if config.WINOGRAD and wino.pays(shapes, axes, *operands[:3]):
        return wino.Winograd(shapes, *operands).routine(shapes.window.size, _four(x.stride), axes)
    places, many = Places(shapes, *operands), [((0, 0), axes)]
    return places.routine(shapes.window.size, _four(x.stride), shapes.window.out, many, (1, 1))


@_once
def input_gradient(call: Call) -> Routine | None:
    """The routine of a convolution's gradient with respect to its input, from (gradient, weight, bias): a transposed
    convolution."""
    y, w, bias = call.specs
    shapes = _shapes(call, y, w.size[0], w.size[1] * call.attributes["groups"], (w, bias))
    if shapes is None:
        return None
    if type(bias) is not Spec and conv_whole.fits(shapes, call.specs):
        return conv_whole.input_gradient(shapes, w.numel // w.size[0])
    stride, window = _four(w.stride), shapes.window
    weight = Weight(stride[1], (stride[0], *stride[2:]), w.size[0] // shapes.groups * stride[0])
    many = backward_axes(window)
    reached = [bool(axes[0].taps and axes[1].taps) for _, axes in many]
    if not any(reached) or type(bias) is Spec and not all(reached):
        return None  # places that no tap reaches hold the bias alone
    operands = (shapes.channels, shapes.features, weight, type(bias) is Spec)
    if config.WINOGRAD and len(many) == 1 and wino.pays(shapes, many[0][1], *operands[:3]):
        return wino.Winograd(shapes, *operands).routine(window.out, _four(y.stride), many[0][1])
    places = Places(shapes, *operands)
    across = tuple(min(s, n) for s, n in zip(window.stride, window.size, strict=True))
    return places.routine(window.out, _four(y.stride), window.size, many, across)


def _shapes(call: Call, first: Spec, features: int, channels: int, others: Sequence[Any]) -> Shapes | None:
    """The convolution of a call, or None where compiled code does not do it."""
    given = [s for s in (first, *others) if type(s) is Spec]
    element, window = first.dtype.name, call.attributes["window"]
    fits = element in ("float32", "float64") and first.ndim in (3, 4) and call.out.contiguous
    if not fits or any(s.dtype is not first.dtype or s.numel == 0 for s in (*given, call.out)):
        return None
    if any(s.ndim == 1 and not s.contiguous for s in given):
        return None
    return Shapes(element, first.size[0], channels, features, call.attributes["groups"], window.with_two_axes())


def _four(stride: Ints) -> Ints:
    """Strides over (image, channel, row, column): a signal has one row."""
    return tuple(stride) if len(stride) == 4 else (stride[0], stride[1], 0, stride[2])


# ------------------------------------------------------------------------------------------------ products over places
class Places:
    """C (channel, place) for every group and phase of a convolution or of the gradient of its input."""

    def __init__(self, shapes: Shapes, rows: int, channels: int, weight: Weight, has_bias: bool):
        self.shapes, self.weight, self.has_bias = shapes, weight, has_bias
        self.build = Builder(shapes.element, 3)
        self.rows, self.channels = rows // shapes.groups, channels // shapes.groups
        self.heights = cut_rows(self.rows)

    def routine(self, size: Ints, stride: Ints, into: Ints, many: Sequence[tuple[Ints, Axes]], across: Ints) -> Routine:
        """From a source of the given size and strides into rows and columns `into`, whose phases are dealt `across`."""
        shapes, build = self.shapes, self.build
        if conv_batch.pays(self, size, stride, into, many):
            return self._along_images(size, stride, into, many, across)
        reached = {phase: axes for phase, axes in many if axes[0].taps and axes[1].taps}
        channels = self.channels * shapes.groups
        axes, source, padding = plan_source(stride, channels, list(reached.values()))
        where = build.copy((shapes.images, channels, *size), stride, padding, source, tasks.SOURCE)
        through = len(many) > 1 or math.prod(into) < build.lanes
        jobs = [Job(self, a, source, through, padding is not None) for a in axes]
        where |= build.slots(max(job.buffer() for job in jobs))
        for job in jobs:
            job.add(where)
        if through:
            self.spread(into, across, dict(zip(reached, jobs, strict=True)))
        return build.routine()

    def _along_images(
        self, size: Ints, stride: Ints, into: Ints, many: Sequence[tuple[Ints, Axes]], across: Ints
    ) -> Routine:  # fmt: skip
        """As `routine`, with vectors along the images."""
        batch = conv_batch.Batch(self, size, stride, into, many)
        where = {"padded": 1, "source": batch.source} | self.build.slots(0)
        for phase, axes in many:
            BatchJob(self, axes, batch, batch.panels(phase, across, axes)).add(where)
        batch.finish()
        return self.build.routine()

    def spread(self, into: Ints, across: Ints, jobs: dict[Ints, Job]) -> None:
        """Deal the phases into place."""
        build, images = self.build, self.shapes.images
        channels = self.rows * self.shapes.groups
        table = np.zeros((*across, 4), np.int64)
        table[..., 0] = -1
        for phase, job in jobs.items():
            table[phase] = job.target, images * job.places, job.places, job.axes[1].places
        words = {"channels": channels, "height": into[0], "width": into[1], "down": across[0], "across": across[1]}
        at = build.words(code.SPREAD, words | {"table": build.hold(table)})
        function = code.functions("places", build.element)[f"spread{int(across[1] == 2)}"]
        planes = images * channels
        several = chunks_for(planes * math.prod(into), planes)
        build.finish += [task(function, at, *part) for part in parts(planes, several)]


class Job:
    """One product: a convolution of the source, whose result goes to scratch memory where `through` is set."""

    def __init__(self, whole: Places, axes: Axes, source: Source, through: bool, is_copy: bool):
        self.source, self.through = source, through
        build, heights, images = whole.build, whole.heights, whole.shapes.images
        self._measure(whole, axes)
        self.row = self.places * (images if through else 1)  # from channel to channel of the result
        self.image = self.places * (1 if through else whole.rows * whole.shapes.groups)
        self.panels = panels(axes, source, images, heights.vectors * build.lanes, build.lanes, self.image)
        many = self.panels.starts.shape[2]
        self.direct = is_copy and conv_direct.pays(axes, source, whole.rows, many, build.lanes)
        if self.direct:
            self.panels = conv_direct.windows(axes, source, images, heights.vectors, build.lanes, self.image)
        self.target = build.take(whole.rows * whole.shapes.groups * self.row * build.item) if through else 0
        self.reads = reads(axes, source, whole.channels)

    def _measure(self, whole: Places, axes: Axes) -> None:
        self.whole, self.axes = whole, axes
        self.depth = whole.channels * len(axes[0].taps) * len(axes[1].taps)
        most = DEPTH_BYTES // whole.build.item
        self.block = rounded(-(-self.depth // -(-self.depth // most)), whole.build.lanes)
        self.places = axes[0].places * axes[1].places

    def buffer(self) -> int:
        """The bytes of B that are packed at a time."""
        build, vectors = self.whole.build, self.whole.heights.vectors
        return min(self.step(), self.panels.total) * vectors * build.lanes * self.block * build.item

    def step(self) -> int:
        """How many panels are packed at a time."""
        return max(1, BLOCK_VECTORS // self.whole.heights.vectors)

    def add(self, where: dict[str, int]) -> None:
        """Add the tasks: packing A, then multiplying."""
        whole, build = self.whole, self.whole.build
        groups, heights = whole.shapes.groups, whole.heights
        packed = build.take(groups * whole.rows * rounded(self.depth, build.lanes) * build.item)
        words = {"rows": whole.rows, "depth": self.depth, "depth_block": self.block, "packed": packed}
        words |= {"tall": heights.tall, "talls": heights.talls}
        self._add_packing(words)
        several = 1
        if build.threads > 1 and self.depth * whole.rows * whole.shapes.images * self.places * groups > SMALL:
            several = -(-4 * build.threads // groups)
        ranges = parts(self.panels.total, several)
        longest = max(b - a for a, b in ranges)
        words["block"] = -(-longest // -(-longest // self.step()))
        at = build.words(code.MULTIPLY, words | where | self._tables() | self._steps())
        function = code.functions("places", build.element)["multiply"]
        if self.direct:
            function = conv_direct.function(build.element, jit.vector_bytes())
        build.multiply += [task(function, at, *r, g) for r in ranges for g in range(groups)]

    def _add_packing(self, words: dict[str, int]) -> None:
        whole, build, weight = self.whole, self.whole.build, self.whole.weight
        offsets = weights(self.axes, weight.depth, whole.channels)
        turned = self.depth >= build.lanes and bool((offsets == np.arange(self.depth)).all())
        table = runs(np.arange(rounded(self.depth, build.lanes)), self.depth, build.lanes) if turned else 0
        words = words | {"offsets": build.hold(offsets), "stride": weight.row, "group": weight.group}
        words |= {"row_offsets": build.hold(np.arange(whole.rows) * weight.row), "groups_table": build.hold(table)}
        at = build.words(packs.PACK, words)
        function = code.functions("places", build.element)[f"pack_weights{int(turned)}"]
        groups, count = whole.shapes.groups, whole.heights.tiles
        several = -(-chunks_for(groups * whole.rows * self.depth, groups * count) // groups)
        build.prepare += [task(function, at, *p, g) for g in range(groups) for p in parts(count, several)]

    def _tables(self) -> dict[str, int]:
        build, heights, p = self.whole.build, self.whole.heights, self.panels
        vectors, segments = heights.vectors, p.ends.shape[2]
        tall, low = (
            self._tile(Tile(h, vectors, build.element, "table", segments)) if used else 0
            for h, used in ((heights.tall, heights.talls), (heights.tall - 1, heights.tiles - heights.talls))
        )
        many = 0 if self.direct else p.starts.shape[2]
        return {
            "tall_tile": tall, "low_tile": low, "vectors": vectors, "runs": many, "count": p.total, "each": p.each,
            "pack": code.packing("pack", build.element, many) if many else 0, "ends_words": vectors * segments * 16,
            "reads": build.hold(self.reads),
            "starts": build.hold(p.starts), "ends": build.hold(p.ends),
        }  # fmt: skip

    def _tile(self, tile: Tile) -> int:
        return conv_direct.tile_address(tile, jit.vector_bytes()) if self.direct else tile_address(tile)

    def _steps(self) -> dict[str, int]:
        whole, p = self.whole, self.panels
        return {
            "source_period": p.period * self.source.image, "target_period": p.period * self.image,
            "source_group": whole.channels * self.source.channel, "target_group": whole.rows * self.row,
            "target_row": self.row, "through": int(self.through), "target": self.target,
            "has_bias": int(whole.has_bias),
        }  # fmt: skip


class BatchJob(Job):
    """One product whose vectors lie along the images."""

    def __init__(self, whole: Places, axes: Axes, batch: conv_batch.Batch, panels: Panels):
        self._measure(whole, axes)
        self.source = Source(0, batch.plane.places * batch.images, 0, 0, 1, (0, 0))
        self.through = self.direct = True
        self.row, self.image, self.target = batch.row, 0, batch.target
        self.panels, self.reads = panels, batch.reads(axes)

    def buffer(self) -> int:
        """Nothing is packed."""
        return 0


# ---------------------------------------------------------------------------------------------- gradient of the weight
@_once
def weight_gradient(call: Call) -> Routine | None:
    """The routine of a convolution's gradient with respect to its weight, from (input, gradient)."""
    x, y = call.specs
    shapes = _shapes(call, x, y.size[1], x.size[1], (y,))
    if shapes is None:
        return None
    if conv_whole.fits(shapes, call.specs):
        return conv_whole.weight_gradient(shapes, x.numel // x.size[0])
    strides, axes = (_four(x.stride), _four(y.stride)), forward_axes(shapes.window)
    if config.WINOGRAD and wino_weight.pays(shapes, axes, *strides):
        return wino_weight.WinogradWeight(shapes, axes).routine(*strides)
    batch = conv_batch.BatchWeight(shapes)
    if batch.pays(*strides):
        return batch.routine(*strides)
    dots = conv_dots.Dots(shapes, strides[0])
    return (dots if dots.pays(strides[1]) else Turned(shapes)).routine(*strides)


class Side(NamedTuple):
    """An operand of the gradient of the weight: how it is read, and the words that say where a copy of it is."""

    axes: Axes
    source: Source
    where: dict[str, int]
    groups: Groups


class Turned:
    """C (channel, k) for every group: gradients times inputs, summed over places."""

    def __init__(self, shapes: Shapes):
        self.shapes, self.build = shapes, Builder(shapes.element, 2)
        self.rows, self.channels = shapes.features // shapes.groups, shapes.channels // shapes.groups
        self.columns = self.channels * math.prod(shapes.window.kernel)
        self.heights = cut_rows(self.rows, (2,))
        self.width = 2 * self.build.lanes
        self.elements = self.rows * self.columns * shapes.groups

    def routine(self, x_stride: Ints, y_stride: Ints) -> Routine:
        """From an input and a gradient of the given strides."""
        shapes, build, window = self.shapes, self.build, self.shapes.window
        x = self._side(x_stride, shapes.channels, window.size, forward_axes(window), tasks.TURNED_SOURCE)
        places = Axis.every(window.out[0]), Axis.every(window.out[1])
        y = self._side(y_stride, shapes.features, window.out, places, tasks.GRADIENT)
        block = -(-x.groups.each // -(-x.groups.each // self._most()))
        depth = block * build.lanes
        periods, columns = self._cuts(x.groups.periods)
        widest = max(b - a for a, b in columns)
        column_block = rounded(-(-widest // -(-widest // (BLOCK_VECTORS * build.lanes))), self.width)
        words = self._tiles() | self._operand("x", x, self.channels) | self._operand("y", y, self.rows)
        words |= {"x_rows": build.hold(reads(x.axes, x.source, self.channels)), "column_block": column_block}
        words |= {"y_rows": build.hold(np.arange(self.rows) * y.source.channel), "depth_block": block}
        words |= {"periods": x.groups.periods, "each": x.groups.each, "last_each": x.groups.last_each}
        room = (column_block + self.width) * depth
        words |= {"y_buffer": room} | build.slots((room + self.rows * depth + self.width) * build.item)
        self._add_tasks(words, periods, columns)
        return build.routine()

    def _most(self) -> int:
        """How many vectors of places are packed at a time."""
        return DEPTH_BYTES // self.build.item // self.build.lanes

    def _side(self, stride: Ints, channels: int, size: Ints, axes: Axes, input: int) -> Side:
        images = self.shapes.images
        (axes,), source, padding = plan_source(stride, channels, [axes])
        where = self.build.copy((images, channels, *size), stride, padding, source, input)
        return Side(axes, source, where, groups_of_places(axes, source, images, self.build.lanes, self._most()))

    def _operand(self, name: str, side: Side, channels: int) -> dict[str, int]:
        groups, build = side.groups, self.build
        many = groups.table.shape[1]
        words = {
            "padded": side.where["padded"], "source": side.where["source"], "group": channels * side.source.channel,
            "period": groups.period * side.source.image, "pack": code.packing("turn", build.element, many),
            "runs": many, "table": build.hold(groups.table), "last": build.hold(groups.last_table),
        }  # fmt: skip
        return {f"{name}_{word}": value for word, value in words.items()}

    def _tiles(self) -> dict[str, int]:
        """The words about tiles; at the end of a row of C one of half the width may be needed."""
        heights, rest = self.heights, self.columns % self.width
        words = {"rows": self.rows, "columns": self.columns, "vectors": 2, "tall": heights.tall, "talls": heights.talls}
        kinds = {"narrow": 1 if 0 < rest <= self.build.lanes else 0, "tile": 2 if rest != self.columns else 0}
        if rest > self.build.lanes:
            kinds["tile"] = 2
        for name, high, used in (
            ("tall", heights.tall, heights.talls), ("low", heights.tall - 1, heights.tiles - heights.talls),
        ):  # fmt: skip
            for kind, vectors in kinds.items():
                needed = used and vectors
                words[f"{name}_{kind}"] = tile_address(Tile(high, vectors, self.build.element)) if needed else 0
        return words

    def _cuts(self, periods: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Who does what: ranges of periods, each with a sum of its own, where the result is small, or of columns."""
        shapes, several = self.shapes, self.build.threads
        whole = [(0, periods)], [(0, self.columns)]
        work = self.elements * shapes.images * math.prod(shapes.window.out)
        if several == 1 or shapes.groups >= several or work <= SMALL:
            return whole
        narrow = self.columns < 10 * self.build.lanes
        if periods >= 2 * several and (narrow or self.elements <= 1 << 16) or periods > 1 and narrow:
            return parts(periods, 2 * several), whole[1]
        panels = parts(-(-self.columns // self.width), several)
        return whole[0], [(a * self.width, min(b * self.width, self.columns)) for a, b in panels]

    def _add_tasks(self, words: dict[str, int], periods: list, columns: list) -> None:
        build, count = self.build, len(periods)
        functions = code.functions("weight", build.element)
        size = rounded(self.elements * build.item, ALIGN) + ALIGN
        sums = {"parts": count, "part_bytes": size, "partial": build.take(size * count) if count > 1 else 0}
        at = build.words(code.TURNED, words | sums)
        for i, (period, column, group) in enumerate(product(periods, columns, range(self.shapes.groups))):
            part = i // (len(columns) * self.shapes.groups)
            build.multiply.append(task(functions["multiply_turned"], at, *column, group, *period, part))
        if count > 1:
            at = build.words(code.ADD, sums | {"elements": self.elements, "source": sums["partial"]})
            several = chunks_for(self.elements * count, self.elements)
            build.finish += [task(functions["add_up"], at, *p) for p in parts(self.elements, several)]
