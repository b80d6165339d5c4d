"""What a program may set for all its files: byte order of old ones, checksums, whether data is written at all."""

from __future__ import annotations

import enum
import mmap
import sys
import threading
from typing import Any

checksums = True
MAP_SHARED, MAP_PRIVATE = getattr(mmap, "MAP_SHARED", 1), getattr(mmap, "MAP_PRIVATE", 2)


class LoadEndianness(enum.Enum):
    """The byte order that files without a record of it are taken to have."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_assumed: list[LoadEndianness | None] = [None]
_mmap_options: list[int] = [MAP_PRIVATE]


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order assumed for files that do not say theirs; None means little-endian."""
    return _assumed[0]


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Assume a byte order for files that do not say theirs."""
    if not isinstance(endianness, LoadEndianness | None):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _assumed[0] = endianness


def assumed_byteorder() -> str:
    """'little' or 'big', for a file that does not say."""
    wanted = _assumed[0] or LoadEndianness.LITTLE
    return sys.byteorder if wanted is LoadEndianness.NATIVE else wanted.name.lower()


def get_crc32_options() -> bool:
    """Whether `save` computes checksums."""
    return checksums


def set_crc32_options(compute_crc32: bool) -> None:
    """Choose whether `save` computes checksums; without them it is a little faster, and `unzip` refuses the file."""
    global checksums
    checksums = bool(compute_crc32)


def get_default_mmap_options() -> int:
    """The flags with which `load(mmap=True)` maps files: MAP_PRIVATE or MAP_SHARED."""
    return _mmap_options[0]


class set_default_mmap_options:
    """Choose whether writes to a mapped tensor go to the file (MAP_SHARED); also a context manager."""

    def __init__(self, flags: int) -> None:
        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self._before, _mmap_options[0] = _mmap_options[0], flags

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        _mmap_options[0] = self._before


class _Skipping(threading.local):
    on = False


skipping = _Skipping()


class skip_data:
    """Inside the block `save` leaves room for data instead of writing it, and `load` does not read it."""

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self._before = False

    def __enter__(self) -> None:
        self._before, skipping.on = skipping.on, True

    def __exit__(self, *_: Any) -> None:
        skipping.on = self._before
