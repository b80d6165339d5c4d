"""Regions of feature maps as pictures of a fixed size: by interpolation (`roi_align`) or by maxima (`roi_pool`).

Position-sensitive ones (`ps_`) read other channels in each bin.
"""

import math
from collections.abc import Sequence
from typing import Any

from ... import _api as torch
from ... import nn

Tensor = torch.Tensor


def with_batch_index(boxes: Sequence[Tensor]) -> Tensor:
    """Boxes [L, 4] of each image as rows (number of the image, x1, y1, x2, y2)."""
    numbers = [torch.full_like(b[:, :1], i) for i, b in enumerate(boxes)]
    return torch.cat([torch.cat(numbers), torch.cat(list(boxes))], dim=1)


def as_rois(boxes: Any) -> Tensor:
    """[K, 5], of that or of a list with the boxes of each image."""
    if isinstance(boxes, list | tuple):
        for rows in boxes:
            torch._assert(
                rows.size(1) == 4, "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
            )
        return with_batch_index(boxes)
    if not isinstance(boxes, Tensor):
        torch._assert(False, "boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]]")
    torch._assert(boxes.size(1) == 5, "The boxes tensor shape is not correct as Tensor[K, 5]")
    return boxes


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def axis_weights(start: Tensor, step: Tensor, bins: int, samples: Tensor, most: int, length: int) -> Tensor:
    """[K, bins, length]: how much each row (or column) of the map counts in each bin.

    Bin b of a region averages `samples` points from `start + b * step` on; a point between two rows takes of both, and
    one that lies more than a pixel outside counts as zero. As interpolation is a product of rows by columns, two such
    matrices are all of it.
    """
    count = samples.view(-1, 1, 1)
    inside = torch.arange(most, device=start.device).view(1, 1, -1)
    bin_index = torch.arange(bins, device=start.device, dtype=start.dtype).view(1, -1, 1)
    at = start.view(-1, 1, 1) + step.view(-1, 1, 1) * (bin_index + (inside + 0.5).to(start.dtype) / count)
    counts = ((at >= -1.0) & (at <= length) & (inside < count)).to(start.dtype) / count
    at = at.clamp(0, length - 1)
    rows = torch.arange(length, device=start.device, dtype=start.dtype)
    near = (1 - (at.unsqueeze(-1) - rows).abs()).clamp(min=0)
    return (near * counts.unsqueeze(-1)).sum(2)


