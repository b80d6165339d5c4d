"""Recurrent layers over a whole sequence: one routine forward, one backward, whatever the cell.

A step is a product and what the cell makes of it, and needs all of the step before. So each step is a phase, and a
chunk of it has some columns of the hidden state to itself: it multiplies by its part of the weights, which was packed
once before all steps, into a buffer of its own, and goes over that buffer with the cell.

    forward     buffer (batch x gates x columns) = hidden state before @ W'  + b       then  cell.forward
    backward    buffer (batch x columns)         = slopes of all gates one step on @ W  then  cell.backward

A phase is not told which step it is: chunks count the chunks that are done, in a word of the scratch memory.
What the cell is, bodies say that are written over `xp`, as for pointwise operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..core.spec import Spec
from ..graph.node import Call
from ..runtime import threads
from . import gemm, jit, tiles
from .emit import Namespace, Value
from .routine import ALIGN, Routine
from .share import part
from .tiles import Tile
from .vectors import I64, Writer, module_text, new_function

LEAST = 1 << 20  # multiplications of a step for which a second thread is worth waking


class Cell(NamedTuple):
    """What one step does to each unit of the hidden state.

    forward(xp, x, h, before) -> (after, kept): x and h are what the input and the hidden state contribute to the gates;
    before and after are the states; `kept` numbers are what backward needs.
    backward(xp, slopes, before, kept) -> (of x, of h, direct): `slopes` are of the states after the step; `direct` is
    what reaches the states before the step past the gates, None for nothing.
    """

    name: str
    gates: int
    states: int
    kept: int
    forward: Callable
    backward: Callable
    is_split: bool = False  # whether the slopes of what x and h contribute differ


# ------------------------------------------------------------------------------------------------------------ routines
def forward_routine(cell: Cell, call: Call) -> Routine | None:
    """For inputs (gates of the input, weight, bias, states at the start); outputs (hidden states as the result, states
    with those at the start, what is kept)."""
    x, weight, bias = call.specs[:3]
    has_bias = type(bias) is Spec
    if not _fits([s for s in call.specs if type(s) is Spec]):
        return None
    return _routine("forward", cell, (has_bias,), x, weight.size[1], cell.gates, call.attributes["backwards"])


def backward_routine(cell: Cell, call: Call) -> Routine | None:
    """For inputs (gradients of the result and of the last states, weight, states, kept); outputs (slopes of x, of h if
    they differ, of the states at the start)."""
    slope, others = call.specs[0], call.specs[1:]
    given = tuple(type(s) is Spec for s in call.specs[: 1 + cell.states])
    if not _fits([s for s in others if type(s) is Spec]):
        return None
    if given[0] and (slope.stride[2] != 1 or slope.dtype is not others[-1].dtype):
        return None
    strides = slope.stride[:2] if given[0] else (0, 0)
    depth = others[cell.states].size[0]
    return _routine("backward", cell, given, call.out[0], depth, 1, not call.attributes["backwards"], strides)


def _fits(specs: Sequence[Spec]) -> bool:
    """Whether all is dense, of one dtype that is compiled, and not empty."""
    kind = specs[0].dtype
    return kind.name in ("float32", "float64") and all(s.contiguous and s.dtype is kind and s.numel for s in specs)


def _routine(
    way: str, cell: Cell, given: Sequence[bool], x: Spec, depth: int, products: int, backwards: bool,
    strides: Sequence[int] = (0, 0),
) -> Routine:  # fmt: skip
    """`x` has the size (steps, batch, gates * width); the product of a step has this depth."""
    kind, (steps, batch, across) = x.dtype.name, x.size
    width = across // cell.gates
    rows, vectors = _tile(batch)
    columns = vectors * tiles.lanes(kind)
    units = -(-width // columns)
    chunks = min(threads.get_num_threads() if batch * width * across > LEAST else 1, units)
    capacity = -(-units // chunks) * columns
    places, end = _places(
        np.dtype(kind).itemsize, chunks * products * capacity * depth, chunks * batch * products * capacity,
        cell.states * batch * width,
    )  # fmt: skip
    words = (
        steps, batch, width, units, chunks, rows, columns, tiles.lanes(kind), _kernels(kind, batch, rows, vectors),
        steps - 1 if backwards else 0, -1 if backwards else 1, int(backwards), capacity, *places, *strides,
        sum(there << i for i, there in enumerate(given)),
    )  # fmt: skip
    start, step = _compiled(way, cell, kind)
    return Routine([(start, chunks)] + [(step, chunks)] * (steps + (way == "backward")), words, end)


def _tile(batch: int) -> tuple[int, int]:
    """Rows and vectors of tiles: as wide as the batch allows, and as equal."""
    vectors = next((v for v in (4, 3) if batch <= tiles.most_rows(v)), 2)
    return -(-batch // -(-batch // tiles.most_rows(vectors))), vectors


def _places(itemsize: int, *elements: int) -> tuple[list[int], int]:
    """Where so many elements begin in the scratch memory, after the counter, each on a line of its own; and the end."""
    edges = np.cumsum([ALIGN, *(-(-n * itemsize // ALIGN) * ALIGN for n in elements)]).tolist()
    return edges[:-1], edges[-1]


def _kernels(kind: str, batch: int, rows: int, vectors: int) -> np.ndarray:
    """The addresses of the tiles that may be needed, at vectors * KERNELS + rows."""
    table = np.zeros((vectors + 1, gemm.KERNELS), np.int64)
    for r in {min(rows, batch), batch % rows} - {0}:
        for v in range(1, vectors + 1):
            table[v, r] = tiles.tile_address(Tile(r, v, kind))
    return table


WORDS = (
    "steps", "batch", "width", "units", "chunks", "rows", "columns", "lanes", "kernels", "first", "sign", "backwards",
    "capacity", "packed_at", "own_at", "carry_at", "by_step", "by_row",
    "given",
)  # fmt: skip
_code: dict[tuple, tuple[int, int]] = {}


def _compiled(way: str, cell: Cell, kind: str) -> tuple[int, int]:
    key = way, cell.name, kind, jit.vector_bytes()
    if key not in _code:
        found = jit.load(("recurrent", *key), ["start", "step"], lambda: _text(way, cell, kind))
        _code[key] = found["start"], found["step"]
    return _code[key]


def _text(way: str, cell: Cell, kind: str) -> str:
    module = ir.Module("recurrent")
    writer = {"forward": _Forward, "backward": _Backward}[way]
    pack, block = tiles.emit_pack(module, kind), gemm.emit_block(module, kind)
    writer(module, "start", cell, kind).start(pack)
    writer(module, "step", cell, kind).step(block)
    return module_text(module)


# ------------------------------------------------------------------------------------------------------------- writing
class _Sequence:
    """What both ways have in common. A subclass says which operands there are, what is packed, and what a step does."""

    def __init__(self, module: Any, name: str, cell: Cell, kind: str):
        self.cell, self.kind = cell, np.dtype(kind)
        self.w = w = Writer(new_function(module, name), kind)
        self.xp = Namespace(w.b, w.lanes)
        block, self.chunk = w.function.args
        names = self.operands()
        self.at = {n: w.word(block, i, w.element) for i, n in enumerate(names)}
        self.scratch = w.word(block, len(names))
        self.n = dict(zip(WORDS, w.words(block, len(names) + 1, len(WORDS)), strict=True))
        self.across = w.mul(self.n["width"], cell.gates)
        first, last = (w.mul(u, self.n["columns"]) for u in part(w, self.n["units"], self.chunk, self.n["chunks"]))
        self.first, self.last = first, w.min(last, self.n["width"])
        self.mine = w.sub(self.last, self.first)

    operands: Callable[[], list[str]]  # names, as they come in the block
    start: Callable[[Any], None]  # write the first phase, given gemm's packing
    step: Callable[[Any], None]  # write the phase of a step, given gemm's block

    def _is_given(self, i: int) -> Any:
        """Whether the operand is there that bit `i` of a word tells of."""
        return self.w.test(self.w.b.and_(self.n["given"], self.w.int(1 << i)), "!=", 0)

    def _if_given(self, i: int, mask: Any) -> Any:
        """The mask, or one of nothing: what is not there reads as zero."""
        return self.w.b.and_(mask, self.w.splat(self._is_given(i)))

    def _room(self, name: str, elements: Any) -> Any:
        """This chunk's part of some scratch memory."""
        start = self.w.b.inttoptr(self.w.add(self.scratch, self.n[name]), self.w.pointer)
        return self.w.at(start, self.w.mul(self.chunk, elements))

    def _carry(self, state: int, row: Any) -> Any:
        """Where the slope of a state that does not come through the gates is between two steps."""
        w, n = self.w, self.n
        start = w.b.inttoptr(w.add(self.scratch, n["carry_at"]), w.pointer)
        return w.at(start, w.mul(w.add(w.mul(state, n["batch"]), row), n["width"]))

    def _columns(self, row_of: Callable[[Any, Any, Any], None]) -> None:
        """Go over every row of the batch and this chunk's columns: row_of(row, column, mask)."""
        w = self.w
        with w.loop(0, self.n["batch"], name="row") as row, w.loop(self.first, self.last, w.lanes, name="column") as j:
            row_of(row, j, w.first_lanes(w.sub(self.last, j)))

    def _now(self) -> Any:
        """The number of the step: every chunk of the steps before has counted itself, and not all of this one have."""
        w = self.w
        done = w.b.load_atomic(self._counter(), "seq_cst", 8)
        return w.div(done, self.n["chunks"])

    def _counter(self) -> Any:
        return self.w.b.inttoptr(self.scratch, I64.as_pointer())

    def _count(self) -> None:
        self.w.b.atomic_rmw("add", self._counter(), self.w.int(1), "seq_cst")

    def _multiply(self, block: Any, **given: Any) -> None:
        """Call gemm's block on this chunk's columns."""
        w, n = self.w, self.n
        one = ir.Constant(w.element, 1.0)
        words = {k: n[k] for k in ("rows", "columns", "lanes")} | {
            "kernels": w.b.inttoptr(n["kernels"], I64.as_pointer()), "m": n["batch"], "n": self.mine,
            "b_step": n["columns"], "b_far": w.mul(given["depth"], n["columns"]), "a_step": w.int(1),
            "a_far": w.mul(n["rows"], given["a_row"]), "d": ir.Constant(w.pointer, None), "d_row": w.int(0),
            "turned": w.int(0), "alpha": one, "beta": one,
        }  # fmt: skip
        w.b.call(block, [(words | given)[name] for name in gemm.BLOCK])

    def _load(self, pointer: Any, mask: Any) -> Value:
        return Value(self.w.b, self.w.load(pointer, mask), self.kind)


