"""A region as a routine: a loop nest over merged dimensions, in explicit vectors.

The dimensions of a region are merged as far as every operand allows, so that most regions are one long run. The
innermost dimension is walked in vectors: an operand's step there is 1 (a load), 0 (one element for all lanes) or
anything else (a gather). The other dimensions are one counter of rows, from which each operand's address follows. Sizes
and strides are words of the block: one kernel serves every size.

What leaves the loop: "store" writes elements; a fold adds them up: "all", "inner" (one sum per row) or "outer" (one sum
per column). Sums that several chunks make together are put together by a second phase.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from ..core.dtype import HALF
from ..core.spec import Spec
from ..graph.node import Node
from ..runtime import threads
from . import jit
from .emit import I64, TYPES, Namespace, Unsupported, Value, from_memory, to_memory
from .routine import Routine
from .vectors import counted, splat

LANES = 16  # elements in a vector, whatever their width: LLVM splits what is wider than a register
TURNS = 64  # additions in a row in single precision; a long sum goes on in double precision
BLOCK = 16384  # elements that are worth another chunk


class Operand:
    """An input of a loop: its dtype (or the type of a Python number), and its steps along the dimensions."""

    __slots__ = ("kind", "steps")

    def __init__(self, kind: Any, steps: tuple[int, ...] = ()):
        self.kind, self.steps = kind, steps

    @property
    def is_number(self) -> bool:
        return isinstance(self.kind, type)

    def walk(self) -> str:
        """How the innermost dimension is walked."""
        if self.is_number:
            return "number"
        return {0: "same", 1: "next"}.get(self.steps[-1], "far")


class Nest:
    """The dimensions of a loop, merged: sizes, the operands' steps, and how what it makes leaves it."""

    def __init__(self, size: Sequence[int], inputs: list[Operand], outputs: list[tuple[Any, str]], reduced: set[int]):
        self.outputs = outputs
        dims = [
            (n, [i.steps[d] for i in inputs if not i.is_number], d in reduced) for d, n in enumerate(size) if n != 1
        ]
        merged: list[tuple[int, list[int], bool]] = []
        for n, steps, fold in dims or [(1, [0 for i in inputs if not i.is_number], False)]:
            if merged and _continues(merged[-1], n, steps, fold):
                merged[-1] = merged[-1][0] * n, steps, fold
            else:
                merged.append((n, steps, fold))
        self.sizes = [n for n, _, _ in merged]
        arrays = iter(range(len(dims[0][1]) if dims else len(merged[0][1])))
        self.inputs = [
            i if i.is_number else Operand(i.kind, tuple(m[1][k] for m in merged))
            for i, k in ((i, -1 if i.is_number else next(arrays)) for i in inputs)
        ]
        self.fold = _fold_kind([fold for _, _, fold in merged], bool(reduced))
        if self.fold == "outer" and len(merged) != 2:
            raise Unsupported("sums over several groups of leading dimensions")

    @property
    def rows(self) -> int:
        return math.prod(self.sizes[:-1])

    @property
    def columns(self) -> int:
        return self.sizes[-1]

    def signature(self) -> tuple:
        """What the code depends on."""
        inputs = [(i.kind.__name__ if i.is_number else i.kind.name, i.walk()) for i in self.inputs]
        return len(self.sizes), tuple(inputs), tuple((kind.name, how) for kind, how in self.outputs)


def _continues(before: tuple, n: int, steps: list[int], fold: bool) -> bool:
    """Whether a dimension goes on where the one before it ends, for every operand."""
    return before[2] == fold and all(a == b * n for a, b in zip(before[1], steps, strict=True))


def _fold_kind(folds: list[bool], any_fold: bool) -> str:
    if not any_fold:
        return ""
    if all(folds):
        return "all"
    if folds[-1] and not any(folds[:-1]):
        return "inner"
    if folds[0] and not any(folds[1:]):
        return "outer"
    raise Unsupported("sums over dimensions in the middle")


# ------------------------------------------------------------------------------------------------------------- routine
_kernels: dict[tuple, dict[str, int]] = {}


