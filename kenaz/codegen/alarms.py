"""Mistakes that only the values show, found by compiled code: a number that names no row of a table.

Where the numbers are not known when the line runs, compiled code looks at them: it goes on with another number, and
leaves a message in `cells`, which a plan reads when its jobs are done. The plan then lets the operator itself say what
is wrong: the interpreter runs it on zeros, among which there is the number that was found.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.shape import extent
from ..core.spec import Spec, fresh
from ..graph.node import Node, held, make_node
from .vectors import I64, Writer, constant

cells = np.zeros(3, np.int64)  # the block of the routine that found something, which of its inputs, the number in it


def ring(w: Writer, place: int, which: int, number: Any) -> None:
    """Write code that leaves a message; a word of the block holds the address of the cells. The first message stays."""
    block = w.function.args[0]
    to = w.word(block, place, I64)
    silent = w.b.icmp_unsigned("==", w.b.load(to), constant(0))
    with w.b.if_then(silent, likely=True):
        for i, value in enumerate((block, constant(which), number)):
            w.b.store(value, w.at(to, i))


def message() -> tuple[int, int, int]:
    """What was found, and nothing from now on."""
    block, which, number = cells.tolist()
    cells[:] = 0
    return block, which, number


def mistaken(node: Node, which: int, number: int) -> None:
    """Give a node sources on which its operator makes the mistake that was found in source `which`."""
    sources = []
    for j, (source, spec) in enumerate(zip(node.sources, node.call.specs, strict=True)):
        if type(spec) is Spec:
            memory = np.zeros(max(extent(spec.size, spec.stride), 1), spec.dtype.np)
            if j == which:
                memory[0] = number
            source = make_node(held(fresh(memory.shape, spec.dtype)), (), None, memory)
        sources.append(source)
    node.sources, node.offsets, node.value = tuple(sources), (0,) * len(sources), None


def spread(node: Node, nodes: list[Node]) -> None:
    """Let nodes that depend on one that failed fail with it."""
    failed = {node}
    for other in nodes:
        if any(s in failed for s in other.sources if type(s) is Node):
            other.value, other.sources = node.value, ()
            failed.add(other)
