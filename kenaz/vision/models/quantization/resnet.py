"""ResNets that could be quantized."""

from collections.abc import Sequence
from typing import Any

from .... import _api as torch
from .... import nn
from ....nn.quantized import FloatFunctional
from .. import resnet
from .._registry import family
from .utils import Fusible, Quantizable, with_plain_relu

__all__ = ["QuantizableResNet"]

Tensor = torch.Tensor


class QuantizableBasicBlock(Fusible, resnet.BasicBlock):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_relu = FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.add_relu.add_relu(out, x if self.downsample is None else self.downsample(x))

    def rows(self) -> list[list[str]]:
        return [["conv1", "bn1", "relu"], ["conv2", "bn2"], *shortcut(self)]


class QuantizableBottleneck(Fusible, resnet.Bottleneck):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.skip_add_relu = FloatFunctional()
        self.relu1 = nn.ReLU(inplace=False)  # one for each row of modules that become one
        self.relu2 = nn.ReLU(inplace=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(out)))))
        return self.skip_add_relu.add_relu(out, x if self.downsample is None else self.downsample(x))

    def rows(self) -> list[list[str]]:
        return [["conv1", "bn1", "relu1"], ["conv2", "bn2", "relu2"], ["conv3", "bn3"], *shortcut(self)]


def shortcut(block: resnet.BasicBlock | resnet.Bottleneck) -> list[list[str]]:
    return [] if block.downsample is None else [["downsample.0", "downsample.1"]]


class QuantizableResNet(Quantizable, resnet.ResNet):
    def rows(self) -> list[list[str]]:
        return [["conv1", "bn1", "relu"]]


def make(trained: Any, progress: bool, *, block: Any, layers: Sequence[int], **kwargs: Any) -> nn.Module:
    return with_plain_relu(QuantizableResNet(block, layers, **kwargs))


def variant(title: str, block: Any, layers: list[int], **options: Any) -> tuple[str, dict[str, Any]]:
    return title, {"block": block, "layers": layers, **options}


Basic, Wide = QuantizableBasicBlock, QuantizableBottleneck
# fmt: off
family(globals(), make, {
    "resnet18": variant("ResNet18", Basic, [2, 2, 2, 2]),
    "resnet50": variant("ResNet50", Wide, [3, 4, 6, 3]),
    "resnext101_32x8d": variant("ResNeXt101_32X8D", Wide, [3, 4, 23, 3], groups=32, width_per_group=8),
    "resnext101_64x4d": variant("ResNeXt101_64X4D", Wide, [3, 4, 23, 3], groups=64, width_per_group=4),
}, quantizable=True)
# fmt: on
