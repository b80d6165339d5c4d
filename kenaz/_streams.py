"""`torch.Stream` and `torch.Event`: queues of work and marks in them. The CPU's queue is always empty."""

from __future__ import annotations

from typing import Any

from . import _api as torch

__all__ = ["Event", "Stream", "get_device_module"]


def _cpu(device: Any) -> Any:
    """A device that has streams here: the CPU."""
    if device is None:
        return torch.device("cpu")
    found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    if found.type != "cpu":
        raise RuntimeError(f"PyTorch is not linked with support for {found.type} devices")
    return found


class Stream:
    """A queue of work on a device.

    >>> Stream("cpu").query()
    True
    """

    device_index, device_type, stream_id = -1, 0, 0

    def __init__(self, device: Any = None, *, priority: int = 0, **_: Any) -> None:
        self.device = _cpu(device)

    def query(self) -> bool:
        """Whether all work is done."""
        return True

    def synchronize(self) -> None:
        """Wait for all work."""

    def wait_event(self, event: Event) -> None:
        """Let later work wait for a mark."""

    def wait_stream(self, stream: Stream) -> None:
        """Let later work wait for another queue."""

    def record_event(self, event: Event | None = None) -> Event:
        """A mark after the work so far: the CPU has none."""
        event = event or Event(self.device)
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash(self.device)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __repr__(self) -> str:
        return f"torch.Stream device_type={self.device.type}, device_index=-1, stream_id=0"


class Event:
    """A mark in a queue of work; on the CPU it can be made and waited for, not recorded."""

    event_id = 0

    def __init__(
        self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:  # fmt: skip
        self.device = _cpu(device)

    def query(self) -> bool:
        """Whether the work before the mark is done."""
        return True

    def synchronize(self) -> None:
        """Wait for the work before the mark."""

    def wait(self, stream: Stream | None = None) -> None:
        """Let a queue wait for the mark."""

    def record(self, stream: Stream | None = None) -> None:
        raise RuntimeError("cpu backend doesn't support events.")

    def elapsed_time(self, end_event: Event) -> float:
        raise RuntimeError("cpu backend doesn't support events.")

    def __repr__(self) -> str:
        return f"torch.Event device_type={self.device.type}, device_index=-1, event_flag=0, event_id=0"


def get_device_module(device: Any = None) -> Any:
    """The module that speaks of a kind of device: `torch.cpu`, `torch.cuda`.

    >>> get_device_module("cpu").is_available()
    True
    """
    import importlib

    kind = torch.device(device).type if device is not None else "cpu"
    try:
        return importlib.import_module(f"{__package__}.{kind}")
    except ImportError:
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        ) from None


for _class in (Stream, Event):
    _class.__module__ = "torch"
