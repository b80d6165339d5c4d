"""The first format: a tar archive of `storages`, `tensors` and `pickle`. It is only read, and never to the disk.

storages: their number; for each (key, location, class) and its elements; then the list of parts of other storages.
tensors:  their number; for each (key, key of its storage, class), the number of axes, size, stride and offset.
pickle:   the object, whose persistent ids are keys of tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ..graph.storage import Storage
from ..storage.memory import view_of
from .legacy import read_counted
from .locations import Restore
from .zipped import checked_reference

_USTAR = 257  # where a tar header says "ustar"


def is_tar(stream: BinaryIO) -> bool:
    """Whether a tar archive begins here."""
    start = stream.tell()
    head = stream.read(_USTAR + 5)
    stream.seek(start)
    return head[_USTAR:] == b"ustar"


def read(stream: Any, load_one: Callable[..., Any], restore: Restore) -> Any:
    """The object of a tar archive."""
    import tarfile

    with tarfile.open(fileobj=stream, mode="r:") as tar:
        members = {name: _member(tar, name) for name in ("storages", "tensors", "pickle")}
        storages = _read_storages(members["storages"], load_one, restore)
        tensors = _read_tensors(members["tensors"], load_one, storages)
        return load_one(members["pickle"], lambda pid: pid[0] if isinstance(pid, tuple) else tensors[int(pid)])


def _member(tar: Any, name: str) -> Any:
    try:
        found = tar.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise RuntimeError(f"the file is a tar archive without {name!r}: it was not written by torch.save")
    return found


def _read_storages(stream: Any, load_one: Callable[..., Any], restore: Restore) -> dict[Any, tuple[Storage, Any, int]]:
    """By key: a storage, its dtype, and where in it the part with this key begins."""
    found = {}
    for _ in range(load_one(stream, None)):
        key, location, cls = load_one(stream, None)
        here = stream.tell()
        (count,) = struct.unpack("<q", stream.read(8))
        kind, *_ = checked_reference(("storage", cls, str(key), location, count))
        if count * kind.itemsize > stream.seek(0, 2) - here:
            raise RuntimeError("unexpected EOF. The file might be corrupted.")
        stream.seek(here)
        array = np.zeros(count, kind.np)
        read_counted(stream, array)
        found[key] = (restore(Storage.of(array), location), kind, 0)
    for target, root, offset, _ in load_one(stream, None):
        storage, kind, start = found[root]
        found[target] = (storage, kind, start + offset)
    return found


def _read_tensors(stream: Any, load_one: Callable[..., Any], storages: dict) -> dict:
    found = {}
    for _ in range(load_one(stream, None)):
        key, storage_key, _ = load_one(stream, None)
        (ndim,) = struct.unpack("<i4x", stream.read(8))
        numbers = struct.unpack(f"<{2 * ndim + 1}q", stream.read(8 * (2 * ndim + 1)))
        storage, kind, start = storages[storage_key]
        found[key] = view_of(storage, kind, start + numbers[-1], numbers[:ndim], numbers[ndim:-1])
    return found
