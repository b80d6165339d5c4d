"""Resampling: interpolation to another size, and channels made into pixels.

Interpolation is separable and linear: along each axis, a new value is a weighted sum of a few old ones (taps).
`axis_taps` says for each mode which ones with what weights, `resample` applies them axis by axis, and `resample_back`
is its transpose.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.dtype import FLOAT, dtype, scalar_name, uint8
from .declare import Spec, Tensor, compiled, opaque
from .record import public
from .views import contiguous
from .windows import Ints, as_ints

Scales = tuple[float | None, ...]


# -------------------------------------------------------------------------------------------------------- interpolation
def resample(xp: Any, x: Any, out: Ints, mode: str, align: bool, scales: Scales) -> Any:
    """The last axes of an array resized to `out`, the last one first."""
    axes = len(out)
    for axis in reversed(range(axes)):
        at = x.ndim - axes + axis
        if not _is_kept(mode, x.shape[at], out[axis], axes == 2):
            whole = x.dtype.kind in "iu" and mode not in _EXACT
            kind = np.dtype(np.float64) if whole else x.dtype
            taps = axis_taps(mode, x.shape[at], out[axis], align, scales[axis], kind)
            x = _combine_bytes(xp, x, at, taps) if whole else _combine(xp, x, at, taps)
    return x


def resample_back(xp: Any, g: Any, size: Ints, mode: str, align: bool, scales: Scales) -> Any:
    """The derivative of `resample` from arrays of `size`: each value added to where its taps came from."""
    axes = len(size)
    for axis in range(axes):
        at = g.ndim - axes + axis
        if not _is_kept(mode, size[axis], g.shape[at], True):
            taps, unread = _transposed_taps(mode, size[axis], g.shape[at], align, scales[axis], g.dtype)
            g = _combine(xp, g, at, taps)
            if unread.size:
                g[(*(slice(None),) * at, xp.asarray(unread))] = 0
    return g


def _is_kept(mode: str, size: int, out: int, nearest: bool) -> bool:
    """Whether an axis that keeps its size stays as it is whatever the scale says, as in PyTorch for some modes."""
    return size == out and mode not in ("cubic", "nearest_exact") and (nearest or mode != "nearest")


def _combine(xp: Any, x: Any, at: int, taps: tuple) -> Any:
    """The sum over taps of the values at their places along an axis, times their weights."""
    result: Any = None
    for place, weight in taps:
        part = xp.take(x, xp.asarray(place), at)
        if weight is not None:
            part *= xp.asarray(weight).reshape(-1, *(1,) * (x.ndim - 1 - at))
        if result is None:
            result = part
        else:
            result += part
    return result


def _combine_bytes(xp: Any, x: Any, at: int, taps: tuple) -> Any:
    """The same for bytes, rounded after each axis, with weights in the fixed point that PyTorch uses."""
    taps = _merged(taps)
    largest = max(float(weight.max()) for _, weight in taps)
    bits = next((b for b in range(22) if int(0.5 + largest * (1 << (b + 1))) >= 1 << 15), 22)
    total = xp.full((1,) * x.ndim, 1 << (bits - 1), xp.int64)
    for place, weight in taps:
        whole = xp.asarray(np.trunc(weight * (1 << bits) + np.copysign(0.5, weight)).astype(np.int64))
        total = total + xp.take(x, xp.asarray(place), at) * whole.reshape(-1, *(1,) * (x.ndim - 1 - at))
    return xp.clip(total >> bits, 0, 255).astype(x.dtype)


def _merged(taps: tuple) -> tuple:
    """The same taps, where those that read one place (at the border) are one, and the others weigh nothing."""
    merged = [(place, weight.copy()) for place, weight in taps]
    for (before, given), (place, weight) in pairwise(merged):
        same = before == place
        weight[same] += given[same]
        given[same] = 0
    return tuple(merged)


@functools.lru_cache(512)
def axis_taps(mode: str, size: int, out: int, align: bool, scale: float | None, dtype: Any) -> tuple:
    """For an axis of `size` resized to `out`: pairs of (places, weights), one of each for every new value.

    >>> axis_taps("linear", 2, 4, False, None, np.dtype("f4"))[1]
    (array([1, 1, 1, 1]), array([0.  , 0.25, 0.75, 0.25], dtype=float32))
    """
    return _MODES[mode](size, out, align, scale, dtype)


@functools.lru_cache(512)
def _transposed_taps(mode: str, size: int, out: int, align: bool, scale: float | None, dtype: Any) -> tuple:
    """The taps with which values of the old axis collect what new ones read from them; and the places nobody read."""
    taps = axis_taps(mode, size, out, align, scale, dtype)
    read = np.concatenate([place for place, _ in taps])
    order = np.argsort(read, kind="stable")
    counts = np.bincount(read, minlength=size)
    rank = np.arange(len(read)) - np.repeat(np.cumsum(counts) - counts, counts)
    places, weights = np.zeros((counts.max(), size), int), np.zeros((counts.max(), size), dtype)
    places[rank, read[order]] = np.tile(np.arange(out), len(taps))[order]
    given = [np.ones(out, dtype) if weight is None else weight for _, weight in taps]
    weights[rank, read[order]] = np.concatenate(given)[order]
    plain = (weights == 1).all()
    return tuple((p, None if plain else w) for p, w in zip(places, weights, strict=True)), np.flatnonzero(counts == 0)


def _step(size: int, out: int, align: bool, scale: float | None, kind: Callable) -> Any:
    """The distance between new values in old places, in PyTorch's precision (`kind`)."""
    if align:
        return kind(size - 1) / kind(out - 1) if out > 1 else kind(0)
    return kind(1.0 / scale) if scale is not None and scale > 0 else kind(size) / kind(out)


