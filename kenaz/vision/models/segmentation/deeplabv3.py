"""DeepLab v3: "Rethinking atrous convolution for semantic image segmentation" (2017)."""

from collections.abc import Sequence

from .... import _api as torch
from .... import nn
from .._registry import family
from ._utils import _SimpleSegmentationModel, segmentation
from .fcn import FCNHead

__all__ = ["DeepLabV3"]

Tensor = torch.Tensor


def unit(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation if kernel > 1 else 0
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class ASPPConv(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(*unit(in_channels, out_channels, 3, dilation))


class ASPPPooling(nn.Sequential):
    """The mean over the whole image, at every place."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *unit(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(super().forward(x), size=x.shape[-2:], mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """The same features seen with several dilations, side by side."""

    def __init__(self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*unit(in_channels, out_channels, 1)),
                *(ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates),
                ASPPPooling(in_channels, out_channels),
            ]
        )
        self.project = nn.Sequential(*unit(len(self.convs) * out_channels, out_channels, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.project(torch.cat([conv(x) for conv in self.convs], dim=1))


class DeepLabHead(nn.Sequential):
    def __init__(self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)) -> None:
        super().__init__(ASPP(in_channels, atrous_rates), *unit(256, 256, 3), nn.Conv2d(256, num_classes, 1))


class DeepLabV3(_SimpleSegmentationModel):
    """Dilated views of a backbone's features, side by side."""


family(
    globals(),
    segmentation,
    {
        f"deeplabv3_{name}": (
            f"DeepLabV3_{title}",
            {"cls": DeepLabV3, "backbone": name, "head": DeepLabHead, "aux_head": FCNHead},
        )
        for name, title in (
            ("resnet50", "ResNet50"),
            ("resnet101", "ResNet101"),
            ("mobilenet_v3_large", "MobileNet_V3_Large"),
        )
    },
)
