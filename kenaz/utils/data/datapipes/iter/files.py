"""Pipes of files: their names, their streams, their bytes."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from typing import Any

from ..datapipe import IterDataPipe, functional_datapipe
from .utils import IterableWrapperIterDataPipe

__all__ = ["FileListerIterDataPipe", "FileOpenerIterDataPipe", "StreamReaderIterDataPipe"]


def _files(root: str, masks: Any, recursive: bool, abspath: bool, non_deterministic: bool) -> Iterator[str]:
    patterns = [masks] if isinstance(masks, str) else masks
    order: Any = (lambda names: names) if non_deterministic else sorted
    for folder, folders, names in os.walk(root):
        folders[:] = order(folders) if recursive else []
        for name in order(names):
            if not masks or any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                path = os.path.join(folder, name)
                yield os.path.abspath(path) if abspath else path


@functional_datapipe("list_files")
class FileListerIterDataPipe(IterDataPipe):
    """The paths of the files in folders whose names match a mask."""

    def __init__(
        self, root: Any = ".", masks: Any = "", *, recursive: bool = False, abspath: bool = False,
        non_deterministic: bool = False, length: int = -1,
    ) -> None:  # fmt: skip
        roots = [root] if isinstance(root, str) else root
        self.datapipe = roots if isinstance(roots, IterDataPipe) else IterableWrapperIterDataPipe(roots)
        self.masks, self.recursive, self.abspath = masks, recursive, abspath
        self.non_deterministic, self.length = non_deterministic, length

    def __iter__(self) -> Iterator:
        for root in self.datapipe:
            yield from _files(root, self.masks, self.recursive, self.abspath, self.non_deterministic)

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(IterDataPipe):
    """Pairs of a path and its open file."""

    def __init__(self, datapipe: Any, mode: str = "r", encoding: str | None = None, length: int = -1) -> None:
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe, self.encoding, self.length = datapipe, encoding, length
        self.mode = mode if mode.startswith("r") else f"r{mode}"

    def __iter__(self) -> Iterator:
        for path in self.datapipe:
            yield path, open(path, self.mode, encoding=self.encoding)

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe):
    """Pairs of a path and what its stream holds, `chunk` bytes at a time; the stream is closed after them."""

    def __init__(self, datapipe: Any, chunk: int | None = None) -> None:
        self.datapipe, self.chunk = datapipe, chunk

    def __iter__(self) -> Iterator:
        for path, stream in self.datapipe:
            while part := stream.read(self.chunk):
                yield path, part
            stream.close()
