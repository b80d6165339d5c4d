"""A plan: how a graph that came back runs. Native steps are one list of jobs for the pool; between such lists, nodes
that have no compiled code are interpreted.

Every native step has a block of words (`routine.py`); all blocks of a plan are one array. Words that never change are
written once: constants and places in the arena. Before a list of jobs runs, the words that change are written in one
assignment: the addresses of memory from outside and of new memory for values that somebody outside can see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.spec import Spec
from ..graph.block import BLOCK
from ..graph.node import Call, Node, Unplanned, make_node
from ..runtime import trace
from . import alarms, pool
from .halves import Graph
from .memory import arena
from .report import label, lines
from .routine import address
from .steps import Step


class Value:
    """A value that a native step makes: result `k` of the node at `place`, and where it lives."""

    __slots__ = ("home", "k", "last", "memory", "nbytes", "place", "shape", "takers")

    def __init__(self, place: int, k: int, spec: Spec, step: int):
        self.place, self.k, self.last = place, k, step  # the last step that needs it; at first the one that makes it
        self.nbytes = spec.numel * spec.dtype.itemsize
        self.shape = spec.size if spec.contiguous else tuple(spec.size[d] for d in spec.order() or ())
        self.memory = spec.dtype.np
        self.takers: list[int] = []  # places of nodes that get it as an array: it lives in memory of its own
        self.home = -1  # its place in the arena, where nobody outside sees it


class Batch:
    """Native steps that run without a pause, and the words that have to be written before.

    The addresses are found in this order:
        outside: (p, j)                    the memory of source j of node p
        new: (value, donor)                fresh memory, or that of the donor (p, j, expected references) taken over
        shifts: (entry or None, home, p, j, distance, itemsize)
            offset j of node p and a distance added to an address above, or to a home
    Word `positions[i]` gets address `order[i]`. Cells get Python numbers: (cell, p, j).
    """

    __slots__ = ("count", "first", "floats", "ints", "new", "order", "outside", "positions", "shifts")

    def __init__(self, first: int):
        self.first, self.count = first, 0
        self.outside: list[tuple[int, int]] = []
        self.new: list[tuple[Value, Any]] = []
        self.shifts: list[tuple[int | None, int, int, int, int, int]] = []
        self.floats: list[tuple[int, int, int]] = []
        self.ints: list[tuple[int, int, int]] = []
        self.positions = self.order = np.zeros(0, np.intp)


class Form(NamedTuple):
    """Which of the nodes that were recorded a plan runs on, and what it runs: batches, and places of nodes. `places`
    says where the nodes of the open graph are, or the blocks that stand for them."""

    alive: list[int]
    sequence: list[Any]
    places: Sequence[int]


class Plan:
    """The steps of a graph, ready to run on any nodes of the same structure."""

    def __init__(self, units: list[Any], graph: Graph):
        self.units = units
        self.calls = [node.call for node in graph.nodes]  # what the places of steps mean
        self.real = graph.real
        self.steps = [u for u in units if type(u) is Step]
        self.native = len(self.steps)
        self.form = None

    alive: list[int]  # the places of these nodes among all that were recorded
    form: Form | bool | None  # how it runs on what was recorded; False: only with blocks opened; None: not known yet
    words: np.ndarray
    jobs: np.ndarray
    jobs_at: int
    bound: int  # the base of the arena that the words know
    of_job: list[int]  # the number of each job's step
    floats: np.ndarray
    ints: np.ndarray
    arena_bytes: int
    homes: np.ndarray  # positions of words that are addresses in the arena
    sequence: list[Any]  # batches and places of interpreted nodes, in order

    def run(self, nodes: list[Node], interpret: Callable[[Node], None], form: Any = None) -> None:
        """Give the nodes their values; raises Unplanned where something from outside is no array."""
        self._bind()
        for part in form.sequence if form else self.sequence:
            if type(part) is int:
                interpret(nodes[part])
            else:
                self._run_batch(part, nodes)
                if alarms.cells[0]:
                    self._complain(nodes, interpret, form)
        for node in nodes:
            node.sources = ()

    def _complain(self, nodes: list[Node], interpret: Callable[[Node], None], form: Any) -> None:
        """Raise the mistake that a routine has found."""
        words, which, number = alarms.message()
        step = self.steps[self.of_job[int(np.flatnonzero(self.jobs[:, 1] == words)[0])]]
        p = self.real[step.places[-1]]
        node = nodes[form.places[p] if form else p]
        wrong = node if node.call.op is not BLOCK else _alone(self.calls[step.places[-1]])
        alarms.mistaken(wrong, which, number)
        try:
            interpret(wrong)
        finally:
            node.value = wrong.value
            alarms.spread(node, nodes)

    def _bind(self) -> None:
        base = arena.reserve(self.arena_bytes)
        if base != self.bound:
            self.words[self.homes] += base - self.bound
            self.bound = base

    def _run_batch(self, batch: Batch, nodes: list[Node]) -> None:
        made: list[Any] = []
        found = self._addresses(batch, nodes, made)
        self.words[batch.positions] = np.array(found, np.int64)[batch.order]
        for cell, p, j in batch.floats:
            self.floats[cell] = nodes[p].sources[j]
        for cell, p, j in batch.ints:
            self.ints[cell] = nodes[p].sources[j]
        if trace.state.on:
            self._run_noted(batch, nodes)
        else:
            pool.native().run(self.jobs_at + 24 * batch.first, batch.count)
        for (value, _), array, place in zip(batch.new, made, found[len(batch.outside) :], strict=False):
            for taker in value.takers:
                node = nodes[taker]
                node.value, node.address = array, place

    def _run_noted(self, batch: Batch, nodes: list[Node]) -> None:
        """Run a batch and note when each job began and ended."""
        times = np.zeros(2 * (batch.count + 1), np.int64)  # seconds and nanoseconds
        pool.native().run_timed(self.jobs_at + 24 * batch.first, batch.count, address(times))
        stamps = (times[::2] * 1_000_000_000 + times[1::2]).tolist()
        for k in range(batch.count):
            step = self.steps[self.of_job[batch.first + k]]
            last = step.places[-1]
            sizes = [list(s.size) for s in self.calls[last].specs if type(s) is Spec]
            line = getattr(nodes[self.real[last]], "line", None)
            trace.note(trace.Event(label(step, self.calls), stamps[k], stamps[k + 1], line, sizes))

    def told(self, detail: bool) -> list[str]:
        """The plan in words."""
        return lines(self.units, self.calls, detail)

    def _addresses(self, batch: Batch, nodes: list[Node], made: list[np.ndarray]) -> list[int]:
        """The addresses of a batch in its order; the arrays of new memory are appended to `made`."""
        found = [_address_of(nodes[p].sources[j]) for p, j in batch.outside]
        for value, donor in batch.new:
            array = _taken_over(donor, nodes) if donor else None
            if array is None or array.shape != value.shape:  # what was there from the start may lie flat
                array = np.empty(value.shape, value.memory)
            made.append(array)
            found.append(array.__array_interface__["data"][0])
        for base, home, p, j, distance, itemsize in batch.shifts:
            offsets = nodes[p].offsets
            start = found[base] if base is not None else home + self.bound
            found.append(start + (offsets[j] + distance if offsets else distance) * itemsize)
        return found


def _alone(call: Call) -> Node:
    """A node for one inside a block."""
    return make_node(call, (0,) * len(call.specs))


def _address_of(node: Node) -> int:
    """Where a node's memory is, asked for once: a value stays where it is."""
    try:
        return node.address
    except AttributeError:
        if type(node.value) is not np.ndarray:
            raise Unplanned from None
        node.address = address(node.value)
        return node.address


def _taken_over(donor: tuple[int, int, int], nodes: list[Node]) -> np.ndarray | None:
    """The memory of a source, where nobody will read it any more: only the graph's own nodes hold it."""
    p, j, expected = donor
    source = nodes[p].sources[j]
    # 2: the local name and getrefcount's argument; the array is held by the node's slot and as the argument
    if sys.getrefcount(source) == expected + 2 and sys.getrefcount(source.value) == 2 and source.value.base is None:
        return source.value
    return None
