"""The Tensor methods that lead to storages and back."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core.dtype import scalar_name
from . import memory
from .classes import (
    LEGACY_STORAGES,
    STORAGE_NAMES,
    TypedStorage,
    UntypedStorage,
    is_storage,
    typed,
    untyped,
    warn_deprecated,
)


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes under this tensor."""
    return untyped(self._storage)


def _typed_storage(self: Tensor) -> TypedStorage:
    return typed(self._storage, self.dtype)


def storage(self: Tensor) -> TypedStorage:
    """The memory under this tensor, as elements of its dtype."""
    warn_deprecated()
    return typed(self._storage, self.dtype)


def storage_type(self: Tensor) -> Any:
    """The class of this tensor's storage."""
    return LEGACY_STORAGES.get(STORAGE_NAMES.get(self.dtype, ""), TypedStorage)


def is_shared(self: Tensor) -> bool:
    """Whether forked processes see each other's writes to this tensor."""
    return memory.is_shared(self._storage)


def share_memory_(self: Tensor) -> Tensor:
    """Move the memory to where forked processes see each other's writes."""
    memory.share(self._storage)
    return self


def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Make this tensor a view of another tensor's memory, or of a storage."""
    if source is None:
        source, size = UntypedStorage(0), (0,)
    if not isinstance(source, Tensor) and not is_storage(source):
        raise TypeError(_INVALID.format(type(source).__name__))
    if not isinstance(source, UntypedStorage) and source.dtype is not self.dtype:
        raise RuntimeError(_OTHER_DTYPE.format(scalar_name(self.dtype).lower(), scalar_name(source.dtype)))
    part = source if isinstance(source, Tensor) and size is None else None
    if part is None:
        size = (source._storage.nbytes // self.dtype.itemsize,) if size is None else size
        part = memory.view_of(source._storage, self.dtype, storage_offset, size, stride)
    self._storage, self._spec, self._offset = part._storage, part._spec, part._offset
    return self


_INVALID = (
    "set_() received an invalid combination of arguments - got ({}), but expected one of:\n * ()\n"
    " * (torch.Storage source)\n"
    " * (torch.Storage source, int storage_offset, tuple of ints size, tuple of ints stride = None)\n"
    " * (Tensor source)\n"
    " * (Tensor source, int storage_offset, tuple of ints size, tuple of ints stride = None)\n"
)
_OTHER_DTYPE = "Expected a Storage of type {} or an UntypedStorage, but got type {} for argument 1 'storage'"

for _method in (untyped_storage, _typed_storage, storage, storage_type, is_shared, share_memory_, set_):
    setattr(Tensor, _method.__name__, _method)
