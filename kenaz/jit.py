"""What programs ask of TorchScript when they do not script: Kenaz records and compiles by itself, and has no script
language.

`script`, `trace` and their relatives say so; decorators that only tell the scripting compiler something give back
what they get.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function")

__all__ = [
    "Final",
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "script_if_tracing",
    "unused",
]

from typing import Final


def is_scripting() -> bool:
    """Whether this runs as a script: never.

    >>> is_scripting(), is_tracing()
    (False, False)
    """
    return False


def is_tracing() -> bool:
    """Whether a call is being traced: never."""
    return False


def export(fn: Function) -> Function:
    """`fn`: scripting would compile it as well."""
    return fn


def unused(fn: Function) -> Function:
    """`fn`: scripting would leave it out."""
    return fn


def script_if_tracing(fn: Function) -> Function:
    """`fn`: tracing would script it."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """What is decorated, with or without parentheses: scripting would leave it to Python."""
    if callable(drop):
        return drop
    if not _is(drop, bool):
        raise RuntimeError(f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}")
    return lambda fn: fn


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value: scripting would learn its type."""
    return the_value


_is = isinstance


def _matches(obj: Any, target: Any) -> bool:
    import typing

    origin, args = typing.get_origin(target), typing.get_args(target)
    if target is None:
        return obj is None
    if origin is None:
        return _is(obj, target)
    if not _is(origin, type):
        return any(_matches(obj, t) for t in args)
    if not _is(obj, origin):
        return False
    if origin is dict:
        return all(_matches(k, args[0]) and _matches(v, args[1]) for k, v in obj.items())
    if origin is tuple:
        return len(obj) == len(args) and all(map(_matches, obj, args))
    return all(_matches(x, args[0]) for x in obj)


def isinstance(obj: Any, target_type: Any) -> bool:
    """isinstance that looks into containers.

    >>> import kenaz as torch
    >>> torch.jit.isinstance([1, 2], list[int]), torch.jit.isinstance([1, "2"], list[int])
    (True, False)
    """
    return any(_matches(obj, t) for t in (target_type if _is(target_type, tuple) else (target_type,)))


class ScriptModule:
    """The class of scripted modules, for `isinstance`: there are none."""


class ScriptFunction:
    """The class of scripted functions, for `isinstance`: there are none."""


def _unavailable(name: str) -> Callable:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"torch.jit.{name} is not available: Kenaz compiles what runs repeatedly by itself and has no TorchScript. "
            "Call the module or function as it is, and save its state_dict()."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises RuntimeError: there is no TorchScript."
    return function


script, trace, load, save, freeze = map(_unavailable, ("script", "trace", "load", "save", "freeze"))