class _Forward(_Sequence):
    def operands(self) -> list[str]:
        states = range(self.cell.states)
        given = ["x", "weight", "bias", *(f"start{s}" for s in states)]
        return [*given, "result", *(f"states{s}" for s in states), "kept"]

    def start(self, pack: Any) -> None:
        """Pack the weights of each gate, transposed, and put the states at the start where steps find them."""
        w, n = self.w, self.n
        panels = self._room("packed_at", w.mul(self.cell.gates, n["capacity"], n["width"]))
        for g in range(self.cell.gates):
            rows = w.at(self.at["weight"], w.mul(w.add(w.mul(g, n["width"]), self.first), n["width"]))
            here = w.at(panels, w.mul(g, n["capacity"], n["width"]))
            w.b.call(pack, [rows, here, self.mine, n["width"], n["width"], w.int(1), n["columns"], n["columns"]])
        place = w.mul(n["backwards"], n["steps"])

        def copy(row: Any, j: Any, mask: Any) -> None:
            for s in range(self.cell.states):
                start = w.at(self.at[f"start{s}"], w.mul(row, n["width"]), j)
                w.store(w.load(start, mask), self._state(s, place, row, j), mask)

        self._columns(copy)
        w.b.store(w.int(0), self._counter())
        w.b.ret_void()

    def _state(self, s: int, place: Any, row: Any, j: Any) -> Any:
        w, n = self.w, self.n
        return w.at(self.at[f"states{s}"], w.mul(w.add(w.mul(place, n["batch"]), row), n["width"]), j)

    def step(self, block: Any) -> None:
        w, n, gates = self.w, self.n, self.cell.gates
        now = w.add(n["first"], w.mul(n["sign"], self._now()))
        before, after = w.add(now, n["backwards"]), w.add(now, w.sub(1, n["backwards"]))
        panels = self._room("packed_at", w.mul(gates, n["capacity"], n["width"]))
        own, wide = self._room("own_at", w.mul(n["batch"], gates, n["capacity"])), w.mul(gates, n["capacity"])
        for g in range(gates):
            bias = w.at(self.at["bias"], w.mul(g, n["width"]), self.first)
            bias = w.b.select(self._is_given(0), bias, ir.Constant(w.pointer, None))
            self._multiply(
                block, a=self._state(0, before, w.int(0), w.int(0)), a_row=n["width"], depth=n["width"],
                b=w.at(panels, w.mul(g, n["capacity"], n["width"])), c=w.at(own, w.mul(g, n["capacity"])),
                c_row=wide, d=bias,
            )  # fmt: skip

        def turn(row: Any, j: Any, mask: Any) -> None:
            at_row = w.add(w.mul(now, n["batch"]), row)
            x = w.at(self.at["x"], w.mul(at_row, self.across), j)
            h = w.at(own, w.mul(row, wide), w.sub(j, self.first))
            states, kept = self.cell.forward(
                self.xp,
                [self._load(w.at(x, w.mul(g, n["width"])), mask) for g in range(gates)],
                [self._load(w.at(h, w.mul(g, n["capacity"])), mask) for g in range(gates)],
                [self._load(self._state(s, before, row, j), mask) for s in range(self.cell.states)],
            )
            for s, value in enumerate(states):
                w.store(value.ir, self._state(s, after, row, j), mask)
            w.store(states[0].ir, w.at(self.at["result"], w.mul(at_row, n["width"]), j), mask)
            for k, value in enumerate(kept):
                place = w.mul(w.add(w.mul(at_row, self.cell.kept), k), n["width"])
                w.store(value.ir, w.at(self.at["kept"], place, j), mask)

        self._columns(turn)
        self._count()
        w.b.ret_void()


