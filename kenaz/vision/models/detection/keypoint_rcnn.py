"""Keypoint R-CNN: the variant of "Mask R-CNN" (2017) that finds where points of a thing are, a person's joints."""

from collections.abc import Sequence
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import MultiScaleRoIAlign
from .._registry import family
from .faster_rcnn import FasterRCNN, resnet_detector

__all__ = ["KeypointRCNN"]

Tensor = torch.Tensor


class KeypointRCNNHeads(nn.Sequential):
    """Convolutions over the pooled features of a box."""

    def __init__(self, in_channels: int, layers: Sequence[int]) -> None:
        blocks: list[nn.Module] = []
        for inputs, outputs in zip([in_channels, *layers], layers):
            blocks += [nn.Conv2d(inputs, outputs, 3, stride=1, padding=1), nn.ReLU(inplace=True)]
        super().__init__(*blocks)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(layer.bias, 0)


class KeypointRCNNPredictor(nn.Module):
    """A heat map [4 M, 4 M] for each point, of features [K, C, M, M]."""

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(in_channels, num_keypoints, 4, stride=2, padding=1)
        nn.init.kaiming_normal_(self.kps_score_lowres.weight, mode="fan_out", nonlinearity="relu")
        nn.init.constant_(self.kps_score_lowres.bias, 0)
        self.up_scale = 2
        self.out_channels = num_keypoints

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(
            self.kps_score_lowres(x), scale_factor=float(self.up_scale), mode="bilinear", align_corners=False
        )


class KeypointRCNN(FasterRCNN):
    """`FasterRCNN` with points: targets and detections have "keypoints" [N, points, (x, y, whether it is seen)]."""

    def __init__(
        self,
        backbone: Any,
        num_classes: int | None = None,
        min_size: Any = None,
        *sizes: Any,
        keypoint_roi_pool: Any = None,
        keypoint_head: Any = None,
        keypoint_predictor: Any = None,
        num_keypoints: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(keypoint_roi_pool, MultiScaleRoIAlign | type(None)):
            raise TypeError(
                f"keypoint_roi_pool should be of type MultiScaleRoIAlign or None instead of {type(keypoint_roi_pool)}"
            )
        if num_classes is not None and keypoint_predictor is not None:
            raise ValueError("num_classes should be None when keypoint_predictor is specified")
        pool = keypoint_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=14, sampling_ratio=2)
        head = keypoint_head or KeypointRCNNHeads(backbone.out_channels, (512,) * 8)
        predictor = keypoint_predictor or KeypointRCNNPredictor(512, num_keypoints or 17)
        super().__init__(backbone, num_classes, min_size or (640, 672, 704, 736, 768, 800), *sizes, **kwargs)
        self.roi_heads.keypoint_roi_pool = pool
        self.roi_heads.keypoint_head = head
        self.roi_heads.keypoint_predictor = predictor


OPTIONS = {"cls": KeypointRCNN, "classes": 2}
family(globals(), resnet_detector, {"keypointrcnn_resnet50_fpn": ("KeypointRCNN_ResNet50_FPN", OPTIONS)})
