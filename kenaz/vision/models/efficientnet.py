"""EfficientNet (2019) and EfficientNet v2 (2021): depth, width and resolution scaled together."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import _api as torch
from ... import nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._registry import family
from .mobilenetv2 import _make_divisible

__all__ = ["EfficientNet"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    """A stage: blocks of one kind that share their outputs; the first one has the stride."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Layer

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of inverted residuals, scaled in width and depth."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Layer | None = None,
    ) -> None:
        inputs, outputs = (self.adjust_channels(c, width_mult) for c in (input_channels, out_channels))
        layers = int(math.ceil(num_layers * depth_mult))
        super().__init__(expand_ratio, kernel, stride, inputs, outputs, layers, block or MBConv)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of inverted residuals whose first two convolutions are one."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Layer | None = None,
    ) -> None:
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class Residual(nn.Module):
    """A block beside a shortcut, which is dropped now and then while the network trains."""

    def __init__(self, cnf: _MBConvConfig, layers: Sequence[nn.Module], stochastic_depth_prob: float) -> None:
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(Residual):
    """1 x 1 to widen, a depthwise convolution, squeeze and excite, 1 x 1 to narrow."""

    def __init__(
        self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Layer, se_layer: Layer = SqueezeExcitation
    ) -> None:
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(unit(cnf.input_channels, wide, kernel_size=1))
        layers += [
            unit(wide, wide, kernel_size=cnf.kernel, stride=cnf.stride, groups=wide),
            se_layer(wide, max(1, cnf.input_channels // 4), activation=partial(nn.SiLU, inplace=True)),
            unit(wide, cnf.out_channels, kernel_size=1, activation_layer=None),
        ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class FusedMBConv(Residual):
    """A full convolution to widen, 1 x 1 to narrow; one convolution where nothing is widened."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        if wide == cnf.input_channels:
            layers = [unit(cnf.input_channels, cnf.out_channels, kernel_size=cnf.kernel, stride=cnf.stride)]
        else:
            layers = [
                unit(cnf.input_channels, wide, kernel_size=cnf.kernel, stride=cnf.stride),
                unit(wide, cnf.out_channels, kernel_size=1, activation_layer=None),
            ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    def __init__(
        self,
        inverted_residual_setting: Sequence[_MBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (
            isinstance(inverted_residual_setting, Sequence)
            and all(isinstance(s, _MBConvConfig) for s in inverted_residual_setting)
        ):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        features: list[nn.Module] = [unit(3, inverted_residual_setting[0].input_channels, kernel_size=3, stride=2)]
        total = sum(cnf.num_layers for cnf in inverted_residual_setting)
        done = 0
        for cnf in inverted_residual_setting:
            stage = []
            for i in range(cnf.num_layers):
                # later blocks are dropped more often
                stage.append(cnf.block(self.block_config(cnf, i), stochastic_depth_prob * done / total, norm))
                done += 1
            features.append(nn.Sequential(*stage))
        inputs = inverted_residual_setting[-1].out_channels
        outputs = last_channel if last_channel is not None else 4 * inputs
        features.append(unit(inputs, outputs, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(outputs, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    @staticmethod
    def block_config(cnf: _MBConvConfig, i: int) -> _MBConvConfig:
        """The i-th block of a stage: all but the first keep size and channels."""
        inputs, stride = (cnf.input_channels, cnf.stride) if i == 0 else (cnf.out_channels, 1)
        return _MBConvConfig(cnf.expand_ratio, cnf.kernel, stride, inputs, cnf.out_channels, cnf.num_layers, cnf.block)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


# (expansion, kernel, stride, inputs, outputs, blocks); the first stages of version 2 are fused
V1 = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
]
FUSED_STAGES = 3
V2 = {
    "s": [
        (1, 3, 1, 24, 24, 2),
        (4, 3, 2, 24, 48, 4),
        (4, 3, 2, 48, 64, 4),
        (4, 3, 2, 64, 128, 6),
        (6, 3, 1, 128, 160, 9),
        (6, 3, 2, 160, 256, 15),
    ],
    "m": [
        (1, 3, 1, 24, 24, 3),
        (4, 3, 2, 24, 48, 5),
        (4, 3, 2, 48, 80, 5),
        (4, 3, 2, 80, 160, 7),
        (6, 3, 1, 160, 176, 14),
        (6, 3, 2, 176, 304, 18),
        (6, 3, 1, 304, 512, 5),
    ],
    "l": [
        (1, 3, 1, 32, 32, 4),
        (4, 3, 2, 32, 64, 7),
        (4, 3, 2, 64, 96, 7),
        (4, 3, 2, 96, 192, 10),
        (6, 3, 1, 192, 224, 19),
        (6, 3, 2, 224, 384, 25),
        (6, 3, 1, 384, 640, 7),
    ],
}
# width, depth, dropout
B = [(1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3)]
B += [(1.4, 1.8, 0.4), (1.6, 2.2, 0.4), (1.8, 2.6, 0.5), (2.0, 3.1, 0.5)]


def make_b(trained: Any, progress: bool, *, number: int, **kwargs: Any) -> EfficientNet:
    width, depth, dropout = B[number]
    stages = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in V1]
    if number >= 5:  # trained with TensorFlow's normalisation
        kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=0.001, momentum=0.01))
    return EfficientNet(stages, kwargs.pop("dropout", dropout), **kwargs)


def make_v2(trained: Any, progress: bool, *, size: str, **kwargs: Any) -> EfficientNet:
    stages = [(FusedMBConvConfig if i < FUSED_STAGES else MBConvConfig)(*row) for i, row in enumerate(V2[size])]
    dropout = kwargs.pop("dropout", {"s": 0.2, "m": 0.3, "l": 0.4}[size])
    kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-03))
    return EfficientNet(stages, dropout, last_channel=1280, **kwargs)


family(globals(), make_b, {f"efficientnet_b{i}": (f"EfficientNet_B{i}", {"number": i}) for i in range(len(B))})
family(globals(), make_v2, {f"efficientnet_v2_{s}": (f"EfficientNet_V2_{s.upper()}", {"size": s}) for s in V2})
