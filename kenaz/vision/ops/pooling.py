"""Regions of feature maps as pictures of a fixed size: by interpolation (`roi_align`) or by maxima (`roi_pool`)."""

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
    offset = 0.5 if aligned else 0.0
    corners = rois[:, 1:] * spatial_scale - offset
    size = corners[:, 2:] - corners[:, :2]
    if not aligned:
        size = size.clamp(min=1.0)
    weights = []
    for axis, bins in ((1, height), (0, width)):
        step = size[:, axis] / bins
        samples = torch.full_like(step, sampling_ratio) if sampling_ratio > 0 else step.detach().ceil()
        most = int(samples.max().item()) if len(rois) else 0
        # a region without area has no points, and no mean
        samples = samples.clamp(min=1) if sampling_ratio <= 0 else samples
        weights.append(
            axis_weights(corners[:, axis], step, bins, samples, max(most, 1), input.shape[-2 if axis else -1])
        )
    rows, columns = (w.to(input.dtype) for w in weights)
    if len(rois) == 0:
        return input.new_zeros((0, input.shape[1], height, width)) + 0 * input.sum()
    maps = input[rois[:, 0].to(torch.int64)]
    return rows.unsqueeze(1) @ maps @ columns.transpose(1, 2).unsqueeze(1)


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
        # halves go away from zero, as C's round has it
        x1, y1, x2, y2 = (math.floor(abs(v * spatial_scale) + 0.5) * (1 if v >= 0 else -1) for v in row[1:])
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
