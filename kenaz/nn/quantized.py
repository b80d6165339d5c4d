"""What networks that could be quantized say instead of `+` and `cat`: here it computes in floating point."""

from __future__ import annotations

from typing import Any

from .. import _api as torch
from . import functional as F
from .module import Module

__all__ = ["FloatFunctional"]


class Identity(Module):
    """Watches nothing."""

    def forward(self, x: Any) -> Any:
        return x


class FloatFunctional(Module):
    """Operators as methods, each followed by a module that could watch its results.

    >>> FloatFunctional().add(torch.ones(1), torch.ones(1))
    tensor([2.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process = Identity()

    def forward(self, x: Any) -> Any:
        raise RuntimeError("FloatFunctional is not intended to use the 'forward'. Please use the underlying operation")

    def add(self, x: Any, y: Any) -> Any:
        return self.activation_post_process(torch.add(x, y))

    def add_scalar(self, x: Any, y: float) -> Any:
        return torch.add(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return self.activation_post_process(torch.mul(x, y))

    def mul_scalar(self, x: Any, y: float) -> Any:
        return torch.mul(x, y)

    def cat(self, x: list, dim: int = 0) -> Any:
        return self.activation_post_process(torch.cat(x, dim=dim))

    def add_relu(self, x: Any, y: Any) -> Any:
        return self.activation_post_process(F.relu(torch.add(x, y)))

    def matmul(self, x: Any, y: Any) -> Any:
        return self.activation_post_process(torch.matmul(x, y))
