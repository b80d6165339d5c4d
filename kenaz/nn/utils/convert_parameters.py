"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ... import _api as torch


def parameters_to_vector(parameters: Iterable) -> Any:
    """The values of all parameters in one vector.

    >>> parameters_to_vector([torch.zeros(1, 2), torch.ones(2)])
    tensor([0., 0., 1., 1.])
    """
    device: int | None = None
    pieces = []
    for param in parameters:
        device = _check_param_device(param, device)
        pieces.append(param.view(-1))
    return torch.cat(pieces)


def vector_to_parameters(vec: Any, parameters: Iterable) -> None:
    """Let each parameter view its part of a vector."""
    if not isinstance(vec, torch.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    device: int | None = None
    start = 0
    for param in parameters:
        device = _check_param_device(param, device)
        end = start + param.numel()
        param.data = vec[start:end].view_as(param).data
        start = end


def _check_param_device(param: Any, old_param_device: int | None) -> int:
    """The GPU of a parameter, -1 for the CPU; an error if another parameter was elsewhere."""
    place = param.get_device() if param.device.type == "cuda" else -1
    if old_param_device is not None and place != old_param_device:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return place
