"""FCN: "Fully convolutional networks for semantic segmentation" (2014)."""

from .... import nn
from .._registry import family
from ._utils import _SimpleSegmentationModel, segmentation

__all__ = ["FCN"]


class FCNHead(nn.Sequential):
    def __init__(self, in_channels: int, channels: int) -> None:
        inner = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, inner, 3, padding=1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(inner, channels, 1),
        )


class FCN(_SimpleSegmentationModel):
    """A classifier at every place of a backbone's features."""


family(
    globals(),
    segmentation,
    {
        f"fcn_{name}": (f"FCN_{title}", {"cls": FCN, "backbone": name, "head": FCNHead, "aux_head": FCNHead})
        for name, title in (("resnet50", "ResNet50"), ("resnet101", "ResNet101"))
    },
)
