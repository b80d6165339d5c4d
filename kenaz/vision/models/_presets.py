"""What published weights expect of an image: the transform that belongs to a file of weights."""

from typing import Any

from ... import _api as torch
from ... import nn
from ..transforms import functional as F

Tensor = torch.Tensor


def as_tensor(img: Any) -> Tensor:
    return img if isinstance(img, Tensor) else F.pil_to_tensor(img)


class Preset(nn.Module):
    """Resized, scaled to [0, 1] and normalised as ImageNet."""

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: F.InterpolationMode = F.InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def shaped(self, img: Any) -> Any:
        if self.resize_size is None:
            return img
        return F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)

    def forward(self, img: Any) -> Tensor:
        img = F.convert_image_dtype(as_tensor(self.shaped(img)), torch.float)
        return F.normalize(img, mean=self.mean, std=self.std)

    def shown(self) -> dict[str, Any]:
        return {
            "resize_size": self.resize_size,
            "mean": self.mean,
            "std": self.std,
            "interpolation": self.interpolation,
        }

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {k}={v}" for k, v in self.shown().items()), ")"])


class ImageClassification(Preset):
    """Resized, the middle cut out, scaled to [0, 1] and normalised.

    >>> ImageClassification(crop_size=2, resize_size=3)(torch.zeros(3, 6, 9, dtype=torch.uint8)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, *, crop_size: int, resize_size: int = 256, **options: Any) -> None:
        super().__init__(resize_size=resize_size, **options)
        self.crop_size = [crop_size]

    def shaped(self, img: Any) -> Any:
        return F.center_crop(super().shaped(img), self.crop_size)

    def shown(self) -> dict[str, Any]:
        return {"crop_size": self.crop_size, **super().shown()}


class SemanticSegmentation(Preset):
    """Resized, scaled to [0, 1] and normalised."""


class ObjectDetection(nn.Module):
    """Scaled to [0, 1]; detectors resize and normalise by themselves."""

    def forward(self, img: Any) -> Tensor:
        return F.convert_image_dtype(as_tensor(img), torch.float)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class VideoClassification(Preset):
    """Frames [..., T, C, H, W] resized, their middles cut out, normalised as Kinetics: [..., C, T, H, W].

    >>> preset = VideoClassification(crop_size=(2, 2), resize_size=(3, 4))
    >>> preset(torch.zeros(5, 3, 6, 9, dtype=torch.uint8)).shape
    torch.Size([3, 5, 2, 2])
    """

    def __init__(
        self,
        *,
        crop_size: tuple[int, int],
        resize_size: tuple[int, ...],
        mean: tuple[float, ...] = (0.43216, 0.394666, 0.37645),
        std: tuple[float, ...] = (0.22803, 0.22145, 0.216989),
        interpolation: F.InterpolationMode = F.InterpolationMode.BILINEAR,
    ) -> None:
        super().__init__(resize_size=None, mean=mean, std=std, interpolation=interpolation, antialias=False)
        self.crop_size = list(crop_size)
        self.resize_size = list(resize_size)

    def forward(self, vid: Tensor) -> Tensor:
        frames = vid.reshape(-1, *vid.shape[-3:])
        frames = F.center_crop(self.shaped(frames), self.crop_size)
        frames = F.normalize(F.convert_image_dtype(frames, torch.float), mean=self.mean, std=self.std)
        return frames.view(*vid.shape[:-2], *frames.shape[-2:]).transpose(-4, -3)

    def shown(self) -> dict[str, Any]:
        return {"crop_size": self.crop_size, **super().shown()}


class OpticalFlow(nn.Module):
    """Two images, each scaled to [-1, 1].

    >>> [img.min().item() for img in OpticalFlow()(torch.zeros(3, 2, 2), torch.ones(3, 2, 2))]
    [-1.0, 1.0]
    """

    def forward(self, img1: Any, img2: Any) -> tuple[Tensor, Tensor]:
        first, second = (F.convert_image_dtype(as_tensor(img), torch.float) for img in (img1, img2))
        half = [0.5, 0.5, 0.5]
        return F.normalize(first, half, half).contiguous(), F.normalize(second, half, half).contiguous()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
