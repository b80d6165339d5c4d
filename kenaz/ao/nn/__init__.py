"""Modules of networks that could be quantized: in floating point, alone (`quantized`) or put together (`intrinsic`)."""

from . import intrinsic, quantized

__all__ = ["intrinsic", "quantized"]
