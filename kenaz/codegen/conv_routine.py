"""The parts of a convolution's routine: scratch memory, tables, and who does what.

A routine has three phases, `prepare`, `multiply` and `finish`; a phase is a list of tasks (`conv_tasks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import threads
from . import conv_code as code
from . import conv_packs as packs
from . import conv_tasks as tasks
from .conv_geometry import Ints, Padding, Source
from .routine import ALIGN, Routine
from .share import chunks_for
from .tiles import lanes, most_rows

DEPTH_BYTES = 1536  # of one row of B or column of A in the cache: 384 float32
BLOCK_VECTORS = 24  # of B side by side, which times the depth fill half of the second-level cache
SMALL = 1 << 21  # multiplications that one thread does before another would have woken


class Shapes(NamedTuple):
    """A convolution over two axes: the element type, and the numbers of images, channels and groups."""

    element: str
    images: int
    channels: int
    features: int
    groups: int
    window: Any


class Weight(NamedTuple):
    """Elements from row to row of A, the strides of its depth (channel, row, column), elements from group to group."""

    row: int
    depth: Ints
    group: int


class Builder:
    """Collects a routine: scratch memory, tables, and the tasks of its phases."""

    def __init__(self, element: str, inputs: int):
        self.element, self.inputs = element, inputs
        self.lanes, self.item = lanes(element), np.dtype(element).itemsize
        self.threads = threads.get_num_threads()
        self.bytes = 0
        self.held: list[np.ndarray] = []
        self.prepare: list[list[int]] = []
        self.multiply: list[list[int]] = []
        self.finish: list[list[int]] = []

    def take(self, size: int) -> int:
        """The offset of some bytes of scratch memory."""
        start = self.bytes
        self.bytes += -(-size // ALIGN) * ALIGN + ALIGN
        return start

    def hold(self, array: Any) -> int:
        """The address of an array of int64s that lives as long as the routine."""
        array = np.ascontiguousarray(array, np.int64)
        self.held.append(array)
        return array.ctypes.data

    def words(self, names: Sequence[str], values: dict[str, int]) -> int:
        """The address of a block of named words."""
        return self.hold([values[n] for n in names])

    def slots(self, size: int) -> dict[str, int]:
        """The words that tell of a buffer of so many bytes for each thread."""
        size = -(-size // ALIGN) * ALIGN
        found = {"buffer": self.take(size * self.threads), "buffer_bytes": size, "slot_count": self.threads}
        slots = found["slots"] = self.take(8 * self.threads)
        self.prepare.append(task(code.functions("common", self.element)["clear"], 0, 0, self.threads, 0, slots))
        return found

    def copy(self, shape: Ints, stride: Ints, padding: Padding | None, source: Source, input: int) -> dict[str, int]:
        """Copy an input (images, channels, height, width) with its padding; the words that say where it is."""
        if padding is None:
            return {"padded": 0, "source": 0}
        images, channels, height, width = shape
        into = self.take((images * source.image + self.lanes) * self.item)
        words = dict(zip(("image", "channel", "row", "column"), stride, strict=True))
        words |= {"channels": channels, "height": height, "width": width, "input": input, "into": into}
        words |= {"rows": padding.rows, "row_step": padding.row_step, "first_row": padding.row}
        words |= {"phases": padding.phases, "columns": padding.columns}
        words |= {"column_step": padding.column_step, "first_column": padding.column}
        at = self.words(packs.PAD, words)
        step = padding.column_step if stride[3] == 1 and padding.column_step in (1, 2) else 0
        step = packs.BOTH if step == padding.phases == 2 else step
        function = code.functions("common", self.element)[f"pad{step}"]
        several = chunks_for(images * source.image, images * channels)
        self.prepare += [task(function, at, *part) for part in parts(images * channels, several)]
        return {"padded": 1, "source": into}

    def routine(self) -> Routine:
        """The routine that does the tasks phase by phase."""
        common = code.functions("common", self.element)
        phases = (self.prepare, self.multiply, self.finish)
        tables = [np.array(phase or [task(0)], np.int64) for phase in phases]
        called = [(common[f"phase{i}_{self.inputs}"], len(phase)) for i, phase in enumerate(phases) if phase]
        return Routine(called, [*tables, *self.held], self.bytes)


def task(function: int, words: int = 0, first: int = 0, last: int = 0, *more: int) -> list[int]:
    """A row of a phase's table."""
    return [function, words, first, last, *more, *[0] * (tasks.TASK_WORDS - 4 - len(more))]


def parts(count: int, several: int) -> list[tuple[int, int]]:
    """The numbers below `count` in at most so many ranges of about the same size."""
    several = max(1, min(several, count))
    return [(i * count // several, (i + 1) * count // several) for i in range(several)]


class Heights(NamedTuple):
    """How rows are cut into tiles: `talls` of `tall` rows, then others with one row less; and the vectors of a tile."""

    vectors: int
    tall: int
    talls: int
    tiles: int


def cut_rows(rows: int, vectors: Sequence[int] = (2, 3, 4)) -> Heights:
    """The tiles that take the least time: a vector of B costs two fifths of a multiplication, a tile a bit more."""
    best: tuple[float, Heights] | None = None
    for v in vectors:
        most = max(most_rows(v), 1)
        count = -(-rows // most)
        tall = -(-rows // count)
        cost = (rows * v + count * (0.4 * v + 1.2)) / v
        if best is None or cost < best[0]:
            best = cost, Heights(v, tall, rows - count * (tall - 1), count)
    assert best is not None
    return best[1]


def rounded(n: int, step: int) -> int:
    return -(-n // step) * step
