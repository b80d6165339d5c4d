"""RetinaNet: "Focal loss for dense object detection" (2017)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import Conv2dNormActivation, FrozenBatchNorm2d, box_iou, sigmoid_focal_loss
from ...ops.feature_pyramid_network import LastLevelP6P7
from .._registry import family, get_model
from ._utils import BoxCoder, Matcher, Target, box_loss, by_place, initialize, overwrite_eps, trainable_layers
from .anchor_utils import AnchorGenerator
from .backbone_utils import resnet_pyramid
from .one_stage import IMAGENET, OneStageDetector, average, best_of_maps, one_hot
from .transform import GeneralizedRCNNTransform

__all__ = ["RetinaNet"]

Tensor = torch.Tensor


def three_sizes() -> AnchorGenerator:
    """Three sizes within each doubling, in three ratios."""
    sizes = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in (32, 64, 128, 256, 512))
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class RetinaNetSubnet(nn.Module):
    """Four convolutions that all maps share."""

    _version = 2

    def __init__(self, in_channels: int, norm_layer: Callable[..., nn.Module] | None) -> None:
        super().__init__()
        units = [Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer) for _ in range(4)]
        self.conv = nn.Sequential(*units)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, metadata: dict, *rest: Any) -> None:
        if (metadata.get("version") or 1) < 2:  # the convolutions of old files alternate with activations
            for i in range(4):
                for kind in ("weight", "bias"):
                    old = f"{prefix}conv.{2 * i}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}conv.{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)


class RetinaNetClassificationHead(RetinaNetSubnet):
    """Scores [N, M, classes] of all anchors."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        prior_probability: float = 0.01,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(in_channels, norm_layer)
        initialize(self.conv)
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, kernel_size=3, stride=1, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        # rare things begin with a low score, or the first steps would be lost on the many places without any
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability))
        self.num_classes = num_classes
        self.num_anchors = num_anchors
        self.BETWEEN_THRESHOLDS = Matcher.BETWEEN_THRESHOLDS

    def compute_loss(
        self, targets: list[Target], head_outputs: dict[str, Tensor], matched_idxs: list[Tensor]
    ) -> Tensor:
        losses = []
        for target, logits, matched in zip(targets, head_outputs["cls_logits"], matched_idxs):
            holding = torch.where(matched >= 0)[0]
            wanted = one_hot(target["labels"][matched[holding]], holding, logits)
            valid = matched != self.BETWEEN_THRESHOLDS
            loss = sigmoid_focal_loss(logits[valid], wanted[valid], reduction="sum")
            losses.append(loss / max(1, len(holding)))
        return average(losses)

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([by_place(self.cls_logits(self.conv(t)), self.num_classes) for t in x], dim=1)


