"""ShuffleNet v2 that could be quantized."""

from typing import Any

from .... import _api as torch
from .... import nn
from ....nn.quantized import FloatFunctional
from .. import shufflenetv2
from .._registry import family
from .utils import Fusible, Quantizable, with_plain_relu

__all__ = ["QuantizableShuffleNetV2"]

Tensor = torch.Tensor


class QuantizableInvertedResidual(Fusible, shufflenetv2.InvertedResidual):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cat = FloatFunctional()

    def joined(self, halves: list[Tensor]) -> Tensor:
        return self.cat.cat(halves, dim=1)

    def rows(self) -> list[list[str]]:
        beside = ["01", "234"] if len(self.branch1) else []
        paths = {"branch1": beside, "branch2": ["012", "34", "567"]}
        return [[f"{branch}.{i}" for i in row] for branch, rows in paths.items() for row in rows]


class QuantizableShuffleNetV2(Quantizable, shufflenetv2.ShuffleNetV2):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, inverted_residual=QuantizableInvertedResidual, **kwargs)

    def rows(self) -> list[list[str]]:
        return [[f"{stage}.{i}" for i in range(3)] for stage in ("conv1", "conv5")]


def make(trained: Any, progress: bool, *, widths: list[int], **kwargs: Any) -> nn.Module:
    return with_plain_relu(QuantizableShuffleNetV2([4, 8, 4], widths, **kwargs))


family(
    globals(),
    make,
    {
        f"shufflenet_v2_{x}": (f"ShuffleNet_V2_{x.upper()}", {"widths": widths})
        for x, widths in shufflenetv2.WIDTHS.items()
    },
    quantizable=True,
)
