"""Register tiles: the inner kernels of products of matrices and of convolutions, and the packing that feeds them.

A tile keeps `rows` x `vectors` registers of C while it walks once over the depth k:

            b: one row of `vectors` vectors each step, loaded           B[k, :]
            |  |
      a - [ C  C ]    every element of a's column is broadcast         C[i, :] += A[i, k] * B[k, :]
      a - [ C  C ]
      a - [ C  C ]

On AVX-512 14 x 2 accumulators, two vectors of B and two registers to spare fill the 32 registers (`most_rows`).

    tile_address(Tile(rows, vectors, element))       the address of compiled code, compiled at the first use
    emit_tile(module, Tile(...))                     the same as a function of a module of your own
    emit_pack(module, element)                       copies a matrix into panels that a tile reads front to back

Strides and sizes are arguments, in elements; so a tile reads packed panels, rows or columns of the matrix itself, and
expanded (stride 0) operands alike. A tile's arguments are (`ROWS`, in this order)

    depth                     how many steps k
    a, a_row, a_step          element (i, k) of A is a[i * a_row + k * a_step]; packed panels have a_row 1
    b, b_step                 element (k, j) of B is b[k * b_step + j]; packed panels have a step of vectors * lanes
    last                      how many lanes of the last vector count, 1 to lanes; the others are not read, not written
    c, c_row                  row i of C begins at c[i * c_row]
    d, d_row, alpha, beta     C = alpha A B + beta D; d may be null, a row for all (d_row 0), or C itself to accumulate

With `Tile(store="turned")`, which has at most as many rows as lanes, the tile is a part of C': element (i, j) goes to
c[j * c_row + i], and what is added is d[j * d_row + i].

With `Tile(store="table")` the columns of C lie in segments, as a convolution's pixels do (`TABLE`): a table of int64s
has for each vector `segments` pairs (offset, bits of the lanes), and lane l of the vector goes to
c[i * c_row + offset + l] where its bit is set. `bias` (or null) holds one number per row, added unless `accumulate`;
`accumulate` 1 adds to what C holds. `last` says how many lanes of the last vector are read from B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from . import jit
from .vectors import ELEMENTS, I64, VOID, Writer, constant, module_text

AHEAD = 12  # rows that packing asks memory for before it needs them: they may be pages apart
_WORD = I64.as_pointer()

ROWS = ("depth", "a", "a_row", "a_step", "b", "b_step", "last", "c", "c_row", "d", "d_row", "alpha", "beta")
TABLE = ("depth", "a", "a_row", "a_step", "b", "b_step", "last", "c", "c_row", "table", "bias", "accumulate")
_POINTERS, _NUMBERS = ("a", "b", "c", "d", "bias"), ("alpha", "beta")


@dataclass(frozen=True)
class Tile:
    """A variant of the micro-kernel. `pairs`: elements of A and B are two bfloat16s, of two steps of the depth."""

    rows: int
    vectors: int
    element: str = "float32"
    store: str = "rows"
    segments: int = 2
    pairs: bool = False

    @property
    def name(self) -> str:
        kind = "pairs" if self.pairs else self.element
        return f"tile_{self.rows}x{self.vectors}_{kind}_{self.store}{self.segments}"


def lanes(element: str) -> int:
    """How many elements a register holds."""
    return jit.vector_bytes() // np.dtype(element).itemsize


def most_rows(vectors: int) -> int:
    """How many rows of `vectors` accumulators fit beside the vectors of B and the broadcast element."""
    return min((jit.vector_registers() - vectors - 1) // vectors, 14)


_addresses: dict[tuple[Tile, int], int] = {}


def tile_address(tile: Tile) -> int:
    """Where the compiled code of a tile is."""
    key = tile, jit.vector_bytes()
    if key not in _addresses:
        _addresses[key] = jit.load((tile, *key[1:]), [tile.name], lambda: _tile_text(tile))[tile.name]
    return _addresses[key]


def _tile_text(tile: Tile) -> str:
    module = ir.Module()
    emit_tile(module, tile)
    return module_text(module)


# ----------------------------------------------------------------------------------------------------------- the tile
def tile_type(tile: Tile) -> ir.FunctionType:
    """The signature of a tile's function: `ROWS` or `TABLE`."""
    element = ELEMENTS[tile.element]
    kinds = dict.fromkeys(_POINTERS, element.as_pointer()) | dict.fromkeys(_NUMBERS, element) | {"table": _WORD}
    return ir.FunctionType(VOID, [kinds.get(name, I64) for name in _arguments(tile)])


