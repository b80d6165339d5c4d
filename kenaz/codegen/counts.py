"""Folds of whole numbers and of truth values: how many there are, whether all are, which is the largest.

Nothing has to be rounded, so the code is plain loops, and LLVM finds its own vectors. Rows lie in memory as `rows.py`
tells: neighbours are folded, or belong to rows of their own, whose folds are then in the memory of the result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ..graph.node import Call
from . import jit
from .routine import Routine
from .rows import arrange
from .share import chunks_for, part
from .vectors import I8, I32, I64, Writer, module_text, new_function

_KINDS = {"bool": I8, "uint8": I8, "int32": I32, "int64": I64}


def _larger(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    return b.select(b.icmp_signed(">", x, y), x, y)


def _smaller(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    return b.select(b.icmp_signed("<", x, y), x, y)


# how two values become one, what a fold starts with (as a function of the bits), and of which dtypes it is
_FOLDS: dict[str, tuple[Callable, Callable[[int], int], tuple[str, ...]]] = {
    "sum": (lambda b, x, y: b.add(x, y), lambda bits: 0, ("bool", "uint8", "int32", "int64")),
    "all": (lambda b, x, y: b.and_(x, y), lambda bits: 1, ("bool",)),
    "any": (lambda b, x, y: b.or_(x, y), lambda bits: 0, ("bool",)),
    "amax": (_larger, lambda bits: -1 << bits - 1, ("int32", "int64")),
    "amin": (_smaller, lambda bits: (1 << bits - 1) - 1, ("int32", "int64")),
}


def fold(call: Call) -> Routine | None:
    """A fold of a reduction's name along its axes."""
    x, out, name = call.specs[0], call.out, call.op.name
    if x.dtype.name not in _FOLDS[name][2] or out.dtype.name not in ("bool", "int32", "int64") or not out.contiguous:
        return None
    dims = call.attributes["dim"] if x.ndim else ()
    shape = arrange(x.size, dims, [x.stride])
    kept = [x.stride[d] for d in range(x.ndim) if d not in dims and x.size[d] > 1]
    if shape is None or kept != sorted(kept, reverse=True):
        return None
    tasks = shape.tasks[0] * shape.tasks[1]
    chunks = chunks_for(x.numel, tasks)
    function = _compiled(name, x.dtype.name, out.dtype.name, shape.columns, shape.strides[0][3] == 1)
    return Routine([(function, chunks)], [tasks, shape.tasks[1], shape.blocks, shape.lanes, chunks, *shape.strides[0]])


@functools.cache
def _compiled(name: str, kind: str, result: str, columns: bool, dense: bool) -> int:
    def build() -> str:
        module = ir.Module("counts")
        _Fold(new_function(module, "fold"), name, kind, result, dense).write(columns)
        return module_text(module)

    return jit.load(("counts", name, kind, result, columns, dense), ["fold"], build, vectorize=True)["fold"]


class _Fold(Writer):
    """Words of the block: x, result, scratch; tasks, how many an outer one has, blocks, lanes, chunks; four strides."""

    def __init__(self, function: ir.Function, name: str, kind: str, result: str, dense: bool):
        super().__init__(function, "int64")
        block, self.chunk = function.args
        self.signed = kind not in ("bool", "uint8")
        self.made = _KINDS[result]
        self.combine, start, _ = _FOLDS[name]
        self.start = ir.Constant(self.made, start(self.made.width))
        self.x, self.y = self.word(block, 0, _KINDS[kind]), self.word(block, 1, self.made)
        self.tasks, self.inner, self.blocks, self.lanes_each, self.chunks = self.words(block, 3, 5)
        self.steps = self.words(block, 8, 4)
        if dense:
            self.steps[3] = self.int(1)

    def write(self, columns: bool) -> None:
        with self.loop(*part(self, self.tasks, self.chunk, self.chunks)) as task:
            outer, inner = self.div(task, self.inner), self.rem(task, self.inner)
            x = self.at(self.x, self.mul(outer, self.steps[0]), self.mul(inner, self.steps[1]))
            if columns:
                self._across(x, self.at(self.y, self.mul(task, self.lanes_each)))
            else:
                self._along(x, self.at(self.y, task))
        self.b.ret_void()

    def _value(self, x: Any, block: Any, lane: Any) -> Any:
        """An element in the type of the result."""
        found = self.b.load(self.at(x, self.mul(block, self.steps[2]), self.mul(lane, self.steps[3])))
        if found.type == self.made:
            return found
        return (self.b.sext if self.signed else self.b.zext)(found, self.made)

    def _along(self, x: Any, y: Any) -> None:
        """Neighbours are folded."""
        with self.folding(0, self.blocks, 1, [self.start]) as (block, carried, after):
            with self.folding(0, self.lanes_each, 1, carried) as (lane, (total,), then):
                then.append(self.combine(self.b, total, self._value(x, block, lane)))
            after.append(total)
        self.b.store(carried[0], y)

    def _across(self, x: Any, y: Any) -> None:
        """Neighbours belong to different rows."""
        with self._lanes() as lane:
            self.b.store(self.start, self.at(y, lane))
        with self.loop(0, self.blocks) as block, self._lanes() as lane:
            place = self.at(y, lane)
            self.b.store(self.combine(self.b, self.b.load(place), self._value(x, block, lane)), place)

    @contextmanager
    def _lanes(self) -> Iterator[Any]:
        with self.loop(0, self.lanes_each) as lane:
            yield lane
