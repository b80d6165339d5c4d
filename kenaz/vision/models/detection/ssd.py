"""SSD: "Single shot multibox detector" (2015), over VGG16."""

import warnings
from collections import OrderedDict
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import box_iou, clip_boxes_to_image
from .._registry import family, get_model
from ._utils import BoxCoder, SSDMatcher, Target, by_place, retrieve_out_channels, trainable_layers
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import freeze_stages
from .one_stage import IMAGENET, OneStageDetector
from .transform import GeneralizedRCNNTransform

__all__ = []

Tensor = torch.Tensor
F = nn.functional


def xavier(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)


class SSDScoringHead(nn.Module):
    """`num_columns` numbers for every box of every map: [N, M, columns]; each map has a layer of its own."""

    def __init__(self, module_list: nn.ModuleList, num_columns: int) -> None:
        super().__init__()
        self.module_list = module_list
        self.num_columns = num_columns

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([by_place(layer(t), self.num_columns) for layer, t in zip(self.module_list, x)], dim=1)


def convolutions(in_channels: list[int], num_anchors: list[int], columns: int) -> nn.ModuleList:
    pairs = zip(in_channels, num_anchors)
    layers = nn.ModuleList(nn.Conv2d(c, columns * n, kernel_size=3, padding=1) for c, n in pairs)
    xavier(layers)
    return layers


class SSDClassificationHead(SSDScoringHead):
    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int) -> None:
        super().__init__(convolutions(in_channels, num_anchors, num_classes), num_classes)


class SSDRegressionHead(SSDScoringHead):
    def __init__(self, in_channels: list[int], num_anchors: list[int]) -> None:
        super().__init__(convolutions(in_channels, num_anchors, 4), 4)


