"""The pipes that a pipe is made of."""

from __future__ import annotations

from typing import Any

from .datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["traverse", "traverse_dps"]


def traverse_dps(datapipe: Any) -> dict[int, tuple[Any, dict]]:
    """For a pipe, by its id, the pipe and the same of the pipes it holds."""
    return {id(datapipe): (datapipe, {k: v for inner in _held(datapipe) for k, v in traverse_dps(inner).items()})}


traverse = traverse_dps


def _held(pipe: Any) -> list:
    """The pipes among the attributes of a pipe, in lists and tuples too."""
    found: list = []
    stack = list(vars(pipe).values())
    while stack:
        value = stack.pop()
        if isinstance(value, (IterDataPipe, MapDataPipe)):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            stack += value
        elif type(value).__name__ == "_Splitter":
            stack.append(value.datapipe)
    return found[::-1]