def loop_routine(key: tuple, build: Callable, nest: Nest, weight: int, means: Sequence[bool] = ()) -> Routine:
    """The routine of a nest. `build(builder, lanes, values)` gives the values of the outputs; `key` says what it does.

    weight: about how many simple operations an element takes. means: which folds are divided by their number.
    """
    unroll = 4 if weight <= 6 else 2 if weight <= 16 else 1
    full = (key, nest.signature(), nest.fold, unroll)
    found = _kernels.get(full)
    if found is None:
        found = _kernels[full] = jit.load(("loop", *full), ("main", "finish"), lambda: _module(build, nest, unroll))
    chunks = _chunks(nest, weight)
    folded = [o for o, (_, how) in enumerate(nest.outputs) if how != "store"]
    count = math.prod(nest.sizes) if nest.fold == "all" else nest.columns if nest.fold == "inner" else nest.rows
    constants = [chunks, *nest.sizes]
    for i in nest.inputs:
        constants += i.steps
    constants += [count if mean else 1 for mean in (means or [False] * len(nest.outputs))]
    width = nest.columns if nest.fold == "outer" else 1
    scratch = chunks * width * len(folded) * 8 if nest.fold in ("all", "outer") else 0
    phases = [(found["main"], chunks)]
    if nest.fold in ("all", "outer"):
        phases.append((found["finish"], 1))
    return Routine(phases, constants, scratch)


def _chunks(nest: Nest, weight: int) -> int:
    """How many pieces are worth being run by several threads."""
    n = threads.get_num_threads()
    elements = math.prod(nest.sizes)
    most = elements * (weight + len(nest.inputs) + len(nest.outputs)) // (4 * BLOCK)
    if n == 1 or most < 2:
        return 1
    if nest.fold == "outer":
        return min(n, nest.rows, most)
    return min(4 * n, most, elements if len(nest.sizes) == 1 else nest.rows)


# ---------------------------------------------------------------------------------------------------------------- code
def _module(build: Callable, nest: Nest, unroll: int) -> str:
    module = ir.Module("kenaz")
    main = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64, I64]), "main")
    _Main(main, build, nest, unroll).emit()
    finish = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64, I64]), "finish")
    _Finish(finish, nest).emit()
    return str(module).replace(
        '@"main"(i64 %".1", i64 %".2")', '@"main"(i64 %".1", i64 %".2") "prefer-vector-width"="512"'
    )


class _Writer:
    """What both functions need: the block, its words, loops and elements in memory."""

    def __init__(self, function: ir.Function, nest: Nest):
        self.nest = nest
        self.b = ir.IRBuilder(function.append_basic_block("start"))
        self.block = self.b.inttoptr(function.args[0], I64.as_pointer())
        self.chunk = function.args[1]
        ins, outs, depth = len(nest.inputs), len(nest.outputs), len(nest.sizes)
        self.pointers = [self._pointer(i, self._element(x.kind)) for i, x in enumerate(nest.inputs)]
        self.targets = [self._pointer(ins + o, TYPES[kind.name][1]) for o, (kind, _) in enumerate(nest.outputs)]
        self.scratch = self.word(ins + outs)
        self.chunks = self.word(ins + outs + 1)
        self.sizes = [self.word(ins + outs + 2 + d) for d in range(depth)]
        place = ins + outs + 2 + depth
        self.steps: list[list[Any]] = []
        for x in nest.inputs:
            self.steps.append([self.word(place + d) for d in range(len(x.steps))])
            place += len(x.steps)
        self.counts = [self.word(place + o) for o in range(outs)]
        self.folds = [o for o, (_, how) in enumerate(nest.outputs) if how != "store"]

    def _element(self, kind: Any) -> Any:
        if isinstance(kind, type):
            return TYPES["int64" if kind in (int, bool) else "float64"][1]
        return TYPES[kind.name][1]

    def _pointer(self, i: int, element: Any) -> Any:
        return self.b.inttoptr(self.word(i), element.as_pointer())

    def word(self, i: int) -> Any:
        return self.b.load(self.b.gep(self.block, [ir.Constant(I64, i)]))

    def number(self, n: int) -> ir.Constant:
        return ir.Constant(I64, n)

    def min(self, x: Any, y: Any) -> Any:
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def partial(self, fold: int, chunk: Any, width: Any, element: Any) -> Any:
        """Where a chunk keeps its part of a fold: `width` elements of 8 bytes."""
        b = self.b
        index = b.mul(b.add(b.mul(chunk, self.number(len(self.folds))), self.number(fold)), width)
        return b.inttoptr(b.add(self.scratch, b.mul(index, self.number(8))), element.as_pointer())

    def loop(self, start: Any, end: Any, step: int = 1, carried: Sequence[Any] = ()) -> Any:
        """A counted loop that carries values; gives (counter, values, list of the next values)."""
        return counted(self.b, start, end, self.number(step), carried)

    def splat(self, x: Any) -> Any:
        return splat(self.b, x, LANES)

    def masked(self, name: str, vector: Any, *arguments: Any) -> Any:
        """A call of LLVM's masked load, store or gather for a type of vector."""
        suffix = {"float": "f32", "double": "f64", "half": "f16"}.get(str(vector.element), str(vector.element))
        result = ir.VoidType() if name == "store" else vector
        extra = f"v{vector.count}p0" if name == "gather" else "p0"
        full = f"llvm.masked.{name}.v{vector.count}{suffix}.{extra}"
        kind = ir.FunctionType(result, [a.type for a in arguments])
        function = self.b.module.globals.get(full) or ir.Function(self.b.module, kind, full)
        return self.b.call(function, list(arguments))


