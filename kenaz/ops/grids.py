"""Sampling images at the places of a grid, and the grids of affine maps.

A place of the grid reads a few neighbours (taps) along each axis of the image: one for "nearest", two for "bilinear",
four for "bicubic". The gradient of the image goes back to the same neighbours; that of the grid is the sum of what they
hold, times how their weights change.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

from ..core.dtype import FLOAT, scalar_name
from .declare import Spec, Tensor, opaque
from .record import public
from .resampling import cubic_weights
from .windows import Ints, as_ints, pad


# -------------------------------------------------------------------------------------------------------- grid sampling
class _Grid:
    """Where an image is read for each place of a grid: along each axis taps of (index, weight, derivative of weight).

    The image has a border of zeros where `padding` is "zeros", at which everything outside is read.
    """

    def __init__(self, xp: Any, grid: Any, size: Ints, mode: str, padding: str, align: bool):
        self.xp, self.size = xp, size
        self.border = int(padding == "zeros")
        self.padded = tuple(n + 2 * self.border for n in size)
        coordinates = xp.where(xp.isnan(grid), -1, grid).reshape(-1, len(size)).T
        self.taps = [self._axis(coordinates[len(size) - 1 - i], n, mode, padding, align) for i, n in enumerate(size)]

    def _axis(self, at: Any, size: int, mode: str, padding: str, align: bool) -> list[tuple[Any, Any, Any]]:
        xp = self.xp
        slope = (size - 1) / 2 if align else size / 2
        at = (at + 1) * slope if align else ((at + 1) * size - 1) / 2
        at = xp.clip(at, -1e6 - size, 1e6 + size)  # far outside is outside; as an integer it would overflow
        if mode != "bicubic":
            at, inner = self._folded(at, size, padding, align)
            slope = slope * inner
        if mode == "nearest":
            return [(self._index(xp.round(at), size), xp.ones_like(at), xp.zeros_like(at))]
        low = xp.floor(at)
        t = at - low
        if mode == "bilinear":
            return [(self._index(low, size), 1 - t, -slope + 0 * t), (self._index(low + 1, size), t, slope + 0 * t)]
        places = (self._folded(low + i, size, padding, align)[0] for i in (-1, 0, 1, 2))
        return [
            (self._index(place, size), weight, slope * derivative)
            for place, weight, derivative in zip(places, cubic_weights(xp, t), _cubic_slopes(t), strict=True)
        ]

    def _folded(self, at: Any, size: int, padding: str, align: bool) -> tuple[Any, Any]:
        """Places brought inside the image as the padding mode says, and the derivative of that."""
        xp = self.xp
        if padding == "zeros":
            return at, 1
        slope: Any = 1
        if padding == "reflection":
            low, span = (0, size - 1) if align else (-0.5, size)
            if span == 0:
                return xp.zeros_like(at), xp.zeros_like(at)
            slope = xp.where(at < low, -1, 1)
            distance = xp.abs(at - low)
            flips, rest = xp.floor(distance / span), xp.fmod(distance, span)
            odd = flips % 2 == 1
            at, slope = xp.where(odd, span - rest, rest) + low, slope * xp.where(odd, -1, 1)
        return xp.clip(at, 0, size - 1), slope * ((at > 0) & (at < size - 1))

    def _index(self, at: Any, size: int) -> Any:
        return self.xp.clip(at.astype(int) + self.border, 0, size - 1 + 2 * self.border)

    def points(self) -> Any:
        """Every combination of one tap for each axis: (index into the flattened plane, taps)."""
        for taps in product(*self.taps):
            index: Any = 0
            for n, (place, _, _) in zip(self.padded, taps, strict=True):
                index = index * n + place
            yield index, taps

    def planes(self, x: Any) -> Any:
        """An image's channels, flat, with the border."""
        around = (self.border,) * len(self.size)
        return pad(self.xp, x, around, around).reshape(len(x), -1)


def _cubic_slopes(t: Any, a: float = -0.75) -> list[Any]:
    def near(x: Any) -> Any:
        return (3 * (a + 2) * x - 2 * (a + 3)) * x

    def far(x: Any) -> Any:
        return (3 * a * x - 10 * a) * x + 8 * a

    return [far(t + 1), near(t), -near(1 - t), -far(2 - t)]


