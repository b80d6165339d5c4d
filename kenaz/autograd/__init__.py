"""Gradients of what was recorded. In: tensors with `_grad_fn`. Out: gradients, recorded like everything else.
Start with `engine.py`."""

from .. import _tensor
from . import modes as grad_mode
from .engine import backward, grad
from .function import Function
from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled

Variable = _tensor.Tensor

__all__ = ["Function", "Variable", "backward", "enable_grad", "grad", "grad_mode", "inference_mode", "no_grad", "set_grad_enabled"]
