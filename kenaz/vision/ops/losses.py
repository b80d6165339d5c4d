"""Losses of detectors: how wrong scores and boxes are."""

from collections.abc import Callable

from ... import _api as torch
from ...nn import functional as F
from .boxes import angle_difference, apart_squared, enclosing, shared_and_union

Tensor = torch.Tensor

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda loss: loss,
    "mean": lambda loss: loss.mean() if loss.numel() else 0.0 * loss.sum(),
    "sum": lambda loss: loss.sum(),
}


def reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
        )
    return REDUCTIONS[reduction](loss)


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Binary cross-entropy that counts easy examples less ("Focal loss for dense object detection", 2017).

    `alpha` weighs the positive ones (a negative number: no weights), (1 - p)^gamma each by how easy it is.

    >>> sigmoid_focal_loss(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.0433])
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = torch.sigmoid(inputs)
    right = p * targets + (1 - p) * (1 - targets)
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none") * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return reduced(loss, reduction)


def in_float(*boxes: Tensor) -> list[Tensor]:
    return [b if b.dtype in (torch.float32, torch.float64) else b.float() for b in boxes]


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - the generalized IoU of boxes [N, 4] with their partners.

    >>> generalized_box_iou_loss(torch.tensor([[0., 0, 1, 1]]), torch.tensor([[1., 1, 2, 2]]))
    tensor([1.5000])
    """
    a, b = in_float(boxes1, boxes2)
    shared, union = shared_and_union(a, b)
    width, height = enclosing(a, b)
    around = width * height
    return reduced(1 - (shared / (union + eps) - (around - union) / (around + eps)), reduction)


def distance_terms(a: Tensor, b: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(1 - the distance IoU, the IoU)"""
    shared, union = shared_and_union(a, b)
    iou = shared / (union + eps)
    width, height = enclosing(a, b)
    return 1 - iou + apart_squared(a, b) / (width**2 + height**2 + eps), iou


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - the distance IoU of boxes [N, 4] with their partners.

    >>> distance_box_iou_loss(torch.tensor([[0., 0, 1, 1]]), torch.tensor([[1., 1, 2, 2]]))
    tensor([1.2500])
    """
    a, b = in_float(boxes1, boxes2)
    return reduced(distance_terms(a, b, eps)[0], reduction)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 - the complete IoU of boxes [N, 4] with their partners.

    >>> complete_box_iou_loss(torch.tensor([[0., 0, 1, 1]]), torch.tensor([[1., 1, 2, 2]]))
    tensor([1.2500])
    """
    a, b = in_float(boxes1, boxes2)
    loss, iou = distance_terms(a, b, eps)
    difference = angle_difference(a, b)
    with torch.no_grad():
        weight = difference / (1 - iou + difference + eps)
    return reduced(loss + weight * difference, reduction)
