"""Helpers that libraries take from PyTorch's reference implementations."""

from __future__ import annotations

import warnings
from typing import Any

from . import _api as torch

__all__ = ["alert_not_deterministic", "is_contiguous_or_false", "is_float_dtype", "is_integer_dtype"]


def alert_not_deterministic(caller: str) -> None:
    """Raise or warn that an operation is not deterministic, if `use_deterministic_algorithms` asks for it."""
    if not torch.are_deterministic_algorithms_enabled():
        return
    if torch.is_deterministic_algorithms_warn_only_enabled():
        warnings.warn(
            f"{caller} does not have a deterministic implementation, but you set "
            "'torch.use_deterministic_algorithms(True, warn_only=True)'. You can file an issue at "
            "https://github.com/pytorch/pytorch/issues to help us prioritize adding deterministic support for this "
            "operation.",
            stacklevel=2,
        )
        return
    raise RuntimeError(
        f"{caller} does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation, or you can "
        "use the 'warn_only=True' option, if that's acceptable for your application. You can also file an issue at "
        "https://github.com/pytorch/pytorch/issues to help us prioritize adding deterministic support for this "
        "operation."
    )


def is_contiguous_or_false(a: Any, memory_format: Any = None) -> bool:
    """Whether a tensor is contiguous: its sizes are numbers, so this is always known."""
    return a.is_contiguous() if memory_format is None else a.is_contiguous(memory_format=memory_format)


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is a floating one."""
    return dtype.is_floating_point


def is_integer_dtype(dtype: Any) -> bool:
    """Whether a dtype is an integer one."""
    return not dtype.is_floating_point and not dtype.is_complex and dtype is not torch.bool
