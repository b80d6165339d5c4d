"""How a tensor goes through a queue, a pipe, or into a new process.

Its memory becomes a shared file, whose descriptor is sent. Both sides then look at the same memory, and a tensor that
comes back is over the storage that it left from.
"""

from __future__ import annotations

import mmap
import os
import sys
import weakref
from multiprocessing.reduction import DupFd, ForkingPickler
from typing import Any

import numpy as np

from .. import _api as torch
from .. import execute
from ..graph.node import held, make_node
from ..graph.storage import Storage
from ..nn.parameter import Parameter
from ..utils.data._utils.transport import anonymous_file


class SharedFile:
    """The nameless file behind a storage. It is identified by its inode, which is the same in every process."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.key = _key(fd)
        weakref.finalize(self, os.close, fd)


def _key(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


_files: weakref.WeakKeyDictionary[Storage, SharedFile] = weakref.WeakKeyDictionary()
_storages: weakref.WeakValueDictionary[tuple[int, int], Storage] = weakref.WeakValueDictionary()


def share(storage: Storage) -> SharedFile:
    """The file of a storage; at the first time its memory moves there."""
    file = _files.get(storage)
    if file is None:
        array = execute.memory(storage).reshape(-1)
        execute.flush()
        file = SharedFile(anonymous_file(array.nbytes))
        shared = _map(file.fd, array.dtype)
        np.copyto(shared, array)
        storage.node = make_node(held(storage.spec), (), None, shared.reshape(storage.spec.size))
        _remember(storage, file)
    return file


def _map(fd: int, dtype: np.dtype) -> np.ndarray:
    return np.frombuffer(mmap.mmap(fd, os.fstat(fd).st_size), dtype)


def _remember(storage: Storage, file: SharedFile) -> None:
    execute.expose(storage, "always")  # other processes read and write it at any time
    _files[storage] = file
    _storages[file.key] = storage


def reduce_tensor(tensor: Any) -> tuple:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    view = (tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.dtype.name)
    storage = tensor._storage
    memory = DupFd(share(storage).fd) if storage.nbytes else None
    is_parameter = type(tensor) is not torch.Tensor
    return rebuild_tensor, (memory, storage.dtype.name, view, tensor.requires_grad, is_parameter)


def rebuild_tensor(memory: Any, kind: str, view: tuple, requires_grad: bool, is_parameter: bool) -> Any:
    size, stride, offset, name = view
    if memory is None:
        tensor = torch.empty_strided(size, stride, dtype=getattr(torch, name))
    else:
        storage = _storage_of(memory.detach(), getattr(torch, kind).np)
        tensor = torch.Tensor._from_storage(storage, size, stride, offset, getattr(torch, name))
    if is_parameter:
        return Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def _storage_of(fd: int, dtype: np.dtype) -> Storage:
    """The storage over a received file: the one that this process has of it, or a new one."""
    storage = _storages.get(_key(fd))
    if storage is not None:
        os.close(fd)
        return storage
    storage = Storage.of(_map(fd, dtype))
    _remember(storage, SharedFile(fd))
    return storage


def init_reductions() -> None:
    """Register all this with multiprocessing. Where descriptors cannot be sent, tensors are pickled with their data."""
    if sys.platform == "win32":
        return
    for cls in (torch.Tensor, Parameter):
        ForkingPickler.register(cls, reduce_tensor)