def _arguments(tile: Tile) -> tuple[str, ...]:
    return TABLE if tile.store == "table" else ROWS


def emit_tile(module: ir.Module, tile: Tile) -> ir.Function:
    """The function of a tile."""
    function = ir.Function(module, tile_type(tile), tile.name)
    function.attributes.add("noinline")
    w = Writer(function, tile.element)
    named = dict(zip(_arguments(tile), function.args, strict=True))
    if tile.store == "rows":
        _prefetch_rows(w, tile, named)
    assert tile.store != "turned" or tile.rows <= w.lanes
    sums = _accumulate(w, tile, named)
    _STORES[tile.store](w, tile, named, sums)
    w.b.ret_void()
    return function


def _accumulate(w: Writer, tile: Tile, named: dict[str, Any]) -> list[Any]:
    """The accumulators after the whole depth."""
    mask = w.first_lanes(named["last"])
    state = [named["a"], named["b"], *[w.zero] * (tile.rows * tile.vectors)]
    with w.folding(0, named["depth"], 1, state) as (_, state, after):
        a, b, *sums = state
        add_step(w, tile, a, named["a_row"], _row_of_b(w, tile, b, mask), sums)
        after += [w.at(a, named["a_step"]), w.at(b, named["b_step"]), *sums]
    return state[2:]


def _row_of_b(w: Writer, tile: Tile, b: Any, mask: Any) -> list[Any]:
    """The vectors of a step."""
    return [w.load(w.at(b, v * w.lanes), mask if v == tile.vectors - 1 else None) for v in range(tile.vectors)]


def add_step(w: Writer, tile: Tile, a: Any, a_row: Any, row: list[Any], sums: list[Any]) -> None:
    """Add a column of A times a row of B to the accumulators. Not unrolled: LLVM would mix the steps and run out of
    registers, and the few additions of addresses hide behind the products."""
    add = w.add_pairs if tile.pairs else w.fma
    for i in range(tile.rows):
        element = w.splat(w.b.load(a))
        for v in range(tile.vectors):
            sums[i * tile.vectors + v] = add(element, row[v], sums[i * tile.vectors + v])
        a = w.at(a, a_row)


def _cells(tile: Tile) -> list[tuple[int, int]]:
    return [(i, v) for i in range(tile.rows) for v in range(tile.vectors)]


def _prefetch_rows(w: Writer, tile: Tile, named: dict[str, Any]) -> None:
    """Rows of C lie far apart: ask for them before the walk, which takes longer than memory."""
    for i, v in _cells(tile):
        w.prefetch(w.at(named["c"], w.mul(named["c_row"], i), v * w.lanes), write=True)


def is_null(w: Writer, pointer: Any) -> Any:
    return w.b.icmp_unsigned("==", w.b.ptrtoint(pointer, I64), constant(0))


