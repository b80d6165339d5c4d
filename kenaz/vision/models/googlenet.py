"""GoogLeNet: "Going deeper with convolutions" (2014), with batch normalisation.

The branch that the paper gives 5 x 5 convolutions has 3 x 3 ones here: the published weights were trained so.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from ... import _api as torch
from ... import nn
from ._registry import expect, family

__all__ = ["GoogLeNet", "GoogLeNetOutputs"]

Tensor = torch.Tensor


class GoogLeNetOutputs(NamedTuple):
    """What the network gives while it trains: the scores, and those of the two auxiliary classifiers."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four views of the same features, side by side: 1 x 1, 3 x 3, 5 x 5 (see above), and a maximum."""

    convolution: Any = BasicConv2d

    def __init__(self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        conv = self.convolution
        self.branch1 = conv(inputs, one, kernel_size=1)
        self.branch2, self.branch3 = (
            nn.Sequential(conv(inputs, narrow, kernel_size=1), conv(narrow, wide, kernel_size=3, padding=1))
            for narrow, wide in (three, five)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True), conv(inputs, pool, kernel_size=1)
        )

    def joined(self, branches: list[Tensor]) -> Tensor:
        return torch.cat(branches, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.joined([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)])


class InceptionAux(nn.Module):
    """A classifier half-way, which brings gradients to the early layers while the network trains."""

    convolution: Any = BasicConv2d

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = self.convolution(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4)))
        x = nn.functional.relu(self.fc1(torch.flatten(x, 1)), inplace=True)
        return self.fc2(self.dropout(x))


# name: (inputs, 1 x 1, 3 x 3 (narrowed to, outputs), 5 x 5 (narrowed to, outputs), outputs after the maximum)
INCEPTIONS: dict[str, tuple[int, int, tuple[int, int], tuple[int, int], int]] = {
    "3a": (192, 64, (96, 128), (16, 32), 32),
    "3b": (256, 128, (128, 192), (32, 96), 64),
    "4a": (480, 192, (96, 208), (16, 48), 64),
    "4b": (512, 160, (112, 224), (24, 64), 64),
    "4c": (512, 128, (128, 256), (24, 64), 64),
    "4d": (512, 112, (144, 288), (32, 64), 64),
    "4e": (528, 256, (160, 320), (32, 128), 128),
    "5a": (832, 256, (160, 320), (32, 128), 128),
    "5b": (832, 384, (192, 384), (48, 128), 128),
}


def warn_of_default(name: str) -> None:
    warnings.warn(
        f"The default weight initialization of {name} will be changed in future releases of torchvision. If you wish "
        "to keep the old behavior (which leads to long initialization times due to scipy/scipy#11299), please set "
        "init_weights=True.",
        FutureWarning,
        stacklevel=4,
    )


def recolored(x: Tensor) -> Tensor:
    """An image normalised as ImageNet, in the range that the original implementation was trained with."""
    scale = torch.tensor([0.229, 0.224, 0.225], dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    return x * (scale / 0.5) + (mean - 0.5) / 0.5


class GoogLeNet(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: Any = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        if init_weights is None:
            warn_of_default("GoogleNet")
            init_weights = True
        conv, inception, aux = blocks or (BasicConv2d, Inception, InceptionAux)
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(*INCEPTIONS["3a"])
        self.inception3b = inception(*INCEPTIONS["3b"])
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name in ("4a", "4b", "4c", "4d", "4e"):
            setattr(self, f"inception{name}", inception(*INCEPTIONS[name]))
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(*INCEPTIONS["5a"])
        self.inception5b = inception(*INCEPTIONS["5b"])
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The scores, and those of the auxiliary classifiers, the second first."""
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.inception4a(self.maxpool3(self.inception3b(self.inception3a(x))))
        aux1 = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        return self.fc(self.dropout(torch.flatten(self.avgpool(x), 1))), aux2, aux1

    def forward(self, x: Tensor) -> Any:
        x, aux2, aux1 = self.scores(recolored(x) if self.transform_input else x)
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


def legacy(state: dict[str, Any], model: Any) -> dict[str, Any]:
    """The published file has both auxiliary classifiers; a model without them leaves them out."""
    return {k: v for k, v in state.items() if model.aux_logits or not k.lower().startswith("aux")}


def make(
    trained: Any,
    progress: bool,
    *,
    model: Callable[..., Any] = GoogLeNet,
    aux_logits: bool | None = None,
    **kwargs: Any,
) -> Any:
    if trained is None:
        return model(aux_logits=True if aux_logits is None else aux_logits, **kwargs)
    kwargs.setdefault("transform_input", True)
    expect(kwargs, "init_weights", False)
    return model(aux_logits=bool(aux_logits), **kwargs)


family(globals(), make, {"googlenet": ("GoogLeNet", {})})
