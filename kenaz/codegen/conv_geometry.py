"""Where the elements of a convolution lie: everything that depends on sizes, as tables for the compiled code.

A convolution is a product of matrices C (m, p) = sum over k of A (m, k) B (k, p): m an output channel, p a place
(image, row, column of the result), k an input channel and a tap. B is never stored: B (k, p) = source[reads[k] +
starts[p]]. A vector of B is `lanes` neighbouring places; where they cross the end of a row they fall into several runs:

    places      | 0 1 2 3 4 5 6 | 7 8 9 ...          a vector of 4 lanes at place 5: two runs, (offset, mask)
    source row  | # # # # # # # . | # # # ...        = (5, 0b0011), (8 - 2, 0b1100)

The source is the input itself, or a copy with its padding written out and, for stride s along columns, its columns
dealt into s `phases`, so that neighbouring places read neighbouring elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Ints = tuple[int, ...]


class Axis(NamedTuple):
    """One axis: place q reads the source elements q * step + shift, a shift for each of the kernel's `taps`."""

    size: int
    places: int
    step: int
    shifts: Ints
    taps: Ints

    @classmethod
    def every(cls, size: int) -> Axis:
        """The axis on which every element is a place and reads itself."""
        return cls(size, size, 1, (0,), (0,))

    def low(self) -> int:
        """How many elements are missing before the source."""
        return max(0, -min(self.shifts, default=0))

    def high(self) -> int:
        """How many elements are missing behind it."""
        return max(0, (self.places - 1) * self.step + max(self.shifts, default=0) + 1 - self.size)


Axes = tuple[Axis, Axis]  # rows, columns


def forward_axes(window: Any) -> Axes:
    """The axes of a convolution with the given window over two axes."""
    return _two(
        Axis(n, o, s, tuple(t * d - p for t in range(k)), tuple(range(k)))
        for n, k, s, p, d, o in zip(*window, strict=True)
    )


def backward_axes(window: Any) -> list[tuple[Ints, Axes]]:
    """The gradient of a convolution with respect to its input: for each phase (y mod stride, x mod stride) of the input
    the axes of a convolution of the result's gradient, with the taps that reach that phase."""
    found: list[tuple[Ints, Axes]] = []
    for row in range(min(window.stride[0], window.size[0])):
        for column in range(min(window.stride[1], window.size[1])):
            phase = (row, column)
            found.append((phase, _two(_backward_axis(*z) for z in zip(*window, phase, strict=True))))
    return found


