"""Backbones of detectors: a classifier's layers, some of them frozen, with a pyramid of features on top."""

from typing import Any

from .... import nn
from ...ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from ...ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool
from .._registry import get_model
from .._utils import IntermediateLayerGetter, stages


class BackboneWithFPN(nn.Module):
    """Layers of a model as in `IntermediateLayerGetter`, and the pyramid over their outputs."""

    def __init__(
        self,
        backbone: nn.Module,
        return_layers: dict[str, str],
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Any = None,
    ) -> None:
        super().__init__()
        extra = LastLevelMaxPool() if extra_blocks is None else extra_blocks
        self.body = IntermediateLayerGetter(backbone, return_layers=return_layers)
        self.fpn = FeaturePyramidNetwork(in_channels_list, out_channels, extra_blocks=extra, norm_layer=norm_layer)
        self.out_channels = out_channels

    def forward(self, x: Any) -> dict[str, Any]:
        return self.fpn(self.body(x))


def freeze(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.requires_grad_(False)


def freeze_stages(features: Any, found: list[int], trained: int) -> None:
    """Leaves the last `trained` stages of a sequence to training; `found` says where each begins."""
    if not 0 <= trained <= len(found):
        raise ValueError(f"trainable_layers should be in the range [0,{len(found)}], got {trained} ")
    for layer in features[: len(features) if trained == 0 else found[len(found) - trained]]:
        freeze(layer)


def resnet_pyramid(
    backbone: Any,
    trainable_layers: int,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Any = None,
) -> BackboneWithFPN:
    """A ResNet whose last `trainable_layers` stages are trained, with a pyramid over `returned_layers`."""
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"Trainable layers should be in the range [0,5], got {trainable_layers}")
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers]
    for name, child in backbone.named_children():
        if name not in trained and not (trainable_layers == 5 and name == "bn1"):
            freeze(child)
    returned = [1, 2, 3, 4] if returned_layers is None else returned_layers
    if min(returned) <= 0 or max(returned) >= 5:
        raise ValueError(f"Each returned layer should be in the range [1,4]. Got {returned}")
    channels = [backbone.inplanes // 8 * 2 ** (i - 1) for i in returned]
    names = {f"layer{layer}": str(i) for i, layer in enumerate(returned)}
    return BackboneWithFPN(backbone, names, channels, 256, extra_blocks=extra_blocks, norm_layer=norm_layer)


def resnet_fpn_backbone(
    *,
    backbone_name: str,
    weights: Any,
    norm_layer: Any = FrozenBatchNorm2d,
    trainable_layers: int = 3,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:
    """A ResNet by name, with a pyramid of 256 channels; see `resnet_pyramid`."""
    model = get_model(backbone_name, weights=weights, norm_layer=norm_layer)
    return resnet_pyramid(model, trainable_layers, returned_layers, extra_blocks)


def mobilenet_pyramid(
    model: Any,
    fpn: bool,
    trainable_layers: int,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Any = None,
) -> nn.Module:
    """A MobileNet with a pyramid over its last two stages, or without `fpn` with one layer to 256 channels."""
    features = model.features
    found = stages(features)
    freeze_stages(features, found, trainable_layers)
    if not fpn:
        plain: Any = nn.Sequential(features, nn.Conv2d(features[-1].out_channels, 256, 1))
        plain.out_channels = 256
        return plain
    returned = [len(found) - 2, len(found) - 1] if returned_layers is None else returned_layers
    if min(returned) < 0 or max(returned) >= len(found):
        raise ValueError(f"Each returned layer should be in the range [0,{len(found) - 1}], got {returned} ")
    channels = [features[found[i]].out_channels for i in returned]
    names = {str(found[layer]): str(i) for i, layer in enumerate(returned)}
    return BackboneWithFPN(features, names, channels, 256, extra_blocks=extra_blocks, norm_layer=norm_layer)


def mobilenet_backbone(
    *,
    backbone_name: str,
    weights: Any,
    fpn: bool,
    norm_layer: Any = FrozenBatchNorm2d,
    trainable_layers: int = 2,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:
    """A MobileNet by name; see `mobilenet_pyramid`."""
    model = get_model(backbone_name, weights=weights, norm_layer=norm_layer)
    return mobilenet_pyramid(model, fpn, trainable_layers, returned_layers, extra_blocks)
