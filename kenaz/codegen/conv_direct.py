"""Convolutions with few rows, whose B is not worth packing: tiles read it where it lies.

Packing a vector of B costs as much as three to seven multiplications, and pays only if as many rows share it. Here a
vector is a window of `lanes` neighbouring elements of a source row by row, with what lies between the rows:

    source rows of 7 places, 2 apart       # # # # # # # . . # # # # # # #      one window of 16 lanes, two runs
    source rows of 14 places, 4 apart      # # # # # # # # # # # # # # . .      one window, one run

A tile loads its windows for every step of the depth, unaligned, and stores the lanes that are places.
"""

from __future__ import annotations

import functools

import numpy as np
from llvmlite import ir

from . import conv_code as code
from . import conv_packs as packs
from . import conv_tasks as tasks
from . import jit, tiles
from .conv_geometry import Axes, Panels, Source, repeat, runs
from .conv_tasks import Code
from .tiles import Tile
from .vectors import ELEMENTS, I64, VOID, Writer, constant, module_text

MOST_SEGMENTS = 3  # of a window; narrower rows are packed
MOST_ROWS = 32  # more rows pass over the windows several times, which then have to come from the second-level cache
TILE = ("depth", "a", "a_step", "reads", "source", "starts", "c", "c_row", "table", "bias", "accumulate")
_WORD = I64.as_pointer()


def windows(axes: Axes, source: Source, images: int, vectors: int, lanes: int, image: int) -> Panels:
    """The panels of `vectors` windows: starts are (panel, vector) offsets, ends are runs as in `panels`."""
    rows, columns = axes
    start, masks = cover(rows.places, columns.places, rows.step * source.row, lanes)
    r = repeat(len(start), images, vectors)
    starts = r.image * source.image + start[r.place]
    ends = masks[r.place].copy()
    ends[..., 0] += (r.image * image)[:, None]
    ends[~r.valid, :, 1] = 0
    return Panels(r.total, r.period, r.each, starts.reshape(-1, vectors), ends.reshape(r.each + 1, vectors, -1, 2))


