"""UntypedStorage and TypedStorage: windows on the memory of tensors, as bytes or as elements of one dtype."""

from __future__ import annotations

import operator
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor
from ..core.device import CPU, device, resolve
from ..core.dtype import BY_NAME, dtype, get_default_dtype, scalar_name, uint8
from ..graph.storage import Storage
from . import memory
from .memory import elements, new_storage

_dtype = dtype  # classes below have a `dtype` of their own
_DEPRECATED = (
    "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage class. "
    "This should only matter to you if you are using storages directly.  To access UntypedStorage directly, use "
    "tensor.untyped_storage() instead of tensor.storage()"
)
_warned = [False]


def warn_deprecated(stacklevel: int = 3) -> None:
    """PyTorch's warning about typed storages, once a process."""
    if not _warned[0]:
        _warned[0] = True
        warnings.warn(_DEPRECATED, UserWarning, stacklevel=stacklevel)


class _Window:
    """What both kinds of storage can do; `dtype` says what they take an element to be."""

    __slots__ = ()
    _storage: Storage
    dtype: dtype
    is_sparse = is_sparse_csr = is_hpu = False

    def _over(self, storage: Storage) -> Any:
        """A window like this one on another storage."""
        raise AssertionError("each kind knows")

    # ----------------------------------------------------------------------------------------------- what it is
    def nbytes(self) -> int:
        return self._storage.nbytes

    def size(self) -> int:
        return self._storage.nbytes // self.dtype.itemsize

    __len__ = _size = size
    _nbytes = __sizeof__ = nbytes

    def element_size(self) -> int:
        return self.dtype.itemsize

    _element_size = element_size

    @property
    def device(self) -> device:
        return self._storage.spec.device

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def get_device(self) -> int:
        return -1 if self.device.index is None else self.device.index

    def is_pinned(self, device: Any = "cuda") -> bool:
        return False

    def resizable(self) -> bool:
        return self._storage.exposed != "always"

    def is_shared(self) -> bool:
        return memory.is_shared(self._storage)

    _is_shared = is_shared

    def data_ptr(self) -> int:
        """The address of the memory, which stays there from now on."""
        if not self.nbytes():
            return 0
        execute.expose(self._storage, "always")
        return elements(self._storage, uint8).__array_interface__["data"][0]

    _data_ptr = data_ptr

    @property
    def _cdata(self) -> int:
        return id(self._storage)

    def _described(self) -> str:
        raise AssertionError("each kind knows")

    def __repr__(self) -> str:
        content = "..." if self.device.type == "meta" else " " + "\n ".join(map(str, self.tolist()))
        return f"{content}\n[{self._described()} of size {self.size()}]"

    # -------------------------------------------------------------------------------------------------- content
    def tolist(self) -> list:
        return _plain(elements(self._storage, self.dtype)).tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        execute.expose(self._storage, "view")
        array = elements(self._storage, self.dtype)
        return np.array(array, dtype, copy=copy) if copy or dtype is not None else array

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def _item(self, index: Any) -> Any:
        return _plain(elements(self._storage, self.dtype)[_position(index, self.size()), None]).item()

    def _check_data(self) -> None:
        if self.device.type == "meta":
            raise NotImplementedError("Not available for 'meta' device type")

    def fill_(self, value: Any) -> Any:
        self[:] = value
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        raise AssertionError("each kind knows")

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Overwrite the memory with another storage's."""
        if source.nbytes() != self.nbytes():
            raise RuntimeError(
                f"size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes"
            )
        memory.write(self._storage, uint8, slice(None), elements(source._storage, uint8))
        return self

    def clone(self) -> Any:
        return self._over(memory.copy_storage(self._storage))

    __copy__ = clone

    def __deepcopy__(self, memo: dict) -> Any:
        return self._over(memory.copy_storage(self._storage, memo))

    _deepcopy = __deepcopy__

    def share_memory_(self) -> Any:
        """Move the memory to where forked processes see each other's writes."""
        memory.share(self._storage)
        return self

    def pin_memory(self, device: Any = "cuda") -> Any:
        return self

    def to(self, *, device: Any, non_blocking: bool = False) -> Any:
        """This storage on a device: itself when it is there."""
        where = resolve(device)
        return self if where == self.device else self._over(memory.move(self._storage, where))

    def cpu(self) -> Any:
        return self.to(device="cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Any:
        return self.to(device="cuda" if device is None else device)

    def _converted(self, kind: _dtype) -> TypedStorage:
        with np.errstate(all="ignore"):
            return typed(Storage.of(elements(self._storage, self.dtype).astype(kind.np)), kind)


_CONVERSIONS = {
    "double": "float64", "float": "float32", "half": "float16", "bfloat16": "bfloat16", "long": "int64",
    "int": "int32", "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool",
    "complex_double": "complex128", "complex_float": "complex64",
}  # fmt: skip
for _name, _kind in _CONVERSIONS.items():
    setattr(_Window, _name, lambda self, kind=BY_NAME[_kind]: self._converted(kind))


def _plain(array: np.ndarray) -> np.ndarray:
    """The same values in a dtype whose scalars are Python numbers."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _position(index: Any, size: int) -> int:
    i = operator.index(index)
    if not -size <= i < size:
        raise IndexError(f"index {i} out of range for storage of size {size}")
    return i


def _place(index: Any, size: int, what: str) -> Any:
    if isinstance(index, slice):
        return index
    if not hasattr(index, "__index__"):
        raise RuntimeError(f"can't index a {what} with {type(index)}")
    return _position(index, size)


# ------------------------------------------------------------------------------------------------- as bytes, untyped
class UntypedStorage(_Window):
    """The bytes under one or more tensors.

    >>> UntypedStorage([1, 2])
     1
     2
    [torch.storage.UntypedStorage(device=cpu) of size 2]
    """

    __slots__ = ("__weakref__", "_storage", "filename")
    filename: str | None
    dtype = uint8

    def __new__(cls, *args: Any, device: Any = None) -> UntypedStorage:
        if len(args) > 1:
            got = ", ".join(type(a).__name__ for a in args)
            raise TypeError(f"torch.UntypedStorage() received an invalid combination of arguments - got ({got})")
        where, source = CPU if device is None else resolve(device), args[0] if args else 0
        if not isinstance(source, int):
            return untyped(Storage.of(memory.bytes_of("torch.UntypedStorage()", source)))
        if source < 0:
            raise RuntimeError(f"alloc_cpu() seems to have been called with negative number: {source}")
        return untyped(new_storage(source, device=where))

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """A storage over a file's first `nbytes` bytes; with `shared`, writes go to the file."""
        self = untyped(Storage.of(memory.map_file(filename, shared, nbytes), "always" if shared else False))
        self.filename = str(filename) if shared else None
        return self

    @classmethod
    def from_buffer(
        cls, buffer: Any, byte_order: str = "native", count: int = -1, offset: int = 0, *, dtype: _dtype = uint8
    ) -> UntypedStorage:
        """A storage with a copy of a buffer's elements."""
        return untyped(Storage.of(memory.from_buffer(buffer, byte_order, count, offset, dtype)))

    def _over(self, storage: Storage) -> UntypedStorage:
        return untyped(storage)

    def _described(self) -> str:
        return f"torch.storage.UntypedStorage(device={self.device})"

    def untyped(self) -> UntypedStorage:
        return self

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        return "torch.storage.UntypedStorage" if dtype is None else self._converted(_named(dtype))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self) -> int:
        return id(self._storage)

    def __getitem__(self, index: Any) -> Any:
        self._check_data()
        if isinstance(index, slice):
            return self._part(index)
        if not hasattr(index, "__index__"):
            raise TypeError(f"can't index a torch.UntypedStorage with {type(index).__name__}")
        return self._item(index)

    def _part(self, index: slice) -> UntypedStorage:
        start, stop, step = index.indices(self.nbytes())
        if step != 1:
            raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
        execute.expose(self._storage, "always")  # two storages will see this memory
        return untyped(Storage.of(elements(self._storage, uint8)[start : max(start, stop)], "always"))

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(value, int):
            raise RuntimeError(f"can only set storage content with a int types, but got {type(value).__name__} instead")
        memory.write(self._storage, uint8, _place(index, self.nbytes(), "torch.UntypedStorage"), value & 255)

    def resize_(self, size: int) -> UntypedStorage:
        """Give the storage another size; tensors over it see the new memory."""
        memory.resize(self._storage, size)
        return self

    def byteswap(self, dtype: _dtype) -> None:
        """Reverse the bytes of each element in place."""
        memory.write(self._storage, dtype, slice(None), memory.byteswapped(elements(self._storage, dtype)))

    def __reduce__(self) -> tuple:
        return untyped, (self._storage,)


