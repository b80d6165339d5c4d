"""The class of compiled modules."""

from ..nn.module import Module

__all__ = ["OptimizedModule"]


class OptimizedModule(Module):
    """For `isinstance`: `torch.compile` gives modules back as they are."""
