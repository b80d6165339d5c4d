"""Pipes that leave samples out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..datapipe import IterDataPipe, functional_datapipe

__all__ = ["FilterIterDataPipe"]


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The samples, or by `input_col` the columns of samples, for which `filter_fn` is true."""

    def __init__(self, datapipe: Any, filter_fn: Callable, input_col: Any = None) -> None:
        self.datapipe, self.filter_fn, self.input_col = datapipe, filter_fn, input_col

    def _keeps(self, data: Any) -> bool:
        if self.input_col is None:
            found = self.filter_fn(data)
        elif isinstance(self.input_col, (list, tuple)):
            found = self.filter_fn(*(data[c] for c in self.input_col))
        else:
            found = self.filter_fn(data[self.input_col])
        if not isinstance(found, bool):
            raise ValueError(f"Boolean output is required for `filter_fn` of FilterIterDataPipe, got {type(found)}")
        return found

    def __iter__(self) -> Iterator:
        for data in self.datapipe:
            if self._keeps(data):
                yield data
