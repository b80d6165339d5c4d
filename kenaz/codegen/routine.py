"""A routine: compiled code that computes one node's values, and all that has to be known to call it.

The code is a list of phases, each a function `(block, chunk)` with a number of chunks that may run at the same time; a
phase begins when the one before has ended. `block` is an array of int64 words: the addresses of the inputs, of the
outputs, of the scratch memory, then the constants. A Python number among the inputs is the address of its 8 bytes
(int64 or float64). Outputs are dense, in the memory order of their spec, and never overlap inputs unless `in_place`
says which input an output may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import pool

ALIGN = 64  # bytes; the alignment of scratch memory


class Routine:
    """phases: (address, chunks) in order. scratch: bytes of memory that the phases share, with any contents at first.
    constants: int64 words, or arrays whose address is the word. in_place: {output: inputs}, of which one may be the
    same memory; whether it is, shows only in the addresses."""

    __slots__ = ("constants", "in_place", "phases", "scratch")

    def __init__(
        self, phases: Sequence[tuple[int, int]], constants: Sequence[Any] = (), scratch: int = 0,
        in_place: dict[int, Any] | None = None,
    ):  # fmt: skip
        self.phases, self.constants, self.scratch = list(phases), list(constants), scratch
        self.in_place = {o: [i] if type(i) is int else list(i) for o, i in (in_place or {}).items()}

    def words(self) -> list[int]:
        """The constants as words of a block."""
        return [address(c) if isinstance(c, np.ndarray) else int(c) for c in self.constants]

    def run(self, inputs: Sequence[Any], outputs: Sequence[np.ndarray]) -> None:
        """Run on arrays and numbers, outside any plan: for tests and measurements."""
        held = [as_array(x) for x in inputs]
        room = np.empty(self.scratch + ALIGN, np.uint8)
        start = -(-address(room) // ALIGN) * ALIGN
        words = [address(a) for a in held] + [address(a) for a in outputs] + [start, *self.words()]
        block = np.array(words, np.int64)
        for function, chunks in self.phases:
            pool.run(function, block, chunks)


def as_array(x: Any) -> np.ndarray:
    """An array, or the 8 bytes of a number."""
    if isinstance(x, np.ndarray):
        return x
    return np.array(x, np.int64 if type(x) in (int, bool) else np.float64)


def address(array: np.ndarray) -> int:
    """Where an array's first element is."""
    return array.__array_interface__["data"][0]
