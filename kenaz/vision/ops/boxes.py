"""Boxes as rows (x1, y1, x2, y2): areas, overlaps, conversions, and the choice among boxes that overlap."""

import math
from collections.abc import Callable

import numpy as np

from ... import _api as torch

Tensor = torch.Tensor


def as_float(x: Tensor) -> Tensor:
    """Numbers in a type whose products do not overflow: float32 at least, int64 for integers."""
    if x.is_floating_point():
        return x if x.dtype in (torch.float32, torch.float64) else x.float()
    return x if x.dtype in (torch.int32, torch.int64) else x.int()


def suppressed(boxes: np.ndarray, order: np.ndarray, iou_threshold: float) -> list[int]:
    """The greedy choice: in this order, each box that overlaps none of those chosen before by more than allowed."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.clip(np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]), 0, None)
        height = np.clip(np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]), 0, None)
        shared = width * height
        with np.errstate(divide="ignore", invalid="ignore"):
            order = rest[~(shared / (areas[best] + areas[rest] - shared) > iou_threshold)]
    return kept


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: the indices of the boxes [N, 4] that overlap no better one by more than the threshold.

    The best comes first. Raises RuntimeError for boxes or scores of another shape.

    >>> nms(torch.tensor([[0., 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]]), torch.tensor([0.5, 0.9, 0.7]), 0.5)
    tensor([1, 2])
    """
    if boxes.dim() != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.dim()}D")
    if boxes.size(1) != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.size(1)}")
    if scores.dim() != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.dim()}D")
    if boxes.size(0) != scores.size(0):
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, "
            f"got {boxes.size(0)} and {scores.size(0)}"
        )
    order = torch.sort(scores.detach(), stable=True, descending=True)[1]
    kept = suppressed(boxes.detach().cpu().numpy(), order.cpu().numpy(), iou_threshold)
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` among the boxes of each class by itself; `idxs` [N] says which class a box has. The best comes first.

    >>> boxes = torch.tensor([[0., 0, 2, 2], [0, 0, 2, 2]])
    >>> batched_nms(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64, device=boxes.device)
    # the classes moved so far apart that their boxes cannot meet
    apart = idxs.to(boxes) * (boxes.max() + torch.tensor(1).to(boxes))
    return nms(boxes + apart[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The indices of the boxes whose sides are at least `min_size` long.

    >>> remove_small_boxes(torch.tensor([[0., 0, 1, 9], [0, 0, 3, 3]]), 2)
    tensor([1])
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return torch.where((width >= min_size) & (height >= min_size))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The boxes [..., 4] cut to an image of (height, width).

    >>> clip_boxes_to_image(torch.tensor([[-1., 2, 9, 9]]), (5, 4))
    tensor([[0., 2., 4., 5.]])
    """
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def _from_center(boxes: Tensor) -> Tensor:
    x, y, w, h = boxes.unbind(-1)
    return torch.stack((x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h), dim=-1)


def _to_center(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def _from_corner(boxes: Tensor) -> Tensor:
    x, y, w, h = boxes.unbind(-1)
    return torch.stack((x, y, x + w, y + h), dim=-1)


def _to_corner(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack((x1, y1, x2 - x1, y2 - y1), dim=-1)


TO_CORNERS: dict[str, Callable[[Tensor], Tensor]] = {"xyxy": lambda b: b, "xywh": _from_corner, "cxcywh": _from_center}
FROM_CORNERS: dict[str, Callable[[Tensor], Tensor]] = {"xyxy": lambda b: b, "xywh": _to_corner, "cxcywh": _to_center}


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes [..., 4] between "xyxy" (two corners), "xywh" (a corner and the size), "cxcywh" (the middle and the size).

    Raises ValueError for another format.

    >>> box_convert(torch.tensor([1., 2, 5, 4]), "xyxy", "cxcywh")
    tensor([3., 3., 4., 2.])
    """
    if in_fmt not in TO_CORNERS or out_fmt not in TO_CORNERS:
        raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")
    return boxes.clone() if in_fmt == out_fmt else FROM_CORNERS[out_fmt](TO_CORNERS[in_fmt](boxes))


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """The areas of boxes [..., 4].

    >>> box_area(torch.tensor([[0., 0, 2, 3]]))
    tensor([6.])
    """
    boxes = as_float(boxes)
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def pairwise(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 1, 4] and [1, M, 4], which broadcast to every pair."""
    return boxes1[..., :, None, :], boxes2[..., None, :, :]


def shared_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The areas that boxes share, and those that they cover together; the shapes broadcast."""
    low = torch.max(a[..., :2], b[..., :2])
    high = torch.min(a[..., 2:], b[..., 2:])
    size = as_float(high - low).clamp(min=0)
    shared = size[..., 0] * size[..., 1]
    return shared, box_area(a) + box_area(b) - shared


def enclosing(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest box around both."""
    size = as_float(torch.max(a[..., 2:], b[..., 2:]) - torch.min(a[..., :2], b[..., :2])).clamp(min=0)
    return size[..., 0], size[..., 1]


def apart_squared(a: Tensor, b: Tensor) -> Tensor:
    """The squared distance of the middles."""
    middle = (a[..., :2] + a[..., 2:]) / 2 - (b[..., :2] + b[..., 2:]) / 2
    return as_float(middle).pow(2).sum(-1)


def angle_difference(a: Tensor, b: Tensor) -> Tensor:
    """How differently boxes are shaped: the squared difference of the angles of their diagonals, at most 1."""
    angles = [torch.atan(as_float((x[..., 2] - x[..., 0]) / (x[..., 3] - x[..., 1]))) for x in (a, b)]
    return 4 / math.pi**2 * (angles[1] - angles[0]).pow(2)


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Shared area over covered area, [N, M], of boxes [N, 4] and [M, 4].

    >>> box_iou(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[0., 0, 2, 1], [3, 3, 4, 4]]))
    tensor([[0.5000, 0.0000]])
    """
    shared, union = shared_and_union(*pairwise(*(box_convert(b, fmt, "xyxy") for b in (boxes1, boxes2))))
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou` less the share of the enclosing box that neither covers ("Generalized intersection over union", 2019).

    >>> generalized_box_iou(torch.tensor([[0., 0, 1, 1]]), torch.tensor([[1., 1, 2, 2]]))
    tensor([[-0.5000]])
    """
    a, b = pairwise(boxes1, boxes2)
    shared, union = shared_and_union(a, b)
    width, height = enclosing(a, b)
    around = width * height
    return shared / union - (around - union) / around


def _distance_iou(boxes1: Tensor, boxes2: Tensor, eps: float) -> Tensor:
    a, b = pairwise(boxes1, boxes2)
    shared, union = shared_and_union(a, b)
    width, height = enclosing(a, b)
    return shared / union - apart_squared(a, b) / (width**2 + height**2 + eps)


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`box_iou` less the squared distance of the middles in diagonals of the enclosing box ("Distance-IoU loss", 2019).

    >>> distance_box_iou(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[0., 0, 2, 2]]))
    tensor([[1.]])
    """
    return _distance_iou(boxes1, boxes2, eps)


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`distance_box_iou` less a term for boxes of another shape ("Distance-IoU loss", 2019).

    >>> complete_box_iou(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[0., 0, 2, 2]]))
    tensor([[1.]])
    """
    a, b = pairwise(boxes1, boxes2)
    shared, union = shared_and_union(a, b)
    difference = angle_difference(a, b)
    with torch.no_grad():
        weight = difference / (1 - shared / union + difference + eps)
    return _distance_iou(boxes1, boxes2, eps) - weight * difference


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The boxes [N, 4] around the true places of masks [N, H, W]; x2 and y2 are the last true column and row.

    >>> mask = torch.zeros(1, 4, 5)
    >>> mask[0, 1:3, 2:4] = 1
    >>> masks_to_boxes(mask)
    tensor([[2., 1., 3., 2.]])
    """
    boxes = torch.zeros((masks.shape[0], 4), dtype=torch.float, device=masks.device)
    for box, mask in zip(boxes, masks):
        y, x = torch.where(mask != 0)
        if len(x):
            box.copy_(torch.stack([x.min(), y.min(), x.max(), y.max()]))
    return boxes
