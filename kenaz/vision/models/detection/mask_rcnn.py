"""Mask R-CNN (2017): Faster R-CNN that also finds which pixels of a box belong to what is in it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import Conv2dNormActivation, MultiScaleRoIAlign
from .._registry import family
from .faster_rcnn import FasterRCNN, resnet_detector, resnet_detector_v2

__all__ = ["MaskRCNN"]

Tensor = torch.Tensor


class MaskRCNNHeads(nn.Sequential):
    """Convolutions over the pooled features of a box."""

    _version = 2

    def __init__(
        self,
        in_channels: int,
        layers: Sequence[int],
        dilation: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        blocks = [
            Conv2dNormActivation(inputs, outputs, 3, padding=dilation, dilation=dilation, norm_layer=norm_layer)
            for inputs, outputs in zip([in_channels, *layers], layers)
        ]
        super().__init__(*blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, metadata: dict, *rest: Any) -> None:
        if (metadata.get("version") or 1) < 2:  # the convolutions of old files are not inside a block
            for i in range(len(self)):
                for kind in ("weight", "bias"):
                    old = f"{prefix}mask_fcn{i + 1}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)


class MaskRCNNPredictor(nn.Sequential):
    """Masks [K, classes, 2 M, 2 M] of features [K, C, M, M]."""

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int) -> None:
        layers = OrderedDict(
            conv5_mask=nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0),
            relu=nn.ReLU(inplace=True),
            mask_fcn_logits=nn.Conv2d(dim_reduced, num_classes, 1, 1, 0),
        )
        super().__init__(layers)
        for name, parameter in self.named_parameters():
            if "weight" in name:
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")


class MaskRCNN(FasterRCNN):
    """`FasterRCNN` with masks: targets have "masks" [N, H, W] of 0 and 1, detections "masks" [N, 1, H, W] in [0, 1]."""

    def __init__(
        self,
        backbone: Any,
        num_classes: int | None = None,
        *sizes: Any,
        mask_roi_pool: Any = None,
        mask_head: Any = None,
        mask_predictor: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(mask_roi_pool, MultiScaleRoIAlign | type(None)):
            raise TypeError(
                f"mask_roi_pool should be of type MultiScaleRoIAlign or None instead of {type(mask_roi_pool)}"
            )
        if num_classes is not None and mask_predictor is not None:
            raise ValueError("num_classes should be None when mask_predictor is specified")
        pool = mask_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=14, sampling_ratio=2)
        head = mask_head or MaskRCNNHeads(backbone.out_channels, (256, 256, 256, 256), 1)
        predictor = mask_predictor or MaskRCNNPredictor(256, 256, num_classes or 0)
        super().__init__(backbone, num_classes, *sizes, **kwargs)
        self.roi_heads.mask_roi_pool = pool
        self.roi_heads.mask_head = head
        self.roi_heads.mask_predictor = predictor


def normalised_head() -> dict[str, Any]:
    return {"mask_head": MaskRCNNHeads(256, [256] * 4, 1, norm_layer=nn.BatchNorm2d)}


family(globals(), resnet_detector, {"maskrcnn_resnet50_fpn": ("MaskRCNN_ResNet50_FPN", {"cls": MaskRCNN})})
V2 = {"cls": MaskRCNN, "extra_parts": normalised_head}
family(globals(), resnet_detector_v2, {"maskrcnn_resnet50_fpn_v2": ("MaskRCNN_ResNet50_FPN_V2", V2)})
