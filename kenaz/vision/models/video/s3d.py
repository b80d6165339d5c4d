"""S3D: "Rethinking spatiotemporal feature learning" (2017): GoogLeNet in time, each convolution split in two."""

from collections.abc import Callable
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops.misc import Conv3dNormActivation
from .._registry import family

__all__ = ["S3D"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]


class TemporalSeparableConv(nn.Sequential):
    """A convolution in space, then one in time."""

    def __init__(
        self, in_planes: int, out_planes: int, kernel_size: int, stride: int, padding: int, norm_layer: Layer
    ) -> None:
        k, s, p = kernel_size, stride, padding
        super().__init__(
            Conv3dNormActivation(in_planes, out_planes, (1, k, k), (1, s, s), (0, p, p), norm_layer=norm_layer),
            Conv3dNormActivation(out_planes, out_planes, (k, 1, 1), (s, 1, 1), (p, 0, 0), norm_layer=norm_layer),
        )


class SepInceptionBlock3D(nn.Module):
    """Four views of the same features, side by side."""

    def __init__(
        self,
        in_planes: int,
        b0_out: int,
        b1_mid: int,
        b1_out: int,
        b2_mid: int,
        b2_out: int,
        b3_out: int,
        norm_layer: Layer,
    ) -> None:
        super().__init__()
        point = partial(Conv3dNormActivation, kernel_size=1, norm_layer=norm_layer)
        self.branch0 = point(in_planes, b0_out)
        self.branch1, self.branch2 = (
            nn.Sequential(point(in_planes, narrow), TemporalSeparableConv(narrow, wide, 3, 1, 1, norm_layer))
            for narrow, wide in ((b1_mid, b1_out), (b2_mid, b2_out))
        )
        self.branch3 = nn.Sequential(
            nn.MaxPool3d(kernel_size=(3, 3, 3), stride=1, padding=1), point(in_planes, b3_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], 1)


# inputs, then the outputs of the branches: alone, narrowed and wide, narrowed and wide, after the maximum
INCEPTIONS = [
    (192, 64, 96, 128, 16, 32, 32),
    (256, 128, 128, 192, 32, 96, 64),
    (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64),
    (512, 128, 128, 256, 24, 64, 64),
    (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128),
    (832, 256, 160, 320, 32, 128, 128),
    (832, 384, 192, 384, 48, 128, 128),
]


def halve_size() -> nn.MaxPool3d:
    return nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))


class S3D(nn.Module):
    def __init__(self, num_classes: int = 400, dropout: float = 0.2, norm_layer: Layer | None = None) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm3d, eps=0.001, momentum=0.001)
        blocks = (SepInceptionBlock3D(*widths, norm_layer=norm) for widths in INCEPTIONS)
        self.features = nn.Sequential(
            TemporalSeparableConv(3, 64, 7, 2, 3, norm),
            halve_size(),
            Conv3dNormActivation(64, 64, kernel_size=1, stride=1, norm_layer=norm),
            TemporalSeparableConv(64, 192, 3, 1, 1, norm),
            halve_size(),
            next(blocks),
            next(blocks),
            nn.MaxPool3d(kernel_size=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1)),
            *(next(blocks) for _ in range(5)),
            nn.MaxPool3d(kernel_size=(2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0)),
            *blocks,
        )
        self.avgpool = nn.AvgPool3d(kernel_size=(2, 7, 7), stride=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Conv3d(1024, num_classes, kernel_size=1, stride=1, bias=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x))).mean(dim=(2, 3, 4))


def make(trained: Any, progress: bool, **kwargs: Any) -> S3D:
    return S3D(**kwargs)


family(globals(), make, {"s3d": ("S3D", {})})
