"""Pooling over volumes, and over parts of unequal lengths, in compiled code: what `pools.py` has no vectors for.

For each axis a table says where each window begins and where it ends; places in it are a dilation apart. Missing axes
are there with one place. Means have a table of counts for each axis, whose product they are divided by.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..graph.node import Call
from . import jit
from .routine import Routine
from .share import chunks_for, part
from .vectors import I64, Writer, module_text, new_function

AXES = 3
_SIZES = ("planes", "chunks", *(f"size{a}" for a in range(AXES)), *(f"out{a}" for a in range(AXES)),
          *(f"apart{a}" for a in range(AXES)))  # fmt: skip


class Axis(NamedTuple):
    """The windows along an axis: its size, where each begins and ends, how far places are apart, what is counted."""

    size: int
    bounds: np.ndarray
    apart: int
    counts: np.ndarray


_POINT = Axis(1, np.array([[0, 1]]), 1, np.ones(1))


def window_axes(window: Any, count_pad: bool = False, divisor: int | None = None) -> list[Axis]:
    """The axes of a `kenaz.ops.windows.Window`."""
    found = []
    for size, kernel, stride, padding, apart, out in zip(*window, strict=True):
        starts = np.arange(out) * stride - padding
        first = starts + np.maximum(-(starts // apart), 0) * apart
        last = np.minimum(starts + (kernel - 1) * apart + 1, size)
        ends = np.minimum(starts + kernel, size + padding if count_pad else size)
        counts = ends - (starts if count_pad else np.maximum(starts, 0))
        found.append(Axis(size, np.stack((first, np.maximum(first, last)), 1), apart, counts))
    if divisor is not None:
        found = [axis._replace(counts=np.full(len(axis.counts), 1 if a else divisor)) for a, axis in enumerate(found)]
    return found


def part_axes(size: Sequence[int], parts: Sequence[Sequence[tuple[int, int]]]) -> list[Axis]:
    """Axes that are cut into parts."""
    bounds = [np.array(p, np.int64).reshape(len(p), 2) for p in parts]
    return [Axis(n, b, 1, b[:, 1] - b[:, 0]) for n, b in zip(size, bounds, strict=True)]


def maxima(call: Call, axes: Sequence[Axis]) -> Routine | None:
    """The largest value of each window, and its place if there is a second result."""
    return _routine("maximum and place" if type(call.out) is tuple else "maximum", call, axes)


def means(call: Call, axes: Sequence[Axis], back: bool = False) -> Routine | None:
    """The mean of each window, or with `back` its derivative."""
    return _routine("mean back" if back else "mean", call, axes)


def _routine(program: str, call: Call, axes: Sequence[Axis]) -> Routine | None:
    x, outs = call.specs[0], call.out if type(call.out) is tuple else (call.out,)
    if len(axes) > AXES or x.dtype.name not in ("float32", "float64"):
        return None
    if not all(s.contiguous and s.numel for s in (x, *outs)):
        return None
    axes = [_POINT] * (AXES - len(axes)) + list(axes)
    places, windows = math.prod(a.size for a in axes), math.prod(len(a.bounds) for a in axes)
    planes = x.numel // (windows if program == "mean back" else places)
    work = planes * (places + windows * math.prod(int((a.bounds[:, 1] - a.bounds[:, 0]).max()) for a in axes))
    chunks = chunks_for(work, planes)
    sizes = [planes, chunks, *(a.size for a in axes), *(len(a.bounds) for a in axes), *(a.apart for a in axes)]
    tables = [np.ascontiguousarray(a.bounds, np.int64) for a in axes]
    counts = [np.ascontiguousarray(a.counts, x.dtype.np) for a in axes]
    return Routine([(_compiled(program, x.dtype.name), chunks)], [*sizes, *tables, *counts])


@functools.cache
def _compiled(program: str, element: str) -> int:
    def build() -> str:
        module = ir.Module("parts")
        results = 2 if program == "maximum and place" else 1
        _Windows(new_function(module, "pool"), element, 1 + results).write(program)
        return module_text(module)

    return jit.load(("parts", program, element), ["pool"], build, vectorize=True)["pool"]


class _Windows(Writer):
    """Words of the block: x, results, scratch; sizes; tables of bounds, tables of counts."""

    def __init__(self, function: ir.Function, element: str, words: int):
        super().__init__(function, element)
        self.block, self.chunk = function.args
        self.has_places, at = words == 3, words + 1
        self.n = dict(zip(_SIZES, self.words(self.block, at, len(_SIZES)), strict=True))
        at += len(_SIZES)
        self.bounds = self.words(self.block, at, AXES, I64)
        self.counts = self.words(self.block, at + AXES, AXES, self.element)

    def write(self, program: str) -> None:
        n = self.n
        sizes, outs = [n[f"size{a}"] for a in range(AXES)], [n[f"out{a}"] for a in range(AXES)]
        x, y = self.words(self.block, 0, 2, self.element)
        large, small = self.mul(*sizes), self.mul(*outs)
        visit = {"mean": self._mean, "mean back": self._mean_back}.get(program, self._maximum)
        with self.loop(*part(self, n["planes"], self.chunk, n["chunks"])) as plane:
            if program == "mean back":
                x, y = y, x  # the gradient comes first
                self._clear(self.at(x, self.mul(plane, large)), large)
            image = self.at(x, self.mul(plane, large))
            with self.loop(0, outs[0]) as i, self.loop(0, outs[1]) as j, self.loop(0, outs[2]) as k:
                window = self.add(self.mul(self.add(self.mul(i, outs[1]), j), outs[2]), k)
                visit(image, y, self.add(self.mul(plane, small), window), (i, j, k))
        self.b.ret_void()

    def _clear(self, to: Any, count: Any) -> None:
        with self.loop(0, count) as i:
            self.b.store(ir.Constant(self.element, 0.0), self.at(to, i))

    def _taps(self, window: tuple, values: list, visit: Callable[[Any, list], list]) -> list:
        """Fold `visit(place, values)` over the places of a window."""
        return self._axis(0, window, self.int(0), values, visit)

    def _axis(self, a: int, window: tuple, base: Any, values: list, visit: Callable) -> list:
        first, last = (self.b.load(self.at(self.bounds[a], self.mul(window[a], 2), e)) for e in range(2))
        with self.folding(first, last, self.n[f"apart{a}"], values) as (at, carried, after):
            place = self.add(self.mul(base, self.n[f"size{a}"]), at)
            after += visit(place, carried) if a == AXES - 1 else self._axis(a + 1, window, place, carried, visit)
        return carried

    def _maximum(self, image: Any, y: Any, number: Any, window: tuple) -> None:
        """The first largest; the last nan if there is one."""
        b = self.b
        first: Any = self.int(0)
        for a in range(AXES):
            begin = b.load(self.at(self.bounds[a], self.mul(window[a], 2)))
            first = self.add(self.mul(first, self.n[f"size{a}"]), begin)

        def visit(place: Any, values: list) -> list:
            seen = b.load(self.at(image, place))
            better = b.or_(b.fcmp_ordered(">", seen, values[0]), b.fcmp_unordered("uno", seen, seen))
            return [b.select(better, seen, values[0]), b.select(better, place, values[1])]

        best, place = self._taps(window, [ir.Constant(self.element, -math.inf), first], visit)
        b.store(best, self.at(y, number))
        if self.has_places:
            b.store(place, self.at(self.word(self.block, 2, I64), number))

    def _count(self, window: tuple) -> Any:
        parts = [self.b.load(self.at(table, i)) for table, i in zip(self.counts, window, strict=True)]
        return functools.reduce(self.b.fmul, parts)

    def _mean(self, image: Any, y: Any, number: Any, window: tuple) -> None:
        b = self.b

        def visit(place: Any, values: list) -> list:
            return [b.fadd(values[0], b.load(self.at(image, place)))]

        (total,) = self._taps(window, [ir.Constant(self.element, 0.0)], visit)
        b.store(b.fdiv(total, self._count(window)), self.at(y, number))

    def _mean_back(self, image: Any, g: Any, number: Any, window: tuple) -> None:
        b = self.b
        share = b.fdiv(b.load(self.at(g, number)), self._count(window))

        def visit(place: Any, values: list) -> list:
            cell = self.at(image, place)
            b.store(b.fadd(b.load(cell), share), cell)
            return values

        self._taps(window, [], visit)
