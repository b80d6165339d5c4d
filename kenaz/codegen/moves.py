"""Data moved in compiled code: boxes of elements from strided memory to strided memory.

Copies, concatenations, padding, flips and writes to a region are lists of boxes; a box is a row of a table, and a chunk
of the routine moves one. The dimensions of a box are merged as far as both sides allow, and the last two are walked in
the way that memory suggests:

    rows        both sides go on element by element            vectors, and a masked one at the end
    spread      the source stays where it is                   one element in all lanes
    turned      the source goes on in the dimension before     square tiles, transposed in registers
    scattered   anything else                                  one element at a time

Words of the block that name a source or a target are looked up by number, so that one module serves any count of them.
Where a source may lie in the memory that is written to, as in `x[1:] = x[:-1]`, boxes go by way of scratch memory; a
row says whether it is for this case or for the other. Boxes may also be added to what is there: gradients of views.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..core.dtype import HALF, dtype
from ..core.shape import contiguous_stride, crowded_axes
from ..core.spec import Spec
from ..graph.node import Call
from . import jit
from .emit import F32, Value, can_hold, to_memory
from .routine import Routine
from .share import chunks_for
from .vectors import I64, VOID, Writer, constant, module_text, new_function

DIMS = 5
ROWS, SPREAD, TURNED, SCATTERED = range(4)
_MODE, _HEAD = 5, 10  # the field of a row that says how the box is walked, and how many come before the dimensions
_FIELDS = _HEAD + 3 * DIMS
ALWAYS, TOGETHER, APART = range(3)  # when a box is moved: where source and target share memory, or do not
_ENTRIES = 128  # tables may be at any of so many places in a block
_MOST = 64  # boxes that a box of too many dimensions may be cut into
_ELEMENTS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}
_ALIKE = 8  # elements in a row from which tiles pay


class Box(NamedTuple):
    """Words of the block that hold the two addresses, offsets in elements, and (length, step there, step here) of each
    dimension."""

    source: int
    begin: int
    target: int
    start: int
    dims: tuple[tuple[int, int, int], ...]
    when: int = ALWAYS


# ----------------------------------------------------------------------------------------------------------- the table
def _merged(dims: Iterable[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    """Dimensions in the order of the target, those that go on where the next one ends put together."""
    found: list[tuple[int, int, int]] = []
    for n, there, here in sorted((d for d in dims if d[0] != 1), key=lambda d: -d[2]):
        if found and found[-1][1] == there * n and found[-1][2] == here * n:
            found[-1] = found[-1][0] * n, there, here
        else:
            found.append((n, there, here))
    return tuple(found) or ((1, 1, 1),)


def _few(box: Box) -> list[Box]:
    """The box without more dimensions than there are loops: cut into several, one for each place of the first."""
    if len(box.dims) <= DIMS:
        return [box]
    (n, there, here), *rest = box.dims
    parts = (box._replace(begin=box.begin + i * there, start=box.start + i * here, dims=tuple(rest)) for i in range(n))
    return [b for part in parts for b in _few(part)]


def _cut(box: Box, pieces: int) -> list[Box]:
    """The box in about so many pieces, along its first dimension that is long enough, else the longest."""
    k = next((i for i, d in enumerate(box.dims) if d[0] >= 2 * pieces), None)
    if k is None:
        k = max(range(len(box.dims)), key=lambda i: box.dims[i][0])
    n, there, here = box.dims[k]
    edges = sorted({n * i // pieces // 16 * 16 if n >= 64 * pieces else n * i // pieces for i in range(pieces)} | {n})
    return [
        box._replace(
            begin=box.begin + a * there, start=box.start + a * here,
            dims=(*box.dims[:k], (b - a, there, here), *box.dims[k + 1 :]),
        )
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]  # fmt: skip


def _walk(dims: tuple[tuple[int, int, int], ...]) -> tuple[int, tuple[tuple[int, int, int], ...]]:
    """How the last two dimensions are walked, and the dimensions in the order that this needs."""
    n, there, here = dims[-1]
    if here == 1 and there in (0, 1):
        return (ROWS if there else SPREAD), dims
    along = next((i for i, d in enumerate(dims[:-1]) if d[1] == 1 and d[0] >= _ALIKE), None)
    if here == 1 and along is not None and n >= _ALIKE:
        return TURNED, (*dims[:along], *dims[along + 1 : -1], dims[along], dims[-1])
    return SCATTERED, dims


def _row(box: Box, shift: int, watch: tuple[int, int, int]) -> list[int]:
    mode, dims = _walk(box.dims)
    dims = ((1, 0, 0),) * (DIMS - len(dims)) + dims
    fields = [x for field in zip(*dims, strict=True) for x in field]
    return [box.source, box.begin, box.target, box.start, shift, mode, box.when, *watch, *fields]


def _table(boxes: Iterable[Box], shift: int, watch: tuple[int, int, int]) -> np.ndarray:
    """A row for the address of the code, and the rows of boxes, large ones cut into pieces for several threads."""
    boxes = [part for box in boxes for part in _few(box._replace(dims=_merged(box.dims)))]
    boxes = [b for b in boxes if all(n for n, _, _ in b.dims)]
    sizes = [math.prod(n for n, _, _ in b.dims) for b in boxes]
    pieces = chunks_for(sum(sizes), sum(sizes))
    each = -(-sum(sizes) // pieces) if pieces > 1 else math.inf
    parts = [part for b, n in zip(boxes, sizes, strict=True) for part in _cut(b, max(round(n / each), 1))]
    rows = [_row(part, shift, watch) for part in parts]
    return np.array([[0] * _FIELDS, *rows], np.int64)


def routine(
    words: int, itemsize: int, *phases: list[Box], shift: int = -1, watch: tuple[int, int, int] = (0, 0, 0),
    scratch: int = 0, in_place: dict | None = None, last: int = 1, adds: str = "",
) -> Routine | None:  # fmt: skip
    """The boxes of one phase after the other.

    words: how many inputs and outputs. shift: the number of the input, if any, that says how much further on the
    targets of the `last` phases lie. watch: the words of a source and of a target, and the bytes of the latter, that
    decide whether they share memory. adds: the dtype in which the `last` phases add instead of moving.
    """
    if itemsize not in _ELEMENTS or words + 1 + len(phases) >= _ENTRIES:
        return None
    if any(len(_merged(b.dims)) > DIMS and _pieces(b) > _MOST for boxes in phases for b in boxes):
        return None
    nothing = words + 1 + len(phases)  # the word that holds the address of a zero
    first = len(phases) - last
    tables = [_table(boxes, shift if shift >= 0 and i >= first else nothing, watch) for i, boxes in enumerate(phases)]
    tiles = any((t[:, _MODE] == TURNED).any() for t in tables)
    for i, t in enumerate(tables):
        t[0, 0] = _compiled(itemsize, tiles, adds if i >= first else "")
    runs = [(_entry(words + 1 + i), len(t) - 1) for i, t in enumerate(tables) if len(t) > 1]
    return Routine(runs, [*tables, np.zeros(1, np.int64)], scratch, in_place)


def _pieces(box: Box) -> int:
    return math.prod(n for n, _, _ in _merged(box.dims)[:-DIMS])


# ------------------------------------------------------------------------------------------------------------ the code
@functools.cache
def _compiled_for(itemsize: int, tiles: bool, adds: str, vector_bytes: int) -> int:
    def build() -> str:
        module = ir.Module("moves")
        function = new_function(module, "move", (I64, I64))
        (_Adder(function, adds) if adds else _Mover(function, _ELEMENTS[itemsize])).write(tiles)
        return module_text(module)

    return jit.load(("moves", itemsize, tiles, adds, vector_bytes), ["move"], build)["move"]


def _compiled(itemsize: int, tiles: bool, adds: str = "") -> int:
    """The function that moves a box, or adds it in a dtype: (block, address of its row); tiles are left out where
    nobody needs them."""
    return _compiled_for(itemsize, tiles and itemsize > 1, adds, jit.vector_bytes())


@functools.cache
def _entry(place: int) -> int:
    """What calls that function for a chunk, with the table that is at a place of the block: how many words come before
    differs, and code for each of these few lines is cheaper than for all."""

    def build() -> str:
        module = ir.Module("entry")
        w = Writer(new_function(module, "entry"), "int64")
        block, chunk = w.function.args
        table = w.word(block, place)
        kind = ir.FunctionType(VOID, [I64, I64])
        move = w.b.inttoptr(w.word(table, 0), kind.as_pointer())
        w.b.call(move, [block, w.add(table, w.mul(w.add(chunk, 1), 8 * _FIELDS))])
        w.b.ret_void()
        return module_text(module)

    return jit.load(("moves entry", place), ["entry"], build)["entry"]


class _Mover(Writer):
    """Writes the function that moves one box: (block, address of its row)."""

    def write(self, tiles: bool) -> None:
        self.walks = [(ROWS, self._rows), (SPREAD, self._spread)] + [(TURNED, self._turned)] * tiles
        block, row = self.function.args
        source, begin, target, start, shift, mode = self.words(row, 0, _MODE + 1)
        n, there, here = (self.words(row, _HEAD + k * DIMS, DIMS) for k in range(3))
        further = self.b.load(self._named(block, shift, I64))
        x = self.at(self._named(block, source, self.element), begin)
        y = self.at(self._named(block, target, self.element), start, further)
        b = self.b
        there_already = b.icmp_unsigned("==", b.ptrtoint(x, I64), b.ptrtoint(y, I64))
        with b.if_then(b.and_(b.not_(there_already), self._is_wanted(block, row))):
            with self.loop(0, n[0]) as i, self.loop(0, n[1]) as j, self.loop(0, n[2]) as k:
                at_x = self.at(x, self.mul(i, there[0]), self.mul(j, there[1]), self.mul(k, there[2]))
                at_y = self.at(y, self.mul(i, here[0]), self.mul(j, here[1]), self.mul(k, here[2]))
                self._plane(mode, at_x, at_y, n[3:], there[3:], here[3:])
        b.ret_void()

    def _is_wanted(self, block: Any, row: Any) -> Any:
        """Whether this box is moved in the case that is at hand."""
        when, watched, room, extent = self.words(row, _MODE + 1, 4)
        words = self.b.inttoptr(block, I64.as_pointer())
        distance = self.sub(self.b.load(self.at(words, watched)), self.b.load(self.at(words, room)))
        together = self.b.icmp_unsigned("<", distance, extent)
        case = self.b.select(together, self.int(TOGETHER), self.int(APART))
        return self.b.or_(self.test(when, "==", ALWAYS), self.test(when, "==", case))

    def _named(self, block: Any, number: Any, to: Any) -> Any:
        """The address in the word of the block that has this number."""
        words = self.b.inttoptr(block, I64.as_pointer())
        return self.b.inttoptr(self.b.load(self.at(words, number)), to.as_pointer())

    def _plane(self, mode: Any, x: Any, y: Any, n: list, there: list, here: list) -> None:
        """Two dimensions, walked as the mode says."""
        b = self.b
        end = b.append_basic_block("moved")
        other = b.append_basic_block("scattered")
        switch = b.switch(mode, other)
        for number, walk in self.walks:
            branch = b.append_basic_block("walk")
            switch.add_case(constant(number), branch)
            b.position_at_end(branch)
            walk(x, y, n, there, here)
            b.branch(end)
        b.position_at_end(other)
        self._scattered(x, y, (0, 0), n, there, here)
        b.branch(end)
        b.position_at_end(end)

    def _rows(self, x: Any, y: Any, n: list, there: list, here: list) -> None:
        with self.loop(0, n[0]) as i:
            self._row(self.at(x, self.mul(i, there[0])), self.at(y, self.mul(i, here[0])), n[1])

    def _row(self, x: Any, y: Any, count: Any) -> None:
        step = 4 * self.lanes
        whole = self.mul(self.div(count, step), step)
        with self.loop(0, whole, step) as i:
            parts = [self.load(self.at(x, i, k * self.lanes)) for k in range(4)]
            for k, part in enumerate(parts):
                self.put(part, self.at(y, i, k * self.lanes))
        with self.loop(whole, count, self.lanes) as i:
            mask = self.first_lanes(self.sub(count, i))
            self.put(self.load(self.at(x, i), mask), self.at(y, i), mask)

    def _spread(self, x: Any, y: Any, n: list, there: list, here: list) -> None:
        with self.loop(0, n[0]) as i:
            value = self.splat(self.b.load(self.at(x, self.mul(i, there[0]))))
            row = self.at(y, self.mul(i, here[0]))
            with self.loop(0, n[1], self.lanes) as j:
                self.put(value, self.at(row, j), self.first_lanes(self.sub(n[1], j)))

    def _turned(self, x: Any, y: Any, n: list, there: list, here: list) -> None:
        """Tiles, then what is left over at the right and below."""
        size = self.lanes
        whole = [self.mul(self.div(k, size), size) for k in n]
        with self.loop(0, whole[0], size) as i, self.loop(0, whole[1], size) as j:
            rows = [self.load(self.at(x, i, self.mul(self.add(j, k), there[1]))) for k in range(size)]
            for k, row in enumerate(self.transpose(rows)):
                self.put(row, self.at(y, self.mul(self.add(i, k), here[0]), j))
        self._scattered(x, y, (0, whole[1]), [whole[0], n[1]], there, here)
        self._scattered(x, y, (whole[0], 0), n, there, here)

    def _scattered(self, x: Any, y: Any, first: Sequence[Any], n: list, there: list, here: list) -> None:
        with self.loop(first[0], n[0]) as i, self.loop(first[1], n[1]) as j:
            value = self.b.load(self.at(x, self.mul(i, there[0]), self.mul(j, there[1])))
            self.put_one(value, self.at(y, self.mul(i, here[0]), self.mul(j, here[1])))

    def put(self, value: Any, pointer: Any, mask: Any = None) -> None:
        """What becomes of a vector that was read."""
        self.store(value, pointer, mask)

    def put_one(self, value: Any, pointer: Any) -> None:
        """What becomes of an element."""
        self.b.store(value, pointer)


class _Adder(_Mover):
    """The same for adding a box to what is there."""

    def put(self, value: Any, pointer: Any, mask: Any = None) -> None:
        self.store(self.b.fadd(self.load(pointer, mask), value), pointer, mask)

    def put_one(self, value: Any, pointer: Any) -> None:
        self.b.store(self.b.fadd(self.b.load(pointer), value), pointer)


# ----------------------------------------------------------------------------------------------------------- operators
def _dims(size: Sequence[int], there: Sequence[int], here: Sequence[int]) -> tuple:
    return tuple(zip(size, there, here, strict=True))


def copy(call: Call) -> Routine | None:
    """A tensor in the memory order of the result."""
    x, out = call.specs[0], call.out
    if x.dtype is not out.dtype:
        return None
    return routine(2, x.dtype.itemsize, [Box(0, 0, 1, 0, _dims(x.size, x.stride, out.stride))])


def write(call: Call) -> Routine | None:
    """A tensor with a region replaced; the rest is copied where it is not there already."""
    base, value, region = call.specs[0], call.specs[1], call.attributes["region"]
    if value.dtype is not region.dtype or region.dtype is not base.dtype or base.order() is None:
        return None
    if any(n > 1 and q == 0 for n, q in zip(region.size, region.stride, strict=True)):
        return None
    dense = contiguous_stride(value.size)
    whole = Box(0, 0, 3, 0, ((base.numel, 1, 1),))
    aside = Box(1, 0, 4, 0, _dims(value.size, value.stride, dense), TOGETHER)
    back = Box(4, 0, 3, 0, _dims(value.size, dense, region.stride), TOGETHER)
    straight = Box(1, 0, 3, 0, _dims(value.size, value.stride, region.stride), APART)
    size = base.dtype.itemsize
    return routine(
        4, size, [aside], [whole], [back, straight], shift=2, watch=(1, 3, base.numel * size),
        scratch=value.numel * size, in_place={0: [0]},
    )  # fmt: skip


def embed(call: Call) -> Routine | None:
    """Zeros, and in them a tensor where a view looks that begins at an offset, the second input."""
    g, out = call.specs[0], call.out
    parts = _in_view(g, call.attributes["stride"], 0, 2)
    adds = g.dtype.name if len(parts) > 1 else ""
    if adds not in ("", "float32", "float64") or len(parts) > _MOST:
        return None
    blank = Box(5 + len(parts), 0, 2, 0, ((out.numel, 0, 1),))
    return routine(3, g.dtype.itemsize, [blank], *parts, shift=1, last=len(parts), adds=adds)


def embed_onto(call: Call) -> Routine | None:
    """A tensor with another one added where a view looks that begins at an offset, the third input."""
    total, g = call.specs[:2]
    parts = _in_view(g, call.attributes["stride"], 1, 3)
    if g.dtype.name not in ("float32", "float64") or total.dtype is not g.dtype or len(parts) > _MOST:
        return None
    whole = Box(0, 0, 3, 0, _dims(total.size, total.stride, call.out.stride))
    return routine(
        4, g.dtype.itemsize, [whole], *parts, shift=2, last=len(parts), adds=g.dtype.name,
        in_place={0: [0]} if total.contiguous else {},
    )  # fmt: skip


def _in_view(g: Spec, stride: Sequence[int], source: int, target: int) -> list[list[Box]]:
    """Boxes from a tensor to a view with these strides, in phases in which no two elements have one place."""
    crowded = crowded_axes(g.size, stride)
    dims = tuple(dim for d, dim in enumerate(_dims(g.size, g.stride, stride)) if d not in crowded)
    phases = []
    for place in itertools.product(*(range(g.size[d]) for d in crowded)):
        begin, start = (sum(i * q[d] for i, d in zip(place, crowded, strict=True)) for q in (g.stride, stride))
        phases.append([Box(source, begin, target, start, dims)])
    return phases


def _joined(specs: Sequence[Spec], out: Spec, starts: Iterable[int], stride: Sequence[int]) -> Routine | None:
    """Tensors one after another in the result, whose steps along their dimensions are `stride`."""
    if any(s.dtype is not out.dtype for s in specs):
        return None
    to = len(specs)
    boxes = [
        Box(i, 0, to, a, _dims(s.size, s.stride, stride)) for i, (s, a) in enumerate(zip(specs, starts, strict=True))
    ]
    return routine(to + 1, out.dtype.itemsize, boxes)


def cat(call: Call) -> Routine | None:
    """Tensors one after another along an axis."""
    dim, out = call.attributes["dim"], call.out
    if any(s.ndim != out.ndim for s in call.specs):
        return None
    ends = np.cumsum([s.size[dim] for s in call.specs])
    starts = [int(e - s.size[dim]) * out.stride[dim] for e, s in zip(ends, call.specs, strict=True)]
    return _joined(call.specs, out, starts, out.stride)


def stack(call: Call) -> Routine | None:
    """Tensors one after another along a new axis."""
    dim, out = call.attributes["dim"], call.out
    starts = [i * out.stride[dim] for i in range(len(call.specs))]
    return _joined(call.specs, out, starts, (*out.stride[:dim], *out.stride[dim + 1 :]))


def flip(call: Call) -> Routine | None:
    """The elements in reverse order along axes."""
    x, out, dims = call.specs[0], call.out, call.attributes["dims"]
    begin = sum((x.size[d] - 1) * x.stride[d] for d in dims)
    there = [-q if d in dims else q for d, q in enumerate(x.stride)]
    return routine(2, x.dtype.itemsize, [Box(0, begin, 1, 0, _dims(x.size, there, out.stride))])


def roll(call: Call) -> Routine | None:
    """The elements moved around along axes: each axis that moves has two parts."""
    x, out = call.specs[0], call.out
    boxes = [Box(0, 0, 1, 0, _dims(x.size, x.stride, out.stride))]
    dims, shifts = call.attributes["dims"], call.attributes["shifts"]
    if not dims or len(dims) > 4 or len(set(dims)) < len(dims):
        return None
    for d, shift in zip(dims, shifts, strict=True):
        boxes = [part for box in boxes for part in _rolled(box, d, shift % max(x.size[d], 1))]
    return routine(2, x.dtype.itemsize, boxes)


def _rolled(box: Box, d: int, shift: int) -> list[Box]:
    """The two parts of a box that go to other ends of an axis."""
    n, there, here = box.dims[d]
    stay = box._replace(start=box.start + shift * here, dims=_with(box.dims, d, (n - shift, there, here)))
    wrap = box._replace(begin=box.begin + (n - shift) * there, dims=_with(box.dims, d, (shift, there, here)))
    return [stay, wrap]


def _with(dims: tuple, d: int, value: tuple[int, int, int]) -> tuple:
    return (*dims[:d], value, *dims[d + 1 :])


def repeat(call: Call) -> Routine | None:
    """Copies of a tensor beside each other: an axis becomes one of copies, which stays where it is, and its own."""
    x, out, repeats = call.specs[0], call.out, call.attributes["repeats"]
    lead, dims = len(repeats) - x.ndim, []
    for d, (r, q) in enumerate(zip(repeats, out.stride, strict=True)):
        n, there = (x.size[d - lead], x.stride[d - lead]) if d >= lead else (1, 0)
        dims += [(r, 0, n * q), (n, there, q)]
    return routine(2, x.dtype.itemsize, [Box(0, 0, 1, 0, tuple(dims))])


def shuffle_pixels(call: Call, back: bool = False) -> Routine | None:
    """Channels made into pixels; or pixels into channels, which is the way back."""
    x, out, r = call.specs[0], call.out, call.attributes["factor"]
    if not (x.contiguous and out.contiguous) or x.ndim < 3:
        return None
    high, wide = (x if not back else out).size[-2:]  # of the smaller images
    planes, area = x.numel // (r * r * high * wide), high * wide
    dims = (
        (planes, r * r * area, r * r * area), (r, r * area, r * wide), (r, area, 1), (high, wide, r * r * wide),
        (wide, 1, r),
    )  # fmt: skip
    if back:
        dims = tuple((n, q, p) for n, p, q in dims)  # type: ignore[assignment]
    return routine(2, x.dtype.itemsize, [Box(0, 0, 1, 0, dims)])


def deal_channels(call: Call) -> Routine | None:
    """Channels with those of the groups in turns."""
    x, out, groups = call.specs[0], call.out, call.attributes["groups"]
    if not (x.contiguous and out.contiguous):
        return None
    each, rest = x.size[1] // groups, math.prod(x.size[2:])
    whole = x.size[1] * rest
    dims = ((x.size[0], whole, whole), (groups, each * rest, rest), (each, rest, groups * rest), (rest, 1, 1))
    return routine(2, x.dtype.itemsize, [Box(0, 0, 1, 0, dims)])


def pad(call: Call) -> Routine | None:
    """A tensor with borders of one value. (Where the padding is negative, without its own.)"""
    x, out, amounts = call.specs[0], call.out, call.attributes["pad"]
    number = call.specs[1]
    if not _can_put(number, x.dtype) or not out.contiguous:
        return None
    sides = [(0, 0)] * (x.ndim - len(amounts) // 2) + [*zip(amounts[::2], amounts[1::2], strict=True)][::-1]
    first = [max(before, 0) for before, _ in sides]
    last = [n - max(after, 0) for n, (_, after) in zip(out.size, sides, strict=True)]
    begin = sum(max(-before, 0) * q for (before, _), q in zip(sides, x.stride, strict=True))
    kept = [max(b - a, 0) for a, b in zip(first, last, strict=True)]
    start = sum(a * q for a, q in zip(first, out.stride, strict=True))
    boxes = [Box(0, begin, 2, start, _dims(kept, x.stride, out.stride)), *_borders(out, first, last)]
    found = routine(3, x.dtype.itemsize, boxes)
    if found is not None:
        _put_number_first(found, number, x.dtype.name, 1, 3)
    return found


def fill(call: Call) -> Routine | None:
    """A number everywhere."""
    (number,), out = call.specs, call.out
    if not _can_put(number, out.dtype) or not out.numel:
        return None
    found = routine(2, out.dtype.itemsize, [Box(2, 0, 1, 0, ((out.numel, 0, 1),))])
    if found is not None:
        _put_number_first(found, number, out.dtype.name, 0, 2)
    return found


def _can_put(number: Any, d: dtype) -> bool:
    """Whether there is code that turns a number of this type into elements of a dtype."""
    return number in (int, float, bool) and d.name in _NUMBERS and can_hold(d)


def _put_number_first(found: Routine, number: type, element: str, source: int, scratch: int) -> None:
    """Let a routine begin with a phase that puts the Python number of a word, as an element, into scratch memory."""
    found.phases.insert(0, (_number_store("float" if number is float else "int", element, source, scratch), 1))
    found.scratch = 8


def _borders(out: Spec, first: list[int], last: list[int]) -> list[Box]:
    """Boxes around the inside of a tensor: along each axis what is before and behind it, between those of the axes
    before. Their source is the scratch memory, word 3."""
    boxes = []
    for d, n in enumerate(out.size):
        for a, b in ((0, first[d]), (last[d], n)):
            sizes = [*(h - f for f, h in zip(first[:d], last[:d], strict=True)), b - a, *out.size[d + 1 :]]
            start = a * out.stride[d] + sum(f * q for f, q in zip(first[:d], out.stride[:d], strict=True))
            if all(s > 0 for s in sizes):
                boxes.append(Box(3, 0, 2, start, _dims(sizes, [0] * out.ndim, out.stride)))
    return boxes


_NUMBERS = {
    "float32": ir.FloatType(), "float64": ir.DoubleType(), "int64": I64, "int32": ir.IntType(32), "bool": ir.IntType(8),
    "float16": ir.HalfType(), "bfloat16": ir.IntType(16),
}  # fmt: skip
_HALVES = {d.name: d for d in HALF}


@functools.cache
def _number_store(number: str, element: str, source: int, scratch: int) -> int:
    """The address of a function that does so."""

    def build() -> str:
        module = ir.Module("number")
        w = Writer(new_function(module, "store"), "int64")
        b, block, to = w.b, w.function.args[0], _NUMBERS[element]
        value = b.load(w.word(block, source, I64 if number == "int" else ir.DoubleType()))
        if element in _HALVES:  # by way of float32: a double has no instruction for it
            found = to_memory(Value(b, _converted(b, value, F32), np.float32), _HALVES[element])
        else:
            found = _truth(b, value) if element == "bool" else _converted(b, value, to)
        b.store(found, w.word(block, scratch, to))
        b.ret_void()
        return module_text(module)

    return jit.load(("number", number, element, source, scratch), ["store"], build)["store"]


def _truth(b: ir.IRBuilder, value: Any) -> Any:
    """Whether a number is not zero, as a byte."""
    compare = b.icmp_signed if isinstance(value.type, ir.IntType) else b.fcmp_unordered
    return b.zext(compare("!=", value, ir.Constant(value.type, 0)), ir.IntType(8))


def _converted(b: ir.IRBuilder, value: Any, to: Any) -> Any:
    """A number in another type."""
    if value.type == to:
        return value
    if isinstance(to, ir.IntType):
        return b.trunc(value, to) if isinstance(value.type, ir.IntType) else b.fptosi(value, to)
    return b.sitofp(value, to) if isinstance(value.type, ir.IntType) else b.fptrunc(value, to)
