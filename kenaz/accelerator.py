"""The current accelerator (`torch.accelerator`): a CUDA device where there is one, else none."""

from __future__ import annotations

from typing import Any

from . import cuda
from ._api import device

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "current_stream", "device_count",
    "device_index",
    "empty_cache", "is_available", "max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved",
    "set_device_idx", "set_device_index", "set_stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is an accelerator."""
    return cuda.is_available()


def device_count() -> int:
    """How many accelerators there are."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> Any:
    """The kind of accelerator as a device, or None.

    >>> current_accelerator() is None or current_accelerator().type
    True
    """
    return device("cuda") if is_available() else None


def _present() -> None:
    if not is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")


def current_device_index() -> int:
    """The number of the current device."""
    _present()
    return cuda.current_device()


def set_device_index(device: Any, /) -> None:
    """Make another device the current one."""
    _present()
    cuda.set_device(device)


def current_stream(device: Any = None, /) -> Any:
    """The stream that work goes to."""
    _present()
    return cuda.current_stream(device)


def set_stream(stream: Any) -> None:
    """Make another stream the one that work goes to."""
    _present()
    cuda.set_stream(stream)


def synchronize(device: Any = None, /) -> None:
    """Wait for all work on a device."""
    _present()
    cuda.synchronize(device)


class device_index:
    """Another current device inside a block; None changes nothing."""

    def __init__(self, device: int | None, /):
        self.index = device
        self.before: int | None = None

    def __enter__(self) -> None:
        if self.index is not None:
            self.before = current_device_index()
            set_device_index(self.index)

    def __exit__(self, *error: Any) -> None:
        if self.before is not None:
            set_device_index(self.before)


def empty_cache() -> None:
    """Give memory that is kept for reuse back to the device."""
    if is_available():
        cuda.empty_cache()


def _memory(name: str) -> Any:
    def function(device: Any = None, /) -> int:
        return getattr(cuda, name)(device) if is_available() else 0

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`torch.cuda.{name}` of the accelerator; 0 without one."
    return function


memory_allocated, max_memory_allocated = _memory("memory_allocated"), _memory("max_memory_allocated")
memory_reserved, max_memory_reserved = _memory("memory_reserved"), _memory("max_memory_reserved")
current_device_idx, set_device_idx = current_device_index, set_device_index
