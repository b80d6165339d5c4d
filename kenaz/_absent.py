"""Machines that Kenaz does not drive (`torch.xpu`, `torch.mps`, `torch.mtia`): none are here, say the answers."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def _module(name: str, answers: dict[str, Any], refused: tuple[str, ...], refuse: Any) -> ModuleType:
    """A module whose functions give fixed answers, or raise because the machine is not there."""
    module = ModuleType(f"kenaz.{name}", f"`torch.{name}` where there is no such machine.")
    for function, answer in answers.items():
        setattr(module, function, lambda *args, answer=answer, **kwargs: answer)
    for function in refused:
        setattr(module, function, lambda *args, function=function, **kwargs: refuse(function))
    sys.modules[module.__name__] = module
    return module


def _no_xpu(function: str) -> None:
    raise AssertionError("Torch not compiled with XPU enabled")


def _no_mps(function: str) -> None:
    function = {"synchronize": "device_synchronize"}.get(function, function)
    words = "".join(w.capitalize() for w in function.split("_"))
    raise RuntimeError(f"Cannot execute {words[:1].lower() + words[1:]}() without MPS backend.")


_NONE = {"is_available": False, "device_count": 0, "manual_seed": None, "manual_seed_all": None}
_MEMORY = dict.fromkeys(("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"), 0)
xpu = _module(
    "xpu", _NONE | _MEMORY | {"is_bf16_supported": False, "is_initialized": False, "empty_cache": None,
    "get_arch_list": []},
    ("current_device", "synchronize", "set_device", "get_device_name", "get_device_properties", "mem_get_info",
    "get_rng_state",
     "get_rng_state_all", "set_rng_state", "set_rng_state_all", "current_stream"), _no_xpu,
)  # fmt: skip
mps = _module(
    "mps", _NONE, ("empty_cache", "synchronize", "current_allocated_memory", "driver_allocated_memory",
    "recommended_max_memory",
    "get_rng_state", "set_rng_state"), _no_mps,
)  # fmt: skip
mtia = _module("mtia", _NONE | {"is_initialized": False}, (), _no_xpu)
