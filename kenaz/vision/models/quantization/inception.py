"""Inception v3 that could be quantized."""

from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ....nn.quantized import FloatFunctional
from .. import inception
from .._registry import family
from ..googlenet import recolored
from ..inception import legacy as legacy
from .googlenet import QuantizableBasicConv2d
from .utils import Quantizable, with_plain_relu

__all__ = ["QuantizableInception3"]

Tensor = torch.Tensor


class Watched(inception.Parallel):
    """Branches of convolutions that could be quantized, their joints as modules."""

    convolution = QuantizableBasicConv2d
    places: tuple[str, ...] = ("",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for place in self.places:
            setattr(self, "myop" + place, FloatFunctional())

    def joined(self, branches: list[Tensor], place: str = "") -> Tensor:
        return getattr(self, "myop" + place).cat(branches, 1)


class QuantizableInceptionA(Watched, inception.InceptionA):
    pass


class QuantizableInceptionB(Watched, inception.InceptionB):
    pass


class QuantizableInceptionC(Watched, inception.InceptionC):
    pass


class QuantizableInceptionD(Watched, inception.InceptionD):
    pass


class QuantizableInceptionE(Watched, inception.InceptionE):
    places = ("1", "2", "3")


class QuantizableInceptionAux(inception.InceptionAux):
    convolution = QuantizableBasicConv2d


class QuantizableInception3(Quantizable, inception.Inception3):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        blocks = [
            QuantizableBasicConv2d,
            QuantizableInceptionA,
            QuantizableInceptionB,
            QuantizableInceptionC,
            QuantizableInceptionD,
            QuantizableInceptionE,
            QuantizableInceptionAux,
        ]
        super().__init__(*args, inception_blocks=blocks, **kwargs)

    def forward(self, x: Tensor) -> Any:
        x, aux = self.scores(self.quant(recolored(x) if self.transform_input else x))
        x = self.dequant(x)
        return inception.InceptionOutputs(x, aux) if self.training and self.aux_logits else x


def make(trained: Any, progress: bool, **kwargs: Any) -> nn.Module:
    build = partial(inception.make, model=lambda **options: with_plain_relu(QuantizableInception3(**options)))
    return build(trained, progress, **kwargs)


family(globals(), make, {"inception_v3": ("Inception_V3", {})}, quantizable=True)
