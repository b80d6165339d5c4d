"""Writes the code of kernels over rows: loops over tasks, sweeps over each row, terms.

Words of a block: addresses of inputs and outputs, scratch; tasks, how many of them an outer one has, blocks, lanes,
parts, chunks; three strides of each operand; the length of a row and other numbers, as doubles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from .emit import Namespace, Value
from .share import part
from .terms import Fold, Input, Keep, Place, Position, Sweeps, Term
from .vectors import ELEMENTS, I32, VOID, Writer, module_text, new_function


class Slot(NamedTuple):
    """A vector of lanes: where it begins, and which of its lanes count (None: all)."""

    lane: Any
    mask: Any


_NO_SLOT: tuple[Any] = (None,)  # along a row a uniform value has no place of its own


def text(plan: Sweeps, kind: str, columns: bool, split: bool, unroll: int) -> str:
    """A module with the function `rows`, and those that put together what chunks found: `gather` for sums over rows,
    `finish` where a single row is split.

    So many vectors lie side by side, each with accumulators of its own: additions wait for one another.
    """
    module = ir.Module("rows")
    _Rows(module, "rows", plan, kind, columns, unroll).emit(split)
    if any(o.across for o in plan.outputs):
        _emit_gather(module, kind, plan.inputs, plan.outputs)
    if split:
        _Rows(module, "finish", plan, kind, columns, unroll).emit_finish()
    return module_text(module)


class _Rows:
    """Writes one function of (block, chunk)."""

    def __init__(self, module: Any, name: str, plan: Sweeps, kind: str, columns: bool, unroll: int):
        self.plan, self.columns, self.kind, self.unroll = plan, columns, np.dtype(kind), unroll
        self.places, self.inputs, self.outputs = plan.places, plan.inputs, plan.outputs
        self.w = w = Writer(new_function(module, name), kind)
        self.xp = Namespace(w.b, w.lanes)
        self.known: dict[Any, Value] = {}
        self.task = w.int(0), w.int(0)
        block, self.chunk = w.function.args
        n = len(self.places)
        self.addresses = [w.word(block, i, ELEMENTS[p.dtype]) for i, p in enumerate(self.places)]
        self.scratch = w.word(block, n, w.element)
        self.tasks, self.inner, self.blocks, self.lanes, self.parts, self.chunks = w.words(block, n + 1, 6)
        self.steps = [tuple(w.words(block, n + 7 + 3 * i, 3)) for i in range(n)]
        self.numbers = w.b.inttoptr(w.add(block, 8 * (4 * n + 7)), ir.DoubleType().as_pointer())

    # ---------------------------------------------------------------------------------------------------------- walking
    def emit(self, split: bool) -> None:
        w = self.w
        if split:
            self._piece()
        else:
            self._clear()
            first, last = part(w, w.mul(self.tasks, self.parts), self.chunk, self.chunks)
            with w.loop(first, last) as unit:
                if self.columns:
                    self._strip(w.div(unit, self.parts), w.rem(unit, self.parts))
                else:
                    self._row(unit, [])
        w.b.ret_void()

    def _piece(self) -> None:
        """A chunk's part of the only row: what its folds are goes to the scratch memory."""
        w = self.w
        vectors = w.div(w.add(self.lanes, w.lanes - 1), w.lanes)
        first, last = (w.mul(v, w.lanes) for v in part(w, vectors, self.chunk, self.chunks))
        self._sweep(0, [], (first, w.min(last, self.lanes)))
        for k, fold in enumerate(self.plan.folds(0)):
            place = w.at(self.scratch, w.mul(self.chunks, k), self.chunk)
            w.b.store(w.lane(self.known[fold, 0].ir), place)

    def emit_finish(self) -> None:
        """The folds of all chunks, folded; and the results."""
        w = self.w
        for k, fold in enumerate(self.plan.folds(0)):
            start = w.splat(fold.function.start)
            with w.folding(0, self.chunks, w.lanes, [start]) as (i, (total,), after):
                mask = w.first_lanes(w.sub(self.chunks, i))
                x = w.load(w.at(self.scratch, w.mul(self.chunks, k), i), mask, start)
                after.append(fold.function.combine(self._float(total), self._float(x)).ir)
            self._finish(fold, [total])
        self._end([])
        w.b.ret_void()

    def _clear(self) -> None:
        """Zero this chunk's sums over rows."""
        w, across = self.w, sum(o.across for o in self.outputs)
        if across:
            self.scratch = w.at(self.scratch, w.mul(self.chunk, across, self.lanes))
            with w.loop(0, w.mul(across, self.lanes)) as i:
                w.b.store(ir.Constant(w.element, 0.0), w.at(self.scratch, i))

    def _strip(self, task: Any, number: Any) -> None:
        """Some of the lanes of a task, whose rows lie across."""
        w = self.w
        vectors = w.div(w.add(self.lanes, w.lanes - 1), w.lanes)
        first, last = (w.mul(v, w.lanes) for v in part(w, vectors, number, self.parts))
        for lanes, step, slots in self._slots(first, w.min(last, self.lanes)):
            with w.loop(*lanes, step) as i:
                self._row(task, slots(i))

    def _slots(self, first: Any, last: Any) -> list[tuple[tuple[Any, Any], int, Callable]]:
        """Loops over lanes: several whole vectors at a time, then single ones with a mask."""
        w, step = self.w, self.unroll * self.w.lanes
        whole = w.add(first, w.mul(w.div(w.sub(last, first), step), step))
        return [
            ((first, whole), step, lambda i: [Slot(w.add(i, u * w.lanes), None) for u in range(self.unroll)]),
            ((whole, last), w.lanes, lambda i: [Slot(i, w.first_lanes(w.sub(last, i)))]),
        ]

    def _row(self, task: Any, slots: list[Slot]) -> None:
        """All sweeps over one row; across rows, over as many as `slots` have lanes."""
        self.task, self.known = (self.w.div(task, self.inner), self.w.rem(task, self.inner)), {}
        for level in range(self.plan.levels()):
            self._sweep(level, slots, (self.w.int(0), self.lanes))
        self._end(slots)

    def _sweep(self, level: int, slots: list[Slot], lanes: tuple[Any, Any]) -> None:
        for t in self.plan.read(level):
            if t.uniform:
                self._know(t, slots)
        folds = self.plan.folds(level)
        width = len(slots) or self.unroll
        start = [self.w.splat(f.function.start) for f in folds for _ in range(width)]
        ends = self._across(level, slots, start) if self.columns else self._along(level, start, *lanes)
        for k, fold in enumerate(folds):
            self._finish(fold, ends[k * width : (k + 1) * width])

    def _end(self, slots: list[Slot]) -> None:
        """Store what is the same along a row."""
        for i, t in enumerate(self.plan.results):
            if self.outputs[i].uniform:
                self._know(t, slots)
                self._store_uniform(i, t, slots)

    def _across(self, level: int, slots: list[Slot], start: list) -> list:
        with self.w.folding(0, self.blocks, 1, start) as (block, carried, after):
            after += self._visit(level, block, slots, carried)
        return carried

    def _along(self, level: int, start: list, first: Any, last: Any) -> list:
        w = self.w
        with w.folding(0, self.blocks, 1, start) as (block, carried, after):
            inside = carried
            for lanes, step, slots in self._slots(first, last):
                with w.folding(*lanes, step, inside) as (i, inside, following):
                    following += self._visit(level, block, slots(i), inside)
            after += inside
        return carried

    def _visit(self, level: int, block: Any, slots: list[Slot], carried: list) -> list:
        """What a sweep does with some vectors of a row; gives the accumulators after it."""
        w, folds, stores = self.w, self.plan.folds(level), self.plan.stores(level)
        width = len(carried) // len(folds) if folds else 0
        after, pending = list(carried), []
        for u, slot in enumerate(slots):
            memo: dict[Term, Value] = {}
            for k, fold in enumerate(folds):
                x = self._value(fold.arguments[0], level, block, u, slot, memo).ir
                if slot.mask is not None and not self.columns:
                    x = w.b.select(slot.mask, x, w.splat(fold.function.start))
                at = k * width + u
                after[at] = fold.function.combine(self._float(carried[at]), self._float(x)).ir
            pending += [(i, slot, self._value(t, level, block, u, slot, memo)) for i, t in stores]
        for i, slot, value in pending:
            self._store(i, block, slot, value.ir)
        return after

    def _finish(self, fold: Term, accumulators: list) -> None:
        """The accumulators of a fold as its value."""
        values = [self._float(a) for a in accumulators]
        if self.columns:
            self.known |= {(fold, u): v for u, v in enumerate(values)}
            return
        combine = fold.function.combine
        while len(values) > 1:
            values = [combine(a, b) for a, b in zip(values[::2], values[1::2], strict=True)]
        folded = self.w.fold(values[0].ir, lambda a, b: combine(self._float(a), self._float(b)).ir)
        self.known[fold, 0] = self._float(folded)

    # ----------------------------------------------------------------------------------------------------------- values
    def _float(self, x: Any) -> Value:
        return Value(self.w.b, x, self.kind)

    def _know(self, t: Term, slots: list[Slot]) -> None:
        """Work out what is the same along a row, before the loop that needs it."""
        for u, slot in enumerate(slots or _NO_SLOT):
            if (t, u) in self.known or type(t.function) is Fold:
                continue
            for a in t.arguments:
                if isinstance(a, Term):
                    self._know(a, slots)
            get = self._known_in(u)
            self.known[t, u] = self._load(t.function, 0, slot) if type(t.function) is Input else self._applied(t, get)

    def _known_in(self, u: int) -> Callable[[Term], Value]:
        return lambda t: self.known[t, u if self.columns else 0]

    def _value(self, t: Term, level: int, block: Any, u: int, slot: Slot, memo: dict[Term, Value]) -> Value:
        """A term's value at some vector of a row."""
        if t.uniform:
            return self._known_in(u)(t)
        if t not in memo:
            memo[t] = self._computed(t, level, block, u, slot, memo)
        return memo[t]

    def _computed(self, t: Term, level: int, block: Any, u: int, slot: Slot, memo: dict[Term, Value]) -> Value:
        if type(t.function) is Input:
            return self._load(t.function, block, slot)
        if type(t.function) is Position:
            return self._position(block, slot)
        if type(t.function) is Keep:
            if t.level < level:
                return self._load(Input(self.inputs + self.plan.home(t)), block, slot)
            return self._value(t.arguments[0], level, block, u, slot, memo)
        return self._applied(t, lambda a: self._value(a, level, block, u, slot, memo))

    def _applied(self, t: Term, get: Callable[[Term], Value]) -> Value:
        function = getattr(self.xp, t.function) if isinstance(t.function, str) else t.function
        return function(*[get(a) if isinstance(a, Term) else a for a in t.arguments])

    def _position(self, block: Any, slot: Slot) -> Value:
        w, kind = self.w, ir.VectorType(I32, self.w.lanes)
        start = block if self.columns else w.add(w.mul(block, self.lanes), slot.lane)
        first = w.splat(w.b.trunc(start, I32))
        numbers = ir.Constant(kind, [0 if self.columns else i for i in range(w.lanes)])
        return Value(w.b, w.b.add(first, numbers), np.int32)

    def _load(self, which: Input, block: Any, slot: Slot | None) -> Value:
        if which.number >= len(self.places):
            number = self.w.b.load(self.w.at(self.numbers, which.number - len(self.places)))
            return self._spread(Value(self.w.b, number, np.float64))
        place = self.places[which.number]
        address = self._address(which.number, block)
        if not place.vector:
            return self._spread(Value(self.w.b, self.w.b.load(address), np.dtype(place.dtype)))
        assert slot is not None
        return self._loaded(self.w.at(address, slot.lane), slot.mask, place.dtype)

    def _loaded(self, address: Any, mask: Any, kind: str) -> Value:
        w = self.w
        if kind == w.name:
            return self._float(w.load(address, mask))
        return self._narrowed(Value(w.b, _load_as(w, kind, address, mask), np.dtype(kind)))

    def _spread(self, x: Value) -> Value:
        """A single number in every lane, in the type that is computed with."""
        x = self._narrowed(x)
        return Value(self.w.b, self.w.splat(x.ir), x.dtype)

    def _narrowed(self, x: Value) -> Value:
        return x.cast(self.kind if x.dtype.kind == "f" else np.int32)

    def _address(self, i: int, block: Any) -> Any:
        w, (by_outer, by_task, by_block) = self.w, self.steps[i]
        outer, task = self.task
        return w.at(self.addresses[i], w.mul(outer, by_outer), w.mul(task, by_task), w.mul(block, by_block))

    def _store(self, i: int, block: Any, slot: Slot, value: Any) -> None:
        w = self.w
        if not self.outputs[i].across:
            w.store(value, w.at(self._address(self.inputs + i, block), slot.lane), slot.mask)
            return
        number = sum(o.across for o in self.outputs[:i])
        address = w.at(self.scratch, w.mul(number, self.lanes), slot.lane)
        w.store(w.b.fadd(w.load(address, slot.mask), value), address, slot.mask)

    def _store_uniform(self, i: int, t: Term, slots: list[Slot]) -> None:
        w, place, address = self.w, self.outputs[i], self._address(self.inputs + i, 0)
        for u, slot in enumerate(slots or _NO_SLOT):
            value = self.known[t, u].cast(np.dtype(place.dtype)).ir
            if place.vector:
                _store_as(w, place.dtype, value, w.at(address, slot.lane), slot.mask)
        if not place.vector:
            w.b.store(w.lane(value), address)


