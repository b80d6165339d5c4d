"""Inception v3: "Rethinking the Inception architecture for computer vision" (2015); it takes images of 299 x 299."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ... import _api as torch
from ... import nn
from ._registry import family
from .googlenet import BasicConv2d, recolored, warn_of_default
from .googlenet import legacy as legacy
from .googlenet import make as make_googlenet

__all__ = ["Inception3", "InceptionOutputs"]

Tensor = torch.Tensor
F = nn.functional


class InceptionOutputs(NamedTuple):
    """What the network gives while it trains: the scores, and those of the auxiliary classifier."""

    logits: Tensor
    aux_logits: Tensor | None


class Parallel(nn.Module):
    """Branches side by side. A row of the table has a path of convolutions, each (name, outputs, options)."""

    convolution: Any = BasicConv2d

    def add(self, inputs: int, *path: tuple[str, int, dict[str, Any]]) -> None:
        for name, outputs, options in path:
            setattr(self, name, self.convolution(inputs, outputs, **options))
            inputs = outputs

    def joined(self, branches: list[Tensor], place: str = "") -> Tensor:
        """The branches' channels side by side; `place` tells several joints of a module apart."""
        return torch.cat(branches, 1)

    def path(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x


ONE = {"kernel_size": 1}
THREE = {"kernel_size": 3, "padding": 1}
FIVE = {"kernel_size": 5, "padding": 2}
HALVE = {"kernel_size": 3, "stride": 2}
ROW = {"kernel_size": (1, 7), "padding": (0, 3)}
COLUMN = {"kernel_size": (7, 1), "padding": (3, 0)}
SHORT_ROW = {"kernel_size": (1, 3), "padding": (0, 1)}
SHORT_COLUMN = {"kernel_size": (3, 1), "padding": (1, 0)}


def smoothed(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


class InceptionA(Parallel):
    """At 35 x 35: 1 x 1, 5 x 5, twice 3 x 3, and a mean."""

    def __init__(self, inputs: int, pool_features: int) -> None:
        super().__init__()
        self.add(inputs, ("branch1x1", 64, ONE))
        self.add(inputs, ("branch5x5_1", 48, ONE), ("branch5x5_2", 64, FIVE))
        self.add(inputs, ("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, THREE))
        self.add(inputs, ("branch_pool", pool_features, ONE))

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch1x1(x),
            self.path(x, "branch5x5_1", "branch5x5_2"),
            self.path(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            self.branch_pool(smoothed(x)),
        ]
        return self.joined(branches)


class InceptionB(Parallel):
    """From 35 x 35 to 17 x 17."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.add(inputs, ("branch3x3", 384, HALVE))
        self.add(inputs, ("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, HALVE))

    def forward(self, x: Tensor) -> Tensor:
        double = self.path(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return self.joined([self.branch3x3(x), double, F.max_pool2d(x, kernel_size=3, stride=2)])


class InceptionC(Parallel):
    """At 17 x 17: 7 x 7 as a row and a column, once and twice."""

    def __init__(self, inputs: int, channels_7x7: int) -> None:
        super().__init__()
        c = channels_7x7
        self.add(inputs, ("branch1x1", 192, ONE))
        self.add(inputs, ("branch7x7_1", c, ONE), ("branch7x7_2", c, ROW), ("branch7x7_3", 192, COLUMN))
        self.add(
            inputs,
            ("branch7x7dbl_1", c, ONE),
            ("branch7x7dbl_2", c, COLUMN),
            ("branch7x7dbl_3", c, ROW),
            ("branch7x7dbl_4", c, COLUMN),
            ("branch7x7dbl_5", 192, ROW),
        )
        self.add(inputs, ("branch_pool", 192, ONE))

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch1x1(x),
            self.path(x, *(f"branch7x7_{i}" for i in range(1, 4))),
            self.path(x, *(f"branch7x7dbl_{i}" for i in range(1, 6))),
            self.branch_pool(smoothed(x)),
        ]
        return self.joined(branches)


class InceptionD(Parallel):
    """From 17 x 17 to 8 x 8."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.add(inputs, ("branch3x3_1", 192, ONE), ("branch3x3_2", 320, HALVE))
        self.add(
            inputs,
            ("branch7x7x3_1", 192, ONE),
            ("branch7x7x3_2", 192, ROW),
            ("branch7x7x3_3", 192, COLUMN),
            ("branch7x7x3_4", 192, HALVE),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.path(x, "branch3x3_1", "branch3x3_2"),
            self.path(x, *(f"branch7x7x3_{i}" for i in range(1, 5))),
            F.max_pool2d(x, kernel_size=3, stride=2),
        ]
        return self.joined(branches)


class InceptionE(Parallel):
    """At 8 x 8: 3 x 3 as a row beside a column."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.add(inputs, ("branch1x1", 320, ONE))
        self.add(inputs, ("branch3x3_1", 384, ONE))
        self.add(384, ("branch3x3_2a", 384, SHORT_ROW))
        self.add(384, ("branch3x3_2b", 384, SHORT_COLUMN))
        self.add(inputs, ("branch3x3dbl_1", 448, ONE), ("branch3x3dbl_2", 384, THREE))
        self.add(384, ("branch3x3dbl_3a", 384, SHORT_ROW))
        self.add(384, ("branch3x3dbl_3b", 384, SHORT_COLUMN))
        self.add(inputs, ("branch_pool", 192, ONE))

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.path(x, "branch3x3dbl_1", "branch3x3dbl_2")
        branches = [
            self.branch1x1(x),
            self.joined([self.branch3x3_2a(single), self.branch3x3_2b(single)], "1"),
            self.joined([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], "2"),
            self.branch_pool(smoothed(x)),
        ]
        return self.joined(branches, "3")


class InceptionAux(nn.Module):
    """A classifier half-way, for the time of training."""

    convolution: Any = BasicConv2d

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.conv0 = self.convolution(inputs, 128, kernel_size=1)
        self.conv1 = self.convolution(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: Any = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if init_weights is None:
            warn_of_default("inception_v3")
            init_weights = True
        conv, a, b, c, d, e, aux = inception_blocks or (
            BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux,
        )  # fmt: skip
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    std = float(getattr(module, "stddev", 0.1))
                    nn.init.trunc_normal_(module.weight, mean=0.0, std=std, a=-2, b=2)

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The scores, and those of the auxiliary classifier."""
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        aux = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return self.fc(torch.flatten(self.dropout(self.avgpool(x)), 1)), aux

    def forward(self, x: Tensor) -> Any:
        x, aux = self.scores(recolored(x) if self.transform_input else x)
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


def make(trained: Any, progress: bool, *, model: Callable[..., Any] = Inception3, **kwargs: Any) -> Inception3:
    if trained is not None:
        # its auxiliary classifier was trained, unlike GoogLeNet's: it stays unless the user says otherwise
        kwargs.setdefault("aux_logits", True)
    return make_googlenet(trained, progress, model=model, **kwargs)


family(globals(), make, {"inception_v3": ("Inception_V3", {})})
