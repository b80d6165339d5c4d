"""How tensors are taken apart and put together again: by `pickle`, by `copy`, and by the files that `save` writes.

The functions carry PyTorch's names, since those names are what its files contain.
"""

from __future__ import annotations

import copyreg
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _tensor, execute
from ._tensor import Tensor, make_tensor
from .core.device import META, device
from .core.dtype import dtype
from .core.shape import Size
from .graph.node import HELD, held, make_node
from .graph.storage import Storage
from .ops.sampling import Generator
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
    return _finished(tensor, requires_grad, metadata)


def _rebuild_tensor_v3(
    storage: Any, storage_offset: int, size: Any, stride: Any, requires_grad: bool, backward_hooks: Any, dtype: dtype,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """As `_rebuild_tensor_v2`, for dtypes whose storages have no class of their own."""
    return _finished(_view(storage, dtype, storage_offset, size, stride), requires_grad, metadata)


def _rebuild_meta_tensor_no_storage(dtype: dtype, size: Any, stride: Any, requires_grad: bool) -> Tensor:
    """A tensor without data."""
    storage = new_storage(needed_elements(tuple(size), tuple(stride)) * dtype.itemsize, dtype, META)
    return _finished(view_of(storage, dtype, 0, size, stride), requires_grad, None)


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Any:
    """A Parameter over a tensor's data."""
    from .nn.parameter import Parameter  # nn needs this module to pickle its parameters

    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    """A Parameter that had attributes of its own."""
    return _set_obj_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_from_type_v2(func: Callable, new_type: type, args: tuple, state: Any) -> Any:
    """What `func(*args)` rebuilds, as an instance of a subclass with its attributes."""
    result = func(*args)
    if type(result) is not new_type:
        result = Tensor._make_subclass(new_type, result, result.requires_grad)
    if getattr(new_type, "__setstate__", _setstate) is not _setstate:
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


# The methods that give what a sparse tensor is made of, besides its values and size.
INDICES = {
    "torch.sparse_coo": ("_indices",),
    "torch.sparse_csr": ("crow_indices", "col_indices"),
    "torch.sparse_csc": ("ccol_indices", "row_indices"),
}


def _rebuild_sparse_tensor(layout: Any, data: tuple) -> Tensor:
    """A tensor in a sparse layout; its indices are checked."""
    from .sparse import compressed, sparse_coo_tensor

    if str(layout) not in INDICES:
        raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")
    if str(layout) != "torch.sparse_coo":
        return compressed.sparse_compressed_tensor(*data, layout=layout)
    *parts, known = data if len(data) > 3 else (*data, None)
    return sparse_coo_tensor(*parts, check_invariants=True, is_coalesced=known)


def _reduce_sparse(self: Any) -> tuple:
    """How pickle takes a sparse tensor apart."""
    indices = [getattr(self, name)() for name in INDICES[str(self.layout)]]
    known = (self.is_coalesced(),) if self.is_sparse else ()
    values = self._values() if self.is_sparse else self.values()
    return _rebuild_sparse_tensor, (self.layout, (*indices, values.detach(), self.shape, *known))


def _finished(tensor: Any, requires_grad: bool, metadata: Any) -> Tensor:
    for bit, apply in _MATH_BITS.items():
        if metadata and metadata.get(bit):
            if tensor.nbytes > tensor._storage.nbytes:  # the result has memory of its own, which must have a bound
                raise RuntimeError(f"{bit} of an expanded tensor cannot be rebuilt")
            tensor = apply(tensor)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


# PyTorch may store a conjugate or negative as a flag over the original memory.
_MATH_BITS: dict[str, Callable] = {"conj": lambda t: t.conj(), "neg": lambda t: t.neg()}


# -------------------------------------------------------------------------------------------------------------- apart
def _get_obj_state(obj: Any) -> Any:
    """The attributes that a user has given a tensor: a dict, a pair of it and slots, or what `__getstate__` says."""
    getstate = getattr(type(obj), "__getstate__", None)
    if getstate is not getattr(object, "__getstate__", None):
        return obj.__getstate__()
    attributes = {name: value for name, value in obj.__dict__.items() if not _is_kenazs(name)}
    slots = {
        name: getattr(obj, name)
        for name in copyreg._slotnames(type(obj))  # type: ignore[attr-defined]  # private, but as pickle does it
        if name not in Tensor.__slots__ and hasattr(obj, name)
    }
    return (attributes, slots) if slots else attributes


def _is_kenazs(name: str) -> bool:
    """Whether Kenaz itself keeps an attribute of this name in a tensor's `__dict__`."""
    return name in Tensor.__dict__ or name in ("_post_accumulate_grad_hooks", "_grad_version")


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

    if str(self.layout) in INDICES:
        return _reduce_sparse(self)
    _warn_of_hooks(self)
    state = _get_obj_state(self)
    is_parameter: bool = isinstance(self, Parameter)
    if is_parameter:
        plain: tuple = (_data(self), self.requires_grad, OrderedDict())
        return (_rebuild_parameter_with_state, (*plain, state)) if state else (_rebuild_parameter, plain)
    function, parts = _parts(self)
    if type(self) is Tensor and not state:
        return function, parts
    return _rebuild_from_type_v2, (function, type(self), parts, state)


def _data(tensor: Any) -> Any:
    """A plain tensor over the same memory."""
    return make_tensor(tensor._storage, tensor._spec, tensor._offset)


def _parts(tensor: Any) -> tuple[Callable, tuple]:
    size, stride = tuple(tensor.shape), tensor.stride()
    if tensor.device.type == "meta":
        return _rebuild_meta_tensor_no_storage, (tensor.dtype, size, stride, tensor.requires_grad)
    storage = typed(tensor._storage, tensor.dtype)
    view: tuple = (tensor.storage_offset(), size, stride, tensor.requires_grad, OrderedDict())
    if tensor.dtype in STORAGE_NAMES:
        return _rebuild_tensor_v2, (storage, *view)
    return _rebuild_tensor_v3, (storage.untyped(), *view, tensor.dtype)


def _warn_of_hooks(tensor: Any) -> None:
    hooks = getattr(tensor._grad_fn, "__dict__", {}).get("tensor_hooks", {}).get(tensor._output_nr, {})
    for hook in hooks.values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )


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
    if self.is_sparse:
        return memo.setdefault(id(self), self.detach().clone().requires_grad_(self.requires_grad))
    is_parameter: bool = isinstance(self, Parameter)
    if is_parameter:
        result: Any = type(self)(_data(self).clone(), self.requires_grad)
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


