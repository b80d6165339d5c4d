"""Pipes made of several, and several made of one."""

from __future__ import annotations

import copy as copying
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ..datapipe import IterDataPipe, functional_datapipe
from .callable import _length

__all__ = [
    "ConcaterIterDataPipe", "DemultiplexerIterDataPipe", "ForkerIterDataPipe", "MultiplexerIterDataPipe",
    "ZipperIterDataPipe",
]  # fmt: skip


def _checked(datapipes: tuple, name: str) -> tuple:
    if not datapipes:
        raise ValueError(f"Expected at least one DataPipe, but got nothing: {name}")
    if not all(isinstance(d, IterDataPipe) for d in datapipes):
        raise TypeError("Expected all inputs to be `IterDataPipe`")
    return datapipes


@functional_datapipe("concat")
class ConcaterIterDataPipe(IterDataPipe):
    """One pipe after the other."""

    def __init__(self, *datapipes: Any) -> None:
        self.datapipes = _checked(datapipes, "concat")

    def __iter__(self) -> Iterator:
        for pipe in self.datapipes:
            yield from pipe

    def __len__(self) -> int:
        return sum(_length(self, pipe) for pipe in self.datapipes)


@functional_datapipe("zip")
class ZipperIterDataPipe(IterDataPipe):
    """Tuples of what pipes give side by side, as long as all give something."""

    def __init__(self, *datapipes: Any) -> None:
        self.datapipes = _checked(datapipes, "zip")

    def __iter__(self) -> Iterator:
        yield from zip(*self.datapipes)

    def __len__(self) -> int:
        return min(_length(self, pipe) for pipe in self.datapipes)


@functional_datapipe("mux")
class MultiplexerIterDataPipe(IterDataPipe):
    """One sample of each pipe in turn, until one has no more."""

    def __init__(self, *datapipes: Any) -> None:
        self.datapipes = _checked(datapipes, "mux")

    def __iter__(self) -> Iterator:
        for row in zip(*self.datapipes):
            yield from row

    def __len__(self) -> int:
        return min(_length(self, pipe) for pipe in self.datapipes) * len(self.datapipes)


class _Splitter:
    """Reads one pipe for several, and keeps what some of them have not taken yet."""

    def __init__(self, datapipe: Any, count: int, buffer_size: int, route: Callable[[Any], Any], name: str) -> None:
        self.name = name
        self.datapipe, self.buffer_size, self.route = datapipe, buffer_size, route
        self.waiting: list[deque] = [deque() for _ in range(count)]
        self.passes = [0] * count
        self.current = 0
        self._running: Any = None

    def begin(self, place: int) -> None:
        """A child starts a pass; the first of them starts the source's."""
        self.passes[place] += 1
        if self._running is None or self.passes[place] > self.current:
            self.current = self.passes[place]
            self.passes = [self.current if p == self.current else p for p in self.passes]
            self._running = iter(self.datapipe)
            for queue in self.waiting:
                queue.clear()
        self.passes[place] = self.current

    def take(self, place: int) -> Iterator:
        while True:
            while not self.waiting[place]:
                try:
                    value = next(self._running)
                except StopIteration:
                    return
                for i, v in self.route(value):
                    self.waiting[i].append(v)
                if 0 <= self.buffer_size < max(map(len, self.waiting)):
                    raise BufferError(
                        f"{self.name} buffer overflow,buffer size {self.buffer_size} is insufficient."
                    )
            yield self.waiting[place].popleft()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_running": None, "waiting": [deque() for _ in self.waiting]}


class _ChildDataPipe(IterDataPipe):
    """One of the pipes that a pipe was split into."""

    def __init__(self, main_datapipe: _Splitter, instance_id: int, has_length: bool) -> None:
        self.main_datapipe, self.instance_id, self.has_length = main_datapipe, instance_id, has_length

    def reset(self) -> None:
        self.main_datapipe.begin(self.instance_id)

    def __iter__(self) -> Iterator:
        yield from self.main_datapipe.take(self.instance_id)

    def __len__(self) -> int:
        if not self.has_length:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return len(self.main_datapipe.datapipe)


def _some(num_instances: int, buffer_size: int) -> None:
    if num_instances < 1:
        raise ValueError(f"Expected `num_instances` larger than 0, but {num_instances} is found")
    if buffer_size == 0:
        raise ValueError(f"Expected `buffer_size` larger than 0, but {buffer_size} is found")


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """Several pipes that each give every sample: the same object, or a "shallow" or "deep" copy of it."""

    def __new__(cls, datapipe: Any, num_instances: int, buffer_size: int = 1000, copy: str | None = None) -> Any:
        _some(num_instances, buffer_size)
        if copy not in (None, "shallow", "deep"):
            raise ValueError(
                f"Unknown copy method {copy} requested, choose one of None, `shallow` or `deep`."
            )
        copied: Any = {None: lambda x: x, "shallow": copying.copy, "deep": copying.deepcopy}[copy]
        route = lambda x: [(i, copied(x)) for i in range(num_instances)]
        split = _Splitter(datapipe, num_instances, buffer_size, route, cls.__name__)
        return [_ChildDataPipe(split, i, True) for i in range(num_instances)]


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """Several pipes, among which `classifier_fn` distributes the samples by a number."""

    def __new__(
        cls, datapipe: Any, num_instances: int, classifier_fn: Callable, drop_none: bool = False,
        buffer_size: int = 1000,
    ) -> Any:  # fmt: skip
        _some(num_instances, buffer_size)

        def route(x: Any) -> list:
            place = classifier_fn(x)
            if place is None and drop_none:
                return []
            if place is None or not 0 <= place < num_instances:
                raise ValueError(
                    f"Output of the classification fn should be between 0 and {num_instances - 1}. {place} is returned."
                )
            return [(place, x)]

        split = _Splitter(datapipe, num_instances, buffer_size, route, cls.__name__)
        return [_ChildDataPipe(split, i, False) for i in range(num_instances)]
