"""Compiled kernels on disk, `~/.cache/kenaz` or `KENAZ_CACHE`: one file per kernel, named by a hash of all that made
it.

Safe against concurrent writers (written aside and renamed) and damaged files (a checksum leads each). Where the
folder cannot be written, kernels live in memory only.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any

_SUM = 32  # bytes of the checksum in front of the object code


def folder() -> str:
    """Where kernels are kept.

    >>> os.path.basename(folder()) != ""
    True
    """
    given = os.environ.get("KENAZ_CACHE")
    if given:
        return given
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "kenaz")


def load(key: str) -> bytes | None:
    """The object code stored under a key, or None where there is none or it is damaged."""
    try:
        with open(os.path.join(folder(), key), "rb") as f:
            blob = f.read()
    except OSError:
        return None
    code = blob[_SUM:]
    return code if blob[:_SUM] == hashlib.sha256(code).digest() else None


_warned: list[bool] = []


def store(key: str, code: bytes) -> None:
    """Keep object code under a key; a full disk or a read-only home costs one warning."""
    path = os.path.join(folder(), key)
    aside = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(folder(), exist_ok=True)
        with open(aside, "wb") as f:
            f.write(hashlib.sha256(code).digest() + code)
        os.replace(aside, path)
    except OSError as error:
        _forget(aside)
        if not _warned:
            _warned.append(True)
            print(f"kenaz: kernels are kept in memory only: {error}", file=sys.stderr)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def key(*parts: Any) -> str:
    """A file name for what `parts` describe."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:40]