def _backward_axis(n: int, k: int, s: int, p: int, d: int, o: int, phase: int) -> Axis:
    taps = tuple(t for t in range(k) if (phase + p - t * d) % s == 0)
    return Axis(o, -(-(n - phase) // s), 1, tuple((phase + p - t * d) // s for t in taps), taps)


def _two(axes: Any) -> Axes:
    rows, columns = axes
    return rows, columns


class Source(NamedTuple):
    """Elements from image to image, channel to channel, phase to phase and row to row; the number of phases, and how
    many elements lie before the first row and column."""

    image: int
    channel: int
    phase: int
    row: int
    phases: int
    low: Ints


class Padding(NamedTuple):
    """A copy of planes with their padding: `rows` of `columns` elements in each phase. Row i is row i * row_step + row
    of the plane, element j of phase f is its column j * column_step + f + column; what is outside is zero."""

    rows: int
    row_step: int
    row: int
    phases: int
    columns: int
    column_step: int
    column: int


def plan_source(stride: Ints, channels: int, many: Sequence[Axes]) -> tuple[list[Axes], Source, Padding | None]:
    """How to read a source of the given strides (image, channel, row, column) for convolutions that share it: their
    axes, where the elements are, and the copy to make first, if one is needed."""
    many = list(many)
    low = tuple(max(axes[i].low() for axes in many) for i in (0, 1))
    high = tuple(max(axes[i].high() for axes in many) for i in (0, 1))
    if not any(low + high) and stride[3] == 1 and all(axes[1].step == 1 for axes in many):
        return many, Source(stride[0], stride[1], 0, stride[2], 1, (0, 0)), None
    rows, columns = many[0]
    row_step = column_step = 1
    row, column = -low[0], -low[1]
    if len(many) == 1 and len(rows.taps) == 1 and rows.step > 1:  # only the rows that are read
        row_step, row, rows = rows.step, rows.shifts[0], Axis.every(rows.places)
        low, high = (0, low[1]), (0, high[1])
    if len(many) == 1 and len(columns.taps) == 1 and columns.step > 1:
        column_step, column = columns.step, columns.shifts[0]
        columns = Axis.every(columns.places)
        low, high = (low[0], 0), (high[0], 0)
    if len(many) == 1:
        many = [(rows, columns)]
    phases = columns.step
    padded = rows.size + low[0] + high[0], -(-(columns.size + low[1] + high[1]) // phases)
    plane = phases * padded[0] * padded[1]
    source = Source(channels * plane, plane, padded[0] * padded[1], padded[1], phases, low)
    return many, source, Padding(padded[0], row_step, row, phases, padded[1], column_step * phases, column)


def reads(axes: Axes, source: Source, channels: int) -> np.ndarray:
    """For each k = (channel, tap) the offset of what it reads, relative to a place's start."""
    rows, columns = axes
    x = np.array(columns.shifts, np.int64) + source.low[1]
    y = (np.array(rows.shifts, np.int64) + source.low[0]) * source.row
    at = y[:, None] + x % source.phases * source.phase + x // source.phases
    return (np.arange(channels, dtype=np.int64)[:, None, None] * source.channel + at).ravel()


def weights(axes: Axes, stride: Ints, channels: int) -> np.ndarray:
    """For each k = (channel, tap) the offset of its weight; `stride` is of (channel, row, column) of the weight."""
    rows, columns = axes
    at = np.array(rows.taps, np.int64)[:, None] * stride[1] + np.array(columns.taps, np.int64) * stride[2]
    return (np.arange(channels, dtype=np.int64)[:, None, None] * stride[0] + at).ravel()


class Panels(NamedTuple):
    """The places of all images, cut into panels. The pattern repeats after `period` images, which are `each` panels.

    starts, ends: int64 tables (panel, vector, run, (offset, mask)) of a period's panels, where to read and where to
    write, and behind them the very last panel, which may be shorter.
    """

    total: int
    period: int
    each: int
    starts: np.ndarray
    ends: np.ndarray


class Repeat(NamedTuple):
    """A pattern of panels, as in `Panels`: for every lane of its tables the image, the place, and whether it counts."""

    total: int
    period: int
    each: int
    image: np.ndarray
    place: np.ndarray
    valid: np.ndarray


def repeat(places: int, images: int, width: int) -> Repeat:
    """The pattern of panels of some width over so many places of each image, and behind it the very last panel."""
    period, each = _period(places, images, width)
    left = images - (images - 1) // period * period  # images in the last period, from 1 to all
    last = -(-left * places // width) - 1
    total = (images - 1) // period * each + last + 1
    lane = np.arange((each + 1) * width)
    lane[each * width :] = np.arange(last * width, (last + 1) * width)
    limit = np.full(len(lane), period * places)
    limit[each * width :] = left * places
    image, place = np.divmod(np.minimum(lane, limit - 1), places)
    return Repeat(total, period, each, image, place, lane < limit)


def panels(axes: Axes, source: Source, images: int, width: int, lanes: int, image: int) -> Panels:
    """The panels of a convolution, whose result has `image` elements from image to image."""
    rows, columns = axes
    r = repeat(rows.places * columns.places, images, width)
    starts = runs(starts_of(axes, source, r), r.valid, lanes)
    ends = runs(r.image * image + r.place, r.valid, lanes)
    shape = (r.each + 1, width // lanes, -1, 2)
    return Panels(r.total, r.period, r.each, starts.reshape(shape), ends.reshape(shape))


def starts_of(axes: Axes, source: Source, r: Repeat) -> np.ndarray:
    """What the first tap of each place reads, as an offset."""
    y, x = np.divmod(r.place, axes[1].places)
    return r.image * source.image + y * (axes[0].step * source.row) + x


class Groups(NamedTuple):
    """The places of all images as vectors: `periods` times `each` vectors for `period` images; the last has fewer."""

    periods: int
    period: int
    each: int
    last_each: int
    table: np.ndarray
    last_table: np.ndarray


def groups_of_places(axes: Axes, source: Source, images: int, lanes: int, least: int) -> Groups:
    """The runs of every vector of places, in periods of about `least` vectors or more where there are as many."""
    rows, columns = axes
    each_image = rows.places * columns.places
    period, each = _period(each_image, images, lanes)
    period = min(images, period * max(1, least // each))
    left = images - (images - 1) // period * period

    def table(several: int) -> np.ndarray:
        place = np.arange(-(-several * each_image // lanes) * lanes)
        n, rest = np.divmod(np.minimum(place, several * each_image - 1), each_image)
        y, x = np.divmod(rest, columns.places)
        return runs(n * source.image + y * (rows.step * source.row) + x, several * each_image, lanes)

    whole = table(period)
    last = whole if left == period else table(left)
    many = max(whole.shape[1], last.shape[1])
    whole, last = (np.pad(t, ((0, 0), (0, many - t.shape[1]), (0, 0))) for t in (whole, last))
    return Groups((images - 1) // period + 1, period, len(whole), len(last), whole, last)


def _period(places: int, images: int, width: int) -> tuple[int, int]:
    """After how many images panels may begin anew, and how many panels that is: few images, and little waste."""
    best = (1, -(-places // width))
    for period in range(2, min(images, width // math.gcd(places, width)) + 1):
        if best[1] * width <= 1.02 * best[0] * places:
            break
        each = -(-period * places // width)
        if each * best[0] < best[1] * period:
            best = (period, each)
    return best


def runs(offsets: np.ndarray, valid: Any, lanes: int) -> np.ndarray:
    """Vectors of `lanes` offsets as runs of neighbours: int64 (vector, run, (offset of lane 0, mask of lanes)). `valid`
    says which elements count, or how many."""
    if not isinstance(valid, np.ndarray):
        valid = np.arange(len(offsets)) < valid
    at, real = offsets.reshape(-1, lanes), valid.reshape(-1, lanes)
    lane = np.arange(lanes)
    key = at - lane
    number = np.zeros(at.shape, np.int64)
    np.cumsum(key[:, 1:] != key[:, :-1], 1, out=number[:, 1:])
    most = int((number * real).max()) + 1
    table = np.zeros((len(at), most, 2), np.int64)
    for r in range(most):
        mask = (number == r) & real
        table[:, r, 1] = mask @ (1 << lane)
        table[:, r, 0] = np.where(mask.any(1), key[np.arange(len(at)), mask.argmax(1)], key[:, 0])
    return table
