"""Gradients of what was recorded. In: tensors with `_grad_fn`. Out: gradients, recorded like everything else.
Start with `engine.py`."""

from typing import Any

from .. import _tensor
from . import anomaly_mode, function, functional, graph, profiler, variable
from . import modes as grad_mode
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .engine import backward, grad
from .engine import is_checkpoint_valid as _is_checkpoint_valid
from .function import Function
from .gradcheck import gradcheck, gradgradcheck
from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from .variable import Variable


def __getattr__(name: str) -> Any:
    if name == "forward_ad":  # loaded when first named
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


class set_multithreading_enabled:
    """A context, and a switch: backward passes run in the thread that asks for them, so nothing changes."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _profiler_enabled() -> bool:
    """Whether the profiler of old runs: never."""
    return False


def is_tensor_like(value: object) -> bool:
    """Whether a value is a tensor, or says what torch functions do with it."""
    return isinstance(value, _tensor.Tensor) or hasattr(value, "__torch_function__")


__all__ = [
    "Function", "Variable", "anomaly_mode", "backward", "detect_anomaly", "enable_grad", "function", "functional",
    "grad",
    "grad_mode", "gradcheck", "gradgradcheck", "graph", "inference_mode", "is_tensor_like", "no_grad", "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled", "variable",
]  # fmt: skip
