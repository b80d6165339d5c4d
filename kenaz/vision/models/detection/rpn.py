"""The region proposal network of "Faster R-CNN" (2015): which anchors hold something, and where it is."""

from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import Conv2dNormActivation, batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes
from ._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher, Target, by_place, initialize, rows
from .anchor_utils import AnchorGenerator
from .image_list import ImageList

__all__ = ["AnchorGenerator", "RPNHead", "RegionProposalNetwork"]

Tensor = torch.Tensor
F = nn.functional


class RPNHead(nn.Module):
    """For every anchor of every map a score and the code of a box."""

    _version = 2

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(Conv2dNormActivation(in_channels, in_channels, 3, norm_layer=None) for _ in range(conv_depth))
        )
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, kernel_size=1, stride=1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=1, stride=1)
        initialize(self)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, metadata: dict, *rest: Any) -> None:
        if (metadata.get("version") or 1) < 2:  # the convolution of old files is not inside a block
            for kind in ("weight", "bias"):
                if f"{prefix}conv.{kind}" in state_dict:
                    state_dict[f"{prefix}conv.0.0.{kind}"] = state_dict.pop(f"{prefix}conv.{kind}")
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        seen = [self.conv(features) for features in x]
        return [self.cls_logits(t) for t in seen], [self.bbox_pred(t) for t in seen]


class RegionProposalNetwork(nn.Module):
    """Proposes boxes: the best of each map, without those that overlap a better one.

    `pre_nms_top_n` and `post_nms_top_n` say how many stay before and after that, in "training" and in "testing".
    """

    def __init__(
        self,
        anchor_generator: nn.Module,
        head: nn.Module,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_top_n: dict[str, int],
        post_nms_top_n: dict[str, int],
        nms_thresh: float,
        score_thresh: float = 0.0,
    ) -> None:
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.box_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.box_similarity = box_iou
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self._pre_nms_top_n = pre_nms_top_n
        self._post_nms_top_n = post_nms_top_n
        self.nms_thresh = nms_thresh
        self.score_thresh = score_thresh
        self.min_size = 1e-3

    def pre_nms_top_n(self) -> int:
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        return self._post_nms_top_n["training" if self.training else "testing"]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """For each image the labels of its anchors (1, 0 or, to be ignored, -1), and the boxes that they belong to."""
        pairs = [self.assigned(known, target["boxes"]) for known, target in zip(anchors, targets)]
        return [labels for labels, _ in pairs], [boxes for _, boxes in pairs]

    def assigned(self, anchors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        if boxes.numel() == 0:
            return torch.zeros((len(anchors),), device=anchors.device), torch.zeros_like(anchors)
        matched = self.proposal_matcher(self.box_similarity(boxes, anchors))
        labels = (matched >= 0).to(torch.float32)
        labels[matched == Matcher.BETWEEN_THRESHOLDS] = -1.0
        return labels, boxes[matched.clamp(min=0)]

    def best_of_maps(self, scores: Tensor, counts: list[int]) -> Tensor:
        """The positions [N, K] of the best scores of each map, in the rows of all maps [N, M]."""
        found, start = [], 0
        for part in scores.split(counts, 1):
            best = part.topk(min(self.pre_nms_top_n(), part.shape[1]), dim=1)[1]
            found.append(best + start)
            start += part.shape[1]
        return torch.cat(found, dim=1)

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """For each image the boxes that stay, the best first, and their scores."""
        scores = objectness.detach().reshape(len(proposals), -1)
        levels = torch.cat([torch.full((n,), i, dtype=torch.int64) for i, n in enumerate(num_anchors_per_level)])
        best = self.best_of_maps(scores, num_anchors_per_level)
        image = torch.arange(len(proposals), device=scores.device)[:, None]
        chosen = zip(
            proposals[image, best], scores[image, best].sigmoid(), levels.to(scores.device)[best], image_shapes
        )
        kept = [self.filtered(*of_image) for of_image in chosen]
        return [boxes for boxes, _ in kept], [probabilities for _, probabilities in kept]

    def filtered(
        self, boxes: Tensor, scores: Tensor, level: Tensor, image_shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        boxes = clip_boxes_to_image(boxes, image_shape)
        boxes, scores, level = rows(remove_small_boxes(boxes, self.min_size), boxes, scores, level)
        boxes, scores, level = rows(torch.where(scores >= self.score_thresh)[0], boxes, scores, level)
        keep = batched_nms(boxes, scores, level, self.nms_thresh)[: self.post_nms_top_n()]
        return boxes[keep], scores[keep]

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """(the scores' loss, the boxes' loss), over a sample of the anchors."""
        positive, negative = (torch.where(torch.cat(mask))[0] for mask in self.fg_bg_sampler(labels))
        sampled = torch.cat([positive, negative])
        wanted, score = torch.cat(labels), objectness.flatten()
        box_loss = F.smooth_l1_loss(
            pred_bbox_deltas[positive], torch.cat(regression_targets)[positive], beta=1 / 9, reduction="sum"
        )
        score_loss = F.binary_cross_entropy_with_logits(score[sampled], wanted[sampled])
        return score_loss, box_loss / sampled.numel()

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[Target] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        maps = list(features.values())
        scores, codes = self.head(maps)
        anchors = self.anchor_generator(images, maps)
        counts = [t.shape[1] * t.shape[2] * t.shape[3] for t in scores]
        objectness = torch.cat([by_place(t, 1) for t in scores], 1).flatten(0, -2)
        deltas = torch.cat([by_place(t, 4) for t in codes], 1).reshape(-1, 4)
        # the proposals' gradient does not go back into the network that made them
        proposals = self.box_coder.decode(deltas.detach(), anchors).view(len(anchors), -1, 4)
        boxes, _ = self.filter_proposals(proposals, objectness, images.image_sizes, counts)
        if not self.training:
            return boxes, {}
        if targets is None:
            raise ValueError("targets should not be None")
        labels, matched = self.assign_targets_to_anchors(anchors, targets)
        losses = self.compute_loss(objectness, deltas, labels, list(self.box_coder.encode(matched, anchors)))
        return boxes, {"loss_objectness": losses[0], "loss_rpn_box_reg": losses[1]}
