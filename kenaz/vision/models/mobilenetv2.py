"""MobileNet v2: "Inverted residuals and linear bottlenecks" (2018)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import _api as torch
from ... import nn
from ..ops.misc import Conv2dNormActivation
from ._registry import family

__all__ = ["MobileNetV2"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The nearest multiple of `divisor`, or the next if that takes away more than a tenth.

    >>> [_make_divisible(v, 8) for v in (11, 12, 36.4)]
    [16, 16, 40]
    """
    nearest = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * v else nearest + divisor


class InvertedResidual(nn.Module):
    """Wide inside, narrow at both ends, where the shortcut is."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        wide = int(round(inp * expand_ratio))
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            *([unit(inp, wide, kernel_size=1)] if expand_ratio != 1 else []),
            unit(wide, wide, stride=stride, groups=wide),
            nn.Conv2d(wide, oup, 1, 1, 0, bias=False),
            norm(oup),
        )
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# (expansion, outputs, blocks, stride)
STAGES = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class MobileNetV2(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        stages = STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or len(stages[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {inverted_residual_setting}"
            )
        inputs = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        features: list[nn.Module] = [unit(3, inputs, stride=2)]
        for expansion, channels, blocks, stride in stages:
            outputs = _make_divisible(channels * width_mult, round_nearest)
            for i in range(blocks):
                step = stride if i == 0 else 1
                features.append(block(inputs, outputs, step, expand_ratio=expansion, norm_layer=norm))
                inputs = outputs
        features.append(unit(inputs, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


def initialize(module: nn.Module) -> None:
    """He's for convolutions, small numbers for linear layers, zero for biases; norms begin as the identity."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def make(trained: Any, progress: bool, **kwargs: Any) -> MobileNetV2:
    return MobileNetV2(**kwargs)


family(globals(), make, {"mobilenet_v2": ("MobileNet_V2", {})})
