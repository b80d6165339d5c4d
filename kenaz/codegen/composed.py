"""Routines one after another as one routine: what one makes, in scratch memory, the next one reads.

Each keeps a block of its own. A first phase writes the addresses into these blocks, because only the routine as a whole
is told where its inputs, outputs and scratch memory are; then phases are called with the blocks they know.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from . import jit
from .routine import ALIGN, Routine, address
from .vectors import I64, VOID, Writer, module_text, new_function


class Place(NamedTuple):
    """Memory: a word of the whole's block (its inputs, outputs, then scratch), and how many bytes further on."""

    word: int
    offset: int = 0


class Room:
    """Scratch memory that is dealt out: `words` is how many inputs and outputs the whole has."""

    def __init__(self, words: int):
        self.words, self.bytes = words, 0

    def take(self, nbytes: int) -> Place:
        found = Place(self.words, self.bytes)
        self.bytes += -(-nbytes // ALIGN) * ALIGN
        return found


class Stage(NamedTuple):
    """A routine, and where its inputs and outputs are."""

    routine: Routine
    memory: tuple[Place, ...]


def composed(room: Room, stages: Sequence[Stage]) -> Routine:
    """The routine that runs these one after the other."""
    shared = room.take(max(stage.routine.scratch for stage in stages))  # one runs at a time
    links: list[list[int]] = []
    held: list[np.ndarray] = []
    calls: list[np.ndarray] = []
    chunks: list[int] = []
    for routine, memory in stages:
        block = np.array([0] * (len(memory) + 1) + routine.words(), np.int64)
        links += [[address(block) + 8 * i, *place] for i, place in enumerate((*memory, shared))]
        held += [block, *(c for c in routine.constants if isinstance(c, np.ndarray))]
        calls += [np.array([function, address(block)], np.int64) for function, _ in routine.phases]
        chunks += [count for _, count in routine.phases]
    first = room.words + 1  # the word of the first constant
    phases = [(_linker(first), 1), *((_caller(first + 2 + i), count) for i, count in enumerate(chunks))]
    return Routine(phases, [np.array(links, np.int64), len(links), *calls, *held], room.bytes)


@functools.cache
def _linker(place: int) -> int:
    """Code that writes addresses into blocks. Words: a table of (where to, which word, how much further on), rows."""

    def build() -> str:
        module = ir.Module("linker")
        w = Writer(new_function(module, "link"), "int64")
        b, block = w.b, w.function.args[0]
        words, table = b.inttoptr(block, I64.as_pointer()), w.word(block, place, I64)
        with w.loop(0, w.word(block, place + 1)) as i:
            to, word, offset = (b.load(w.at(table, w.mul(i, 3), k)) for k in range(3))
            b.store(b.add(b.load(w.at(words, word)), offset), b.inttoptr(to, I64.as_pointer()))
        b.ret_void()
        return module_text(module)

    return jit.load(("linker", place), ["link"], build)["link"]


@functools.cache
def _caller(place: int) -> int:
    """Code that calls another function with another block; a word has the address of both addresses."""

    def build() -> str:
        module = ir.Module("caller")
        w = Writer(new_function(module, "call"), "int64")
        block, chunk = w.function.args
        function, other = w.words(w.word(block, place), 0, 2)
        kind: Any = ir.FunctionType(VOID, [I64, I64])
        w.b.call(w.b.inttoptr(function, kind.as_pointer()), [other, chunk])
        w.b.ret_void()
        return module_text(module)

    return jit.load(("caller", place), ["call"], build)["call"]
