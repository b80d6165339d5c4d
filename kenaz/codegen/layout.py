"""Laying a plan out: which value lives where, and which words of the steps' blocks say so."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..core import config
from ..core.spec import Spec
from ..graph.node import PICK, Node
from . import report
from .halves import Graph, widened
from .memory import Layout
from .plan import Batch, Plan, Value
from .routine import address
from .steps import Natives, Step, make_steps

LARGE = 1 << 15  # bytes from which looking for memory to take over pays


def make_plan(nodes: list[Node], seen: list[bool]) -> Plan | None:
    """The plan of a graph; None where nothing in it can be compiled."""
    natives = Natives()
    graph = widened(nodes, seen, natives.__getitem__)
    plan = Plan(make_steps(graph.nodes, graph.seen, natives), graph)
    if not plan.native:
        return None
    if config.DRAW:
        report.drawn.append(report.Drawn(plan.units, graph.nodes))
    Builder(plan, graph)
    return plan


class Words:
    """The words of a batch while they are collected. An entry is a place in one of the batch's lists of addresses."""

    def __init__(self, batch: Batch):
        self.batch = batch
        self.lists: dict[str, list] = {"outside": batch.outside, "new": batch.new, "shift": batch.shifts}
        self.entries: dict[Any, tuple[str, int]] = {}
        self.where: list[int] = []
        self.which: list[tuple[str, int]] = []

    def entry(self, kind: str, key: Any, make: tuple) -> tuple[str, int]:
        """The entry of a key, made once."""
        found = self.entries.get(key)
        if found is None:
            found = self.entries[key] = kind, len(self.lists[kind])
            self.lists[kind].append(make)
        return found

    def number(self, entry: tuple[str, int]) -> int:
        """An entry's number among all addresses, once there will be no more."""
        kind, k = entry
        before = {"outside": 0, "new": len(self.batch.outside), "shift": len(self.batch.outside) + len(self.batch.new)}
        return before[kind] + k

    def freeze(self) -> None:
        batch = self.batch
        batch.positions = np.array(self.where, np.intp)
        batch.order = np.array([self.number(e) for e in self.which], np.intp)
        lists: Any = batch.shifts  # until now they named their bases as entries
        lists[:] = [(base and self.number(base), *rest) for base, *rest in lists]


class Builder:
    """Lays out a plan: which values live where, and which words say so."""

    def __init__(self, plan: Plan, graph: Graph):
        self.plan, self.graph = plan, graph
        self.nodes, self.seen = graph.nodes, graph.seen
        self.steps = plan.steps
        self.values: dict[tuple[int, int], Value] = {}
        self.place = {node: i for i, node in enumerate(graph.nodes)}
        self._make_values()
        self._note_readers()
        self._lay_out()
        self._write()

    # ---------------------------------------------------------------------------------------------------------- values
    def _make_values(self) -> None:
        for number, step in enumerate(self.steps):
            for p, k, spec in step.outputs:
                self.values[p, k] = Value(p, k, spec, number)

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
        for number, step in enumerate(self.steps):
            for p, j in step.inputs:
                value = self.value_of(self.nodes[p].sources[j])
                if value is not None:
                    value.last = max(value.last, number)
        for unit in self.plan.units:
            if type(unit) is int:
                for source in self.nodes[unit].sources:
                    if type(source) is Node and self.value_of(source) is not None:
                        self._take(source)
        for p, node in enumerate(self.nodes):
            if self.seen[p] and self.value_of(node) is not None:
                self._take(node)

    def _take(self, node: Node) -> None:
        value, p = self.value_of(node), self.graph.real[self.place[node]]
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
        batches: list[Words] = []
        for unit in plan.units:
            if type(unit) is int:
                plan.sequence.append(self.graph.real[unit])
                batch = None
                continue
            if batch is None:
                batch = Words(Batch(len(self.jobs)))
                batches.append(batch)
                plan.sequence.append(batch.batch)
            self._write_step(batch, unit, number)
            batch.batch.count = len(self.jobs) - batch.batch.first
            number += 1
        for batch in batches:
            batch.freeze()
        self._finish()

    def _count_references(self) -> None:
        """How often each outside node stands among the sources of native nodes, and who reads it last."""
        self.references: dict[int, int] = {}
        self.last_reader: dict[int, int] = {}
        graph = self.graph
        native = {graph.real[p] for step in self.steps for p in step.places}
        inside = set(graph.given)
        for p, node in enumerate(graph.given):
            for source in node.sources:
                if type(source) is Node and source not in inside:
                    if p in native:
                        self.references[id(source)] = self.references.get(id(source), 0) + 1
                    else:
                        self.last_reader[id(source)] = sys.maxsize  # an interpreted reader: never taken over
        for number, step in enumerate(self.steps):
            for p, j in step.inputs:
                key = id(self.nodes[p].sources[j])
                self.last_reader[key] = max(self.last_reader.get(key, 0), number)

    def _write_step(self, batch: Words, step: Step, number: int) -> None:
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

    def _write_entry(self, batch: Words, entry: tuple[str, int]) -> None:
        batch.where.append(len(self.words))
        batch.which.append(entry)
        self.words.append(0)

    def _write_input(self, batch: Words, p: int, j: int) -> None:
        source, spec = self.nodes[p].sources[j], self.nodes[p].call.specs[j]
        if type(source) is not Node:
            self._write_number(batch, p, j, source)
            return
        value = self.value_of(source)
        shifted = type(spec) is Spec and spec.shifted
        if value is None or value.takers and not self._is_new_in(batch, value):
            base: tuple[str, int] | None = batch.entry("outside", id(source), self.graph.at(p, j))
        else:
            base = batch.entries[value.place, value.k] if value.takers else None
        if shifted:
            home = value.home if value is not None and base is None else 0
            shift = (base, home, *self.graph.at(p, j), 0, spec.dtype.itemsize)
            self._write_entry(batch, batch.entry("shift", ("shift", p, j), shift))
        elif base is None:
            assert value is not None
            self._write_home(value.home)
        else:
            self._write_entry(batch, base)

    def _is_new_in(self, batch: Words, value: Value) -> bool:
        return (value.place, value.k) in batch.entries

    def _write_number(self, batch: Words, p: int, j: int, number: Any) -> None:
        kind = "int" if type(number) in (int, bool) else "float"
        cell = self.cells[kind]
        self.cells[kind] += 1
        (batch.batch.ints if kind == "int" else batch.batch.floats).append((cell, *self.graph.at(p, j)))
        self.cell_words.append((len(self.words), kind, cell))
        self.words.append(0)

    def _write_output(self, batch: Words, step: Step, o: int, value: Value, number: int) -> None:
        if not value.takers:
            self._write_home(value.home)
            return
        donor = self._donor(step, o, value, number)
        self._write_entry(batch, batch.entry("new", (value.place, value.k), (value, donor)))

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
                return *self.graph.at(p, j), self.references[id(source)]
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
        plan.of_job = self.of_job
