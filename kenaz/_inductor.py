"""The names of PyTorch's compiler that programs ask for: Kenaz's is `kenaz/codegen`, and needs no options."""

from __future__ import annotations

from typing import Any

from .compiler import cudagraph_mark_step_begin

__all__ = ["cudagraph_mark_step_begin", "list_mode_options", "list_options"]

_MODES: dict[str, dict[str, bool]] = {
    "default": {},
    "lite": {"fallback_by_default": True, "selective_decompose": True, "use_dce": False},
    "reduce-overhead": {"triton.cudagraphs": True},
    "max-autotune-no-cudagraphs": {"max_autotune": True, "coordinate_descent_tuning": True},
    "max-autotune": {"max_autotune": True, "triton.cudagraphs": True, "coordinate_descent_tuning": True},
}


def list_mode_options(mode: str | None = None, dynamic: bool | None = None) -> dict[str, Any]:
    """The options that a mode of `torch.compile` stands for, or those of all modes.

    >>> list_mode_options("reduce-overhead")
    {'triton.cudagraphs': True}
    """
    if mode is None:
        return {name: dict(options) for name, options in _MODES.items()}
    if mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    return dict(_MODES[mode])


def list_options() -> list[str]:
    """The options that `torch.compile` takes: none has a meaning here."""
    return sorted({option for options in _MODES.values() for option in options})
