"""Which operators are products of matrices, and how a product becomes the tables that the driver (`gemm`) works off.

`Product` says in numbers what is multiplied. `routine` chooses tiles, cuts C into tasks (or the depth, where C is small
and the depth is long), deals them out to chunks, and decides what is packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.shape import contiguous_stride
from ..core.spec import Spec, spec
from ..graph.node import Call
from ..runtime import threads
from . import dots, jit, tiles
from .dots import Dots
from .gemm import KERNELS, LAYOUT, MOST_ROWS, TASK, driver, panel_width
from .routine import Routine
from .tiles import Tile

BYTES_OF_DEPTH = 384 * 4  # of a row of A, or of a column of B, in one block
COLUMNS = 512  # of B in one block, half of that for 8-byte elements
ROWS = 80 * 14  # of A in one block
LEAST_TIME = 15  # microseconds of work from which a second thread pays
GIGAFLOPS, GIGABYTES = 100, 30  # a second, of one thread: only to guess the time
FEW = 8  # rows or columns
TURNED = 96  # rows of A
PACKING = 0.4  # of the time of a multiplication of vectors, for each element that is packed
LEAST_DEPTH = 1024  # of a part, where the depth is divided


# ---------------------------------------------------------------------------------------------------------- what to do
@dataclass(frozen=True)
class Product:
    """C (m x n) = A (m x k) B (k x n) for every row of `offsets`, the places of (A, B, C, D) in elements.

    A's element (i, k) is at i * a_row + k * a_step, B's (k, j) at k * b_step + j * b_along; C's and D's columns are
    adjacent.
    """

    m: int
    n: int
    k: int
    a_row: int
    a_step: int
    b_step: int
    b_along: int
    c_row: int
    element: str
    d_row: int = 0
    swapped: bool = False  # whether A is the second input
    turned: bool = False  # whether C and D are transposed: columns c_row and d_row apart, adjacent rows
    pairs: bool = False  # whether an element of A and B is two bfloat16s, adjacent along the depth
    offsets: np.ndarray = field(default_factory=lambda: np.zeros((1, 4), np.int64))

    @property
    def microseconds(self) -> float:
        """A guess of the time that one thread takes."""
        numbers = self.m * self.k + self.k * self.n + self.m * self.n
        seconds = self.m * self.n * self.k * 2 / GIGAFLOPS, numbers * np.dtype(self.element).itemsize / GIGABYTES
        return max(seconds) * len(self.offsets) / 1000


@dataclass(frozen=True)
class Shape:
    """The tiles of a product: `columns` of them are `vectors` of `lanes` each."""

    rows: int
    columns: int
    lanes: int
    store: str = "rows"  # "turned" as in tiles; "dots" for inner products
    pairs: bool = False

    @property
    def vectors(self) -> int:
        return self.columns // self.lanes

    def address(self, rows: int, vectors: int, element: str) -> int:
        """The code of a tile of this kind."""
        if self.store == "dots":
            return dots.address(Dots(rows, vectors, element, self.pairs))
        return tiles.tile_address(Tile(rows, vectors, element, self.store, pairs=self.pairs))


def routine(product: Product, entry: str, constants: Sequence[Any] = ()) -> Routine:
    """The code of a product. `entry` names the phase of the driver that finds A, B, C and D among a block's words."""
    product, shape = _shaped(product)
    shape = replace(shape, pairs=product.pairs)
    tasks, starts, parts = _tasks(product, shape)
    chunks = len(starts) - 1
    layout = _layout(product, shape, tasks)
    at = layout["room"] * chunks
    cells = product.m * product.n
    layout |= {"parts": parts, "cells": cells, "parts_at": at}
    code = driver(product.element)
    phases = [(code[entry], chunks)] + [(code["sum_" + entry], 1)] * (parts > 1)
    kernels = _kernels(tasks, product.element, shape)
    words = [tasks, starts, np.array([layout[name] for name in LAYOUT], np.int64), kernels, *constants]
    return Routine(phases, words, at + (parts > 1) * parts * cells * np.dtype(product.element).itemsize)


