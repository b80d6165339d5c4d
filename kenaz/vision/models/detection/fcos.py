"""FCOS: "Fully convolutional one-stage object detection" (2019): boxes from places, without anchors of many shapes."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import generalized_box_iou_loss, sigmoid_focal_loss
from .._registry import family
from ._utils import BoxLinearCoder, Target, by_place, initialize
from .anchor_utils import AnchorGenerator
from .one_stage import IMAGENET, OneStageDetector, best_of_maps, one_hot
from .retinanet import check_generator, make
from .transform import GeneralizedRCNNTransform

__all__ = ["FCOS"]

Tensor = torch.Tensor
F = nn.functional
Norm = Callable[..., nn.Module]


def tower(channels: int, depth: int, norm_layer: Norm | None) -> nn.Sequential:
    """Convolutions with normalisations, shared by all maps."""
    norm = norm_layer or partial(nn.GroupNorm, 32)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(channels, channels, 3, stride=1, padding=1), norm(channels), nn.ReLU()]
    return nn.Sequential(*layers)


class FCOSClassificationHead(nn.Module):
    """Scores [N, M, classes]."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        num_convs: int = 4,
        prior_probability: float = 0.01,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_anchors = num_anchors
        self.conv = tower(in_channels, num_convs, norm_layer)
        initialize(self.conv)
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, kernel_size=3, stride=1, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability))

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([by_place(self.cls_logits(self.conv(t)), self.num_classes) for t in x], dim=1)


class FCOSRegressionHead(nn.Module):
    """Distances [N, M, 4] to the sides of a box, and how much in its middle [N, M, 1] a place is."""

    def __init__(self, in_channels: int, num_anchors: int, num_convs: int = 4, norm_layer: Norm | None = None) -> None:
        super().__init__()
        self.conv = tower(in_channels, num_convs, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=3, stride=1, padding=1)
        self.bbox_ctrness = nn.Conv2d(in_channels, num_anchors * 1, kernel_size=3, stride=1, padding=1)
        for part in (self.bbox_reg, self.bbox_ctrness, self.conv):
            initialize(part)

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        seen = [self.conv(t) for t in x]
        boxes = torch.cat([by_place(F.relu(self.bbox_reg(t)), 4) for t in seen], dim=1)
        return boxes, torch.cat([by_place(self.bbox_ctrness(t), 1) for t in seen], dim=1)


class FCOSHead(nn.Module):
    """Both heads, and what they are trained with."""

    def __init__(self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int | None = 4) -> None:
        super().__init__()
        depth = 4 if num_convs is None else num_convs
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.classification_head = FCOSClassificationHead(in_channels, num_anchors, num_classes, depth)
        self.regression_head = FCOSRegressionHead(in_channels, num_anchors, depth)

    def wanted(self, target: Target, anchors: Tensor, matched: Tensor) -> tuple[Tensor, Tensor]:
        """The class of each place, -1 for none, and its box."""
        if len(target["labels"]) == 0:
            return torch.full_like(matched, -1), torch.zeros_like(anchors)
        labels = torch.where(matched < 0, -1, target["labels"][matched.clamp(min=0)])
        return labels, target["boxes"][matched.clamp(min=0)]

    def compute_loss(
        self,
        targets: list[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        pairs = [self.wanted(*of_image) for of_image in zip(targets, anchors, matched_idxs)]
        labels, boxes = torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs])
        logits, codes, centred = (
            head_outputs[name].flatten(0, 1) for name in ("cls_logits", "bbox_regression", "bbox_ctrness")
        )
        holding = torch.where(labels >= 0)[0]
        places = torch.cat(anchors)[holding]
        found = self.box_coder.decode(codes[holding], places)
        distances = self.box_coder.encode(places, boxes[holding])
        losses = {
            "classification": sigmoid_focal_loss(logits, one_hot(labels[holding], holding, logits), reduction="sum"),
            "bbox_regression": generalized_box_iou_loss(found, boxes[holding], reduction="sum"),
            "bbox_ctrness": F.binary_cross_entropy_with_logits(
                centred[holding, 0], centredness(distances), reduction="sum"
            ),
        }
        return {name: loss / max(1, len(holding)) for name, loss in losses.items()}

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        logits = self.classification_head(x)
        boxes, centred = self.regression_head(x)
        return {"cls_logits": logits, "bbox_regression": boxes, "bbox_ctrness": centred}


