"""LR-ASPP: the segmentation head of "Searching for MobileNetV3" (2019)."""

from collections import OrderedDict
from typing import Any

from .... import _api as torch
from .... import nn
from .._registry import family, get_model
from .._utils import IntermediateLayerGetter, stages
from ._utils import resized

__all__ = ["LRASPP"]

Tensor = torch.Tensor


class LRASPPHead(nn.Module):
    """Coarse features, gated by their mean over the image, and fine ones, each with a classifier of its own."""

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        low, high = input["low"], input["high"]
        gated = self.cbr(high) * self.scale(high)
        return self.low_classifier(low) + self.high_classifier(resized(gated, low))


class LRASPP(nn.Module):
    """Scores [N, classes, H, W] under "out"; the backbone gives "low" (fine) and "high" (coarse) features."""

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int, inter_channels: int = 128
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        return OrderedDict(out=resized(self.classifier(self.backbone(input)), input))


def make(
    trained: Any,
    progress: bool,
    *,
    num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1",
    **kwargs: Any,
) -> LRASPP:
    if kwargs.pop("aux_loss", False):
        raise NotImplementedError("This model does not use auxiliary loss")
    weights = None if trained is not None else weights_backbone
    features: Any = get_model("mobilenet_v3_large", weights=weights, progress=progress, dilated=True).features
    found = stages(features)
    low, high = found[-4], found[-1]
    backbone = IntermediateLayerGetter(features, {str(low): "low", str(high): "high"})
    fine, coarse = (features[i].out_channels for i in (low, high))
    return LRASPP(backbone, fine, coarse, 21 if num_classes is None else num_classes, **kwargs)


family(globals(), make, {"lraspp_mobilenet_v3_large": ("LRASPP_MobileNet_V3_Large", {})})
