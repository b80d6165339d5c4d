"""Timing what a program runs: operators, compiled loops, and the parts that `record_function` names.

Operators run when a value is asked for, not when their line runs; a compiled loop stands for the operators that it is
made of ("mul+add+relu"). Each event knows the line of the program that recorded it.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from .. import execute
from ..runtime import trace

__all__ = ["EventList", "FunctionEvent", "emit_nvtx", "profile", "record_function"]

_listening: list[profile] = []  # innermost last


class FunctionEvent:
    """Something that ran: when it began, in microseconds, and how long it took; or several of one name, added up."""

    def __init__(self, name: str, start: float, duration: float, count: int = 1, line: Any = None, sizes: Any = ()):
        self.name = self.key = name
        self.start, self.count = start, count
        self.cpu_time_total = self.self_cpu_time_total = duration
        self.input_shapes, self.line = sizes, line
        self.stack = [f"{line[0]}({line[1]})"] if line else []

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count


class EventList(list):
    """Events, with what one wants to see of them."""

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """One event for every name."""
        found: dict[Any, FunctionEvent] = {}
        by_shape = kwargs.get("group_by_input_shape", bool(args and args[0]))
        for event in self:
            key = (event.name, str(event.input_shapes)) if by_shape else event.name
            first = FunctionEvent(event.name, event.start, 0.0, 0, event.line, event.input_shapes)
            total = found.setdefault(key, first)
            total.cpu_time_total += event.cpu_time_total
            total.self_cpu_time_total = total.cpu_time_total
            total.count += event.count
        return EventList(found.values())

    def total_average(self) -> FunctionEvent:
        """All events as one."""
        return FunctionEvent("Total", 0.0, sum(e.cpu_time_total for e in self), sum(e.count for e in self))

    def table(self, sort_by: str | None = None, row_limit: int = 100, **kwargs: Any) -> str:
        """Lines of name, total time, mean time and count, sorted by an attribute of the events such as "count" or
        "cpu_time_total", the largest first."""
        key = sort_by if sort_by and hasattr(FunctionEvent("", 0, 0), sort_by) else "cpu_time_total"
        rows = sorted(self, key=lambda e: -getattr(e, key)) if sort_by else list(self)
        row_limit = len(rows) if row_limit < 0 else row_limit
        width = max([len(e.name) for e in rows[:row_limit]] + [len("Name")])
        lines = [f"{'Name':>{width}}  {'CPU total':>12}  {'CPU time avg':>12}  {'# of Calls':>10}"]
        for e in rows[:row_limit]:
            total, mean = (f"{t / 1000:.3f}ms" for t in (e.cpu_time_total, e.cpu_time))
            lines.append(f"{e.name:>{width}}  {total:>12}  {mean:>12}  {e.count:>10}")
        return "\n".join(lines)

    def export_chrome_trace(self, path: Any) -> None:
        """Write the events as a timeline for chrome://tracing."""
        import json

        events = [
            {
                "name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0,
                "args": {"line": ":".join(map(str, e.line)) if e.line else "", "Input Dims": e.input_shapes},
            }
            for e in self
        ]  # fmt: skip
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
    """Collects what runs inside; operators that were recorded before run before it begins."""

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        self.enabled = enabled
        self.function_events = EventList()

    def __enter__(self) -> profile:
        if self.enabled:
            execute.flush()
            _listening.append(self)
            trace.listen(self._note)
            execute.update_mode()
        return self

    def _note(self, event: trace.Event) -> None:
        micros = (event.end - event.start) / 1000
        self.function_events.append(
            FunctionEvent(event.name, event.start / 1000, micros, line=event.line, sizes=event.sizes)
        )

    def __exit__(self, *_: Any) -> None:
        if self in _listening:
            execute.flush()
            _listening.remove(self)
            trace.unlisten(self._note)
            execute.update_mode()

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        return self.function_events.key_averages(*args, **kwargs)

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
