"""Tensor: a strided view of a Storage, plus autograd state.

The class is bare on purpose: whoever declares an operator attaches its method. What is here is what a tensor *is*:
its spec, its memory, and how a value leaves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import execute
from .core.device import CPU, device
from .core.dtype import FLOAT8, dtype, scalar_name
from .core.shape import Size
from .core.spec import Spec, spec
from .graph.node import Node
from .graph.storage import Storage

_NOT_NUMPYS = frozenset(("bfloat16", *(d.name for d in FLOAT8)))  # NumPy has these types only through ml_dtypes


class Tensor:
    """A multi-dimensional array of elements of one dtype, with gradients."""

    __slots__ = ("__dict__", "__weakref__", "_base", "_grad_fn", "_offset", "_output_nr", "_spec", "_storage")
    _storage: Storage
    _spec: Spec
    _offset: int
    _grad_fn: Any  # the backward node that made it, AccumulateGrad for a leaf that requires gradients, or None
    _output_nr: int  # which of that node's outputs it is
    _base: Tensor | None  # the tensor this is a view of

    if TYPE_CHECKING:  # what operators attach, for the type checker

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...
        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...

        __add__: Any
        __radd__: Any
        __iadd__: Any
        __sub__: Any
        __rsub__: Any
        __isub__: Any
        __mul__: Any
        __rmul__: Any
        __imul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __itruediv__: Any
        __floordiv__: Any
        __rfloordiv__: Any
        __mod__: Any
        __pow__: Any
        __rpow__: Any
        __ipow__: Any
        __matmul__: Any
        __neg__: Any
        __pos__: Any
        __abs__: Any
        __invert__: Any
        __and__: Any
        __or__: Any
        __xor__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __getitem__: Any
        __setitem__: Any
        __iter__: Any

    # what few tensors have lives in __dict__, over these defaults
    _grad: Tensor | None = None
    _grad_version = 0  # of a base: how often its history changed by writes in place
    _view_version = 0  # of a view: the base's when the view got its own history
    _silent = False  # a `data`: autograd does not notice what is written to it
    _inference = False  # made in inference mode
    _creation: str | None = None  # how a view was made, where that forbids to write to it: "no_grad" or "function"
    _retains_grad = False
    _hooks: Any = None
    names_: None = None

    # ---------------------------------------------------------------------------------------------------- what it is
    @property
    def shape(self) -> Size:
        return self._spec.size

    def size(self, dim: int | None = None) -> Any:
        """The size, or that of one axis."""
        return self._spec.size if dim is None else self._spec.size[_axis(dim, self._spec.ndim)]

    def stride(self, dim: int | None = None) -> Any:
        """The steps between neighbours along each axis, in elements."""
        if isinstance(dim, str):
            raise TypeError("stride(): argument 'dim' (position 1) must be int, not str")
        return self._spec.stride if dim is None else self._spec.stride[_axis(dim, self._spec.ndim)]

    def storage_offset(self) -> int:
        return self._offset

    @property
    def dtype(self) -> dtype:
        return self._spec.dtype

    @property
    def device(self) -> device:
        return self._spec.device

    @property
    def ndim(self) -> int:
        return self._spec.ndim

    def dim(self) -> int:
        return self._spec.ndim

    ndimension = dim

    def numel(self) -> int:
        return self._spec.numel

    nelement = numel

    def element_size(self) -> int:
        return self._spec.dtype.itemsize

    @property
    def itemsize(self) -> int:
        return self._spec.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._spec.numel * self._spec.dtype.itemsize

    @property
    def _version(self) -> int:
        return self._storage.version

    def __len__(self) -> int:
        if not self._spec.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._spec.size[0]

    def __hash__(self) -> int:
        return id(self)

    # ------------------------------------------------------------------------------------------------------- making
    @staticmethod
    def _from_storage(storage: Storage, size: Any, stride: Any, offset: int, dtype: Any, device: Any = CPU) -> Tensor:
        """A tensor over a storage, with nothing checked."""
        return make_tensor(storage, spec(tuple(size), tuple(stride), dtype, device, offset != 0), offset)

    @staticmethod
    def _from_array(array: np.ndarray) -> Tensor:
        """A tensor that owns a freshly computed array."""
        if not array.flags.c_contiguous:
            array = np.ascontiguousarray(array)
        storage = Storage.of(array)
        return make_tensor(storage, storage.spec, 0)

    @staticmethod
    def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
        """A tensor of class `cls` that shares the data of another."""
        self: Any = object.__new__(cls)
        self._storage, self._spec, self._offset, self._grad_fn = data._storage, data._spec, data._offset, None
        self._base, self._output_nr = None, 0
        if require_grad:
            self.requires_grad_()
        return self

    # ------------------------------------------------------------------------------------------------ values go out
    def _array(self) -> np.ndarray:
        """The elements as an array that shares memory, for reading by Kenaz itself; runs what is pending."""
        return execute.array(self._storage, self._spec, self._offset)

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The elements as an ndarray that shares memory.

        >>> Tensor._from_array(np.arange(3)).numpy()
        array([0, 1, 2])
        """
        if self._grad_fn is not None:
            if not force:
                raise RuntimeError(
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
                )
        if self.dtype.name in _NOT_NUMPYS:
            raise TypeError(f"Got unsupported ScalarType {scalar_name(self.dtype)}")
        execute.expose(self._storage, "view")
        return self._array()

    def item(self) -> Any:
        """The single element as a Python number."""
        if self._spec.numel != 1:
            raise RuntimeError(f"a Tensor with {self._spec.numel} elements cannot be converted to Scalar")
        spec, node = self._spec, self._storage.node
        if type(node.value) is np.ndarray and node.call.out.dtype is spec.dtype:  # there already: 0.1 us, not 0.9
            value = node.value.item(self._offset)
        else:
            value = self._array().item()
        return float(value) if spec.dtype.is_floating_point else value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        array = self._array()
        return (array.astype(np.float32) if self._spec.dtype.name in _NOT_NUMPYS else array).tolist()

    def data_ptr(self) -> int:
        """The address of the first element; the memory stays there from now on."""
        execute.expose(self._storage, "always")
        return self._array().__array_interface__["data"][0] if self._spec.numel else 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __bool__(self) -> bool:
        if self._spec.numel == 1:
            return bool(self.item())
        if self._spec.numel == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def _scalar(self) -> Any:
        if self._spec.numel != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __float__(self) -> float:
        return float(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def __int__(self) -> int:
        return int(self.item() if self._spec.numel == 1 else self._scalar())

    def __index__(self) -> int:
        if self._spec.numel != 1 or self._spec.dtype.kind > 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())


Tensor.__module__ = "torch"


def _axis(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        n = ndim or 1
        if ndim == 0:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim


new_tensor = object.__new__  # Tensor() itself is PyTorch's legacy constructor


def make_tensor(storage: Storage, spec: Spec, offset: int = 0) -> Tensor:
    """A tensor of known parts."""
    self = new_tensor(Tensor)
    self._storage, self._spec, self._offset, self._grad_fn = storage, spec, offset, None
    self._base, self._output_nr = None, 0
    return self


def wrap(node: Node) -> Tensor:
    """The tensor over a fresh node's result."""
    self, storage = new_tensor(Tensor), Storage()  # as make_tensor and make_storage, without the calls
    storage.node, storage.version, storage.exposed = node, 0, False
    self._storage, self._spec, self._offset, self._grad_fn = storage, node.call.out, 0, None
    self._base, self._output_nr = None, 0
    return self
