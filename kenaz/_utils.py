"""How tensors are taken apart and put together again: by `pickle`, by `copy`, and by the files that `save` writes.

The functions carry PyTorch's names, since those names are what its files contain.
"""

from __future__ import annotations

import copyreg
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from . import execute
from ._tensor import Tensor
from .core.device import META
from .core.dtype import dtype
from .graph.node import HELD, held, make_node
from .graph.storage import Storage
from .storage import STORAGE_NAMES, TypedStorage, UntypedStorage, typed
from .storage.memory import copy_storage, elements, needed_elements, new_storage, view_of


# ----------------------------------------------------------------------------------------------------------- together
def _rebuild_tensor(storage: Any, storage_offset: int, size: Any, stride: Any) -> Tensor:
    """The tensor that sees part of a storage."""
    return _view(storage, storage.dtype, storage_offset, size, stride)


def _rebuild_tensor_v2(
    storage: Any, storage_offset: int, size: Any, stride: Any, requires_grad: bool, backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """As `_rebuild_tensor`, with autograd's part."""
    tensor = _view(storage, storage.dtype, storage_offset, size, stride)
    return _finished(tensor, requires_grad, backward_hooks, metadata)


def _rebuild_tensor_v3(
    storage: Any, storage_offset: int, size: Any, stride: Any, requires_grad: bool, backward_hooks: Any, dtype: dtype,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """As `_rebuild_tensor_v2`, for dtypes whose storages have no class of their own."""
    return _finished(_view(storage, dtype, storage_offset, size, stride), requires_grad, backward_hooks, metadata)


def _rebuild_meta_tensor_no_storage(dtype: dtype, size: Any, stride: Any, requires_grad: bool) -> Tensor:
    """A tensor without data."""
    storage = new_storage(needed_elements(tuple(size), tuple(stride)) * dtype.itemsize, dtype, META)
    return _finished(view_of(storage, dtype, 0, size, stride), requires_grad, None, None)


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    """A Parameter over a tensor's data."""
    from .nn.parameter import Parameter  # nn needs this module to pickle its parameters

    parameter = Parameter(data, requires_grad)
    _set_hooks(parameter, backward_hooks)
    return parameter


def _rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    """A Parameter that had attributes of its own."""
    return _set_obj_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_from_type_v2(func: Callable, new_type: type, args: tuple, state: Any) -> Any:
    """What `func(*args)` rebuilds, as an instance of a subclass with its attributes."""
    result = func(*args)
    if type(result) is not new_type:
        result = Tensor._make_subclass(new_type, result, result.requires_grad)
    if getattr(new_type, "__setstate__", Tensor.__setstate__) is not Tensor.__setstate__:
        result.__setstate__(state)
        return result
    return _set_obj_state(result, state)


def _view(storage: Any, dtype: dtype, offset: int, size: Any, stride: Any) -> Tensor:
    if not isinstance(storage, TypedStorage | UntypedStorage):
        raise TypeError(f"a tensor can only be rebuilt over a storage, not over {type(storage).__name__}")
    tensor = view_of(storage._storage, dtype, offset, size, stride)
    _settle(storage._storage, tensor)
    return tensor


def _settle(storage: Storage, tensor: Tensor) -> None:
    """Give memory fresh from a file the size and dtype of the tensor that fills it: kernels then take it as it is."""
    node, seen = storage.node, tensor._spec
    is_fresh = node.call.op is HELD and node.value is not None and not storage.exposed
    if is_fresh and seen.contiguous and tensor.nbytes == storage.nbytes and seen is not node.call.out:
        storage.node = make_node(held(seen), (), None, elements(storage, seen.dtype).reshape(seen.size))


def _finished(tensor: Tensor, requires_grad: bool, backward_hooks: Any, metadata: Any) -> Tensor:
    for bit, apply in _MATH_BITS.items():
        if metadata and metadata.get(bit):
            if tensor.nbytes > tensor._storage.nbytes:  # the result has memory of its own, which must have a bound
                raise RuntimeError(f"{bit} of an expanded tensor cannot be rebuilt")
            tensor = apply(tensor)
    if requires_grad:
        tensor.requires_grad = True
    _set_hooks(tensor, backward_hooks)
    return tensor


# PyTorch may store a conjugate or negative as a flag over the original memory.
_MATH_BITS: dict[str, Callable] = {"conj": lambda t: t.conj(), "neg": lambda t: t.neg()}


def _set_hooks(tensor: Any, backward_hooks: Any) -> None:
    if isinstance(backward_hooks, dict) and backward_hooks:
        tensor._backward_hooks = backward_hooks


# -------------------------------------------------------------------------------------------------------------- apart
def _get_obj_state(obj: Any) -> Any:
    """The attributes that a user has given a tensor: a dict, a pair of it and slots, or what `__getstate__` says."""
    getstate = getattr(type(obj), "__getstate__", None)
    if getstate is not getattr(object, "__getstate__", None):
        return obj.__getstate__()
    # What Kenaz itself keeps in __dict__ has a default on the class.
    attributes = {name: value for name, value in obj.__dict__.items() if name not in Tensor.__dict__}
    slots = {
        name: getattr(obj, name)
        for name in copyreg._slotnames(type(obj))  # type: ignore[attr-defined]
        if name not in Tensor.__slots__ and hasattr(obj, name)
    }
    return (attributes, slots) if slots else attributes


def _set_obj_state(obj: Any, state: Any) -> Any:
    """Give an object the attributes that `_get_obj_state` has taken."""
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        for name, value in (part or {}).items():
            setattr(obj, name, value)
    return obj


def _reduce_ex(self: Any, protocol: Any) -> tuple:
    """How pickle takes a tensor apart: memory, view, and autograd's part."""
    from .nn.parameter import Parameter

    if getattr(self, "_backward_hooks", None):
        from .utils.hooks import warn_if_has_hooks

        warn_if_has_hooks(self)
    state = _get_obj_state(self)
    if isinstance(self, Parameter):
        plain = (self.data, self.requires_grad, OrderedDict())
        return (_rebuild_parameter_with_state, (*plain, state)) if state else (_rebuild_parameter, plain)
    function, parts = _parts(self)
    if type(self) is Tensor and not state:
        return function, parts
    return _rebuild_from_type_v2, (function, type(self), parts, state)


def _parts(tensor: Tensor) -> tuple[Callable, tuple]:
    size, stride = tuple(tensor.shape), tensor.stride()
    if tensor.device.type == "meta":
        return _rebuild_meta_tensor_no_storage, (tensor.dtype, size, stride, tensor.requires_grad)
    storage = typed(tensor._storage, tensor.dtype)
    view = (tensor.storage_offset(), size, stride, tensor.requires_grad, OrderedDict())
    if tensor.dtype in STORAGE_NAMES:
        return _rebuild_tensor_v2, (storage, *view)
    return _rebuild_tensor_v3, (storage.untyped(), *view, tensor.dtype)


def _setstate(self: Tensor, state: Any) -> None:
    _set_obj_state(self, state)


# --------------------------------------------------------------------------------------------------------------- copy
_DEEPCOPY_OF_RESULT = (
    "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you "
    "were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
    "https://github.com/pytorch/pytorch/pull/103001"
)


def _deepcopy(self: Any, memo: dict) -> Any:
    """A copy in memory of its own; copies of views of one storage share a storage again."""
    import copy

    from .nn.parameter import Parameter

    if not self.is_leaf:
        raise RuntimeError(_DEEPCOPY_OF_RESULT)
    if id(self) in memo:
        return memo[id(self)]
    if isinstance(self, Parameter):
        result: Any = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = result
        return result
    storage = copy_storage(self._storage, memo)
    result = Tensor._from_storage(storage, self.shape, self.stride(), self.storage_offset(), self.dtype, self.device)
    if type(self) is not Tensor:
        result = Tensor._make_subclass(type(self), result)
    if self.requires_grad:
        result.requires_grad = True
    if self.grad is not None:
        result.grad = copy.deepcopy(self.grad, memo)
    memo[id(self)] = result
    return _set_obj_state(result, copy.deepcopy(_get_obj_state(self), memo))


# --------------------------------------------------------------------------------------------- plain pickles, at once
def _rebuild_storage(array: np.ndarray) -> Storage:
    return Storage.of(array if array.flags.writeable else array.copy())


def _reduce_storage(storage: Storage) -> tuple:
    """Plain pickles of a storage carry its memory once, however many tensors share it."""
    if storage.spec.device == META:
        return new_storage, (storage.nbytes, storage.dtype, META)
    return _rebuild_storage, (execute.memory(storage).reshape(-1),)


copyreg.pickle(Storage, _reduce_storage)  # type: ignore[arg-type]
for _name, _method in {"__reduce_ex__": _reduce_ex, "__deepcopy__": _deepcopy, "__setstate__": _setstate}.items():
    setattr(Tensor, _name, _method)
