"""Attention without the matrix of scores in memory, forward and backward.

A task is a head, or some of its queries. For QUERIES queries at a time it walks over the keys in blocks of KEYS; scores
of a block live in scratch memory that stays in the cache. Products are blocks of register tiles (`gemm.emit_block`).

    forward   for queries i, for keys j:   S = scale Q K' + mask           m' = max(m, rows of S)
                                           P = exp(S - m') dropped out     l  = l exp(m - m') + sums of rows of exp
                                           O = O exp(m - m') + P V
              at the end                   O = O / l,  L = m + log l

    backward  for queries i, for keys j:   P = exp(S - L)                  dP = dO V' dropped out
                                           dV += P' dO                     dS = P (dP - row sums of dO O)
                                           dK += scale dS' Q               dQ += scale dS K

The running maximum is of Milakov & Gimelshein (2018), the blocks are of Dao et al., "FlashAttention" (2022). A row that
may look nowhere gives zeros. The first block of keys and of queries stores, the others add: there is nothing to clear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from . import jit, tiles
from .emit import Namespace, Value
from .gemm import BLOCK, emit_block
from .vectors import I8, I32, I64, Writer, module_text, new_function

QUERIES, KEYS = 56, 224  # whole tiles: 4 x 14 rows, 7 x 32 columns, 16 x 14 rows

# Strides of rows; how many keys; widths of keys and of values; what tiles look like; elements of the packed keys and
# values, and of a chunk's scratch in bytes; whether query i may look at keys up to i only.
LAYOUT = (
    "q_row", "k_row", "v_row", "mask_row", "keep_row", "o_row", "g_row", "dq_row", "dk_row", "dv_row", "keys", "width",
    "values", "rows", "columns", "lanes", "room_of_k", "room_of_v", "room", "causal",
)  # fmt: skip
TASK = ("q", "k", "v", "mask", "keep", "o", "l", "g", "dq", "dk", "dv", "first", "count")

# The words of a block: inputs, then outputs.
FORWARD = ("q", "k", "v", "mask", "keep", "o", "l")
BACKWARD = ("g", "q", "k", "v", "mask", "keep", "o", "l", "dq", "dk", "dv")


@dataclass(frozen=True)
class Variant:
    """What is compiled: a direction, a dtype, a kind of mask ("", "bool" or "float"), and whether there is dropout."""

    backward: bool
    element: str
    mask: str
    drops: bool

    @property
    def words(self) -> tuple[str, ...]:
        return BACKWARD if self.backward else FORWARD


_addresses: dict[tuple[Variant, int], int] = {}


def address(variant: Variant) -> int:
    """Where the compiled code of a variant is."""
    key = variant, jit.vector_bytes()
    if key not in _addresses:
        _addresses[key] = jit.load(key, ["attention"], lambda: _text(variant))["attention"]
    return _addresses[key]


def _text(variant: Variant) -> str:
    module = ir.Module()
    pack, block = tiles.emit_pack(module, variant.element), emit_block(module, variant.element)
    w = Writer(new_function(module, "attention"), variant.element)
    kind = _Backward if variant.backward else _Forward
    kind(w, variant, pack, block).emit()
    w.b.ret_void()
    return module_text(module)


# ------------------------------------------------------------------------------------------------------------- writing
class _Attention:
    """What both directions share: the words of the block, the task, blocks of scores."""

    def __init__(self, w: Writer, variant: Variant, pack: Any, block: Any):
        self.w, self.variant, self.pack, self.block = w, variant, pack, block
        self.xp = Namespace(w.b, w.lanes)
        given, chunk = w.function.args
        count = len(variant.words)
        self.memory = {name: w.word(given, i) for i, name in enumerate(variant.words)}
        scratch = w.word(given, count)
        tables = [w.word(given, count + 1 + i, I64) for i in range(4)]
        self.tasks, self.starts, layout, self.kernels = tables
        self.scale, self.factor = (self._number(given, count + 5 + i) for i in range(2))
        self.at = dict(zip(LAYOUT, w.words(layout, 0, len(LAYOUT))))
        self.chunk, self.own = chunk, w.b.inttoptr(w.add(scratch, w.mul(chunk, self.at["room"])), w.pointer)

    def _number(self, block: Any, place: int) -> Any:
        """A constant of the block: the bits of a float64."""
        value = self.w.b.bitcast(self.w.word(block, place), ir.DoubleType())
        return value if self.w.name == "float64" else self.w.b.fptrunc(value, self.w.element)

    def emit(self) -> None:
        """The tasks of a chunk."""
        w = self.w
        first, last = (w.word(w.b.gep(self.starts, [self.chunk]), i) for i in (0, 1))
        with w.loop(first, last, name="task") as i:
            record = dict(zip(TASK, w.words(w.b.gep(self.tasks, [w.mul(i, len(TASK))]), 0, len(TASK))))
            bytes_of = {"mask": I8 if self.variant.mask == "bool" else w.element, "keep": I8}
            for name in self.variant.words:
                start = w.b.inttoptr(self.memory[name], bytes_of.get(name, w.element).as_pointer())
                setattr(self, name, w.at(start, record[name]))
            self.first, self.count = record["first"], record["count"]
            self.task()

    task: Callable[[], None]
    q: Any
    k: Any
    v: Any
    mask: Any
    keep: Any
    o: Any
    l: Any

    # ------------------------------------------------------------------------------------------------------- products
    def multiply(self, m: Any, n: Any, depth: Any, **given: Any) -> None:
        """A block of tiles. Unless said otherwise A and B are rows in memory, and nothing is added or scaled."""
        w, at = self.w, self.at
        nothing, one = ir.Constant(w.pointer, None), ir.Constant(w.element, 1.0)
        named = {
            "kernels": self.kernels, "m": m, "n": n, "depth": depth, "rows": at["rows"], "columns": at["columns"],
            "lanes": at["lanes"], "turned": w.int(0), "a_step": w.int(1), "b_far": at["columns"], "d": nothing,
            "d_row": w.int(0), "alpha": one, "beta": one,
        } | {name: w.int(x) for name, x in given.items()}  # fmt: skip
        named["a_far"] = w.mul(at["rows"], named["a_row"])
        w.b.call(self.block, [named[name] for name in BLOCK])

    def packed(self, source: Any, to: Any, row: Any, width: Any) -> None:
        """The transpose of a head's keys or values as panels."""
        at = self.at
        wide = at["columns"]
        self.w.b.call(self.pack, [source, to, at["keys"], width, row, self.w.int(1), wide, wide])

    def against(self, panels: Any, width: Any, key: Any) -> dict[str, Any]:
        """The B of a product with packed keys or values, from a key on."""
        wide = self.at["columns"]
        far = self.w.mul(width, wide)
        return {"b": self.w.at(panels, self.w.mul(key, width)), "b_step": wide, "b_far": far}

    def scores(self, to: Any, i: Any, rows: Any, j: Any, keys: Any) -> None:
        """scale Q K' + mask, of queries from i and keys from j."""
        w, at = self.w, self.at
        added = {}
        if self.variant.mask == "float":
            added = {"d": w.at(self.mask, w.mul(i, at["mask_row"]), j), "d_row": at["mask_row"]}
        self.multiply(
            rows, keys, at["width"], a=w.at(self.q, w.mul(i, at["q_row"])), a_row=at["q_row"],
            **self.against(self.panels_of_k, at["width"], j), c=to, c_row=KEYS, alpha=self.scale, **added,
        )  # fmt: skip

    panels_of_k: Any

    # ----------------------------------------------------------------------------------------------------------- rows
    def visible(self, row: Any, j: Any, keys: Any) -> Any:
        """How many of the keys from j a query may look at, by its number in the head."""
        w = self.w
        limit = w.b.select(w.test(self.at["causal"], "!=", 0), w.add(row, 1), self.at["keys"])
        return w.max(w.min(w.sub(limit, j), keys), 0)

    def sweep(self, count: Any, keys: Any, values: list[Any], body: Callable) -> list[Any]:
        """Carry values along a row: `body(at, inside, values)` gives the next ones. Whole vectors of keys that count
        come first, for which `inside` is a constant."""
        w = self.w
        whole = w.b.and_(count, w.int(-w.lanes))
        for start, end, is_whole in ((w.int(0), whole, True), (whole, keys, False)):
            with w.folding(start, end, w.lanes, values) as (at, values, after):
                after += body(at, w.first_lanes(w.lanes if is_whole else w.sub(count, at)), values)
        return values

    def looks(self, row: Any, j: Any, at: Any, inside: Any) -> Any:
        """The lanes that count at a place of a block of keys: those inside, where a bool mask says so."""
        w = self.w
        if self.variant.mask != "bool":
            return inside
        mask = w.at(self.mask, w.mul(row, self.at["mask_row"]), j, at)
        return w.b.and_(inside, self._flags(mask, inside))

    def kept(self, row: Any, j: Any, at: Any, inside: Any) -> Any:
        """The lanes that dropout keeps."""
        return self._flags(self.w.at(self.keep, self.w.mul(row, self.at["keep_row"]), j, at), inside)

    def _flags(self, pointer: Any, inside: Any) -> Any:
        """A vector of bytes as a mask."""
        w, kind = self.w, ir.VectorType(I8, self.w.lanes)
        where, zero = w.b.bitcast(pointer, kind.as_pointer()), ir.Constant(kind, None)
        signature = ir.FunctionType(kind, [where.type, I32, w.mask, kind])
        name = f"llvm.masked.load.v{w.lanes}i8.p0"
        load = w.module.globals.get(name) or ir.Function(w.module, signature, name)
        return w.b.icmp_unsigned("!=", w.b.call(load, [where, ir.Constant(I32, 1), inside, zero]), zero)

    def exp(self, x: Any) -> Any:
        return self.xp.exp(Value(self.w.b, x, self.w.name)).ir

    def log(self, x: Any) -> Any:
        return self.xp.log(Value(self.w.b, x, self.w.name)).ir

    def low(self) -> Any:
        return self.w.splat(float("-inf"))


