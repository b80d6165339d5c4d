"""Tensors and the world outside: NumPy's protocols, buffers, DLPack; and odd methods that call back into Python."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..autograd.nodes import AccumulateGrad
from ..core import dtype as dtypes
from ..core.dtype import dtype, scalar_name
from .conversion import copy_
from .creation import finish, from_numpy, tensor
from .legacy import build
from .record import composite, method, public

# --------------------------------------------------------------------------------------------------------------- NumPy
Tensor.__array_priority__ = 1000  # so that `np.float32(2) * t` is ours to answer


def __array_wrap__(self: Tensor, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Tensor:
    """What NumPy's functions give for tensors: a tensor that shares the result's memory."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)  # what PyTorch gives
    return from_numpy(np.asarray(array))


method("__array_wrap__", __array_wrap__)


# -------------------------------------------------------------------------------------------------------------- buffers
def frombuffer(buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A tensor that shares the memory of an object with Python's buffer protocol.

    >>> frombuffer(bytearray(b"\\x01\\x00\\x02\\x00"), dtype=dtypes.int16).tolist()
    [1, 2]
    """
    try:
        raw = np.frombuffer(buffer, np.uint8) if memoryview(buffer).nbytes else np.zeros(0, np.uint8)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    n, item = raw.size, dtype.itemsize
    if not n or not count:
        raise ValueError(f"both buffer length ({n}) and count ({count}) must not be 0")
    if not 0 <= offset < n:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({n} bytes) minus 1"
        )
    if count < 0:
        if (n - offset) % item:
            raise ValueError(
                f"buffer length ({n - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
                f"({item})"
            )
        count = (n - offset) // item
    if offset + count * item > n:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must not be greater than "
            f"actual buffer length ({n} bytes)"
        )
    if not raw.flags.writeable:
        _warn_read_only()
    return finish(from_numpy(raw[offset : offset + count * item].view(dtype.np)), requires_grad)


def _warn_read_only() -> None:
    import warnings

    warnings.warn(
        "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can write "
        "to the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer to "
        "protect its data or make it writable before converting it to a tensor. This type of warning will be "
        "suppressed for the rest of this program.",
        stacklevel=3,
    )


public(frombuffer)


# --------------------------------------------------------------------------------------------------------------- DLPack
def __dlpack__(
    self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
) -> Any:
    """The tensor's memory as a DLPack capsule."""
    if self._grad_fn is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if self.dtype is dtypes.bfloat16:
        raise BufferError("Can't export bfloat16 tensors through DLPack: NumPy, which does it for us, lacks the dtype")
    options = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
    options = {k: v for k, v in options.items() if v is not None}  # NumPy 1 knows none of them
    return self.numpy().__dlpack__(**options)


def __dlpack_device__(self: Tensor) -> tuple[int, int]:
    """(1, 0): the CPU."""
    return 1, 0


class _Capsule:
    """A capsule in the clothes of an object that NumPy can read."""

    def __init__(self, capsule: Any):
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


class _Writable:
    """The memory of an array that NumPy believes to be read-only."""

    def __init__(self, array: np.ndarray):
        self.array = array  # keeps the memory alive
        self.__array_interface__ = {**array.__array_interface__, "data": (array.__array_interface__["data"][0], False)}


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of another library's array, or of a DLPack capsule."""
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.clone() if copy else ext_tensor.view(ext_tensor.shape)
    if not hasattr(ext_tensor, "__dlpack__"):
        if type(ext_tensor).__name__ != "PyCapsule":
            raise RuntimeError(
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
                "you might have already constructed a tensor from it once."
            )
        ext_tensor = _Capsule(ext_tensor)
    try:
        array = np.from_dlpack(ext_tensor)
    except ValueError as error:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you "
            "might have already constructed a tensor from it once."
        ) from error
    if not array.flags.writeable:
        array = np.asarray(_Writable(array))
    return from_numpy(array.copy() if copy else array)


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor's memory as a DLPack capsule."""
    return tensor.__dlpack__()


for _function in (__dlpack__, __dlpack_device__):
    method(_function.__name__, _function)
for _function in (from_dlpack, to_dlpack):
    public(_function)


# ------------------------------------------------------------------------------------------------- calls back to Python
def _check_no_grad(name: str, *tensors: Tensor) -> None:
    if any(t._grad_fn is not None for t in tensors):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")


def _map(self: Tensor, name: str, others: tuple, function: Callable) -> Tensor:
    _check_no_grad(name, self, *others)
    for other in others:
        if other.dtype is not self.dtype:
            raise TypeError(f"{name}: expected two tensors of the same type")
    columns = [t.expand(self.shape)._array().reshape(-1).tolist() for t in (self, *others)]
    values = np.array([function(*row) for row in zip(*columns, strict=True)]).reshape(self.shape)
    return copy_(self, Tensor._from_array(values.astype(self.dtype.np)))


@composite("Tensor")
def apply_(self: Tensor, callable: Callable) -> Tensor:
    """Replace every element by what a Python function makes of it."""
    return _map(self, "apply_", (), callable)


@composite("Tensor")
def map_(self: Tensor, tensor: Tensor, callable: Callable) -> Tensor:
    """Replace every element by what a Python function makes of it and another tensor's."""
    return _map(self, "map_", (tensor,), callable)


@composite("Tensor")
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable) -> Tensor:
    """Replace every element by what a Python function makes of it and those of two other tensors."""
    return _map(self, "map2_", (x, y), callable)


# ---------------------------------------------------------------------------------------------------------- odds and
# ends
@composite("Tensor")
def new(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """A tensor of this dtype, by the rules of the constructors of old."""
    return build(self.dtype, f"torch.{scalar_name(self.dtype)}Tensor", args, kwargs)


@composite("Tensor")
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors see the same memory in the same way."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"is_set_to(): argument 'tensor' (position 1) must be Tensor, not {type(tensor).__name__}")
    return self._storage is tensor._storage and self._offset == tensor._offset and self._spec is tensor._spec


@composite("Tensor")
def const_data_ptr(self: Tensor) -> int:
    """The address of the first element."""
    return self.data_ptr()


def _reversed(self: Tensor) -> Tensor:
    """The tensor with its first axis in reverse order."""
    return self.flip(0) if self.ndim else self


method("__reversed__", _reversed)


def _contains(self: Tensor, element: Any) -> bool:
    """Whether some element equals a number, or those of a tensor."""
    if isinstance(element, (Tensor, int, float, complex, np.number)):
        return bool((self == element).any())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


method("__contains__", _contains)


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Exchange all that two tensors are: whoever holds the one now holds the other."""
    for t in (t1, t2):
        if weakref.getweakrefcount(t) > (type(t._grad_fn) is AccumulateGrad):
            raise RuntimeError(
                "Cannot swap t1 because it has weakref associated with it"
                if t is t1
                else "Cannot swap t2 because it has weakref associated with it"
            )
    parts = operator.attrgetter(
        "_storage", "_spec", "_offset", "_grad_fn", "_base", "_output_nr", "__dict__", "__class__"
    )
    a, b = parts(t1), parts(t2)
    for t, values in ((t1, b), (t2, a)):
        t._storage, t._spec, t._offset, t._grad_fn, t._base, t._output_nr, t.__dict__, t.__class__ = values
        if type(t._grad_fn) is AccumulateGrad:
            t._grad_fn.tensor = weakref.ref(t)


__all__ = ["frombuffer", "from_dlpack", "swap_tensors", "tensor", "to_dlpack"]
