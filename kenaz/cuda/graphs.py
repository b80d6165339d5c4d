"""Work on a device that is captured once and launched again (`torch.cuda.graphs`): names, for without a device."""

from __future__ import annotations

from typing import Any

__all__ = ["CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing"]


def _missing(name: str) -> RuntimeError:
    return RuntimeError(f"Tried to instantiate dummy base class {name}")


class CUDAGraph:
    """What was captured."""

    def __new__(cls, *args: Any, **kwargs: Any) -> CUDAGraph:
        raise _missing("CUDAGraph")


class graph:
    """Captures what runs inside `with`: it needs a graph, and there is none to be had."""

    def __init__(self, cuda_graph: CUDAGraph, *args: Any, **kwargs: Any) -> None:
        raise _missing("CUDAGraph")


def graph_pool_handle() -> Any:
    """A handle of memory that graphs share."""
    raise _missing("_graph_pool_handle")


def is_current_stream_capturing() -> bool:
    """Whether work is being captured."""
    raise _missing("_cuda_isCurrentStreamCapturing")