def sample(xp: Any, x: Any, grid: Any, mode: str, padding: str, align: bool) -> Any:
    """The values of images (N, C, *size) at the places of grids (N, *out, axes)."""
    result = xp.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    for image, places, into in zip(x, grid, result, strict=True):
        at = _Grid(xp, places, x.shape[2:], mode, padding, align)
        planes, total = at.planes(image), into.reshape(len(image), -1)
        for index, taps in at.points():
            total += xp.take(planes, index, 1) * math.prod(weight for _, weight, _ in taps)
    return result


def sample_back(xp: Any, g: Any, grid: Any, size: Ints, mode: str, padding: str, align: bool) -> Any:
    """The derivative of `sample` with respect to the images, which are of `size`."""
    result = xp.empty((*g.shape[:2], *size), g.dtype)
    for gradient, places, into in zip(g, grid, result, strict=True):
        at = _Grid(xp, places, size, mode, padding, align)
        channels, plane = len(gradient), math.prod(at.padded)
        flat = xp.zeros(channels * plane, g.dtype)
        for index, taps in at.points():
            part = gradient.reshape(channels, -1) * math.prod(weight for _, weight, _ in taps)
            xp.add.at(flat, (index + xp.arange(channels)[:, None] * plane).reshape(-1), part.reshape(-1))
        inner = (slice(at.border, -at.border or None),) * len(size)
        into[...] = flat.reshape(channels, *at.padded)[(slice(None), *inner)]
    return result


def sample_back_grid(xp: Any, g: Any, x: Any, grid: Any, mode: str, padding: str, align: bool) -> Any:
    """The derivative of `sample` with respect to the grids."""
    result, axes = xp.zeros(grid.shape, grid.dtype), grid.shape[-1]
    for gradient, image, places, into in zip(g, x, grid, result, strict=True):
        at = _Grid(xp, places, x.shape[2:], mode, padding, align)
        planes, total = at.planes(image), into.reshape(-1, axes)
        for index, taps in at.points():
            value = (gradient.reshape(len(image), -1) * xp.take(planes, index, 1)).sum(0)
            for axis in range(axes):
                factors = (tap[2] if axis == i else tap[1] for i, tap in enumerate(taps))
                total[:, axes - 1 - axis] += value * math.prod(factors)
    return result


def base_grid(xp: Any, size: Ints, align: bool, dtype: Any) -> Any:
    """The places of an image's elements, from -1 to 1, as rows (x, y, [z,] 1)."""
    axes = []
    for n in size:
        line = xp.linspace(-1, 1, n, dtype=dtype) if n > 1 else xp.zeros(n, dtype)
        axes.append(line if align else line * dtype.type(n - 1) / dtype.type(n))
    grids = xp.meshgrid(*axes, indexing="ij")
    return xp.stack([*reversed(grids), xp.ones(size, dtype)], -1).reshape(-1, len(size) + 1)


def affine_places(xp: Any, theta: Any, size: Ints, align: bool) -> Any:
    """The places that the affine maps theta (N, axes, axes + 1) give for the elements of images of `size`."""
    places = base_grid(xp, size, align, theta.dtype) @ theta.transpose(0, 2, 1)
    return places.reshape(len(theta), *size, len(size))


def affine_places_back(xp: Any, g: Any, align: bool) -> Any:
    """The derivative of `affine_places`."""
    size = g.shape[1:-1]
    return (base_grid(xp, size, align, g.dtype).T @ g.reshape(len(g), -1, len(size))).transpose(0, 2, 1)


# ----------------------------------------------------------------------------------------------------- operators: grids
def _sample_rule(x: Spec, grid: Spec, **of: Any) -> tuple:
    return (*x.size[:2], *grid.size[1:-1]), x.dtype


