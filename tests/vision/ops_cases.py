"""What test_ops.py runs, and tools/make_model_goldens.py runs on torchvision: one list for both."""

from types import ModuleType
from typing import Any

# O is `ops`, A and B are boxes, S scores, K classes, X an image, R regions of it
CASES = """
O.box_area(A)
O.box_area(A.to(torch.int32))
O.box_iou(A, B)
O.generalized_box_iou(A, B)
O.distance_box_iou(A, B)
O.complete_box_iou(A, B)
O.box_convert(A, 'xyxy', 'xywh')
O.box_convert(A, 'xyxy', 'cxcywh')
O.box_convert(A, 'xywh', 'xyxy')
O.box_convert(A, 'cxcywh', 'xywh')
O.clip_boxes_to_image(A, (7, 9))
O.remove_small_boxes(A, 3.0)
O.masks_to_boxes(X[0] > 0.5)
O.nms(C, S, 0.2)
O.nms(C, S, 0.7)
O.batched_nms(C, S, K, 0.2)
O.generalized_box_iou_loss(A, B)
O.distance_box_iou_loss(A, B, 'mean')
O.complete_box_iou_loss(A, B, 'sum')
O.sigmoid_focal_loss(A / 10, (B > 5).float())
O.sigmoid_focal_loss(A / 10, (B > 5).float(), alpha=-1, gamma=1.5, reduction='mean')
O.roi_align(X, [R, R[:2]], 3)
O.roi_align(X, [R, R[:2]], (2, 3), 0.5, 2, True)
O.roi_align(X, torch.cat([torch.ones(len(R), 1), R], 1), (3, 2), 1.0, 3)
O.roi_align(X, [R, R * 0.9], 2, 1.0, 0, True)
O.stochastic_depth(X, 0.5, 'row')
O.stochastic_depth(X, 0.3, 'batch')
O.drop_block2d(X, 0.3, 3)
O.DropBlock2d(0.2, 5)(X)
O.FrozenBatchNorm2d(3, 0.1)(X)
O.FeaturePyramidNetwork([3, 3], 4)({'a': X, 'b': X[:, :, ::2, ::2]})['a']
O.MultiScaleRoIAlign(['a', 'b'], 2, 2)({'a': X, 'b': X[:, :, ::2, ::2]}, [R * 30, R[:2] * 30], [(480, 480)] * 2)
""".strip().split("\n")


def values(torch: ModuleType) -> dict[str, Any]:
    i = torch.arange(6.0)
    low = torch.stack([i, (i * 2.3) % 4], 1)
    a = torch.cat([low, low + torch.stack([2 + i % 3, 1 + (i * 1.7) % 4], 1)], 1)
    b = a.flip(0) + torch.stack([i % 2, i % 3 / 2, i % 2 + 1, i % 3], 1)
    c = torch.cat([a, a + 0.4, b])
    image = torch.cos(torch.arange(2 * 3 * 16 * 16) * 0.37).view(2, 3, 16, 16)
    regions = torch.tensor([[0.0, 0, 15, 15], [2.2, 3.1, 9.7, 11.4], [4, 4, 4.5, 4.5], [-0.5, 6, 16, 12]])
    scores = (torch.arange(18.0) * 0.618) % 1
    return {"A": a, "B": b, "C": c, "S": scores, "K": torch.arange(18) % 3, "X": image, "R": regions}


def run(torch: ModuleType, O: ModuleType, case: str) -> list[Any]:
    """Shape, type, three weighted sums of the result of a case, and the next random number."""
    torch.manual_seed(0)
    with torch.no_grad():
        out = eval(case, {"torch": torch, "O": O, **values(torch)})
    flat = out.to(torch.float64).flatten()
    i = torch.arange(flat.numel(), dtype=torch.float64)
    sums = [round((flat * torch.cos(i * w)).sum().item(), 4) for w in (0.0, 0.7, 1.9)]
    return [list(out.shape), str(out.dtype), sums, round(torch.rand(1).item(), 6)]