def _nearest(size: int, out: int, align: bool, scale: float | None, dtype: Any, shift: float = 0.0) -> tuple:
    places = np.floor(
        (np.arange(out, dtype=np.float32) + np.float32(shift)) * _step(size, out, False, scale, np.float32)
    )
    return ((np.minimum(places.astype(int), size - 1), None),)


def _nearest_exact(size: int, out: int, align: bool, scale: float | None, dtype: Any) -> tuple:
    return _nearest(size, out, align, scale, dtype, 0.5)


def _source(size: int, out: int, align: bool, scale: float | None, dtype: Any) -> Any:
    """Where new values lie among old ones."""
    kind = dtype.type
    step, places = _step(size, out, align, scale, kind), np.arange(out).astype(dtype)
    return places * step if align else (places + kind(0.5)) * step - kind(0.5)


def _linear(size: int, out: int, align: bool, scale: float | None, dtype: Any) -> tuple:
    source = np.maximum(_source(size, out, align, scale, dtype), 0)
    low = np.minimum(source.astype(int), size - 1)
    weight = np.clip(source - low.astype(dtype), 0, 1)
    return (low, 1 - weight), (np.minimum(low + 1, size - 1), weight)


def _cubic(size: int, out: int, align: bool, scale: float | None, dtype: Any) -> tuple:
    source = _source(size, out, align, scale, dtype)
    low = np.floor(source)
    weights = cubic_weights(np, source - low)
    return tuple((np.clip(low.astype(int) + i - 1, 0, size - 1), w) for i, w in enumerate(weights))


def cubic_weights(xp: Any, t: Any, a: float = -0.75) -> list[Any]:
    """The weights of the four neighbours of a place that is `t` behind the second one (Keys, 1981)."""
    return [_far(t + 1, a), _near(t, a), _near(1 - t, a), _far(2 - t, a)]


def _near(x: Any, a: float) -> Any:
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: Any, a: float) -> Any:
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def _smooth(kernel: Callable[[Any], Any], support: float) -> Callable:
    """Taps that widen with the step when an axis shrinks, as Pillow's do, so that no old value is left out."""

    def taps(size: int, out: int, align: bool, scale: float | None, dtype: Any) -> tuple:
        step = float(_step(size, out, align, scale, dtype.type))
        wide = max(step, 1.0)
        center = step * (np.arange(out) + 0.5)
        first = np.maximum((center - support * wide + 0.5).astype(int), 0)
        last = np.minimum((center + support * wide + 0.5).astype(int), size)
        count = int((last - first).max())
        places = first + np.arange(count)[:, None]
        weights = np.where(places < last, kernel((places - center + 0.5) / wide), 0.0)
        weights /= weights.sum(0)
        return tuple((np.minimum(p, size - 1), w.astype(dtype)) for p, w in zip(places, weights, strict=True))

    return taps


def _triangle(x: Any) -> Any:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _keys(x: Any) -> Any:
    x = np.abs(x)
    return np.where(x < 1, _near(x, -0.5), np.where(x < 2, _far(x, -0.5), 0.0))


def _lanczos(x: Any) -> Any:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_MODES: dict[str, Callable] = {
    "nearest": _nearest,
    "nearest_exact": _nearest_exact,
    "linear": _linear,
    "cubic": _cubic,
    "linear_aa": _smooth(_triangle, 1.0),
    "cubic_aa": _smooth(_keys, 2.0),
    "lanczos_aa": _smooth(_lanczos, 3.0),
}
_EXACT = ("nearest", "nearest_exact")