_sample = {
    axes: opaque(
        _sample_rule,
        (
            lambda g, y, x, grid, **of: _sample_back(g, grid, size=x.shape[2:], **of),
            lambda g, y, x, grid, **of: _sample_back_grid(g, x, grid, **of),
        ),
        name=f"grid_sampler_{axes}d",
        grad_name=f"GridSampler{axes}DBackward0",
    )(sample)
    for axes in (2, 3)
}
# linear in the image, whose gradient can be differentiated again; PyTorch differentiates the grid's no further either
_sample_back: Any = opaque(
    lambda g, grid, size, **of: ((*g.size[:2], *size), g.dtype),
    lambda g, y, _g, grid, size, **of: (_sample[len(size)](g, grid, **of), None),
    name="grid_sampler_backward_input",
)(sample_back)
_sample_back_grid: Any = opaque(lambda g, x, grid, **of: (grid.size, grid.dtype), name="grid_sampler_backward_grid")(
    sample_back_grid
)

_affine_grid: Any = opaque(
    lambda theta, size, align: ((theta.size[0], *size, len(size)), theta.dtype),
    lambda g, y, _theta, size, align: _affine_grid_back(g, align=align),
    name="affine_grid_generator",
)(affine_places)
_affine_grid_back: Any = opaque(
    lambda g, align: ((g.size[0], g.size[-1], g.size[-1] + 1), g.dtype),
    lambda g, y, _g, align: _affine_grid(g, size=_g.size[1:-1], align=align),
    name="affine_grid_generator_backward",
)(affine_places_back)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Tensor:
    """The values of images (N, C, H, W) at the places (x, y) of grids (N, h, w, 2), where -1 and 1 are the borders.

    >>> grid_sample(torch.tensor([[[[1.0, 3.0]]]]), torch.zeros(1, 1, 1, 2))
    tensor([[[[2.]]]])
    """
    x, places = input._spec, grid._spec
    _check_grid(x, places, mode)
    return _sample[x.ndim - 2](input, grid, mode=mode, padding=padding_mode, align=bool(align_corners))


def _check_grid(x: Spec, grid: Spec, mode: str) -> None:
    at, sizes = "grid_sampler():", f"input with sizes {list(x.size)} and grid with sizes {list(grid.size)}"
    if x.size[:1] != grid.size[:1]:
        raise RuntimeError(f"{at} expected grid and input to have same batch size, but got {sizes}")
    if grid.size[-1] != x.ndim - 2:
        raise RuntimeError(
            f"{at} expected grid to have size {x.ndim - 2} in last dimension, but got grid with sizes {list(grid.size)}"
        )
    for axis in range(2, x.ndim):
        if x.size[axis] == 0:
            raise RuntimeError(
                f"{at} expected input to have non-empty spatial dimensions, but input has sizes {list(x.size)} with "
                f"dimension {axis} being empty"
            )
    if x.ndim not in (4, 5) or x.ndim != grid.ndim:
        wanted = "4D" if x.ndim == 4 or grid.ndim == 4 and x.ndim != 5 else "5D" if x.ndim == 5 else "4D or 5D"
        raise RuntimeError(f"{at} expected {wanted} input and grid with same number of dimensions, but got {sizes}")
    if x.ndim == 5 and mode == "bicubic":
        raise RuntimeError(f"{at} bicubic interpolation only supports 4D input")
    if x.dtype is not grid.dtype:
        raise RuntimeError(f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(grid.dtype)}")
    if x.dtype.kind != FLOAT:
        kernel = "grid_sampler_2d_cpu_kernel_impl" if x.ndim == 4 else "grid_sampler3d_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(x.dtype)}'")


@public
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sample` with numbers for the modes."""
    mode, padding = (
        ("bilinear", "nearest", "bicubic")[interpolation_mode],
        ("zeros", "border", "reflection")[padding_mode],
    )
    return grid_sample(input, grid, mode, padding, align_corners)


public(grid_sampler, "grid_sampler_2d")
public(grid_sampler, "grid_sampler_3d")


def affine_grid(theta: Tensor, size: Any, align_corners: bool = False) -> Tensor:
    """The places that `grid_sample` must read for affine maps theta (N, 2, 3) and results of `size` (N, C, H, W).

    >>> affine_grid(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    return _affine_grid(theta, size=as_ints(size)[2:], align=bool(align_corners))


public(affine_grid, "affine_grid_generator")
