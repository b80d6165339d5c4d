"""Helpers around training: data loading, hooks, checkpointing, nested containers (start at `data/dataloader.py`)."""

from typing import Any

from ..ops.interop import swap_tensors
from . import data, hooks

_LAZY = (  # loaded when first named
    "_pytree", "benchmark", "checkpoint", "cpp_extension", "dlpack", "flop_counter", "model_zoo", "tensorboard",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
