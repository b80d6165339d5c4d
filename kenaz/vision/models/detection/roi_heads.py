"""The second stage of detectors: proposed boxes get a class and a better place, and perhaps a mask and key points."""

from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes, roi_align
from ._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher, Target, rows

Tensor = torch.Tensor
F = nn.functional


def fastrcnn_loss(
    class_logits: Tensor, box_regression: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """(the classes' loss, the boxes' loss); the second one is of boxes that hold something, in their class's code."""
    classes = torch.cat(labels)
    positive = torch.where(classes > 0)[0]
    codes = box_regression.reshape(len(classes), box_regression.size(-1) // 4, 4)[positive, classes[positive]]
    wanted = torch.cat(regression_targets)[positive]
    box_loss = F.smooth_l1_loss(codes, wanted, beta=1 / 9, reduction="sum") / classes.numel()
    return F.cross_entropy(class_logits, classes), box_loss


def maskrcnn_inference(x: Tensor, labels: list[Tensor]) -> list[Tensor]:
    """For each image the masks [L, 1, M, M] of its detections: of scores [K, classes, M, M] the found class's."""
    classes = torch.cat(labels)
    chosen = x.sigmoid()[torch.arange(len(x), device=classes.device), classes][:, None]
    return list(chosen.split([len(of_image) for of_image in labels]))


def project_masks_on_boxes(gt_masks: Tensor, boxes: Tensor, matched_idxs: Tensor, M: int) -> Tensor:
    """The true masks [K, M, M] within boxes [K, 4], each of the mask that `matched_idxs` says."""
    rois = torch.cat([matched_idxs.to(boxes)[:, None], boxes], dim=1)
    return roi_align(gt_masks[:, None].to(rois), rois, (M, M), 1.0)[:, 0]


def maskrcnn_loss(
    mask_logits: Tensor,
    proposals: list[Tensor],
    gt_masks: list[Tensor],
    gt_labels: list[Tensor],
    mask_matched_idxs: list[Tensor],
) -> Tensor:
    """The cross-entropy of every place of the masks of the true classes."""
    labels = torch.cat([classes[matched] for classes, matched in zip(gt_labels, mask_matched_idxs)])
    projected = zip(gt_masks, proposals, mask_matched_idxs)
    wanted = torch.cat([project_masks_on_boxes(*of_image, mask_logits.shape[-1]) for of_image in projected])
    if wanted.numel() == 0:
        return mask_logits.sum() * 0
    chosen = mask_logits[torch.arange(len(labels), device=labels.device), labels]
    return F.binary_cross_entropy_with_logits(chosen, wanted)


def keypoints_to_heatmap(keypoints: Tensor, rois: Tensor, heatmap_size: int) -> tuple[Tensor, Tensor]:
    """The places [K, points] of points [K, points, 3] in heat maps of their boxes, and 1 where one is seen there."""
    start = rois[:, None, :2]
    scale = heatmap_size / (rois[:, None, 2:] - start)
    place = ((keypoints[..., :2] - start) * scale).floor().long()
    place = torch.where(keypoints[..., :2] == rois[:, None, 2:], heatmap_size - 1, place)  # on the far edge: within
    inside = ((place >= 0) & (place < heatmap_size)).all(-1)
    valid = (inside & (keypoints[..., 2] > 0)).long()
    return (place[..., 1] * heatmap_size + place[..., 0]) * valid, valid


def heatmaps_to_keypoints(maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
    """The hottest places [K, points, (x, y, 1)] of maps [K, points, M, M] laid over boxes, and how hot they are."""
    size = (rois[:, 2:] - rois[:, :2]).clamp(min=1)
    whole = size.ceil()
    points = torch.ones((len(rois), maps.shape[1], 3), dtype=torch.float32, device=maps.device)
    scores = torch.zeros((len(rois), maps.shape[1]), dtype=torch.float32, device=maps.device)
    for i, (width, height) in enumerate(whole.int().tolist()):
        options: dict[str, Any] = {"mode": "bicubic", "align_corners": False}
        heat = F.interpolate(maps[i][:, None], size=(height, width), **options).flatten(1)
        hottest = heat.argmax(dim=1)
        place = torch.stack([hottest % width, hottest // width], 1)
        points[i, :, :2] = (place.float() + 0.5) * (size[i] / whole[i]) + rois[i, :2]
        scores[i] = heat.gather(1, hottest[:, None])[:, 0]
    return points, scores


def keypointrcnn_loss(
    keypoint_logits: Tensor, proposals: list[Tensor], gt_keypoints: list[Tensor], keypoint_matched_idxs: list[Tensor]
) -> Tensor:
    """The cross-entropy of the places of the points that are seen."""
    count, points, height, width = keypoint_logits.shape
    if height != width:
        raise ValueError(
            "keypoint_logits height and width (last two elements of shape) should be equal. Instead got "
            f"H = {height} and W = {width}"
        )
    triples = zip(gt_keypoints, keypoint_matched_idxs, proposals)
    pairs = [keypoints_to_heatmap(known[matched], boxes, height) for known, matched, boxes in triples]
    places = torch.cat([place.view(-1) for place, _ in pairs])
    seen = torch.where(torch.cat([valid.view(-1) for _, valid in pairs]))[0]
    if seen.numel() == 0:
        return keypoint_logits.sum() * 0
    return F.cross_entropy(keypoint_logits.view(count * points, height * width)[seen], places[seen])


def keypointrcnn_inference(x: Tensor, boxes: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """For each image the points of its detections, and their scores."""
    parts = x.split([len(of_image) for of_image in boxes], dim=0)
    pairs = [heatmaps_to_keypoints(of_image, rois) for of_image, rois in zip(parts, boxes)]
    return [points for points, _ in pairs], [scores for _, scores in pairs]


def expand_boxes(boxes: Tensor, scale: float) -> Tensor:
    """The boxes [N, 4] enlarged around their middles."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * scale
    middle = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return torch.cat([middle - half, middle + half], 1)


def paste_mask_in_image(mask: Tensor, box: list[int], im_h: int, im_w: int) -> Tensor:
    """A mask [M, M] at the place of its box in an image that is 0 elsewhere."""
    left, top, right, bottom = box
    width, height = max(right - left + 1, 1), max(bottom - top + 1, 1)
    mask = F.interpolate(mask[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0]
    pasted = torch.zeros((im_h, im_w), dtype=mask.dtype, device=mask.device)
    x1, x2, y1, y2 = max(left, 0), min(right + 1, im_w), max(top, 0), min(bottom + 1, im_h)
    pasted[y1:y2, x1:x2] = mask[y1 - top : y2 - top, x1 - left : x2 - left]
    return pasted


def paste_masks_in_image(masks: Tensor, boxes: Tensor, img_shape: tuple[int, int], padding: int = 1) -> Tensor:
    """Masks [N, 1, M, M] of boxes [N, 4] as masks [N, 1, H, W] of the image."""
    height, width = img_shape
    size = masks.shape[-1]
    # a border of zeros lets the edges of a mask fade out
    padded = F.pad(masks, (padding,) * 4)[:, 0]
    places = expand_boxes(boxes, (size + 2 * padding) / size).to(torch.int64).tolist()
    if not places:
        return masks.new_empty((0, 1, height, width))
    return torch.stack([paste_mask_in_image(m, b, height, width) for m, b in zip(padded, places)])[:, None]


class RoIHeads(nn.Module):
    """Pools the features of proposed boxes, and finds what is in them.

    In training a sample of the proposals is compared with what they overlap, and the losses are given by name.
    """

    def __init__(
        self,
        box_roi_pool: Any,
        box_head: Any,
        box_predictor: Any,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        bbox_reg_weights: tuple[float, ...] | None,
        score_thresh: float,
        nms_thresh: float,
        detections_per_img: int,
        mask_roi_pool: Any = None,
        mask_head: Any = None,
        mask_predictor: Any = None,
        keypoint_roi_pool: Any = None,
        keypoint_head: Any = None,
        keypoint_predictor: Any = None,
    ) -> None:
        super().__init__()
        self.box_similarity = box_iou
        self.proposal_matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=False)
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(batch_size_per_image, positive_fraction)
        self.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0) if bbox_reg_weights is None else bbox_reg_weights)
        self.box_roi_pool = box_roi_pool
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.mask_roi_pool = mask_roi_pool
        self.mask_head = mask_head
        self.mask_predictor = mask_predictor
        self.keypoint_roi_pool = keypoint_roi_pool
        self.keypoint_head = keypoint_head
        self.keypoint_predictor = keypoint_predictor

    def has_mask(self) -> bool:
        return not any(part is None for part in (self.mask_roi_pool, self.mask_head, self.mask_predictor))

    def has_keypoint(self) -> bool:
        return not any(part is None for part in (self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor))

    def assigned(self, proposals: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(the number of the true box, the class) of each proposal; class 0: nothing, -1: to be ignored."""
        if boxes.numel() == 0:
            nothing = torch.zeros((len(proposals),), dtype=torch.int64, device=proposals.device)
            return nothing, nothing
        matched = self.proposal_matcher(self.box_similarity(boxes, proposals))
        classes = torch.where(matched == Matcher.BELOW_LOW_THRESHOLD, 0, labels[matched.clamp(min=0)])
        classes = torch.where(matched == Matcher.BETWEEN_THRESHOLDS, -1, classes)
        return matched.clamp(min=0), classes.to(torch.int64)

    def check_targets(self, targets: list[Target] | None) -> None:
        if targets is None:
            raise ValueError("targets should not be None")
        needed = ["boxes", "labels"] + (["masks"] if self.has_mask() else [])
        for name in needed:
            if not all(name in target for target in targets):
                raise ValueError(f"Every element of targets should have a {name} key")

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """For each image a sample of proposals and true boxes: boxes, number of the true box, classes, codes."""
        self.check_targets(targets)
        known = [target["boxes"].to(proposals[0].dtype) for target in targets]
        proposals = [torch.cat(pair) for pair in zip(proposals, known)]
        triples = zip(proposals, known, (target["labels"] for target in targets))
        assigned = [self.assigned(*of_image) for of_image in triples]
        masks = zip(*self.fg_bg_sampler([classes for _, classes in assigned]))
        samples = [torch.where(positive | negative)[0] for positive, negative in masks]
        chosen = [boxes[sample] for boxes, sample in zip(proposals, samples)]
        numbers = [matched[sample] for (matched, _), sample in zip(assigned, samples)]
        classes = [labels[sample] for (_, labels), sample in zip(assigned, samples)]
        true = [(boxes if len(boxes) else boxes.new_zeros((1, 4)))[i] for boxes, i in zip(known, numbers)]
        return chosen, numbers, classes, list(self.box_coder.encode(true, chosen))

    def postprocess_detections(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """For each image boxes, scores and labels, the best first."""
        counts = [len(boxes) for boxes in proposals]
        boxes = self.box_coder.decode(box_regression, proposals).split(counts, 0)
        scores = F.softmax(class_logits, -1).split(counts, 0)
        found = [self.detected(*of_image) for of_image in zip(boxes, scores, image_shapes)]
        return [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]

    def detected(self, boxes: Tensor, scores: Tensor, image_shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        classes = scores.shape[-1]
        labels = torch.arange(1, classes, device=scores.device).expand(len(scores), classes - 1).reshape(-1)
        boxes = clip_boxes_to_image(boxes, image_shape)[:, 1:].reshape(-1, 4)  # class 0 is nothing
        scores = scores[:, 1:].reshape(-1)
        boxes, scores, labels = rows(torch.where(scores > self.score_thresh)[0], boxes, scores, labels)
        boxes, scores, labels = rows(remove_small_boxes(boxes, min_size=1e-2), boxes, scores, labels)
        keep = batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections_per_img]
        return boxes[keep], scores[keep], labels[keep]

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
    ) -> tuple[list[Target], dict[str, Tensor]]:
        self.check_types(targets or [])
        matched: list[Tensor] = []
        labels: list[Tensor] = []
        if self.training:
            self.check_targets(targets)
            proposals, matched, labels, codes = self.select_training_samples(proposals, targets or [])
        seen = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        class_logits, box_regression = self.box_predictor(seen)
        if self.training:
            class_loss, box_loss = fastrcnn_loss(class_logits, box_regression, labels, codes)
            losses = {"loss_classifier": class_loss, "loss_box_reg": box_loss}
            # masks and points are learned from the proposals that hold something
            holding = [torch.where(classes > 0)[0] for classes in labels]
            proposals = [boxes[keep] for boxes, keep in zip(proposals, holding)]
            matched = [numbers[keep] for numbers, keep in zip(matched, holding)]
            more = self.extra_losses(features, proposals, matched, image_shapes, targets or [])
            return [], {**losses, **more}
        found = self.postprocess_detections(class_logits, box_regression, proposals, image_shapes)
        result = [{"boxes": b, "labels": n, "scores": s} for b, s, n in zip(*found)]
        self.add_extras(features, result, image_shapes)
        return result, {}

    def check_types(self, targets: list[Target]) -> None:
        for target in targets:
            if target["boxes"].dtype not in (torch.float, torch.double, torch.half):
                raise TypeError(f"target boxes must of float type, instead got {target['boxes'].dtype}")
            if target["labels"].dtype != torch.int64:
                raise TypeError(f"target labels must of int64 type, instead got {target['labels'].dtype}")
            if self.has_keypoint() and target["keypoints"].dtype != torch.float32:
                raise TypeError(f"target keypoints must of float type, instead got {target['keypoints'].dtype}")

    def masks_of(self, features: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[Any]) -> Tensor:
        return self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, image_shapes)))

    def keypoints_of(self, features: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[Any]) -> Tensor:
        return self.keypoint_predictor(self.keypoint_head(self.keypoint_roi_pool(features, boxes, image_shapes)))

    def extra_losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        matched: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target],
    ) -> dict[str, Tensor]:
        losses = {}
        if self.has_mask():
            logits = self.masks_of(features, proposals, image_shapes)
            masks, classes = ([target[name] for target in targets] for name in ("masks", "labels"))
            losses["loss_mask"] = maskrcnn_loss(logits, proposals, masks, classes, matched)
        if self.has_keypoint():
            logits = self.keypoints_of(features, proposals, image_shapes)
            points = [target["keypoints"] for target in targets]
            losses["loss_keypoint"] = keypointrcnn_loss(logits, proposals, points, matched)
        return losses

    def add_extras(
        self, features: dict[str, Tensor], result: list[Target], image_shapes: list[tuple[int, int]]
    ) -> None:
        boxes = [found["boxes"] for found in result]
        if self.has_mask():
            logits = self.masks_of(features, boxes, image_shapes)
            for masks, found in zip(maskrcnn_inference(logits, [f["labels"] for f in result]), result):
                found["masks"] = masks
        if self.has_keypoint():
            points, scores = keypointrcnn_inference(self.keypoints_of(features, boxes, image_shapes), boxes)
            for found, of_image, score in zip(result, points, scores):
                found["keypoints"], found["keypoints_scores"] = of_image, score