def _shaped(p: Product) -> tuple[Product, Shape]:
    """A product with its tiles: inner products where packing would cost more; a transposed one where packing A costs
    less than packing B; else tiles as wide as the rows allow."""
    lanes = tiles.lanes(p.element)
    if min(p.m, p.n) <= FEW and p.a_step == p.b_step == 1 and p.k >= 2 * lanes:
        rows, columns = dots.shape(p.m, p.n, p.element)
        return p, Shape(rows, columns, 1, "dots")
    if _is_better_turned(p):
        p = _transpose(p)
        vectors = min(2, -(-p.n // lanes))
        return p, Shape(_height(p.m, min(tiles.most_rows(vectors), lanes)), vectors * lanes, lanes, "turned")
    vectors = next((v for v in (4, 3) if p.m <= tiles.most_rows(v)), 2)
    vectors = min(vectors, -(-p.n // lanes))
    return p, Shape(_height(p.m, tiles.most_rows(vectors)), vectors * lanes, lanes)


def _height(m: int, most: int) -> int:
    """The rows of a tile, with tiles as equal as possible: then so are the parts of threads."""
    return -(-m // -(-m // min(most, MOST_ROWS)))


def _is_better_turned(p: Product) -> bool:
    """Whether B, columns of adjacent elements, is better read where it is, for a few rows of A (columns at a multiple
    of 4096 bytes would push one another out of the cache); or A is such a B for columns that fill no vector."""
    if p.a_row == 1 < p.a_step and 4 * p.n <= 3 * tiles.lanes(p.element) <= p.m:
        return True
    apart = p.b_along * np.dtype(p.element).itemsize % 4096
    return p.b_step == 1 < p.b_along and p.m <= TURNED and 2 * p.m <= p.n and p.k >= 64 and apart != 0


def _transpose(p: Product) -> Product:
    """C' = B' A', of which D's rows are D's columns."""
    return replace(
        p, m=p.n, n=p.m, a_row=p.b_along, a_step=p.b_step, b_step=p.a_step, b_along=p.a_row, swapped=not p.swapped,
        turned=True, offsets=p.offsets[:, [1, 0, 2, 3]],
    )  # fmt: skip


def _layout(p: Product, shape: Shape, tasks: np.ndarray) -> dict[str, int]:
    """The words that the driver needs about all tasks."""
    item = np.dtype(p.element).itemsize
    m, n, k = (int(tasks[:, TASK.index(x)].max()) for x in "mnk")
    depth = k if shape.store == "dots" else _even_part(k, BYTES_OF_DEPTH // item, 1)
    column_block = _even_part(n, COLUMNS * 4 // item, shape.columns)
    row_block = _even_part(m, ROWS, shape.rows)
    pack_a, pack_b = _packs(p, shape)
    panels = -(-min(m, row_block) // shape.rows)
    room_of_a = pack_a * panels * depth * panel_width(p.element)
    room = (room_of_a + pack_b * column_block * depth) * item
    return dict(
        a_row=p.a_row, a_step=p.a_step, b_step=p.b_step, b_along=p.b_along, c_row=p.c_row, d_row=p.d_row,
        rows=shape.rows, columns=shape.columns, lanes=shape.lanes, row_block=row_block, column_block=column_block,
        depth_block=depth, b_far=shape.columns * p.b_along, b_given=p.b_along if shape.store == "dots" else p.b_step,
        pack_a=int(pack_a), pack_b=int(pack_b), room_of_a=room_of_a, swapped=int(p.swapped), turned=int(p.turned),
        room=(-(-room // 4096) * 4096 + 64) * (pack_a or pack_b),  # chunks begin in different sets of a cache
    )  # fmt: skip


def _even_part(size: int, most: int, unit: int) -> int:
    """The length of equal parts of `size`, whole units, as few as none is longer than `most`."""
    parts = -(-size // most)
    return -(-size // (parts * unit)) * unit


def _packs(p: Product, shape: Shape) -> tuple[bool, bool]:
    """Whether A and B are copied into panels."""
    return (False, False) if shape.store == "dots" else (_packs_a(p), _packs_b(p))


def _packs_a(p: Product) -> bool:
    """Whether A is copied: where enough columns read it again, and it costs more to read it where it is. Adjacent
    elements are in the cache for the steps to come, unless rows at a multiple of 4096 bytes push one another out."""
    apart = p.a_row * np.dtype(p.element).itemsize % 4096
    return p.n >= 128 and not (p.a_step == 1 and apart and p.n <= 2 * COLUMNS)


def _packs_b(p: Product) -> bool:
    """Whether B is copied: where its rows are not adjacent elements, or enough rows of A read it again."""
    return p.n > 1 and p.b_along != 1 or p.m > 64


# ------------------------------------------------------------------------------------------------------------- cutting
def _tasks(p: Product, shape: Shape) -> tuple[np.ndarray, np.ndarray, int]:
    """The table of tasks (`TASK`), where in it each chunk begins, with the end, and in how many parts the depth is."""
    count = 1 if p.microseconds <= LEAST_TIME else threads.get_num_threads()
    if len(p.offsets) >= 4 * count or len(p.offsets) % count == 0:
        whole = np.concatenate([p.offsets, np.tile((p.m, p.n, p.k), (len(p.offsets), 1))], axis=1)
        chunks = min(len(whole), count * (4 if count > 1 else 1))
        return whole.astype(np.int64), np.linspace(0, len(whole), chunks + 1).astype(np.int64), 1
    places = p.offsets.tolist()
    tiles_of_c = -(-p.m // shape.rows) * -(-p.n // shape.columns) * len(places)
    if len(places) == 1 and tiles_of_c < 8 * count and p.k >= LEAST_DEPTH * count:
        table = [_part(p, places[0], i, k0, k1) for i, (k0, k1) in enumerate(_spans(p.k, count, 1))]
        parts = len(table)
    else:
        table = [_rectangle(p, place, *edges) for place in places for edges in _cut(p, count, shape)]
        parts = 1
    return np.array(table, np.int64), np.arange(len(table) + 1, dtype=np.int64), parts


def _part(p: Product, place: list[int], i: int, k0: int, k1: int) -> tuple[int, ...]:
    """The task of a part of the depth; the first one adds D."""
    a, b, _, d = place
    return a + k0 * p.a_step, b + k0 * p.b_step, i * p.m * p.n, -1 if i else d, p.m, p.n, k1 - k0


def _rectangle(p: Product, place: list[int], m0: int, m1: int, n0: int, n1: int) -> tuple[int, ...]:
    """The task of a rectangle of C."""
    a, b, c, d = place
    i, j = (n0, m0) if p.turned else (m0, n0)
    return a + m0 * p.a_row, b + n0 * p.b_along, c + i * p.c_row + j, d + i * p.d_row + j, m1 - m0, n1 - n0, p.k


def _cut(p: Product, parts: int, shape: Shape) -> list[tuple[int, int, int, int]]:
    """C in `parts` rectangles (first row, end, first column, end), such that the largest costs least: its tiles, and
    that every part packs its own rows of A and columns of B; then as square as possible."""
    high, wide = -(-p.m // shape.rows), -(-p.n // shape.columns)
    packs_a, packs_b = _packs(p, shape)

    def cost(down: int) -> tuple[float, int]:
        rows, columns = -(-high // down) * shape.rows, -(-wide * down // parts) * shape.columns
        packed = PACKING * (packs_a * rows + packs_b * columns)
        return rows * columns / shape.lanes + packed, rows + columns

    down = min((d for d in range(1, parts + 1) if parts % d == 0), key=cost)
    rows, columns = _spans(p.m, down, shape.rows), _spans(p.n, parts // down, shape.columns)
    return [(*row, *column) for row in rows for column in columns]


def _spans(size: int, parts: int, unit: int) -> list[tuple[int, int]]:
    """At most `parts` equal parts of whole units: (start, end) of each."""
    units = -(-size // unit)
    edges = sorted({min(round(units * i / parts) * unit, size) for i in range(parts + 1)})
    return list(zip(edges, edges[1:]))


def _kernels(tasks: np.ndarray, element: str, shape: Shape) -> np.ndarray:
    """The addresses of the tiles that the tasks need, at vectors * KERNELS + rows."""
    table = np.zeros((shape.vectors + 1, KERNELS), np.int64)
    for m, n in {(int(m), int(n)) for m, n in tasks[:, 4:6]}:
        heights = {shape.rows if m >= shape.rows else 0, m % shape.rows} - {0}
        widths = {shape.vectors if n >= shape.columns else 0, -(-(n % shape.columns) // shape.lanes)} - {0}
        for r in heights:
            for v in widths:
                table[v, r] = shape.address(r, v, element)
    return table


# ----------------------------------------------------------------------------------------------------------- operators
COMPILED = ("float32", "float64")


def matmul(call: Call) -> Routine | None:
    """Code for `matmul` of two tensors."""
    a, b = call.specs
    product = _product(a, b, call.out)
    return None if product is None else routine(product, "multiply")


def linear(call: Call) -> Routine | None:
    """Code for x W' + b."""
    x, weight, bias = call.specs
    if type(bias) is not Spec or weight.ndim != 2:
        return None
    product = _product(x, _transposed(weight), call.out, bias)
    return None if product is None else routine(product, "affine")


def combination(call: Call) -> Routine | None:
    """Code for beta x + alpha (a @ b)."""
    x, a, b, beta, alpha = call.specs
    product = _product(a, b, call.out, x)
    kinds = [int(beta is not float), int(alpha is not float)]
    return None if product is None else routine(product, "combine", kinds)


def _transposed(matrix: Spec) -> Spec:
    return spec(matrix.size[::-1], matrix.stride[::-1], matrix.dtype, matrix.device)


def _product(a: Spec, b: Spec, out: Spec, d: Spec | None = None) -> Product | None:
    """What matmul multiplies (and the d, broadcast, that is added), or None where it is not compiled."""
    if out.dtype.name not in COMPILED or not (out.contiguous and out.numel and a.numel):
        return None
    (*a_batch, m, k), (*a_strides, a_row, a_step) = _matrices(a, 0)
    (*b_batch, k, n), (*b_strides, b_step, b_along) = _matrices(b, 1)
    batch = out.size[: out.ndim - (a.ndim > 1) - (b.ndim > 1)]
    *d_strides, d_row, d_along = _strides_of_added(d, out, (len(batch), a.ndim > 1, b.ndim > 1))
    if d is not None and n > 1 and d_along != 1:
        return None
    c_strides = contiguous_stride((*batch, m, n))
    axes = list(zip(batch, spread(a_batch, a_strides, batch), spread(b_batch, b_strides, batch), c_strides, d_strides))
    m, a_row, d_row = _joined(axes, m, n, a_row, d_row)
    product = Product(
        m, n, k, a_row, a_step, b_step, b_along, n, out.dtype.name, d_row, offsets=offsets_of(axes)
    )  # fmt: skip
    product = _as_row(product, d is None)
    return product if a.dtype is out.dtype else _paired(product, a, b)


def _paired(p: Product, a: Spec, b: Spec) -> Product | None:
    """The product of bfloat16s as one of pairs, half as deep, if this host has that and pairs are adjacent."""
    if not (jit.multiplies_pairs() and a.dtype.name == b.dtype.name == "bfloat16" and p.element == "float32"):
        return None
    a_row, b_along = p.a_row if p.m > 1 else 0, p.b_along if p.n > 1 else 0
    if p.a_step != 1 or p.b_step != 1 or any(q % 2 for q in (p.k, a_row, b_along, *p.offsets[:, :2].ravel())):
        return None
    return replace(
        p, k=p.k // 2, a_row=a_row // 2, b_along=b_along // 2, offsets=p.offsets // (2, 2, 1, 1), pairs=True
    )


def _matrices(s: Spec, axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes and strides of a factor, where a vector has got another axis."""
    if s.ndim > 1:
        return tuple(s.size), s.stride
    return ((*s.size, 1), (*s.stride, 1)) if axis else ((1, *s.size), (0, *s.stride))


def _strides_of_added(d: Spec | None, out: Spec, axes: tuple[int, bool, bool]) -> tuple[int, ...]:
    """The strides of what is added, along the batch, the rows and the columns; vectors have no rows, or no columns."""
    batch, has_rows, has_columns = axes
    found = iter(() if d is None else spread(d.size, d.stride, out.size))
    return tuple(next(found, 0) if there else 0 for there in (*[True] * batch, has_rows, has_columns))


def _joined(axes: list[tuple], m: int, n: int, a_row: int, d_row: int) -> tuple[int, int, int]:
    """(m, a_row, d_row) after taking axes of the batch away that are only more rows: B is the same along them."""
    while axes:
        size, a, b, c, d = axes[-1]
        if m == 1:  # the stride of a single row says nothing
            a_row, d_row = a, d
        if (a, b, c, d) != (a_row * m, 0, n * m, d_row * m):
            break
        m *= size
        axes.pop()
    return m, a_row, d_row


def spread(size: Sequence[int], stride: Sequence[int], full: Sequence[int]) -> tuple[int, ...]:
    """Strides of a tensor that is broadcast to a size."""
    missing = len(full) - len(size)
    return (*[0] * missing, *[q if s != 1 else 0 for s, q in zip(size, stride)])


def offsets_of(axes: Sequence[tuple], operands: int = 4) -> np.ndarray:
    """The offsets of all operands for every member of a batch, whose axes are given as (size, a stride for each)."""
    offsets = np.zeros((1, operands), np.int64)
    for size, *stride in axes:
        steps = np.arange(size)[:, None] * np.array(stride)
        offsets = (offsets[:, None] + steps).reshape(-1, operands)
    return offsets


def _as_row(p: Product, alone: bool) -> Product:
    """A column (n = 1) as the row of the turned product, C' = B' A', so that vectors lie along what was m."""
    if p.n != 1 or p.m == 1 or not (alone or p.d_row == 1):
        return p
    return replace(
        p, m=1, n=p.m, a_row=0, a_step=p.b_step, b_step=p.a_step, b_along=p.a_row, c_row=p.m, swapped=True,
        offsets=p.offsets[:, [1, 0, 2, 3]],
    )  # fmt: skip
