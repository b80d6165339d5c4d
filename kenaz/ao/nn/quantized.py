"""Operators as modules."""

from ...nn.quantized import FloatFunctional

__all__ = ["FloatFunctional"]
