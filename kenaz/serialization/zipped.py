"""Today's format, version 1.6 and later: a pickle and one record a storage, in a zip archive (see `archive`)."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import numpy as np

from ..core.device import CPU, META
from ..core.dtype import dtype, uint8
from ..graph.storage import Storage
from ..storage import TypedStorage, UntypedStorage, typed, untyped
from ..storage.classes import class_dtype
from ..storage.memory import byteswapped, elements, new_storage
from . import settings
from .allowed import shown
from .archive import ArchiveReader, ArchiveWriter
from .locations import Restore, wants_meta
from .pickling import Saved, dump

MAGIC = b"PK\3\4"
_TORCHSCRIPT = "constants.pkl"


def write(obj: Any, stream: Any, folder: str, pickle_module: Any, protocol: int, byteorder_record: bool = True) -> None:
    """Write an object and its storages as an archive."""
    saved, pickled = Saved(), io.BytesIO()
    dump(obj, pickled, pickle_module, protocol, saved)
    archive = ArchiveWriter(stream, folder, settings.checksums)
    archive.add("data.pkl", pickled.getbuffer())
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", b"64")
    if byteorder_record:
        archive.add("byteorder", sys.byteorder.encode())
    for key, storage in saved.storages.items():
        if storage.spec.device != META:
            archive.add(f"data/{key}", content(storage))
    archive.close()


def content(storage: Storage) -> np.ndarray:
    """The bytes of a storage as they go to a file."""
    return np.zeros(storage.nbytes, np.uint8) if settings.skipping.on else elements(storage, uint8)


def folder_of(path: Any) -> str:
    """The folder inside an archive: the file's name without its last suffix, as PyTorch has it.

    >>> folder_of("runs/model.best.pt")
    'model.best'
    """
    name = os.path.splitext(os.path.basename(os.fsdecode(path)))[0]
    return name if name.isascii() and name else "archive"


class StorageRecords:
    """Gives the storages that a pickle refers to, reading each record once."""

    def __init__(self, archive: ArchiveReader, restore: Restore, map_location: Any, mapped: np.ndarray | None):
        self._archive, self._restore, self._mapped = archive, restore, mapped
        self._no_data = wants_meta(map_location) or settings.skipping.on
        self._loaded: dict[str, Storage] = {}
        self._swap = _byteorder(archive) != sys.byteorder

    def load(self, pid: tuple) -> TypedStorage | UntypedStorage:
        """The storage of a persistent id."""
        kind, cls, key, location, count = checked_reference(pid)
        if key not in self._loaded:
            self._loaded[key] = self._read(key, kind, location, count)
        return untyped(self._loaded[key]) if cls is UntypedStorage else typed(self._loaded[key], kind)

    def _read(self, key: str, kind: dtype, location: str, count: int) -> Storage:
        record, nbytes = f"data/{key}", count * kind.itemsize
        if location == "meta":
            return new_storage(nbytes, kind, META)
        found = self._archive.nbytes(record)
        if found != nbytes:
            raise RuntimeError(
                f"record size ({found} bytes) does not match expected size ({nbytes} bytes = {count} elements * "
                f"{kind.itemsize} bytes/element) for dtype {kind}"
            )
        if self._no_data:
            return new_storage(nbytes, kind, CPU if settings.skipping.on else META)
        array = self._bytes(record, kind).view(kind.np)
        if self._swap and kind.itemsize > 1:
            array = byteswapped(array)
        return self._restore(Storage.of(array), location)

    def _bytes(self, record: str, kind: dtype) -> np.ndarray:
        mapped = self._mapped
        start = None if mapped is None else self._archive.start(record)
        if mapped is None or start is None:
            return self._archive.read(record)
        part = mapped[start : start + self._archive.nbytes(record)]
        return part if start % min(kind.itemsize, 8) == 0 else part.copy()


def checked_reference(pid: tuple) -> tuple[dtype, Any, str, str, int]:
    """dtype, class, key, location and number of elements of a persistent id, which a file may have made up."""
    if len(pid) < 5:
        raise RuntimeError(f"a reference to a storage has 5 parts, but got {len(pid)}")
    cls, key, location, count = pid[1:5]
    if cls is UntypedStorage or cls is TypedStorage:
        kind, cls = uint8, UntypedStorage
    elif isinstance(cls, type) and issubclass(cls, TypedStorage):
        kind = class_dtype(cls)
    else:
        raise RuntimeError(f"a reference to a storage names {shown(cls)}, which is not a storage class")
    key, location = _string(key), _string(location)
    if type(count) is not int or not 0 <= count < 1 << 60:
        raise RuntimeError(f"a reference to a storage has {shown(count)} elements")
    return kind, cls, key, location, count


def _string(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        raise RuntimeError(f"a reference to a storage must name it by a string, but got {type(value)}")
    return value


def _byteorder(archive: ArchiveReader) -> str:
    if "byteorder" not in archive:
        return settings.assumed_byteorder()
    order = archive.text("byteorder")
    if order not in ("little", "big"):
        raise ValueError(f"Unknown endianness type: {order}")
    return order


def is_torchscript(archive: ArchiveReader) -> bool:
    """Whether an archive holds a compiled program rather than a pickle."""
    return _TORCHSCRIPT in archive