class _Forward(_Attention):
    """Writes the forward direction. Scratch: packed keys, a block of scores, maxima and sums of a block's rows."""

    def task(self) -> None:
        w, at = self.w, self.at
        self.panels_of_k = self.own
        self.block_of_scores = w.at(self.own, at["room_of_k"])
        self.maxima = w.at(self.block_of_scores, QUERIES * KEYS)
        self.sums = w.at(self.maxima, QUERIES * w.lanes)
        self.packed(self.k, self.panels_of_k, at["k_row"], at["width"])
        end = w.add(self.first, self.count)
        with w.loop(self.first, end, QUERIES, name="queries") as i:
            rows = w.min(w.sub(end, i), QUERIES)
            self._start(rows)
            with w.loop(0, self._last_key(i, rows), KEYS, name="keys") as j:
                keys = w.min(w.sub(at["keys"], j), KEYS)
                self.scores(self.block_of_scores, i, rows, j, keys)
                with w.loop(0, rows, name="row") as r:
                    self._weights(w.add(i, r), r, j, keys)
                self._mix(i, rows, j, keys)
            with w.loop(0, rows, name="row") as r:
                self._finish(w.add(i, r), r)

    def _last_key(self, i: Any, rows: Any) -> Any:
        """Beyond which key none of the queries looks."""
        w, at = self.w, self.at
        return w.b.select(w.test(at["causal"], "!=", 0), w.min(w.add(i, rows), at["keys"]), at["keys"])

    def _start(self, rows: Any) -> None:
        w = self.w
        with w.loop(0, rows, name="row") as r:
            place = w.mul(r, w.lanes)
            w.store(self.low(), w.at(self.maxima, place))
            w.store(w.zero, w.at(self.sums, place))

    def _weights(self, row: Any, r: Any, j: Any, keys: Any) -> None:
        """A row of scores becomes weights that are not yet divided by their sum; O and the sum so far are scaled."""
        w, b = self.w, self.w.b
        line, place = w.at(self.block_of_scores, w.mul(r, KEYS)), w.mul(r, w.lanes)
        count = self.visible(row, j, keys)
        before = w.load(w.at(self.maxima, place))

        def largest(at: Any, inside: Any, best: list[Any]) -> list[Any]:
            x = b.select(self.looks(row, j, at, inside), w.load(w.at(line, at)), self.low())
            w.store(x, w.at(line, at))
            return [self._larger(x, best[0])]

        top = w.fold(self.sweep(count, keys, [before], largest)[0], self._larger)
        w.store(top, w.at(self.maxima, place))
        top = b.select(b.fcmp_ordered("==", top, self.low()), w.zero, top)

        def weigh(at: Any, inside: Any, total: list[Any]) -> list[Any]:
            e = self.exp(b.fsub(w.load(w.at(line, at)), top))
            kept = b.select(self.kept(row, j, at, inside), e, w.zero) if self.variant.drops else e
            w.store(kept, w.at(line, at))
            return [b.fadd(total[0], e)]

        total = self.sweep(count, keys, [w.zero], weigh)
        factor = self.exp(b.fsub(before, top))
        sums = w.at(self.sums, place)
        w.store(w.fma(w.load(sums), factor, w.fold(total[0], b.fadd)), sums)
        with b.if_then(w.test(j, ">", 0)):
            self._scale_row(row, factor)

    def _larger(self, x: Any, y: Any) -> Any:
        return self.w.b.select(self.w.b.fcmp_ordered(">", x, y), x, y)

    def _scale_row(self, row: Any, factor: Any) -> None:
        """Multiply a row of O."""
        w, at = self.w, self.at
        o = w.at(self.o, w.mul(row, at["o_row"]))
        with w.loop(0, at["values"], w.lanes, name="e") as e:
            mask = w.first_lanes(w.sub(at["values"], e))
            w.store(w.b.fmul(w.load(w.at(o, e), mask), factor), w.at(o, e), mask)

    def _mix(self, i: Any, rows: Any, j: Any, keys: Any) -> None:
        """O += P V, or = for the first keys."""
        w, at = self.w, self.at
        o = w.at(self.o, w.mul(i, at["o_row"]))
        so_far = w.b.select(w.test(j, ">", 0), o, ir.Constant(w.pointer, None))
        self.multiply(
            rows, at["values"], keys, a=self.block_of_scores, a_row=KEYS, b=w.at(self.v, w.mul(j, at["v_row"])),
            b_step=at["v_row"], c=o, c_row=at["o_row"], d=so_far, d_row=at["o_row"],
        )  # fmt: skip

    def _finish(self, row: Any, r: Any) -> None:
        """Divide a row of O by its sum, and keep the logarithm of the sum for the backward direction."""
        w, b = self.w, self.w.b
        place = w.mul(r, w.lanes)
        total, top = w.load(w.at(self.sums, place)), w.load(w.at(self.maxima, place))
        empty = b.fcmp_ordered("==", total, w.zero)
        factor = b.select(empty, w.zero, b.fdiv(w.splat(self.factor), total))
        self._scale_row(row, factor)
        logarithm = b.select(empty, w.zero, b.fadd(top, self.log(total)))
        b.store(w.lane(logarithm), w.at(self.l, row))


