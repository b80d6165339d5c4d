"""The container of a `.pt` file: a zip archive of stored records, all under one folder named after the file.

    model/data.pkl                 the object, pickled; tensors refer to storages by number
    model/.format_version          "1"
    model/.storage_alignment       "64"
    model/byteorder                "little" or "big"
    model/data/0, model/data/1 ... the bytes of each storage
    model/version                  "3"
    model/.data/serialization_id   forty digits that identify the content

Records are never compressed and begin at multiples of 64 bytes, so that they can be mapped into memory where they lie.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

ALIGNMENT = 64
FORMAT_VERSION, VERSION = "3\n", 10  # what we write; the newest we read
_UTF8 = 0x800
_JANUARY_1980 = 0x21
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
_END64, _LOCATOR64 = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
# A record that someone has compressed is unpacked only up to this many times its size: weights do not shrink further,
# and a zip bomb does.
_MAX_RATIO, _MAX_RATIO_OF_PICKLE = 256, 32
_CORRUPT = (
    " If you are seeing this error, there is a high likelihood that your checkpoint file is corrupted. This can happen "
    "if the checkpoint was not saved properly, was transferred incorrectly, or the file was modified after saving."
)


class ArchiveWriter:
    """Writes records to anything with `write`; it never seeks.

    >>> import io, zipfile
    >>> stream = io.BytesIO()
    >>> archive = ArchiveWriter(stream, "model")
    >>> archive.add("data/0", b"1234")
    >>> archive.close()
    >>> zipfile.ZipFile(stream).namelist()
    ['model/data/0', 'model/version', 'model/.data/serialization_id']
    """

    def __init__(self, stream: Any, folder: str, checksums: bool = True):
        self._write, self._folder, self._checksums = stream.write, folder, checksums
        self._position, self._records = 0, 0
        self._directory: list[bytes] = []
        self._names_seen = self._content_seen = 0  # running checksums, the content's identity

    def add(self, record: str, data: Any) -> None:
        """Append a record; `data` is anything with the buffer protocol."""
        data = memoryview(data).cast("B")
        name = f"{self._folder}/{record}".encode()
        checksum = zlib.crc32(data) if self._checksums else 0
        self._names_seen = zlib.crc32(name, self._names_seen)
        self._content_seen = zlib.crc32(struct.pack("<LQ", checksum, len(data)), self._content_seen)
        start, big = self._position, len(data) >= _MAX32
        sizes = struct.pack("<2H2Q", 1, 16, len(data), len(data)) if big else b""
        before = start + _LOCAL.size + len(name) + len(sizes) + 4
        padding = -before % ALIGNMENT
        extra = sizes + b"FB" + struct.pack("<H", padding) + b"Z" * padding
        short = _MAX32 if big else len(data)
        common = (45 if big else 20, _UTF8, 0, 0, _JANUARY_1980, checksum, short, short, len(name))
        self._emit(_LOCAL.pack(b"PK\3\4", *common, len(extra)), name, extra, data)
        self._directory.append(_directory_entry(name, common, len(data), start))
        self._records += 1

    def close(self) -> None:
        """Append what identifies the file, and the directory."""
        self.add("version", FORMAT_VERSION.encode())
        self.add(".data/serialization_id", f"{self._names_seen:020d}{self._content_seen:020d}".encode())
        start, directory = self._position, b"".join(self._directory)
        self._emit(directory)
        end = self._position
        count, size, offset = self._records, len(directory), start
        if count >= _MAX16 or size >= _MAX32 or offset >= _MAX32:
            self._emit(
                _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, size, offset),
                _LOCATOR64.pack(b"PK\6\7", 0, end, 1),
            )
            count, size, offset = min(count, _MAX16), min(size, _MAX32), min(offset, _MAX32)
        self._emit(_END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0))

    def _emit(self, *parts: Any) -> None:
        for part in parts:
            if len(part):
                self._write(part)
                self._position += len(part)


def _directory_entry(name: bytes, common: tuple, size: int, start: int) -> bytes:
    """A record's line in the directory: 64-bit numbers go to an extra field when they do not fit."""
    wide = [size, size] if size >= _MAX32 else []
    if start >= _MAX32:
        wide.append(start)
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    needed = 45 if wide else 20
    short = min(start, _MAX32)
    return _CENTRAL.pack(b"PK\1\2", needed, needed, *common[1:], len(extra), 0, 0, 0, 0, short) + name + extra


