"""MobileNet v2 that could be quantized."""

from typing import Any

from .... import _api as torch
from .... import nn
from ....nn.quantized import FloatFunctional
from .. import mobilenetv2
from .._registry import family
from .utils import Fusible, Quantizable, with_plain_relu

__all__ = ["QuantizableMobileNetV2"]

Tensor = torch.Tensor


class QuantizableInvertedResidual(Fusible, mobilenetv2.InvertedResidual):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.skip_add = FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        return self.skip_add.add(x, self.conv(x)) if self.use_res_connect else self.conv(x)

    def rows(self) -> list[list[str]]:
        last = len(self.conv) - 1
        return [[f"conv.{last - 1}", f"conv.{last}"]]


class QuantizableMobileNetV2(Quantizable, mobilenetv2.MobileNetV2):
    """MobileNet v2 between two marks."""


def make(trained: Any, progress: bool, **kwargs: Any) -> nn.Module:
    return with_plain_relu(QuantizableMobileNetV2(block=QuantizableInvertedResidual, **kwargs))


family(globals(), make, {"mobilenet_v2": ("MobileNet_V2", {})}, quantizable=True)
