"""Sliding windows: what convolution, pooling and unfold have in common. Arrays are (batch, channels, *axes).

A convolution is one matrix product once every window is a column. Columns are many times larger than the input, so they
are made tile by tile, each small enough to stay in the cache; a tile is some images, or some rows of one image:

    x (n, C, H, W)  --pad-->  (n, C, h, w)  --unroll W-->  (C, kw, h, n, ow)  --unroll H-->  (C, kh, kw, oh, n, ow)

Unrolling in two steps makes the larger copy one of long runs, and no weight needs to be reordered. `scatter` is the way
back. An array with one axis is treated as having a first one of length 1, so that all is written for two and three.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

Ints = tuple[int, ...]


class Window(NamedTuple):
    """Where windows lie, for each axis: the array's size, and how many places (`out`) there are.

    `padding` is what lies before the array; behind it is as much as the last window needs.
    """

    size: Ints
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    out: Ints

    def with_two_axes(self) -> Window:
        """The same over arrays with at least two axes, the first of length 1."""
        return self if len(self.size) > 1 else Window(*((int(i != 3), *field) for i, field in enumerate(self)))

    def reach(self) -> Ints:
        """How far the windows reach, counted from the beginning of the padding."""
        return tuple(
            (o - 1) * s + (k - 1) * d + 1
            for o, s, k, d in zip(self.out, self.stride, self.kernel, self.dilation, strict=True)
        )

    def padded(self) -> Ints:
        """The size with all the padding."""
        return tuple(max(n + p, r) for n, p, r in zip(self.size, self.padding, self.reach(), strict=True))

    def is_inside(self) -> bool:
        """Whether no window reaches into padding."""
        return not any(self.padding) and self.padded() == self.size


TILE_BYTES = 1 << 20  # of columns at a time: about what a core's second-level cache holds
TILE_COLUMNS = 256  # and not fewer columns than this, or the matrix product starves


def as_ints(value: Any) -> Ints:
    """A number, or several, as a tuple of ints.

    >>> as_ints(2), as_ints([1, 2])
    ((2,), (1, 2))
    """
    if type(value) is int:
        return (value,)
    if isinstance(value, (tuple, list)):
        return tuple([v if type(v) is int else operator.index(v) for v in value])
    return as_ints(value.tolist()) if hasattr(value, "tolist") else (operator.index(value),)


# ----------------------------------------------------------------------------------------------------- sizes of results
def conv_size(size: Sequence[int], kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """The number of window positions along each axis.

    >>> conv_size((28, 28), (5, 5), (1, 1), (2, 2), (1, 1))
    (28, 28)
    """
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def transposed_size(
    size: Sequence[int], kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, output_padding: Ints
) -> Ints:
    """The size of a transposed convolution's result: the inverse of `conv_size`, which `output_padding` makes unique.

    >>> transposed_size((14, 14), (3, 3), (2, 2), (1, 1), (1, 1), (1, 1))
    (28, 28)
    """
    return tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, k, s, p, d, o in zip(size, kernel, stride, padding, dilation, output_padding, strict=True)
    )


def pool_size(size: Sequence[int], kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool) -> Ints:
    """As `conv_size`; `ceil_mode` keeps a last window that starts inside the input or its left padding.

    >>> pool_size((5,), (2,), (2,), (0,), (1,), True)
    (3,)
    """
    return tuple(_pool_length(*axis, ceil_mode) for axis in zip(size, kernel, stride, padding, dilation, strict=True))


def _pool_length(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    room = n + 2 * p - d * (k - 1) - 1
    if not ceil_mode:
        return room // s + 1
    length = -(-room // s) + 1
    return length - 1 if (length - 1) * s >= n + p else length


# ----------------------------------------------------------------------------------------------------------- tap by tap
def taps(kernel: Ints) -> Iterator[Ints]:
    """The positions inside a window, row by row.

    >>> list(taps((2, 2)))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    return product(*map(range, kernel))


def tap_view(x: Any, tap: Ints, window: Window) -> Any:
    """What every window of an already padded array sees at one tap: a view of size (..., *out)."""
    _, _, stride, _, dilation, out = window
    starts = (t * d for t, d in zip(tap, dilation, strict=True))
    return x[(..., *(slice(t, t + (o - 1) * s + 1, s) for t, o, s in zip(starts, out, stride, strict=True)))]


def pad(xp: Any, x: Any, before: Ints, after: Ints, value: Any = 0) -> Any:
    """The array with constant borders on its last axes (negative ones cut); itself where there are none."""
    if not any(before) and not any(after):
        return x
    lead, size = x.shape[: x.ndim - len(before)], x.shape[x.ndim - len(before) :]
    padded = tuple(b + n + a for b, n, a in zip(before, size, after, strict=True))
    result = xp.full(lead + padded, value, x.dtype) if value else xp.zeros(lead + padded, x.dtype)
    inside = tuple(slice(max(b, 0), b + n + min(a, 0)) for b, n, a in zip(before, size, after, strict=True))
    source = tuple(slice(max(-b, 0), n + min(a, 0)) for b, n, a in zip(before, size, after, strict=True))
    result[(..., *inside)] = x[(..., *source)]
    return result


def inside(x: Any, before: Ints, size: Ints) -> Any:
    """The view of a padded array without its borders."""
    return x[(..., *(slice(b, b + n) for b, n in zip(before, size, strict=True)))]


# -------------------------------------------------------------------------------------------------------------- columns
class Tile:
    """Images `first:last` and rows `top:bottom` of the result, and how many input rows `height` they look at."""

    __slots__ = ("bottom", "first", "height", "last", "top")

    def __init__(self, first: int, last: int, top: int, bottom: int, height: int):
        self.first, self.last, self.top, self.bottom, self.height = first, last, top, bottom, height


