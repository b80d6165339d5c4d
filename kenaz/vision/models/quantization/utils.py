"""What networks that could be quantized have in common."""

from typing import Any

from .... import nn
from ....ao.quantization import DeQuantStub, QuantStub, fuse_modules, fuse_modules_qat
from ...ops.misc import Conv2dNormActivation
from .._registry import NO_QUANTIZED


class Fusible(nn.Module):
    """A part of a network whose modules can be put together."""

    def rows(self) -> list[list[str]]:
        """The names of modules that become one."""
        return []

    def fuse_model(self, is_qat: bool | None = None) -> None:
        """Puts modules together in place, here and below; `is_qat` (the mode if None) keeps normalizations apart."""
        for module in list(self.modules()):
            together = fuse_modules_qat if (module.training if is_qat is None else is_qat) else fuse_modules
            if names := rows_of(module):
                together(module, names, inplace=True)


def rows_of(module: nn.Module) -> list[list[str]]:
    if isinstance(module, Fusible):
        return module.rows()
    if type(module) is Conv2dNormActivation:
        return [["0", "1", "2"]] if len(module) == 3 and type(module[2]) is nn.ReLU else [["0", "1"]]
    return []


class Quantizable(Fusible):
    """A network between two marks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.quant = QuantStub()
        self.dequant = DeQuantStub()

    def forward(self, x: Any) -> Any:
        return self.dequant(super().forward(self.quant(x)))


def with_plain_relu(model: nn.Module) -> nn.Module:
    """The model with ReLUs that quantized tensors would have: not in place, and not cut at 6."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) in (nn.ReLU, nn.ReLU6):
                setattr(module, name, nn.ReLU(inplace=False))
    return model


def quantize_model(model: nn.Module, backend: str) -> None:
    """Raises: there are no quantized tensors."""
    raise RuntimeError(NO_QUANTIZED)
