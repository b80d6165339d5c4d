"""A plan: how a graph that came back runs. Native steps are one list of jobs for the pool; between such lists, nodes
that have no compiled code are interpreted.

Every native step has a block of words (`routine.py`); all blocks of a plan are one array. Words that never change are
written once: constants and places in the arena. Before a list of jobs runs, the words that change are written in one
assignment: the addresses of memory from outside and of new memory for values that somebody outside can see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import Spec
from ..graph.node import PICK, Node
from ..runtime import trace
from . import pool
from .memory import Layout, arena
from .report import label, lines
from .routine import Routine, address
from .steps import Step, make_steps

LARGE = 1 << 15  # bytes from which looking for memory to take over pays


class Unplanned(Exception):
    """The graph cannot run as planned this time: it has to be interpreted."""


class Value:
    """A value that a native step makes: result `k` of the node at `place`, and where it lives."""

    __slots__ = ("first", "home", "k", "last", "memory", "nbytes", "place", "shape", "takers")

    def __init__(self, place: int, k: int, spec: Spec, first: int):
        self.place, self.k, self.first, self.last = place, k, first, first
        self.nbytes = spec.numel * spec.dtype.itemsize
        self.shape = spec.size if spec.contiguous else tuple(spec.size[d] for d in spec.order() or ())
        self.memory = spec.dtype.np
        self.takers: list[int] = []  # places of nodes that get it as an array: it lives in memory of its own
        self.home = -1  # its place in the arena, where nobody outside sees it


class Batch:
    """Native steps that run without a pause, and what has to be written before.

    entries: addresses to find at run time, each a tuple that begins with what it is:
        ("outside", p, j)             source j of node p
        ("new", value)                fresh memory, perhaps taken over
        ("shift", entry or None, home, p, j, itemsize)   offset j of node p added to another entry, or to a home
    """

    def __init__(self, first: int):
        self.first, self.count = first, 0
        self.entries: list[tuple] = []
        self.index: dict[Any, int] = {}
        self.where: list[int] = []
        self.which: list[int] = []
        self.floats: list[tuple[int, int, int]] = []  # (cell, p, j)
        self.ints: list[tuple[int, int, int]] = []
        self.values: list[tuple[int, Value]] = []  # (entry, value) of new memory
        self.donors: dict[int, tuple[int, int, int]] = {}  # entry -> (p, j, expected references)

    def entry(self, key: Any, make: tuple) -> int:
        """The number of an entry, made once."""
        found = self.index.get(key)
        if found is None:
            found = self.index[key] = len(self.entries)
            self.entries.append(make)
        return found

    def freeze(self) -> None:
        self.positions, self.order = np.array(self.where, np.intp), np.array(self.which, np.intp)


class Plan:
    """The steps of a graph, ready to run on any nodes of the same structure."""

    def __init__(self, nodes: list[Node], seen: list[bool]):
        self.units = make_steps(nodes, seen)
        self.steps = [u for u in self.units if type(u) is Step]
        self.native = len(self.steps)
        if self.native:
            _Builder(self, nodes, seen)

    alive: list[int]  # the places of these nodes among all that were recorded
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

    def run(self, nodes: list[Node], interpret: Callable[[Node], None]) -> None:
        """Give the nodes their values; raises Unplanned where something from outside is no array."""
        self._bind()
        for part in self.sequence:
            if type(part) is int:
                interpret(nodes[part])
            else:
                self._run_batch(part, nodes)
        for node in nodes:
            node.sources = ()

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
        for (_, value), array in zip(batch.values, made, strict=True):
            for taker in value.takers:
                nodes[taker].value = array

    def _run_noted(self, batch: Batch, nodes: list[Node]) -> None:
        """Run a batch and note when each job began and ended."""
        times = np.zeros(2 * (batch.count + 1), np.int64)  # seconds and nanoseconds
        pool.native().run_timed(self.jobs_at + 24 * batch.first, batch.count, address(times))
        stamps = (times[::2] * 1_000_000_000 + times[1::2]).tolist()
        for k in range(batch.count):
            step = self.steps[self.of_job[batch.first + k]]
            last = nodes[step.places[-1]]
            sizes = [list(s.size) for s in last.call.specs if type(s) is Spec]
            name = label(step, nodes)
            trace.note(trace.Event(name, stamps[k], stamps[k + 1], getattr(last, "line", None), sizes))

    def told(self, nodes: list[Node], detail: bool) -> list[str]:
        """The plan in words."""
        return lines(self.units, nodes, detail)

    def _addresses(self, batch: Batch, nodes: list[Node], made: list) -> list[int]:
        found: list[int] = []
        for e in batch.entries:
            what = e[0]
            if what == "outside":
                array = nodes[e[1]].sources[e[2]].value
                if type(array) is not np.ndarray:
                    raise Unplanned
                found.append(array.__array_interface__["data"][0])
            elif what == "new":
                value = e[1]
                array = _taken_over(batch.donors[len(found)], nodes) if len(found) in batch.donors else None
                if array is None or array.shape != value.shape:  # what was there from the start may lie flat
                    array = np.empty(value.shape, value.memory)
                made.append(array)
                found.append(array.__array_interface__["data"][0])
            else:
                _, base, home, p, j, itemsize = e
                offsets = nodes[p].offsets
                start = found[base] if base is not None else home + self.bound
                found.append(start + (offsets[j] * itemsize if offsets else 0))
        return found


def _taken_over(donor: tuple[int, int, int], nodes: list[Node]) -> np.ndarray | None:
    """The memory of a source, where nobody will read it any more: only the graph's own nodes hold it."""
    p, j, expected = donor
    source = nodes[p].sources[j]
    # 2: the local name and getrefcount's argument; the array is held by the node's slot and as the argument
    if sys.getrefcount(source) == expected + 2 and sys.getrefcount(source.value) == 2 and source.value.base is None:
        return source.value
    return None