_windows: weakref.WeakValueDictionary[int, UntypedStorage] = weakref.WeakValueDictionary()


def untyped(storage: Storage) -> UntypedStorage:
    """The one UntypedStorage over a storage."""
    found = _windows.get(id(storage))  # a window holds its storage, so that the id stays taken
    if found is None:
        found = _windows[id(storage)] = object.__new__(UntypedStorage)
        found._storage, found.filename = storage, None
    return found


# --------------------------------------------------------------------------------------------- as elements of one dtype
class TypedStorage(_Window):
    """The memory under one or more tensors, as elements of one dtype.

    >>> TypedStorage([1, 2], dtype=BY_NAME["float32"], _internal=True)
     1.0
     2.0
    [torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]
    """

    __slots__ = ("_untyped_storage", "dtype")
    _untyped_storage: UntypedStorage
    dtype: _dtype

    def __new__(
        cls, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None, _internal: bool = False
    ) -> TypedStorage:
        if not _internal:
            warn_deprecated()
        if wrap_storage is not None:
            _check_wrapped(args, wrap_storage, dtype)
            return typed(wrap_storage._storage, dtype)
        if len(args) > 1:
            raise RuntimeError(_INVALID.format("Too many positional arguments"))
        kind = get_default_dtype() if dtype is None else dtype
        where, source = CPU if device is None else resolve(device), args[0] if args else 0
        if isinstance(source, int):
            return typed(new_storage(source * kind.itemsize, kind, where), kind)
        if isinstance(source, Tensor) or not hasattr(source, "__len__"):
            raise TypeError(_INVALID.format(f"Argument type not recognized: {type(source)}"))
        if isinstance(source, str):
            raise TypeError("new(): invalid data type 'str'")
        return typed(Storage.of(np.array(source).astype(kind.np).reshape(-1)), kind)

    @classmethod
    def from_file(cls, filename: Any, shared: bool, size: int) -> TypedStorage:
        """A storage over a file's first `size` elements; with `shared`, writes go to the file."""
        kind = class_dtype(cls)
        mapped = UntypedStorage.from_file(filename, shared, size * kind.itemsize)
        return typed(mapped._storage, kind)

    @classmethod
    def from_buffer(
        cls, buffer: Any, byte_order: str | None = None, count: int = -1, offset: int = 0, *, dtype: Any = None
    ) -> TypedStorage:
        """A storage with a copy of a buffer's elements."""
        if byte_order is None:
            raise RuntimeError("function missing required argument 'byte_order' (pos 2)")
        kind = class_dtype(cls) if dtype is None else dtype
        return typed(Storage.of(memory.from_buffer(buffer, byte_order, count, offset, kind)), kind)

    @classmethod
    def _from_buffer(cls, buffer: Any, byte_order: str = "native", **kwargs: Any) -> TypedStorage:
        """As `from_buffer`, in the machine's order of bytes."""
        return cls.from_buffer(buffer, byte_order, **kwargs)

    @property
    def _storage(self) -> Storage:  # type: ignore[override]  # read-only here
        return self._untyped_storage._storage

    @property
    def filename(self) -> str | None:
        return self._untyped_storage.filename

    def _over(self, storage: Storage) -> TypedStorage:
        return typed(storage, self.dtype)

    def _described(self) -> str:
        return f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"

    def untyped(self) -> UntypedStorage:
        return self._untyped_storage

    def pickle_storage_type(self) -> str:
        """The name of the class that files call storages of this dtype."""
        if self.dtype not in STORAGE_NAMES:
            raise KeyError(f"dtype {self.dtype} is not recognized")
        return STORAGE_NAMES[self.dtype]

    _pickle_storage_type = pickle_storage_type

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of the legacy class of this dtype, or the storage converted to another."""
        if dtype is not None:
            return self._converted(_named(dtype))
        name = STORAGE_NAMES.get(self.dtype)
        return f"torch.{name}" if name else "torch.storage.TypedStorage"

    def __getitem__(self, index: Any) -> Any:
        self._check_data()
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        if not hasattr(index, "__index__"):
            raise RuntimeError(f"can't index a <class 'torch.storage.TypedStorage'> with {type(index)}")
        return self._item(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        place = _place(index, self.size(), "<class 'torch.storage.TypedStorage'>")
        memory.write(self._storage, self.dtype, place, np.asarray(value).astype(self.dtype.np))

    def resize_(self, size: int) -> None:
        """Give the storage another number of elements; tensors over it see the new memory."""
        memory.resize(self._storage, size * self.dtype.itemsize)

    def __reduce__(self) -> tuple:
        return typed, (self._storage, self.dtype)


_INVALID = (
    "TypedStorage.__init__ received an invalid combination of arguments. Expected one of:\n"
    " * (*, torch.device device, torch.dtype dtype)\n"
    " * (int size, *, torch.device device, torch.dtype dtype)\n"
    " * (Sequence data, *, torch.device device, torch.dtype dtype)\n"
    " * (*, UntypedStorage wrap_storage, torch.dtype dtype)\n{}"
)


def _check_wrapped(args: tuple, wrap_storage: Any, dtype: Any) -> None:
    if args:
        raise RuntimeError(_INVALID.format("No positional arguments should be given when using 'wrap_storage'"))
    if dtype is None:
        raise RuntimeError(_INVALID.format("Argument 'dtype' must be specified"))
    if not isinstance(dtype, _dtype):
        raise TypeError(_INVALID.format(f"Argument 'dtype' must be torch.dtype, not {type(dtype)}"))
    if not isinstance(wrap_storage, UntypedStorage):
        message = f"Argument 'wrap_storage' must be UntypedStorage, but got {type(wrap_storage)}"
        raise TypeError(_INVALID.format(message))


def typed(storage: Storage, dtype: _dtype) -> TypedStorage:
    """A TypedStorage over a storage."""
    self = object.__new__(TypedStorage)
    self._untyped_storage, self.dtype = untyped(storage), dtype
    return self


# ------------------------------------------------------------------------------------------------- legacy class names
class _LegacyStorageMeta(type):
    """Makes every TypedStorage of the right dtype an instance of the legacy class."""

    dtype: _dtype
    device = CPU
    is_cuda = False

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype


class _LegacyStorage(TypedStorage, metaclass=_LegacyStorageMeta):
    """What files and old programs call storages of one dtype: constructing it gives a TypedStorage."""

    __slots__ = ()

    def __new__(cls, *args: Any, wrap_storage: Any = None, **unknown: Any) -> Any:
        message = "Too many positional arguments" if len(args) > 1 else None
        if unknown:
            message = f"Keyword argument '{next(iter(unknown))}' cannot be specified"
        if message:
            raise RuntimeError(_INVALID_LEGACY.format(cls, message))
        warn_deprecated()
        return TypedStorage.__new__(TypedStorage, *args, wrap_storage=wrap_storage, dtype=cls.dtype, _internal=True)


_INVALID_LEGACY = (
    "{}.__new__ received an invalid combination of arguments. Expected one of:\n"
    " * no arguments\n * (int size)\n * (Sequence data)\n * (*, UntypedStorage wrap_storage)\n{}"
)


def _legacy(kind: str) -> Any:
    found = BY_NAME[kind]
    name = scalar_name(found) + "Storage"
    return _LegacyStorageMeta(name, (_LegacyStorage,), {"dtype": found, "__module__": "torch", "__slots__": ()})


def class_dtype(cls: Any) -> _dtype:
    """The dtype of a legacy class; TypedStorage itself takes the default."""
    return cls.dtype if isinstance(cls, _LegacyStorageMeta) else get_default_dtype()


def _named(kind: Any) -> _dtype:
    """The dtype that a dtype, a legacy class or its name means."""
    if isinstance(kind, str):
        kind = LEGACY_STORAGES[kind.rpartition(".")[2]]
    return kind if isinstance(kind, _dtype) else kind.dtype


DoubleStorage, FloatStorage, HalfStorage = _legacy("float64"), _legacy("float32"), _legacy("float16")
BFloat16Storage, BoolStorage, ByteStorage = _legacy("bfloat16"), _legacy("bool"), _legacy("uint8")
LongStorage, IntStorage, ShortStorage, CharStorage = map(_legacy, ("int64", "int32", "int16", "int8"))
ComplexDoubleStorage, ComplexFloatStorage = _legacy("complex128"), _legacy("complex64")

LEGACY_STORAGES = {
    cls.__name__: cls for cls in (
        DoubleStorage, FloatStorage, HalfStorage, BFloat16Storage, BoolStorage, ByteStorage, LongStorage, IntStorage,
        ShortStorage, CharStorage, ComplexDoubleStorage, ComplexFloatStorage,
    )
}  # fmt: skip
STORAGE_NAMES: dict[_dtype, str] = {cls.dtype: name for name, cls in LEGACY_STORAGES.items()}
UntypedStorage.__module__ = TypedStorage.__module__ = "torch.storage"


def is_storage(obj: object, /) -> bool:
    """Whether an object is a storage.

    >>> is_storage(UntypedStorage(2)), is_storage([1])
    (True, False)
    """
    return isinstance(obj, UntypedStorage | TypedStorage)
