"""Writing a file so that it is either the old one or the complete new one, whatever happens in between."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file `path` when the block ends well; else nothing has happened to it.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a")
    >>> with replacing(path) as stream:
    ...     _ = stream.write(b"content")
    >>> with open(path, "rb") as stream:
    ...     stream.read()
    b'content'
    """
    target = os.path.realpath(os.fsdecode(path))  # a link keeps pointing at the file that is replaced
    if os.path.exists(target) and not os.path.isfile(target):  # a pipe or a device has no old content to keep
        with open(target, "wb") as stream:
            yield stream
        return
    if os.path.exists(target):
        open(target, "r+b").close()  # a file that may not be written is not replaced either
    try:
        handle, temporary = _beside(target)
    except PermissionError:  # the file may be written and its folder not
        with open(target, "r+b" if os.path.exists(target) else "wb") as stream:
            yield stream
            stream.truncate()
        return
    try:
        with open(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())  # or a power failure could leave the new name over missing content
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _beside(target: str) -> tuple[int, str]:
    """A new file in the directory of `target`, with the permissions that `target` has or would get."""
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(6).hex()}.tmp")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with suppress(OSError):
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
    return handle, temporary
