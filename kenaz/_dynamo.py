"""The names of PyTorch's tracer that libraries ask for: nothing is traced here (see compiler.py)."""

from .compiler import allow_in_graph, disable, is_compiling, list_backends, reset
from .nn.module import Module

__all__ = ["OptimizedModule", "allow_in_graph", "disable", "is_compiling", "list_backends", "reset"]


class OptimizedModule(Module):
    """The class of compiled modules, for `isinstance`: `torch.compile` gives modules back as they are."""
