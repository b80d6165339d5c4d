"""Modules that `fuse_modules` makes of neighbours: ConvReLU2d, ConvBn2d, LinearReLU ..."""

from ..quantization import fusing

globals().update(fusing._CLASSES)

__all__ = sorted(fusing._CLASSES)
