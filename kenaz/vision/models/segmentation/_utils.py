"""What segmentation models share: a backbone, a head, and the way back to the size of the image."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .... import _api as torch
from .... import nn
from .._registry import expect, get_model
from .._utils import IntermediateLayerGetter, stages

Tensor = torch.Tensor


class _SimpleSegmentationModel(nn.Module):
    """Scores [N, classes, H, W] under "out", and under "aux" those of a second head half-way, for training."""

    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.backbone(x)
        heads = {"out": self.classifier, "aux": self.aux_classifier}
        return OrderedDict((name, resized(head(features[name]), x)) for name, head in heads.items() if head is not None)


def resized(scores: Tensor, image: Tensor) -> Tensor:
    """Scores at the size of the image that they are for."""
    return nn.functional.interpolate(scores, size=image.shape[-2:], mode="bilinear", align_corners=False)


def resnet_backbone(name: str, weights: Any, progress: bool, aux: bool) -> tuple[nn.Module, int, int]:
    """(backbone, channels of its output, channels of the auxiliary output); the last two stages keep their size."""
    model = get_model(name, weights=weights, progress=progress, replace_stride_with_dilation=[False, True, True])
    layers = {"layer4": "out", **({"layer3": "aux"} if aux else {})}
    return IntermediateLayerGetter(model, layers), 2048, 1024


def mobilenet_backbone(weights: Any, progress: bool, aux: bool) -> tuple[nn.Module, int, int]:
    features: Any = get_model("mobilenet_v3_large", weights=weights, progress=progress, dilated=True).features
    found = stages(features)
    out, half = found[-1], found[-4]
    layers = {str(out): "out", **({str(half): "aux"} if aux else {})}
    return IntermediateLayerGetter(features, layers), features[out].out_channels, features[half].out_channels


def segmentation(
    trained: Any,
    progress: bool,
    *,
    cls: Callable[..., nn.Module],
    backbone: str,
    head: Callable[[int, int], nn.Module],
    aux_head: Callable[[int, int], nn.Module],
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: Any = "IMAGENET1K_V1",
    **kwargs: Any,
) -> nn.Module:
    """A model over a backbone; this has ImageNet's weights unless the model has its own or the user says None."""
    if trained is not None:
        aux: dict[str, Any] = {} if aux_loss is None else {"aux_loss": aux_loss}
        expect(aux, "aux_loss", True)
        weights_backbone, aux_loss = None, True
    if backbone == "mobilenet_v3_large":
        features, channels, aux_channels = mobilenet_backbone(weights_backbone, progress, bool(aux_loss))
    else:
        features, channels, aux_channels = resnet_backbone(backbone, weights_backbone, progress, bool(aux_loss))
    num_classes = 21 if num_classes is None else num_classes
    auxiliary = aux_head(aux_channels, num_classes) if aux_loss else None
    return cls(features, head(channels, num_classes), auxiliary, **kwargs)
