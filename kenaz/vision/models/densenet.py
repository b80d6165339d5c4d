"""DenseNet: "Densely connected convolutional networks" (2016): each layer sees the outputs of all before it."""

import re
from collections import OrderedDict
from typing import Any

from ... import _api as torch
from ... import nn
from ...utils.checkpoint import checkpoint
from ._registry import family

__all__ = ["DenseNet"]

Tensor = torch.Tensor


class _DenseLayer(nn.Module):
    """1 x 1 to narrow, 3 x 3 to find `growth_rate` new features; normalisation and activation come first."""

    def __init__(
        self, inputs: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, bn_size * growth_rate, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, inputs: list[Tensor]) -> Tensor:
        return self.conv1(self.relu1(self.norm1(torch.cat(inputs, 1))))

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        seen = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(x.requires_grad for x in seen):
            narrow = checkpoint(lambda *xs: self.bn_function(list(xs)), *seen, use_reentrant=False)
        else:
            narrow = self.bn_function(seen)
        new = self.conv2(self.relu2(self.norm2(narrow)))
        return nn.functional.dropout(new, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else new


class _DenseBlock(nn.ModuleDict):
    def __init__(self, num_layers: int, inputs: int, growth_rate: int, *options: Any) -> None:
        super().__init__()
        for i in range(num_layers):
            self.add_module(f"denselayer{i + 1}", _DenseLayer(inputs + i * growth_rate, growth_rate, *options))

    def forward(self, features: Tensor) -> Tensor:
        seen = [features]
        for layer in self.values():
            seen.append(layer(seen))
        return torch.cat(seen, 1)


class _Transition(nn.Sequential):
    """Half the channels, half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        width = num_init_features
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(width),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            )
        )
        for i, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, width, growth_rate, bn_size, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            width += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(x, (1, 1)), 1))


OLD_NAME = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def legacy(state: dict[str, Any], model: Any) -> dict[str, Any]:
    """The published files say norm.1 where the model says norm1."""
    return {OLD_NAME.sub(r"\1\2", name): tensor for name, tensor in state.items()}


def make(trained: Any, progress: bool, *, growth: int, blocks: tuple[int, ...], start: int, **kwargs: Any) -> DenseNet:
    return DenseNet(growth, blocks, start, **kwargs)


family(
    globals(),
    make,
    {
        f"densenet{depth}": (f"DenseNet{depth}", {"growth": growth, "blocks": blocks, "start": start})
        for depth, growth, blocks, start in [
            (121, 32, (6, 12, 24, 16), 64),
            (161, 48, (6, 12, 36, 24), 96),
            (169, 32, (6, 12, 32, 32), 64),
            (201, 32, (6, 12, 48, 32), 64),
        ]
    },
)
