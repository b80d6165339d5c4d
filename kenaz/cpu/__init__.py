"""The CPU under the questions that PyTorch lets one ask about any device."""

from __future__ import annotations

import contextlib
from typing import Any

from . import amp

__all__ = [
    "amp", "current_device", "current_stream", "device_count", "is_available", "is_initialized", "set_device",
    "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is a CPU.

    >>> is_available(), device_count(), current_device()
    (True, 1, 'cpu')
    """
    return True


def is_initialized() -> bool:
    return True


def device_count() -> int:
    return 1


def current_device() -> str:
    return "cpu"


def set_device(device: Any) -> None:
    """Choose the only one there is."""


def synchronize(device: Any = None) -> None:
    """Wait for what runs on the CPU: nothing runs behind a program's back."""


def current_stream(device: Any = None) -> Any:
    return None


def stream(stream: Any) -> Any:
    """A context that does nothing."""
    return contextlib.nullcontext()
