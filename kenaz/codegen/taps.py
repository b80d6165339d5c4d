"""Resampling in compiled code: every new value is a weighted sum of a few old ones, axis by axis.

The rows of a plane that a new row needs are summed up first, in vectors, each times its weight; the new row then
gathers its values from that sum. Tables say which places with which weights; a place below zero is none. All axes but
the last count as one axis of rows, so that a volume is no other case than an image.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from ..graph.node import Call
from . import jit
from .routine import Routine
from .share import chunks_for, part
from .vectors import ELEMENTS_BYTES, I32, I64, Writer, module_text, new_function

Taps = tuple[np.ndarray, np.ndarray]  # places and weights, a row for each tap

_SIZES = ("units", "chunks", "rows", "wide", "new_rows", "new_wide", "row_taps", "taps")


def resample(call: Call, axes: Sequence[Taps]) -> Routine | None:
    """The last axes resampled with these taps."""
    x, out = call.specs[0], call.out
    if not (x.contiguous and out.contiguous) or x.dtype.name not in ("float32", "float64"):
        return None
    rows, wide = math.prod(x.size[x.ndim - len(axes) : -1]), x.size[-1]
    sizes = x.size[x.ndim - len(axes) :]
    row_places, row_weights = functools.reduce(_together, zip(axes[:-1], sizes[:-1], strict=True), _NOTHING)
    places, weights = axes[-1]
    new_rows, new_wide = row_places.shape[1], places.shape[1]
    units = x.numel // (rows * wide) * new_rows
    chunks = chunks_for(units * (wide * len(row_places) + 4 * new_wide * len(places)), units)
    kind = x.dtype.np
    constants = [
        units, chunks, rows, wide, new_rows, new_wide, len(row_places), len(places),
        np.ascontiguousarray(row_places.T, np.int64), np.ascontiguousarray(row_weights.T, kind),
        np.ascontiguousarray(places, np.int32), np.ascontiguousarray(weights, kind),
    ]  # fmt: skip
    plain = len(row_places) == 1 and bool((row_weights == 1).all() and (row_places >= 0).all())
    function = _compiled(x.dtype.name, plain, jit.vector_bytes())
    return Routine([(function, chunks)], constants, 0 if plain else chunks * wide * kind.itemsize)


_NOTHING: Taps = (np.zeros((1, 1), np.int64), np.ones((1, 1)))


def _together(outer: Taps, inner: tuple[Taps, int]) -> Taps:
    """The taps of two axes, the inner one of a size, as those of one axis."""
    (places, weights), ((more, others), size) = outer, inner
    a, b = places[:, None, :, None], more[None, :, None, :]
    both = np.where((a >= 0) & (b >= 0), a * size + b, -1)
    taps = len(places) * len(more)
    return both.reshape(taps, -1), (weights[:, None, :, None] * others[None, :, None, :]).reshape(taps, -1)


@functools.cache
def _compiled(element: str, plain: bool, vector_bytes: int) -> int:
    def build() -> str:
        module = ir.Module("taps")
        _Resampler(new_function(module, "resample"), element).write(plain)
        return module_text(module)

    return jit.load(("taps", element, plain, vector_bytes), ["resample"], build)["resample"]


class _Resampler(Writer):
    """Words of the block: x, result, scratch; sizes; places and weights of rows, then those in a row."""

    def __init__(self, function: ir.Function, element: str):
        super().__init__(function, element)
        block, self.chunk = function.args
        self.n = dict(zip(_SIZES, self.words(block, 3, len(_SIZES)), strict=True))
        self.x, self.y, self.sums = self.words(block, 0, 3, self.element)
        at = 3 + len(_SIZES)
        self.row_places, self.row_weights = self.word(block, at, I64), self.word(block, at + 1, self.element)
        self.places, self.weights = self.word(block, at + 2, I32), self.word(block, at + 3, self.element)

    def write(self, plain: bool) -> None:
        """`plain`: every new row comes from one old row as it is."""
        n = self.n
        with self.loop(*part(self, n["units"], self.chunk, n["chunks"])) as unit:
            plane, row = self.div(unit, n["new_rows"]), self.rem(unit, n["new_rows"])
            image = self.at(self.x, self.mul(plane, n["rows"], n["wide"]))
            if plain:
                source = self.at(image, self.mul(self.b.load(self.at(self.row_places, row)), n["wide"]))
            else:
                source = self._summed(image, row)
            self._gathered(source, self.at(self.y, self.mul(unit, n["new_wide"])))
        self.b.ret_void()

    def _each_vector(self, count: Any, visit: Callable[[Any, Any], None]) -> None:
        whole = self.mul(self.div(count, self.lanes), self.lanes)
        with self.loop(0, whole, self.lanes) as i:
            visit(i, None)
        with self.loop(whole, count, self.lanes) as i:
            visit(i, self.first_lanes(self.sub(count, i)))

    def _summed(self, image: Any, row: Any) -> Any:
        """The old rows that a new row needs, added up."""
        n = self.n
        sums = self.at(self.sums, self.mul(self.chunk, n["wide"]))
        self._each_vector(n["wide"], lambda i, mask: self.store(self.zero, self.at(sums, i), mask))
        with self.loop(0, n["row_taps"]) as tap:
            k = self.add(self.mul(row, n["row_taps"]), tap)
            place = self.b.load(self.at(self.row_places, k))
            with self.b.if_then(self.test(place, ">=", 0)):
                weight = self.splat(self.b.load(self.at(self.row_weights, k)))
                old = self.at(image, self.mul(place, n["wide"]))

                def visit(i: Any, mask: Any, old: Any = old, weight: Any = weight) -> None:
                    to = self.at(sums, i)
                    self.store(self.fma(self.load(self.at(old, i), mask), weight, self.load(to, mask)), to, mask)

                self._each_vector(n["wide"], visit)
        return sums

    def _gathered(self, source: Any, y: Any) -> None:
        """A new row, from places in a row."""
        n = self.n

        def visit(i: Any, mask: Any) -> None:
            with self.folding(0, n["taps"], 1, [self.zero]) as (tap, (total,), after):
                k = self.add(self.mul(tap, n["new_wide"]), i)
                places, there = self._some_places(self.at(self.places, k), mask)
                weights = self.load(self.at(self.weights, k), mask)
                after.append(self.fma(self._gather(source, places, there), weights, total))
            self.store(total, self.at(y, i), mask)

        self._each_vector(n["new_wide"], visit)

    def _some_places(self, pointer: Any, mask: Any) -> tuple[Any, Any]:
        """A vector of places, and which of them are some."""
        b, kind = self.b, ir.VectorType(I32, self.lanes)
        where = b.bitcast(pointer, kind.as_pointer())
        nowhere = ir.Constant(kind, [-1] * self.lanes)
        if mask is None:
            places = b.load(where, align=4)
        else:
            read = self.declare(
                f"llvm.masked.load.v{self.lanes}i32.p0", ir.FunctionType(kind, [where.type, I32, self.mask, kind])
            )
            places = b.call(read, [where, ir.Constant(I32, 4), mask, nowhere])
        return places, b.icmp_signed(">", places, nowhere)

    def _gather(self, source: Any, places: Any, mask: Any) -> Any:
        b, kind = self.b, ir.VectorType(I64, self.lanes)
        size = ELEMENTS_BYTES[self.name]
        far = b.mul(b.sext(places, kind), ir.Constant(kind, [size] * self.lanes))
        where = b.inttoptr(b.add(self.splat(b.ptrtoint(source, I64)), far), ir.VectorType(self.pointer, self.lanes))
        read = self.declare(
            f"llvm.masked.gather.v{self.lanes}f{8 * size}.v{self.lanes}p0",
            ir.FunctionType(self.vector, [where.type, I32, self.mask, self.vector]),
        )
        return b.call(read, [where, ir.Constant(I32, size), mask, self.zero])
