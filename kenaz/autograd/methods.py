"""What a tensor knows of gradients: `requires_grad`, `grad`, `backward`, hooks. Attached to Tensor here."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from . import engine
from .nodes import AccumulateGrad, BackwardNode, refreshed


def _requires_grad(self: Tensor) -> bool:
    return self._grad_fn is not None or self._base is not None and refreshed(self) is not None


def _set_requires_grad(self: Tensor, value: bool) -> None:
    requires_grad_(self, value)


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Record operators on this leaf so that `backward` fills its `grad`."""
    if requires_grad:
        if self._grad_fn is None:
            if self.dtype.kind < 2:
                raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
            self._grad_fn = AccumulateGrad(self)
    elif type(self._grad_fn) is AccumulateGrad:
        self._grad_fn = None
    elif self._grad_fn is not None:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph "
            "that doesn't require differentiation use var_no_grad = var.detach()."
        )
    return self


def _is_leaf(self: Tensor) -> bool:
    fn = refreshed(self) if self._base is not None else self._grad_fn
    return fn is None or type(fn) is AccumulateGrad


def _grad_fn(self: Tensor) -> BackwardNode | None:
    fn = refreshed(self) if self._base is not None else self._grad_fn
    return None if type(fn) is AccumulateGrad else fn


def _get_grad(self: Tensor) -> Tensor | None:
    return self._grad


def _set_grad(self: Tensor, value: Tensor | None) -> None:
    if value is not None:
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value.shape != self.shape:
            raise RuntimeError(
                f"assigned grad has data of a different size"
            )
        if value.dtype is not self.dtype:
            raise RuntimeError(
                "assigned grad has data of a different type"
            )
    self._grad = value


def backward(
    self: Tensor, gradient: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the gradients of this tensor to the `grad` of the leaves it was made from."""
    engine.backward((self,), (gradient,), retain_graph, create_graph, inputs=inputs)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a tensor that is not a leaf."""
    if self._grad_fn is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if type(self._grad_fn) is AccumulateGrad or self._retains_grad:
        return
    self._retains_grad = True
    fn = refreshed(self) if self._base is not None else self._grad_fn
    fn.__dict__.setdefault("retained", {})[self._output_nr] = weakref.ref(self)


def register_hook(self: Tensor, hook: Callable) -> Any:
    """Call `hook(grad)` when the gradient of this tensor is known; what it returns replaces the gradient."""
    from ..utils.hooks import RemovableHandle

    if self._grad_fn is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    fn = refreshed(self) if self._base is not None else self._grad_fn
    hooks = fn.__dict__.setdefault("tensor_hooks", {}).setdefault(self._output_nr, {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> Any:
    """Call `hook(tensor)` after this leaf's `grad` was added to."""
    from ..utils.hooks import RemovableHandle

    if self._grad_fn is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if type(self._grad_fn) is not AccumulateGrad:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooks = self.__dict__.setdefault("_post_accumulate_grad_hooks", {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


for _name, _get, _set in (
    ("requires_grad", _requires_grad, _set_requires_grad),
    ("grad", _get_grad, _set_grad),
    ("grad_fn", _grad_fn, None),
    ("is_leaf", _is_leaf, None),
    ("retains_grad", lambda self: self._retains_grad, None),
    ("output_nr", lambda self: self._output_nr, None),
):
    setattr(Tensor, _name, property(_get, _set))
for _method in (requires_grad_, backward, retain_grad, register_hook, register_post_accumulate_grad_hook):
    setattr(Tensor, _method.__name__, _method)


# -------------------------------------------------------------------------------------------------------------- the data
def _get_data(self: Tensor) -> Tensor:
    """The same memory apart from the graph; writing to it goes unnoticed by autograd."""
    return make_tensor(self._storage, self._spec, self._offset)


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    self._storage, self._spec, self._offset = value._storage, value._spec, value._offset


Tensor.data = property(_get_data, _set_data)  # type: ignore[attr-defined]


def detach_(self: Tensor) -> Tensor:
    """Leave the graph in place: the tensor becomes a leaf."""
    if self._base is not None and self._grad_fn is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._grad_fn = None
    return self


Tensor.detach_ = detach_  # type: ignore[attr-defined]
