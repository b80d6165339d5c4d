"""Several processes: not part of this build, which says so the way a PyTorch built without it does.

The functions that talk to other processes are here by name, for programs that ask `is_initialized` before a call.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

ReduceOp = Enum("ReduceOp", ["SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR", "PREMUL_SUM"])


class group:
    """The processes that talk to one another: WORLD is all of them."""

    WORLD = None


class ProcessGroup:
    """Some of the processes, for annotations: there is no group here."""


class Work:
    """What a function that does not wait gives back, for annotations: nothing is under way here."""


def is_available() -> bool:
    """Whether the distributed package can be used: never in this build."""
    return False


def is_initialized() -> bool:
    """Whether `init_process_group` was called: it cannot be."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """Would join the other processes; raises RuntimeError."""
    raise RuntimeError("Distributed package is not built in: there is one process")


def _needs_a_group(name: str) -> Callable:
    """A function that talks to other processes: without a group it raises PyTorch's ValueError."""

    def function(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call init_process_group."
        )

    function.__name__ = function.__qualname__ = name
    return function


_TALKING = (
    "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all", "all_to_all_single",
    "barrier", "broadcast", "broadcast_object_list", "destroy_process_group", "gather", "gather_object", "get_backend",
    "get_rank", "get_world_size", "irecv", "isend", "monitored_barrier", "new_group", "recv", "reduce",
    "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
)  # fmt: skip
globals().update({name: _needs_a_group(name) for name in _TALKING})


def __getattr__(name: str) -> Any:
    if name in ("device_mesh", "nn", "rpc"):
        import importlib

        return importlib.import_module(f"kenaz.distributed.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
