"""Pooling: what sliding windows, or a division into parts, make of their values; and windows as columns (unfold, fold).

Kernels pool the last axes of an array, however many come before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .windows import Ints, Window, inside, pad, tap_view, taps


# ------------------------------------------------------------------------------------------------------ kernels: common
def _padded(xp: Any, x: Any, window: Window, value: Any = 0) -> Any:
    """The array with the borders that its windows reach into; what no window reaches at the end is cut."""
    after = tuple(r - n - p for r, n, p in zip(window.reach(), window.size, window.padding, strict=True))
    return pad(xp, x, window.padding, after, value)


def _along(x: Any, axis: int, window: Window) -> list[Any]:
    """What the windows see at each tap along one axis, as views."""
    _, kernel, stride, _, dilation, out = window
    rest = (slice(None),) * (len(kernel) - 1 - axis)
    starts = (t * dilation[axis] for t in range(kernel[axis]))
    return [x[(..., slice(t, t + (out[axis] - 1) * stride[axis] + 1, stride[axis]), *rest)] for t in starts]


def _fold(fold: Callable, x: Any, window: Window) -> Any:
    """The windows of a padded array folded by a binary function, one axis after the other."""
    for axis in range(len(window.kernel)):
        first, *others = _along(x, axis, window)
        if others:
            x = fold(first, others[0])
            for view in others[1:]:
                fold(x, view, out=x)
        else:
            x = first
    return x


# ----------------------------------------------------------------------------------------------------- kernels: maximum
def max_values(xp: Any, x: Any, window: Window) -> Any:
    """The largest value under each window."""
    return _fold(xp.maximum, _padded(xp, x, window, _lowest(xp, x.dtype)), window)


def max_indices(xp: Any, x: Any, window: Window) -> tuple[Any, Any]:
    """The largest value under each window, and the index into the flattened plane of the first place that has it."""
    best, tap = _max_taps(xp, x, window)
    return best, _tap_indices(xp, tap, window)


def _max_taps(xp: Any, x: Any, window: Window) -> tuple[Any, Any]:
    """The largest value under each window, and the number of the first tap that has it (the last NaN's, if any)."""
    x = _padded(xp, x, window, _lowest(xp, x.dtype))
    number = xp.uint8 if math.prod(window.kernel) <= 256 else xp.int32
    best = tap_view(x, (0,) * len(window.kernel), window).copy()
    where = xp.empty(best.shape, number)
    where[...] = _first_inside(xp, window)
    for i, tap in enumerate(taps(window.kernel)):
        if i:
            view = tap_view(x, tap, window)
            # later taps have larger numbers, so a maximum selects; on bytes it is vectorised, a masked copy is not
            xp.maximum(where, xp.multiply(view > best, number(i), dtype=number), out=where)
            xp.maximum(best, view, out=best)
    if best.dtype.kind not in "iu" and xp.isnan(best).any():
        for i, tap in enumerate(taps(window.kernel)):
            where[xp.isnan(tap_view(x, tap, window))] = i
    return best, where


def _lowest(xp: Any, dtype: Any) -> Any:
    return xp.iinfo(dtype).min if dtype.kind in "iu" else -math.inf


def _first_inside(xp: Any, window: Window) -> Any:
    """The number of the first tap of each window that is not padding: the maximum's, where all values are -inf."""
    first = xp.zeros((), int)
    for k, s, p, d, o in zip(window.kernel, window.stride, window.padding, window.dilation, window.out, strict=True):
        first = first[..., None] * k + xp.maximum(0, -((xp.arange(o) * s - p) // d))
    return first


def _tap_indices(xp: Any, where: Any, window: Window) -> Any:
    """The index into the flattened plane of each window's tap."""
    strides = [math.prod(window.size[i + 1 :]) for i in range(len(window.size))]
    begin, tap = xp.zeros((), int), xp.zeros((), int)
    for q, k, s, p, d, o in zip(
        strides, window.kernel, window.stride, window.padding, window.dilation, window.out, strict=True
    ):
        begin = begin[..., None] + (xp.arange(o) * s - p) * q
        tap = tap[..., None] + xp.arange(k) * d * q
    return xp.take(tap.reshape(-1), where) + begin


def scatter_indices(xp: Any, g: Any, indices: Any, size: Ints) -> Any:
    """Each value added to the place in a plane of `size` that its index says, among zeros."""
    lead = g.shape[: g.ndim - len(size)]
    planes, plane = math.prod(lead), math.prod(size)
    result = xp.zeros(planes * plane, g.dtype)
    if g.size:
        places = indices.reshape(planes, -1) + xp.arange(planes)[:, None] * plane
        xp.add.at(result, places.reshape(-1), g.reshape(-1))
    return result.reshape(*lead, *size)


def gather_indices(xp: Any, x: Any, indices: Any, size: Ints) -> Any:
    """The values of planes of `size` at the indices: the derivative of `scatter_indices`."""
    if not indices.size:
        return xp.zeros(indices.shape, x.dtype)
    planes, plane = math.prod(x.shape[: x.ndim - len(size)]), math.prod(size)
    places = indices.reshape(planes, -1) + xp.arange(planes)[:, None] * plane
    return xp.take(x.reshape(-1), places).reshape(indices.shape)


# ----------------------------------------------------------------------------------------------------- kernels: average
def average(xp: Any, x: Any, window: Window, count_pad: bool, divisor: int | None) -> Any:
    """The mean under each window; padding counts or not, or the sum is divided by `divisor`."""
    total = _fold(xp.add, _padded(xp, x, window), window)
    counts = _counts(xp, window, count_pad, divisor)
    if x.dtype.kind in "iu":
        return xp.trunc(total / counts).astype(x.dtype)
    return total / xp.asarray(counts, total.dtype)


def _counts(xp: Any, window: Window, count_pad: bool, divisor: int | None) -> Any:
    """What each window's sum is divided by: one number where it is the same for all."""
    if divisor is not None:
        return divisor
    border = 0 if count_pad else 1
    counts: Any = xp.ones((), int)
    for n, k, s, p, o in zip(window.size, window.kernel, window.stride, window.padding, window.out, strict=True):
        starts = xp.arange(o) * s - p
        ends = xp.minimum(starts + k, n if border else n + p)
        counts = counts[..., None] * (ends - (xp.maximum(starts, 0) if border else starts))
    return counts.reshape(-1)[0] if counts.size and (counts == counts.reshape(-1)[0]).all() else counts


def average_back(xp: Any, g: Any, window: Window, count_pad: bool, divisor: int | None) -> Any:
    """The derivative of `average`: each value's share added to all places of its window, axis by axis."""
    g = g / xp.asarray(_counts(xp, window, count_pad, divisor), g.dtype)
    axes = len(window.kernel)
    for axis in reversed(range(axes)):
        size, padding = window.size[axis], window.padding[axis]
        at = g.ndim - axes + axis
        wide = xp.zeros((*g.shape[:at], max(size + padding, window.reach()[axis]), *g.shape[at + 1 :]), g.dtype)
        for view in _along(wide, axis, window):
            view += g
        g = wide[(*(slice(None),) * at, slice(padding, padding + size))]
    return g


# ---------------------------------------------------------------------------------------------------- kernels: adaptive
def parts(size: int, out: int) -> list[tuple[int, int]]:
    """Where each of `out` parts of an axis begins and ends; parts overlap where the size is not divisible.

    >>> parts(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _even_window(size: Ints, out: Ints) -> Window | None:
    """The window that makes the same parts, if all have one length."""
    if 0 in out or any(n % o for n, o in zip(size, out, strict=True)):
        return None
    kernel, ones = tuple(n // o for n, o in zip(size, out, strict=True)), (1,) * len(out)
    return Window(size, kernel, kernel, (0,) * len(out), ones, out)


def adaptive_average(xp: Any, x: Any, size: Ints, out: Ints) -> Any:
    """The mean of each part of the last axes, which are of `size`."""
    window = _even_window(size, out)
    if window:
        return average(xp, x, window, True, None)
    for axis, (n, o) in enumerate(zip(size, out, strict=True)):
        at = x.ndim - len(size) + axis
        means = [x[(*(slice(None),) * at, slice(a, b))].mean(at, keepdims=True) for a, b in parts(n, o)]
        x = xp.concatenate(means, at) if means else x[(*(slice(None),) * at, slice(0, 0))]
    return x


def adaptive_average_back(xp: Any, g: Any, size: Ints, out: Ints) -> Any:
    """The derivative of `adaptive_average`."""
    window = _even_window(size, out)
    if window:
        return average_back(xp, g, window, True, None)
    for axis, (n, o) in enumerate(zip(size, out, strict=True)):
        at = g.ndim - len(size) + axis
        wide = xp.zeros((*g.shape[:at], n, *g.shape[at + 1 :]), g.dtype)
        before = (slice(None),) * at
        for i, (a, b) in enumerate(parts(n, o)):
            wide[(*before, slice(a, b))] += g[(*before, slice(i, i + 1))] / (b - a)
        g = wide
    return g


def adaptive_max(xp: Any, x: Any, size: Ints, out: Ints) -> tuple[Any, Any]:
    """The largest value of each part of the last axes and its index into the flattened plane."""
    window = _even_window(size, out)
    if window and 0 not in x.shape:
        return max_indices(xp, x, window)
    places = []
    for n, o in zip(size, out, strict=True):
        bounds = xp.asarray(parts(n, o), int).reshape(o, 2)
        longest = max((b - a for a, b in parts(n, o)), default=1)
        # shorter parts see their last place again, which cannot become the first maximum
        places.append(xp.minimum(bounds[:, :1] + xp.arange(longest), bounds[:, 1:] - 1))
    return _best_of(xp, x, _plane_indices(xp, size, places), size)


def _plane_indices(xp: Any, size: Ints, places: list[Any]) -> Any:
    """Indices (..., *out, taps) into the flattened plane, from each axis' indices (..., out, taps)."""
    lead, axes = places[0].ndim - 2, len(size)
    total: Any = 0
    for axis, place in enumerate(places):
        shape = [1] * (2 * axes)
        shape[axis], shape[axes + axis] = place.shape[-2:]
        total = total * size[axis] + place.reshape(*place.shape[:lead], *shape)
    return total.reshape(*total.shape[: lead + axes], math.prod(total.shape[lead + axes :]))


def _best_of(xp: Any, x: Any, indices: Any, size: Ints) -> tuple[Any, Any]:
    """The first largest of the values at the indices (the last NaN, if any), and its index."""
    lead, axes = x.shape[: x.ndim - len(size)], len(size)
    flat = x.reshape(*lead, -1) if x.size else xp.zeros((*lead, 1), x.dtype)
    out = indices.shape[-1 - axes : -1]
    if indices.ndim == axes + 1:
        seen = flat[..., indices.reshape(-1)].reshape(*lead, *indices.shape)
        indices = xp.broadcast_to(indices, seen.shape)
    else:
        seen = xp.take_along_axis(flat, indices.reshape(*lead, -1), -1).reshape(indices.shape)
    taken = seen.argmax(-1) if seen.size else xp.zeros((*lead, *out), int)
    if x.dtype.kind not in "iu" and xp.isnan(seen).any():
        last = seen.shape[-1] - 1 - xp.isnan(seen)[..., ::-1].argmax(-1)
        taken = xp.where(xp.isnan(seen).any(-1), last, taken)
    taken = taken[..., None]
    return xp.take_along_axis(seen, taken, -1)[..., 0], xp.take_along_axis(indices, taken, -1)[..., 0]


def fractional_max(xp: Any, x: Any, samples: Any, kernel: Ints, size: Ints, out: Ints) -> tuple[Any, Any]:
    """The largest value, and its index, of windows whose spacing is drawn at random: one sample a plane and axis."""
    lead = x.shape[: x.ndim - len(size)]
    samples = samples.reshape(-1, *lead[-1:], len(size))[: math.prod(lead[:-1]) or 1].reshape(*lead, len(size))
    order = (1, 0) if len(size) == 2 else (0, 1, 2)  # PyTorch draws the width first in two dimensions
    places = []
    for axis, (n, o, k) in enumerate(zip(size, out, kernel, strict=True)):
        sample = samples[..., order[axis], None]
        alpha = sample.dtype.type(n - k) / sample.dtype.type(max(o - 1, 1))
        starts = ((xp.arange(o).astype(sample.dtype) + sample) * alpha).astype(int) - (sample * alpha).astype(int)
        starts[..., -1] = n - k
        places.append(starts[..., None] + xp.arange(k))
    return _best_of(xp, x, _plane_indices(xp, size, places), size)


# --------------------------------------------------------------------------------------------- kernels: unfold and fold
def window_columns(xp: Any, x: Any, window: Window) -> Any:
    """Windows as columns: (..., C, *size) gives (..., C * taps, number of windows)."""
    x = xp.ascontiguousarray(_padded(xp, x, window))
    axes = len(window.kernel)
    lead, steps = x.strides[: x.ndim - axes], x.strides[x.ndim - axes :]
    by_tap = (q * d for q, d in zip(steps, window.dilation, strict=True))
    by_place = (q * s for q, s in zip(steps, window.stride, strict=True))
    seen = xp.lib.stride_tricks.as_strided(
        x, (*x.shape[: len(lead)], *window.kernel, *window.out), (*lead, *by_tap, *by_place)
    )
    channels = x.shape[len(lead) - 1] * math.prod(window.kernel)
    return xp.ascontiguousarray(seen).reshape(*x.shape[: len(lead) - 1], channels, math.prod(window.out))


def add_columns(xp: Any, columns: Any, window: Window) -> Any:
    """Columns added to the places they come from: the derivative of `window_columns`."""
    lead = columns.shape[:-2]
    columns = columns.reshape(*lead, -1, math.prod(window.kernel), *window.out)
    padded = tuple(max(n + p, r) for n, p, r in zip(window.size, window.padding, window.reach(), strict=True))
    result = xp.zeros((*columns.shape[: len(lead) + 1], *padded), columns.dtype)
    for i, tap in enumerate(taps(window.kernel)):
        view = tap_view(result, tap, window)
        view += columns[(..., i, *(slice(None),) * len(window.out))]
    return inside(result, window.padding, window.size)
