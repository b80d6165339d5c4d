"""What ran, when and for whom: events for the profiler and for KENAZ_DEBUG. Nothing is noted while nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Event:
    """One piece of work: its name, begin and end in nanoseconds of `time.perf_counter_ns`, the user's line that asked
    for it, and sizes of its inputs."""

    __slots__ = ("end", "line", "name", "sizes", "start")

    def __init__(self, name: str, start: int, end: int, line: Any = None, sizes: Any = ()):
        self.name, self.start, self.end, self.line, self.sizes = name, start, end, line, sizes


class State:
    """`on` while somebody listens; recording then notes the user's lines."""

    __slots__ = ("on",)
    on: bool


state = State()
state.on = False
_listeners: list[Callable[[Event], None]] = []


def listen(listener: Callable[[Event], None]) -> None:
    """Send every event to a function, from now on."""
    _listeners.append(listener)
    state.on = True


def unlisten(listener: Callable[[Event], None]) -> None:
    _listeners.remove(listener)
    state.on = bool(_listeners)


def note(event: Event) -> None:
    """Tell everybody who listens."""
    for listener in list(_listeners):
        listener(event)