# -------------------------------------------------------------------------------------- what libraries ask for
def _element_size(dtype: dtype) -> int:
    """The size of an element in bytes."""
    return dtype.itemsize


def _get_device_index(device_: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a GPU; -1 for the CPU where that is allowed."""
    if isinstance(device_, int):
        return device_
    found: Any = device(device_) if isinstance(device_, str) else device_
    if found.type == "cpu":
        if not allow_cpu:
            raise ValueError(f"Expected a non cpu device, but got: {found}")
        return -1
    return found.index if found.index is not None else 0


def _flatten_dense_tensors(tensors: Any) -> Any:
    """The elements of several tensors in one row."""
    from . import _api as torch

    cat: Any = torch.cat
    return cat([t.reshape(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Any, tensors: Any) -> tuple:
    """A row of elements as tensors of the sizes of others."""
    parts = flat.split([t.numel() for t in tensors])
    return tuple(part.view(t.shape) for part, t in zip(parts, tensors))


# --------------------------------------------------------------------------------------------- plain pickles, at once
def _rebuild_storage(array: np.ndarray) -> Storage:
    return Storage.of(array if array.flags.writeable else array.copy())


def _reduce_storage(storage: Storage) -> tuple:
    """Plain pickles of a storage carry its memory once, however many tensors share it."""
    if storage.spec.device == META:
        return new_storage, (storage.nbytes, storage.dtype, META)
    return _rebuild_storage, (execute.memory(storage).reshape(-1),)


def _rebuild_named(name: str, *args: Any) -> Any:
    return _NAMED[name](*args)


def _reduce_named(obj: Any) -> tuple:
    """Plain pickles cannot find classes under PyTorch's addresses where Kenaz does not stand in for it."""
    cls, args, *state = obj.__reduce__()
    return _rebuild_named, (cls.__name__, *args), *state


_NAMED = {cls.__name__: cls for cls in (Size, device, Generator)}
for _class in _NAMED.values():
    copyreg.pickle(_class, _reduce_named)
# Where pickles of PyTorch look for it.
_tensor._rebuild_from_type_v2 = _rebuild_from_type_v2  # type: ignore[attr-defined]  # attached
copyreg.pickle(Storage, _reduce_storage)
for _name, _method in {"__reduce_ex__": _reduce_ex, "__deepcopy__": _deepcopy, "__setstate__": _setstate}.items():
    setattr(Tensor, _name, _method)
