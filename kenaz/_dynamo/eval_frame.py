"""The class of compiled modules, under PyTorch's name."""

from ..compiling.module import OptimizedModule

__all__ = ["OptimizedModule"]