class ArchiveReader:
    """Reads records of an archive; whatever its directory claims is checked against the file before memory is taken."""

    def __init__(self, stream: BinaryIO):
        import zipfile

        self._stream = stream
        self._size = stream.seek(0, 2)
        try:
            self._zip = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError):
            raise _broken("reading zip archive: failed finding central directory") from None
        names = self._zip.namelist()
        folder, slash, _ = names[0].partition("/") if names else ("", "", "")
        if not slash:
            raise RuntimeError(f"file in archive is not in a subdirectory: {names[0] if names else ''}")
        inside = [info for info in self._zip.infolist() if info.filename.startswith(f"{folder}/")]
        self._records = {info.filename[len(folder) + 1 :]: info for info in inside}
        if any(info.header_offset < 0 for info in inside):
            raise _broken("reading zip archive: its beginning is missing")
        if sum(info.compress_size for info in inside) > self._size:
            raise _broken("reading zip archive: records overlap")
        self._check_version()

    def _check_version(self) -> None:
        if "version" not in self:
            raise _broken("locating file version: file not found")
        text = self.text("version")
        if not text.isascii() or not text.isdigit():
            raise RuntimeError(f"Couldn't parse the version {text} as Long Long.")
        if len(text) > 18 or int(text) > VERSION:
            raise RuntimeError(
                f"Attempted to read a PyTorch file with version {text}, but the maximum supported version for reading "
                f"is {VERSION}. The version of your PyTorch installation may be too old, please upgrade PyTorch to "
                "latest version to mitigate this issue."
            )

    def __contains__(self, record: str) -> bool:
        return record in self._records

    def text(self, record: str) -> str:
        """A small record as text, without white space around it."""
        return bytes(self.read(record)[:64]).decode("ascii", "replace").strip()

    def nbytes(self, record: str) -> int:
        """The size of a record, or PyTorch's error where there is none."""
        info = self._records.get(record)
        if info is None:
            raise _broken(f"locating file {record}: file not found")
        return info.file_size

    def pickle(self) -> io.BytesIO:
        """The record with the pickle, as a stream."""
        return io.BytesIO(self.read("data.pkl", _MAX_RATIO_OF_PICKLE).data)

    def read(self, record: str, max_ratio: int = _MAX_RATIO) -> np.ndarray:
        """The content of a record in fresh memory, its checksum verified."""
        size, info = self.nbytes(record), self._records[record]
        if info.flag_bits & 1:
            raise _broken(f"reading file {record}: it is encrypted")
        data = self._stored(record) if info.compress_type == 0 else self._unpacked(record, max_ratio)
        # A checksum of 0 is PyTorch's way to say that there is none (set_crc32_options(False)).
        if info.CRC and zlib.crc32(data.data) != info.CRC:
            raise _broken(f"reading file {record}: checksum does not match, {size} bytes are damaged")
        return data

    def start(self, record: str) -> int | None:
        """Where in the file the bytes of a stored record begin, or None if it is compressed."""
        size, info = self.nbytes(record), self._records[record]
        if info.compress_type != 0:
            return None
        self._stream.seek(info.header_offset)
        header = self._stream.read(_LOCAL.size)
        if len(header) != _LOCAL.size or header[:4] != b"PK\3\4":
            raise _broken(f"reading file {record}: its header is damaged")
        *_, name_length, extra_length = _LOCAL.unpack(header)
        start = info.header_offset + _LOCAL.size + name_length + extra_length
        if size != info.compress_size or start + size > self._size:
            raise _broken(f"reading file {record}: it claims {size} bytes and the file ends before")
        return start

    def _stored(self, record: str) -> np.ndarray:
        start = self.start(record)
        data = np.empty(self.nbytes(record), np.uint8)
        self._stream.seek(start or 0)
        if read_into(self._stream, data) != data.nbytes:
            raise _broken(f"reading file {record}: the file is truncated")
        return data

    def _unpacked(self, record: str, max_ratio: int) -> np.ndarray:
        import zipfile

        size, info = self.nbytes(record), self._records[record]
        if size > max(info.compress_size, 4096) * max_ratio:
            raise _broken(f"reading file {record}: it claims to unpack {info.compress_size} bytes to {size}")
        try:
            with self._zip.open(info) as stream:
                data = stream.read(size)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError) as error:
            raise _broken(f"reading file {record}: {error}") from None
        if len(data) != size:
            raise _broken(f"reading file {record}: it unpacks to {len(data)} bytes and claims {size}")
        return np.frombuffer(bytearray(data), np.uint8)


def read_into(stream: Any, data: np.ndarray) -> int:
    """Fill `data`, an array of bytes, from a stream; how many bytes there were."""
    view, done = data.data, 0
    if not hasattr(stream, "readinto"):
        chunk = stream.read(data.nbytes)
        view[: len(chunk)] = chunk
        return len(chunk)
    while done < data.nbytes:
        n = stream.readinto(view[done:])
        if not n:
            break
        done += n
    return done


def _broken(what: str) -> RuntimeError:
    return RuntimeError(f"PytorchStreamReader failed {what}. This is an internal miniz error.{_CORRUPT}")