@functools.lru_cache(64)
def cover(rows: int, columns: int, pitch: int, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows over rows that lie `pitch` apart, each from the first place not covered yet: where they begin, and
    the runs of their places in the result."""
    starts, at, end = [], 0, rows * pitch
    while at < end:
        at += max(0, pitch - at % pitch) if at % pitch >= columns else 0
        if at < end:
            starts.append(at)
        at += lanes
    start = np.array(starts, np.int64)
    lane = start[:, None] + np.arange(lanes)
    y, x = np.divmod(lane, pitch)
    valid = (x < columns) & (y < rows)
    return start, runs((y * columns + x).ravel(), valid.ravel(), lanes)


def pays(axes: Axes, source: Source, rows: int, packed_runs: int, lanes: int) -> bool:
    """Whether windows, some of whose lanes are wasted, cost less than packing; in nanoseconds measured on Zen 4."""
    pitch = axes[0].step * source.row
    if rows > MOST_ROWS or pitch < axes[1].places or axes[0].places * axes[1].places < lanes:
        return False
    start, masks = cover(axes[0].places, axes[1].places, pitch, lanes)
    if masks.shape[1] > MOST_SEGMENTS:
        return False
    used = axes[0].places * axes[1].places / (len(start) * lanes)
    return 0.28 * rows / used + 0.2 < 0.28 * rows + 0.8 + 0.42 * packed_runs


# ---------------------------------------------------------------------------------------------------------------- tiles
def tile_type(element: str) -> ir.FunctionType:
    """The signature of a tile over windows."""
    kind = ELEMENTS[element]
    pointer = kind.as_pointer()
    kinds = {"a": pointer, "source": pointer, "c": pointer, "bias": pointer, "table": _WORD}
    return ir.FunctionType(VOID, [kinds.get(name, I64) for name in TILE])


@functools.lru_cache(None)
def tile_address(tile: Tile, vector_bytes: int) -> int:
    """Where the compiled code of a tile over windows is."""
    name = f"direct_{tile.name}"

    def build() -> str:
        module = ir.Module()
        _emit_tile(module, tile, name)
        return module_text(module)

    return jit.load((name, vector_bytes), [name], build)[name]


def _emit_tile(module: ir.Module, tile: Tile, name: str) -> None:
    function = ir.Function(module, tile_type(tile.element), name)
    function.attributes.add("noinline")
    w = Writer(function, tile.element)
    named = dict(zip(TILE, function.args, strict=True))
    bases = [w.at(named["source"], w.word(named["starts"], v)) for v in range(tile.vectors)]
    state = [named["a"], *[w.zero] * (tile.rows * tile.vectors)]
    with w.folding(0, named["depth"], 1, state) as (k, state, after):
        a, *sums = state
        offset = w.word(w.add(named["reads"], w.mul(k, 8)), 0)
        row = [w.load(w.at(base, offset)) for base in bases]
        tiles.add_step(w, tile, a, constant(1), row, sums)
        after += [w.at(a, named["a_step"]), *sums]
    tiles.store_table(w, tile, named, state[1:])
    w.b.ret_void()


# --------------------------------------------------------------------------------------------------------------- driver
def _emit_multiply(module: ir.Module, element: str) -> None:
    """C for panels FIRST to LAST, panel by panel: a panel's windows stay in the first-level cache while A passes."""
    w = Code(module, "multiply_windows", element, code.MULTIPLY)
    n = {name: w[name] for name in code.MULTIPLY}
    group = w.given(tasks.GROUP)
    source = w.at(w.either(n["padded"], n["source"], tasks.SOURCE), w.mul(group, n["source_group"]))
    target = w.at(w.either(n["through"], n["target"], tasks.TARGET), w.mul(group, n["target_group"]))
    packed = w.at(w.scratch(n["packed"]), w.mul(group, n["rows"], packs.rounded(w, n["depth"])))
    bias = w.at(w.input(tasks.BIAS), w.mul(group, n["rows"]))
    border, kind = w.mul(n["talls"], n["tall"]), tile_type(element)
    sizes = (("tall_tile", 0, border, n["tall"]), ("low_tile", border, n["rows"], w.sub(n["tall"], 1)))
    with w.loop(0, n["depth"], n["depth_block"]) as pc, w.loop(w.given(tasks.FIRST), w.given(tasks.LAST)) as j:
        depth = w.min(n["depth_block"], w.sub(n["depth"], pc))
        period = w.div(j, n["each"])
        q = w.b.select(w.test(w.add(j, 1), "==", n["count"]), n["each"], w.rem(j, n["each"]))
        starts = w.add(n["starts"], w.mul(q, n["vectors"], 8))
        table = w.b.inttoptr(w.add(n["ends"], w.mul(q, n["ends_words"])), _WORD)
        base = w.at(source, w.mul(period, n["source_period"]))
        into = w.at(target, w.mul(period, n["target_period"]))
        operand = [w.add(n["reads"], w.mul(pc, 8)), base, starts]
        for name, start, end, high in sizes:
            with w.b.if_then(w.test(start, "<", end)), w.loop(start, end, high) as row:
                a = w.at(packed, w.mul(pc, n["rows"]), w.mul(row, packs.rounded(w, depth)))
                c = w.at(into, w.mul(row, n["target_row"]))
                biased = w.b.select(w.test(n["has_bias"], "!=", 0), w.at(bias, row), w.null)
                add = w.b.zext(w.test(pc, ">", 0), I64)
                w.call_at(n[name], kind, [depth, a, high, *operand, c, n["target_row"], table, biased, add])
    w.b.ret_void()


@functools.lru_cache(None)
def function(element: str, vector_bytes: int) -> int:
    """The address of the task that multiplies over windows."""
    name = "multiply_windows"

    def build() -> str:
        module = ir.Module()
        _emit_multiply(module, element)
        return module_text(module)

    return jit.load((name, element, vector_bytes), [name], build)[name]
