"""What a tensor knows of gradients: `requires_grad`, `grad`, `backward`, hooks. Attached to Tensor here."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from ..core.dtype import scalar_name
from ..core.handles import RemovableHandle
from . import engine
from .modes import notice, state
from .nodes import AccumulateGrad, BackwardNode, add_hook, refreshed


def _requires_grad(self: Tensor) -> bool:
    return self._grad_fn is not None or self._base is not None and refreshed(self) is not None


def _set_requires_grad(self: Tensor, value: bool) -> None:
    if not isinstance(value, bool):
        raise RuntimeError("requires_grad must be a bool")
    if value and self.dtype.kind < 2:
        raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
    requires_grad_(self, value)


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Record operators on this leaf so that `backward` fills its `grad`."""
    notice()
    if requires_grad:
        if self._inference and not state.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if self._grad_fn is None:
            if self.dtype.kind < 2:
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            self._grad_fn = AccumulateGrad(self)
    elif type(self._grad_fn) is AccumulateGrad:
        self._grad_fn = None
    elif self._grad_fn is not None:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
            "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
        )
    return self


def _is_leaf(self: Tensor) -> bool:
    fn = refreshed(self) if self._base is not None else self._grad_fn
    return fn is None or type(fn) is AccumulateGrad


def _grad_fn(self: Tensor) -> BackwardNode | None:
    fn = refreshed(self) if self._base is not None else self._grad_fn
    return None if type(fn) is AccumulateGrad else fn


def _get_grad(self: Tensor) -> Tensor | None:
    grad = self._grad
    if (
        grad is None
        and self._grad_fn is not None
        and not self._retains_grad
        and type(self._grad_fn) is not AccumulateGrad
    ):
        import warnings

        warnings.warn(
            "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
            "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
            "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make "
            "sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more information.",
            stacklevel=2,
        )
    return grad


# C++ words that PyTorch's messages use
_C_NAMES = {
    "Float": "float", "Double": "double", "Half": "c10::Half", "BFloat16": "c10::BFloat16", "Long": "long int",
    "Int": "int",
    "Short": "short int", "Char": "signed char", "Byte": "unsigned char", "Bool": "bool",
    "ComplexFloat": "c10::complex<float>",
    "ComplexDouble": "c10::complex<double>",
}  # fmt: skip


def _set_grad(self: Tensor, value: Tensor | None) -> None:
    if value is not None:
        _check_grad(self, value)
    self._grad = value


def _check_grad(self: Tensor, value: Any) -> None:
    """Raise what PyTorch raises where a value cannot be the gradient of a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
    if value is self:
        raise RuntimeError("can't assign Variable as its own grad")
    mine, given = self._spec, value._spec
    if given.dtype is not mine.dtype:
        name = scalar_name(given.dtype)
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{_C_NAMES.get(name, name)}' to a tensor with grad_dtype "
            f"'{scalar_name(mine.dtype)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
            "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. "
            "Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break downstream "
            "systems that assume they match."
        )
    if given.device is not mine.device:
        raise RuntimeError(
            f"attempting to assign a gradient with device type '{given.device.type}' to a tensor with device type "
            f"'{mine.device.type}'. Please ensure that the gradient and the tensor are on the same device"
        )
    if given.size != mine.size:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(given.size)}' to a tensor of size '{list(mine.size)}'. "
            "Please ensure that the gradient and the tensor are the same size"
        )


def backward(
    self: Tensor, gradient: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the gradients of this tensor to the `grad` of the leaves it was made from."""
    gradients = (gradient,) if gradient is None or isinstance(gradient, Tensor) else tuple(gradient)
    engine.backward((self,), gradients, retain_graph, create_graph, inputs=inputs)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a tensor that is not a leaf."""
    fn = _history(self)
    if fn is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if type(fn) is AccumulateGrad or self._retains_grad:
        return
    self._retains_grad = True
    fn.marks().setdefault("retained", {})[self._output_nr] = weakref.ref(self)


def _history(self: Tensor) -> BackwardNode | None:
    return refreshed(self) if self._base is not None else self._grad_fn


def register_hook(self: Tensor, hook: Callable) -> RemovableHandle:
    """Call `hook(grad)` when the gradient of this tensor is known; what it returns replaces the gradient."""
    fn = _history(self)
    if fn is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return add_hook(fn.marks().setdefault("tensor_hooks", {}), self._output_nr, hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> RemovableHandle:
    """Call `hook(tensor)` after this leaf's `grad` was added to."""
    if self._grad_fn is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if type(self._grad_fn) is not AccumulateGrad:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add_hook(self.__dict__, "_post_accumulate_grad_hooks", hook)


def _is_view(self: Tensor) -> bool:
    """Whether the tensor looks at the memory of another that autograd knows."""
    return self._base is not None


def _backward_hooks(self: Tensor) -> Any:
    hooks = getattr(self._grad_fn, "tensor_hooks", None)
    return hooks.get(self._output_nr) if hooks else None


for _name, _get, _set in (
    ("requires_grad", _requires_grad, _set_requires_grad),
    ("grad_fn", _grad_fn, None),
    ("is_leaf", _is_leaf, None),
    ("retains_grad", lambda self: self._retains_grad, None),
    ("output_nr", lambda self: self._output_nr, None),
    ("_backward_hooks", _backward_hooks, None),
):
    setattr(Tensor, _name, property(_get, _set))
setattr(Tensor, "grad", property(_get_grad, _set_grad, lambda self: _set_grad(self, None)))  # noqa: B010  as above
for _method in (_is_view, requires_grad_, backward, retain_grad, register_hook, register_post_accumulate_grad_hook):
    setattr(Tensor, _method.__name__, _method)


# -------------------------------------------------------------------------------------------------------------- the
# data
def _get_data(self: Tensor) -> Tensor:
    """The same memory apart from the graph; writing to it goes unnoticed by autograd."""
    data = make_tensor(self._storage, self._spec, self._offset)
    data._silent = True
    return data


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    self._storage, self._spec, self._offset = value._storage, value._spec, value._offset


Tensor.data = property(_get_data, _set_data)  # type: ignore[attr-defined]  # attached


def detach_(self: Tensor) -> Tensor:
    """Leave the graph in place: the tensor becomes a leaf."""
    if self._base is not None and self._grad_fn is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
            "detach_() cannot be called on these gradients. To fix this error, please refer to the "
            "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
        )
    self._grad_fn = None
    return self


Tensor.detach_ = detach_  # type: ignore[attr-defined]  # attached
