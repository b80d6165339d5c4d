"""The driver of products of matrices: C = alpha A B + beta D for any sizes and strides, block by block.

A chunk's work is a list of tasks, rows of a table (`TASK`): a range of rows and columns of one product, at offsets from
the addresses of A, B, C and D. What all tasks share is in another table (`LAYOUT`); a third has the addresses of the
tiles. A task goes through blocks that fit the caches, packs what has to be packed, and calls tiles:

    for a block of rows                  that packed fits in the second-level cache
      for a block of the depth
        pack A                           a panel of 14 rows stays in the first-level cache,
        for a block of columns
          pack B                         a block of B in the second
          for each panel of A, for each panel of B: a register tile of C, added to C after the first block of the depth

Nothing about sizes is compiled in: one driver per dtype. Who fills the tables is `products`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import jit, tiles
from .tiles import Tile
from .vectors import ELEMENTS, I64, VOID, Writer, constant, module_text, new_function

MOST_ROWS = 14
KERNELS = MOST_ROWS + 1  # the table of tiles is indexed by vectors * KERNELS + rows
_WORDS = I64.as_pointer()

# Offsets in elements, then sizes; a negative offset of D says that there is nothing to add.
TASK = ("a", "b", "c", "d", "m", "n", "k")

# What all tasks share: strides; the size of a tile, and how many of its columns are one of its vectors; the blocks;
# where B is not packed, the distance of its panels and the `b_step` that a tile gets; whether A and B are packed, the
# elements of the packed A, a chunk's bytes of scratch; whether the first input is B; whether C is stored transposed;
# where the depth is divided, how many parts of C there are, of how many elements, and where in the scratch.
LAYOUT = (
    "a_row", "a_step", "b_step", "b_along", "c_row", "d_row", "rows", "columns", "lanes", "row_block", "column_block",
    "depth_block", "b_far", "b_given", "pack_a", "pack_b", "room_of_a", "room", "swapped", "turned", "parts",
    "cells", "parts_at",
)  # fmt: skip

# Where an entry finds (A, B, D, beta, alpha, C) among the words of a block; the scratch and the constants follow C.
ENTRIES = {
    "multiply": {"a": 0, "b": 1, "c": 2},  # A B
    "affine": {"a": 0, "b": 1, "d": 2, "c": 3},  # A B + D
    "without": {"a": 0, "b": 1, "c": 3},  # A B, where D could be
    "combine": {"d": 0, "a": 1, "b": 2, "beta": 3, "alpha": 4, "c": 5},  # beta D + alpha A B
}
CONSTANTS = ("tasks", "starts", "layout", "kernels", "beta_is_int", "alpha_is_int")
_drivers: dict[tuple[str, int], dict[str, int]] = {}


def driver(element: str) -> dict[str, int]:
    """The addresses of the phases for a dtype: the entries, and "sum_" + entry, which adds the parts of C."""
    key = element, jit.vector_bytes()
    if key not in _drivers:
        names = [prefix + name for name in ENTRIES for prefix in ("", "sum_")]
        _drivers[key] = jit.load(("gemm", *key), names, lambda: _driver_text(element))
    return _drivers[key]


def panel_width(element: str) -> int:
    """How far the k's of a packed panel of A lie apart: whole registers."""
    lanes = tiles.lanes(element)
    return -(-MOST_ROWS // lanes) * lanes


def _driver_text(element: str) -> str:
    module = ir.Module()
    task = _emit_task(module, element, tiles.emit_pack(module, element), emit_block(module, element))
    for name in ENTRIES:
        _emit_entry(module, name, element, task)
        _emit_sum(module, name, element)
    return module_text(module)


# ---------------------------------------------------------------------------------------------------------- the phases
class _Block:
    """The words of a phase's block."""

    def __init__(self, w: Writer, block: Any, name: str):
        self.w, self.block, self.places = w, block, ENTRIES[name]
        first = self.places["c"] + 1
        self.scratch = w.word(block, first)
        self.constants = dict(zip(CONSTANTS, range(first + 1, first + 1 + len(CONSTANTS))))
        self.tasks, self.starts, self.layout, self.kernels = (self.table(n) for n in CONSTANTS[:4])

    def table(self, name: str) -> Any:
        return self.w.word(self.block, self.constants[name], I64)

    def shared(self, name: str) -> Any:
        """A word of the layout."""
        return self.w.word(self.layout, LAYOUT.index(name))

    def elements(self, name: str) -> Any:
        """The address of A, B, C or D; null where there is no D."""
        if name not in self.places:
            return ir.Constant(self.w.pointer, None)
        return self.w.word(self.block, self.places[name], self.w.element)

    def factor(self, name: str) -> Any:
        """alpha or beta: a Python number, int64 or float64, as an element."""
        w = self.w
        if name not in self.places:
            return ir.Constant(w.element, 1.0)
        bits, double = w.word(w.word(self.block, self.places[name]), 0), ELEMENTS["float64"]
        is_int = w.test(w.word(self.block, self.constants[name + "_is_int"]), "!=", 0)
        value = w.b.select(is_int, w.b.sitofp(bits, double), w.b.bitcast(bits, double))
        return value if w.element == double else w.b.fptrunc(value, w.element)

    def parts(self) -> Any:
        """Where in the scratch the parts of C begin."""
        return self.w.b.inttoptr(self.w.add(self.scratch, self.shared("parts_at")), self.w.pointer)


def _emit_entry(module: ir.Module, name: str, element: str, task: ir.Function) -> None:
    """A phase: the tasks of a chunk one after the other."""
    w = Writer(new_function(module, name), element)
    block, chunk = _Block(w, w.function.args[0], name), w.function.args[1]
    a, b = block.elements("a"), block.elements("b")
    swapped = w.test(block.shared("swapped"), "!=", 0)
    a, b = w.b.select(swapped, b, a), w.b.select(swapped, a, b)
    c = w.b.select(w.test(block.shared("parts"), ">", 1), block.parts(), block.elements("c"))
    beta, null = block.factor("beta"), ir.Constant(w.pointer, None)
    d = w.b.select(w.b.fcmp_ordered("==", beta, ir.Constant(w.element, 0.0)), null, block.elements("d"))
    own = w.b.inttoptr(w.add(block.scratch, w.mul(chunk, block.shared("room"))), w.pointer)
    first, last = (w.word(w.b.gep(block.starts, [chunk]), i) for i in (0, 1))
    with w.loop(first, last, name="task") as i:
        record = w.b.gep(block.tasks, [w.mul(i, len(TASK))])
        w.b.call(task, [record, block.layout, block.kernels, a, b, c, d, block.factor("alpha"), beta, own])
    w.b.ret_void()


def _emit_sum(module: ir.Module, name: str, element: str) -> None:
    """A phase that sums the parts of C. One chunk: the parts are few and small."""
    w = Writer(new_function(module, "sum_" + name), element)
    block = _Block(w, w.function.args[0], name)
    parts, cells, c = block.parts(), block.shared("cells"), block.elements("c")
    with w.loop(0, cells, w.lanes, name="cell") as i:
        mask = w.first_lanes(w.sub(cells, i))
        with w.folding(0, block.shared("parts"), 1, [w.zero]) as (part, total, after):
            after.append(w.b.fadd(total[0], w.load(w.at(parts, w.mul(part, cells), i), mask)))
        w.store(total[0], w.at(c, i), mask)
    w.b.ret_void()


# ----------------------------------------------------------------------------------------------------------- the block
BLOCK = (
    "kernels", "m", "n", "depth", "rows", "columns", "lanes", "turned", "a", "a_row", "a_step", "a_far", "b", "b_step",
    "b_far", "c", "c_row", "d", "d_row", "alpha", "beta",
)  # fmt: skip


def emit_block(module: ir.Module, element: str) -> ir.Function:
    """A function (`BLOCK`) that multiplies a block of rows by a block of columns, of any depth, a tile at a time.

    Tiles have `rows` rows and `columns` columns, of which `lanes` are a vector; `a_far` and `b_far` are the distances
    of panels: rows * a_row and columns where nothing is packed. C, D, alpha and beta are as for tiles.
    """
    pointer, e = ELEMENTS[element].as_pointer(), ELEMENTS[element]
    kinds = dict.fromkeys("abcd", pointer) | dict.fromkeys(("alpha", "beta"), e) | {"kernels": _WORDS}
    function = ir.Function(module, ir.FunctionType(VOID, [kinds.get(n, I64) for n in BLOCK]), f"block_{element}")
    function.attributes.add("noinline")
    w = Writer(function, element)
    at = dict(zip(BLOCK, function.args, strict=True))
    nothing = tiles.is_null(w, at["d"])
    with w.loop(0, at["m"], at["rows"], name="i") as i:
        rows = w.min(at["rows"], w.sub(at["m"], i))
        panel = w.at(at["a"], w.mul(w.div(i, at["rows"]), at["a_far"]))
        with w.loop(0, at["n"], at["columns"], name="j") as j:
            kernel, last = _kernel(w, at, rows, w.min(at["columns"], w.sub(at["n"], j)))
            from_b = w.at(at["b"], w.mul(w.div(j, at["columns"]), at["b_far"]))
            c, d = (place(w, at[x], at[x + "_row"], i, j, at["turned"]) for x in "cd")
            given = dict(at, a=panel, b=from_b, last=last, c=c, d=w.b.select(nothing, at["d"], d))
            w.b.call(kernel, [given[name] for name in tiles.ROWS])
    w.b.ret_void()
    return function


def place(w: Writer, start: Any, row: Any, i: Any, j: Any, turned: Any) -> Any:
    """Where element (i, j) of C is, or element (j, i) where C is stored transposed."""
    is_turned = w.test(turned, "!=", 0)
    i, j = w.b.select(is_turned, j, i), w.b.select(is_turned, i, j)
    return w.at(start, w.mul(i, row), j)


def _kernel(w: Writer, at: dict[str, Any], rows: Any, columns: Any) -> tuple[Any, Any]:
    """The tile for so many rows and columns, and how many columns its last vector has."""
    vectors = w.div(w.add(columns, w.sub(at["lanes"], 1)), at["lanes"])
    last = w.sub(columns, w.mul(w.sub(vectors, 1), at["lanes"]))
    kind = tiles.tile_type(Tile(1, 1, w.name)).as_pointer()
    place = w.add(w.mul(vectors, KERNELS), rows)
    return w.b.inttoptr(w.b.load(w.b.gep(at["kernels"], [place])), kind), last


# ------------------------------------------------------------------------------------------------------------ the task
def _emit_task(module: ir.Module, element: str, pack: ir.Function, block: ir.Function) -> ir.Function:
    e = ELEMENTS[element]
    pointer = e.as_pointer()
    kind = [_WORDS, _WORDS, _WORDS, pointer, pointer, pointer, pointer, e, e, pointer]
    function = ir.Function(module, ir.FunctionType(VOID, kind), "task")
    function.attributes.add("noinline")
    w = Writer(function, element)
    record, layout, kernels, a, b, c, d, alpha, beta, own = function.args
    _Walk(w, record, layout, kernels, (a, b, c, d), (alpha, beta), own, pack, block).emit()
    w.b.ret_void()
    return function


class _Walk:
    """Writes the loops of the module's docstring."""

    def __init__(
        self, w: Writer, record: Any, layout: Any, kernels: Any, places: tuple, factors: tuple, own: Any, pack: Any,
        block: Any,
    ):  # fmt: skip
        self.w, self.kernels, self.pack, self.block, (self.alpha, self.beta) = w, kernels, pack, block, factors
        self.at = dict(zip(LAYOUT, w.words(layout, 0, len(LAYOUT))))
        *offsets, self.m, self.n, self.k = w.words(record, 0, len(TASK))
        self.a, self.b, self.c, self.d = (w.at(p, o) for p, o in zip(places, offsets))
        nothing = w.b.or_(tiles.is_null(w, places[3]), w.test(offsets[3], "<", 0))
        self.d = w.b.select(nothing, ir.Constant(w.pointer, None), self.d)
        self.own_a, self.own_b = own, w.at(own, self.at["room_of_a"])

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
        wide = panel_width(w.name)
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
        return self._either(packs, (self.own_b, wide, w.mul(depth, wide)), (b, at["b_given"], at["b_far"]))

    def _either(self, condition: Any, first: tuple, second: tuple) -> tuple:
        return tuple(self.w.b.select(condition, x, y) for x, y in zip(first, second))

    def _block(self, of_a: tuple, of_b: tuple, start: tuple, size: tuple) -> None:
        """All tiles of a block."""
        w, at = self.w, self.at
        (i0, j0, k0), (height, width, depth) = start, size
        d, d_row, beta = self._added(k0)
        c, added = (place(w, p, row, i0, j0, at["turned"]) for p, row in ((self.c, at["c_row"]), (d, d_row)))
        added = w.b.select(tiles.is_null(w, d), d, added)
        shape = at["rows"], at["columns"], at["lanes"], at["turned"]
        sums = c, at["c_row"], added, d_row, self.alpha, beta
        w.b.call(self.block, [self.kernels, height, width, depth, *shape, *of_a, *of_b, *sums])

    def _added(self, k0: Any) -> tuple:
        """What is added to the product of a block of the depth: D to the first, C to the others."""
        w, at = self.w, self.at
        later = self.c, at["c_row"], ir.Constant(w.element, 1.0)
        return self._either(w.test(k0, "==", 0), (self.d, at["d_row"], self.beta), later)
