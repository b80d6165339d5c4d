"""Timing named parts of a program: `record_function` names them, `profile` collects them.

What is timed are the parts that a program names, with the operators they ran; for single operators see KENAZ_DEBUG.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from .. import execute

__all__ = ["EventList", "FunctionEvent", "emit_nvtx", "profile", "record_function"]

_listening: list[profile] = []  # innermost last


class FunctionEvent:
    """A named part that ran: when it began, in microseconds, and how long it took; or several of one name, added up."""

    def __init__(self, name: str, start: float, duration: float, count: int = 1) -> None:
        self.name = self.key = name
        self.start, self.count = start, count
        self.cpu_time_total = duration

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count


class EventList(list):
    """Events, with what one wants to see of them."""

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """One event for every name."""
        found: dict[str, FunctionEvent] = {}
        for event in self:
            total = found.setdefault(event.name, FunctionEvent(event.name, event.start, 0.0, 0))
            total.cpu_time_total += event.cpu_time_total
            total.count += event.count
        return EventList(found.values())

    def total_average(self) -> FunctionEvent:
        """All events as one."""
        return FunctionEvent("Total", 0.0, sum(e.cpu_time_total for e in self), sum(e.count for e in self))

    def table(self, sort_by: str | None = None, row_limit: int = 100, **kwargs: Any) -> str:
        """Lines of name, total time, mean time and count."""
        rows = sorted(self, key=lambda e: -e.cpu_time_total) if sort_by else list(self)
        width = max([len(e.name) for e in rows[:row_limit]] + [len("Name")])
        lines = [f"{'Name':>{width}}  {'CPU total':>12}  {'CPU time avg':>12}  {'# of Calls':>10}"]
        for e in rows[:row_limit]:
            total, mean = (f"{t / 1000:.3f}ms" for t in (e.cpu_time_total, e.cpu_time))
            lines.append(f"{e.name:>{width}}  {total:>12}  {mean:>12}  {e.count:>10}")
        return "\n".join(lines)

    def export_chrome_trace(self, path: Any) -> None:
        """Write the events as a timeline for chrome://tracing."""
        import json

        events = [{"name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0} for e in self]
        with open(path, "w") as file:
            json.dump({"traceEvents": events}, file)


class record_function(contextlib.ContextDecorator):
    """A context or decorator that gives its inside a name.

    >>> with profile() as p:
    ...     with record_function("step"):
    ...         pass
    >>> [event.name for event in p.function_events]
    ['step']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        self._start = time.perf_counter_ns()
        return self

    def __exit__(self, *_: Any) -> None:
        if _listening:
            execute.flush()  # what the part recorded belongs to it
            end = time.perf_counter_ns()
            event = FunctionEvent(self.name, self._start / 1000, (end - self._start) / 1000)
            for listener in _listening:
                listener.function_events.append(event)


class profile:
    """Collects the named parts that run inside."""

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        self.enabled = enabled
        self.function_events = EventList()

    def __enter__(self) -> profile:
        if self.enabled:
            execute.flush()
            _listening.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        if self in _listening:
            execute.flush()
            _listening.remove(self)

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        return self.function_events.key_averages()

    def total_average(self) -> FunctionEvent:
        return self.function_events.total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        return self.function_events.table(*args, **kwargs)

    def export_chrome_trace(self, path: Any) -> None:
        self.function_events.export_chrome_trace(path)


class emit_nvtx:
    """For annotations: marks for NVIDIA's tools need a CUDA device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")