def centredness(distances: Tensor) -> Tensor:
    """1 in the middle of a box, 0 at its sides: the paper's third equation, of distances [N, (l, t, r, b)]."""
    across, down = distances[:, 0::2], distances[:, 1::2]
    shares = (side.min(dim=-1)[0] / side.max(dim=-1)[0] for side in (across, down))
    return torch.sqrt(next(shares) * next(shares))


class FCOS(OneStageDetector):
    """A detector over any backbone that has `out_channels`; a place near the middle of a box answers for it.

    Takes a list of images [3, H, W] in [0, 1]; in training also a list of targets: "boxes" [N, 4] and "labels" [N].
    """

    def __init__(
        self,
        backbone: Any,
        num_classes: int,
        min_size: Any = 800,
        max_size: int = 1333,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        anchor_generator: Any = None,
        head: Any = None,
        center_sampling_radius: float = 1.5,
        score_thresh: float = 0.2,
        nms_thresh: float = 0.6,
        detections_per_img: int = 100,
        topk_candidates: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        check_generator(backbone, anchor_generator)
        self.backbone = backbone
        self.anchor_generator = anchor_generator or AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
        anchors = self.anchor_generator.num_anchors_per_location()
        if anchors[0] != 1:
            raise ValueError(f"anchor_generator.num_anchors_per_location()[0] should be 1 instead of {anchors[0]}")
        self.head = head or FCOSHead(backbone.out_channels, anchors[0], num_classes)
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or IMAGENET["mean"], image_std or IMAGENET["std"], **kwargs
        )
        self.center_sampling_radius = center_sampling_radius
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates

    def matched(self, boxes: Tensor, anchors: Tensor, counts: list[int]) -> Tensor:
        """The number of the box that each place answers for, -1 for none: of several the smallest."""
        if boxes.numel() == 0:
            return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
        places = (anchors[:, :2] + anchors[:, 2:]) / 2
        sizes = anchors[:, 2] - anchors[:, 0]
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        near = (places[:, None] - middles).abs().amax(2) < self.center_sampling_radius * sizes[:, None]
        sides = torch.cat([places[:, None] - boxes[:, :2], boxes[:, 2:] - places[:, None]], 2)
        # a map is for boxes of its scale: the first one also for all smaller, the last one for all larger
        low, high = sizes * 4, sizes * 8
        low[: counts[0]] = 0
        high[-counts[-1] :] = float("inf")
        reach = sides.amax(2)
        fits = near & (sides.amin(2) > 0) & (reach > low[:, None]) & (reach < high[:, None])
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        best, number = (fits.to(torch.float32) * (1e8 - areas)).max(dim=1)
        return torch.where(best < 1e-5, -1, number)

    def compute_loss(
        self,
        targets: list[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:
        pairs = zip(targets, anchors)
        matched = [self.matched(target["boxes"], known, num_anchors_per_level) for target, known in pairs]
        return self.head.compute_loss(targets, head_outputs, anchors, matched)

    def losses(
        self, targets: list[Target], outputs: dict[str, Tensor], anchors: list[Tensor], maps: list[Tensor]
    ) -> dict[str, Tensor]:
        return self.compute_loss(targets, outputs, anchors, [m.shape[-2] * m.shape[-1] for m in maps])

    def candidates(
        self, outputs: dict[str, Tensor], anchors: Tensor, image_shape: tuple[int, int], counts: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        scores = torch.sqrt(outputs["cls_logits"].sigmoid() * outputs["bbox_ctrness"].sigmoid())
        limits = (self.score_thresh, self.topk_candidates)
        codes = outputs["bbox_regression"]
        return best_of_maps(scores, codes, anchors, counts, *limits, self.box_coder.decode, image_shape)


family(globals(), make, {"fcos_resnet50_fpn": ("FCOS_ResNet50_FPN", {"cls": FCOS})})
