"""TensorBoard's event files: protocol buffers, each in a record with its length and two checksums.

Both formats are simple enough to be written by hand, so that logging needs no other package; reading the files is
TensorBoard's business.
"""

from __future__ import annotations

import functools
import itertools
import os
import socket
import struct
import threading
import time
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np


# ------------------------------------------------------------------------------------ protocol buffers
def varint(n: int) -> bytes:
    """An integer in groups of seven bits.

    >>> varint(300)
    b'\\xac\\x02'
    """
    n &= (1 << 64) - 1  # negative numbers are written in two's complement
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def sized(data: bytes) -> bytes:
    return varint(len(data)) + data


# kind: wire type, and how a value is written
_KINDS: dict[str, tuple[int, Any]] = {
    "int": (0, lambda v: varint(int(v))),
    "double": (1, lambda v: struct.pack("<d", v)),
    "float": (5, lambda v: struct.pack("<f", v)),
    "bytes": (2, lambda v: sized(v.encode() if isinstance(v, str) else v)),
    "doubles": (2, lambda v: sized(np.asarray(v, "<f8").tobytes())),
    "floats": (2, lambda v: sized(np.asarray(v, "<f4").tobytes())),
}


def message(*fields: tuple[int, str, Any]) -> bytes:
    """A message of (number, kind, value) fields; fields that are None are left out.

    >>> message((1, "bytes", "tag"), (2, "int", 5))
    b'\\n\\x03tag\\x10\\x05'
    """
    out = []
    for number, kind, value in fields:
        if value is not None:
            wire, write = _KINDS[kind]
            out.append(varint(number << 3 | wire) + write(value))
    return b"".join(out)


# --------------------------------------------------------------------------------------- checksums
LANE = 1024  # long data is cut into pieces of this size, whose checksums are computed side by side


@functools.cache
def _tables() -> tuple[list[int], np.ndarray]:
    """What one byte does to a CRC-32C (Castagnoli), as a list and as an array."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.tolist(), table


@functools.cache
def _past_a_lane() -> np.ndarray:
    """What LANE zero bytes do to each of the four bytes of a checksum (the checksum is linear in them)."""
    _, table = _tables()
    state = (np.arange(256, dtype=np.uint32)[None, :] << (8 * np.arange(4, dtype=np.uint32))[:, None]).ravel()
    for _ in range(LANE):
        state = table[state & 0xFF] ^ (state >> 8)
    return state.reshape(4, 256)


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table, array = _tables()
    crc = 0xFFFFFFFF
    lanes = len(data) // LANE
    if lanes > 4:
        columns = np.frombuffer(data, np.uint8, lanes * LANE).reshape(lanes, LANE).T
        states = np.zeros(lanes, np.uint32)
        for column in columns:
            states = array[(states ^ column) & 0xFF] ^ (states >> 8)
        past = _past_a_lane().tolist()
        for state in states.tolist():
            crc = past[0][crc & 255] ^ past[1][crc >> 8 & 255] ^ past[2][crc >> 16 & 255] ^ past[3][crc >> 24] ^ state
        data = data[lanes * LANE :]
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> bytes:
    """The checksum as records carry it."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


# ------------------------------------------------------------------------------------------- files
_numbers = itertools.count()


class EventFile:
    """An event file that is being written; what waits goes out after `max_queue` events or `flush_secs`."""

    def __init__(self, log_dir: str, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = "") -> None:
        os.makedirs(log_dir, exist_ok=True)
        host = socket.gethostname()
        name = f"events.out.tfevents.{int(time.time()):010d}.{host}.{os.getpid()}.{next(_numbers)}{filename_suffix}"
        self.path = os.path.join(log_dir, name)
        self.max_queue, self.flush_secs = max_queue, flush_secs
        self._waiting = 0
        self._flushed = time.monotonic()
        self._lock = threading.Lock()
        self._open("wb")
        self.add(message((1, "double", time.time()), (3, "bytes", "brain.Event:2")))
        self.flush()

    def _open(self, mode: str) -> None:
        self._file: Any = open(self.path, mode)
        self._finalizer = weakref.finalize(self, self._file.close)  # nothing is lost without close(), at exit either

    def add(self, event: bytes) -> None:
        with self._lock:
            if self._file.closed:  # TensorBoard's writer too opens a closed file again
                self._open("ab")
            self._file.write(record(event))
            self._waiting += 1
            if self._waiting >= self.max_queue or time.monotonic() - self._flushed > self.flush_secs:
                self._flush()

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Write an Event of TensorBoard's: a protocol buffer."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.add(event.SerializeToString())

    def add_summary(self, summary: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """Write a Summary: one of `summary.py`, or TensorBoard's protocol buffer."""
        self.add(event(global_step, walltime, (5, "bytes", summary.SerializeToString())))

    def get_logdir(self) -> str:
        """The folder of the file."""
        return os.path.dirname(self.path)

    def flush(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._flush()

    def close(self) -> None:
        with self._lock:
            self._finalizer()

    def _flush(self) -> None:
        self._file.flush()
        self._waiting = 0
        self._flushed = time.monotonic()


def event(step: int | None, wall_time: float | None, *fields: tuple[int, str, Any]) -> bytes:
    """An Event with the given content."""
    wall_time = time.time() if wall_time is None else wall_time
    return message((1, "double", wall_time), (2, "int", None if step is None else int(step)), *fields)


def summary(values: Iterable[bytes]) -> bytes:
    """A Summary of some Values."""
    return message(*((1, "bytes", v) for v in values))
