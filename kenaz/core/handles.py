"""Handles of registered hooks; `kenaz.utils.hooks` shows them to users."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class RemovableHandle:
    """What `register_*_hook` returns: `remove()` (or leaving a `with` block) takes the hook out again.

    >>> hooks = OrderedDict()
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove(); len(hooks)
    0
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = _reference(hooks_dict)  # a handle must not keep its module alive
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.extra_dict_ref = tuple(_reference(d) for d in extra)

    def remove(self) -> None:
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple:
        state = (self.hooks_dict_ref(), self.id)
        return (*state, tuple(ref() for ref in self.extra_dict_ref)) if self.extra_dict_ref else state

    def __setstate__(self, state: tuple) -> None:
        hooks, self.id, *extra = state
        # A dictionary that was already gone is replaced by one that nobody else holds: remove() then does nothing.
        self.hooks_dict_ref = _reference(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(_reference(OrderedDict() if d is None else d) for d in (extra[0] if extra else ()))
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __reduce__(self) -> tuple:
        return _new_handle, (), self.__getstate__()  # the class itself shows an address that pickle may not find

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def _reference(hooks: Any) -> Callable[[], Any]:
    """A weak reference; a plain dict, which cannot have one, is held."""
    return (lambda: hooks) if type(hooks) is dict else weakref.ref(hooks)


def _new_handle() -> RemovableHandle:
    return RemovableHandle.__new__(RemovableHandle)
