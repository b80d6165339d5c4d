"""Members: a module's parameters, buffers and submodules by name, with a mirror that makes reading them quick.

Without it, `module.weight` finds no such attribute and falls back to `Module.__getattr__`: half a microsecond, as much
as recording an operator takes. So the dictionaries `_parameters`, `_buffers` and `_modules` copy each of their items
into the module's own `__dict__`, where Python finds it at once (0.03 us). The dictionaries stay the truth:

* Every write, also a direct one such as `module._parameters["weight"] = p`, goes through the dictionary and so into the
  mirror.
* A dictionary mirrors into the one module that made it. A shallow copy of the module shares the dictionaries, has no
  mirror, and reads through `__getattr__`.
* A name that the module's class defines is not mirrored: the class's attribute is found first, as in PyTorch.
* `Module.__getstate__` leaves the mirror out: pickles look like PyTorch's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any
from weakref import ref

KINDS = ("_parameters", "_buffers", "_modules")


class Members(dict):
    """A dictionary of named members that is mirrored into the `__dict__` of the module that owns it."""

    __slots__ = ("owner",)
    owner: ref

    def __init__(self, owner: Any, items: Iterable = ()):
        self.owner = ref(owner)  # a strong reference would leave every discarded model to the garbage collector
        if items:
            self.update(items)

    def __setitem__(self, name: str, value: Any) -> None:
        dict.__setitem__(self, name, value)
        owner = self.owner()
        if owner is not None and not hasattr(type(owner), name):
            owner.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        dict.__delitem__(self, name)
        self._hide(name)

    def _hide(self, name: str) -> None:
        owner = self.owner()
        if owner is not None:
            owner.__dict__.pop(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        if name in self:
            self._hide(name)
        return dict.pop(self, name, *default)

    def popitem(self) -> tuple[str, Any]:
        name, value = dict.popitem(self)
        self._hide(name)
        return name, value

    def clear(self) -> None:
        for name in self:
            self._hide(name)
        dict.clear(self)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]  # `|` gives a new dict, `|=` changes this one
        self.update(other)
        return self

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    # Copies and pickles are plain dictionaries: the copy of the module that owns them makes them its own.
    def __copy__(self) -> dict:
        return dict(self)

    def __deepcopy__(self, memo: dict) -> dict:
        result: dict = {}
        memo[id(self)] = result
        for name, value in self.items():
            result[name] = copy.deepcopy(value, memo)
        return result

    def __reduce__(self) -> tuple:
        return dict, (), None, None, iter(self.items())


def without_mirror(attributes: dict) -> dict:
    """A module's `__dict__` as PyTorch has it: each member only in its dictionary."""
    hidden = {name for kind in KINDS for name in attributes.get(kind, ())}
    return {name: value for name, value in attributes.items() if name not in hidden}


def adopt(module: Any) -> None:
    """Make the member dictionaries that a copy or a pickle brought the module's own."""
    attributes = module.__dict__
    for kind in KINDS:
        members = attributes.get(kind)
        if members is None:
            continue
        for name in members:
            attributes.pop(name, None)
        if type(members) is not Members:  # otherwise a shallow copy shares another module's
            attributes[kind] = Members(module, members)
