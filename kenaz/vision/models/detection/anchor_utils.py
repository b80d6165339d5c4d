"""Boxes that a detector begins with, at every place of its maps: by size in pixels, or by share of the image."""

import math
from typing import Any

from .... import _api as torch
from .... import nn
from .image_list import ImageList

Tensor = torch.Tensor


def grid(height: int, width: int, device: Any, dtype: Any) -> tuple[Tensor, Tensor]:
    """The columns and the rows of all places of a map, row by row."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=dtype),
        torch.arange(width, device=device, dtype=dtype),
        indexing="ij",
    )
    return x.reshape(-1), y.reshape(-1)


class AnchorGenerator(nn.Module):
    """Boxes of given sizes (the roots of their areas) and ratios of height to width; a tuple of each for every map.

    >>> generator = AnchorGenerator(((4,),), ((1.0,),))
    >>> generator(ImageList(torch.zeros(1, 3, 8, 8), [(8, 8)]), [torch.zeros(1, 1, 1, 2)])
    [tensor([[-2., -2.,  2.,  2.],
            [ 2., -2.,  6.,  2.]])]
    """

    def __init__(
        self,
        sizes: tuple[Any, ...] = ((128, 256, 512),),
        aspect_ratios: tuple[Any, ...] = ((0.5, 1.0, 2.0),),
    ) -> None:
        super().__init__()
        if not isinstance(sizes[0], list | tuple):
            sizes = tuple((size,) for size in sizes)
        if not isinstance(aspect_ratios[0], list | tuple):
            aspect_ratios = (aspect_ratios,) * len(sizes)
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.cell_anchors = [self.generate_anchors(*of_map) for of_map in zip(sizes, aspect_ratios)]

    def generate_anchors(
        self, scales: Any, aspect_ratios: Any, dtype: torch.dtype = torch.float32, device: Any = None
    ) -> Tensor:
        """The boxes of one place, around (0, 0)."""
        sizes = torch.as_tensor(scales, dtype=dtype, device=device)
        heights = torch.sqrt(torch.as_tensor(aspect_ratios, dtype=dtype, device=device))
        half = torch.stack([(r[:, None] * sizes[None, :]).view(-1) for r in (1 / heights, heights)], 1)
        return (torch.cat([-half, half], 1) / 2).round()

    def num_anchors_per_location(self) -> list[int]:
        return [len(sizes) * len(ratios) for sizes, ratios in zip(self.sizes, self.aspect_ratios)]

    def grid_anchors(self, grid_sizes: list[Any], strides: list[tuple[int, int]]) -> list[Tensor]:
        """The boxes of all places of each map."""
        torch._assert(
            len(grid_sizes) == len(strides) == len(self.cell_anchors),
            "Anchors should be Tuple[Tuple[int]] because each feature map could potentially have different sizes and "
            "aspect ratios. There needs to be a match between the number of feature maps passed and the number of "
            "sizes / aspect ratios specified.",
        )
        anchors = []
        for size, (down, right), cell in zip(grid_sizes, strides, self.cell_anchors):
            x, y = grid(size[0], size[1], cell.device, torch.int32)
            shift = torch.stack((x * right, y * down) * 2, dim=1)
            anchors.append((shift.view(-1, 1, 4) + cell.view(1, -1, 4)).reshape(-1, 4))
        return anchors

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """The boxes [M, 4] of each image: the maps' one after the other."""
        height, width = image_list.tensors.shape[-2:]
        first = feature_maps[0]
        self.cell_anchors = [cell.to(dtype=first.dtype, device=first.device) for cell in self.cell_anchors]
        sizes = [m.shape[-2:] for m in feature_maps]
        anchors = torch.cat(self.grid_anchors(sizes, [(height // h, width // w) for h, w in sizes]))
        return [anchors for _ in image_list.image_sizes]


class DefaultBoxGenerator(nn.Module):
    """SSD's boxes: for each map a scale (a share of the image), the one between it and the next, and ratios.

    >>> DefaultBoxGenerator([[2], [2, 3]], 0.2, 0.8).num_anchors_per_location()
    [4, 6]
    """

    def __init__(
        self,
        aspect_ratios: list[list[int]],
        min_ratio: float = 0.15,
        max_ratio: float = 0.9,
        scales: list[float] | None = None,
        steps: list[int] | None = None,
        clip: bool = True,
    ) -> None:
        super().__init__()
        if steps is not None and len(aspect_ratios) != len(steps):
            raise ValueError("aspect_ratios and steps should have the same length")
        self.aspect_ratios = aspect_ratios
        self.steps = steps
        self.clip = clip
        self.scales = scales or self.spaced(len(aspect_ratios), min_ratio, max_ratio)
        self._wh_pairs = [self.shapes(k) for k in range(len(aspect_ratios))]

    @staticmethod
    def spaced(maps: int, low: float, high: float) -> list[float]:
        """A scale for each map, and one beyond."""
        if maps == 1:
            return [low, high]
        return [low + (high - low) * k / (maps - 1.0) for k in range(maps)] + [1.0]

    def shapes(self, k: int) -> Tensor:
        """Width and height of the boxes of a map."""
        scale, between = self.scales[k], math.sqrt(self.scales[k] * self.scales[k + 1])
        pairs = [[scale, scale], [between, between]]
        for ratio in self.aspect_ratios[k]:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            pairs += [[long, short], [short, long]]
        return torch.as_tensor(pairs, dtype=torch.float32)

    def num_anchors_per_location(self) -> list[int]:
        return [2 + 2 * len(ratios) for ratios in self.aspect_ratios]

    def default_boxes(self, grid_sizes: list[Any], image_size: Any, dtype: Any = torch.float32) -> Tensor:
        """(x, y, width, height) of all boxes, as shares of the image."""
        boxes = []
        for k, (height, width) in enumerate(grid_sizes):
            rows, columns = height, width
            if self.steps is not None:
                rows, columns = (size / self.steps[k] for size in image_size)
            x, y = grid(height, width, None, dtype)
            middle = torch.stack(((x + 0.5) / columns, (y + 0.5) / rows), -1)
            shape = self._wh_pairs[k].clamp(min=0, max=1) if self.clip else self._wh_pairs[k]
            boxes.append(torch.cat([middle.repeat_interleave(len(shape), 0), shape.repeat(height * width, 1)], 1))
        return torch.cat(boxes)

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """The boxes [M, 4] of each image, in pixels."""
        height, width = image_list.tensors.shape[-2:]
        first = feature_maps[0]
        boxes = self.default_boxes([m.shape[-2:] for m in feature_maps], (height, width), dtype=first.dtype)
        middle, half = boxes[:, :2], 0.5 * boxes[:, 2:]
        corners = torch.cat([middle - half, middle + half], 1).to(first.device)
        scale = torch.tensor([width, height] * 2, device=first.device)
        return [corners * scale for _ in image_list.image_sizes]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(aspect_ratios={self.aspect_ratios}, clip={self.clip}, "
            f"scales={self.scales}, steps={self.steps})"
        )