def roi_align(
    input: Tensor,
    boxes: Any,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Regions of maps [N, C, H, W] resampled to `output_size`: [K, C, height, width] ("Mask R-CNN", 2017).

    `boxes` is [K, 5] with the image's number first, or a list of [L, 4]. Each value is the mean of `sampling_ratio`
    points in both directions, or, where that is not positive, of about one point a pixel. `aligned` counts from the
    middle of pixels.

    >>> roi_align(torch.arange(16.).view(1, 1, 4, 4), [torch.tensor([[0., 0, 3, 3]])], 1, sampling_ratio=2)
    tensor([[[[7.5000]]]])
    """
    rois = as_rois(boxes)
    height, width = pair(output_size)
    if len(rois) == 0:
        return input.new_zeros((0, input.shape[1], height, width)) + 0 * input.sum()
    rows, columns = region_weights(input, rois, (height, width), spatial_scale, sampling_ratio, aligned)
    return rows.unsqueeze(1) @ image_of(input, rois) @ columns.transpose(1, 2).unsqueeze(1)


def image_of(input: Tensor, rois: Tensor) -> Tensor:
    """The maps that each region is on, [K, C, H, W]."""
    return input[rois[:, 0].to(torch.int64)]


def region_weights(
    input: Tensor, rois: Tensor, bins: tuple[int, int], scale: float, sampling_ratio: int, aligned: bool
) -> tuple[Tensor, Tensor]:
    """How much rows and columns count: [K, height, H] and [K, width, W]."""
    corners = rois[:, 1:] * scale - (0.5 if aligned else 0.0)
    size = corners[:, 2:] - corners[:, :2]
    if not aligned:
        size = size.clamp(min=1.0)
    weights = []
    for axis, count in ((1, bins[0]), (0, bins[1])):
        step = size[:, axis] / count
        samples = torch.full_like(step, sampling_ratio) if sampling_ratio > 0 else step.detach().ceil()
        most = int(samples.max().item())
        # a region without area has no points, and no mean
        samples = samples.clamp(min=1) if sampling_ratio <= 0 else samples
        weights.append(
            axis_weights(corners[:, axis], step, count, samples, max(most, 1), input.shape[-2 if axis else -1])
        )
    return weights[0].to(input.dtype), weights[1].to(input.dtype)


def channels_of_bins(input: Tensor, height: int, width: int) -> int:
    """The number of channels of the result where each bin has channels of its own."""
    if input.shape[1] % (height * width):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")
    return input.shape[1] // (height * width)


def ps_roi_align(
    input: Tensor,
    boxes: Any,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """`roi_align` where each bin reads channels of its own: [K, C / (height * width), height, width].

    From "Light-head R-CNN" (2017).

    >>> ps_roi_align(torch.arange(4.).view(1, 4, 1, 1).expand(1, 4, 5, 5), [torch.tensor([[1., 1, 3, 3]])], 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    rois = as_rois(boxes)
    height, width = pair(output_size)
    channels = channels_of_bins(input, height, width)
    if len(rois) == 0:
        return input.new_zeros((0, channels, height, width)) + 0 * input.sum()
    rows, columns = region_weights(input, rois, (height, width), spatial_scale, sampling_ratio, aligned=True)
    maps = image_of(input, rois).view(len(rois), channels, height, width, *input.shape[2:])
    return (rows[:, None, :, None, None] @ maps @ columns[:, None, None, :, :, None]).flatten(4).squeeze(-1)


def ps_roi_pool(input: Tensor, boxes: Any, output_size: int | Sequence[int], spatial_scale: float = 1.0) -> Tensor:
    """Means of the bins of regions, each bin of channels of its own: [K, C / (height * width), height, width].

    From "R-FCN" (2016). As in torchvision, the last row and column of a map do not count.

    >>> ps_roi_pool(torch.arange(4.).view(1, 4, 1, 1).expand(1, 4, 5, 5), [torch.tensor([[1., 1, 3, 3]])], 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    rois = as_rois(boxes)
    height, width = pair(output_size)
    channels = channels_of_bins(input, height, width)
    if len(rois) == 0:
        return input.new_zeros((0, channels, height, width)) + 0 * input.sum()
    maps = image_of(input, rois).view(len(rois), channels, height, width, *input.shape[2:])
    regions = []
    for features, row in zip(maps, rois.detach().tolist()):
        x1, y1, x2, y2 = (rounded(v * spatial_scale) for v in row[1:])
        rows = bin_edges(y1, max(y2 - y1, 1), height, input.shape[2] - 1)
        columns = bin_edges(x1, max(x2 - x1, 1), width, input.shape[3] - 1)
        bins = [
            mean_of(features[:, i, j, top:bottom, left:right])
            for i, (top, bottom) in enumerate(rows)
            for j, (left, right) in enumerate(columns)
        ]
        regions.append(torch.stack(bins, 1).view(channels, height, width))
    return torch.stack(regions)


def mean_of(window: Tensor) -> Tensor:
    """[C] of [C, h, w]; zero where there is nothing."""
    return window.mean((1, 2)) if window.shape[1] and window.shape[2] else window.sum((1, 2))


def rounded(v: float) -> int:
    """Halves go away from zero, as C's round has it."""
    return math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1)


def bin_edges(start: int, length: int, bins: int, limit: int) -> list[tuple[int, int]]:
    """The pixels [from, to) of each bin of a region, cut to the map; neighbours may share one."""
    step = length / bins
    edges = [(math.floor(b * step) + start, math.ceil((b + 1) * step) + start) for b in range(bins)]
    return [(min(max(low, 0), limit), min(max(high, 0), limit)) for low, high in edges]


def roi_pool(input: Tensor, boxes: Any, output_size: int | Sequence[int], spatial_scale: float = 1.0) -> Tensor:
    """Regions of maps [N, C, H, W] in `output_size` bins, of each the largest value: [K, C, height, width].

    `boxes` is [K, 5] with the image's number first, or a list of [L, 4]. From "Fast R-CNN" (2015).

    >>> roi_pool(torch.arange(16.).view(1, 1, 4, 4), [torch.tensor([[0., 0, 3, 3]])], 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    rois = as_rois(boxes)
    height, width = pair(output_size)
    if len(rois) == 0:
        return input.new_zeros((0, input.shape[1], height, width)) + 0 * input.sum()
    zero = input.new_zeros(input.shape[1])
    regions = []
    for row in rois.detach().tolist():
        features = input[int(row[0])]
        x1, y1, x2, y2 = (rounded(v * spatial_scale) for v in row[1:])
        rows = bin_edges(y1, max(y2 - y1 + 1, 1), height, features.shape[1])
        columns = bin_edges(x1, max(x2 - x1 + 1, 1), width, features.shape[2])
        values = [
            features[:, top:bottom, left:right].amax((1, 2)) if bottom > top and right > left else zero
            for top, bottom in rows
            for left, right in columns
        ]
        regions.append(torch.stack(values, 1).view(-1, height, width))
    return torch.stack(regions)


class RoIAlign(nn.Module):
    """`roi_align` as a layer."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned})"
        )


class RoIPool(nn.Module):
    """`roi_pool` as a layer."""

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"


class PSRoIAlign(nn.Module):
    """`ps_roi_align` as a layer."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio})"
        )


class PSRoIPool(RoIPool):
    """`ps_roi_pool` as a layer."""

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` over a pyramid of feature maps: a large box is taken from a coarse one."""

    def __init__(
        self,
        featmap_names: list[str],
        output_size: Any,
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = featmap_names
        self.output_size = pair(output_size)
        self.sampling_ratio = sampling_ratio
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level
        self.scales: list[float] | None = None

    def levels(self, boxes: Tensor, scales: list[float]) -> Tensor:
        """The number of the map for each box: a box of the canonical scale is on the canonical level."""
        lowest, highest = (-math.log2(scale) for scale in (scales[0], scales[-1]))
        side = torch.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        level = torch.floor(self.canonical_level + torch.log2(side / self.canonical_scale) + 1e-6)
        return (level.clamp(min=lowest, max=highest).to(torch.int64) - int(lowest)).to(torch.int64)

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        maps = [features for name, features in x.items() if name in self.featmap_names]
        tallest, widest = (max(shape[i] for shape in image_shapes) for i in (0, 1))
        scales = [2.0 ** round(math.log2(m.shape[-2] / tallest)) for m in maps]
        self.scales = scales
        rois = with_batch_index(boxes)
        options = (self.output_size, self.sampling_ratio)
        if len(maps) == 1:
            return roi_align(maps[0], rois, options[0], scales[0], options[1])
        level = self.levels(torch.cat(boxes), scales)
        result = maps[0].new_zeros((len(rois), maps[0].shape[1], *self.output_size))
        for i, (features, scale) in enumerate(zip(maps, scales)):
            chosen = torch.where(level == i)[0]
            if len(chosen):
                result = result.index_put((chosen,), roi_align(features, rois[chosen], options[0], scale, options[1]))
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, "
            f"output_size={self.output_size}, sampling_ratio={self.sampling_ratio})"
        )
