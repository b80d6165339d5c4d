"""The way of images into a detector, and of its detections back: normalised, resized, padded to one batch."""

import math
from collections.abc import Sequence
from typing import Any

from .... import _api as torch
from .... import nn
from ._utils import Target
from .image_list import ImageList
from .roi_heads import paste_masks_in_image

Tensor = torch.Tensor
F = nn.functional


def ratios(original: Sequence[int], new: Sequence[int]) -> tuple[Tensor, Tensor]:
    """How much taller and how much wider an image got."""
    tall, wide = (torch.tensor(float(n)) / torch.tensor(float(o)) for n, o in zip(new, original))
    return tall, wide


def resize_boxes(boxes: Tensor, original_size: Sequence[int], new_size: Sequence[int]) -> Tensor:
    """Boxes [N, 4] of an image that got another size.

    >>> resize_boxes(torch.tensor([[1., 2, 3, 4]]), (10, 10), (20, 30))
    tensor([[3., 4., 9., 8.]])
    """
    tall, wide = ratios(original_size, new_size)
    return boxes * torch.stack([wide, tall, wide, tall]).to(boxes)


def resize_keypoints(keypoints: Tensor, original_size: Sequence[int], new_size: Sequence[int]) -> Tensor:
    """Points [..., (x, y, ...)] of an image that got another size."""
    tall, wide = ratios(original_size, new_size)
    return torch.cat([keypoints[..., :2] * torch.stack([wide, tall]).to(keypoints), keypoints[..., 2:]], -1)


class GeneralizedRCNNTransform(nn.Module):
    """Images of any size as a batch, with their targets; and detections in the sizes that the images had.

    The shorter side becomes `min_size` (in training one of them, by chance) unless the longer one would exceed
    `max_size`; `fixed_size` (width, height) overrides both. Height and width of the batch divide by `size_divisible`.
    """

    def __init__(
        self,
        min_size: Any,
        max_size: int,
        image_mean: list[float],
        image_std: list[float],
        size_divisible: int = 32,
        fixed_size: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.min_size = tuple(min_size) if isinstance(min_size, list | tuple) else (min_size,)
        self.max_size = max_size
        self.image_mean = image_mean
        self.image_std = image_std
        self.size_divisible = size_divisible
        self.fixed_size = fixed_size
        self._skip_resize = kwargs.pop("_skip_resize", False)

    def forward(
        self, images: list[Tensor], targets: list[Target] | None = None
    ) -> tuple[ImageList, list[Target] | None]:
        prepared: list[Tensor] = []
        new_targets: list[Any] = []
        for i, image in enumerate(images):
            if image.dim() != 3:
                raise ValueError(f"images is expected to be a list of 3d tensors of shape [C, H, W], got {image.shape}")
            target = None if targets is None else dict(targets[i])
            image, target = self.resize(self.normalize(image), target)
            prepared.append(image)
            new_targets.append(target)
        sizes = [(image.shape[-2], image.shape[-1]) for image in prepared]
        batch = self.batch_images(prepared, size_divisible=self.size_divisible)
        return ImageList(batch, sizes), None if targets is None else new_targets

    def normalize(self, image: Tensor) -> Tensor:
        if not image.is_floating_point():
            raise TypeError(
                f"Expected input images to be of floating type (in range [0, 1]), but found type {image.dtype} instead"
            )
        mean, std = (image.new_tensor(v)[:, None, None] for v in (self.image_mean, self.image_std))
        return (image - mean) / std

    def torch_choice(self, k: Sequence[int]) -> int:
        """One of the numbers, by chance; the draw is torchvision's."""
        return k[int(torch.empty(1).uniform_(0.0, float(len(k))).item())]

    def resize(self, image: Tensor, target: Target | None = None) -> tuple[Tensor, Target | None]:
        old = image.shape[-2:]
        if self.training:
            if self._skip_resize:
                return image, target
            size = self.torch_choice(self.min_size)
        else:
            size = self.min_size[-1]
        options: dict[str, Any] = {"scale_factor": min(size / min(old), self.max_size / max(old))}
        options["recompute_scale_factor"] = True
        if self.fixed_size is not None:
            options = {"size": (self.fixed_size[1], self.fixed_size[0])}
        image = F.interpolate(image[None], mode="bilinear", align_corners=False, **options)[0]
        if target is None:
            return image, None
        new = image.shape[-2:]
        target["boxes"] = resize_boxes(target["boxes"], old, new)
        if "masks" in target:
            target["masks"] = F.interpolate(target["masks"][:, None].float(), **options)[:, 0].byte()
        if "keypoints" in target:
            target["keypoints"] = resize_keypoints(target["keypoints"], old, new)
        return image, target

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """[N, C, H, W], zero where an image is smaller than the batch."""
        largest = [max(sizes) for sizes in zip(*(image.shape for image in images))]
        height, width = (math.ceil(v / size_divisible) * size_divisible for v in largest[1:])
        return torch.stack([F.pad(i, (0, width - i.shape[-1], 0, height - i.shape[-2])) for i in images])

    def postprocess(
        self,
        result: list[Target],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[Target]:
        if self.training:
            return result
        for detected, old, new in zip(result, image_shapes, original_image_sizes):
            detected["boxes"] = resize_boxes(detected["boxes"], old, new)
            if "masks" in detected:
                detected["masks"] = paste_masks_in_image(detected["masks"], detected["boxes"], new)
            if "keypoints" in detected:
                detected["keypoints"] = resize_keypoints(detected["keypoints"], old, new)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(\n    Normalize(mean={self.image_mean}, std={self.image_std})"
            f"\n    Resize(min_size={self.min_size}, max_size={self.max_size}, mode='bilinear')\n)"
        )
