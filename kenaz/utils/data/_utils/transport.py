"""Batches between processes: the skeleton is pickled, the memory of tensors and arrays travels beside it.

Memory goes through anonymous shared files (memfd), which have no name: whoever dies, nothing is left behind, and the
small /dev/shm of containers does not matter. A worker keeps a few such files and writes the next batch into one whose
last batch the user has dropped, so in a steady loop nothing is allocated, mapped or page-faulted any more. Where there
is no shared file (Windows, no memory left, a user who keeps many batches), the memory is sent through the socket.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import _api as torch

ALIGNMENT = 64  # a cache line, and the widest vector
INLINE_LIMIT = 16 << 10  # below this, copying through the socket is quicker than telling about a file
MAX_SEGMENTS = 16  # files that a worker keeps open


# ----------------------------------------------------------------------------------------- pickling
class BatchPickler(pickle.Pickler):
    """Pickles with tensors taken apart, their memory handed to `buffer_callback`."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is torch.Tensor and obj.layout is torch.strided and obj.device.type == "cpu":
            return reduce_tensor(obj)
        return NotImplemented


def dumps(obj: Any) -> tuple[bytes, list[memoryview]]:
    """obj as a pickle and the memory of its tensors and arrays.

    >>> data, buffers = dumps([torch.ones(3), "a"])
    >>> [b.nbytes for b in buffers]
    [12]
    >>> loads(data, buffers)
    [tensor([1., 1., 1.]), 'a']
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    BatchPickler(file, 5, buffer_callback=buffers.append).dump(obj)
    return file.getvalue(), [b.raw() for b in buffers]


def loads(data: Any, buffers: Sequence[Any]) -> Any:
    return pickle.loads(data, buffers=buffers)


def reduce_tensor(tensor: torch.Tensor) -> tuple:
    """How to rebuild a tensor over a copy of the part of the memory that it sees."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    array = tensor.detach()._array()
    stride = tensor.stride()
    if tensor.numel() and not array.flags.c_contiguous:
        # everything from the first to the last element, gaps included: strides mean what they meant
        extent = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, stride))
        if extent > 2 * tensor.numel():
            array, stride = np.ascontiguousarray(array), tensor.contiguous().stride()
        else:
            array = np.lib.stride_tricks.as_strided(array, (extent,), (array.itemsize,))
    memory = pickle.PickleBuffer(array.reshape(-1).view(np.uint8))
    return rebuild_tensor, (memory, array.dtype, tuple(tensor.shape), stride, tensor.requires_grad)


def rebuild_tensor(memory: Any, dtype: np.dtype, size: tuple, stride: tuple, requires_grad: bool) -> torch.Tensor:
    array = np.frombuffer(memory, np.uint8).view(dtype)
    flat = torch.Tensor._from_array(array)
    tensor = torch.Tensor._from_storage(flat._storage, size, stride, 0, flat.dtype)
    return tensor.requires_grad_() if requires_grad else tensor


# ------------------------------------------------------------------------------------- shared files
def layout(buffers: Sequence[memoryview]) -> tuple[list[tuple[int, int]], int]:
    """Where each buffer begins and ends in one area, and the size of the area.

    >>> layout([memoryview(b"abc"), memoryview(b"de")])
    ([(0, 3), (64, 66)], 66)
    """
    table, end = [], 0
    for b in buffers:
        start = -(-end // ALIGNMENT) * ALIGNMENT
        end = start + b.nbytes
        table.append((start, end))
    return table, end


def anonymous_file(size: int) -> int:
    """A descriptor of a nameless file of `size` bytes that lives in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("kenaz-batch", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, size)
    return fd


class Segments:
    """A worker's shared files. `write` puts buffers into a free one; `release` says the loader is done with one."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self.sizes: list[int] = []
        self.is_mapped: list[bool] = []  # whether the loader has the file in its present size
        self.free: list[int] = []

    def write(
        self, buffers: Sequence[memoryview], table: Sequence[tuple[int, int]], size: int
    ) -> tuple[int | None, int | None]:
        """The number of the file that now holds the buffers, and its descriptor if the loader has to map it.

        The number is None where there is no file: no memory left, or the user keeps all that there are.
        """
        try:
            number = self._take(size)
            if number is not None:
                self._fill(self.fds[number], buffers, table)
        except OSError:
            return None, None
        if number is None or self.is_mapped[number]:
            return number, None
        self.is_mapped[number] = True
        return number, self.fds[number]

    @staticmethod
    def _fill(fd: int, buffers: Sequence[memoryview], table: Sequence[tuple[int, int]]) -> None:
        for b, (start, _) in zip(buffers, table):
            done = 0
            while done < b.nbytes:  # pwrite rather than a mapping: a full file system is an error, not a SIGBUS
                done += os.pwrite(fd, b[done:], start + done)

    def _take(self, size: int) -> int | None:
        """The number of a free file that holds `size` bytes."""
        number = next((i for i in self.free if self.sizes[i] >= size), None)
        if number is not None:
            self.free.remove(number)
            return number
        room = size + size // 4  # the next batch may be a little larger
        if self.free:
            number = self.free.pop()
            os.truncate(self.fds[number], room)
            self.sizes[number], self.is_mapped[number] = room, False
            return number
        if len(self.fds) == MAX_SEGMENTS:
            return None
        self.fds.append(anonymous_file(room))
        self.sizes.append(room)
        self.is_mapped.append(False)
        return len(self.fds) - 1

    def release(self, numbers: Sequence[int]) -> None:
        self.free += numbers


class Mappings:
    """The loader's view of a worker's shared files; `released` collects the files that the user has dropped."""

    def __init__(self) -> None:
        self.maps: dict[int, mmap.mmap] = {}
        self.live: dict[int, weakref.ref] = {}
        self.released: list[int] = []

    def area(self, number: int, fd: int | None, size: int) -> np.ndarray:
        """The memory that the worker wrote. Everything built from it refers to it, and so says when it is free."""
        if fd is None:
            mapping = self.maps[number]
        else:
            try:
                mapping = mmap.mmap(fd, os.fstat(fd).st_size)
            finally:
                os.close(fd)
            self.maps[number] = mapping
        area = np.frombuffer(mapping, np.uint8, size)
        released = self.released  # not self: the callback may outlive us, but must not keep us
        self.live[number] = weakref.ref(area, lambda _: released.append(number))
        return area

    def take_released(self) -> list[int]:
        """The numbers of the files that became free since the last call."""
        numbers: list[int] = []
        while self.released:  # one by one: the garbage collector may append meanwhile
            numbers.append(self.released.pop())
        return numbers
