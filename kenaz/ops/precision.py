"""Automatic mixed precision: inside `autocast`, products compute in a half type and losses in float32.

An operator asks `state.on` first, so that there is no cost outside. Casts are recorded as any other: gradients go back through them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ..autograd import modes
from ..core import dtype as dtypes
from ..core.device import device
from ..core.dtype import dtype
from .record import public


class State:
    """What autocast is set to: `on` for the CPU, the only device whose operators ask; the rest by kind of device."""

    __slots__ = ("cache", "dtypes", "nesting", "on", "others")
    on: bool
    others: set[str]
    dtypes: dict[str, dtype]
    cache: bool
    nesting: int


state = modes.state.precision = State()
state.on, state.others, state.cache, state.nesting = False, set(), True, 0
state.dtypes = {"cpu": dtypes.bfloat16}


def _as(tensor: Any, kind: dtype) -> Any:
    """A tensor of a floating dtype, doubles aside, in another; everything else as it is."""
    eligible = isinstance(tensor, Tensor) and tensor.dtype.is_floating_point and tensor.dtype is not dtypes.float64
    return tensor.to(kind) if eligible else tensor


def lower(*tensors: Any) -> tuple:
    """What a product computes with inside autocast."""
    return tuple([_as(t, state.dtypes["cpu"]) for t in tensors])


def in_float32(function: Callable) -> Callable:
    """Let a function compute in float32 inside autocast."""

    @functools.wraps(function)
    def computing(*args: Any, **kwargs: Any) -> Any:
        if not state.on:
            return function(*args, **kwargs)
        args = tuple([_as(a, dtypes.float32) for a in args])
        return function(*args, **{name: _as(value, dtypes.float32) for name, value in kwargs.items()})

    return computing


# ------------------------------------------------------------------------------------------------------------- switches
def _kind(device_type: Any, name: str) -> str:
    if not isinstance(device_type, str):
        raise TypeError(f"{name}(): argument 'device_type' (position 1) must be str, not {type(device_type).__name__}")
    return device(device_type).type


@public
def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether operators choose their precision themselves.

    >>> is_autocast_enabled("cpu")
    False
    """
    kind = _kind(device_type, "is_autocast_enabled")
    return state.on if kind == "cpu" else kind in state.others


@public
def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch autocast for a kind of device."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    kind = _kind(device_type, "set_autocast_enabled")
    if kind == "cpu":
        state.on = bool(enabled)
    else:
        (state.others.add if enabled else state.others.discard)(kind)


@public
def get_autocast_dtype(device_type: str) -> dtype:
    """The half type of autocast.

    >>> get_autocast_dtype("cpu"), get_autocast_dtype("cuda")
    (torch.bfloat16, torch.float16)
    """
    return state.dtypes.get(_kind(device_type, "get_autocast_dtype"), dtypes.float16)


@public
def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Choose the half type of autocast."""
    if not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"set_autocast_dtype(): argument 'dtype' (position 2) must be torch.dtype, not {type(dtype).__name__}")
    state.dtypes[_kind(device_type, "set_autocast_dtype")] = dtype


@public
def is_autocast_cache_enabled() -> bool:
    """Whether weights would be cast once per context."""
    return state.cache


@public
def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep a flag: here casts are recorded, and equal ones cost little."""
    state.cache = bool(enabled)


@public
def clear_autocast_cache() -> None:
    """Forget cast weights; none are kept."""


@public
def autocast_increment_nesting() -> int:
    """One context more."""
    state.nesting += 1
    return state.nesting


@public
def autocast_decrement_nesting() -> int:
    """One context less."""
    state.nesting -= 1
    return state.nesting


def _deprecated(old: str, new: Callable, *args: str) -> None:
    def function(*given: Any) -> Any:
        import warnings

        shown = f"torch.{new.__name__}({', '.join([repr(a) for a in args] + ['value'] * len(given))})"
        warnings.warn(f"torch.{old}() is deprecated. Please use {shown} instead.", DeprecationWarning, stacklevel=3)
        return new(*args, *given)

    function.__name__ = function.__qualname__ = old
    function.__doc__ = f"Old name of `{new.__name__}` for one device."
    public(function)


_deprecated("is_autocast_cpu_enabled", is_autocast_enabled, "cpu")
_deprecated("get_autocast_cpu_dtype", get_autocast_dtype, "cpu")
_deprecated("get_autocast_gpu_dtype", get_autocast_dtype, "cuda")
_deprecated("set_autocast_cpu_enabled", set_autocast_enabled, "cpu")
_deprecated("set_autocast_cpu_dtype", set_autocast_dtype, "cpu")
_deprecated("set_autocast_gpu_dtype", set_autocast_dtype, "cuda")
