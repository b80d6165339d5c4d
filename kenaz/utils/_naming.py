"""Classes that show PyTorch's address and are pickled by their own.

`<torch.utils.data.dataset.TensorDataset object at ...>` is what people expect to read; but where Kenaz does not stand
in for torch, pickle (and so a spawned worker) would look for that address in vain.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

_homes: dict[type, str] = {}


def show_as_torch(namespace: dict, names: Iterable[str]) -> dict[str, type]:
    """Give the classes of a module PyTorch's address; returns them for `__test__`, where doctest then looks."""
    home = namespace["__name__"]
    classes = {name: namespace[name] for name in names if isinstance(namespace[name], type)}
    for cls in classes.values():
        _homes[cls] = home
        cls.__module__ = "torch" + home[home.index(".") :]
    return classes


def reduce_ex(self: Any, protocol: Any) -> Any:
    """`__reduce_ex__` of such classes. `torch.save`, whose protocol is 2, writes PyTorch's address."""
    cls = type(self)
    if protocol <= 2 or cls not in _homes:
        return object.__reduce_ex__(self, protocol)
    return _new, (_homes[cls], cls.__name__), self.__dict__


def _new(home: str, name: str) -> Any:
    cls = getattr(importlib.import_module(home), name)
    return cls.__new__(cls)
