"""`torch.ao`: the parts of quantization that a network may contain without being quantized."""

from . import quantization

__all__ = ["quantization"]