def _store_rows(w: Writer, tile: Tile, named: dict[str, Any], sums: list[Any]) -> None:
    """C = alpha A B + beta D, with one branch on whether there is a D."""
    alpha, beta = (w.splat(named[n]) for n in _NUMBERS)
    mask = w.first_lanes(named["last"])

    def store(has_d: bool) -> None:
        for (i, v), total in zip(_cells(tile), sums, strict=True):
            lane_mask = mask if v == tile.vectors - 1 else None
            x = w.b.fmul(alpha, total)
            if has_d:
                d = w.at(named["d"], w.mul(named["d_row"], i), v * w.lanes)
                x = w.fma(beta, w.load(d, lane_mask), x)
            c = w.at(named["c"], w.mul(named["c_row"], i), v * w.lanes)
            w.store(x, c, lane_mask)

    with w.b.if_else(is_null(w, named["d"])) as (then, otherwise):
        with then:
            store(False)
        with otherwise:
            store(True)


def store_table(w: Writer, tile: Tile, named: dict[str, Any], sums: list[Any]) -> None:
    """Every segment of every vector, with one branch on whether it adds to what is there or to the bias."""

    def store(accumulate: bool) -> None:
        for v in range(tile.vectors):
            for s in range(tile.segments):
                offset, bits = w.words(named["table"], 2 * (v * tile.segments + s), 2)
                mask, column = w.bits(bits), w.at(named["c"], offset)
                for i in range(tile.rows):
                    c, x = w.at(column, w.mul(named["c_row"], i)), sums[i * tile.vectors + v]
                    if accumulate:
                        x = w.b.fadd(x, w.load(c, mask))
                    w.store(x, c, mask)

    with w.b.if_else(w.test(named["accumulate"], "!=", 0)) as (then, otherwise):
        with then:
            store(True)
        with otherwise:
            sums = _with_bias(w, tile, named["bias"], sums)
            store(False)


def _with_bias(w: Writer, tile: Tile, bias: Any, sums: list[Any]) -> list[Any]:
    """The accumulators plus one number for each row, or as they are where `bias` is null."""
    b = w.b
    plain, add, done = b.block, b.append_basic_block("bias"), b.append_basic_block("biased")
    b.cbranch(is_null(w, bias), done, add)
    b.position_at_end(add)
    numbers = [w.splat(b.load(w.at(bias, i))) for i in range(tile.rows)]
    added = [b.fadd(x, numbers[i]) for (i, _), x in zip(_cells(tile), sums, strict=True)]
    b.branch(done)
    b.position_at_end(done)
    merged = [b.phi(w.vector) for _ in sums]
    for phi, before, after in zip(merged, sums, added, strict=True):
        phi.add_incoming(before, plain)
        phi.add_incoming(after, add)
    return merged


def _store_turned(w: Writer, tile: Tile, named: dict[str, Any], sums: list[Any]) -> None:
    """C' = alpha A B + beta D': vectors of accumulators are rows of a square that is transposed. Where there is no D,
    nothing is read from C; a branch would have all of this twice, which takes long to compile."""
    b, none = w.b, ir.Constant(w.mask, None)
    alpha, beta = (w.splat(named[n]) for n in _NUMBERS)
    nothing = is_null(w, named["d"])
    d = b.select(nothing, named["c"], named["d"])
    for v in range(tile.vectors):
        column = sums[v :: tile.vectors] + [w.zero] * (w.lanes - tile.rows)
        for j, total in enumerate(w.transpose(column)):
            mask = w.first_lanes(tile.rows)
            if v == tile.vectors - 1:
                mask = b.select(w.test(named["last"], ">", j), mask, none)
            row = v * w.lanes + j
            added = w.load(w.at(d, w.mul(named["d_row"], row)), b.select(nothing, none, mask))
            x = w.fma(beta, added, b.fmul(alpha, total))
            w.store(x, w.at(named["c"], w.mul(named["c_row"], row)), mask)


_STORES = {"rows": _store_rows, "table": store_table, "turned": _store_turned}


# ------------------------------------------------------------------------------------------------------------- packing
PACK = ("source", "panels", "count", "depth", "along", "across", "rows", "width")