class _Backward(_Attention):
    """Writes the backward direction. Scratch: packed keys and values, blocks of weights and slopes."""

    g: Any
    dq: Any
    dk: Any
    dv: Any

    def task(self) -> None:
        w, at = self.w, self.at
        self.panels_of_k = self.own
        self.panels_of_v = w.at(self.own, at["room_of_k"])
        self.weights = w.at(self.panels_of_v, at["room_of_v"])
        self.slopes = w.at(self.weights, QUERIES * KEYS)
        self.deltas = w.at(self.slopes, QUERIES * KEYS)
        self.packed(self.k, self.panels_of_k, at["k_row"], at["width"])
        self.packed(self.v, self.panels_of_v, at["v_row"], at["values"])
        with w.loop(0, self.count, QUERIES, name="queries") as i:
            rows = w.min(w.sub(self.count, i), QUERIES)
            with w.loop(0, rows, name="row") as r:
                self._delta(w.add(i, r), r)
            with w.loop(0, self._last_key(i, rows), KEYS, name="keys") as j:
                self._block_of_keys(i, rows, j, w.min(w.sub(at["keys"], j), KEYS))

    def _last_key(self, i: Any, rows: Any) -> Any:
        """Beyond which key none of the queries looks; but the first queries go over all, to begin the sums."""
        w, at = self.w, self.at
        short = w.b.and_(w.test(at["causal"], "!=", 0), w.test(i, ">", 0))
        return w.b.select(short, w.min(w.add(i, rows), at["keys"]), at["keys"])

    def _delta(self, row: Any, r: Any) -> None:
        """The sum over a row of dO O."""
        w, at = self.w, self.at
        o, g = w.at(self.o, w.mul(row, at["o_row"])), w.at(self.g, w.mul(row, at["g_row"]))
        with w.folding(0, at["values"], w.lanes, [w.zero]) as (e, total, after):
            mask = w.first_lanes(w.sub(at["values"], e))
            after.append(w.fma(w.load(w.at(o, e), mask), w.load(w.at(g, e), mask), total[0]))
        w.store(w.fold(total[0], w.b.fadd), w.at(self.deltas, w.mul(r, w.lanes)))

    def _block_of_keys(self, i: Any, rows: Any, j: Any, keys: Any) -> None:
        w, at = self.w, self.at
        q, g = w.at(self.q, w.mul(i, at["q_row"])), w.at(self.g, w.mul(i, at["g_row"]))
        self.scores(self.weights, i, rows, j, keys)
        self.multiply(
            rows, keys, at["values"], a=g, a_row=at["g_row"], **self.against(self.panels_of_v, at["values"], j),
            c=self.slopes, c_row=KEYS,
        )  # fmt: skip
        with w.loop(0, rows, name="row") as r:
            self._slopes(w.add(i, r), r, j, keys)
        self._add(keys, at["values"], rows, self.weights, True, g, "g_row", (self.dv, j, "dv_row"), i)
        self._add(keys, at["width"], rows, self.slopes, True, q, "q_row", (self.dk, j, "dk_row"), i, self.scale)
        k = w.at(self.k, w.mul(j, at["k_row"]))
        self._add(rows, at["width"], keys, self.slopes, False, k, "k_row", (self.dq, i, "dq_row"), j, self.scale)

    def _add(
        self, m: Any, n: Any, depth: Any, block: Any, turned: bool, other: Any, row: str, target: tuple, number: Any,
        alpha: Any = None,
    ) -> None:  # fmt: skip
        """Add a block of scratch, or its transpose, times some rows to rows of a result; number 0 is stored."""
        w, at = self.w, self.at
        result, start, result_row = target
        c = w.at(result, w.mul(start, at[result_row]))
        so_far = w.b.select(w.test(number, ">", 0), c, ir.Constant(w.pointer, None))
        row_and_step = {"a_row": 1, "a_step": KEYS} if turned else {"a_row": KEYS}
        scaled = {} if alpha is None else {"alpha": alpha}
        self.multiply(
            m, n, depth, a=block, **row_and_step, b=other, b_step=at[row], c=c, c_row=at[result_row], d=so_far,
            d_row=at[result_row], **scaled,
        )  # fmt: skip

    def _slopes(self, row: Any, r: Any, j: Any, keys: Any) -> None:
        """A row of scores becomes weights (with dropout), a row of dP becomes dS."""
        w, b = self.w, self.w.b
        line = w.mul(r, KEYS)
        count = self.visible(row, j, keys)
        logarithm, delta = w.splat(b.load(w.at(self.l, row))), w.load(w.at(self.deltas, w.mul(r, w.lanes)))

        def slope(at: Any, inside: Any, _: list[Any]) -> list[Any]:
            to_p, to_s = (w.at(x, line, at) for x in (self.weights, self.slopes))
            p = self.exp(b.fsub(w.load(to_p), logarithm))
            p = b.select(self.looks(row, j, at, inside), p, w.zero)
            dropped, rise = p, w.load(to_s)
            if self.variant.drops:
                kept = b.select(self.kept(row, j, at, inside), w.splat(self.factor), w.zero)
                dropped, rise = b.fmul(p, kept), b.fmul(rise, kept)
            w.store(dropped, to_p)
            w.store(b.fmul(p, b.fsub(rise, delta)), to_s)
            return []

        self.sweep(count, keys, [], slope)