def _native(call: Any, back: bool = False) -> Any:
    """Compiled code: the taps of all axes as tables, in which the place of what has no weight is -1."""
    from ..codegen import taps

    x, of = call.specs[0], call.attributes
    new = of["size"] if back else of["out"]
    old = x.size[x.ndim - len(new) :]
    found = []
    for axis, (size, out) in enumerate(zip(new if back else old, old if back else new, strict=True)):
        if _is_kept(of["mode"], size, out, back or len(new) == 2):
            places, weights = np.arange(size)[None], np.ones((1, size))
        else:
            which = _transposed_taps if back else axis_taps
            given: Any = which(of["mode"], size, out, of["align"], of["scales"][axis], x.dtype.np)
            given = given[0] if back else given
            places = np.stack([place for place, _ in given])
            weights = np.stack([np.ones(len(place)) if weight is None else weight for place, weight in given])
        found.append((np.where(weights == 0, -1, places) if back else places, weights))
    return taps.resample(call, found)


# --------------------------------------------------------------------------------------------- operators: interpolation
def _interpolation(name: str, mode: str) -> Callable:
    """An interpolation as a function of (input, output size, whether corners are aligned, scales)."""
    axes = int(next(c for c in name if c.isdigit()))
    # upsample_bilinear2d_aa leaves an UpsampleBilinear2DAaBackward0
    title = "".join(word.capitalize() for word in name.split("_")).replace(f"{axes}d", f"{axes}D")
    forward = opaque(
        lambda x, out, **of: ((*x.size[:2], *out), x.dtype),
        lambda g, y, _x, out, mode, align, scales: back(contiguous(g), size=_x.size[2:], mode=mode, align=align, scales=scales),
        name=name, grad_name=title + "Backward0", native=_native,
    )(resample)  # fmt: skip
    back = opaque(
        lambda g, size, **of: ((*g.size[:2], *size), g.dtype),
        lambda g, y, _g, size, mode, align, scales: forward(contiguous(g), out=_g.size[2:], mode=mode, align=align, scales=scales),
        name=name + "_backward", grad_name=title + "BackwardBackward0", native=functools.partial(_native, back=True),
    )(resample_back)  # fmt: skip

    def function(input: Tensor, output_size: Any, align_corners: bool = False, scales: Any = None) -> Tensor:
        scales = scales or (None,) * axes
        out = as_ints(output_size) if output_size is not None else _scaled(input.shape[2:], scales)
        _check_sizes(input._spec, out, axes)
        _check_dtype(input._spec.dtype, mode, axes)
        return forward(input, out=out, mode=mode, align=bool(align_corners), scales=tuple(scales))

    function.__name__ = function.__qualname__ = name
    return function


def _exact(function: Callable) -> Callable:
    """The same as a function of (input, output size, scales), for modes that know no corners."""

    def exact(input: Tensor, output_size: Any, scales: Any = None) -> Tensor:
        return function(input, output_size, False, scales)

    exact.__name__ = exact.__qualname__ = function.__name__
    return exact


def _scaled(size: Ints, scales: Scales) -> Ints:
    return tuple(math.floor(n * s) for n, s in zip(size, scales, strict=True) if s is not None)


def _check_sizes(x: Spec, out: Ints, axes: int) -> None:
    if len(out) != axes:
        raise RuntimeError(f"It is expected output_size equals to {axes}, but got size {len(out)}")
    if x.ndim != axes + 2:
        raise RuntimeError(f"It is expected input_size equals to {axes + 2}, but got size {x.ndim}")
    size = x.size[2:]
    if min(*size, *out) <= 0:
        told = [", ".join(f"{w}: {n}" for w, n in zip("DHW"[-axes:], s, strict=True)) for s in (size, out)]
        link = "and output" if axes == 1 else "output"
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({told[0]}) {link} ({told[1]})"
        )
    if x.size[1] == 0:
        raise RuntimeError(f"Non-empty {axes + 2}D data tensor expected but got a tensor with sizes {list(x.size)}")


def _check_dtype(d: dtype, mode: str, axes: int) -> None:
    if d.kind == FLOAT or d is uint8 and (mode != "linear" or axes == 2):
        return
    family = mode.removesuffix("_exact")
    kernel = f"compute_indices_weights_{family}"
    if mode.endswith("_aa"):
        kernel = "compute_index_ranges_weights"
    elif axes == 2 and family != "cubic":
        kernel = f"upsample_{'bi' * (family == 'linear')}{family}2d_channels_last"
    raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(d)}'")


