"""What distributions share: parameters in one size, and the two ways to give a probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _api as torch

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits"]


def broadcast_all(*values: Any) -> tuple[torch.Tensor, ...]:
    """Tensors of one size from tensors and numbers.

    >>> broadcast_all(1.0, torch.zeros(2))
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    if not all(isinstance(v, torch.Tensor | int | float) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    if all(isinstance(v, torch.Tensor) for v in values):
        return tuple(torch.broadcast_tensors(*values))
    given = next((v for v in values if isinstance(v, torch.Tensor)), None)
    kind = torch.get_default_dtype() if given is None else given.dtype
    made = [v if isinstance(v, torch.Tensor) else torch.tensor(v, dtype=kind) for v in values]
    return tuple(torch.broadcast_tensors(*made))


def are_numbers(*values: Any) -> bool:
    """Whether every value is a Python number: then a distribution has no batch."""
    return all(isinstance(v, int | float) for v in values)


def standard_normal(shape: Any, like: torch.Tensor) -> torch.Tensor:
    """Standard normal values in the dtype of a tensor."""
    return torch.normal(torch.zeros(shape, dtype=like.dtype), torch.ones(shape, dtype=like.dtype))


def _standard_normal(shape: Any, dtype: Any, device: Any) -> torch.Tensor:
    """Standard normal values, under PyTorch's name and signature."""
    return torch.normal(torch.zeros(shape, dtype=dtype, device=device), torch.ones(shape, dtype=dtype, device=device))


def sum_rightmost(value: Any, dim: int) -> Any:
    """A tensor with its last `dim` axes summed."""
    return value if dim == 0 else value.reshape((*value.shape[: value.dim() - dim], -1)).sum(-1)


_sum_rightmost = sum_rightmost  # PyTorch's name


def clamp_probs(probs: torch.Tensor) -> torch.Tensor:
    """Probabilities kept off 0 and 1 by the smallest step of their dtype."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: torch.Tensor, is_binary: bool = False) -> torch.Tensor:
    """Log-odds, or logarithms for more than two classes."""
    inside = clamp_probs(probs)
    return torch.log(inside) - torch.log1p(-inside) if is_binary else torch.log(inside)


def logits_to_probs(logits: torch.Tensor, is_binary: bool = False) -> torch.Tensor:
    """The inverse of `probs_to_logits`."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


class lazy_property:
    """A method whose result becomes an attribute at its first use."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return property(self.wrapped)
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
