"""ResNets over space and time: "A closer look at spatiotemporal convolutions for action recognition" (2017).

R3D convolves over both at once, MC3 so only in its first stage, R(2+1)D over one after the other.
"""

from collections.abc import Callable, Sequence
from typing import Any

from .... import _api as torch
from .... import nn
from .._registry import family

__all__ = ["VideoResNet"]

Tensor = torch.Tensor
Size = tuple[int, int, int]


class Conv3DSimple(nn.Conv3d):
    """3 x 3 x 3."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, kernel_size=(3, 3, 3), stride=stride, padding=padding, bias=False)

    @staticmethod
    def get_downsample_stride(stride: int) -> Size:
        return stride, stride, stride


class Conv2Plus1D(nn.Sequential):
    """1 x 3 x 3, then 3 x 1 x 1."""

    def __init__(self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1) -> None:
        super().__init__(
            nn.Conv3d(in_planes, midplanes, (1, 3, 3), (1, stride, stride), (0, padding, padding), bias=False),
            nn.BatchNorm3d(midplanes),
            nn.ReLU(inplace=True),
            nn.Conv3d(midplanes, out_planes, (3, 1, 1), (stride, 1, 1), (padding, 0, 0), bias=False),
        )

    @staticmethod
    def get_downsample_stride(stride: int) -> Size:
        return stride, stride, stride


class Conv3DNoTemporal(nn.Conv3d):
    """1 x 3 x 3."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, (1, 3, 3), (1, stride, stride), (0, padding, padding), bias=False)

    @staticmethod
    def get_downsample_stride(stride: int) -> Size:
        return 1, stride, stride


Builder = type[Conv3DSimple] | type[Conv2Plus1D] | type[Conv3DNoTemporal]


def middle(inputs: int, outputs: int) -> int:
    """Channels between the two parts of a split convolution, so that it has as many weights as the whole one."""
    return (inputs * outputs * 3 * 3 * 3) // (inputs * 3 * 3 + 3 * outputs)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        conv_builder: Builder,
        stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        between = middle(inplanes, planes)
        self.conv1 = nn.Sequential(
            conv_builder(inplanes, planes, between, stride), nn.BatchNorm3d(planes), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(conv_builder(planes, planes, between), nn.BatchNorm3d(planes))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv2(self.conv1(x)) + shortcut)


class Bottleneck(nn.Module):
    """A convolution between two of size 1 that narrow and widen, beside a shortcut."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        conv_builder: Builder,
        stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = nn.Sequential(
            nn.Conv3d(inplanes, planes, kernel_size=1, bias=False), nn.BatchNorm3d(planes), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            conv_builder(planes, planes, middle(inplanes, planes), stride),
            nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )
        self.conv3 = nn.Sequential(nn.Conv3d(planes, outputs, kernel_size=1, bias=False), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv3(self.conv2(self.conv1(x))) + shortcut)


class BasicStem(nn.Sequential):
    """The first convolution, 3 x 7 x 7."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(3, 64, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )


class R2Plus1dStem(nn.Sequential):
    """The first convolution, 1 x 7 x 7 and then 3 x 1 x 1."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(3, 45, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(45),
            nn.ReLU(inplace=True),
            nn.Conv3d(45, 64, kernel_size=(3, 1, 1), stride=(1, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )


Block = type[BasicBlock] | type[Bottleneck]


class VideoResNet(nn.Module):
    def __init__(
        self,
        block: Block,
        conv_makers: Sequence[Builder],
        layers: list[int],
        stem: Callable[..., nn.Module],
        num_classes: int = 400,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        self.inplanes = 64
        self.stem = stem()
        for i, (builder, blocks) in enumerate(zip(conv_makers, layers)):
            stage = self._make_layer(block, builder, 64 * 2**i, blocks, stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)
            elif zero_init_residual and isinstance(module, Bottleneck):
                nn.init.zeros_(module.conv3[1].weight)

    def _make_layer(self, block: Block, conv_builder: Builder, planes: int, blocks: int, stride: int) -> nn.Sequential:
        outputs, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != outputs:
            step = conv_builder.get_downsample_stride(stride)
            downsample = nn.Sequential(
                nn.Conv3d(self.inplanes, outputs, kernel_size=1, stride=step, bias=False), nn.BatchNorm3d(outputs)
            )
        first = block(self.inplanes, planes, conv_builder, stride, downsample)
        self.inplanes = outputs
        return nn.Sequential(first, *(block(outputs, planes, conv_builder) for _ in range(1, blocks)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(self.avgpool(x).flatten(1))


def make(
    trained: Any, progress: bool, *, conv_makers: Sequence[Builder], stem: Callable[..., nn.Module], **kwargs: Any
) -> VideoResNet:
    return VideoResNet(BasicBlock, conv_makers, [2, 2, 2, 2], stem, **kwargs)


# fmt: off
family(globals(), make, {
    "r3d_18": ("R3D_18", {"conv_makers": [Conv3DSimple] * 4, "stem": BasicStem}),
    "mc3_18": ("MC3_18", {"conv_makers": [Conv3DSimple] + [Conv3DNoTemporal] * 3, "stem": BasicStem}),
    "r2plus1d_18": ("R2Plus1D_18", {"conv_makers": [Conv2Plus1D] * 4, "stem": R2Plus1dStem}),
})
# fmt: on
