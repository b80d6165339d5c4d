"""Products of matrices: C = alpha A B + beta D, cut at or above a floor, for any sizes and strides at run time.

`Product` says in numbers what is multiplied; `routine` cuts it into tasks (a range of rows and columns of one product
of a batch) and gives each chunk a list of them, as a table. The compiled driver walks through a task in blocks that
fit the caches, packs what has to be packed, and calls register tiles (`tiles`) by their addresses:

    for a block of rows                  that packed fits in the second-level cache
      for a block of the depth (DEPTH)
        pack A                           a panel of 14 rows stays in the first-level cache,
        for a block of columns (COLUMNS)
          pack B                         a block of B in the second
          for each panel of A, for each panel of B: a register tile of C, added to C after the first block of the depth

Nothing about sizes is compiled in: one driver per dtype, and one tile per number of rows and vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from llvmlite import ir

from ..core.shape import contiguous_stride
from ..core.spec import Spec, spec
from ..graph.node import Call
from ..runtime import threads
from . import jit, tiles
from .routine import Routine
from .tiles import Tile
from .vectors import ELEMENTS, I64, VOID, Writer, constant, module_text, new_function

BYTES_OF_DEPTH = 384 * 4  # of a row of A, or of a column of B, in one block
COLUMNS = 512  # of B in one block, half of that for 8-byte elements
ROWS = 73 * 14  # of A in one block
MOST_ROWS = 14
SMALL = 1.25e6  # multiplications that one thread has done before a second one has woken up

TASK = ("a", "b", "c", "d", "m", "n", "k")  # offsets in elements, then sizes
LAYOUT = (
    "a_row", "a_step", "b_step", "b_along", "c_row", "d_row", "rows", "columns", "row_block", "column_block",
    "depth_block", "pack_a", "pack_b", "room_of_a", "room", "turned",
)  # fmt: skip
_WORDS = I64.as_pointer()


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
    turned: bool = False  # whether A is the second input
    offsets: np.ndarray = field(default_factory=lambda: np.zeros((1, 4), np.int64))

    @property
    def work(self) -> int:
        return self.m * self.n * self.k * len(self.offsets)


def routine(product: Product, entry: str, constants: Sequence[Any] = ()) -> Routine:
    """The code of a product. `entry` names the function of the driver that finds A, B, C and D among the words."""
    shape = _tile_shape(product)
    layout = _layout(product, *shape)
    tasks, starts = _tasks(product, *shape)
    chunks = len(starts) - 1
    kernels = _kernels(tasks, product.element, *shape)
    words = [tasks, starts, np.array([layout[name] for name in LAYOUT], np.int64), kernels, *constants]
    return Routine([(driver(product.element)[entry], chunks)], words, scratch=layout["room"] * chunks)


def _tile_shape(p: Product) -> tuple[int, int]:
    """The (rows, vectors) of the register tiles: wide ones where there are few rows."""
    lanes = tiles.lanes(p.element)
    vectors = next((v for v in (4, 3) if p.m <= tiles.most_rows(v)), 2)
    vectors = min(vectors, -(-p.n // lanes))
    return min(p.m, tiles.most_rows(vectors), MOST_ROWS), vectors


def _layout(p: Product, rows: int, vectors: int) -> dict[str, int]:
    """The words that the driver needs about all tasks."""
    item = np.dtype(p.element).itemsize
    lanes, columns = tiles.lanes(p.element), vectors * tiles.lanes(p.element)
    depth = _even_part(p.k, BYTES_OF_DEPTH // item, 1)
    column_block = -(-_even_part(p.n, COLUMNS * 4 // item, columns) // columns) * columns
    row_block = ROWS // rows * rows
    pack_a, pack_b = _packs_a(p), _packs_b(p)
    panels = -(-min(p.m, row_block) // rows)
    room_of_a = pack_a * panels * depth * _panel_width(p.element)
    room_of_b = pack_b * column_block * depth
    room = -(-(room_of_a + room_of_b + lanes) * item // 4096) * 4096 + 64  # chunks begin in different sets of a cache
    return dict(
        a_row=p.a_row, a_step=p.a_step, b_step=p.b_step, b_along=p.b_along, c_row=p.c_row, d_row=p.d_row, rows=rows,
        columns=columns, row_block=row_block, column_block=column_block, depth_block=depth, pack_a=int(pack_a),
        pack_b=int(pack_b), room_of_a=room_of_a, room=room if pack_a or pack_b else 0,
        turned=int(p.turned),
    )  # fmt: skip


def _even_part(size: int, most: int, unit: int) -> int:
    """The length of equal parts of `size`, in units, of which none is longer than `most`."""
    parts = -(-size // most)
    return -(-size // (parts * unit)) * unit


def _panel_width(element: str) -> int:
    """How far the k's of a packed panel of A lie apart: whole registers."""
    lanes = tiles.lanes(element)
    return -(-MOST_ROWS // lanes) * lanes


def _packs_a(p: Product) -> bool:
    """Whether A is copied: where enough columns read it again."""
    return p.n >= 128


def _packs_b(p: Product) -> bool:
    """Whether B is copied: where its rows are not adjacent elements, or enough rows of A read it again."""
    return p.n > 1 and p.b_along != 1 or p.m > 64


def _tasks(p: Product, rows: int, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    """The table of tasks (`TASK`), and where in it each chunk begins, with the end."""
    parts = 1 if p.work <= SMALL else threads.get_num_threads()
    if len(p.offsets) >= parts:
        whole = np.concatenate([p.offsets, np.tile((p.m, p.n, p.k), (len(p.offsets), 1))], axis=1)
        chunks = min(len(whole), parts * (4 if parts > 1 else 1))
        return whole.astype(np.int64), np.linspace(0, len(whole), chunks + 1).astype(np.int64)
    table = [
        (a + m0 * p.a_row, b + n0 * p.b_along, c + m0 * p.c_row + n0, d + m0 * p.d_row + n0, m1 - m0, n1 - n0, p.k)
        for a, b, c, d in p.offsets.tolist()
        for m0, m1, n0, n1 in _cut(p, -(-parts // len(p.offsets)), rows, vectors * tiles.lanes(p.element))
    ]
    return np.array(table, np.int64).reshape(-1, len(TASK)), np.arange(len(table) + 1, dtype=np.int64)


def _cut(p: Product, parts: int, rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """C in `parts` rectangles (first row, end, first column, end), such that the largest has the fewest tiles; then as
    square as possible, since every part packs its own rows of A and columns of B."""
    high, wide = -(-p.m // rows), -(-p.n // columns)

    def cost(down: int) -> tuple[int, int]:
        across = parts // down
        return -(-high // down) * -(-wide // across), p.m // down + p.n // across

    down = min((d for d in range(1, parts + 1) if parts % d == 0), key=cost)
    lines = _edges(p.m, down, rows), _edges(p.n, parts // down, columns)
    return [(m0, m1, n0, n1) for m0, m1 in zip(lines[0], lines[0][1:]) for n0, n1 in zip(lines[1], lines[1][1:])]


def _edges(size: int, parts: int, unit: int) -> list[int]:
    """The edges of at most `parts` equal parts of whole units."""
    units = -(-size // unit)
    return sorted({min(round(units * i / parts) * unit, size) for i in range(parts + 1)})


def _kernels(tasks: np.ndarray, element: str, rows: int, vectors: int) -> np.ndarray:
    """The addresses of the tiles that the tasks need, at [vectors, rows]."""
    lanes = tiles.lanes(element)
    table = np.zeros((vectors + 1, MOST_ROWS + 1), np.int64)
    sizes = {(int(m), int(n)) for m, n in tasks[:, 4:6]}
    for m, n in sizes:
        heights = {rows if m >= rows else 0, m % rows} - {0}
        widths = {vectors if n >= vectors * lanes else 0, -(-(n % (vectors * lanes)) // lanes)} - {0}
        for r in heights:
            for v in widths:
                table[v, r] = tiles.tile_address(Tile(r, v, element))
    return table


# ---------------------------------------------------------------------------------------------------------- the driver
_drivers: dict[tuple[str, int], dict[str, int]] = {}

# Where an entry finds (A, B, D, beta, alpha, C) among the words of a block; the scratch and the constants follow C.
ENTRIES = {
    "multiply": {"a": 0, "b": 1, "c": 2},  # A B
    "affine": {"a": 0, "b": 1, "d": 2, "c": 3},  # A B + D
    "combine": {"d": 0, "a": 1, "b": 2, "beta": 3, "alpha": 4, "c": 5},  # beta D + alpha A B
}


def driver(element: str) -> dict[str, int]:
    """The addresses of the entries for a dtype."""
    key = element, jit.vector_bytes()
    if key not in _drivers:
        _drivers[key] = jit.load(("gemm", *key), list(ENTRIES), lambda: _driver_text(element))
    return _drivers[key]


def _driver_text(element: str) -> str:
    module = ir.Module()
    pack = tiles.emit_pack(module, element)
    task = _emit_task(module, element, pack)
    for name in ENTRIES:
        _emit_entry(module, name, element, task)
    return module_text(module)


def _emit_entry(module: ir.Module, name: str, element: str, task: ir.Function) -> None:
    """A phase: the tasks of a chunk one after the other."""
    w = Writer(new_function(module, name), element)
    block, chunk = w.function.args
    places = ENTRIES[name]
    first = places["c"] + 1
    scratch = w.word(block, first)
    tasks, starts, layout, kernels = (w.word(block, first + i, I64) for i in range(1, 5))
    a, b, c = (w.word(block, places[n], w.element) for n in "abc")
    turned = w.test(w.word(layout, LAYOUT.index("turned")), "!=", 0)
    a, b = w.b.select(turned, b, a), w.b.select(turned, a, b)
    one = ir.Constant(w.element, 1.0)
    alpha, beta = one, one
    d = w.word(block, places["d"], w.element) if "d" in places else ir.Constant(w.pointer, None)
    if "alpha" in places:
        kinds = [w.word(block, first + 5), w.word(block, first + 6)]
        beta, alpha = (_number(w, block, places[n], kind) for n, kind in zip(("beta", "alpha"), kinds))
        d = w.b.select(w.b.fcmp_unordered("!=", beta, ir.Constant(w.element, 0.0)), d, ir.Constant(w.pointer, None))
    room = w.mul(chunk, w.word(layout, LAYOUT.index("room")))
    own = w.b.inttoptr(w.add(scratch, room), w.pointer)
    with w.loop(w.word(w.b.gep(starts, [chunk]), 0), w.word(w.b.gep(starts, [chunk]), 1), name="task") as i:
        record = w.b.gep(tasks, [w.mul(i, len(TASK))])
        w.b.call(task, [record, layout, kernels, a, b, c, d, alpha, beta, own])
    w.b.ret_void()


def _number(w: Writer, block: Any, place: int, is_int: Any) -> Any:
    """A Python number of a block, int64 or float64, as an element."""
    bits = w.word(w.word(block, place), 0)
    double = ELEMENTS["float64"]
    value = w.b.select(w.test(is_int, "!=", 0), w.b.sitofp(bits, double), w.b.bitcast(bits, double))
    return value if w.element == double else w.b.fptrunc(value, w.element)


def _emit_task(module: ir.Module, element: str, pack: ir.Function) -> ir.Function:
    """The blocks of one task."""
    e = ELEMENTS[element]
    pointer = e.as_pointer()
    kind = [_WORDS, _WORDS, _WORDS, pointer, pointer, pointer, pointer, e, e, pointer]
    w = Writer(new_function(module, "task", kind), element)
    for argument in w.function.args:
        if argument.type.is_pointer:
            argument.attributes.remove("noalias")  # D may be C
    record, layout, kernels, a, b, c, d, alpha, beta, own = w.function.args
    _Walk(w, record, layout, kernels, (a, b, c, d), (alpha, beta), own, pack).emit()
    w.b.ret_void()
    return w.function


class _Walk:
    """Writes the loops of the module's docstring."""

    def __init__(
        self, w: Writer, record: Any, layout: Any, kernels: Any, places: tuple, factors: tuple, own: Any, pack: Any
    ):  # fmt: skip
        self.w, self.kernels, self.pack, self.factors = w, kernels, pack, factors
        self.at = dict(zip(LAYOUT, w.words(layout, 0, len(LAYOUT))))
        *offsets, self.m, self.n, self.k = w.words(record, 0, len(TASK))
        self.a, self.b, self.c, self.d = (w.at(p, o) for p, o in zip(places, offsets))
        self.d = w.b.select(tiles.is_null(w, places[3]), places[3], self.d)
        self.own_a, self.own_b = own, w.at(own, self.at["room_of_a"])
        self.tile = ir.FunctionType(VOID, tiles.tile_type(Tile(1, 1, w.name)).args).as_pointer()

    def emit(self) -> None:
        w, at = self.w, self.at
        with w.loop(0, self.m, at["row_block"], name="rows") as i0:
            height = w.min(at["row_block"], w.sub(self.m, i0))
            with w.loop(0, self.k, at["depth_block"], name="depth") as k0:
                depth = w.min(at["depth_block"], w.sub(self.k, k0))
                a = w.at(self.a, w.mul(i0, at["a_row"]), w.mul(k0, at["a_step"]))
                panels = self._panels_of_a(a, height, depth)
                with w.loop(0, self.n, at["column_block"], name="columns") as j0:
                    width = w.min(at["column_block"], w.sub(self.n, j0))
                    b = w.at(self.b, w.mul(k0, at["b_step"]), w.mul(j0, at["b_along"]))
                    self._block(panels, self._panels_of_b(b, width, depth), (i0, j0, k0), (height, width, depth))

    def _panels_of_a(self, a: Any, height: Any, depth: Any) -> tuple:
        """(address, row stride, step, distance of panels) of A, packed or where it is."""
        w, at = self.w, self.at
        wide = _panel_width(w.name)
        packs = w.test(at["pack_a"], "!=", 0)
        with w.b.if_then(packs):
            w.b.call(self.pack, [a, self.own_a, height, depth, at["a_row"], at["a_step"], at["rows"], constant(wide)])
        packed = self.own_a, constant(1), constant(wide), w.mul(depth, wide)
        return self._either(packs, packed, (a, at["a_row"], at["a_step"], w.mul(at["rows"], at["a_row"])))

    def _panels_of_b(self, b: Any, width: Any, depth: Any) -> tuple:
        """(address, step, distance of panels) of B, packed or where it is."""
        w, at = self.w, self.at
        wide = at["columns"]
        packs = w.test(at["pack_b"], "!=", 0)
        with w.b.if_then(packs):
            w.b.call(self.pack, [b, self.own_b, width, depth, at["b_along"], at["b_step"], wide, wide])
        return self._either(packs, (self.own_b, wide, w.mul(depth, wide)), (b, at["b_step"], wide))

    def _either(self, condition: Any, first: tuple, second: tuple) -> tuple:
        return tuple(self.w.b.select(condition, x, y) for x, y in zip(first, second))

    def _block(self, of_a: tuple, of_b: tuple, start: tuple, size: tuple) -> None:
        """All tiles of a block: a panel of A with every panel of B."""
        w, at = self.w, self.at
        (a, a_row, a_step, a_far), (b, b_step, b_far) = of_a, of_b
        (i0, j0, k0), (height, width, depth) = start, size
        d, d_row, beta = self._added(k0)
        alpha, floor = self.factors[0], ir.Constant(w.element, float("-inf"))
        with w.loop(0, height, at["rows"], name="i") as i:
            rows = w.min(at["rows"], w.sub(height, i))
            panel = w.at(a, w.mul(w.div(i, at["rows"]), a_far))
            with w.loop(0, width, at["columns"], name="j") as j:
                here = w.min(at["columns"], w.sub(width, j))
                vectors = w.div(w.add(here, w.lanes - 1), w.lanes)
                last = w.sub(here, w.mul(w.sub(vectors, 1), w.lanes))
                kernel = self._kernel(vectors, rows)
                row, column = w.add(i0, i), w.add(j0, j)
                to_c, to_d = (w.at(p, w.mul(row, q), column) for p, q in ((self.c, at["c_row"]), (d, d_row)))
                to_d = w.b.select(tiles.is_null(w, d), d, to_d)
                from_b = w.at(b, w.mul(w.div(j, at["columns"]), b_far))
                added = to_c, at["c_row"], to_d, d_row, alpha, beta, floor
                w.b.call(kernel, [depth, panel, a_row, a_step, from_b, b_step, last, *added])

    def _added(self, k0: Any) -> tuple:
        """What is added to the product of a block of the depth: D to the first, C to the others."""
        w, one = self.w, ir.Constant(self.w.element, 1.0)
        first = w.test(k0, "==", 0)
        return self._either(first, (self.d, self.at["d_row"], self.factors[1]), (self.c, self.at["c_row"], one))

    def _kernel(self, vectors: Any, rows: Any) -> Any:
        w = self.w
        place = w.add(w.mul(vectors, MOST_ROWS + 1), rows)
        return w.b.inttoptr(w.b.load(w.b.gep(self.kernels, [place])), self.tile)


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
    a_size, a_stride = (tuple(a.size), a.stride) if a.ndim > 1 else ((1, *a.size), (0, *a.stride))
    b_size, b_stride = (tuple(b.size), b.stride) if b.ndim > 1 else ((*b.size, 1), (*b.stride, 1))
    m, n = a_size[-2], b_size[-1]
    batch = out.size[: out.ndim - (a.ndim > 1) - (b.ndim > 1)]
    full = (*batch, m, n)
    d_stride = _spread((), (), full)
    if d is not None:
        keep = [True] * len(batch) + [a.ndim > 1, b.ndim > 1]
        found = iter(_spread(d.size, d.stride, out.size))
        d_stride = tuple(next(found) if k else 0 for k in keep)
        if n > 1 and d_stride[-1] != 1:
            return None
    axes = list(zip(
        batch, _spread(a_size[:-2], a_stride[:-2], batch), _spread(b_size[:-2], b_stride[:-2], batch),
        contiguous_stride(full), d_stride,
    ))  # fmt: skip
    a_row, d_row = a_stride[-2], d_stride[-2]
    while axes and axes[-1][1:] == (a_row * m, 0, n * m, d_row * m):  # one matrix B for several A's: they are more rows
        m *= axes.pop()[0]
    product = Product(
        m, n, a_size[-1], a_row, a_stride[-1], b_stride[-2], b_stride[-1], n, out.dtype.name, d_row,
        offsets=_offsets(axes),
    )  # fmt: skip
    return _turned(product, d is None)


def _spread(size: Sequence[int], stride: Sequence[int], full: Sequence[int]) -> tuple[int, ...]:
    """Strides of a tensor that is broadcast to a size."""
    missing = len(full) - len(size)
    return (*[0] * missing, *[q if s != 1 else 0 for s, q in zip(size, stride)])


def _offsets(axes: Sequence[tuple]) -> np.ndarray:
    """The offsets of every product of a batch, whose axes are given as (size, stride of A, of B, of C, of D)."""
    offsets = np.zeros((1, 4), np.int64)
    for size, *stride in axes:
        steps = np.arange(size)[:, None] * np.array(stride)
        offsets = (offsets[:, None] + steps).reshape(-1, 4)
    return offsets


def _turned(p: Product, alone: bool) -> Product:
    """A column (n = 1) as the row of the turned product, C' = B' A', so that vectors lie along what was m."""
    if p.n != 1 or p.m == 1 or not (alone or p.d_row == 1):
        return p
    return replace(
        p, m=1, n=p.m, a_row=0, a_step=p.b_step, b_step=p.a_step, b_along=p.a_row, c_row=p.m, turned=True,
        offsets=p.offsets[:, [1, 0, 2, 3]],
    )  # fmt: skip
