"""Queues of work on a device (`torch.cuda.streams`): classes to annotate with; without a device none can be made."""

from __future__ import annotations

from typing import Any

__all__ = ["Event", "ExternalStream", "Stream"]


class Stream:
    """A queue of work on a device."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Stream:
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class ExternalStream(Stream):
    """A queue that another library has made."""


class Event:
    """A mark in a queue."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Event:
        raise RuntimeError("Tried to instantiate dummy base class Event")
