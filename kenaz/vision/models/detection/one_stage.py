"""Detection in one stage: a head looks at every place of every map, and its best boxes are the answer."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import batched_nms, clip_boxes_to_image
from ._utils import Target, check_boxes, check_sizes, sizes_of
from .image_list import ImageList

Tensor = torch.Tensor
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


class OneStageDetector(nn.Module):
    """What RetinaNet, FCOS and SSD share; each says how its head is trained, and how its numbers are boxes.

    A class of its own has `backbone`, `anchor_generator`, `head`, `transform`, `nms_thresh` and `detections_per_img`,
    and defines `losses` and `candidates`.
    """

    transform: Any
    backbone: Any
    anchor_generator: Any
    head: Any
    nms_thresh: float
    detections_per_img: int

    def forward(self, images: list[Tensor], targets: list[Target] | None = None) -> Any:
        """The losses by name in training; otherwise boxes, scores and labels of each image."""
        if self.training:
            check_boxes(targets)
        original_sizes = sizes_of(images)
        batch, targets = self.transform(images, targets)
        check_sizes(targets or [])
        features = self.backbone(batch.tensors)
        if isinstance(features, Tensor):
            features = OrderedDict([("0", features)])
        maps = list(features.values())
        outputs = self.head(maps)
        anchors = self.anchor_generator(batch, maps)
        if self.training:
            return self.losses(targets or [], outputs, anchors, maps)
        detections = self.postprocess_detections(outputs, anchors, batch, maps)
        return self.transform.postprocess(detections, batch.image_sizes, original_sizes)

    def losses(
        self, targets: list[Target], outputs: dict[str, Tensor], anchors: list[Tensor], maps: list[Tensor]
    ) -> dict[str, Tensor]:
        raise NotImplementedError

    def candidates(
        self, outputs: dict[str, Tensor], anchors: Tensor, image_shape: tuple[int, int], counts: list[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and labels of one image, before those that overlap better ones are dropped."""
        raise NotImplementedError

    def postprocess_detections(
        self, outputs: dict[str, Tensor], anchors: list[Tensor], batch: ImageList, maps: list[Tensor]
    ) -> list[Target]:
        places = [m.shape[-2] * m.shape[-1] for m in maps]
        per_place = len(anchors[0]) // sum(places)
        counts = [n * per_place for n in places] if per_place * sum(places) == len(anchors[0]) else []
        detections = []
        for i, shape in enumerate(batch.image_sizes):
            of_image = {name: t[i] for name, t in outputs.items()}
            boxes, scores, labels = self.candidates(of_image, anchors[i], shape, counts)
            keep = batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections_per_img]
            detections.append({"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]})
        return detections


def best_of_maps(
    scores: Tensor,
    codes: Tensor,
    anchors: Tensor,
    counts: list[int],
    threshold: float,
    most: int,
    decode: Callable[[Tensor, Tensor], Tensor],
    image_shape: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each map at most `most` boxes whose score [M, classes] exceeds the threshold: boxes, scores, labels."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for score, code, known in zip(scores.split(counts), codes.split(counts), anchors.split(counts)):
        flat = score.flatten()
        high = torch.where(flat > threshold)[0]
        best, order = flat[high].topk(min(most, len(high)))
        place = high[order]
        row = place // score.shape[-1]
        boxes = clip_boxes_to_image(decode(code[row], known[row]), image_shape)
        found.append((boxes, best, place % score.shape[-1]))
    boxes, best, labels = (torch.cat(parts) for parts in zip(*found))
    return boxes, best, labels


def one_hot(labels: Tensor, rows: Tensor, like: Tensor) -> Tensor:
    """Zeros of the shape [M, classes] of `like`, with a one in each of the rows for its label."""
    wanted = torch.zeros_like(like)
    wanted[rows, labels] = 1.0
    return wanted


def average(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).sum() / max(1, len(losses))