class RetinaNetRegressionHead(RetinaNetSubnet):
    """Codes [N, M, 4] of the boxes of all anchors."""

    def __init__(self, in_channels: int, num_anchors: int, norm_layer: Callable[..., nn.Module] | None = None) -> None:
        super().__init__(in_channels, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=3, stride=1, padding=1)
        initialize(self.bbox_reg)
        initialize(self.conv)
        self.box_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self._loss_type = "l1"

    def compute_loss(
        self,
        targets: list[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> Tensor:
        losses = []
        for target, codes, known, matched in zip(targets, head_outputs["bbox_regression"], anchors, matched_idxs):
            holding = torch.where(matched >= 0)[0]
            true = target["boxes"][matched[holding]]
            loss = box_loss(self._loss_type, self.box_coder, known[holding], true, codes[holding])
            losses.append(loss / max(1, len(holding)))
        return average(losses)

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([by_place(self.bbox_reg(self.conv(t)), 4) for t in x], dim=1)


class RetinaNetHead(nn.Module):
    """Both heads."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer=norm_layer
        )
        self.regression_head = RetinaNetRegressionHead(in_channels, num_anchors, norm_layer=norm_layer)

    def compute_loss(
        self,
        targets: list[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        return {
            "classification": self.classification_head.compute_loss(targets, head_outputs, matched_idxs),
            "bbox_regression": self.regression_head.compute_loss(targets, head_outputs, anchors, matched_idxs),
        }

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return {"cls_logits": self.classification_head(x), "bbox_regression": self.regression_head(x)}


def check_generator(backbone: nn.Module, anchor_generator: Any) -> None:
    if not hasattr(backbone, "out_channels"):
        raise ValueError(
            "backbone should contain an attribute out_channels specifying the number of output channels (assumed to "
            "be the same for all the levels)"
        )
    if not isinstance(anchor_generator, AnchorGenerator | type(None)):
        raise TypeError(
            f"anchor_generator should be of type AnchorGenerator or None, instead of {type(anchor_generator)}"
        )


class RetinaNet(OneStageDetector):
    """A detector over any backbone that has `out_channels`, with the focal loss.

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
        proposal_matcher: Any = None,
        score_thresh: float = 0.05,
        nms_thresh: float = 0.5,
        detections_per_img: int = 300,
        fg_iou_thresh: float = 0.5,
        bg_iou_thresh: float = 0.4,
        topk_candidates: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        check_generator(backbone, anchor_generator)
        self.backbone = backbone
        self.anchor_generator = anchor_generator or three_sizes()
        anchors = self.anchor_generator.num_anchors_per_location()[0]
        self.head = head or RetinaNetHead(backbone.out_channels, anchors, num_classes)
        self.proposal_matcher = proposal_matcher or Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.box_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or IMAGENET["mean"], image_std or IMAGENET["std"], **kwargs
        )
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates

    def matched(self, boxes: Tensor, anchors: Tensor) -> Tensor:
        if boxes.numel() == 0:
            return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
        return self.proposal_matcher(box_iou(boxes, anchors))

    def compute_loss(
        self, targets: list[Target], head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        matched = [self.matched(target["boxes"], known) for target, known in zip(targets, anchors)]
        return self.head.compute_loss(targets, head_outputs, anchors, matched)

    def losses(
        self, targets: list[Target], outputs: dict[str, Tensor], anchors: list[Tensor], maps: list[Tensor]
    ) -> dict[str, Tensor]:
        return self.compute_loss(targets, outputs, anchors)

    def candidates(
        self, outputs: dict[str, Tensor], anchors: Tensor, image_shape: tuple[int, int], counts: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        scores, codes = outputs["cls_logits"].sigmoid(), outputs["bbox_regression"]
        limits = (self.score_thresh, self.topk_candidates)
        return best_of_maps(scores, codes, anchors, counts, *limits, self.box_coder.decode_single, image_shape)


def make(
    trained: Any,
    progress: bool,
    *,
    cls: Callable[..., nn.Module] = RetinaNet,
    num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1",
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> nn.Module:
    """A detector over the last three stages of a ResNet-50 and two coarser maps."""
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 5, 3)
    norm = FrozenBatchNorm2d if is_trained else nn.BatchNorm2d
    backbone = get_model("resnet50", weights=weights_backbone, progress=progress, norm_layer=norm)
    pyramid = resnet_pyramid(backbone, layers, [2, 3, 4], LastLevelP6P7(256, 256))
    model = cls(pyramid, num_classes or 91, **kwargs)
    if trained is not None and cls is RetinaNet:
        overwrite_eps(model, 0.0)
    return model


def make_v2(
    trained: Any,
    progress: bool,
    *,
    num_classes: int | None = None,
    weights_backbone: Any = None,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:
    """With group normalisation, and trained by the overlap of boxes."""
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 5, 3)
    backbone = get_model("resnet50", weights=weights_backbone, progress=progress)
    pyramid = resnet_pyramid(backbone, layers, [2, 3, 4], LastLevelP6P7(2048, 256))
    anchors = three_sizes()
    classes = num_classes or 91
    head = RetinaNetHead(256, anchors.num_anchors_per_location()[0], classes, partial(nn.GroupNorm, 32))
    head.regression_head._loss_type = "giou"
    return RetinaNet(pyramid, classes, anchor_generator=anchors, head=head, **kwargs)


family(globals(), make, {"retinanet_resnet50_fpn": ("RetinaNet_ResNet50_FPN", {})})
family(globals(), make_v2, {"retinanet_resnet50_fpn_v2": ("RetinaNet_ResNet50_FPN_V2", {})})
