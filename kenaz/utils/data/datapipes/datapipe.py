"""The two kinds of pipes, and how pipes become their methods."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from ..dataset import Dataset, IterableDataset

__all__ = ["DataChunk", "IterDataPipe", "MapDataPipe", "functional_datapipe"]


class _Chained:
    """`pipe.name(...)` is the pipe registered under that name, over this one."""

    functions: dict[str, Callable] = {}

    def __getattr__(self, attribute_name: str) -> Any:
        maker = type(self).functions.get(attribute_name)
        if maker is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{attribute_name}'")
        return functools.partial(maker, self)

    @classmethod
    def register_function(cls, function_name: str, function: Callable) -> None:
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: type, enable_df_api_tracing: bool = False
    ) -> None:  # fmt: skip
        if function_name in cls.functions:
            raise Exception(f"Unable to add DataPipe function name {function_name} as it is already taken")
        cls.functions[function_name] = cls_to_register

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if not k.startswith("_running")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return type(self).__qualname__


class IterDataPipe(_Chained, IterableDataset):
    """A pipe that is iterated over. Only one iterator of it lives at a time: a new one ends the one before.

    >>> from kenaz.utils.data.datapipes.iter import IterableWrapper
    >>> list(IterableWrapper(range(5)).map(lambda x: 2 * x).batch(2))
    [[0, 2], [4, 6], [8]]
    """

    functions: dict[str, Callable] = {}
    _valid_iterator_id = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__iter__" in vars(cls):
            cls.__iter__ = _single(cls.__iter__)  # type: ignore[method-assign]  # wrapped once per class

    def reset(self) -> None:
        """Go back to the beginning: called where an iterator is made."""


def _single(make: Callable) -> Callable:
    """An `__iter__` whose iterators stop working when another is made."""

    @functools.wraps(make)
    def iterate(self: Any) -> Iterator:
        self._valid_iterator_id += 1
        self.reset()
        return _checked(self, make(self), self._valid_iterator_id)

    return iterate


def _checked(pipe: Any, found: Iterator, number: int) -> Iterator:
    for value in found:
        yield value
        if pipe._valid_iterator_id != number:
            raise RuntimeError(
                "This iterator has been invalidated because another iterator has been created from the same "
                f"IterDataPipe: {pipe!r}\nThis may be caused multiple references to the same IterDataPipe. We "
                "recommend using `.fork()` if that is necessary.\nFor feedback regarding this single iterator per "
                "IterDataPipe constraint, feel free to comment on this issue: https://github.com/pytorch/data/issues/45."
            )


class MapDataPipe(_Chained, Dataset):
    """A pipe whose samples are looked up."""

    functions: dict[str, Callable] = {}


class DataChunk(list):
    """A batch of samples.

    >>> DataChunk([1, 2])
    [1, 2]
    """

    def __init__(self, items: Any) -> None:
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        return indent + "[" + ", ".join(str(i) for i in iter(self)) + "]"

    def raw_iterator(self) -> Iterator:
        yield from self.items


class functional_datapipe:
    """Decorate a class of pipes: it becomes a method of pipes of its kind.

    >>> @functional_datapipe("doubled_in_this_example")
    ... class Doubled(IterDataPipe):
    ...     def __init__(self, source):
    ...         self.source = source
    ...     def __iter__(self):
    ...         for x in self.source:
    ...             yield 2 * x
    >>> from kenaz.utils.data.datapipes.iter import IterableWrapper
    >>> list(IterableWrapper([1, 2]).doubled_in_this_example())
    [2, 4]
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: Any) -> Any:
        kind: Any = next((k for k in (IterDataPipe, MapDataPipe) if isinstance(cls, type) and issubclass(cls, k)), None)
        if kind is None:
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe")
        kind.register_datapipe_as_function(self.name, cls)
        return cls
