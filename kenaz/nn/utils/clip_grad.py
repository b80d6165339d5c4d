"""Clipping of gradients, by their common norm or value by value."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from ... import _api as torch
from ...ops.updates import update

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_"]


def _gradients(parameters: Any) -> list:
    """The gradients of one parameter or of many."""
    parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


def _get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of all tensors together, as if they were one vector.

    >>> _get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return torch.tensor(0.0)
    with torch.no_grad():
        norms = [torch.norm(t, norm_type) for t in tensors]
        if len({n.device for n in norms}) > 1:
            norms = [n.to(norms[0].device) for n in norms]
        total = torch.norm(torch.stack(norms), norm_type)
        if error_if_nonfinite and not torch.isfinite(total):
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
                "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
                "`error_if_nonfinite=False`"
            )
    return total


def _clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale the gradients so that a total norm above max_norm becomes max_norm."""
    gradients = _gradients(parameters)
    if not gradients:
        return
    with torch.no_grad():
        # A scale of 1 is multiplied too: comparing would have to wait for the norm.
        scale = torch.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
        for alike in _by_kind(gradients):
            update(_scaled, [(g,) for g in alike], scale=scale.to(alike[0].device, alike[0].dtype))


def _by_kind(tensors: list) -> Iterable[list]:
    """tensors of one device and dtype together: one recorded node changes them all."""
    kinds: dict[Any, list] = {}
    for t in tensors:
        kinds.setdefault((t.device, t.dtype), []).append(t)
    return kinds.values()


def _scaled(xp: Any, gradient: Any, scale: Any) -> tuple:
    return (gradient * scale,)


def _clamped(xp: Any, gradient: Any, limit: Any) -> tuple:
    return (xp.minimum(xp.maximum(gradient, -limit), limit),)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients of all parameters so that their total norm is at most max_norm; return the norm before.

    >>> p = torch.zeros(2, requires_grad=True); p.grad = torch.tensor([3.0, 4.0])
    >>> clip_grad_norm_(p, 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    if not isinstance(parameters, torch.Tensor):
        is_generator = isinstance(parameters, types.GeneratorType)
        parameters = list(parameters)
        if is_generator and not parameters:
            warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    total_norm = _get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    _clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Deprecated: the same as `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Iterable | Any, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp each value of the gradients to [-clip_value, clip_value]."""
    clip_value = float(clip_value)
    with torch.no_grad():
        for alike in _by_kind(_gradients(parameters)):
            update(_clamped, [(g,) for g in alike], limit=clip_value)


_get_total_norm.__name__, _clip_grads_with_norm_.__name__ = "get_total_norm", "clip_grads_with_norm_"
