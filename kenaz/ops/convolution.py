"""Convolutions: one product of matrices over columns (windows.py), forward, backward and transposed.

The three kernels are each other's derivatives, which is all that higher derivatives need:

    y  = conv(x, w)             dx = conv_input(g, w)      dw = conv_weight(x, g)
    x  = conv_input(y, w)       dy = conv(g, w)            dw = conv_weight(g, y)      (a transposed convolution)
    w  = conv_weight(x, y)      dx = conv_input(y, g)      dy = conv(x, g)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

from ..core.shape import contiguous_stride
from .windows import Columns, Ints, Tile, Window, conv_size, inside, pad, taps


# -------------------------------------------------------------------------------------------------------------- kernels
def conv(xp: Any, x: Any, w: Any, bias: Any, window: Window, groups: int) -> Any:
    """The convolution of (N, C, *size) with (O, C / groups, *kernel): (N, O, *out)."""
    if 0 in x.shape or 0 in w.shape:
        result = xp.zeros((len(x), len(w), *window.out), x.dtype)
        return result if bias is None else result + _as_rows(bias, len(window.out))
    special = _special_case(x.shape[1], w, window, groups)
    if special:
        result = special(xp, x, w, window, groups)
        return result if bias is None else _add(result, _as_rows(bias, len(window.out)))
    result = xp.empty((len(x), len(w), *window.out), x.dtype)
    x, window = x.reshape(*x.shape[:2], *window.with_two_axes().size), window.with_two_axes()
    into = result.reshape(len(x), len(w), *window.out)
    columns = Columns(xp, x.shape, x.dtype, window)
    weight = w.reshape(groups, len(w) // groups, -1)
    for tile in columns.tiles():
        matrix = columns.gather(x, tile).reshape(groups, columns.rows // groups, -1)
        whole = columns.is_whole(tile)
        rows = into[tile.first].reshape(groups, len(w) // groups, -1) if whole else None
        rows = xp.matmul(weight, matrix, out=rows)
        if bias is not None:
            rows += bias.reshape(groups, -1, 1)
        if not whole:
            _tile_of(into, tile)[...] = _unturned(rows, len(w), tile, window.out)
    return result


def conv_input(xp: Any, y: Any, w: Any, window: Window, groups: int) -> Any:
    """The gradient of `conv` with respect to its input, which is also the transposed convolution of y."""
    channels = w.shape[1] * groups
    if 0 in y.shape or 0 in w.shape:
        return xp.zeros((len(y), channels, *window.size), y.dtype)
    special = _special_case(channels, w, window, groups, backward=True)
    if special:
        return special(xp, y, w, window, groups)
    turned = _turned_window(window)
    if turned is not None and len(w) <= 2 * channels:
        # with stride 1 the gradient is a convolution too, and gathering its columns beats scattering them
        return conv(xp, y, _turned_weight(xp, w, groups), None, turned, groups)
    result = xp.zeros((len(y), channels, *window.size), y.dtype)
    window = window.with_two_axes()
    into, y = result.reshape(len(y), channels, *window.size), y.reshape(*y.shape[:2], *window.out)
    columns = Columns(xp, into.shape, y.dtype, window)
    weight = w.reshape(groups, len(w) // groups, -1).transpose(0, 2, 1)
    for tile in columns.tiles():
        matrix = xp.matmul(weight, _turned(xp, y, tile).reshape(groups, len(w) // groups, -1))
        columns.scatter(matrix, into, tile)
    return result


def conv_weight(xp: Any, x: Any, y: Any, window: Window, groups: int) -> Any:
    """The gradient of `conv` with respect to its weight, where y is the gradient of its result."""
    shape = (y.shape[1], x.shape[1] // groups, *window.kernel)
    if 0 in x.shape or 0 in y.shape:
        return xp.zeros(shape, x.dtype)
    window = window.with_two_axes()
    x, y = x.reshape(*x.shape[:2], *window.size), y.reshape(*y.shape[:2], *window.out)
    columns = Columns(xp, x.shape, x.dtype, window)
    result = None
    for tile in columns.tiles():
        matrix = columns.gather(x, tile).reshape(groups, columns.rows // groups, -1).transpose(0, 2, 1)
        part = xp.matmul(_turned(xp, y, tile).reshape(groups, shape[0] // groups, -1), matrix)
        result = part if result is None else _add(result, part)
    return result.reshape(shape)


# ----------------------------------------------------------------------------------------------------- parts of kernels
def _tile_of(y: Any, tile: Tile) -> Any:
    return y[tile.first : tile.last, :, tile.top : tile.bottom]


def _turned(xp: Any, y: Any, tile: Tile) -> Any:
    """A tile of a result as its matrix (channel, row and image and place)."""
    return xp.ascontiguousarray(_tile_of(y, tile).transpose(1, 2, 0, *range(3, y.ndim)))


def _unturned(rows: Any, channels: int, tile: Tile, out: Ints) -> Any:
    """A matrix (channel, row and image and place) as a tile of a result."""
    part = rows.reshape(channels, tile.bottom - tile.top, tile.last - tile.first, *out[1:])
    return part.transpose(2, 0, 1, *range(3, part.ndim))


def _as_rows(bias: Any, axes: int) -> Any:
    return bias.reshape(-1, *(1,) * axes)


def _add(x: Any, y: Any) -> Any:
    x += y
    return x


def _turned_window(window: Window) -> Window | None:
    """The window of the convolution that takes results back to inputs, if there is one."""
    size, kernel, stride, padding, dilation, out = window
    padding = tuple(d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True))
    if max(stride) > 1 or min(padding) < 0 or conv_size(out, kernel, stride, padding, dilation) != size:
        return None
    return Window(out, kernel, stride, padding, dilation, size)


def _turned_weight(xp: Any, w: Any, groups: int) -> Any:
    """Its weight: channels exchanged within each group, taps reversed."""
    grouped = w.reshape(groups, len(w) // groups, *w.shape[1:]).swapaxes(1, 2)
    reverse = (slice(None, None, -1),) * (w.ndim - 2)
    return xp.ascontiguousarray(grouped[(..., *reverse)]).reshape(groups * w.shape[1], -1, *w.shape[2:])


def _special_case(channels: int, w: Any, window: Window, groups: int, backward: bool = False) -> Any:
    if math.prod(window.kernel) == 1 and not any(window.padding):
        return _pointwise_input if backward else _conv_pointwise
    if groups == channels == len(w) and groups > 1:
        return _depthwise_input if backward else _conv_depthwise
    return None


# A kernel of one element mixes channels only: a product of matrices without columns.
def _conv_pointwise(xp: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    x = xp.ascontiguousarray(x[(..., *_every(window.stride, window.out))])
    y = xp.matmul(w.reshape(groups, len(w) // groups, -1), x.reshape(len(x), groups, w.shape[1], -1))
    return y.reshape(len(x), len(w), *window.out)


def _pointwise_input(xp: Any, y: Any, w: Any, window: Window, groups: int) -> Any:
    weight = w.reshape(groups, len(w) // groups, -1).transpose(0, 2, 1)
    x = xp.matmul(weight, xp.ascontiguousarray(y).reshape(len(y), groups, len(w) // groups, -1))
    x = x.reshape(len(y), -1, *window.out)
    if window.out == window.size:
        return x
    result = xp.zeros((*x.shape[:2], *window.size), x.dtype)
    result[(..., *_every(window.stride, window.out))] = x
    return result


def _every(stride: Ints, count: Ints) -> Iterator[slice]:
    """Slices of `count` places, `stride` apart."""
    return (slice(None, (o - 1) * s + 1, s) for o, s in zip(count, stride, strict=True))


# A depthwise convolution has nothing to multiply as matrices: it adds up the shifted input, a few channels at a time so
# that the sum stays in the cache.
BLOCK_ELEMENTS = 1 << 16


def _blocks(x: Any, elements: int) -> Iterator[tuple[int, slice]]:
    """Each image and some of its channels, together about BLOCK_ELEMENTS of `elements` each."""
    step = max(1, BLOCK_ELEMENTS // max(1, elements))
    return product(range(len(x)), (slice(c, c + step) for c in range(0, x.shape[1], step)))


def _conv_depthwise(xp: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    size, padding = window.size, window.padding
    result = xp.empty((*x.shape[:2], *window.out), x.dtype)
    weight, phases = w.reshape(len(w), -1), _Phases(window)
    after = tuple(q * s - p - n for q, s, p, n in zip(phases.size, window.stride, padding, size, strict=True))
    for image, channels in _blocks(x, math.prod(size)):
        block = pad(xp, x[image, channels], padding, after)
        planes = {phase: xp.ascontiguousarray(phases.of(block, phase)) for phase in phases.shifts}
        terms = [
            (planes[phase], shift, weight[channels, tap]) for phase in planes for tap, shift in phases.shifts[phase]
        ]
        result[image, channels] = _add_shifted(xp, terms, window.out)
    return result


def _depthwise_input(xp: Any, y: Any, w: Any, window: Window, groups: int) -> Any:
    result = xp.empty((*y.shape[:2], *window.size), y.dtype)
    weight, phases = w.reshape(len(w), -1), _Phases(window)
    after = tuple(q - o for q, o in zip(phases.size, window.out, strict=True))
    for image, channels in _blocks(y, math.prod(window.size)):
        part = xp.ascontiguousarray(pad(xp, y[image, channels], phases.most, after))
        block = xp.zeros((len(part), *(q * s for q, s in zip(phases.size, window.stride, strict=True))), y.dtype)
        for phase, shifts in phases.shifts.items():
            terms = [
                (part, tuple(m - n for m, n in zip(phases.most, shift, strict=True)), weight[channels, tap])
                for tap, shift in shifts
            ]
            phases.of(block, phase)[...] = _add_shifted(xp, terms, phases.size)
        result[image, channels] = inside(block, window.padding, window.size)
    return result


class _Phases:
    """A padded plane with stride s as s planes an axis, on each of which a tap is a shift by whole places.

    size: of each plane; shifts: for each phase its (number of the tap, shift); most: the largest shift along each axis.
    """

    def __init__(self, window: Window):
        size, kernel, stride, padding, dilation, _ = window
        self.stride = stride
        self.size = tuple(-(-(n + 2 * p) // s) for n, p, s in zip(size, padding, stride, strict=True))
        self.most = tuple((k - 1) * d // s for k, d, s in zip(kernel, dilation, stride, strict=True))
        self.shifts: dict[Ints, list[tuple[int, Ints]]] = {}
        for i, tap in enumerate(taps(kernel)):
            phase = tuple(t * d % s for t, d, s in zip(tap, dilation, stride, strict=True))
            shift = tuple(t * d // s for t, d, s in zip(tap, dilation, stride, strict=True))
            self.shifts.setdefault(phase, []).append((i, shift))

    def of(self, block: Any, phase: Ints) -> Any:
        return block[(..., *(slice(f, None, s) for f, s in zip(phase, self.stride, strict=True)))]


def _add_shifted(xp: Any, terms: list[tuple[Any, Ints, Any]], out: Ints) -> Any:
    """The sum of (planes, shift, factor for each plane): as flat planes, so that a run is a plane and not a row."""
    first = terms[0][0]
    steps = contiguous_stride(first.shape[1:])
    length = 1 + sum((o - 1) * q for o, q in zip(out, steps, strict=True))
    flat = xp.empty((len(first), out[0] * steps[0]), first.dtype)
    total, part = flat[:, :length], xp.empty((len(first), length), first.dtype)
    for i, (planes, shift, factor) in enumerate(terms):
        start = sum(n * q for n, q in zip(shift, steps, strict=True))
        view = planes.reshape(len(planes), -1)[:, start : start + length]
        xp.multiply(view, factor[:, None], out=part if i else total)
        if i:
            total += part
    return inside(flat.reshape(len(first), out[0], *first.shape[2:]), (0,) * len(out), out)
