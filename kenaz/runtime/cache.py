"""Compiled kernels on disk, `~/.cache/kenaz` or `KENAZ_CACHE`: one file per kernel, named by a hash of all that made
it.

Safe against concurrent writers (written aside and renamed) and against damaged or foreign files (a checksum of name and
code leads each). Where the folder cannot be written, kernels live in memory only. Now and then a process that compiled
something brings the folder back under `LIMIT` when it ends.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

LIMIT = 512 << 20  # bytes: some ten thousand kernels
_SUM = 32  # bytes of the checksum in front of the object code
_OURS = re.compile(r"[0-9a-f]{40}(\.[^.]+\.tmp)?")  # a kernel, or what a writer has not renamed yet
_STALE = 3600.0  # seconds after which a file that was written aside belongs to nobody any more


class _State:
    """Whether anything has been stored yet, and whether that went wrong."""

    stored = failed = False


def folder() -> str:
    """Where kernels are kept; a folder that cannot be made where there is no home.

    >>> os.path.isabs(folder()) or "KENAZ_CACHE" in os.environ
    True
    """
    given = os.environ.get("KENAZ_CACHE")
    if given:
        return given
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base if os.path.isabs(base) else os.devnull, "kenaz")


def load(key: str) -> bytes | None:
    """The object code stored under a key, or None where there is none or it is damaged."""
    try:
        with open(_path(key), "rb") as f:
            blob = f.read()
    except OSError:
        return None
    code = blob[_SUM:]
    return code if blob[:_SUM] == _checksum(key, code) else None


def store(key: str, code: bytes) -> None:
    """Keep object code under a key; a full disk or a read-only home costs one warning, and is not tried again."""
    if _State.failed:
        return
    try:
        _write(_path(key), _checksum(key, code) + code)
    except OSError as error:
        _State.failed = True
        print(f"kenaz: kernels are kept in memory only: {error}", file=sys.stderr)
        return
    if not _State.stored:
        _State.stored = True
        if os.urandom(1)[0] < 16:  # one process in sixteen is enough: looking at ten thousand files takes 0.1 s
            atexit.register(trim)


def key(*parts: Any) -> str:
    """A file name for what `parts` describe."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:40]


def trim(limit: int = LIMIT) -> None:
    """Remove what writers left behind, and where kernels take more than `limit` bytes, those used longest ago."""
    kernels = []
    for entry, status in _entries():
        if not entry.name.endswith(".tmp"):
            # most file systems note a reading only once a day, which is as good here
            kernels.append((max(status.st_atime, status.st_mtime), status.st_size, entry.path))
        elif status.st_mtime < time.time() - _STALE:
            _forget(entry.path)
    size = sum(k[1] for k in kernels)
    if size <= limit:
        return
    for _, one, path in sorted(kernels):
        if size <= limit * 3 // 4:  # not to be here again after the next kernel
            break
        _forget(path)
        size -= one


def _entries() -> Iterator[tuple[os.DirEntry, os.stat_result]]:
    """The files of the folder that are ours, as far as nobody removes them meanwhile."""
    try:
        found = list(os.scandir(folder()))
    except OSError:
        return
    for entry in found:
        try:
            if _OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield entry, entry.stat()
        except OSError:
            continue


def _path(key: str) -> str:
    return os.path.join(folder(), key)


def _checksum(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _write(path: str, blob: bytes) -> None:
    """Make a file that is there entirely or not at all; another process may make the same one."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    aside = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"  # a home may be shared by machines with equal numbers
    try:
        with open(aside, "xb") as f:
            f.write(blob)
        os.replace(aside, path)
    except BaseException:
        _forget(aside)
        raise


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
