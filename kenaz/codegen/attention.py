"""Attention as routines: which calls are compiled, and the tables for the compiled code (`attention_code`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.spec import Spec
from ..graph.node import Call
from ..runtime import threads
from . import tiles
from .attention_code import BACKWARD, FORWARD, KEYS, LAYOUT, QUERIES, TASK, Variant, address
from .gemm import KERNELS, MOST_ROWS
from .products import GIGAFLOPS, LEAST_TIME, offsets_of, spread
from .routine import Routine
from .tiles import Tile


def forward(call: Call) -> Routine | None:
    """Code for (O, L) of (Q, K, V, mask, what dropout keeps)."""
    return _routine(call, False, dict(zip(FORWARD, (*call.specs, *call.out), strict=True)))


def backward(call: Call) -> Routine | None:
    """Code for (dQ, dK, dV) of (dO, Q, K, V, mask, what dropout keeps, O, L)."""
    return _routine(call, True, dict(zip(BACKWARD, (*call.specs, *call.out), strict=True)))


def _routine(call: Call, is_backward: bool, specs: dict[str, Any]) -> Routine | None:
    given = {name: s for name, s in specs.items() if type(s) is Spec}
    if not all(_fits(name, s) for name, s in given.items()) or not given["l"].contiguous:
        return None
    variant = Variant(is_backward, given["q"].dtype.name, _kind_of_mask(given), "keep" in given)
    shape = _Shape.of(given)
    tasks, starts = _tasks(given, shape, is_backward)
    layout = _layout(given, shape, variant, call.attributes["causal"])
    numbers = [int(np.float64(call.attributes[name]).view(np.int64)) for name in ("scale", "factor")]
    table = np.array([layout[name] for name in LAYOUT], np.int64)
    chunks = len(starts) - 1
    words = [tasks, starts, table, _kernels(shape, tasks, variant), *numbers]
    return Routine([(address(variant), chunks)], words, layout["room"] * chunks)


def _fits(name: str, s: Spec) -> bool:
    """Whether an operand can be read where it is: the elements of a row are adjacent."""
    kinds = ("float32", "float64") if name not in ("mask", "keep") else ("bool", "float32", "float64")
    return s.numel > 0 and s.dtype.name in kinds and (name == "l" or s.stride[-1] == 1 or s.size[-1] == 1)


def _kind_of_mask(given: dict[str, Spec]) -> str:
    return "" if "mask" not in given else "bool" if given["mask"].dtype.name == "bool" else "float"


@dataclass(frozen=True)
class _Shape:
    """Heads of queries x keys, as wide as `width`, with values as wide as `values`."""

    heads: tuple[int, ...]
    queries: int
    keys: int
    width: int
    values: int

    @staticmethod
    def of(given: dict[str, Spec]) -> _Shape:
        q, v = given["q"].size, given["v"].size
        return _Shape(tuple(q[:-2]), q[-2], v[-2], q[-1], v[-1])

    @property
    def microseconds(self) -> float:
        """A guess of the time that one thread takes for the two products."""
        each = self.queries * self.keys * (self.width + self.values) * 2
        return each * int(np.prod(self.heads)) / GIGAFLOPS / 1000


def _tasks(given: dict[str, Spec], shape: _Shape, is_backward: bool) -> tuple[np.ndarray, np.ndarray]:
    """The table of tasks, and where in it each chunk begins, with the end. Backward a task is a whole head, since the
    gradients of its keys are sums over all queries."""
    count = 1 if shape.microseconds <= LEAST_TIME else threads.get_num_threads()
    names = [n for n in TASK if n in given]
    strides = [_of_heads(n, given[n], shape) for n in names]
    places = offsets_of(list(zip(shape.heads, *strides)), len(names))
    ranges = 1 if is_backward else max(1, min(-(-4 * count // len(places)), shape.queries // QUERIES))
    step = -(-shape.queries // (ranges * QUERIES)) * QUERIES
    firsts = np.arange(0, shape.queries, step) if count > 1 else np.zeros(1, np.int64)
    table = np.zeros((len(places), len(firsts), len(TASK)), np.int64)
    table[:, :, [TASK.index(n) for n in names]] = places[:, None]
    table[:, :, TASK.index("first")] = firsts
    table[:, :, TASK.index("count")] = np.diff(np.append(firsts, shape.queries))
    chunks = min(len(places) * len(firsts), 4 * count) if count > 1 else 1
    starts = np.linspace(0, len(places) * len(firsts), chunks + 1).astype(np.int64)
    return table.reshape(-1, len(TASK)), starts


def _of_heads(name: str, s: Spec, shape: _Shape) -> tuple[int, ...]:
    """The strides of an operand along the heads."""
    inner = 1 if name == "l" else 2
    outer = len(s.size) - inner
    return spread(s.size[:outer], s.stride[:outer], shape.heads)


def _layout(given: dict[str, Spec], shape: _Shape, variant: Variant, causal: bool) -> dict[str, int]:
    """The words that all tasks share."""
    lanes = tiles.lanes(variant.element)
    columns = 2 * lanes
    padded = -(-shape.keys // columns) * columns
    blocks = QUERIES * KEYS * (1 + variant.backward) + 2 * QUERIES * lanes
    sizes = {"room_of_k": padded * shape.width, "room_of_v": padded * shape.values * variant.backward}
    room = (sum(sizes.values()) + blocks) * np.dtype(variant.element).itemsize
    rows = {name + "_row": _row(given[name]) if name in given else 0 for name in TASK[:-2] if name != "l"}
    return rows | sizes | dict(
        keys=shape.keys, width=shape.width, values=shape.values, rows=min(MOST_ROWS, tiles.most_rows(2)),
        columns=columns, lanes=lanes, room=-(-room // 4096) * 4096 + 64, causal=int(causal),
    )  # fmt: skip


def _row(s: Spec) -> int:
    """The distance of rows; a mask may have one row for all."""
    return s.stride[-2] if s.ndim > 1 and s.size[-2] > 1 else 0


def _kernels(shape: _Shape, tasks: np.ndarray, variant: Variant) -> np.ndarray:
    """The addresses of the tiles that occur, at vectors * KERNELS + rows."""
    lanes, most = tiles.lanes(variant.element), min(MOST_ROWS, tiles.most_rows(2))
    queries = {size for count in set(tasks[:, -1].tolist()) for size in _parts(count, QUERIES)}
    keys = _parts(shape.keys, KEYS)
    blocks = {(m, n) for m in queries for n in (*keys, shape.values)}
    if variant.backward:
        blocks |= {(m, shape.width) for m in queries} | {(m, n) for m in keys for n in (shape.values, shape.width)}
    table = np.zeros((3, KERNELS), np.int64)
    for m, n in blocks:
        for rows in _parts(m, most):
            for columns in _parts(n, 2 * lanes):
                vectors = -(-columns // lanes)
                table[vectors, rows] = tiles.tile_address(Tile(rows, vectors, variant.element))
    return table


def _parts(size: int, unit: int) -> set[int]:
    """The lengths of the parts of something cut into units."""
    return {unit if size >= unit else 0, size % unit} - {0}
