"""Kernels that go a few times over each row of an array: softmax, normalizations, losses, folds along axes.

A row is what one fold folds: the elements along some axes. It stays in the cache between sweeps, and different rows
run in parallel. How rows lie in memory decides how they are walked, `task` by `task`, with vectors along `lane`:

    along a row    [task][block][lane], [block][task][lane]    a row is `blocks` runs of neighbours; lanes are folded
    across rows    [task][block][lane]                         neighbours belong to different rows; a lane folds its own

A body is written once, over `xp`, like the body of a pointwise operator, with folds along the row:

    def softmax(xp, x):
        e = xp.keep(xp.exp(x - xp.max(x)))
        return e * (1 / xp.sum(e)),

It is called with terms, which say in how many sweeps over the row it can be had (`terms.py`); `sweeps.py` writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.spec import Spec
from . import jit, sweeps
from .routine import Routine
from .share import chunks_for
from .terms import Place, Sweeps


class Shape(NamedTuple):
    """Rows in memory. strides: (outer task, task, block, lane) of each operand that was given."""

    columns: bool  # whether neighbours belong to different rows
    tasks: tuple[int, int]  # counted in two digits, where one stride does not reach all
    blocks: int
    lanes: int
    strides: list[tuple[int, ...]]
    in_order: bool  # whether rows come in the order of memory, and elements in their rows too

    @property
    def rows(self) -> int:
        tasks = self.tasks[0] * self.tasks[1]
        return tasks * self.lanes if self.columns else tasks

    @property
    def length(self) -> int:
        """How many elements a row has."""
        return self.blocks if self.columns else self.blocks * self.lanes


# what groups of axes are, from the slowest to the fastest: r is folded, k is kept
_PATTERNS: dict[str, tuple[str, ...]] = {
    "": (), "r": ("lane",), "rr": ("block", "lane"), "rkr": ("block", "task", "lane"),
    "kr": ("task", "lane"), "krr": ("task", "block", "lane"), "kkr": ("outer", "task", "lane"),
    "kkrr": ("outer", "task", "block", "lane"),
    "k": ("lane",), "kk": ("task", "lane"), "rk": ("block", "lane"), "rkk": ("block", "task", "lane"),
    "krk": ("task", "block", "lane"), "kkrk": ("outer", "task", "block", "lane"),
}  # fmt: skip
_DIGITS = ("outer", "task", "block", "lane")


def arrange(size: Sequence[int], dims: Sequence[int], strides: Sequence[Sequence[int]]) -> Shape | None:
    """How rows along `dims` lie in arrays of one size and these strides; None where they cannot be walked.

    >>> arrange((8, 64, 7, 7), (0, 2, 3), [(3136, 49, 7, 1)])
    Shape(columns=False, tasks=(1, 64), blocks=8, lanes=49, strides=[(0, 49, 3136, 1)], in_order=True)
    >>> arrange((8, 10), (0,), [(10, 1)])
    Shape(columns=True, tasks=(1, 1), blocks=8, lanes=10, strides=[(0, 0, 10, 1)], in_order=True)
    """
    axes = sorted((d for d in range(len(size)) if size[d] != 1), key=lambda d: -strides[0][d])
    groups: list[list] = []  # [folded, size, stride in each array]
    for d in axes:
        folded, here = d in dims, [s[d] for s in strides]
        if groups and groups[-1][0] == folded and groups[-1][2] == [q * size[d] for q in here]:
            groups[-1][1:] = [groups[-1][1] * size[d], here]
        else:
            groups.append([folded, size[d], here])
    roles = _PATTERNS.get("".join("r" if g[0] else "k" for g in groups))
    if roles is None:
        return None
    extent = dict.fromkeys(_DIGITS, 1) | {role: g[1] for role, g in zip(roles, groups, strict=True)}
    step = {role: [role == "lane"] * len(strides) for role in _DIGITS}
    step |= {role: g[2] for role, g in zip(roles, groups, strict=True)}
    found = [tuple(map(int, s)) for s in zip(*(step[role] for role in _DIGITS), strict=True)]
    kept, gone = [d for d in axes if d not in dims], [d for d in axes if d in dims]
    return Shape(
        bool(groups) and not groups[-1][0], (extent["outer"], extent["task"]), extent["block"], extent["lane"],
        found, kept == sorted(kept) and gone == sorted(gone),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- routines
class Argument(NamedTuple):
    """An input or a result. role: "element"; "row", one number a row; "position", the same numbers in every row;
    "across", a result that sums over rows; "number", a Python number."""

    spec: Any
    role: str = "element"


def rows_routine(
    name: Any, body: Callable, inputs: Sequence[Argument], outputs: Sequence[Argument], dims: Sequence[int],
    numbers: Sequence[float] = (), cost: int = 1,
) -> Routine | None:  # fmt: skip
    """What runs `body(xp, *inputs, *numbers) -> outputs` on rows along `dims`; None where memory lies too oddly.

    `name` (hashable) stands for the body; `numbers` are known by now, but not part of the compiled code. `cost` is
    about how many times as long as a copy the work takes.
    """
    given = [*inputs, *outputs]
    elements = [a.spec for a in given if a.role == "element"]
    kind, size = elements[0].dtype, elements[0].size
    if kind.name not in ("float32", "float64") or not elements[0].numel or any(s.size != size for s in elements):
        return None
    shape = arrange(size, dims, [outputs_first(given)[0].stride, *[s.stride for s in elements]])
    if shape is None:
        return None
    strides, places, walked = [], [], iter(shape.strides[1:])
    for a in given:
        found = _place(a, kind.name, shape, next(walked) if a.role == "element" else None)
        if found is None:
            return None
        places.append(found[0])
        strides.append(found[1])
    n = len(inputs)
    variant = _Variant(
        name, kind.name, shape.columns, tuple(places[:n]), tuple(places[n:]), len(numbers), _unroll(shape, cost)
    )
    return _routine(variant, body, shape, strides, numbers, cost)


def _unroll(shape: Shape, cost: int) -> int:
    """How many vectors are worked on at a time. Measured: long arithmetic and distant rows like more company."""
    return 4 if shape.columns or cost >= 8 else 2


def outputs_first(given: list[Argument]) -> list[Spec]:
    """Specs of elements, results before inputs: the order of axes follows what is written."""
    return [a.spec for a in reversed(given) if a.role == "element"]


def _place(
    a: Argument, element: str, shape: Shape, stride: tuple[int, ...] | None
) -> tuple[Place, tuple[int, ...]] | None:
    """How an argument is found in memory, and its strides from (outer) task to task and from block to block."""
    if stride is not None:
        if a.spec.dtype.name != element:
            return None
        return (Place(element, False, stride[3] == 1), stride[:3]) if stride[3] in (0, 1) else None
    if not isinstance(a.spec, Spec):
        return Place("int64" if a.spec in (int, bool) else "float64", True, False), (0, 0, 0)
    kind, n = a.spec.dtype.name, a.spec.numel
    if not a.spec.contiguous or kind not in (element, "int32", "int64"):
        return None
    if a.role == "row" and n == 1:
        return Place(kind, True, False), (0, 0, 0)
    if not shape.in_order or n != (shape.rows if a.role == "row" else shape.length):
        return None
    if a.role == "row":
        each = shape.lanes if shape.columns else 1
        return Place(kind, True, shape.columns), (shape.tasks[1] * each, each, 0)
    if a.role == "across":
        return None if shape.columns or shape.blocks > 1 else (Place(kind, False, True, True), (0, 0, 0))
    return Place(kind, False, not shape.columns), (0, 0, 1 if shape.columns else shape.lanes)


class Kernel(NamedTuple):
    """Compiled code, and what has to be known to call it. across: how many results sum over rows."""

    addresses: dict[str, int]
    across: int
    folds: int
    in_place: dict[int, list[int]]


class _Variant(NamedTuple):
    """What compiled code depends on, apart from its body."""

    name: Any
    kind: str
    columns: bool
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    numbers: int
    unroll: int

    @property
    def itemsize(self) -> int:
        return np.dtype(self.kind).itemsize


def _routine(
    variant: _Variant, body: Callable, shape: Shape, strides: list, numbers: Sequence[float], cost: int
) -> Routine:
    """Work is cut into rows, or into parts of the lanes across rows; a row that is the only one, into parts of it."""
    across, tasks = sum(o.across for o in variant.outputs), math.prod(shape.tasks)
    pieces = -(-shape.lanes * variant.itemsize // (variant.unroll * jit.vector_bytes()))
    alone = not shape.columns and tasks == shape.blocks == 1 and all(o.uniform for o in variant.outputs)
    units = tasks * pieces if shape.columns or alone else tasks
    chunks = chunks_for(shape.rows * shape.length * cost, units, 1 if across else 4)
    kernel = _compiled(variant, body, alone and chunks > 1)
    if not kernel.folds:  # not to be split
        chunks = 1 if alone else chunks
    parts = min(pieces, -(-chunks // tasks)) if shape.columns else 1
    constants = [tasks, shape.tasks[1], shape.blocks, shape.lanes, parts, chunks, *[q for s in strides for q in s]]
    constants += [_bits(float(shape.length)), *map(_bits, numbers)]
    return Routine(
        [(kernel.addresses["rows"], chunks), *((a, 1) for name, a in kernel.addresses.items() if name != "rows")],
        constants,
        chunks * (across * shape.lanes + kernel.folds) * variant.itemsize,
        {
            o: [i for i in inputs if strides[i] == strides[len(variant.inputs) + o]]
            for o, inputs in kernel.in_place.items()
        },
    )


def _bits(number: float) -> int:
    return int(np.float64(number).view(np.int64))


_kernels: dict[tuple, Kernel] = {}


def _compiled(variant: _Variant, body: Callable, split: bool) -> Kernel:
    """The code of a body; `split` asks for a single row in parts, which can be had if all is known after one sweep."""
    key = variant, split, jit.vector_bytes()
    if key not in _kernels:
        plan = Sweeps(body, variant.inputs, variant.outputs, variant.numbers)
        split = split and plan.levels() == 1
        across = sum(o.across for o in variant.outputs)
        entries = ["rows"] + ["gather"] * (across > 0) + ["finish"] * split
        found = jit.load(
            ("rows", *key), entries, lambda: sweeps.text(plan, variant.kind, variant.columns, split, variant.unroll)
        )
        _kernels[key] = Kernel(found, across, split * len(plan.folds(0)), plan.in_place(variant.kind))
    return _kernels[key]
