"""Pipes that apply a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..._utils.collate import default_collate
from ..datapipe import IterDataPipe, functional_datapipe

__all__ = ["CollatorIterDataPipe", "MapperIterDataPipe"]


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """`fn` of every sample; of some columns, and into some column, where `input_col` and `output_col` say so."""

    def __init__(self, datapipe: Any, fn: Callable, input_col: Any = None, output_col: Any = None) -> None:
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        self.datapipe, self.fn, self.input_col, self.output_col = datapipe, fn, input_col, output_col

    def _applied(self, data: Any) -> Any:
        if self.input_col is None:
            return self.fn(data)
        several = isinstance(self.input_col, (list, tuple))
        found = self.fn(*(data[c] for c in self.input_col)) if several else self.fn(data[self.input_col])
        row = list(data) if isinstance(data, tuple) else data
        if self.output_col == -1:
            row.append(found)
        else:
            first = self.input_col[0] if several else self.input_col
            row[first if self.output_col is None else self.output_col] = found
            for column in sorted(self.input_col[1:], reverse=True) if several and self.output_col is None else ():
                del row[column]
        return tuple(row) if isinstance(data, tuple) else row

    def __iter__(self) -> Iterator:
        for data in self.datapipe:
            yield self._applied(data)

    def __len__(self) -> int:
        return _length(self, self.datapipe)


def _length(pipe: Any, source: Any) -> int:
    if not hasattr(source, "__len__"):
        raise TypeError(f"{type(pipe).__name__} instance doesn't have valid length")
    return len(source)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Batches as tensors."""

    def __init__(self, datapipe: Any, conversion: Any = None, collate_fn: Callable | None = None) -> None:
        chosen = collate_fn or (conversion if callable(conversion) else default_collate)
        super().__init__(datapipe, fn=chosen)
