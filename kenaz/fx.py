"""The classes of PyTorch's symbolic graphs, for `isinstance` and annotations: Kenaz's own graphs are recorded, not
traced."""

from .nn.module import Module

__all__ = ["Graph", "GraphModule", "Proxy", "wrap"]


class Graph:
    """A graph of symbolic operations."""


class Proxy:
    """A value that stands for a result while a function is traced."""


class GraphModule(Module):
    """A module made of a symbolic graph."""


def wrap(fn_or_name):  # type: ignore[no-untyped-def]  # what comes in goes out
    """The function: tracing would leave it whole."""
    return fn_or_name
