"""Pooling: what sliding windows, or a division into parts, make of their values; and windows as columns (unfold, fold).

Kernels pool the last axes of an array, however many come before. Then come the operators, and PyTorch's functions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.modes import state
from ..core.dtype import FLOAT, INT, int64
from ..runtime.blocks import by_rows
from .declare import Spec, Tensor, opaque
from .pooling_checks import (
    check_adaptive_average,
    check_adaptive_max,
    check_adaptive_max1d,
    check_dtype,
    check_fractional,
    check_max_pool1d,
    check_signal,
    check_unpool,
    fold_window,
    pool_window,
    unfold_window,
)
from .record import public, write_out
from .windows import Ints, Window, as_ints, inside, pad, tap_view, taps


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
    lowest = _lowest(xp, x.dtype)
    return _by_planes(lambda x: _fold(xp.maximum, _padded(xp, x, window, lowest), window), x, len(window.size))


def _by_planes(function: Callable, x: Any, axes: int) -> Any:
    """What a function of planes (the last axes) gives, array or tuple of arrays; a few planes at a time."""
    lead = x.shape[: x.ndim - axes]
    found = by_rows(function, x.reshape(math.prod(lead), *x.shape[x.ndim - axes :]))
    if type(found) is tuple:
        return tuple([y.reshape(*lead, *y.shape[1:]) for y in found])
    return found.reshape(*lead, *found.shape[1:])


def max_indices(xp: Any, x: Any, window: Window) -> tuple[Any, Any]:
    """The largest value under each window, and the index into the flattened plane of the first place that has it."""

    def part(x: Any) -> tuple[Any, Any]:
        best, tap = _max_taps(xp, x, window)
        return best, _tap_indices(xp, tap, window)

    return _by_planes(part, x, len(window.size))


def _max_taps(xp: Any, x: Any, window: Window) -> tuple[Any, Any]:
    """The largest value under each window, and the number of the first tap that has it (the last NaN's, if any)."""
    x = _padded(xp, x, window, _lowest(xp, x.dtype))
    number = xp.uint8 if math.prod(window.kernel) <= 256 else xp.int32
    best = tap_view(x, (0,) * len(window.kernel), window).copy()
    where = xp.empty(best.shape, number)
    where[...] = xp.asarray(_first_inside(window))
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


@functools.lru_cache(256)
def _first_inside(window: Window) -> np.ndarray:
    """The number of the first tap of each window that is not padding: the maximum's, where all values are -inf."""
    first = np.zeros((), int)
    for k, s, p, d, o in zip(window.kernel, window.stride, window.padding, window.dilation, window.out, strict=True):
        first = first[..., None] * k + np.maximum(0, -((np.arange(o) * s - p) // d))
    return first


def _tap_indices(xp: Any, where: Any, window: Window) -> Any:
    """The index into the flattened plane of each window's tap."""
    begin, tap = _indices(window)
    return xp.take(xp.asarray(tap), where) + xp.asarray(begin)


@functools.lru_cache(256)
def _indices(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The indices into the flattened plane of each window's first tap, and of each tap counted from there."""
    begin, tap = np.zeros((), int), np.zeros((), int)
    for axis, (_, k, s, p, d, o) in enumerate(zip(*window, strict=True)):
        step = math.prod(window.size[axis + 1 :])
        begin = begin[..., None] + (np.arange(o) * s - p) * step
        tap = tap[..., None] + np.arange(k) * d * step
    return begin, tap.reshape(-1)


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


def unpool(xp: Any, x: Any, indices: Any, size: Ints) -> Any:
    """Values put into planes of `size` where their indices say (the last one wins), among zeros."""
    lead = x.shape[: x.ndim - len(size)]
    planes, plane = math.prod(lead), math.prod(size)
    wrong = indices[(indices < 0) | (indices >= plane)]
    if wrong.size:
        volume = "x".join(map(str, size))
        raise RuntimeError(f"Found an invalid max index: {wrong[0]} (output volumes are of size {volume})")
    result = xp.zeros((planes, plane), x.dtype)
    if x.size:
        xp.put_along_axis(result, indices.reshape(planes, -1), x.reshape(planes, -1), 1)
    return result.reshape(*lead, *size)


# ----------------------------------------------------------------------------------------------------- kernels: average
def average(xp: Any, x: Any, window: Window, count_pad: bool, divisor: int | None) -> Any:
    """The mean under each window; padding counts or not, or the sum is divided by `divisor`."""
    total = _fold(xp.add, _padded(xp, x, window), window)
    counts = xp.asarray(_counts(window, count_pad, divisor))
    if x.dtype.kind in "iu":
        return xp.trunc(total / counts).astype(x.dtype)
    return total / counts.astype(total.dtype)


@functools.lru_cache(256)
def _counts(window: Window, count_pad: bool, divisor: int | None) -> Any:
    """What each window's sum is divided by: one number where it is the same for all."""
    if divisor is not None:
        return divisor
    counts = np.ones((), int)
    for n, k, s, p, o in zip(window.size, window.kernel, window.stride, window.padding, window.out, strict=True):
        starts = np.arange(o) * s - p
        ends = np.minimum(starts + k, n + p if count_pad else n)
        counts = counts[..., None] * (ends - (starts if count_pad else np.maximum(starts, 0)))
    return counts.flat[0] if counts.size and (counts == counts.flat[0]).all() else counts


def average_back(xp: Any, g: Any, window: Window, count_pad: bool, divisor: int | None) -> Any:
    """The derivative of `average`: each value's share added to all places of its window, axis by axis."""
    g = g / xp.asarray(_counts(window, count_pad, divisor), g.dtype)
    axes = len(window.kernel)
    for axis in reversed(range(axes)):
        size, padding = window.size[axis], window.padding[axis]
        at = g.ndim - axes + axis
        wide = xp.zeros((*g.shape[:at], window.padded()[axis], *g.shape[at + 1 :]), g.dtype)
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
        each = math.prod(indices.shape[len(lead) :])
        seen = xp.take_along_axis(flat, indices.reshape(*lead, each), -1).reshape(indices.shape)
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
    result = xp.zeros((*columns.shape[: len(lead) + 1], *window.padded()), columns.dtype)
    for i, tap in enumerate(taps(window.kernel)):
        view = tap_view(result, tap, window)
        view += columns[(..., i, *(slice(None),) * len(window.out))]
    return inside(result, window.padding, window.size)


# ------------------------------------------------------------------------------------------------------------ operators
def _resized(x: Spec, axes: int, size: Ints) -> tuple:
    return (*x.size[: x.ndim - axes], *size), x.dtype


def _pool_rule(x: Spec, window: Window) -> tuple:
    return _resized(x, len(window.out), window.out)


def _pool_rule_with_indices(x: Spec, window: Window) -> list:
    size, dtype = _pool_rule(x, window)
    return [(size, dtype), (size, int64)]


def _max_grad(g: Any, y: Any, _x: Spec, window: Window) -> Any:
    return _scatter(g[0], y[1], size=window.size)


# compiled code for planes: imported when it is wanted, because LLVM is slow to load
def _native_max(call: Any, window: Window | None = None) -> Any:
    from ..codegen import parts as uneven
    from ..codegen import pools

    window = window or call.attributes["window"]
    return pools.max_pool(call, window) or uneven.maxima(call, uneven.window_axes(window))


def _native_average(call: Any, back: bool = False) -> Any:
    return _averaged(call, back=back, **call.attributes)


def _averaged(call: Any, window: Window, count_pad: bool, divisor: int | None, back: bool) -> Any:
    from ..codegen import parts as uneven
    from ..codegen import pools

    found = pools.avg_pool(call, window, count_pad, divisor, back)
    return found or uneven.means(call, uneven.window_axes(window, count_pad, divisor), back)


def _native_adaptive_max(call: Any) -> Any:
    from ..codegen import parts as uneven

    size, out = call.attributes["size"], call.attributes["out"]
    window = _even_window(size, out)
    return _native_max(call, window) if window else uneven.maxima(call, uneven.part_axes(size, list(map(parts, size, out))))


def _native_adaptive_average(call: Any, back: bool = False) -> Any:
    from ..codegen import parts as uneven

    size, out = call.attributes["size"], call.attributes["out"]
    window = _even_window(size, out)
    if window:
        return _averaged(call, window, True, None, back)
    return uneven.means(call, uneven.part_axes(size, list(map(parts, size, out))), back)


def _native_scatter(call: Any) -> Any:
    from ..codegen import pools

    return pools.scatter_planes(call)


# a plane is scattered to and gathered from by the indices of its places; each is the other's derivative
_scatter: Any = opaque(
    lambda g, indices, size: _resized(g, len(size), size),
    lambda g, y, _x, indices, size: (_gather(g, indices, size=size), None),
    name="scatter_planes", native=_native_scatter,
)(scatter_indices)
_gather: Any = opaque(
    lambda x, indices, size: (indices.size, x.dtype),
    lambda g, y, _x, indices, size: (_scatter(g, indices, size=size), None),
    name="gather_planes",
)(gather_indices)

_max_pool = opaque(_pool_rule, name="max_pool", native=_native_max)(max_values)
_max_pool_with_indices = {
    axes: opaque(
        _pool_rule_with_indices, _max_grad, name=f"max_pool{axes}d_with_indices",
        grad_name=f"MaxPool{axes}DWithIndicesBackward0", native=_native_max,
    )(max_indices)
    for axes in (2, 3)
}  # fmt: skip


def _average_operators(axes: int) -> Any:
    """The average over windows on so many axes; its derivative is linear too, and has it as its own."""
    forward = opaque(
        lambda x, window, count_pad, divisor: _pool_rule(x, window),
        lambda g, y, _x, **of: back(g, **of),
        name=f"avg_pool{axes}d",
        grad_name=f"AvgPool{axes}DBackward0",
        native=_native_average,
    )(average)
    back = opaque(
        lambda g, window, count_pad, divisor: _resized(g, axes, window.size),
        lambda g, y, _x, **of: forward(g, **of),
        name=f"avg_pool{axes}d_backward",
        grad_name=f"AvgPool{axes}DBackwardBackward0",
        native=functools.partial(_native_average, back=True),
    )(average_back)
    return forward


def _adaptive_operators(axes: int) -> tuple:
    average_op = opaque(
        lambda x, size, out: _resized(x, axes, out),
        lambda g, y, _x, **of: back(g, **of),
        name=f"adaptive_avg_pool{axes}d",
        grad_name=f"AdaptiveAvgPool{axes}DBackward0",
        native=_native_adaptive_average,
    )(adaptive_average)
    back = opaque(
        lambda g, size, out: _resized(g, axes, size),
        lambda g, y, _x, **of: average_op(g, **of),
        name=f"adaptive_avg_pool{axes}d_backward",
        grad_name=f"AdaptiveAvgPool{axes}DBackwardBackward0",
        native=functools.partial(_native_adaptive_average, back=True),
    )(adaptive_average_back)
    largest = opaque(
        lambda x, size, out: [_resized(x, axes, out), (_resized(x, axes, out)[0], int64)],
        lambda g, y, _x, size, out: _scatter(g[0], y[1], size=size),
        name=f"adaptive_max_pool{axes}d",
        grad_name=f"AdaptiveMaxPool{axes}DBackward0",
        native=_native_adaptive_max,
    )(adaptive_max)
    return average_op, largest


def _fractional_operator(axes: int) -> Any:
    return opaque(
        lambda x, samples, kernel, size, out: [_resized(x, axes, out), (_resized(x, axes, out)[0], int64)],
        lambda g, y, _x, _samples, kernel, size, out: (_scatter(g[0], y[1], size=size), None),
        name=f"fractional_max_pool{axes}d",
        grad_name=f"FractionalMaxPool{axes}DBackward0",
    )(fractional_max)


def _unpool_operator(axes: int) -> Any:
    return opaque(
        lambda x, indices, size: _resized(x, axes, size),
        lambda g, y, _x, indices, size: (_gather(g, indices, size=size), None),
        name=f"max_unpool{axes}d",
        grad_name=f"MaxUnpool{axes}DBackward0",
        late_errors=True,
    )(unpool)


_avg_pool = {axes: _average_operators(axes) for axes in (2, 3)}
_adaptive = {axes: _adaptive_operators(axes) for axes in (2, 3)}
_fractional = {axes: _fractional_operator(axes) for axes in (2, 3)}
_unpool = {axes: _unpool_operator(axes) for axes in (2, 3)}

_im2col: Any = opaque(
    lambda x, window: (
        (*x.size[:-3], x.size[-3] * math.prod(window.kernel), math.prod(window.out)), x.dtype
    ),
    lambda g, y, _x, window: _col2im(g, window=window),
    name="im2col", grad_name="Im2ColBackward0",
)(window_columns)  # fmt: skip
_col2im: Any = opaque(
    lambda c, window: ((*c.size[:-2], c.size[-2] // math.prod(window.kernel), *window.size), c.dtype),
    lambda g, y, _c, window: _im2col(g, window=window),
    name="col2im", grad_name="Col2ImBackward0",
)(add_columns)  # fmt: skip


# --------------------------------------------------------------------------------------------------- functions: maximum
def max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Tensor, Tensor]:
    """The largest value under each window, and its index into the flattened plane.

    >>> max_pool2d_with_indices(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return _max_pool_with_indices[2](
        input, window=_max_window("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    )


def max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Tensor, Tensor]:
    """The largest value under each window, and its index into the flattened volume."""
    return _max_pool_with_indices[3](
        input, window=_max_window("max_pool3d", input, kernel_size, stride, padding, dilation, ceil_mode)
    )


@public
def max_pool1d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Tensor, Tensor]:
    """The largest value under each window of a signal, and its index."""
    image = _as_image(input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    return _as_signals(max_pool2d_with_indices(**image, ceil_mode=ceil_mode))


@public
def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """The largest value under each window of a signal (N, C, L) or (C, L).

    >>> max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    _need_tensor("max_pool1d", input)
    numbers = [as_ints(v) for v in (kernel_size, () if stride is None else stride, padding, dilation)]
    check_max_pool1d(input._spec, *numbers, bool(ceil_mode))
    check_dtype("max_pool1d_impl", input._spec.dtype, (INT, FLOAT) if _is_differentiated(input) else (FLOAT,))
    image = _as_image(input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    return _as_signals(max_pool2d(**image, ceil_mode=ceil_mode))


@public
def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """The largest value under each window of images (N, C, H, W) or (C, H, W).

    >>> max_pool2d(torch.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[[3.]]])
    """
    return _largest(2, input, _max_window("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode))


@public
def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Tensor:
    """The largest value under each window of volumes (N, C, D, H, W) or (C, D, H, W)."""
    return _largest(3, input, _max_window("max_pool3d", input, kernel_size, stride, padding, dilation, ceil_mode))


def _largest(axes: int, input: Tensor, window: Window) -> Tensor:
    if _is_differentiated(input):
        return _max_pool_with_indices[axes](input, window=window)[0]
    return _max_pool(input, window=window)  # the indices cost as much again, and nobody will read them


def _is_differentiated(x: Tensor) -> bool:
    return x._grad_fn is not None and state.enabled


def _max_window(
    name: str, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    _need_tensor(name, input)
    stride = () if stride is None else as_ints(stride)
    window = pool_window(
        name, input._spec, as_ints(kernel), stride, as_ints(padding), as_ints(dilation), bool(ceil_mode)
    )
    check_dtype(name, input._spec.dtype, (INT, FLOAT))
    return window


def _need_tensor(name: str, input: Any) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


def _as_image(input: Any, **numbers: Any) -> dict[str, Any]:
    """A signal as an image of one row, and the numbers of its windows likewise."""
    across = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    given = {name: () if value is None else as_ints(value) for name, value in numbers.items()}
    return {"input": input.unsqueeze(-2)} | {name: v and (across[name], *v) for name, v in given.items()}


def _as_signals(images: Any) -> Any:
    """What came of images of one row, without the row."""
    return tuple(x.squeeze(-2) for x in images) if type(images) is tuple else images.squeeze(-2)


# --------------------------------------------------------------------------------------------------- functions: average
@public
def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean under each window of a signal (N, C, L) or (C, L).

    >>> avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    _need_tensor("avg_pool1d", input)
    given = {"kernel_size": as_ints(kernel_size), "stride": () if stride is None else as_ints(stride)}
    check_signal("avg_pool1d", input._spec, **given, padding=as_ints(padding))
    image = _as_image(input, kernel_size=kernel_size, stride=stride, padding=padding)
    return _as_signals(avg_pool2d(**image, ceil_mode=ceil_mode, count_include_pad=count_include_pad))


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The mean under each window of images (N, C, H, W) or (C, H, W).

    >>> avg_pool2d(torch.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[[1.5000]]])
    """
    result = _mean(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return result if out is None else write_out(result, out, "avg_pool2d")


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The mean under each window of volumes (N, C, D, H, W) or (C, D, H, W)."""
    result = _mean(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return result if out is None else write_out(result, out, "avg_pool3d")


def _mean(
    axes: int, input: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_pad: bool,
    divisor: int | None,
) -> Tensor:  # fmt: skip
    name = f"avg_pool{axes}d"
    _need_tensor(name, input)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    stride = () if stride is None else as_ints(stride)
    window = pool_window(name, input._spec, as_ints(kernel), stride, as_ints(padding), None, bool(ceil_mode))
    check_dtype(name + "_out_frame" * (axes == 3), input._spec.dtype, also=(int64,))
    return _avg_pool[axes](input, window=window, count_pad=bool(count_pad), divisor=divisor)


# -------------------------------------------------------------------------------------------------- functions: adaptive
@public
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over parts that divide a signal into `output_size`.

    >>> adaptive_avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    _need_tensor("adaptive_avg_pool1d", input)
    check_signal("adaptive_avg_pool1d", input._spec, output_size=as_ints(output_size))
    return _as_signals(adaptive_avg_pool2d(**_as_image(input), output_size=(1, *as_ints(output_size))))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over parts that divide the plane into `output_size`."""
    return _adaptive_mean(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over parts that divide the volume into `output_size`."""
    return _adaptive_mean(3, input, output_size)


def _adaptive_mean(axes: int, input: Tensor, output_size: Any) -> Tensor:
    _need_tensor(f"adaptive_avg_pool{axes}d", input)
    x, out = input._spec, _sizes(output_size, axes)
    check_adaptive_average(x, out, axes)
    if set(out) == {1}:
        return input.mean(tuple(range(-axes, 0)), keepdim=True)
    check_dtype(f"adaptive_avg_pool{axes}d" + "_cpu" * (axes == 3), x.dtype)
    return _adaptive[axes][0](input, size=x.size[x.ndim - axes :], out=out)


def _sizes(value: Any, axes: int) -> Ints:
    return (value,) * axes if isinstance(value, int) else as_ints(value)


@public
def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The largest value, and its index, of parts that divide a signal into `output_size`.

    >>> adaptive_max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    _need_tensor("adaptive_max_pool1d", input)
    check_adaptive_max1d(input._spec, as_ints(output_size))
    return _as_signals(adaptive_max_pool2d(**_as_image(input), output_size=(1, *as_ints(output_size))))


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The largest value, and its index, of parts that divide the plane into `output_size`."""
    return _adaptive_largest(2, input, output_size)


def adaptive_max_pool3d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The largest value, and its index, of parts that divide the volume into `output_size`."""
    return _adaptive_largest(3, input, output_size)


def _adaptive_largest(axes: int, input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    _need_tensor(f"adaptive_max_pool{axes}d", input)
    x, out = input._spec, _sizes(output_size, axes)
    check_adaptive_max(x, out, axes)
    return _adaptive[axes][1](input, size=x.size[x.ndim - axes :], out=out)


# ---------------------------------------------------------------------------------- functions: fractional and unpooling
def fractional_max_pool2d(input: Tensor, kernel_size: Any, output_size: Any, samples: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value, and its index, of windows that samples (N, C, 2) space at random (Graham, 2014)."""
    return _fractional_largest(2, input, kernel_size, output_size, samples)


def fractional_max_pool3d(input: Tensor, kernel_size: Any, output_size: Any, samples: Tensor) -> tuple[Tensor, Tensor]:
    """As `fractional_max_pool2d` for volumes, with samples (N, C, 3)."""
    return _fractional_largest(3, input, kernel_size, output_size, samples)


def _fractional_largest(axes: int, input: Tensor, kernel: Any, output_size: Any, samples: Tensor) -> Any:
    x, kernel, out = input._spec, _sizes(kernel, axes), _sizes(output_size, axes)
    check_fractional(x, samples._spec, kernel, out, axes)
    return _fractional[axes](input, samples, kernel=kernel, size=x.size[x.ndim - axes :], out=out)


def max_unpool2d(input: Tensor, indices: Tensor, output_size: Any) -> Tensor:
    """The values of a maximum put back into planes of `output_size` where the indices say, among zeros.

    >>> max_unpool2d(torch.tensor([[[3.0]]]), torch.tensor([[[2]]]), (2, 2))
    tensor([[[0., 0.],
             [3., 0.]]])
    """
    size = as_ints(output_size)
    check_unpool(input._spec, indices._spec, size, None)
    return _unpool[2](input, indices, size=size)


def max_unpool3d(
    input: Tensor, indices: Tensor, output_size: Any, stride: Any = (1, 1, 1), padding: Any = (0, 0, 0)
) -> Tensor:
    """The values of a maximum put back into volumes of `output_size` where the indices say, among zeros."""
    size = as_ints(output_size)
    check_unpool(input._spec, indices._spec, size, as_ints(stride))
    return _unpool[3](input, indices, size=size)


# --------------------------------------------------------------------------------------------------- functions: columns
def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of images (N, C, H, W) as columns (N, C * taps, number of windows).

    >>> unfold(torch.arange(4.0).reshape(1, 1, 2, 2), (1, 2))
    tensor([[[0., 2.],
             [1., 3.]]])
    """
    numbers = (_pair(v) for v in (kernel_size, dilation, padding, stride))
    return _im2col(input, window=unfold_window(input._spec, *numbers))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns (N, C * taps, number of windows) added up to images of `output_size`.

    >>> fold(torch.tensor([[[0.0, 2.0], [1.0, 3.0]]]), (2, 2), (1, 2))
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    numbers = (_pair(v) for v in (output_size, kernel_size, dilation, padding, stride))
    return _col2im(input, window=fold_window(input._spec, *numbers))


def _pair(value: Any) -> Ints:
    return (value, value) if isinstance(value, int) else as_ints(value)
