"""What detectors share: codes of boxes, who is matched to whom, samples of them, losses, and checks of targets."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import FrozenBatchNorm2d, complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss

Tensor = torch.Tensor
Target = dict[str, Tensor]
F = nn.functional


class BalancedPositiveNegativeSampler:
    """Of labels (1 and more: positive, 0: negative, less: ignored) a random part, of each image by itself.

    At most `positive_fraction` of the `batch_size_per_image` are positive. Gives a mask of the positive and one of the
    negative ones for each image.
    """

    def __init__(self, batch_size_per_image: int, positive_fraction: float) -> None:
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction

    def __call__(self, matched_idxs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        positive, negative = zip(*(self.sampled(labels) for labels in matched_idxs))
        return list(positive), list(negative)

    def sampled(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        candidates = [torch.where(labels >= 1)[0], torch.where(labels == 0)[0]]
        positive = min(int(self.batch_size_per_image * self.positive_fraction), candidates[0].numel())
        negative = min(self.batch_size_per_image - positive, candidates[1].numel())
        masks = []
        for found, count in zip(candidates, (positive, negative)):
            mask = torch.zeros_like(labels, dtype=torch.uint8)
            mask[found[torch.randperm(found.numel(), device=found.device)[:count]]] = 1
            masks.append(mask)
        return masks[0], masks[1]


def middle_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The middles (x, y) and the sizes (width, height) of boxes [..., 4]."""
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size


