"""Images of several sizes in one batch."""

from typing import Any

from .... import _api as torch

Tensor = torch.Tensor


class ImageList:
    """A batch [N, C, H, W], padded on the right and below, and the (height, width) that each image has in it."""

    def __init__(self, tensors: Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensors = tensors
        self.image_sizes = image_sizes

    def to(self, device: Any) -> "ImageList":
        return ImageList(self.tensors.to(device), self.image_sizes)