class _Main(_Writer):
    """The loop itself, over the rows (or the piece of the one long row) of a chunk."""

    def __init__(self, function: ir.Function, build: Callable, nest: Nest, unroll: int):
        super().__init__(function, nest)
        self.build, self.unroll = build, unroll

    def emit(self) -> None:
        b = self.b
        self.fixed = {i: self._scalar(i, p) for i, p in enumerate(self.pointers) if self.nest.inputs[i].is_number}
        self._prepare_sums()
        if len(self.sizes) == 1:
            self._long_row()
        else:
            rows = self.sizes[0]
            for n in self.sizes[1:-1]:
                rows = b.mul(rows, n)
            with self.loop(*self._share(rows)) as (row, _, _):
                starts = [self._row_start(i, row) for i in range(len(self.pointers))]
                first = b.mul(row, self.sizes[-1])
                self._add_row(self._row(starts, first, self.sizes[-1]), row)
        for f, cell in enumerate(self.totals):
            target = self.partial(f, self.chunk, self.number(1), ir.DoubleType())
            b.store(b.load(cell), target)
        b.ret_void()

    def _share(self, n: Any, unit: int = 1) -> tuple[Any, Any]:
        """This chunk's share of n, beginning at multiples of `unit`."""
        b = self.b
        edges = []
        for c in (self.chunk, b.add(self.chunk, self.number(1))):
            edge = b.sdiv(b.mul(n, c), self.chunks)
            edges.append(b.mul(b.sdiv(edge, self.number(unit)), self.number(unit)) if unit > 1 else edge)
        last = b.icmp_signed("==", b.add(self.chunk, self.number(1)), self.chunks)
        return edges[0], b.select(last, n, edges[1])

    def _prepare_sums(self) -> None:
        b = self.b
        self.totals = [b.alloca(ir.DoubleType()) for _ in self.folds] if self.nest.fold == "all" else []
        for cell in self.totals:
            b.store(ir.Constant(ir.DoubleType(), 0.0), cell)
        self.columns: dict[int, Any] = {}
        if self.nest.fold == "outer":
            for f, o in enumerate(self.folds):
                element = TYPES[self.nest.outputs[o][0].name][1]
                target = self.partial(f, self.chunk, self.sizes[1], element)
                self.columns[o] = target
                with self.loop(self.number(0), self.sizes[1]) as (i, _, _):
                    b.store(ir.Constant(element, 0.0), b.gep(target, [i]))

    def _long_row(self) -> None:
        """One dimension: a piece of it, in shorter pieces where sums need them."""
        b = self.b
        start, end = self._share(self.sizes[0], LANES * self.unroll)
        piece = TURNS * LANES * self.unroll if self.folds else 1 << 62
        with self.loop(start, end, piece) as (at, _, _):
            count = self.min(b.sub(end, at), self.number(piece))
            starts = [
                p if x.is_number else b.gep(p, [b.mul(at, self.steps[i][0])])
                for i, (p, x) in enumerate(zip(self.pointers, self.nest.inputs, strict=True))
            ]
            self._add_row(self._row(starts, at, count), self.number(0))

    def _row_start(self, i: int, row: Any) -> Any:
        """Where an operand's row begins: the row's number is taken apart into indices."""
        b, x = self.b, self.nest.inputs[i]
        if x.is_number:
            return self.pointers[i]
        offset, rest = self.number(0), row
        for d in range(len(self.sizes) - 2, -1, -1):
            index = rest if d == 0 else b.srem(rest, self.sizes[d])
            rest = b.sdiv(rest, self.sizes[d]) if d else rest
            offset = b.add(offset, b.mul(index, self.steps[i][d]))
        return b.gep(self.pointers[i], [offset])

    def _row(self, starts: list[Any], first: Any, count: Any) -> dict[int, Any]:
        """Walk a row in vectors; returns each fold's vector of sums."""
        b, step = self.b, LANES * self.unroll
        held = dict(self.fixed)
        for i, x in enumerate(self.nest.inputs):
            if x.walk() == "same":
                held[i] = self._scalar(i, starts[i])
        folding = self.folds if self.nest.fold in ("all", "inner") else []
        kinds = [ir.VectorType(TYPES[self.nest.outputs[o][0].name][0], LANES) for o in folding]
        zeros = [ir.Constant(k, None) for k in kinds for _ in range(self.unroll)]
        whole = b.mul(b.sdiv(count, self.number(step)), self.number(step))
        with self.loop(self.number(0), whole, step, zeros) as (i, sums, after):
            for u in range(self.unroll):
                at = b.add(i, self.number(u * LANES))
                results = self._vector(starts, held, first, at, None)
                after.extend(b.fadd(sums[u * len(folding) + f], results[o].ir) for f, o in enumerate(folding))
        heads = sums
        totals = [heads[f] for f in range(len(folding))]
        for u in range(1, self.unroll):
            totals = [b.fadd(t, heads[u * len(folding) + f]) for f, t in enumerate(totals)]
        with self.loop(whole, count, LANES, totals) as (i, sums, after):
            mask = self._mask(b.sub(count, i))
            results = self._vector(starts, held, first, i, mask)
            for f, o in enumerate(folding):
                after.append(b.fadd(sums[f], b.select(mask, results[o].ir, ir.Constant(kinds[f], None))))
        return dict(zip(folding, sums, strict=True))

    def _vector(self, starts: list[Any], held: dict[int, Value], first: Any, at: Any, mask: Any) -> list[Value]:
        """LANES elements from column `at` on: load, compute, store."""
        values = [held[i] if i in held else self._load(i, starts[i], at, mask) for i in range(len(starts))]
        results = self.build(self.b, LANES, values)
        for o, (kind, how) in enumerate(self.nest.outputs):
            if how == "store":
                self._store(results[o].to(kind), kind, self.b.gep(self.targets[o], [self.b.add(first, at)]), mask)
            elif how == "outer":
                self._add_to(results[o], kind, self.b.gep(self.columns[o], [at]), mask)
        return results

    def _mask(self, count: Any) -> Any:
        numbers = ir.Constant(ir.VectorType(I64, LANES), list(range(LANES)))
        return self.b.icmp_signed("<", numbers, self.splat(count))

    def _scalar(self, i: int, pointer: Any) -> Value:
        """One element in every lane."""
        kind = self.nest.inputs[i].kind
        return self._value(self.splat(self.b.load(pointer)), kind)

    def _value(self, loaded: Any, kind: Any) -> Value:
        if isinstance(kind, type):
            return Value(self.b, loaded, "int64" if kind in (int, bool) else "float64")
        return from_memory(self.b, loaded, kind, LANES)

    def _load(self, i: int, start: Any, at: Any, mask: Any) -> Value:
        b, x = self.b, self.nest.inputs[i]
        element = TYPES[x.kind.name][1]
        vector = ir.VectorType(element, LANES)
        align = ir.Constant(ir.IntType(32), x.kind.itemsize)
        if x.walk() == "far":
            step = self.steps[i][-1]
            lanes = ir.Constant(ir.VectorType(I64, LANES), list(range(LANES)))
            offsets = b.mul(b.add(lanes, self.splat(at)), self.splat(b.mul(step, self.number(x.kind.itemsize))))
            everywhere = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES)
            places = b.add(self.splat(b.ptrtoint(start, I64)), offsets)
            addresses = b.inttoptr(places, ir.VectorType(element.as_pointer(), LANES))
            loaded = self._gather(vector, addresses, align, everywhere if mask is None else mask)
        else:
            pointer = b.bitcast(b.gep(start, [at]), vector.as_pointer())
            if mask is None:
                loaded = b.load(pointer, align=x.kind.itemsize)
            else:
                loaded = self.masked("load", vector, pointer, align, mask, ir.Constant(vector, None))
        return self._value(loaded, x.kind)

    def _gather(self, vector: Any, addresses: Any, align: Any, mask: Any) -> Any:
        return self.masked("gather", vector, addresses, align, mask, ir.Constant(vector, None))

    def _store(self, value: Value, kind: Any, target: Any, mask: Any) -> None:
        b = self.b
        stored = to_memory(value, kind)
        pointer = b.bitcast(target, stored.type.as_pointer())
        if mask is None:
            b.store(stored, pointer, align=kind.itemsize)
        else:
            self.masked("store", stored.type, stored, pointer, ir.Constant(ir.IntType(32), kind.itemsize), mask)

    def _add_to(self, value: Value, kind: Any, target: Any, mask: Any) -> None:
        """Add a vector to the columns' sums."""
        b, vector = self.b, value.ir.type
        pointer, align = b.bitcast(target, vector.as_pointer()), ir.Constant(ir.IntType(32), kind.itemsize)
        if mask is None:
            b.store(b.fadd(b.load(pointer, align=kind.itemsize), value.ir), pointer, align=kind.itemsize)
        else:
            old = self.masked("load", vector, pointer, align, mask, ir.Constant(vector, None))
            self.masked("store", vector, b.fadd(old, value.ir), pointer, align, mask)

    # ----------------------------------------------------------------------------------------------------------- folds
    def _add_row(self, sums: dict[int, Any], row: Any) -> None:
        """What a row's sums are for: the row's own output, or a total in double precision."""
        b = self.b
        for f, o in enumerate(sums):
            total = self._across(sums[o])
            if self.nest.fold == "all":
                wide = total if isinstance(total.type, ir.DoubleType) else b.fpext(total, ir.DoubleType())
                b.store(b.fadd(b.load(self.totals[f]), wide), self.totals[f])
            else:
                b.store(b.fdiv(total, b.sitofp(self.counts[o], total.type)), b.gep(self.targets[o], [row]))

    def _across(self, vector: Any) -> Any:
        """The sum of a vector's lanes."""
        b, n = self.b, LANES // 2
        while n:
            order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [i ^ n for i in range(LANES)])
            vector = b.fadd(vector, b.shuffle_vector(vector, vector, order))
            n //= 2
        return b.extract_element(vector, ir.Constant(ir.IntType(32), 0))


