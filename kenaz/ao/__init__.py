"""`torch.ao`: the parts of quantization that a network may contain without being quantized."""

from . import nn, quantization

__all__ = ["nn", "quantization"]
