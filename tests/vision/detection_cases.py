"""What test_detection.py runs, and tools/make_model_goldens.py runs on torchvision: one list for both."""

import warnings
from types import ModuleType
from typing import Any

from tests.vision import model_cases

# D is `models.detection`; small enough to run, large enough to have every part
BACKBONE = (
    "D.backbone_utils.resnet_fpn_backbone(backbone_name='resnet18', weights=None, norm_layer=N, trainable_layers=5"
)
PYRAMID, LEVELS = BACKBONE + ")", BACKBONE + ", returned_layers=[2, 3, 4])"
FEW = "max_size=96, rpn_pre_nms_top_n_train=30, rpn_pre_nms_top_n_test=20, box_batch_size_per_image=12"
SMALL_HEAD = "box_head=D.faster_rcnn.FastRCNNConvFCHead((256, 7, 7), [16], [1024])"
CASES = {
    "faster": f"D.FasterRCNN({PYRAMID}, 4, min_size=(48, 64), {FEW}, box_score_thresh=0.2)",
    "mobile": (
        "D.fasterrcnn_mobilenet_v3_large_320_fpn(num_classes=3, weights_backbone=None, min_size=64,"
        " rpn_pre_nms_top_n_train=30, rpn_pre_nms_top_n_test=20)"
    ),
    "mask": (
        f"D.MaskRCNN({PYRAMID}, 3, min_size=64, {FEW}, box_detections_per_img=3, {SMALL_HEAD},"
        " mask_head=D.mask_rcnn.MaskRCNNHeads(256, [16, 256], 1))"
    ),
    "keypoint": (
        f"D.KeypointRCNN({PYRAMID}, 2, 64, {FEW}, num_keypoints=3, box_detections_per_img=3, {SMALL_HEAD},"
        " keypoint_head=D.keypoint_rcnn.KeypointRCNNHeads(256, [16, 512]))"
    ),
    "retinanet": (
        f"D.RetinaNet({LEVELS}, 3, min_size=64, max_size=96, score_thresh=0.01, detections_per_img=20,"
        " anchor_generator=D.anchor_utils.AnchorGenerator(((16,), (32,), (48,), (64,)), ((0.5, 1.0),) * 4),"
        " topk_candidates=20, head=D.retinanet.RetinaNetHead(256, 2, 3))"
    ),
    "fcos": (
        f"D.FCOS({LEVELS}, 3, min_size=64, max_size=96, score_thresh=0.05, topk_candidates=20,"
        " anchor_generator=D.anchor_utils.AnchorGenerator(((8,), (16,), (32,), (64,)), ((1.0,),) * 4))"
    ),
    "ssdlite": "D.ssdlite320_mobilenet_v3_large(num_classes=3, weights_backbone=None)",
}
BUILT = {
    "ssd300": "D.ssd300_vgg16(num_classes=2, weights_backbone=None)",
    **{
        name: f"D.{name}(num_classes=3, weights_backbone=None)"
        for name in (
            "fasterrcnn_resnet50_fpn_v2",
            "maskrcnn_resnet50_fpn",
            "maskrcnn_resnet50_fpn_v2",
            "keypointrcnn_resnet50_fpn",
            "retinanet_resnet50_fpn",
            "retinanet_resnet50_fpn_v2",
            "fcos_resnet50_fpn",
        )
    },
}


def build(torch: ModuleType, D: ModuleType, code: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(code, {"D": D, "N": torch.nn.BatchNorm2d})


def samples(torch: ModuleType) -> tuple[list[Any], list[dict[str, Any]]]:
    """Two images, of which the second is wider, and what is on them."""
    sizes = [(60, 70), (50, 90)]
    images = [(torch.arange(3 * h * w) * 0.37).sin().view(3, h, w) / 2 + 0.5 for h, w in sizes]
    boxes = [torch.tensor([[5.0, 6, 40, 50], [30, 10, 60, 30]]), torch.tensor([[10.0, 5, 80, 45]])]
    labels = [torch.tensor([1, 2]), torch.tensor([1])]
    masks = []
    for (h, w), found in zip(sizes, boxes):
        mask = torch.zeros(len(found), h, w, dtype=torch.uint8)
        for i, (x1, y1, x2, y2) in enumerate(found.int().tolist()):
            mask[i, y1 : (y1 + y2) // 2, x1:x2] = 1
        masks.append(mask)
    points = []
    for found in boxes:
        corners = torch.stack([found[:, :2], found[:, 2:], (found[:, :2] + found[:, 2:]) / 2], 1)
        points.append(torch.cat([corners, torch.ones(len(found), 3, 1)], 2))
    names = ("boxes", "labels", "masks", "keypoints")
    return images, [dict(zip(names, values)) for values in zip(boxes, labels, masks, points)]


def digest(tensor: Any) -> list[Any]:
    flat = tensor.detach().double().flatten()
    return [list(tensor.shape), round(flat.sum().item(), 4), [round(v, 4) for v in flat[:4].tolist()]]


def seen(model: Any, images: list[Any], name: str) -> list[dict[str, Any]]:
    """What a detector finds; SSDLite's head and boxes, as its first scores are equal, and their order means nothing."""
    if name != "ssdlite":
        return model(images)
    batch, _ = model.transform(images)
    maps = list(model.backbone(batch.tensors).values())
    return [{**model.head(maps), "boxes": model.anchor_generator(batch, maps)[0]}]


def run(torch: ModuleType, D: ModuleType, name: str) -> dict[str, Any]:
    """A detector built from a seed: what it is, what it finds, its losses and their gradient."""
    torch.manual_seed(0)
    model = build(torch, D, CASES[name])
    drawn = torch.rand(1).item()
    images, targets = samples(torch)
    classes = 1 if name == "keypoint" else 2
    for target in targets:
        target["labels"] = target["labels"].clamp(max=classes)
    model.eval().double()  # nearly equal scores, of which an untrained network has many, would be a matter of rounding
    with torch.no_grad():
        found = seen(model, [image.double() for image in images], name)
    losses = model.train().float()(images, targets)
    sum(losses.values()).backward()
    gradient = sum(p.grad.double().abs().sum().item() for p in model.parameters() if p.grad is not None)
    return {
        **model_cases.described(model),
        "next": drawn,
        "losses": {key: round(value.item(), 5) for key, value in sorted(losses.items())},
        "gradient": gradient,
        "found": [{key: digest(value) for key, value in of_image.items()} for of_image in found],
        "after": torch.rand(1).item(),
    }


def name_only(torch: ModuleType, D: ModuleType, name: str) -> dict[str, Any]:
    return model_cases.described(build(torch, D, BUILT[name]))