class _Backward(_Sequence):
    """`first`, `sign` and `backwards` are those of the way back."""

    def operands(self) -> list[str]:
        states = range(self.cell.states)
        given = ["slope", *(f"last{s}" for s in states), "weight", *(f"states{s}" for s in states), "kept"]
        return [*given, "of_x", *["of_h"] * self.cell.is_split, *(f"of_start{s}" for s in states)]

    def start(self, pack: Any) -> None:
        """Pack the weights, and begin with the slopes of the last states."""
        w, n = self.w, self.n
        panels = self._room("packed_at", w.mul(n["capacity"], self.across))
        columns = w.at(self.at["weight"], self.first)
        w.b.call(pack, [columns, panels, self.mine, self.across, w.int(1), n["width"], n["columns"], n["columns"]])
        own = self._room("own_at", w.mul(n["batch"], n["capacity"]))

        def begin(row: Any, j: Any, mask: Any) -> None:
            w.store(w.zero, w.at(own, w.mul(row, n["capacity"]), w.sub(j, self.first)), mask)
            for s in range(self.cell.states):
                last = w.at(self.at[f"last{s}"], w.mul(row, n["width"]), j)
                w.store(w.load(last, self._if_given(1 + s, mask)), w.at(self._carry(s, row), j), mask)

        self._columns(begin)
        w.b.store(w.int(0), self._counter())
        w.b.ret_void()

    def step(self, block: Any) -> None:
        """A step back; the last one finds the slopes of the states at the start."""
        w, n = self.w, self.n
        number = self._now()
        now = w.add(n["first"], w.mul(n["sign"], number))
        own = self._room("own_at", w.mul(n["batch"], n["capacity"]))
        through = self.at["of_h" if self.cell.is_split else "of_x"]
        with w.b.if_then(w.test(number, ">", 0)):
            came = w.mul(w.sub(now, n["sign"]), n["batch"], self.across)
            panels = self._room("packed_at", w.mul(n["capacity"], self.across))
            self._multiply(
                block, a=w.at(through, came), a_row=self.across, depth=self.across, b=panels, c=own, c_row=n["capacity"]
            )
        with w.b.if_else(w.test(number, "<", n["steps"])) as (more, end):
            with more:
                self._columns(lambda row, j, mask: self._back(now, own, row, j, mask))
            with end:
                self._columns(lambda row, j, mask: self._finish(own, row, j, mask))
        self._count()
        w.b.ret_void()

    def _slopes(self, own: Any, row: Any, j: Any, mask: Any) -> list[Value]:
        """What has come back to the states: past the gates, and to the hidden state through them."""
        w = self.w
        found = [self._load(w.at(self._carry(s, row), j), mask) for s in range(self.cell.states)]
        gates = self._load(w.at(own, w.mul(row, self.n["capacity"]), w.sub(j, self.first)), mask)
        return [found[0] + gates, *found[1:]]

    def _back(self, now: Any, own: Any, row: Any, j: Any, mask: Any) -> None:
        w, n, cell = self.w, self.n, self.cell
        slopes, at_row = self._slopes(own, row, j, mask), w.add(w.mul(now, n["batch"]), row)
        place = w.add(w.mul(now, n["by_step"]), w.mul(row, n["by_row"]), j)
        slopes[0] = slopes[0] + self._load(w.at(self.at["slope"], place), self._if_given(0, mask))
        # the way back goes through the states from the other end: those before a step lie where it comes from
        place = w.mul(w.add(w.mul(w.add(now, w.sub(1, n["backwards"])), n["batch"]), row), n["width"])
        before = [self._load(w.at(self.at[f"states{s}"], place, j), mask) for s in range(cell.states)]
        kept = [
            self._load(w.at(self.at["kept"], w.mul(w.add(w.mul(at_row, cell.kept), k), n["width"]), j), mask)
            for k in range(cell.kept)
        ]
        of_x, of_h, direct = cell.backward(self.xp, slopes, before, kept)
        for name, values in (("of_x", of_x), ("of_h", of_h))[: 1 + cell.is_split]:
            for g, value in enumerate(values):
                start = w.add(w.mul(at_row, self.across), w.mul(g, n["width"]))
                w.store(value.ir, w.at(self.at[name], start, j), mask)
        for s, value in enumerate(direct):
            w.store(w.zero if value is None else value.ir, w.at(self._carry(s, row), j), mask)

    def _finish(self, own: Any, row: Any, j: Any, mask: Any) -> None:
        w = self.w
        for s, value in enumerate(self._slopes(own, row, j, mask)):
            w.store(value.ir, w.at(self.at[f"of_start{s}"], w.mul(row, self.n["width"]), j), mask)
