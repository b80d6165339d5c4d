"""MNASNet: "Platform-aware neural architecture search for mobile" (2018), variant B1."""

from typing import Any

from ... import _api as torch
from ... import nn
from ._registry import family
from .mobilenetv2 import _make_divisible

__all__ = ["MNASNet"]

Tensor = torch.Tensor
MOMENTUM = 1 - 0.9997  # the paper's, which counts from the other end


def normed(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels, momentum=MOMENTUM)]


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int, expansion_factor: int) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        wide = inputs * expansion_factor
        self.apply_residual = inputs == outputs and stride == 1
        deep = nn.Conv2d(wide, wide, kernel_size, padding=kernel_size // 2, stride=stride, groups=wide, bias=False)
        self.layers = nn.Sequential(
            *normed(nn.Conv2d(inputs, wide, 1, bias=False)),
            nn.ReLU(inplace=True),
            *normed(deep),
            nn.ReLU(inplace=True),
            *normed(nn.Conv2d(wide, outputs, 1, bias=False)),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


# (outputs, kernel, stride, expansion, blocks)
STAGES = [(24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1)]


def rounded(channels: float, divisor: int = 8) -> int:
    return _make_divisible(channels, divisor)


class MNASNet(nn.Module):
    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        first, second = rounded(32 * alpha), rounded(16 * alpha)
        layers: list[nn.Module] = [
            *normed(nn.Conv2d(3, first, 3, padding=1, stride=2, bias=False)),
            nn.ReLU(inplace=True),
            *normed(nn.Conv2d(first, first, 3, padding=1, stride=1, groups=first, bias=False)),
            nn.ReLU(inplace=True),
            *normed(nn.Conv2d(first, second, 1, padding=0, stride=1, bias=False)),
        ]
        inputs = second
        for outputs, kernel, stride, expansion, repeats in STAGES:
            width = rounded(outputs * alpha)
            blocks = [_InvertedResidual(inputs, width, kernel, stride, expansion)]
            blocks += [_InvertedResidual(width, width, kernel, 1, expansion) for _ in range(repeats - 1)]
            layers.append(nn.Sequential(*blocks))
            inputs = width
        layers += [*normed(nn.Conv2d(inputs, 1280, 1, padding=0, stride=1, bias=False)), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))


def make(trained: Any, progress: bool, *, alpha: float, **kwargs: Any) -> MNASNet:
    return MNASNet(alpha, **kwargs)


family(
    globals(),
    make,
    {
        f"mnasnet{a.replace('.', '_')}": (f"MNASNet{a.replace('.', '_')}", {"alpha": float(a)})
        for a in ("0.5", "0.75", "1.0", "1.3")
    },
)