class Columns:
    """The columns of the windows over arrays of one shape (n, channels, *size), and the buffers they are made in."""

    def __init__(self, xp: Any, shape: Ints, dtype: Any, window: Window):
        self.xp, self.shape, self.dtype, self.window = xp, shape, dtype, window
        self.rows = shape[1] * math.prod(window.kernel)
        self.buffers: dict[str, Any] = {}

    def tiles(self) -> Iterator[Tile]:
        window = self.window
        images, rows, width = self.shape[0], window.out[0], math.prod(window.out[1:])
        columns = max(TILE_COLUMNS, TILE_BYTES // (self.rows * self.dtype.itemsize))
        at_once, high = max(1, min(images, columns // (rows * width))), rows
        if rows * width > columns:
            high = min(rows, max(1, columns // width))
        for first in range(0, images, at_once):
            for top in range(0, rows, high):
                bottom = min(rows, top + high)
                height = (bottom - top - 1) * window.stride[0] + (window.kernel[0] - 1) * window.dilation[0] + 1
                yield Tile(first, min(images, first + at_once), top, bottom, height)

    def is_whole(self, tile: Tile) -> bool:
        """Whether the tile is exactly one image, whose columns are in the order of the result."""
        return tile.last - tile.first == 1 and tile.bottom - tile.top == self.window.out[0]

    def _buffer(self, name: str, shape: Ints, clear: bool = False) -> Any:
        """Scratch memory that the next tile of the same shape uses again; zero at first where `clear` says so."""
        found = self.buffers.get(name)
        if found is None or found.shape != shape:
            make = self.xp.zeros if clear else self.xp.empty
            found = self.buffers[name] = make(shape, self.dtype)
        return found

    def _rows_inside(self, tile: Tile) -> tuple[int, int, int]:
        """Where the tile's input rows begin, and which of them (from, to) are not padding."""
        begin = tile.top * self.window.stride[0] - self.window.padding[0]
        return begin, max(0, -begin), max(0, min(tile.height, self.shape[2] - begin))

    def _padded(self, x: Any, tile: Tile) -> Any:
        """The input rows of a tile with their padding: a view where there is none."""
        begin, low, high = self._rows_inside(tile)
        if self.window.is_inside():
            return x[tile.first : tile.last, :, begin : begin + tile.height]
        block = self._buffer("padded", self._padded_shape(tile), clear=True)
        block[:, :, :low] = 0
        block[:, :, high:] = 0
        if low < high:
            part = inside(block, self.window.padding[1:], self.shape[3:])
            part[:, :, low:high] = x[tile.first : tile.last, :, begin + low : begin + high]
        return block

    def _padded_shape(self, tile: Tile) -> Ints:
        return (tile.last - tile.first, self.shape[1], tile.height, *self.window.padded()[1:])

    def gather(self, x: Any, tile: Tile) -> Any:
        """The tile's windows as the columns of a matrix: (channel and tap, row and image and place in the row)."""
        strided = self.xp.lib.stride_tricks.as_strided
        _, kernel, stride, _, dilation, out = self.window
        images, high, channels = tile.last - tile.first, tile.bottom - tile.top, self.shape[1]
        block = self._padded(x, tile)
        by_image, by_channel, by_row, *by_place = block.strides
        by_tap = (q * d for q, d in zip(by_place, dilation[1:], strict=True))
        by_window = (q * s for q, s in zip(by_place, stride[1:], strict=True))
        wide = self._buffer("wide", (channels, *kernel[1:], tile.height, images, *out[1:]))
        wide[...] = strided(block, wide.shape, (by_channel, *by_tap, by_row, by_image, *by_window))
        if kernel[0] == 1 and stride[0] == 1:
            return wide.reshape(self.rows, -1)
        inner, run = math.prod(kernel[1:]), images * math.prod(out[1:])
        tall = self._buffer("tall", (channels, kernel[0], inner, high, run))
        size = self.dtype.itemsize
        by_row, by_inner, by_channel = run * size, tile.height * run * size, inner * tile.height * run * size
        tall[...] = strided(wide, tall.shape, (by_channel, dilation[0] * by_row, by_inner, stride[0] * by_row, size))
        return tall.reshape(self.rows, -1)

    def scatter(self, columns: Any, result: Any, tile: Tile) -> None:
        """Add a tile's columns to the places of the result (a whole array, zero at first) that they came from."""
        _, kernel, stride, padding, dilation, out = self.window
        images, high, channels = tile.last - tile.first, tile.bottom - tile.top, self.shape[1]
        inner, run = math.prod(kernel[1:]), images * math.prod(out[1:])
        tall = columns.reshape(channels, kernel[0], inner, high, run)
        wide = self._buffer("wide", (channels, inner, tile.height, run))
        wide[...] = 0
        for k in range(kernel[0]):
            start = k * dilation[0]
            wide[:, :, start : start + (high - 1) * stride[0] + 1 : stride[0]] += tall[:, k]
        wide = wide.reshape(channels, inner, tile.height, images, *out[1:])
        block = self._buffer("block", self._padded_shape(tile))
        block[...] = 0
        beside = Window(*(field[1:] for field in self.window))
        turned = (2, 0, 1, *range(3, 2 + len(kernel)))  # (channel, row, image, ...) to (image, channel, row, ...)
        for i, tap in enumerate(taps(beside.kernel)):
            view = tap_view(block, tap, beside)
            view += wide[:, i].transpose(turned)
        begin, low, high = self._rows_inside(tile)
        if low < high:
            part = inside(block, padding[1:], self.shape[3:])
            result[tile.first : tile.last, :, begin + low : begin + high] += part[:, :, low:high]
