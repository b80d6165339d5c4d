"""What can be done with the flat memory of a `graph.storage.Storage`: looking, writing, resizing, copying, viewing.

Reading runs what is pending; a write is recorded as the storage's next value, so that tensors over it see it.
"""

from __future__ import annotations

import mmap
import operator
import sys
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor
from ..core.device import CPU, device
from ..core.dtype import dtype, uint8
from ..core.shape import contiguous_stride, extent, numel
from ..core.spec import fresh
from ..graph.node import held, make_node
from ..graph.storage import Storage, make_storage

BYTE = np.dtype(np.uint8)


def new_storage(nbytes: int, dtype: dtype = uint8, device: device = CPU, array: np.ndarray | None = None) -> Storage:
    """A storage of so many bytes, made of elements of `dtype`: over `array`, or with no data on the meta device."""
    if device.type == "meta":
        return make_storage(make_node(held(fresh((nbytes // dtype.itemsize,), dtype, device)), ()))
    return Storage.of(np.zeros(nbytes // dtype.itemsize, dtype.np) if array is None else array)


def elements(storage: Storage, dtype: dtype) -> np.ndarray:
    """The memory of a storage as a flat array of `dtype`, without a copy; a rest that makes no element is left out.

    >>> elements(Storage.of(np.zeros(2, np.float32)), uint8).size
    8
    """
    memory = execute.memory(storage).reshape(-1)
    if memory.dtype == dtype.np:
        return memory
    raw = memory.view(BYTE)
    return raw[: raw.size // dtype.itemsize * dtype.itemsize].view(dtype.np)


def write(storage: Storage, dtype: dtype, index: Any, value: Any) -> None:
    """Record the storage's next value: the present one with some elements replaced."""
    raw, kind = elements(storage, uint8).copy(), storage.dtype
    with np.errstate(all="ignore"):
        raw[: raw.size // dtype.itemsize * dtype.itemsize].view(dtype.np)[index] = value
    changed = raw.view(kind.np)
    execute.replace(storage, make_node(held(fresh(changed.shape, kind)), (), None, changed))


def resize(storage: Storage, nbytes: int) -> None:
    """Make the memory of a storage longer or shorter; what was there stays at the front."""
    if nbytes < 0:
        raise RuntimeError(f"alloc_cpu() seems to have been called with negative number: {nbytes}")
    if storage.exposed == "always":
        raise RuntimeError("Trying to resize storage that is not resizable")
    kind = storage.dtype if nbytes % storage.dtype.itemsize == 0 else uint8
    if storage.spec.device.type == "meta":
        storage.node = new_storage(nbytes, kind, storage.spec.device).node
        return
    old, array = elements(storage, uint8), np.zeros(nbytes, BYTE)
    array[: old.size] = old[:nbytes]
    storage.node = make_node(held(fresh((nbytes // kind.itemsize,), kind)), (), None, array.view(kind.np))


def share(storage: Storage) -> None:
    """Move the memory of a storage to where forked processes see each other's writes."""
    array = elements(storage, storage.dtype)
    if not array.nbytes or is_shared(storage):
        return
    shared = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype)
    np.copyto(shared, array)
    execute.flush()
    storage.node = make_node(held(fresh(shared.shape, storage.dtype)), (), None, shared)
    execute.expose(storage, "always")


def is_shared(storage: Storage) -> bool:
    """Whether `share` has moved the memory of a storage."""
    base: Any = storage.node.value
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return isinstance(base, mmap.mmap)


def bytes_of(what: str, values: Any) -> np.ndarray:
    """Bytes from a sequence of integers, taken modulo 256 as C does."""
    for value in values:
        if not isinstance(value, int | np.integer):
            raise RuntimeError(
                f"{what}: tried to construct a storage from a sequence ({type(values).__name__}), but one of the items "
                f"was of type {type(value).__name__} instead of int"
            )
    return np.array([int(value) & 255 for value in values], BYTE)


def from_buffer(buffer: Any, byte_order: str, count: int, offset: int, dtype: dtype) -> np.ndarray:
    """A copy of the elements that a buffer holds in some byte order."""
    raw = np.frombuffer(buffer, BYTE)
    if byte_order not in ("native", "little", "big"):
        raise ValueError(f"invalid byte_order '{byte_order}' (expected 'big', 'little', or 'native')")
    if not 0 <= offset <= raw.size:
        raise ValueError(
            f"offset must be non-negative and no greater than buffer length ({raw.size}), but got {offset}"
        )
    there = raw.size - offset
    if count < 0 and there % dtype.itemsize:
        raise ValueError(f"buffer size ({raw.size}) must be a multiple of element size ({dtype.itemsize})")
    count = there // dtype.itemsize if count < 0 else count
    if count * dtype.itemsize > there:
        raise ValueError(f"buffer has only {there} elements after offset {offset}, but specified a size of {count}")
    array = raw[offset : offset + count * dtype.itemsize].copy().view(dtype.np)
    return byteswapped(array) if byte_order not in ("native", sys.byteorder) else array


def byteswapped(array: np.ndarray) -> np.ndarray:
    """An array whose elements were written on a machine of the other byte order.

    >>> byteswapped(np.array([1], np.int16)).tolist()
    [256]
    """
    unit = array.itemsize // 2 if array.dtype.kind == "c" else array.itemsize
    words = array.reshape(-1).view(np.uint8 if unit == 1 else f"u{unit}")
    return words.byteswap().view(array.dtype).reshape(array.shape)


def map_file(filename: Any, shared: bool, nbytes: int) -> np.ndarray:
    """A file's first bytes as memory: private, or written back to a file that is made when it is missing."""
    import os

    path = os.fspath(filename)
    if shared and (not os.path.exists(path) or os.path.getsize(path) < nbytes):
        with open(path, "ab") as stream:
            stream.truncate(nbytes)
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise RuntimeError(
            f"unable to open file <{path}> in read-only mode: {error.strerror} ({error.errno})"
        ) from None
    if size < nbytes:
        raise RuntimeError(f"file <{path}> size <{size}> is smaller than the required mapping size <{nbytes}>")
    if not nbytes:
        return np.zeros(0, BYTE)
    return np.asarray(np.memmap(path, BYTE, "r+" if shared else "c", shape=(nbytes,)))


def copy_storage(storage: Storage, memo: dict | None = None) -> Storage:
    """A storage with the same content in memory of its own; with a `deepcopy` memo, one copy for all who share it."""
    key = ("kenaz.storage", id(storage))
    if memo is not None and key in memo:
        return memo[key]
    where, kind = storage.spec.device, storage.dtype
    array = None if where.type == "meta" else elements(storage, kind).copy()
    copy = new_storage(storage.nbytes, kind, where, array)
    if memo is not None:
        memo[key] = copy
        memo.setdefault(id(memo), []).append(storage)  # keeps the id taken, as copy.deepcopy does
    return copy


def move(storage: Storage, where: device) -> Storage:
    """A copy of a storage on another device."""
    if where.type == "meta":
        return new_storage(storage.nbytes, storage.dtype, where)
    flat: Any = Tensor._from_storage(storage, (storage.spec.numel,), (1,), 0, storage.dtype, storage.spec.device)
    return flat.to(where)._storage


def view_of(storage: Storage, dtype: dtype, offset: int, size: Any, stride: Any = None) -> Tensor:
    """A tensor over part of a storage, every number checked: what a file says about a view ends here.

    >>> view_of(Storage.of(np.arange(4)), torch.int64, 1, (2,), (2,)).tolist()
    [1, 3]
    """
    size, offset = tuple(map(operator.index, size)), operator.index(offset)
    stride = contiguous_stride(size) if stride is None else tuple(map(operator.index, stride))
    needed = needed_elements(size, stride, offset) * dtype.itemsize
    if needed > storage.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{dtype.itemsize} requiring a storage size of {needed} are out of bounds for storage of size "
            f"{storage.nbytes}"
        )
    return Tensor._from_storage(storage, size, stride, offset, dtype, storage.spec.device)


def needed_elements(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> int:
    """How many elements a storage must have for a view, or the error of a view that cannot be.

    >>> needed_elements((2, 3), (3, 1)), needed_elements((1000, 2), (0, 5))
    (6, 6)
    """
    if len(size) != len(stride) or len(size) > 64:  # NumPy's limit
        raise RuntimeError(f"unequal size length ({len(size)}) and stride length ({len(stride)})")
    if any(s < 0 for s in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    if any(q < 0 for q in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    last = offset + extent(size, stride)
    if max(numel(size), last) >= 1 << 60:
        raise RuntimeError(f"numel: integer multiplication overflow: size {list(size)}, stride {list(stride)}")
    return last if numel(size) else 0
