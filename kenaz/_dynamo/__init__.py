"""The names of PyTorch's tracer that libraries ask for; how Kenaz captures functions is in `compiling/`."""

from typing import Any

from ..compiler import (
    allow_in_graph,
    assume_constant_result,
    break_graph,
    compile,
    disable,
    is_compiling,
    list_backends,
    reset,
)
from . import config, eval_frame, utils
from .eval_frame import OptimizedModule

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "eval_frame", "graph_break",
    "is_compiling", "list_backends", "mark_dynamic", "mark_static", "mark_static_address", "maybe_mark_dynamic",
    "optimize", "reset", "utils",
]  # fmt: skip


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Say that a tensor stays where it is in memory: kernels take addresses as arguments."""


def mark_dynamic(t: Any, index: Any, **_: Any) -> None:
    """Say that a size changes: a kernel serves every batch size."""


maybe_mark_dynamic = mark_static = mark_unbacked = mark_dynamic


def graph_break(msg: str = "") -> None:
    """Keep the function that is running from being captured, as where a graph of PyTorch's would end."""
    break_graph(msg or "it asks for a graph break")


def optimize(backend: Any = "inductor", *, nopython: bool = False, disable: bool = False, **_: Any) -> Any:
    """The older form of `torch.compile`, as a decorator."""
    return compile(backend=backend, fullgraph=nopython, disable=disable)
