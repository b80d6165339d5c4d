"""Pipes of batches and groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..datapipe import DataChunk, IterDataPipe, functional_datapipe
from .callable import _length

__all__ = ["BatcherIterDataPipe", "GrouperIterDataPipe", "UnBatcherIterDataPipe"]


@functional_datapipe("batch")
class BatcherIterDataPipe(IterDataPipe):
    """Batches of samples; the last may be smaller, or is dropped."""

    def __init__(
        self, datapipe: Any, batch_size: int, drop_last: bool = False, wrapper_class: type = DataChunk
    ) -> None:  # fmt: skip
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        self.datapipe, self.batch_size = datapipe, batch_size
        self.drop_last, self.wrapper_class = drop_last, wrapper_class

    def __iter__(self) -> Iterator:
        batch: list = []
        for x in self.datapipe:
            batch.append(x)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self) -> int:
        count = _length(self, self.datapipe)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """The samples of batches, of batches of batches with a higher level, of all with -1."""

    def __init__(self, datapipe: Any, unbatch_level: int = 1) -> None:
        self.datapipe, self.unbatch_level = datapipe, unbatch_level

    def __iter__(self) -> Iterator:
        for x in self.datapipe:
            yield from self._parts(x, self.unbatch_level)

    def _parts(self, x: Any, level: int) -> Iterator:
        if level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        if level == 0 or level == -1 and not isinstance(x, (list, DataChunk)):
            yield x
            return
        if not isinstance(x, (list, DataChunk)):
            raise IndexError(f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe")
        for part in x:
            yield from self._parts(part, level if level == -1 else level - 1)


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Groups of samples with one key, of `group_size` at most; a full buffer gives its largest group away."""

    def __init__(
        self, datapipe: Any, group_key_fn: Callable, *, keep_key: bool = False, buffer_size: int = 10000,
        group_size: int | None = None, guaranteed_group_size: int | None = None, drop_remaining: bool = False,
    ) -> None:  # fmt: skip
        self.datapipe, self.group_key_fn = datapipe, group_key_fn
        self.keep_key, self.buffer_size = keep_key, buffer_size
        self.group_size, self.drop_remaining = group_size, drop_remaining
        self.guaranteed_group_size = group_size if guaranteed_group_size is None else guaranteed_group_size
        if guaranteed_group_size is not None and not (group_size and 0 < guaranteed_group_size <= group_size):
            raise AssertionError("guaranteed_group_size must be > 0 and <= group_size and group_size must be set")

    def __iter__(self) -> Iterator:
        groups: dict[Any, list] = {}
        size = 0
        for x in self.datapipe:
            key = self.group_key_fn(x)
            groups.setdefault(key, []).append(x)
            size += 1
            if self.group_size is not None and self.group_size == len(groups[key]):
                size -= self.group_size
                yield self._group(key, groups.pop(key))
            if size == self.buffer_size:
                largest = max(groups, key=lambda k: len(groups[k]))
                size -= len(groups[largest])
                found = groups.pop(largest)
                if self._is_enough(found, largest):
                    yield self._group(largest, found)
        for key, found in groups.items():
            yield self._group(key, found)

    def _is_enough(self, found: list, key: Any) -> bool:
        if not self.guaranteed_group_size or len(found) >= self.guaranteed_group_size:
            return True
        if not self.drop_remaining:
            raise RuntimeError(f"Failed to group items {key!s}")
        return False

    def _group(self, key: Any, found: list) -> Any:
        chunk = DataChunk(found)
        return (key, chunk) if self.keep_key else chunk
