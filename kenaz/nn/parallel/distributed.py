"""A module replicated over processes: this build has one process, so it can be named and not made."""

from __future__ import annotations

from typing import Any

from ..module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """For `isinstance` and annotations: making one needs a process group, and raises ValueError as in PyTorch without
    one."""

    module: Module

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