def emit_pack(module: ir.Module, element: str) -> ir.Function:
    """A function (`PACK`) that copies a matrix of `count` x `depth` elements, (p, k) at source[p * along + k * across],
    into panels of `rows` p's each, k after k. `width`, a multiple of lanes, is how far the k's lie apart in a panel.

        panels[(p // rows * depth + k) * width + p % rows],   rows <= width; what is between them holds anything

    It writes no further than the last panel. Where `across` is 1 squares are transposed in registers.
    """
    pointer = ELEMENTS[element].as_pointer()
    function = ir.Function(module, ir.FunctionType(VOID, [pointer, pointer, *[I64] * 6]), f"pack_{element}")
    function.attributes.add("noinline")
    for argument in function.args[:2]:
        argument.add_attribute("noalias")
    w = Writer(function, element)
    room = w.b.alloca(w.vector, w.lanes)
    source, panels, count, depth, along, across, rows, width = function.args
    squares = w.b.and_(w.test(across, "==", 1), w.test(along, "!=", 1))
    with w.loop(0, count, rows, name="panel") as first:
        panel, here = w.at(panels, w.mul(w.div(first, rows), depth, width)), w.min(rows, w.sub(count, first))
        with w.loop(0, here, w.lanes, name="group") as start:
            group = _Group(w.add(first, start), w.min(w.sub(here, start), w.lanes))
            column = w.at(panel, start)
            with w.b.if_else(squares) as (then, otherwise):
                with then:
                    _pack_squares(w, source, column, group, depth, along, width, room)
                with otherwise:
                    _pack_rows(w, source, column, group, depth, (along, across), width)
    w.b.ret_void()
    return function


@dataclass
class _Group:
    """The p's that fill one register of a panel: the first, and how many count."""

    first: Any
    lanes: Any


def _pack_rows(
    w: Writer, source: Any, panel: Any, group: _Group, depth: Any, stride: tuple[Any, Any], width: Any
) -> None:  # fmt: skip
    """Step after step: a load where the p's lie side by side, else a gather of elements."""
    along, across = stride
    source = w.at(source, w.mul(group.first, along))
    mask = w.first_lanes(group.lanes)
    with w.b.if_else(w.test(along, "==", 1)) as (then, otherwise):
        with then, w.loop(0, depth, name="k") as k:
            w.prefetch(w.at(source, w.mul(w.add(k, AHEAD), across)))
            w.store(w.load(w.at(source, w.mul(k, across)), mask), w.at(panel, w.mul(k, width)))
        with otherwise, w.loop(0, depth, name="k") as k, w.loop(0, group.lanes, name="p") as p:
            element = w.b.load(w.at(source, w.mul(k, across), w.mul(p, along)))
            w.b.store(element, w.at(panel, w.mul(k, width), p))


def _pack_squares(
    w: Writer, source: Any, panel: Any, group: _Group, depth: Any, along: Any, width: Any, room: Any
) -> None:  # fmt: skip
    """Squares of lanes x lanes through registers; rows beyond the last one are read from the last one."""
    last = w.sub(group.lanes, 1)
    rows = [w.at(source, w.mul(w.add(group.first, w.min(last, i)), along)) for i in range(w.lanes)]
    whole = w.b.and_(depth, constant(-w.lanes))
    with w.loop(0, whole, w.lanes, name="k") as k:
        for j, turned in enumerate(w.transpose([w.load(w.at(row, k)) for row in rows])):
            w.store(turned, w.at(panel, w.mul(w.add(k, j), width)))
    rest = w.sub(depth, whole)
    with w.b.if_then(w.test(rest, ">", 0)):
        mask = w.first_lanes(rest)
        for j, turned in enumerate(w.transpose([w.load(w.at(row, whole), mask) for row in rows])):
            w.b.store(turned, w.b.gep(room, [constant(j)]))
        with w.loop(0, rest, name="j") as j:
            w.store(w.b.load(w.b.gep(room, [j])), w.at(panel, w.mul(w.add(whole, j), width)))
