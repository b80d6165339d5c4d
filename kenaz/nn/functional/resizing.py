"""Changing the spatial size of images and volumes: padding, interpolation, sampling on a grid, blocks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ... import _api as torch
from ..._api import Tensor
from ...ops import grids, pooling, resampling

# operators that need nothing around them
pixel_shuffle = resampling.pixel_shuffle
pixel_unshuffle = resampling.pixel_unshuffle
channel_shuffle = native_channel_shuffle = resampling.channel_shuffle
unfold = pooling.unfold
fold = pooling.fold


# ------------------------------------------------------------------------------------------------------------- padding
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` with its last dimensions enlarged; `pad` is (left, right) of the last one, then of the one before it.

    Negative numbers crop. `mode` is constant, reflect, replicate or circular.

    >>> pad(torch.tensor([[1.0, 2.0]]), (1, 2))
    tensor([[0., 1., 2., 0., 0.]])
    >>> pad(torch.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.dim():
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return torch.constant_pad_nd(input, tuple(pad), 0.0 if value is None else value)
    source = _SOURCES.get(mode)
    if source is None:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    dims = len(pad) // 2
    if not (1 <= dims <= 3 and dims < input.dim() <= dims + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.dim()}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _CHECKS[mode](input, pad, dims)
    for axis in range(dims):
        before, after, dim = pad[2 * axis], pad[2 * axis + 1], input.dim() - 1 - axis
        if mode == "circular" and min(before, after) < 0:  # what is cropped is not part of the circle
            input = input.narrow(dim, max(-before, 0), input.size(dim) + min(before, 0) + min(after, 0))
            before, after = max(before, 0), max(after, 0)
        if before or after:
            input = _pad_axis(input, dim, before, after, source)
    return input


def _pad_axis(input: Tensor, dim: int, before: int, after: int, source: Any) -> Tensor:
    """`input` enlarged along `dim`, with values taken from where `source` says."""
    size = input.size(dim)
    index = [source(place, size) for place in range(-before, size + after)]
    return input.index_select(dim, torch.tensor(index, dtype=torch.int64, device=input.device))


def _reflected(place: int, size: int) -> int:
    if place < 0:
        return -place
    return place if place < size else 2 * (size - 1) - place


_SOURCES = {
    "reflect": _reflected,
    "replicate": lambda place, size: min(max(place, 0), size - 1),
    "circular": lambda place, size: place % size,
}


def _check_not_empty(input: Tensor, dims: int) -> None:
    if 0 in input.shape[-dims - 1 :]:
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )


def _check_output(input: Tensor, pad: Sequence[int], dims: int) -> None:
    size = list(input.shape)
    for axis in range(dims):
        size[-1 - axis] += pad[2 * axis] + pad[2 * axis + 1]
    for length in size:
        if length < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {length}: {size}")


def _check_reflection(input: Tensor, pad: Sequence[int], dims: int) -> None:
    _check_not_empty(input, dims)
    for axis in range(dims):
        before, after, dim = pad[2 * axis], pad[2 * axis + 1], input.dim() - 1 - axis
        if before >= input.size(dim) or after >= input.size(dim):
            raise RuntimeError(
                f"Argument #{4 + 2 * axis}: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({before}, {after}) at dimension {dim} of input {list(input.shape)}"
            )
    _check_output(input, pad, dims)


def _check_replication(input: Tensor, pad: Sequence[int], dims: int) -> None:
    _check_not_empty(input, dims)
    _check_output(input, pad, dims)


def _check_circle(input: Tensor, pad: Sequence[int], dims: int) -> None:
    for axis in range(dims):
        before, after, size = pad[2 * axis], pad[2 * axis + 1], input.size(-1 - axis)
        if before > size or after > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if before + after + size < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")


_CHECKS = {"reflect": _check_reflection, "replicate": _check_replication, "circular": _check_circle}

# -------------------------------------------------------------------------------------------------------- interpolation
_NEEDED = {"linear": 3, "bilinear": 4, "trilinear": 5}
_ALIGNABLE = (*_NEEDED, "bicubic")
_SMOOTHING = ("bilinear", "bicubic", "lanczos")


def _without_corners(function: Callable) -> Callable:
    return lambda input, size, align, scales: function(input, size, scales)


def _without_scales(function: Callable) -> Callable:
    return lambda input, size, align, scales: function(input, size)


# (mode, dimensions of the input, whether it is smoothed): function of (input, output size, align_corners, scales)
_RESIZE: dict[tuple[str, int, bool], Callable[..., Tensor]] = {
    ("nearest", 3, False): _without_corners(resampling.upsample_nearest1d),
    ("nearest", 4, False): _without_corners(resampling.upsample_nearest2d),
    ("nearest", 5, False): _without_corners(resampling.upsample_nearest3d),
    ("nearest-exact", 3, False): _without_corners(resampling.upsample_nearest_exact1d),
    ("nearest-exact", 4, False): _without_corners(resampling.upsample_nearest_exact2d),
    ("nearest-exact", 5, False): _without_corners(resampling.upsample_nearest_exact3d),
    ("area", 3, False): _without_scales(pooling.adaptive_avg_pool1d),
    ("area", 4, False): _without_scales(pooling.adaptive_avg_pool2d),
    ("area", 5, False): _without_scales(pooling.adaptive_avg_pool3d),
    ("linear", 3, False): resampling.upsample_linear1d,
    ("bilinear", 4, False): resampling.upsample_bilinear2d,
    ("trilinear", 5, False): resampling.upsample_trilinear3d,
    ("bicubic", 4, False): resampling.upsample_bicubic2d,
    ("bilinear", 4, True): resampling.upsample_bilinear2d_aa,
    ("bicubic", 4, True): resampling.upsample_bicubic2d_aa,
    ("lanczos", 4, True): resampling.upsample_lanczos2d_aa,
}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """`input` (N, C, ...) with its spatial dimensions resized to `size` or by `scale_factor`.

    `mode` is nearest, nearest-exact, linear (3-D input), bilinear, bicubic, lanczos (4-D), trilinear (5-D) or area.

    >>> interpolate(torch.tensor([[[0.0, 2.0]]]), scale_factor=2, mode="linear")
    tensor([[[0.0000, 0.5000, 1.5000, 2.0000]]])
    """
    if mode not in _ALIGNABLE and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    output_size, scales = _resize_arguments(input, size, scale_factor, recompute_scale_factor)
    ndim = input.dim()
    if antialias and not (mode in _SMOOTHING and ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    resize = _RESIZE.get((mode, ndim, antialias))
    if resize is not None:
        return resize(input, output_size, bool(align_corners), scales)
    if mode in _NEEDED and ndim in (3, 4, 5):
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {_NEEDED[mode]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _per_dimension(value: Any, sizes: list[int], whose: str, what: str, of: str, letter: str) -> list[Any]:
    spatial = len(sizes)
    if not isinstance(value, (list, tuple)):
        return [value] * spatial
    if len(value) != spatial:
        raise ValueError(
            f"Input and {whose} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {sizes} and {what} {of} {value}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            f"{what} in ({letter}1, {letter}2, ...,{letter}K) format."
        )
    return list(value)


def _resize_arguments(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float | None]]:
    """The output's spatial sizes, and the scales to compute source positions with (None: input over output size)."""
    sizes = list(input.shape[2:])
    spatial = len(sizes)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        sizes_out = _per_dimension(size, sizes, "output", "output size", "of", "o")
        if isinstance(size, (list, tuple)) and not all(_is_integer(length) for length in size):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
                f"with types {[type(length) for length in size]}"
            )
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes_out, [None] * spatial
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = _per_dimension(scale_factor, sizes, "scale_factor", "scale_factor", "of shape", "s")
    sizes_out = [math.floor(float(length) * factor) for length, factor in zip(sizes, factors)]
    return sizes_out, [None] * spatial if recompute else [float(factor) for factor in factors]


