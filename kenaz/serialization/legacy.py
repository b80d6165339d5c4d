"""The format from before version 1.6: a sequence of pickles with the storages behind them.

magic number, protocol version, a dict about the machine     three pickles
the object                                                   a pickle; tensors refer to storages by key
the list of keys                                             a pickle
for each key: the number of elements, then the elements      little-endian
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import execute
from ..core.dtype import dtype, uint8
from ..graph.storage import Storage
from ..storage import UntypedStorage, typed, untyped
from ..storage.memory import byteswapped, elements, move, view_of
from .allowed import shown
from .archive import read_into
from .locations import Restore
from .pickling import Saved, dump
from .zipped import checked_reference, content

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_COUNT = struct.Struct("<q")


# ------------------------------------------------------------------------------------------------------------- saving
def write(obj: Any, stream: Any, pickle_module: Any, protocol: int) -> None:
    """Write an object in the format of the versions before 1.6."""
    machine = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for part in (MAGIC_NUMBER, PROTOCOL_VERSION, machine):
        pickle_module.dump(part, stream, protocol=protocol)
    saved, pickled = Saved(None), io.BytesIO()
    dump(obj, pickled, pickle_module, protocol, saved)
    stream.write(pickled.getbuffer())
    keys = sorted(saved.storages)
    pickle_module.dump(keys, stream, protocol=protocol)
    for key in keys:
        kind, data = saved.dtypes[key], content(saved.storages[key])
        if sys.byteorder == "big" and kind.itemsize > 1:
            data = byteswapped(data.view(kind.np)).view(np.uint8)
        stream.write(_COUNT.pack(data.nbytes // kind.itemsize))
        stream.write(data.data)


# ------------------------------------------------------------------------------------------------------------ loading
def read(stream: Any, load_one: Callable[..., Any], restore: Restore) -> Any:
    """The object of a file; `load_one(stream, persistent_load)` unpickles the next pickle."""
    if load_one(stream, None) != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = load_one(stream, None)
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {shown(version)}")
    load_one(stream, None)  # about the machine; the data is little-endian on all of them
    storages = _Storages(stream, restore)
    result = load_one(stream, storages.load)
    storages.fill(load_one(stream, None))
    return result


class _Storages:
    """Makes storages while the object is unpickled; their bytes come after it."""

    def __init__(self, stream: Any, restore: Restore):
        self._stream, self._restore = stream, restore
        start = stream.tell()
        self._left = stream.seek(0, 2) - start  # what a file claims cannot be more than is there
        stream.seek(start)
        self._storages: dict[Any, Storage] = {}
        self._arrays: dict[str, np.ndarray] = {}  # what the bytes of each key go to

    def load(self, pid: tuple) -> Any:
        """The storage of a persistent id, still without content."""
        if pid[0] in ("module", b"module"):  # (class, source file, source)
            return pid[1]
        kind, cls, key, location, count = checked_reference(pid)
        if key not in self._storages:
            self._left -= count * kind.itemsize
            if self._left < 0:
                raise _ends_early(-self._left)
            self._arrays[key] = np.zeros(count, kind.np)
            self._storages[key] = self._restore(Storage.of(self._arrays[key]), location)
        storage = self._storages[key]
        if len(pid) > 5 and pid[5] is not None:
            storage = self._part(storage, kind, pid[5])
        return untyped(storage) if cls is UntypedStorage else typed(storage, kind)

    def _part(self, storage: Storage, kind: dtype, view: Any) -> Storage:
        """A storage that is part of another, as the first versions had them."""
        if not isinstance(view, tuple) or len(view) != 3:
            raise RuntimeError("a view of a storage has a key, an offset and a size")
        key, offset, size = view
        if (key, storage) not in self._storages:
            part = view_of(storage, kind, offset, (size,))
            execute.expose(storage, "always")
            self._storages[key, storage] = Storage.of(part._array(), "always")
        return self._storages[key, storage]

    def fill(self, keys: Any) -> None:
        """Read the bytes of every storage, in the order of the file."""
        for key in keys if isinstance(keys, list) else ():
            key = key.decode("ascii", "replace") if isinstance(key, bytes) else key
            if not isinstance(key, str) or key not in self._arrays:
                raise RuntimeError(f"storage key {shown(key)} not found in deserialized_objects")
            array, storage = self._arrays[key], self._storages[key]
            read_counted(self._stream, array)
            if storage.spec.device.type == "cpu":
                there = elements(storage, uint8)
                if not np.may_share_memory(there, array):  # map_location has made memory of its own
                    np.copyto(there, array.view(np.uint8))
            elif storage.spec.device.type != "meta":
                storage.node = move(Storage.of(array), storage.spec.device).node


def read_counted(stream: Any, array: np.ndarray) -> None:
    """Fill an array with the next storage of a stream: the number of elements, then little-endian elements."""
    header = stream.read(_COUNT.size)
    count = _COUNT.unpack(header)[0] if len(header) == _COUNT.size else None
    if count != array.size:
        raise RuntimeError(f"storage has wrong byte size: expected {array.size} got {count}")
    raw = array.view(np.uint8)
    found = read_into(stream, raw)
    if found != raw.size:
        raise _ends_early(raw.size - found)
    if sys.byteorder == "big" and array.itemsize > 1:
        array[:] = byteswapped(array)


def _ends_early(missing: int) -> RuntimeError:
    return RuntimeError(f"unexpected EOF, expected {missing} more bytes. The file might be corrupted.")
