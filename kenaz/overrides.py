"""How other classes take part in functions of tensors: `__torch_function__`.

Operators on a subclass of Tensor go through its `__torch_function__`. Functions written by users ask here themselves:

>>> class Meters:
...     @classmethod
...     def __torch_function__(cls, func, types, args=(), kwargs=None):
...         return f"{func.__name__} of meters"
>>> def length(x):
...     if has_torch_function((x,)):
...         return handle_torch_function(length, (x,), x)
...     return x
>>> length(Meters())
'length of meters'
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from . import _api as torch
from ._function_modes import BaseTorchFunctionMode, TorchFunctionMode
from .ops.subclasses import DisableTorchFunctionSubclass, _is_routed

__all__ = [
    "BaseTorchFunctionMode", "DisableTorchFunctionSubclass", "TorchFunctionMode",
    "get_default_nowrap_functions", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property",
    "resolve_name", "wrap_torch_function",
]  # fmt: skip


def _takes_part(value: Any) -> bool:
    kind = type(value)
    if kind is torch.Tensor:
        return False
    if isinstance(value, torch.Tensor):
        return _is_routed(kind)
    return hasattr(kind, "__torch_function__")


def has_torch_function(relevant_args: Iterable) -> bool:
    """Whether some argument says itself what functions of tensors do with it.

    >>> has_torch_function((torch.ones(2), 3))
    False
    """
    return any(_takes_part(a) for a in relevant_args)


def has_torch_function_unary(relevant_arg: Any) -> bool:
    """`has_torch_function` of one argument."""
    return _takes_part(relevant_arg)


def has_torch_function_variadic(*relevant_args: Any) -> bool:
    """`has_torch_function` of several arguments."""
    return has_torch_function(relevant_args)


def is_tensor_like(inp: Any) -> bool:
    """Whether a value is a tensor, or says itself what functions of tensors do with it."""
    return isinstance(inp, torch.Tensor) or hasattr(inp, "__torch_function__")


def handle_torch_function(public_api: Callable, relevant_args: Iterable, *args: Any, **kwargs: Any) -> Any:
    """Ask the arguments, subclasses before their bases, what a function gives."""
    asked: list = []
    for a in relevant_args:
        if _takes_part(a) and type(a) not in [type(b) for b in asked]:
            place = next((i for i, b in enumerate(asked) if issubclass(type(a), type(b))), len(asked))
            asked.insert(place, a)
    types = tuple(map(type, asked))
    for a in asked:
        answer = a.__torch_function__(public_api, types, args, kwargs)
        if answer is not NotImplemented:
            return answer
    name = f"{public_api.__module__}.{public_api.__name__}"
    listed = "".join(f"  - tensor subclass {t}\n" for t in types)
    raise TypeError(
        f"Multiple dispatch failed for '{name}'; all __torch_function__ handlers returned NotImplemented:\n\n{listed}\n"
        "For more information, try re-running with TORCH_LOGS=not_implemented"
    )


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """Decorate a function so that the arguments that `dispatcher` picks out of its own are asked first."""

    def enter(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return enter


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether a function belongs to Tensor."""
    name = getattr(func, "__name__", "")
    return name == "__get__" or vars(torch.Tensor).get(name) is func


def resolve_name(f: Any) -> str | None:
    """The name under which a function is known: "torch.Tensor.add", "torch.sin"."""
    name = getattr(f, "__name__", None)
    if name is None:
        return None
    if is_tensor_method_or_property(f) and getattr(torch, name, None) is not f:
        return f"torch.Tensor.{name}"
    for prefix, place in (("torch", torch), ("torch.Tensor", torch.Tensor)):
        if getattr(place, name, None) is f:
            return f"{prefix}.{name}"
    return name


def get_default_nowrap_functions() -> set[Callable]:
    """The properties of tensors whose values are given as they are."""
    names = ("_base", "grad", "_grad")
    return {
        m.fget for m in (vars(torch.Tensor).get(n) for n in names) if isinstance(m, property) and m.fget is not None
    }
