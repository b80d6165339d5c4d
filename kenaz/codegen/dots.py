"""Tiles of inner products: what register tiles (`tiles`) are to wide matrices, these are to a few rows or columns.

Where both factors have adjacent elements along the depth (a row of A, a row of what B is the transpose of) and one of
them has few rows, copying the other one into panels would cost more than the product. So vectors lie along the depth
and every element of C has an accumulator of its own, whose lanes are summed at the end:

    C[i, j] = sum over lanes of (A[i, 0:16] B[0:16, j] + A[i, 16:32] B[16:32, j] + ...)

The arguments are those of a register tile (`tiles.ROWS`); `b_step` is the distance of the columns of B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from . import jit, tiles
from .vectors import I32, Writer, constant, module_text


@dataclass(frozen=True)
class Dots:
    """A tile of rows x columns inner products; there are at most as many columns as lanes."""

    rows: int
    columns: int
    element: str = "float32"
    pairs: bool = False  # as for register tiles

    @property
    def name(self) -> str:
        return f"dots_{self.rows}x{self.columns}_{'pairs' if self.pairs else self.element}"


def shape(m: int, n: int, element: str) -> tuple[int, int]:
    """The (rows, columns) of the tiles for an m x n product: about 16 accumulators."""
    most = min(8, tiles.lanes(element))
    if m <= 2:
        return m, min(n, most)
    return (min(m, 8), n) if n <= 2 else (min(m, 4), min(n, 4, most))


_addresses: dict[tuple[Dots, int], int] = {}


def address(tile: Dots) -> int:
    """Where the compiled code of a tile is."""
    key = tile, jit.vector_bytes()
    if key not in _addresses:
        _addresses[key] = jit.load(key, [tile.name], lambda: _text(tile))[tile.name]
    return _addresses[key]


def _text(tile: Dots) -> str:
    module = ir.Module()
    kind = tiles.tile_type(tiles.Tile(1, 1, tile.element))
    w = Writer(ir.Function(module, kind, tile.name), tile.element)
    w.function.attributes.add("noinline")
    named = dict(zip(tiles.ROWS, w.function.args, strict=True))
    _store(w, tile, named, [_sum(w, x) for x in _accumulate(w, tile, named)])
    w.b.ret_void()
    return module_text(module)


def _accumulate(w: Writer, tile: Dots, named: dict[str, Any]) -> list[Any]:
    """One vector of partial sums for every element: whole vectors first, then the rest under a mask."""
    depth = named["depth"]
    whole = w.b.and_(depth, constant(-w.lanes))
    rows = [w.at(named["a"], w.mul(named["a_row"], i)) for i in range(tile.rows)]
    columns = [w.at(named["b"], w.mul(named["b_step"], j)) for j in range(tile.columns)]
    with w.folding(0, whole, w.lanes, [w.zero] * (tile.rows * tile.columns)) as (k, sums, after):
        after += _step(w, tile, rows, columns, k, sums, None)
    before, rest, done = w.b.block, w.b.append_basic_block("rest"), w.b.append_basic_block("done")
    w.b.cbranch(w.test(whole, "<", depth), rest, done)
    w.b.position_at_end(rest)
    added = _step(w, tile, rows, columns, whole, sums, w.first_lanes(w.sub(depth, whole)))
    w.b.branch(done)
    w.b.position_at_end(done)
    merged = [w.b.phi(w.vector) for _ in sums]
    for phi, x, y in zip(merged, sums, added, strict=True):
        phi.add_incoming(x, before)
        phi.add_incoming(y, rest)
    return merged


def _step(
    w: Writer, tile: Dots, rows: list[Any], columns: list[Any], k: Any, sums: list[Any], mask: Any
) -> list[Any]:  # fmt: skip
    """The sums after the vectors at k; rows of A are kept, columns of B come one by one."""
    sums, add = list(sums), w.add_pairs if tile.pairs else w.fma
    left = [w.load(w.at(row, k), mask) for row in rows]
    for j, column in enumerate(columns):
        right = w.load(w.at(column, k), mask)
        for i, x in enumerate(left):
            sums[i * len(columns) + j] = add(x, right, sums[i * len(columns) + j])
    return sums


def _sum(w: Writer, vector: Any) -> Any:
    """The sum of the lanes, as an element."""
    return w.lane(w.fold(vector, w.b.fadd))


def _store(w: Writer, tile: Dots, named: dict[str, Any], sums: list[Any]) -> None:
    """C = alpha A B + beta D, as register tiles do: a row's elements are one vector."""
    alpha, beta = (w.splat(named[n]) for n in ("alpha", "beta"))
    mask = w.first_lanes(tile.columns)
    nothing = tiles.is_null(w, named["d"])
    for i in range(tile.rows):
        row = ir.Constant(w.vector, None)
        for j in range(tile.columns):
            row = w.b.insert_element(row, sums[i * tile.columns + j], ir.Constant(I32, j))
        x = w.b.fmul(alpha, row)
        d = w.b.alloca(w.vector)
        w.b.store(w.zero, d)
        with w.b.if_then(w.b.not_(nothing)):
            w.b.store(w.b.fmul(beta, w.load(w.at(named["d"], w.mul(named["d_row"], i)), mask)), d)
        x = w.b.fadd(x, w.b.load(d))
        w.store(x, w.at(named["c"], w.mul(named["c_row"], i)), mask)


