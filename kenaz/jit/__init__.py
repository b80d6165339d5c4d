"""What programs ask of TorchScript. Kenaz records and compiles by itself: a scripted or traced program
(`scripting.py`) runs its Python, and decorators that only tell the scripting compiler something give back what they
get. Files of TorchScript are neither written nor read.
"""

import contextlib
from typing import Any, Final, NamedTuple, TypeVar

from ..futures import Future
from . import annotations
from .scripting import (
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    TopLevelTracedModule,
    TracerWarning,
    fork,
    freeze,
    load,
    optimize_for_inference,
    save,
    script,
    trace,
    trace_module,
    wait,
)

Function = TypeVar("Function")

__all__ = [
    "Attribute", "Error", "Final", "Future", "RecursiveScriptModule", "ScriptFunction", "ScriptModule",
    "TopLevelTracedModule", "TracerWarning", "annotate", "annotations", "enable_onednn_fusion", "export",
    "export_opnames", "fork", "freeze", "ignore", "interface", "is_scripting", "is_tracing", "isinstance", "load",
    "onednn_fusion_enabled", "optimize_for_inference", "save", "script", "script_if_tracing", "set_fusion_strategy",
    "strict_fusion", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

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


def _overload(func: Function) -> Function:
    """`func`: scripting would choose among functions of its name by their annotations."""
    return func


_overload_method = _overload
_script_if_tracing = script_if_tracing


def enable_onednn_fusion(enabled: bool) -> None:
    """Keep a flag: fusing is up to what runs."""
    _flags["onednn_fusion"] = bool(enabled)


def onednn_fusion_enabled() -> bool:
    """The flag of `enable_onednn_fusion`."""
    return _flags["onednn_fusion"]


_flags = {"onednn_fusion": False}


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The strategy that was set before; fusing is up to what runs.

    >>> set_fusion_strategy([("DYNAMIC", 3)])
    [('STATIC', 2), ('DYNAMIC', 10)]
    """
    before, _strategy[:] = list(_strategy), strategy
    return before


_strategy = [("STATIC", 2), ("DYNAMIC", 10)]


def interface(obj: Function) -> Function:
    """`obj`, a class: scripting would take it as a type."""
    return obj


def export_opnames(m: Any) -> list[str]:
    """The operators that a scripted module calls: they are known when it has run, not before."""
    return []


class Attribute(NamedTuple):
    """A value with the type that scripting would give it."""

    value: Any
    type: Any


class strict_fusion(contextlib.nullcontext):
    """A context in which scripting would complain of what is not fused."""


Error = RuntimeError
