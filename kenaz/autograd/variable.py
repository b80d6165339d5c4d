"""`torch.autograd.Variable`, in which programs from before 2018 wrap every tensor: a leaf on its memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.dtype import FLOAT, get_default_dtype


class VariableMeta(type):
    """`isinstance(x, Variable)` asks whether x is a tensor."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=VariableMeta):
    """Calling it gives a leaf of the graph on the memory of a tensor; there are no objects of the class itself."""

    def __new__(  # type: ignore[misc]  # tensors are what there is now
        cls, data: Any = None, requires_grad: bool = False, volatile: Any = None, *, name: str | None = None
    ) -> Tensor:
        """A tensor that shares the memory of data; raises TypeError if that is no tensor."""
        if volatile is not None:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2
            )
        if data is None:
            data = Tensor._from_array(np.empty(0, get_default_dtype().np))
        if not isinstance(data, Tensor):
            module = type(data).__module__
            kind = type(data).__name__ if module == "builtins" else f"{module}.{type(data).__name__}"
            raise TypeError(f"Variable data has to be a tensor, but got {kind}")
        if requires_grad and data.dtype.kind < FLOAT:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        is_plain = type(data) is Tensor or data.is_sparse
        return (data if is_plain else data.as_subclass(Tensor)).detach().requires_grad_(bool(requires_grad))