def _load_as(w: Writer, kind: str, address: Any, mask: Any) -> Any:
    """As many elements of another type as the writer's vectors have lanes."""
    vector, align = ir.VectorType(ELEMENTS[kind], w.lanes), np.dtype(kind).itemsize
    where = w.b.bitcast(address, vector.as_pointer())
    if mask is None:
        return w.b.load(where, align=align)
    function = _masked(w, "load", kind, vector, [where.type, I32, mask.type, vector])
    return w.b.call(function, [where, ir.Constant(I32, align), mask, ir.Constant(vector, None)])


def _store_as(w: Writer, kind: str, value: Any, address: Any, mask: Any) -> None:
    align = np.dtype(kind).itemsize
    where = w.b.bitcast(address, value.type.as_pointer())
    if mask is None:
        w.b.store(value, where, align=align)
    else:
        function = _masked(w, "store", kind, VOID, [value.type, where.type, I32, mask.type])
        w.b.call(function, [value, where, ir.Constant(I32, align), mask])


def _masked(w: Writer, what: str, kind: str, result: Any, arguments: list) -> Any:
    name = f"llvm.masked.{what}.v{w.lanes}{kind[0]}{8 * np.dtype(kind).itemsize}.p0"
    return w.module.globals.get(name) or ir.Function(w.module, ir.FunctionType(result, arguments), name)


def _emit_gather(module: Any, kind: str, inputs: int, outputs: Sequence[Place]) -> None:
    """Write `gather(block, chunk)`: the chunks' sums over rows become one."""
    w = Writer(new_function(module, "gather"), kind)
    block, n = w.function.args[0], inputs + len(outputs)
    scratch, lanes, chunks = w.word(block, n, w.element), w.word(block, n + 4), w.word(block, n + 6)
    across = [i for i, o in enumerate(outputs) if o.across]
    for k, i in enumerate(across):
        target = w.word(block, inputs + i, w.element)
        with w.loop(0, lanes, w.lanes) as lane:
            mask = w.first_lanes(w.sub(lanes, lane))
            with w.folding(0, chunks, 1, [w.zero]) as (chunk, (total,), after):
                start = w.mul(w.add(w.mul(chunk, len(across)), k), lanes)
                after.append(w.b.fadd(total, w.load(w.at(scratch, start, lane), mask)))
            w.store(total, w.at(target, lane), mask)
    w.b.ret_void()
