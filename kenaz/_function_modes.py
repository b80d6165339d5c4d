"""Contexts that see every function of tensors that a program calls: `TorchFunctionMode`.

Functions do not ask for modes, so that calls cost nothing: the outermost mode puts a router in the place of every
public function and method, and takes it away again. A function that a program imported by its name before is not seen.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from . import _api as torch
from .ops.subclasses import types_of

__all__ = ["BaseTorchFunctionMode", "TorchFunctionMode"]

_active: list[TorchFunctionMode] = []  # innermost last
_replaced: list[tuple[Any, str, Callable]] = []
_PLACES = ("kenaz", "kenaz._api", "kenaz.nn.functional", "kenaz.nn.init", "kenaz.linalg", "kenaz.fft", "kenaz.special")
_LEFT_ALONE = ("alias", "compile", "load", "save", "is_tensor")


def _functions() -> Iterator[tuple[Any, str, Callable]]:
    """Every public function and method with the place where it is looked up."""
    for place in _PLACES:
        module = sys.modules.get(place)
        for name, value in list(vars(module).items()) if module else ():
            if isinstance(value, FunctionType) and name[0] != "_" and name not in _LEFT_ALONE:
                yield module, name, value
    for name, value in list(vars(torch.Tensor).items()):
        if isinstance(value, FunctionType) and name[0] != "_":
            yield torch.Tensor, name, value


def _router(function: Callable) -> Callable:
    @functools.wraps(function)
    def routed(*args: Any, **kwargs: Any) -> Any:
        if not _active:
            return function(*args, **kwargs)
        mode = _active.pop()  # what the mode calls itself goes to the next one
        try:
            return mode.__torch_function__(function, types_of((args, kwargs)), args, kwargs)
        finally:
            _active.append(mode)

    return routed


class TorchFunctionMode:
    """A context in which `__torch_function__` of the mode is called instead of every function of tensors.

    >>> class Log(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Log():
    ...     _ = torch.zeros(2).exp()
    zeros
    exp
    """

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> TorchFunctionMode:
        if not _replaced:
            _replaced.extend(_functions())
            for place, name, function in _replaced:
                setattr(place, name, _router(function))
        _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.remove(self)
        if not _active:
            for place, name, function in _replaced:
                setattr(place, name, function)
            _replaced.clear()


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))