class BoxCoder:
    """Boxes as four numbers beside boxes that are known: how far, in their sizes, and how much larger, as logarithms.

    The numbers are multiplied by `weights`; a box grows to at most exp(`bbox_xform_clip`) times the size.

    >>> coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    >>> coder.encode_single(torch.tensor([[1., 0, 5, 4]]), torch.tensor([[0., 0, 4, 4]]))
    tensor([[0.2500, 0.0000, 0.0000, 0.0000]])
    """

    def __init__(self, weights: tuple[float, ...], bbox_xform_clip: float = math.log(1000.0 / 16)) -> None:
        self.weights = weights
        self.bbox_xform_clip = bbox_xform_clip

    def encode(self, reference_boxes: list[Tensor], proposals: list[Tensor]) -> tuple[Tensor, ...]:
        codes = self.encode_single(torch.cat(reference_boxes), torch.cat(proposals))
        return codes.split([len(boxes) for boxes in reference_boxes], 0)

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        middle, size = middle_and_size(reference_boxes)
        known_middle, known_size = middle_and_size(proposals)
        codes = torch.cat([(middle - known_middle) / known_size, torch.log(size / known_size)], 1)
        return codes * torch.as_tensor(self.weights, dtype=codes.dtype, device=codes.device)

    def decode(self, rel_codes: Tensor, boxes: list[Tensor]) -> Tensor:
        """Boxes [N, classes, 4] of codes [N, 4 classes], N being all boxes of all images."""
        known = torch.cat(boxes)
        if len(known):
            rel_codes = rel_codes.reshape(len(known), -1)
        return self.decode_single(rel_codes, known).reshape(len(known), -1, 4)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        middle, size = (t.unsqueeze(1) for t in middle_and_size(boxes.to(rel_codes.dtype)))
        weights = torch.as_tensor(self.weights, dtype=rel_codes.dtype, device=rel_codes.device)
        codes = rel_codes.reshape(len(boxes), rel_codes.shape[1] // 4, 4) / weights
        middle = codes[..., :2] * size + middle
        half = codes[..., 2:].clamp(max=self.bbox_xform_clip).exp() * size * 0.5
        return torch.cat([middle - half, middle + half], -1).flatten(1)


class BoxLinearCoder:
    """Boxes as the distances of their sides from the middles of boxes that are known, in sizes of these (FCOS)."""

    def __init__(self, normalize_by_size: bool = True) -> None:
        self.normalize_by_size = normalize_by_size

    def scale(self, boxes: Tensor) -> tuple[Tensor, Tensor | float]:
        middle, size = middle_and_size(boxes)
        middle = 0.5 * (boxes[..., :2] + boxes[..., 2:])
        return middle, torch.cat([size, size], -1) if self.normalize_by_size else 1.0

    def encode(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        middle, scale = self.scale(reference_boxes)
        return torch.cat([middle - proposals[..., :2], proposals[..., 2:] - middle], -1) / scale

    def decode(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        middle, scale = self.scale(boxes.to(rel_codes.dtype))
        distances = rel_codes * scale
        return torch.cat([middle - distances[..., :2], middle + distances[..., 2:]], -1)


class Matcher:
    """For each column of a matrix of overlaps [true boxes, M] the row that overlaps most: [M].

    -1 where that is below `low_threshold`, -2 where it is between the thresholds. With `allow_low_quality_matches`
    each row keeps the columns that overlap it most, however little.

    >>> Matcher(0.7, 0.3)(torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.0, 0.6]]))
    tensor([ 0, -1, -2])
    """

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __init__(self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False) -> None:
        torch._assert(low_threshold <= high_threshold, "low_threshold should be <= high_threshold")
        self.high_threshold = high_threshold
        self.low_threshold = low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        if match_quality_matrix.numel() == 0:
            what = "ground-truth" if match_quality_matrix.shape[0] == 0 else "proposal"
            raise ValueError(f"No {what} boxes available for one of the images during training")
        best, row = match_quality_matrix.max(dim=0)
        matches = torch.where(best < self.high_threshold, self.BETWEEN_THRESHOLDS, row)
        matches = torch.where(best < self.low_threshold, self.BELOW_LOW_THRESHOLD, matches)
        if self.allow_low_quality_matches:
            best_of_row = match_quality_matrix.max(dim=1, keepdim=True)[0]
            matches = torch.where((match_quality_matrix == best_of_row).any(0), row, matches)
        return matches


class SSDMatcher(Matcher):
    """A `Matcher` by which each true box has at least the one that overlaps it most."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold, threshold)

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        matches = super().__call__(match_quality_matrix)
        best = match_quality_matrix.max(dim=1)[1]
        matches[best] = torch.arange(len(best), dtype=torch.int64, device=best.device)
        return matches


IOU_LOSSES = {"giou": generalized_box_iou_loss, "diou": distance_box_iou_loss, "ciou": complete_box_iou_loss}


def box_loss(
    kind: str,
    box_coder: BoxCoder,
    anchors: Tensor,
    matched_gt_boxes: Tensor,
    bbox_regression: Tensor,
    cnf: dict[str, float] | None = None,
) -> Tensor:
    """How wrong boxes are, summed: by their codes ("l1", "smooth_l1") or by their overlaps ("giou", "diou", "ciou")."""
    torch._assert(kind in ("l1", "smooth_l1", *IOU_LOSSES), f"Unsupported loss: {kind}")
    cnf = cnf or {}
    if kind in IOU_LOSSES:
        boxes = box_coder.decode_single(bbox_regression, anchors)
        return IOU_LOSSES[kind](boxes, matched_gt_boxes, reduction="sum", eps=cnf.get("eps", 1e-7))
    wanted = box_coder.encode_single(matched_gt_boxes, anchors)
    if kind == "l1":
        return F.l1_loss(bbox_regression, wanted, reduction="sum")
    return F.smooth_l1_loss(bbox_regression, wanted, reduction="sum", beta=cnf.get("beta", 1.0))


def overwrite_eps(model: nn.Module, eps: float) -> None:
    """Sets the epsilon of every frozen normalisation: the first published weights were trained with none."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def retrieve_out_channels(model: Any, size: tuple[int, int]) -> list[int]:
    """How many channels each of the maps has that a backbone gives for an image of (width, height)."""
    training = model.training
    model.eval()
    with torch.no_grad():
        device = next(model.parameters()).device
        features = model(torch.zeros((1, 3, size[1], size[0]), device=device))
    model.train(training)
    return [features.size(1)] if isinstance(features, Tensor) else [x.size(1) for x in features.values()]


def trainable_layers(is_trained: bool, count: int | None, most: int, default: int) -> int:
    """How many stages of a backbone are trained; all of them where nothing was trained before."""
    if not is_trained:
        if count is not None:
            warnings.warn(
                "Changing trainable_backbone_layers has no effect if neither pretrained nor pretrained_backbone have "
                f"been set to True, falling back to trainable_backbone_layers={most} so that all layers are trainable",
                stacklevel=4,
            )
        count = most
    count = default if count is None else count
    if not 0 <= count <= most:
        raise ValueError(f"Trainable backbone layers should be in the range [0,{most}], got {count} ")
    return count


def check_boxes(targets: Sequence[Target] | None) -> None:
    """Refuses targets without boxes [N, 4]."""
    if targets is None:
        torch._assert(False, "targets should not be none when in training mode")
        return
    for target in targets:
        boxes = target["boxes"]
        torch._assert(isinstance(boxes, Tensor), f"Expected target boxes to be of type Tensor, got {type(boxes)}.")
        torch._assert(
            len(boxes.shape) == 2 and boxes.shape[-1] == 4,
            f"Expected target boxes to be a tensor of shape [N, 4], got {boxes.shape}.",
        )


def check_sizes(targets: Sequence[Target]) -> None:
    """Refuses boxes without an area."""
    for i, target in enumerate(targets):
        empty = (target["boxes"][:, 2:] <= target["boxes"][:, :2]).any(dim=1)
        if empty.any():
            box = target["boxes"][empty][0].tolist()
            torch._assert(
                False,
                "All bounding boxes should have positive height and width. "
                f"Found invalid box {box} for target at index {i}.",
            )


def sizes_of(images: Sequence[Tensor]) -> list[tuple[int, int]]:
    """(height, width) of each image."""
    for image in images:
        torch._assert(
            len(image.shape[-2:]) == 2,
            f"expecting the last two dimensions of the Tensor to be H and W instead got {image.shape[-2:]}",
        )
    return [(image.shape[-2], image.shape[-1]) for image in images]


def rows(keep: Tensor, *tensors: Tensor) -> list[Tensor]:
    """The same rows of several tensors."""
    return [t[keep] for t in tensors]


def by_place(scores: Tensor, columns: int) -> Tensor:
    """[N, A * columns, H, W] as [N, H * W * A, columns]: the numbers of an anchor beside each other."""
    n, _, height, width = scores.shape
    return scores.view(n, -1, columns, height, width).permute(0, 3, 4, 1, 2).reshape(n, -1, columns)


def initialize(module: nn.Module, std: float = 0.01) -> None:
    """Normal weights and no offsets in every convolution."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, mean=0.0, std=std)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)
