"""The two ends of the socket between a loader and one of its workers.

A frame is a header (three lengths), a head and a body (pickles), and possibly the memory of the body's tensors. The
worker's end blocks, looking now and then whether its parent is alive; the loader's end never blocks, so that neither a
slow nor a dying worker can hold it up. There are no threads, locks or queues that a killed process could leave in a bad
state.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
import weakref
from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np

from . import MP_STATUS_CHECK_INTERVAL, transport

HEADER = struct.Struct("<QQQ")
CAN_PASS_DESCRIPTORS = hasattr(socket, "send_fds")


class WorkerEnd:
    """Takes tasks, sends batches."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(MP_STATUS_CHECK_INTERVAL)
        self.sock = sock
        self.parent = os.getppid()
        self.segments = transport.Segments()

    def receive(self) -> Any:
        """The next task; EOFError when the loader has gone."""
        length, _, _ = HEADER.unpack(self._read(HEADER.size))
        task, released = pickle.loads(self._read(length))
        self.segments.release(released)
        return task

    def send(self, head: Any, body: Any) -> None:
        """Send a batch (or an error) with a small head that says what it answers."""
        data, buffers = transport.dumps(body)
        table, size = transport.layout(buffers)
        number = fd = None
        if size >= transport.INLINE_LIMIT and CAN_PASS_DESCRIPTORS:
            number, fd = self.segments.write(buffers, table, size)
        inline = size if number is None else 0
        head_data = pickle.dumps((head, table, number, fd is not None))
        self._write(HEADER.pack(len(head_data), len(data), inline), fd)
        self._write(head_data)
        self._write(data)
        if inline:
            end = 0
            for b, (start, stop) in zip(buffers, table):
                self._write(bytes(start - end))
                self._write(b)
                end = stop

    def _read(self, n: int) -> bytearray:
        data = bytearray(n)
        view = memoryview(data)
        while view:
            try:
                got = self.sock.recv_into(view)
            except TimeoutError:
                self._check_parent()
                continue
            if not got:
                raise EOFError
            view = view[got:]
        return data

    def _write(self, data: Any, fd: int | None = None) -> None:
        view = memoryview(data).cast("B")
        while view:
            try:
                sent = self.sock.send(view) if fd is None else socket.send_fds(self.sock, [view], [fd])
            except TimeoutError:
                self._check_parent()
                continue
            fd = None
            view = view[sent:]

    def _check_parent(self) -> None:
        if os.getppid() != self.parent:
            raise EOFError


class LoaderEnd:
    """Posts tasks, collects batches."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.mappings = transport.Mappings()
        self._outgoing: deque[memoryview] = deque()
        self._fds: deque[int] = deque()
        self._complete: list = []
        self.is_broken = False  # an exception (Ctrl-C, say) came in the middle of a message
        self._steps = self._frames()
        self._wanted: memoryview = next(self._steps)
        _open_ends.add(self)

    def fileno(self) -> int:
        return self.sock.fileno()

    @property
    def has_outgoing(self) -> bool:
        return bool(self._outgoing)

    def post(self, task: Any) -> None:
        """Send a task as soon as the socket takes it."""
        data = pickle.dumps((task, self.mappings.take_released()), 5)
        self._outgoing.append(memoryview(HEADER.pack(len(data), 0, 0) + data))
        self.pump()

    def pump(self) -> None:
        """Send what the socket takes now. That the worker has gone shows when reading."""
        self.is_broken = True
        try:
            while self._outgoing:
                sent = self.sock.send(self._outgoing[0])
                self._outgoing[0] = self._outgoing[0][sent:]
                if not self._outgoing[0]:
                    self._outgoing.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing.clear()
        self.is_broken = False

    def collect(self) -> list:
        """The (head, body) pairs that have arrived; EOFError when the worker has gone."""
        if self.is_broken:
            raise RuntimeError("DataLoader was interrupted while it received a batch; start a new iteration")
        self.is_broken = True
        while True:
            try:
                got = self._receive()
            except BlockingIOError:
                break
            except ConnectionError:
                got = 0
            if not got:
                if self._complete:
                    break  # what came before the end is good; the next call meets the end again
                raise EOFError
            self._wanted = self._wanted[got:]
            while not self._wanted:
                self._wanted = next(self._steps)
        complete, self._complete = self._complete, []
        self.is_broken = False
        return complete

    def _receive(self) -> int:
        if not CAN_PASS_DESCRIPTORS:
            return self.sock.recv_into(self._wanted)
        got, ancillary, _, _ = self.sock.recvmsg_into([self._wanted], socket.CMSG_LEN(8))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = np.frombuffer(data, np.intc, len(data) // 4)
                self._fds.extend(int(fd) for fd in fds)
        return got

    def _frames(self) -> Generator[memoryview, None, None]:
        """Yields the memory that has to be filled next, forever."""
        while True:
            header = bytearray(HEADER.size)
            yield memoryview(header)
            head_size, body_size, inline_size = HEADER.unpack(header)
            pickles = bytearray(head_size + body_size)
            yield memoryview(pickles)
            head, table, number, has_fd = pickle.loads(memoryview(pickles)[:head_size])
            if number is None:
                area: Any = np.empty(inline_size, np.uint8)
                if inline_size:
                    yield memoryview(area)
            else:
                size = table[-1][1]
                area = self.mappings.area(number, self._fds.popleft() if has_fd else None, size)
            body = transport.loads(memoryview(pickles)[head_size:], [area[a:b] for a, b in table])
            self._complete.append((head, body))
            del area, body  # a generator's locals would keep the batch alive

    def close(self) -> None:
        _open_ends.discard(self)
        self.sock.close()
        self._steps.close()
        self.mappings.maps.clear()  # batches in use keep their own
        while self._fds:
            os.close(self._fds.popleft())


_open_ends: weakref.WeakSet[LoaderEnd] = weakref.WeakSet()


def close_inherited() -> None:
    """In a forked worker: close the loaders' ends that came along, or no sibling would ever see its loader go."""
    for end in list(_open_ends):
        end.sock.close()
    _open_ends.clear()
