"""GoogLeNet that could be quantized."""

from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ....nn.quantized import FloatFunctional
from .._registry import family
from ..googlenet import BasicConv2d, GoogLeNet, GoogLeNetOutputs, Inception, InceptionAux, recolored
from ..googlenet import legacy as legacy
from ..googlenet import make as make_floating
from .utils import Fusible, Quantizable, with_plain_relu

__all__ = ["QuantizableGoogLeNet"]

Tensor = torch.Tensor


class QuantizableBasicConv2d(Fusible, BasicConv2d):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))

    def rows(self) -> list[list[str]]:
        return [["conv", "bn", "relu"]]


class QuantizableInception(Inception):
    convolution = QuantizableBasicConv2d

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cat = FloatFunctional()

    def joined(self, branches: list[Tensor]) -> Tensor:
        return self.cat.cat(branches, 1)


class QuantizableInceptionAux(InceptionAux):
    convolution = QuantizableBasicConv2d

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4)))
        return self.fc2(self.dropout(self.relu(self.fc1(torch.flatten(x, 1)))))


class QuantizableGoogLeNet(Quantizable, GoogLeNet):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        blocks = [QuantizableBasicConv2d, QuantizableInception, QuantizableInceptionAux]
        super().__init__(*args, blocks=blocks, **kwargs)

    def forward(self, x: Tensor) -> Any:
        x, aux2, aux1 = self.scores(self.quant(recolored(x) if self.transform_input else x))
        x = self.dequant(x)
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


make = partial(make_floating, model=lambda **kwargs: with_plain_relu(QuantizableGoogLeNet(**kwargs)))
family(globals(), make, {"googlenet": ("GoogLeNet", {})}, quantizable=True)
