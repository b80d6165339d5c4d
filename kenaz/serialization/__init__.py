"""Files: `save` writes what PyTorch reads, `load` reads what PyTorch has written, and neither runs code from a file.

What comes in is any object with tensors in it, or a file in one of PyTorch's three formats; what goes out is the other.
Start reading in `entry`. `zipped` is today's format over the container in `archive`, `legacy` and `tarred` are the old.
`pickling` and `names` translate between our objects and the names in files. `restricted` is the pickle machine behind
`weights_only=True`, and `allowed` is everything it may do.
"""

from __future__ import annotations

import io
from typing import Any

from .. import storage
from .allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .entry import DEFAULT_PROTOCOL, get_unsafe_globals_in_checkpoint, load, save
from .legacy import MAGIC_NUMBER, PROTOCOL_VERSION
from .locations import MapLocation as MAP_LOCATION
from .locations import default_restore_location, location_tag
from .names import get_layout as _get_layout
from .settings import (
    LoadEndianness,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
)


def _load_from_bytes(content: bytes) -> Any:
    """The storage in a plain pickle that PyTorch has made."""
    return load(io.BytesIO(content), weights_only=False)


# Where such pickles look for it.
storage._load_from_bytes = _load_from_bytes  # type: ignore[attr-defined]  # attached

__all__ = [
    "LoadEndianness", "MAP_LOCATION", "add_safe_globals", "clear_safe_globals", "default_restore_location",
    "get_crc32_options", "get_default_load_endianness", "get_default_mmap_options", "get_safe_globals",
    "get_unsafe_globals_in_checkpoint", "load", "location_tag", "safe_globals", "save", "set_crc32_options",
    "set_default_load_endianness", "set_default_mmap_options", "skip_data",
]  # fmt: skip