class SSDHead(nn.Module):
    """Codes of boxes and scores."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int) -> None:
        super().__init__()
        self.classification_head: nn.Module = SSDClassificationHead(in_channels, num_anchors, num_classes)
        self.regression_head: nn.Module = SSDRegressionHead(in_channels, num_anchors)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return {"bbox_regression": self.regression_head(x), "cls_logits": self.classification_head(x)}


class SSD(OneStageDetector):
    """A detector of images scaled to `size` (width, height), over a backbone that gives several maps.

    Takes a list of images [3, H, W] in [0, 1]; in training also a list of targets: "boxes" [N, 4] and "labels" [N],
    where 0 is kept for nothing.
    """

    def __init__(
        self,
        backbone: Any,
        anchor_generator: DefaultBoxGenerator,
        size: tuple[int, int],
        num_classes: int,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        head: Any = None,
        score_thresh: float = 0.01,
        nms_thresh: float = 0.45,
        detections_per_img: int = 200,
        iou_thresh: float = 0.5,
        topk_candidates: int = 400,
        positive_fraction: float = 0.25,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.anchor_generator = anchor_generator
        self.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
        if head is None:
            known = getattr(backbone, "out_channels", None)
            channels = retrieve_out_channels(backbone, size) if known is None else known
            anchors = anchor_generator.num_anchors_per_location()
            if len(channels) != len(anchors):
                raise ValueError(
                    f"The length of the output channels from the backbone ({len(channels)}) do not match the length "
                    f"of the anchor generator aspect ratios ({len(anchors)})"
                )
            head = SSDHead(channels, anchors, num_classes)
        self.head = head
        self.proposal_matcher = SSDMatcher(iou_thresh)
        self.transform = GeneralizedRCNNTransform(
            min(size),
            max(size),
            image_mean or IMAGENET["mean"],
            image_std or IMAGENET["std"],
            size_divisible=1,
            fixed_size=size,
            **kwargs,
        )
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates
        self.neg_to_pos_ratio = (1.0 - positive_fraction) / positive_fraction

    def matched(self, boxes: Tensor, anchors: Tensor) -> Tensor:
        if boxes.numel() == 0:
            return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
        return self.proposal_matcher(box_iou(boxes, anchors))

    def losses(
        self, targets: list[Target], outputs: dict[str, Tensor], anchors: list[Tensor], maps: list[Tensor]
    ) -> dict[str, Tensor]:
        matched = [self.matched(target["boxes"], known) for target, known in zip(targets, anchors)]
        return self.compute_loss(targets, outputs, anchors, matched)

    def compute_loss(
        self,
        targets: list[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """The boxes' loss, and the classes' over what holds something and the worst of the rest."""
        logits = head_outputs["cls_logits"]
        wanted = torch.zeros(logits.shape[:2], dtype=targets[0]["labels"].dtype, device=logits.device)
        box_losses, total = [], 0
        for i, (target, known, matched) in enumerate(zip(targets, anchors, matched_idxs)):
            holding = torch.where(matched >= 0)[0]
            number = matched[holding]
            total += len(holding)
            codes = self.box_coder.encode_single(target["boxes"][number], known[holding])
            found = head_outputs["bbox_regression"][i, holding]
            box_losses.append(F.smooth_l1_loss(found, codes, reduction="sum"))
            wanted[i, holding] = target["labels"][number]
        loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(wanted.shape)
        holding = wanted > 0
        hard = self.hardest(loss.detach(), holding)
        count = max(1, total)
        return {
            "bbox_regression": torch.stack(box_losses).sum() / count,
            "classification": (loss * (holding | hard)).sum() / count,
        }

    def hardest(self, loss: Tensor, holding: Tensor) -> Tensor:
        """Which places without anything are learned from: those with the largest loss, some for each that holds one."""
        count = self.neg_to_pos_ratio * holding.sum(1, keepdim=True)
        order = torch.where(holding, -float("inf"), loss).sort(1, descending=True)[1]
        return order.sort(1)[1] < count

    def candidates(
        self, outputs: dict[str, Tensor], anchors: Tensor, image_shape: tuple[int, int], counts: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        boxes = clip_boxes_to_image(self.box_coder.decode_single(outputs["bbox_regression"], anchors), image_shape)
        scores = F.softmax(outputs["cls_logits"], dim=-1)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for label in range(1, scores.shape[1]):
            high = torch.where(scores[:, label] > self.score_thresh)[0]
            best, order = scores[high, label].topk(min(self.topk_candidates, len(high)))
            found.append((boxes[high[order]], best, torch.full_like(best, label, dtype=torch.int64)))
        kept, best, labels = (torch.cat(parts) for parts in zip(*found))
        return kept, best, labels


def relu_pairs(*layers: nn.Module) -> nn.Sequential:
    """Each layer with a ReLU behind it."""
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU(inplace=True))))


class SSDFeatureExtractorVGG(nn.Module):
    """Six maps, from VGG's fourth block to a single place; seven with `highres`."""

    def __init__(self, backbone: Any, highres: bool) -> None:
        super().__init__()
        _, _, third, fourth, _ = (i for i, layer in enumerate(backbone) if isinstance(layer, nn.MaxPool2d))
        backbone[third].ceil_mode = True  # 300 pixels give 38 places here, as in the paper
        self.scale_weight = nn.Parameter(torch.ones(512) * 20)
        self.features = nn.Sequential(*backbone[:fourth])
        extra = nn.ModuleList(
            [
                relu_pairs(nn.Conv2d(1024, 256, 1), nn.Conv2d(256, 512, 3, padding=1, stride=2)),
                relu_pairs(nn.Conv2d(512, 128, 1), nn.Conv2d(128, 256, 3, padding=1, stride=2)),
                relu_pairs(nn.Conv2d(256, 128, 1), nn.Conv2d(128, 256, 3)),
                relu_pairs(nn.Conv2d(256, 128, 1), nn.Conv2d(128, 256, 3)),
            ]
        )
        if highres:
            extra.append(relu_pairs(nn.Conv2d(256, 128, 1), nn.Conv2d(128, 256, 4)))
        xavier(extra)
        dense = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=False),
            *relu_pairs(nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1)),
        )
        xavier(dense)
        extra.insert(0, nn.Sequential(*backbone[fourth:-1], dense))
        self.extra = extra

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.features(x)
        maps = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return OrderedDict((str(i), t) for i, t in enumerate(maps))


def vgg_extractor(model: Any, highres: bool, trained: int) -> SSDFeatureExtractorVGG:
    features = model.features
    pools = [i for i, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    freeze_stages(features, [0, *pools[:-1]], trained)
    return SSDFeatureExtractorVGG(features, highres)


def without_size(kwargs: dict[str, Any]) -> None:
    if "size" in kwargs:
        warnings.warn("The size of the model is already fixed; ignoring the parameter.", stacklevel=5)
        del kwargs["size"]


def make(
    trained: Any,
    progress: bool,
    *,
    num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_FEATURES",
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> SSD:
    without_size(kwargs)
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 5, 4)
    backbone = vgg_extractor(get_model("vgg16", weights=weights_backbone, progress=progress), False, layers)
    boxes = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
        steps=[8, 16, 32, 64, 100, 300],
    )
    # the published VGG was trained on bytes, less their means
    defaults = {"image_mean": [0.48235, 0.45882, 0.40784], "image_std": [1.0 / 255.0] * 3}
    return SSD(backbone, boxes, (300, 300), num_classes or 91, **{**defaults, **kwargs})


family(globals(), make, {"ssd300_vgg16": ("SSD300_VGG16", {})})
