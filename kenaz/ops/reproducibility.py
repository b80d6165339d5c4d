"""Flags about determinism and precision. Kenaz computes the same way whatever they say: they are kept, and answered."""

from __future__ import annotations

import warnings
from typing import Any

from .record import public

MODES = ("default", "warn", "error")
PRECISIONS = ("highest", "high", "medium")


class State:
    """What the flags say."""

    __slots__ = ("mode", "precision", "warn_always")
    mode: int  # of MODES
    precision: str
    warn_always: bool


state = State()
state.mode, state.precision, state.warn_always = 0, "highest", False


@public
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for reproducible results; they are so in any case.

    >>> use_deterministic_algorithms(True)
    >>> are_deterministic_algorithms_enabled(), get_deterministic_debug_mode()
    (True, 2)
    >>> use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(f"_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}")
    state.mode = 0 if not mode else 1 if warn_only else 2


@public
def are_deterministic_algorithms_enabled() -> bool:
    """Whether reproducible results were asked for."""
    return state.mode > 0


@public
def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether a warning would do where an algorithm is not deterministic."""
    return state.mode == 1


@public
def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same flag by number or name: "default", "warn" or "error"."""
    if not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in MODES:
            raise RuntimeError(f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}")
        debug_mode = MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    state.mode = debug_mode


@public
def get_deterministic_debug_mode() -> int:
    """0, 1 or 2 for default, warn or error."""
    return state.mode


@public
def set_float32_matmul_precision(precision: str) -> None:
    """Say how exact products of float32 have to be; they are computed in float32 in any case."""
    if precision not in PRECISIONS:
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the currentsetFloat32MatmulPrecision call has no effect.",
            stacklevel=3,
        )
    else:
        state.precision = precision


@public
def get_float32_matmul_precision() -> str:
    """What was last set.

    >>> get_float32_matmul_precision()
    'highest'
    """
    return state.precision


@public
def set_flush_denormal(mode: bool) -> bool:
    """Whether the mode could be set: denormal numbers are kept, and leaving them so is all that can be asked for."""
    if not isinstance(mode, bool):
        raise TypeError(f"set_flush_denormal(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}")
    return not mode


@public
def set_warn_always(b: Any) -> None:
    """Say whether warnings may repeat; Python's filters decide."""
    state.warn_always = bool(b)


@public
def is_warn_always_enabled() -> bool:
    """What was last set."""
    return state.warn_always


@public
def compiled_with_cxx11_abi() -> bool:
    """Whether extensions in C++ would see the present ABI."""
    return True