class _Builder:
    """Lays out a plan: which values live where, and which words say so."""

    def __init__(self, plan: Plan, nodes: list[Node], seen: list[bool]):
        self.plan, self.nodes, self.seen = plan, nodes, seen
        self.steps = plan.steps
        self.values: dict[tuple[int, int], Value] = {}
        self.place = {node: i for i, node in enumerate(nodes)}
        self._make_values()
        self._note_readers()
        self._lay_out()
        self._write()

    # ---------------------------------------------------------------------------------------------------------- values
    def _make_values(self) -> None:
        number = 0
        for unit in self.plan.units:
            if type(unit) is Step:
                for p, k, spec in unit.outputs:
                    self.values[p, k] = Value(p, k, spec, number)
                number += 1

    def value_of(self, source: Any) -> Value | None:
        """The native value that a source is: a node's own, or one of several that it picks."""
        p = self.place.get(source)
        if p is None:
            return None
        if self.nodes[p].call.op is PICK and type(self.nodes[p].sources[0]) is Node:
            producer = self.place.get(self.nodes[p].sources[0])
            if producer is not None:
                return self.values.get((producer, self.nodes[p].call.attributes["index"]))
        return self.values.get((p, 0)) if type(self.nodes[p].call.out) is Spec else None

    def _note_readers(self) -> None:
        number = 0
        for unit in self.plan.units:
            if type(unit) is Step:
                for p, j in unit.inputs:
                    value = self.value_of(self.nodes[p].sources[j])
                    if value is not None:
                        value.last = max(value.last, number)
                number += 1
            else:
                for source in self.nodes[unit].sources:
                    if type(source) is Node and self.value_of(source) is not None:
                        self._take(source)
        for p, node in enumerate(self.nodes):
            if self.seen[p] and self.value_of(node) is not None:
                self._take(node)

    def _take(self, node: Node) -> None:
        value, p = self.value_of(node), self.place[node]
        assert value is not None
        if p not in value.takers:
            value.takers.append(p)

    # ---------------------------------------------------------------------------------------------------------- arena
    def _lay_out(self) -> None:
        layout = Layout()
        ends: dict[int, list[Value]] = {}
        self.scratch: list[int] = []
        for number, step in enumerate(self.steps):
            made = [self.values[p, k] for p, k, _ in step.outputs]
            for o, value in enumerate(made):
                if not value.takers:
                    value.home = self._inherited(step, o, value, number)
                    if value.home < 0:
                        value.home = layout.take(value.nbytes)
                    ends.setdefault(value.last, []).append(value)
            room = step.routine.scratch
            self.scratch.append(layout.take(room) if room else 0)
            if room:
                layout.give(self.scratch[-1], room)
            for value in ends.pop(number, ()):
                if value.home >= 0 and value.nbytes >= 0:
                    layout.give(value.home, value.nbytes)
        self.plan.arena_bytes = layout.size

    def _inherited(self, step: Step, o: int, value: Value, number: int) -> int:
        """The home of an input that dies here and whose place the output may take."""
        for i in step.routine.in_place.get(o, ()):
            p, j = step.inputs[i]
            old = self.value_of(self.nodes[p].sources[j])
            if self._is_read_twice(step, i):
                continue
            if old is not None and old.home >= 0 and old.last == number and old.nbytes == value.nbytes:
                home, old.nbytes = old.home, -1  # it is not given back: it goes on as another value
                return home
        return -1

    def _is_read_twice(self, step: Step, i: int) -> bool:
        """Whether a step reads the memory of input i as another input too, perhaps in another order."""
        p, j = step.inputs[i]
        source = self.nodes[p].sources[j]
        value = self.value_of(source) or source
        others = [self.nodes[q].sources[k] for n, (q, k) in enumerate(step.inputs) if n != i]
        return any((self.value_of(s) or s) is value for s in others if type(s) is Node)

    # ---------------------------------------------------------------------------------------------------------- words
    def _write(self) -> None:
        plan = self.plan
        self.words: list[int] = []
        self.homes: list[int] = []
        self.jobs: list[tuple[int, int, int]] = []  # function, first word of the block, chunks
        self.of_job: list[int] = []
        self.cells: dict[str, int] = {"float": 0, "int": 0}
        self.cell_words: list[tuple[int, str, int]] = []
        self.taken: set[tuple[int, int]] = set()
        self._count_references()
        plan.sequence, batch, number = [], None, 0
        for unit in plan.units:
            if type(unit) is int:
                plan.sequence.append(unit)
                batch = None
                continue
            if batch is None:
                batch = Batch(len(self.jobs))
                plan.sequence.append(batch)
            self._write_step(batch, unit, number)
            batch.count = len(self.jobs) - batch.first
            number += 1
        self._finish()

    def _count_references(self) -> None:
        """How often each outside node stands among the sources of native nodes, and who reads it last."""
        self.references: dict[int, int] = {}
        self.last_reader: dict[int, int] = {}
        native = {p for step in self.steps for p in step.places}
        for p, node in enumerate(self.nodes):
            for source in node.sources:
                if type(source) is Node and source not in self.place:
                    if p in native:
                        self.references[id(source)] = self.references.get(id(source), 0) + 1
                    else:
                        self.last_reader[id(source)] = sys.maxsize  # an interpreted reader: never taken over
        for number, step in enumerate(self.steps):
            for p, j in step.inputs:
                key = id(self.nodes[p].sources[j])
                self.last_reader[key] = max(self.last_reader.get(key, 0), number)

    def _write_step(self, batch: Batch, step: Step, number: int) -> None:
        start, routine = len(self.words), step.routine
        for p, j in step.inputs:
            self._write_input(batch, p, j)
        for o, (p, k, _) in enumerate(step.outputs):
            self._write_output(batch, step, o, self.values[p, k], number)
        self._write_home(self.scratch[number])
        self.words += routine.words()
        self.jobs += [(function, start, chunks) for function, chunks in routine.phases]
        self.of_job += [number] * len(routine.phases)

    def _write_home(self, home: int) -> None:
        self.homes.append(len(self.words))
        self.words.append(home)

    def _write_entry(self, batch: Batch, entry: int) -> None:
        batch.where.append(len(self.words))
        batch.which.append(entry)
        self.words.append(0)

    def _write_input(self, batch: Batch, p: int, j: int) -> None:
        source, spec = self.nodes[p].sources[j], self.nodes[p].call.specs[j]
        if type(source) is not Node:
            self._write_number(batch, p, j, source)
            return
        value = self.value_of(source)
        shifted = type(spec) is Spec and spec.shifted
        if value is None or value.takers and not self._is_new_in(batch, value):
            base: int | None = batch.entry(("outside", id(source)), ("outside", p, j))
        else:
            base = batch.index[value.place, value.k] if value.takers else None
        if shifted:
            home = value.home if value is not None and base is None else 0
            e = batch.entry(("shift", p, j), ("shift", base, home, p, j, spec.dtype.itemsize))
            self._write_entry(batch, e)
        elif base is None:
            assert value is not None
            self._write_home(value.home)
        else:
            self._write_entry(batch, base)

    def _is_new_in(self, batch: Batch, value: Value) -> bool:
        return (value.place, value.k) in batch.index

    def _write_number(self, batch: Batch, p: int, j: int, number: Any) -> None:
        kind = "int" if type(number) in (int, bool) else "float"
        cell = self.cells[kind]
        self.cells[kind] += 1
        (batch.ints if kind == "int" else batch.floats).append((cell, p, j))
        self.cell_words.append((len(self.words), kind, cell))
        self.words.append(0)

    def _write_output(self, batch: Batch, step: Step, o: int, value: Value, number: int) -> None:
        if not value.takers:
            self._write_home(value.home)
            return
        e = batch.entry((value.place, value.k), ("new", value))
        batch.values.append((e, value))
        donor = self._donor(step, o, value, number)
        if donor is not None:
            batch.donors[e] = donor
        self._write_entry(batch, e)

    def _donor(self, step: Step, o: int, value: Value, number: int) -> Any:
        """An outside source whose memory the output may take over, if it turns out that nobody else holds it."""
        if value.nbytes < LARGE:
            return None
        for i in step.routine.in_place.get(o, ()):
            p, j = step.inputs[i]
            source, spec = self.nodes[p].sources[j], self.nodes[p].call.specs[j]
            whole = type(source) is Node and spec is source.call.out and not spec.shifted
            whole = whole and not self._is_read_twice(step, i)
            if (
                whole
                and source not in self.place
                and self.last_reader[id(source)] == number
                and (p, j) not in self.taken
            ):
                self.taken.add((p, j))
                return p, j, self.references[id(source)]
        return None

    def _finish(self) -> None:
        plan = self.plan
        plan.words = np.array(self.words, np.int64)
        plan.homes = np.array(self.homes, np.intp)
        plan.bound = 0
        plan.floats = np.zeros(max(self.cells["float"], 1))
        plan.ints = np.zeros(max(self.cells["int"], 1), np.int64)
        for word, kind, cell in self.cell_words:
            plan.words[word] = address(plan.ints if kind == "int" else plan.floats) + 8 * cell
        at = address(plan.words)
        plan.jobs = np.array([(f, at + 8 * start, chunks) for f, start, chunks in self.jobs], np.int64)
        plan.jobs_at = address(plan.jobs)
        for part in plan.sequence:
            if type(part) is not int:
                part.freeze()
        plan.of_job = self.of_job


def make_plan(nodes: list[Node], seen: list[bool]) -> Plan | None:
    """The plan of a graph; None where nothing in it can be compiled."""
    plan = Plan(nodes, seen)
    return plan if plan.native else None


__all__ = ["Plan", "Routine", "Unplanned", "make_plan"]
