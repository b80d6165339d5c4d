"""What a convolution's compiled code is made of: tasks, their words, and buffers for the threads that run them.

A phase of the routine is a list of tasks; chunk i of phase j does task i of table j, which is (function, its words,
more). Every function is `void f(block, task)` over the routine's block and the task's row of its table.

Offsets of memory in scratch are in bytes, everything else is in elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from .vectors import I32, I64, VOID, Writer, constant

# words of the routine's block, counted from the result's address: inputs lie before it
SOURCE, WEIGHT, BIAS, TARGET, SCRATCH, TASKS = -3, -2, -1, 0, 1, 2
TURNED_SOURCE, GRADIENT = -2, -1  # the inputs of a weight's gradient
# words of a task
FUNCTION, WORDS, FIRST, LAST, GROUP, FROM, TO, PART = range(8)
TASK_WORDS = 8


class Code(Writer):
    """A writer of one task function, with the task's words by name."""

    def __init__(self, module: ir.Module, name: str, element: str, names: Sequence[str] = ()):
        function = ir.Function(module, ir.FunctionType(VOID, [I64, I64]), name)
        function.attributes.add("noinline")
        super().__init__(function, element)
        self.block, self.task = function.args
        self.words_at = self.word(self.task, WORDS)
        self.place = {n: i for i, n in enumerate(names)}
        self.bytes = np.dtype(element).itemsize
        self.null = ir.Constant(self.pointer, None)
        self.one = ir.Constant(self.element, 1.0)

    def __getitem__(self, name: str) -> Any:
        """A word of the task's block."""
        return self.word(self.words_at, self.place[name])

    def given(self, i: int) -> Any:
        """A word of the task."""
        return self.word(self.task, i)

    def elements(self, address: Any) -> Any:
        """An address as a pointer to elements."""
        return self.b.inttoptr(address, self.pointer)

    def input(self, i: int) -> Any:
        return self.elements(self.word(self.block, i))

    def scratch(self, offset: Any) -> Any:
        """The elements at an offset in bytes of the scratch memory."""
        return self.elements(self.add(self.word(self.block, SCRATCH), offset))

    def either(self, flag: Any, in_scratch: Any, i: int) -> Any:
        """Elements in scratch memory where the flag is set, else those of word `i`."""
        return self.b.select(self.test(flag, "!=", 0), self.scratch(in_scratch), self.input(i))

    def call_at(self, address: Any, kind: ir.FunctionType, arguments: Sequence[Any]) -> None:
        """Call compiled code whose address is a word."""
        self.b.call(self.b.inttoptr(address, kind.as_pointer()), [self.int(a) for a in arguments])

    def between(self, low: Any, high: Any) -> Any:
        """The mask of lanes from `low` up to `high`."""
        return self.b.and_(self.first_lanes(high), self.b.not_(self.first_lanes(low)))

    def ordered(self, order: Sequence[int]) -> ir.Constant:
        return ir.Constant(ir.VectorType(I32, len(order)), list(order))


# --------------------------------------------------------------------------------------------------------- dispatch
_TASK = ir.FunctionType(VOID, [I64, I64])


def emit_phase(module: ir.Module, index: int, inputs: int) -> None:
    """Phase `index` of a routine with so many inputs: chunk i does task i of its table."""
    function = ir.Function(module, _TASK, f"phase{index}_{inputs}")
    w = Writer(function)
    block, chunk = w.add(function.args[0], 8 * inputs), function.args[1]
    task = w.add(w.word(block, TASKS + index), w.mul(chunk, 8 * TASK_WORDS))
    w.b.call(w.b.inttoptr(w.word(task, FUNCTION), _TASK.as_pointer()), [block, task])
    w.b.ret_void()


# ----------------------------------------------------------------------------------------- buffers of running threads
def emit_clear(module: ir.Module) -> None:
    """Mark FIRST to LAST of the slots as free; their place is word FROM of the task."""
    w = Code(module, "clear", "float32")
    slots = w.add(w.word(w.block, SCRATCH), w.given(FROM))
    with w.loop(w.given(FIRST), w.given(LAST)) as i:
        w.b.store(constant(0), w.b.inttoptr(w.add(slots, w.mul(i, 8)), I64.as_pointer()))
    w.b.ret_void()


def take_slot(w: Code) -> tuple[Any, Any]:
    """A buffer that no other task uses, and its slot to give back: as many as threads, so that they stay in caches."""
    b = w.b
    slots, count = w.add(w.word(w.block, SCRATCH), w["slots"]), w["slot_count"]
    before, look, done = b.block, b.append_basic_block("look"), b.append_basic_block("taken")
    b.branch(look)
    b.position_at_end(look)
    i = b.phi(I64)
    i.add_incoming(constant(0), before)
    slot = b.inttoptr(w.add(slots, w.mul(i, 8)), I64.as_pointer())
    swapped = b.cmpxchg(slot, constant(0), constant(1), "seq_cst", "seq_cst")
    i.add_incoming(w.rem(w.add(i, 1), count), b.block)
    b.cbranch(b.extract_value(swapped, 1), done, look)
    b.position_at_end(done)
    return w.scratch(w.add(w["buffer"], w.mul(i, w["buffer_bytes"]))), slot


def give_slot(w: Code, slot: Any) -> None:
    w.b.store_atomic(constant(0), slot, "seq_cst", 8)