class _Finish(_Writer):
    """The second phase: puts the chunks' parts of sums together."""

    def emit(self) -> None:
        b, fold = self.b, self.nest.fold
        if fold in ("all", "outer"):
            for f, o in enumerate(self.folds):
                element = TYPES[self.nest.outputs[o][0].name][1]
                width = self.sizes[1] if fold == "outer" else self.number(1)
                self._combine(f, o, width, element if fold == "outer" else ir.DoubleType())
        b.ret_void()

    def _combine(self, f: int, o: int, width: Any, element: Any) -> None:
        b = self.b
        kind = self.nest.outputs[o][0]
        with self.loop(self.number(0), width) as (i, _, _):
            with self.loop(self.number(0), self.chunks, 1, [ir.Constant(element, 0.0)]) as (c, (total,), after):
                after.append(b.fadd(total, b.load(b.gep(self.partial(f, c, width, element), [i]))))
            mean = b.fdiv(total, b.sitofp(self.counts[o], element))
            b.store(self._narrow(mean, kind), b.gep(self.targets[o], [i]))

    def _narrow(self, value: Any, kind: Any) -> Any:
        to = TYPES[kind.name][0]
        return value if value.type == to else self.b.fptrunc(value, to)


# --------------------------------------------------------------------------------------------- nodes as expressions
def apply_body(node: Node, b: ir.IRBuilder, lanes: int, values: list[Value]) -> Value:
    """A pointwise node's value: inputs in the computing dtype, the body, the result in its own dtype."""
    call = node.call
    if call.op.body is None:  # a copy: nothing but the dtype
        return values[0].to(call.out.dtype)
    compute = call.compute
    assert compute is not None
    xp = Namespace(b, lanes)
    # beside halves a Python number counts as a float32
    numbers = np.dtype(np.float32) if compute in HALF else compute.np
    given = [v.cast(numbers) if type(s) is type else v.to(compute) for v, s in zip(values, call.specs, strict=True)]
    result = xp.lift(call.op.body(xp, *given, **call.attributes))
    return result.to(call.out.dtype)


def steps_of(spec: Spec, size: Sequence[int]) -> tuple[int, ...]:
    """A tensor's steps along the dimensions of `size`, to which it is broadcast."""
    padded = (1,) * (len(size) - spec.ndim) + tuple(spec.size)
    strides = (0,) * (len(size) - spec.ndim) + tuple(spec.stride)
    return tuple(0 if n == 1 else q for n, q in zip(padded, strides, strict=True))
