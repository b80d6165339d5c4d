"""SSDLite: SSD with separable convolutions ("MobileNetV2", 2018), over MobileNet v3."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import Conv2dNormActivation
from .._registry import family, get_model
from .._utils import stages
from ._utils import initialize, retrieve_out_channels, trainable_layers
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import freeze_stages
from .ssd import SSD, SSDScoringHead, without_size

__all__ = []

Tensor = torch.Tensor
Norm = Callable[..., nn.Module]
normal = partial(initialize, std=0.03)


def prediction_block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    """3 x 3 within each channel, then 1 x 1."""
    depthwise = Conv2dNormActivation(
        inputs, inputs, kernel_size=3, groups=inputs, norm_layer=norm, activation_layer=nn.ReLU6
    )
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))


def extra_block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    """A map of half the size."""
    unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
    half = outputs // 2
    return nn.Sequential(
        unit(inputs, half, kernel_size=1),
        unit(half, half, kernel_size=3, stride=2, groups=half),
        unit(half, outputs, kernel_size=1),
    )


def prediction_blocks(in_channels: list[int], num_anchors: list[int], columns: int, norm: Norm) -> nn.ModuleList:
    pairs = zip(in_channels, num_anchors)
    blocks = nn.ModuleList(prediction_block(channels, columns * n, norm) for channels, n in pairs)
    normal(blocks)
    return blocks


class SSDLiteClassificationHead(SSDScoringHead):
    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int, norm_layer: Norm) -> None:
        super().__init__(prediction_blocks(in_channels, num_anchors, num_classes, norm_layer), num_classes)


class SSDLiteRegressionHead(SSDScoringHead):
    def __init__(self, in_channels: list[int], num_anchors: list[int], norm_layer: Norm) -> None:
        super().__init__(prediction_blocks(in_channels, num_anchors, 4, norm_layer), 4)


class SSDLiteHead(nn.Module):
    """Codes of boxes and scores."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int, norm_layer: Norm) -> None:
        super().__init__()
        self.classification_head = SSDLiteClassificationHead(in_channels, num_anchors, num_classes, norm_layer)
        self.regression_head = SSDLiteRegressionHead(in_channels, num_anchors, norm_layer)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return {"bbox_regression": self.regression_head(x), "cls_logits": self.classification_head(x)}


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """Six maps: from within the block at `c4_pos`, of the last layer, and of four blocks more."""

    def __init__(
        self, backbone: Any, c4_pos: int, norm_layer: Norm, width_mult: float = 1.0, min_depth: int = 16
    ) -> None:
        super().__init__()
        if backbone[c4_pos].use_res_connect:
            raise ValueError("backbone[c4_pos].use_res_connect should be False")
        middle = backbone[c4_pos].block
        self.features = nn.Sequential(
            # the map is taken where the block is wide, before its stride
            nn.Sequential(*backbone[:c4_pos], middle[0]),
            nn.Sequential(middle[1:], *backbone[c4_pos + 1 :]),
        )
        widths = [max(min_depth, int(width * width_mult)) for width in (512, 256, 256, 128)]
        inputs = [backbone[-1].out_channels, *widths]
        extra = nn.ModuleList(extra_block(a, b, norm_layer) for a, b in zip(inputs, widths))
        normal(extra)
        self.extra = extra

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = []
        for block in (*self.features, *self.extra):
            x = block(x)
            maps.append(x)
        return OrderedDict((str(i), t) for i, t in enumerate(maps))


def mobilenet_extractor(model: Any, trained: int, norm_layer: Norm) -> SSDLiteFeatureExtractorMobileNet:
    found = stages(model.features)
    freeze_stages(model.features, found, trained)
    return SSDLiteFeatureExtractorMobileNet(model.features, found[-2], norm_layer)


def make(
    trained: Any,
    progress: bool,
    *,
    num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1",
    trainable_backbone_layers: int | None = None,
    norm_layer: Norm | None = None,
    **kwargs: Any,
) -> SSD:
    without_size(kwargs)
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 6, 6)
    norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    # ImageNet's weights are of the full tail; a detector of its own has half of it
    reduced = weights_backbone is None
    options = {"weights": weights_backbone, "progress": progress, "norm_layer": norm, "reduced_tail": reduced}
    model = get_model("mobilenet_v3_large", **options)
    if weights_backbone is None:
        normal(model)
    backbone = mobilenet_extractor(model, layers, norm)
    size, classes = (320, 320), num_classes or 91
    boxes = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    head = SSDLiteHead(retrieve_out_channels(backbone, size), boxes.num_anchors_per_location(), classes, norm)
    defaults = {
        "score_thresh": 0.001,
        "nms_thresh": 0.55,
        "detections_per_img": 300,
        "topk_candidates": 300,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return SSD(backbone, boxes, size, classes, head=head, **{**defaults, **kwargs})


family(globals(), make, {"ssdlite320_mobilenet_v3_large": ("SSDLite320_MobileNet_V3_Large", {})})