def _is_integer(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not (value.is_floating_point() or value.is_complex() or value.dtype is torch.bool)
    return isinstance(value, int) or hasattr(value, "__index__")


def _deprecated(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its old name."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode nearest, under its old name."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode bilinear and aligned corners, under its old name."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# --------------------------------------------------------------------------------------------------------------- grids
GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}


def _aligned(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            stacklevel=3,
        )
    return bool(align_corners)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of `input` (N, C, H, W) at the places of `grid` (N, h, w, 2), whose x and y run from -1 to 1.

    >>> grid_sample(torch.tensor([[[[1.0, 3.0]]]]), torch.zeros(1, 1, 1, 2), align_corners=True)
    tensor([[[[2.]]]])
    """
    if mode not in GRID_SAMPLE_INTERPOLATION_MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in GRID_SAMPLE_PADDING_MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    aligned = _aligned(align_corners)
    return grids.grid_sample(input, grid, mode, padding_mode, aligned)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The places `grid_sample` must read for the affine maps `theta` (N, 2, 3) and an output of `size` (N, C, H, W).

    >>> affine_grid(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    aligned = _aligned(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    spatial = len(size) - 2
    if theta.dim() != 3 or theta.size(-2) != spatial or theta.size(-1) != spatial + 1:
        raise ValueError(
            f"Expected a batch of {spatial}D affine matrices of shape Nx{spatial}x{spatial + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if aligned and min(size[-spatial:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This "
            "is not an intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return grids.affine_grid(theta, size, aligned)
