"""Detection in two stages: boxes that may hold something are proposed, and looked at more closely."""

from collections import OrderedDict
from typing import Any

from .... import _api as torch
from .... import nn
from ._utils import Target, check_boxes, check_sizes, sizes_of

Tensor = torch.Tensor


class GeneralizedRCNN(nn.Module):
    """A backbone, an `rpn` that proposes boxes, and `roi_heads` that classify and improve them.

    In training gives the losses by name; otherwise for each image its boxes, labels, scores and what else the heads
    find, in pixels of the image as it came.
    """

    def __init__(self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module) -> None:
        super().__init__()
        self.transform = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads

    def forward(self, images: list[Tensor], targets: list[Target] | None = None) -> Any:
        if self.training:
            check_boxes(targets)
        original_sizes = sizes_of(images)
        batch, targets = self.transform(images, targets)
        check_sizes(targets or [])
        features = self.backbone(batch.tensors)
        if isinstance(features, Tensor):
            features = OrderedDict([("0", features)])
        proposals, proposal_losses = self.rpn(batch, features, targets)
        detections, detector_losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        if self.training:
            return {**detector_losses, **proposal_losses}
        return self.transform.postprocess(detections, batch.image_sizes, original_sizes)
