"""Operators whose results an export would keep as operators."""

from __future__ import annotations

from typing import Any

from .. import _api as torch

__all__ = ["reshape_from_tensor_shape", "shape_as_tensor"]


def shape_as_tensor(x: Any) -> Any:
    """The size of a tensor as a tensor.

    >>> shape_as_tensor(torch.ones(2, 3))
    tensor([2, 3])
    """
    return torch.tensor(list(x.shape), dtype=torch.int64)


def reshape_from_tensor_shape(x: Any, shape: Any) -> Any:
    """A tensor in the size that another tensor holds."""
    return x.reshape(shape.tolist())
