"""Kernels that go a few times over each row of an array: softmax, normalizations, losses, folds along axes.

A row is what one fold folds: the elements along some axes. It stays in the cache between sweeps, and different rows
run in parallel. How rows lie in memory decides how they are walked, `task` by `task`, with vectors along `lane`:

    along a row    [task][block][lane], [block][task][lane]    a row is `blocks` runs of neighbours; lanes are folded
    across rows    [task][block][lane]                         neighbours belong to different rows; a lane folds its own

A body is written once, over `xp`, like the body of a pointwise operator, with folds along the row:

    def softmax(xp, x):
        e = xp.keep(xp.exp(x - xp.max(x)))
        return e * (1 / xp.sum(e)),

It is called with `Term`s, which remember what was asked of them. Everything up to a fold is one sweep over the row;
what comes after it is recomputed in the next, or read again from the memory of a result where the body says `keep`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..core.spec import Spec
from . import jit
from .emit import Namespace, Value
from .routine import Routine
from .share import chunks_for, part
from .vectors import ELEMENTS, I32, Writer, module_text, new_function

UNROLL = 4  # vectors side by side, each with accumulators of its own: additions wait for one another


# ---------------------------------------------------------------------------------------------------------------- terms
class Term:
    """Something a body computes. `level`: how many sweeps come before it is known; `uniform`: the same along a row."""

    __slots__ = ("arguments", "function", "level", "uniform")
    __hash__ = object.__hash__
    __truediv__: Any
    __neg__: Any

    def __init__(self, function: Any, arguments: tuple = (), level: int = 0, uniform: bool = False):
        self.function, self.arguments, self.level, self.uniform = function, arguments, level, uniform


class Fold(NamedTuple):
    """What is known once a row has been gone through."""

    combine: Callable[[Value, Value], Value]
    start: float


class Keep(NamedTuple):
    """An intermediate value that later sweeps read from the memory of a result."""

    number: int


class Input(NamedTuple):
    number: int


class Position(NamedTuple):
    """The number of an element in its row."""


def _first_of(sign: str) -> Callable[[Value, Value], Value]:
    """The larger or smaller of two; nan wins over both."""
    return lambda a, b: (a._compare(sign, b) | (a != a)).select(a, b)


FOLDS = {
    "sum": Fold(operator.add, 0.0),
    "max": Fold(_first_of(">"), float("-inf")),
    "min": Fold(_first_of("<"), float("inf")),
}


def pure(function: Any, *arguments: Any) -> Term:
    """A term that depends on nothing but other terms and numbers."""
    terms = [a for a in arguments if isinstance(a, Term)]
    return Term(function, arguments, max(t.level for t in terms), all(t.uniform for t in terms))


def _operator(name: str, swap: bool) -> Callable:
    function = getattr(operator, name)
    return lambda a, b: pure(function, b, a) if swap else pure(function, a, b)


for _name in ("add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne", "and_", "or_"):
    setattr(Term, f"__{_name.strip('_')}__", _operator(_name, False))
    setattr(Term, f"__r{_name.strip('_')}__", _operator(_name, True))
Term.__neg__ = lambda a: pure(operator.neg, a)


class Trace:
    """`xp` for bodies of rows: folds, `keep`, `count`, `position`; every other function is that of `Namespace`."""

    def __init__(self, count: Term):
        self.count, self.kept = count, 0

    def sum(self, x: Term) -> Term:
        return self._fold("sum", x)

    def max(self, x: Term) -> Term:
        return self._fold("max", x)

    def min(self, x: Term) -> Term:
        return self._fold("min", x)

    def mean(self, x: Term) -> Term:
        return self._fold("sum", x) / self.count

    def _fold(self, name: str, x: Term) -> Term:
        return Term(FOLDS[name], (x,), x.level + 1, True)

    def keep(self, x: Term) -> Term:
        self.kept += 1
        return Term(Keep(self.kept - 1), (x,), x.level)

    def position(self) -> Term:
        return Term(Position())

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: pure(name, *arguments)


# --------------------------------------------------------------------------------------------------------------- places
class Place(NamedTuple):
    """How an operand is found: its type, whether it varies along a row, and whether lanes have elements of their own.

    Its two strides, from task to task and from block to block, are only known when the kernel runs.
    """

    dtype: str
    uniform: bool
    vector: bool
    across: bool = False  # a result that sums over rows what is at one position in them


class Shape(NamedTuple):
    """Rows in memory. strides: (outer task, task, block, lane) of each operand that was given."""

    columns: bool  # whether neighbours belong to different rows
    tasks: tuple[int, int]  # counted in two digits, where one stride does not reach all
    blocks: int
    lanes: int
    strides: list[tuple[int, ...]]
    in_order: bool  # whether rows come in the order of memory, and elements in their rows too

    @property
    def rows(self) -> int:
        tasks = self.tasks[0] * self.tasks[1]
        return tasks * self.lanes if self.columns else tasks

    @property
    def length(self) -> int:
        """How many elements a row has."""
        return self.blocks if self.columns else self.blocks * self.lanes


# what groups of axes are, from the slowest to the fastest: r is folded, k is kept
_PATTERNS: dict[str, tuple[str, ...]] = {
    "": (), "r": ("lane",), "rr": ("block", "lane"), "rkr": ("block", "task", "lane"),
    "kr": ("task", "lane"), "krr": ("task", "block", "lane"), "kkr": ("outer", "task", "lane"),
    "kkrr": ("outer", "task", "block", "lane"),
    "k": ("lane",), "kk": ("task", "lane"), "rk": ("block", "lane"), "rkk": ("block", "task", "lane"),
    "krk": ("task", "block", "lane"), "kkrk": ("outer", "task", "block", "lane"),
}  # fmt: skip
_DIGITS = ("outer", "task", "block", "lane")


def arrange(size: Sequence[int], dims: Sequence[int], strides: Sequence[Sequence[int]]) -> Shape | None:
    """How rows along `dims` lie in arrays of one size and these strides; None where they cannot be walked.

    >>> arrange((8, 64, 7, 7), (0, 2, 3), [(3136, 49, 7, 1)])
    Shape(columns=False, tasks=(1, 64), blocks=8, lanes=49, strides=[(0, 49, 3136, 1)], in_order=True)
    >>> arrange((8, 10), (0,), [(10, 1)])
    Shape(columns=True, tasks=(1, 1), blocks=8, lanes=10, strides=[(0, 0, 10, 1)], in_order=True)
    """
    axes = sorted((d for d in range(len(size)) if size[d] != 1), key=lambda d: -strides[0][d])
    groups: list[list] = []  # [folded, size, stride in each array]
    for d in axes:
        folded, here = d in dims, [s[d] for s in strides]
        if groups and groups[-1][0] == folded and groups[-1][2] == [q * size[d] for q in here]:
            groups[-1][1:] = [groups[-1][1] * size[d], here]
        else:
            groups.append([folded, size[d], here])
    roles = _PATTERNS.get("".join("r" if g[0] else "k" for g in groups))
    if roles is None:
        return None
    extent = dict.fromkeys(_DIGITS, 1) | {role: g[1] for role, g in zip(roles, groups, strict=True)}
    step = {role: [role == "lane"] * len(strides) for role in _DIGITS}
    step |= {role: g[2] for role, g in zip(roles, groups, strict=True)}
    found = [tuple(map(int, s)) for s in zip(*(step[role] for role in _DIGITS), strict=True)]
    kept, gone = [d for d in axes if d not in dims], [d for d in axes if d in dims]
    return Shape(
        bool(groups) and not groups[-1][0], (extent["outer"], extent["task"]), extent["block"], extent["lane"],
        found, kept == sorted(kept) and gone == sorted(gone),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- routines
class Argument(NamedTuple):
    """An input or a result. role: "element"; "row", one number a row; "position", the same numbers in every row;
    "across", a result that sums over rows; "number", a Python number."""

    spec: Any
    role: str = "element"


def rows_routine(
    name: Any, body: Callable, inputs: Sequence[Argument], outputs: Sequence[Argument], dims: Sequence[int],
    numbers: Sequence[float] = (), cost: int = 1,
) -> Routine | None:  # fmt: skip
    """What runs `body(xp, *inputs, *numbers) -> outputs` on rows along `dims`; None where memory lies too oddly.

    `name` (hashable) stands for the body; `numbers` are known by now, but not part of the compiled code. `cost` is
    about how many times as long as a copy the work takes.
    """
    given = [*inputs, *outputs]
    elements = [a.spec for a in given if a.role == "element"]
    kind, size = elements[0].dtype, elements[0].size
    if kind.name not in ("float32", "float64") or not elements[0].numel or any(s.size != size for s in elements):
        return None
    shape = arrange(size, dims, [outputs_first(given)[0].stride, *[s.stride for s in elements]])
    if shape is None:
        return None
    strides, places, walked = [], [], iter(shape.strides[1:])
    for a in given:
        found = _place(a, kind.name, shape, next(walked) if a.role == "element" else None)
        if found is None:
            return None
        places.append(found[0])
        strides.append(found[1])
    kernel = _compiled(
        name, body, kind.name, shape.columns, tuple(places[: len(inputs)]), tuple(places[len(inputs) :]), len(numbers)
    )
    return _routine(kernel, shape, strides, numbers, cost)


def outputs_first(given: list[Argument]) -> list[Spec]:
    """Specs of elements, results before inputs: the order of axes follows what is written."""
    return [a.spec for a in reversed(given) if a.role == "element"]


def _place(
    a: Argument, element: str, shape: Shape, stride: tuple[int, ...] | None
) -> tuple[Place, tuple[int, ...]] | None:
    """How an argument is found in memory, and its strides from (outer) task to task and from block to block."""
    if stride is not None:
        if a.spec.dtype.name != element:
            return None
        return (Place(element, False, stride[3] == 1), stride[:3]) if stride[3] in (0, 1) else None
    if not isinstance(a.spec, Spec):
        return Place("int64" if a.spec in (int, bool) else "float64", True, False), (0, 0, 0)
    kind, n = a.spec.dtype.name, a.spec.numel
    if not a.spec.contiguous or kind not in (element, "int32", "int64"):
        return None
    if a.role == "row" and n == 1:
        return Place(kind, True, False), (0, 0, 0)
    if not shape.in_order or n != (shape.rows if a.role == "row" else shape.length):
        return None
    if a.role == "row":
        each = shape.lanes if shape.columns else 1
        return Place(kind, True, shape.columns), (shape.tasks[1] * each, each, 0)
    if a.role == "across":
        return None if shape.columns or shape.blocks > 1 else (Place(kind, False, True, True), (0, 0, 0))
    return Place(kind, False, not shape.columns), (0, 0, 1 if shape.columns else shape.lanes)


class Kernel(NamedTuple):
    """Compiled code, and what has to be known to call it. safe: {output: inputs that are read before it is written}."""

    run: int
    gather: int
    across: int
    itemsize: int
    in_place: dict[int, int]


def _routine(kernel: Kernel, shape: Shape, strides: list, numbers: Sequence[float], cost: int) -> Routine:
    lanes_each, tasks = UNROLL * jit.vector_bytes() // kernel.itemsize, math.prod(shape.tasks)
    pieces = -(-shape.lanes // lanes_each) if shape.columns else 1
    chunks = chunks_for(shape.rows * shape.length * cost, tasks * pieces, 1 if kernel.across else 4)
    parts = min(pieces, -(-chunks // tasks))
    constants = [tasks, shape.tasks[1], shape.blocks, shape.lanes, parts, chunks, *[q for s in strides for q in s]]
    constants += [_bits(float(shape.length)), *map(_bits, numbers)]
    if not kernel.across:
        return Routine([(kernel.run, chunks)], constants, 0, kernel.in_place)
    room = chunks * kernel.across * shape.lanes * kernel.itemsize
    return Routine([(kernel.run, chunks), (kernel.gather, 1)], constants, room, kernel.in_place)


def _bits(number: float) -> int:
    return int(np.float64(number).view(np.int64))


# ------------------------------------------------------------------------------------------------------------ compiling
_kernels: dict[tuple, Kernel] = {}


def _compiled(
    name: Any,
    body: Callable,
    kind: str,
    columns: bool,
    inputs: tuple[Place, ...],
    outputs: tuple[Place, ...],
    numbers: int,
) -> Kernel:  # fmt: skip
    key = name, kind, columns, inputs, outputs, jit.vector_bytes()
    if key not in _kernels:
        module = ir.Module("rows")
        writer = _Rows(module, body, kind, columns, inputs, outputs, numbers)
        writer.emit()
        across = sum(o.across for o in outputs)
        entries = ["rows"]
        if across:
            _emit_gather(module, kind, len(inputs), outputs)
            entries.append("gather")
        found = jit.compile_module(module_text(module), entries)
        itemsize = np.dtype(kind).itemsize
        _kernels[key] = Kernel(found["rows"], found.get("gather", 0), across, itemsize, writer.in_place())
    return _kernels[key]


class Slot(NamedTuple):
    """A vector of lanes: where it begins, and which of its lanes count (None: all)."""

    lane: Any
    mask: Any


_NO_SLOT: tuple[Any] = (None,)  # along a row a uniform value has no place of its own


class _Rows:
    """Writes `rows(block, chunk)`: tasks, sweeps, terms.

    Words of the block: addresses of inputs and outputs, scratch; tasks, how many of them an outer one has, blocks,
    lanes, parts, chunks; three strides of each operand; the length of a row and other numbers, as doubles.
    """

    def __init__(
        self, module: Any, body: Callable, kind: str, columns: bool, inputs: tuple, outputs: tuple, numbers: int
    ):
        self.places, self.inputs = (*inputs, *outputs), len(inputs)
        self.outputs, self.columns = outputs, columns
        self.kind = np.dtype(kind)
        given = [Term(Input(i), uniform=p.uniform) for i, p in enumerate(inputs)]
        known = [Term(Input(len(self.places) + i), uniform=True) for i in range(numbers + 1)]
        self.results: tuple[Term, ...] = body(Trace(known[0]), *given, *known[1:])
        assert len(self.results) == len(outputs), f"{body}: {len(self.results)} results for {len(outputs)} outputs"
        self.w = Writer(new_function(module, "rows"), kind)
        self.xp = Namespace(self.w.b, self.w.lanes)
        self.terms = _ordered(self.results)
        self.known: dict[Any, Value] = {}

    # --------------------------------------------------------------------------------------------------------- planning
    def _folds(self, level: int) -> list[Term]:
        return [t for t in self.terms if type(t.function) is Fold and t.arguments[0].level == level]

    def _stores(self, level: int) -> list[tuple[int, Term]]:
        """The (number of an output, what is stored there) of a sweep."""
        found = [(i, t) for i, t in enumerate(self.results) if not self.outputs[i].uniform and t.level == level]
        return found + [(self._home(t), t) for t in self.terms if type(t.function) is Keep and t.level == level]

    def _home(self, t: Term) -> int:
        """The output whose memory keeps a value."""
        return [i for i, o in enumerate(self.outputs) if not o.uniform and not o.across][t.function.number]

    def _levels(self) -> int:
        return 1 + max(
            [t.arguments[0].level for t in self.terms if type(t.function) is Fold]
            + [t.level for t, o in zip(self.results, self.outputs, strict=True) if not o.uniform]
        )

    def in_place(self) -> dict[int, int]:
        """An output and an input that may be one memory: no sweep reads the input after one that wrote the output."""
        written = {i: level for level in reversed(range(self._levels())) for i, _ in self._stores(level)}
        last = {
            t.function.number: level
            for level in range(self._levels())
            for t in self._read(level)
            if type(t.function) is Input and t.function.number < self.inputs
        }
        elements = [i for i in range(self.inputs) if not self.places[i].uniform and self.places[i].vector]
        outs = [i for i, o in enumerate(self.outputs) if not o.uniform and not o.across]
        for i in outs[:1]:
            for j in elements:
                if self.places[j].dtype == self.kind.name and last.get(j, 0) <= written[i]:
                    return {i: j}
        return {}

    def _read(self, level: int) -> list[Term]:
        """The terms that a sweep evaluates."""
        roots = [t.arguments[0] for t in self._folds(level)] + [t for _, t in self._stores(level)]
        return _ordered(roots, lambda t: type(t.function) is Fold or type(t.function) is Keep and t.level < level)

    # ---------------------------------------------------------------------------------------------------------- walking
    def emit(self) -> None:
        w = self.w
        block, chunk = w.function.args
        n = len(self.places)
        self.addresses = [w.word(block, i, ELEMENTS[p.dtype]) for i, p in enumerate(self.places)]
        self.scratch = w.word(block, n, w.element)
        tasks, self.inner, self.blocks, self.lanes, parts, chunks = w.words(block, n + 1, 6)
        self.steps = [tuple(w.words(block, n + 7 + 3 * i, 3)) for i in range(n)]
        self.numbers = w.b.inttoptr(w.add(block, 8 * (4 * n + 7)), ir.DoubleType().as_pointer())
        self._clear(chunk)
        first, last = part(w, w.mul(tasks, parts), chunk, chunks)
        with w.loop(first, last) as unit:
            if self.columns:
                self._strip(w.div(unit, parts), w.rem(unit, parts), parts)
            else:
                self._row(unit, [])
        w.b.ret_void()

    def _clear(self, chunk: Any) -> None:
        """Zero this chunk's sums over rows."""
        w, across = self.w, sum(o.across for o in self.outputs)
        if across:
            self.scratch = w.at(self.scratch, w.mul(chunk, across, self.lanes))
            with w.loop(0, w.mul(across, self.lanes)) as i:
                w.b.store(ir.Constant(w.element, 0.0), w.at(self.scratch, i))

    def _strip(self, task: Any, number: Any, parts: Any) -> None:
        """Some of the lanes of a task, whose rows lie across."""
        w = self.w
        vectors = w.div(w.add(self.lanes, w.lanes - 1), w.lanes)
        first, last = (w.mul(v, w.lanes) for v in part(w, vectors, number, parts))
        last = w.min(last, self.lanes)
        for lane, slots in self._slots(first, last):
            with lane as i:
                self._row(task, slots(i))

    def _slots(self, first: Any, last: Any) -> list[tuple[Any, Callable]]:
        """Loops over lanes: several whole vectors at a time, then single ones with a mask."""
        w = self.w
        whole = w.add(first, w.mul(w.div(w.sub(last, first), UNROLL * w.lanes), UNROLL * w.lanes))
        return [
            (
                w.loop(first, whole, UNROLL * w.lanes),
                lambda i: [Slot(w.add(i, u * w.lanes), None) for u in range(UNROLL)],
            ),
            (w.loop(whole, last, w.lanes), lambda i: [Slot(i, w.first_lanes(w.sub(last, i)))]),
        ]

    def _row(self, task: Any, slots: list[Slot]) -> None:
        """All sweeps over one row; across rows, over as many as `slots` have lanes."""
        self.task, self.known = (self.w.div(task, self.inner), self.w.rem(task, self.inner)), {}
        for level in range(self._levels()):
            for t in self._read(level):
                if t.uniform:
                    self._know(t, slots)
            folds = self._folds(level)
            width = len(slots) or UNROLL
            start = [self.w.splat(f.function.start) for f in folds for _ in range(width)]
            ends = self._across(level, slots, start) if self.columns else self._along(level, start)
            for k, fold in enumerate(folds):
                self._finish(fold, ends[k * width : (k + 1) * width])
        for i, t in enumerate(self.results):
            if self.outputs[i].uniform:
                self._know(t, slots)
                self._store_uniform(i, t, slots)

    def _across(self, level: int, slots: list[Slot], start: list) -> list:
        with self.w.folding(0, self.blocks, 1, start) as (block, carried, after):
            after += self._visit(level, block, slots, carried)
        return carried

    def _along(self, level: int, start: list) -> list:
        w = self.w
        step = UNROLL * w.lanes
        whole = w.mul(w.div(self.lanes, step), step)
        with w.folding(0, self.blocks, 1, start) as (block, carried, after):
            with w.folding(0, whole, step, carried) as (i, inside, following):
                slots = [Slot(w.add(i, u * w.lanes), None) for u in range(UNROLL)]
                following += self._visit(level, block, slots, inside)
            with w.folding(whole, self.lanes, w.lanes, inside) as (i, tail, following):
                following += self._visit(level, block, [Slot(i, w.first_lanes(w.sub(self.lanes, i)))], tail)
            after += tail
        return carried

    def _visit(self, level: int, block: Any, slots: list[Slot], carried: list) -> list:
        """What a sweep does with some vectors of a row; gives the accumulators after it."""
        w, folds, stores = self.w, self._folds(level), self._stores(level)
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
                return self._load(Input(self.inputs + self._home(t)), block, slot)
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
        w, address = self.w, self._address(self.inputs + i, 0)
        if not self.outputs[i].vector:
            w.b.store(w.lane(self.known[t, 0].ir), address)
            return
        for u, slot in enumerate(slots):
            w.store(self.known[t, u].ir, w.at(address, slot.lane), slot.mask)


def _ordered(roots: Sequence[Term], is_known: Callable[[Term], bool] = lambda t: False) -> list[Term]:
    """Terms and all that they need, which comes first; what is known needs nothing."""
    found: dict[Term, None] = {}

    def visit(t: Any) -> None:
        if isinstance(t, Term) and t not in found:
            for a in () if is_known(t) else t.arguments:
                visit(a)
            found[t] = None

    for t in roots:
        visit(t)
    return list(found)


def _load_as(w: Writer, kind: str, address: Any, mask: Any) -> Any:
    """As many elements of another type as the writer's vectors have lanes."""
    vector = ir.VectorType(ELEMENTS[kind], w.lanes)
    where, align = w.b.bitcast(address, vector.as_pointer()), np.dtype(kind).itemsize
    if mask is None:
        return w.b.load(where, align=align)
    name = f"llvm.masked.load.v{w.lanes}i{8 * align}.p0"
    signature = ir.FunctionType(vector, [where.type, I32, mask.type, vector])
    function = w.module.globals.get(name) or ir.Function(w.module, signature, name)
    return w.b.call(function, [where, ir.Constant(I32, align), mask, ir.Constant(vector, None)])


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