upsample_nearest1d = _exact(_interpolation("upsample_nearest1d", "nearest"))
upsample_nearest2d = _exact(_interpolation("upsample_nearest2d", "nearest"))
upsample_nearest3d = _exact(_interpolation("upsample_nearest3d", "nearest"))
upsample_nearest_exact1d = _exact(_interpolation("upsample_nearest_exact1d", "nearest_exact"))
upsample_nearest_exact2d = _exact(_interpolation("upsample_nearest_exact2d", "nearest_exact"))
upsample_nearest_exact3d = _exact(_interpolation("upsample_nearest_exact3d", "nearest_exact"))
upsample_linear1d = _interpolation("upsample_linear1d", "linear")
upsample_bilinear2d = _interpolation("upsample_bilinear2d", "linear")
upsample_trilinear3d = _interpolation("upsample_trilinear3d", "linear")
upsample_bicubic2d = _interpolation("upsample_bicubic2d", "cubic")
upsample_bilinear2d_aa = _interpolation("upsample_bilinear2d_aa", "linear_aa")
upsample_bicubic2d_aa = _interpolation("upsample_bicubic2d_aa", "cubic_aa")
upsample_lanczos2d_aa = _interpolation("upsample_lanczos2d_aa", "lanczos_aa")


# --------------------------------------------------------------------------------------- operators: channels and pixels
def channels_to_pixels(xp: Any, x: Any, factor: int) -> Any:
    """(..., C * factor ** 2, H, W) as (..., C, H * factor, W * factor)."""
    *lead, channels, height, width = x.shape
    x = x.reshape(*lead, channels // factor**2, factor, factor, height, width)
    n = len(lead)
    return x.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(
        *lead, channels // factor**2, height * factor, width * factor
    )


def pixels_to_channels(xp: Any, x: Any, factor: int) -> Any:
    """(..., C, H * factor, W * factor) as (..., C * factor ** 2, H, W)."""
    *lead, channels, height, width = x.shape
    x = x.reshape(*lead, channels, height // factor, factor, width // factor, factor)
    n = len(lead)
    return x.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(
        *lead, channels * factor**2, height // factor, width // factor
    )


def deal_channels(xp: Any, x: Any, groups: int) -> Any:
    """Channels (N, groups * C, ...) with those of the groups interleaved."""
    dealt = x.reshape(len(x), groups, x.shape[1] // groups, -1) if x.size else x.reshape(x.shape)
    return dealt.swapaxes(1, 2).reshape(x.shape) if x.size else dealt


def _shuffled(x: Spec, factor: int) -> tuple:
    *lead, channels, height, width = x.size
    return (*lead, channels // factor**2, height * factor, width * factor), x.dtype


def _unshuffled(x: Spec, factor: int) -> tuple:
    *lead, channels, height, width = x.size
    return (*lead, channels * factor**2, height // factor, width // factor), x.dtype


_pixel_shuffle: Any = opaque(
    _shuffled, lambda g, y, _x, factor: _pixel_unshuffle(contiguous(g), factor=factor), name="pixel_shuffle", halves=True,
    native=compiled("moves", "shuffle_pixels"),
)(channels_to_pixels)  # fmt: skip
_pixel_unshuffle: Any = opaque(
    _unshuffled, lambda g, y, _x, factor: _pixel_shuffle(contiguous(g), factor=factor), name="pixel_unshuffle", halves=True,
    native=compiled("moves", "shuffle_pixels", back=True),
)(pixels_to_channels)  # fmt: skip
_channel_shuffle: Any = opaque(
    lambda x, groups: (x.size, x.dtype),
    lambda g, y, _x, groups: _channel_shuffle(contiguous(g), groups=_x.size[1] // groups),
    name="channel_shuffle",
    halves=True,
    native=compiled("moves", "deal_channels"),
)(deal_channels)


@public
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels made into pixels: (..., C * r ** 2, H, W) as (..., C, H * r, W * r).

    >>> pixel_shuffle(torch.arange(4).reshape(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    _check_image("pixel_shuffle", input, "upscale_factor", upscale_factor)
    channels = input.shape[-3]
    if channels % upscale_factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {upscale_factor**2}"
        )
    return _pixel_shuffle(input, factor=upscale_factor)


@public
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels made into channels: (..., C, H * r, W * r) as (..., C * r ** 2, H, W).

    >>> pixel_unshuffle(torch.arange(4).reshape(1, 2, 2), 2).flatten()
    tensor([0, 1, 2, 3])
    """
    _check_image("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    for side, dim in (("height", -2), ("width", -1)):
        if input.shape[dim] % downscale_factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {side} to be divisible by downscale_factor, but "
                f"input.size({dim})={input.shape[dim]} is not divisible by {downscale_factor}"
            )
    return _pixel_unshuffle(input, factor=downscale_factor)


def _check_image(name: str, input: Tensor, what: str, factor: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {what}, but got {factor}")


@public
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (N, C, ...) dealt out, so that those of the groups are interleaved.

    >>> channel_shuffle(torch.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups < 1:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if input.shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {input.shape[1]} channels and {groups} groups."
        )
    return _channel_shuffle(input, groups=groups)


public(channel_shuffle, "native_channel_shuffle")
