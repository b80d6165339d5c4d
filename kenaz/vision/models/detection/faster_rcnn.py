"""Faster R-CNN: "Towards real-time object detection with region proposal networks" (2015), over feature pyramids."""

from collections.abc import Callable
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops import Conv2dNormActivation, FrozenBatchNorm2d, MultiScaleRoIAlign
from .._registry import family, get_model
from ._utils import overwrite_eps, trainable_layers
from .anchor_utils import AnchorGenerator
from .backbone_utils import mobilenet_pyramid, resnet_pyramid
from .generalized_rcnn import GeneralizedRCNN
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import GeneralizedRCNNTransform

__all__ = ["FasterRCNN"]

Tensor = torch.Tensor


class TwoMLPHead(nn.Module):
    """Pooled features [K, C, H, W] through two linear layers."""

    def __init__(self, in_channels: int, representation_size: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.fc7(nn.functional.relu(self.fc6(x.flatten(start_dim=1)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Pooled features through convolutions and then linear layers."""

    def __init__(
        self,
        input_size: tuple[int, int, int],
        conv_layers: list[int],
        fc_layers: list[int],
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        channels, height, width = input_size
        layers: list[nn.Module] = []
        for outputs in conv_layers:
            layers.append(Conv2dNormActivation(channels, outputs, norm_layer=norm_layer))
            channels = outputs
        layers.append(nn.Flatten())
        size = channels * height * width
        for outputs in fc_layers:
            layers += [nn.Linear(size, outputs), nn.ReLU(inplace=True)]
            size = outputs
        super().__init__(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


class FastRCNNPredictor(nn.Module):
    """Scores [K, classes] and codes of boxes [K, 4 classes]."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() == 4:
            torch._assert(
                list(x.shape[2:]) == [1, 1],
                f"x has the wrong shape, expecting the last two dimensions to be [1,1] instead of {list(x.shape[2:])}",
            )
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)


def pyramid_anchors(levels: int = 5) -> AnchorGenerator:
    """One size for each map of a pyramid, in three ratios."""
    return AnchorGenerator(tuple((32 * 2**i,) for i in range(levels)), ((0.5, 1.0, 2.0),) * levels)


def check_parts(backbone: nn.Module, rpn_anchor_generator: Any, box_roi_pool: Any) -> None:
    if not hasattr(backbone, "out_channels"):
        raise ValueError(
            "backbone should contain an attribute out_channels specifying the number of output channels (assumed to "
            "be the same for all the levels)"
        )
    if not isinstance(rpn_anchor_generator, AnchorGenerator | type(None)):
        raise TypeError(
            f"rpn_anchor_generator should be of type AnchorGenerator or None instead of {type(rpn_anchor_generator)}"
        )
    if not isinstance(box_roi_pool, MultiScaleRoIAlign | type(None)):
        raise TypeError(f"box_roi_pool should be of type MultiScaleRoIAlign or None instead of {type(box_roi_pool)}")


class FasterRCNN(GeneralizedRCNN):
    """A detector over any backbone that has `out_channels`; the parts that are not given are the paper's.

    Takes a list of images [3, H, W] in [0, 1]; in training also a list of targets: "boxes" [N, 4] in pixels and
    "labels" [N], where 0 is kept for nothing.
    """

    def __init__(
        self,
        backbone: Any,
        num_classes: int | None = None,
        min_size: Any = 800,
        max_size: int = 1333,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        rpn_anchor_generator: Any = None,
        rpn_head: Any = None,
        rpn_pre_nms_top_n_train: int = 2000,
        rpn_pre_nms_top_n_test: int = 1000,
        rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000,
        rpn_nms_thresh: float = 0.7,
        rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3,
        rpn_batch_size_per_image: int = 256,
        rpn_positive_fraction: float = 0.5,
        rpn_score_thresh: float = 0.0,
        box_roi_pool: Any = None,
        box_head: Any = None,
        box_predictor: Any = None,
        box_score_thresh: float = 0.05,
        box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100,
        box_fg_iou_thresh: float = 0.5,
        box_bg_iou_thresh: float = 0.5,
        box_batch_size_per_image: int = 512,
        box_positive_fraction: float = 0.25,
        bbox_reg_weights: tuple[float, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        check_parts(backbone, rpn_anchor_generator, box_roi_pool)
        if num_classes is not None and box_predictor is not None:
            raise ValueError("num_classes should be None when box_predictor is specified")
        if num_classes is None and box_predictor is None:
            raise ValueError("num_classes should not be None when box_predictor is not specified")
        channels = backbone.out_channels
        anchors = rpn_anchor_generator or pyramid_anchors()
        rpn = RegionProposalNetwork(
            anchors,
            rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0]),
            rpn_fg_iou_thresh,
            rpn_bg_iou_thresh,
            rpn_batch_size_per_image,
            rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh,
            score_thresh=rpn_score_thresh,
        )
        pool = box_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
        if box_head is None:
            box_head = TwoMLPHead(channels * pool.output_size[0] ** 2, 1024)
        if box_predictor is None:
            box_predictor = FastRCNNPredictor(1024, num_classes or 0)
        heads = RoIHeads(
            pool,
            box_head,
            box_predictor,
            box_fg_iou_thresh,
            box_bg_iou_thresh,
            box_batch_size_per_image,
            box_positive_fraction,
            bbox_reg_weights,
            box_score_thresh,
            box_nms_thresh,
            box_detections_per_img,
        )
        mean = [0.485, 0.456, 0.406] if image_mean is None else image_mean
        std = [0.229, 0.224, 0.225] if image_std is None else image_std
        super().__init__(backbone, rpn, heads, GeneralizedRCNNTransform(min_size, max_size, mean, std, **kwargs))


def resnet_detector(
    trained: Any,
    progress: bool,
    *,
    cls: Callable[..., nn.Module] = FasterRCNN,
    classes: int = 91,
    num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1",
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> nn.Module:
    """A detector over a ResNet-50, whose normalisations are frozen where its weights were learned before."""
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 5, 3)
    norm = FrozenBatchNorm2d if is_trained else nn.BatchNorm2d
    backbone = get_model("resnet50", weights=weights_backbone, progress=progress, norm_layer=norm)
    model = cls(resnet_pyramid(backbone, layers), num_classes=num_classes or classes, **kwargs)
    if trained is not None and trained.name == "COCO_V1":
        overwrite_eps(model, 0.0)
    return model


def resnet_detector_v2(
    trained: Any,
    progress: bool,
    *,
    cls: Callable[..., nn.Module] = FasterRCNN,
    num_classes: int | None = None,
    weights_backbone: Any = None,
    trainable_backbone_layers: int | None = None,
    extra_parts: Callable[[], dict[str, Any]] = dict,
    **kwargs: Any,
) -> nn.Module:
    """A detector with deeper heads and batch normalisation ("Benchmarking detection transfer learning", 2021)."""
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 5, 3)
    backbone = get_model("resnet50", weights=weights_backbone, progress=progress)
    pyramid = resnet_pyramid(backbone, layers, norm_layer=nn.BatchNorm2d)
    anchors = pyramid_anchors()
    parts = {
        "rpn_anchor_generator": anchors,
        "rpn_head": RPNHead(pyramid.out_channels, anchors.num_anchors_per_location()[0], conv_depth=2),
        "box_head": FastRCNNConvFCHead((pyramid.out_channels, 7, 7), [256] * 4, [1024], norm_layer=nn.BatchNorm2d),
    }
    return cls(pyramid, num_classes=num_classes or 91, **parts, **extra_parts(), **kwargs)


def mobilenet_detector(
    trained: Any,
    progress: bool,
    *,
    num_classes: int | None = None,
    weights_backbone: Any = "IMAGENET1K_V1",
    trainable_backbone_layers: int | None = None,
    defaults: dict[str, Any],
    **kwargs: Any,
) -> FasterRCNN:
    weights_backbone = None if trained is not None else weights_backbone
    is_trained = trained is not None or weights_backbone is not None
    layers = trainable_layers(is_trained, trainable_backbone_layers, 6, 3)
    norm = FrozenBatchNorm2d if is_trained else nn.BatchNorm2d
    backbone = get_model("mobilenet_v3_large", weights=weights_backbone, progress=progress, norm_layer=norm)
    pyramid = mobilenet_pyramid(backbone, True, layers)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    options = {"rpn_score_thresh": 0.05, **defaults, **kwargs}
    return FasterRCNN(pyramid, num_classes or 91, rpn_anchor_generator=anchors, **options)


SMALL = {"min_size": 320, "max_size": 640, "rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150}
family(globals(), resnet_detector, {"fasterrcnn_resnet50_fpn": ("FasterRCNN_ResNet50_FPN", {})})
family(globals(), resnet_detector_v2, {"fasterrcnn_resnet50_fpn_v2": ("FasterRCNN_ResNet50_FPN_V2", {})})
family(
    globals(),
    mobilenet_detector,
    {
        "fasterrcnn_mobilenet_v3_large_320_fpn": ("FasterRCNN_MobileNet_V3_Large_320_FPN", {"defaults": SMALL}),
        "fasterrcnn_mobilenet_v3_large_fpn": ("FasterRCNN_MobileNet_V3_Large_FPN", {"defaults": {}}),
    },
)
