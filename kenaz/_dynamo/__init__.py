"""The names of PyTorch's tracer that libraries ask for: nothing is traced here (see compiler.py)."""

from typing import Any

from ..compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset
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
    """Where a traced graph would end."""


def optimize(*args: Any, **kwargs: Any) -> Any:
    """A decorator that gives back what it gets."""
    return lambda fn: fn
