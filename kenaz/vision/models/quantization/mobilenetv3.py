"""MobileNet v3 that could be quantized."""

from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ....nn.quantized import FloatFunctional
from ...ops.misc import SqueezeExcitation
from .. import mobilenetv3
from .._registry import family
from .utils import Fusible, Quantizable, with_plain_relu

__all__ = ["QuantizableMobileNetV3"]

Tensor = torch.Tensor


class QuantizableSqueezeExcitation(Fusible, SqueezeExcitation):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "scale_activation": nn.Hardsigmoid})
        self.skip_mul = FloatFunctional()

    def forward(self, input: Tensor) -> Tensor:
        return self.skip_mul.mul(self._scale(input), input)

    def rows(self) -> list[list[str]]:
        return [["fc1", "activation"]]


class QuantizableInvertedResidual(mobilenetv3.InvertedResidual):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"se_layer": QuantizableSqueezeExcitation, **kwargs})
        self.skip_add = FloatFunctional()

    def forward(self, input: Tensor) -> Tensor:
        return self.skip_add.add(input, self.block(input)) if self.use_res_connect else self.block(input)


class QuantizableMobileNetV3(Quantizable, mobilenetv3.MobileNetV3):
    """MobileNet v3 between two marks."""


def make(trained: Any, progress: bool, **kwargs: Any) -> nn.Module:
    build: Any = partial(QuantizableMobileNetV3, block=QuantizableInvertedResidual)
    return with_plain_relu(mobilenetv3.make(trained, progress, model=build, **kwargs))


LARGE = {"table": mobilenetv3.LARGE, "last": 1280}
family(globals(), make, {"mobilenet_v3_large": ("MobileNet_V3_Large", LARGE)}, quantizable=True)
