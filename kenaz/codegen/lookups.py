"""Rows and elements by number, in compiled code: embedding, index_select, gather, and what goes back to such places.

A tensor is seen as (outer, length, inner), `length` along the axis that is looked up:

    rows      out[o, i, :] = x[o, index[i], :]                 and back:  out[o, index[i], :] += g[o, i, :]
    places    out[o, i, k] = x[o, index[o, i, k], k]           and back:  out[o, index[o, i, k], k] += g[o, i, k]

The way back begins with zeros or with a copy of what is added to. Threads share the outer axis, or columns where that
is too short: a place gets its values from one thread and in order, so that results do not depend on how many threads
there are. Two indices of neighbouring axes, as in x[i, j], are one of an axis of pairs.

Numbers below zero count from the end. One out of range is taken for 0, or nothing is added: numbers were checked when
they were recorded, or else an alarm is rung. `watch` says whether it is, and whether they may be below zero.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from ..core.dtype import HALF
from ..core.spec import Spec, fresh
from ..graph.node import Call
from . import jit
from .alarms import cells, ring
from .ranges import given_number
from .routine import Routine
from .share import chunks_for, part
from .vectors import ELEMENTS, I64, Writer, module_text, new_function

_KINDS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}  # by size, where elements are only moved
_SIZES = ("outer", "count", "length", "inner", "skipped", "second", "chunks")
COLUMNS = 64  # elements that a thread's share of a row consists of: whole cache lines


ZERO = ir.Constant(I64, 0)
SIGNED, UNSIGNED = "signed", "unsigned"  # numbers to watch: they may be below zero, or not


class Lookup(Writer):
    """A writer that knows the sizes: words of the block from `place` on."""

    def __init__(self, function: ir.Function, element: str, index: str, place: int, watch: str):
        super().__init__(function, element)
        self.block, self.chunk = function.args
        self.watch, self.cells = watch, place + len(_SIZES)
        self.n = dict(zip(_SIZES, self.words(self.block, place, len(_SIZES)), strict=True))
        self.index = ELEMENTS[index]

    def array(self, i: int) -> Any:
        return self.word(self.block, i, self.element)

    def numbers(self, *words: int) -> Callable[[Any], Any]:
        """What gives the i-th number of the index (or of two): an int64, not negative if there is such a row."""
        first, *others = (self.word(self.block, word, self.index) for word in words)
        if not others:
            return lambda i: self._from_end(self._read(first, i), self.n["length"], words[0])
        second = self.n["second"]

        def pair(i: Any) -> Any:
            row = self._from_end(self._read(first, i), self.div(self.n["length"], second), words[0])
            column = self._from_end(self._read(others[0], i), second, words[1])
            fits = self.b.icmp_unsigned("<", column, second)
            return self.b.select(fits, self.add(self.mul(row, second), column), self.int(-1))

        return pair

    def _read(self, index: Any, i: Any) -> Any:
        found = self.b.load(self.at(index, i))
        return found if self.index is I64 else self.b.sext(found, I64)

    def _from_end(self, number: Any, length: Any, which: int) -> Any:
        """The number without a sign; an alarm is rung if it is out of range."""
        found = self.b.select(self.test(number, "<", 0), self.add(number, length), number)
        if self.watch:
            wrong = self.b.icmp_unsigned(">=", found if self.watch == SIGNED else number, length)
            with self.b.if_then(wrong, likely=False):
                ring(self, self.cells, which, number)
        return found

    def is_inside(self, number: Any) -> Any:
        """Whether there is such a row, and it is not the one that is left out."""
        inside = self.b.icmp_unsigned("<", number, self.n["length"])
        return self.b.and_(inside, self.b.icmp_signed("!=", number, self.n["skipped"]))

    def safe(self, number: Any) -> Any:
        return self.b.select(self.b.icmp_unsigned("<", number, self.n["length"]), number, ZERO)

    def each_vector(self, start: Any, end: Any, visit: Callable[[Any, Any], None]) -> None:
        """`visit(first column, mask or None)` for all vectors of a row."""
        step = 4 * self.lanes
        whole = self.add(start, self.mul(self.div(self.sub(end, start), step), step))
        with self.loop(start, whole, step) as i:
            for k in range(4):
                visit(self.add(i, k * self.lanes), None)
        with self.loop(whole, end, self.lanes) as i:
            visit(i, self.first_lanes(self.sub(end, i)))

    def copy(self, x: Any, y: Any, start: Any, end: Any) -> None:
        """Columns of a row of x, or zeros if there is none, to a row of y."""

        def visit(i: Any, mask: Any) -> None:
            self.store(self.zero if x is None else self.load(self.at(x, i), mask), self.at(y, i), mask)

        self.each_vector(start, end, visit)

    def bring(self, base: Any, out: Any, at: Any, start: Any, end: Any) -> None:
        """Columns of a row of what is added to: zeros without it, and nothing to do where it is there already."""
        if base is None:
            self.copy(None, self.at(out, at), start, end)
            return
        elsewhere = self.b.icmp_unsigned("!=", self.b.ptrtoint(base, I64), self.b.ptrtoint(out, I64))
        with self.b.if_then(elsewhere):
            self.copy(self.at(base, at), self.at(out, at), start, end)

    def bring_rows(self, base: Any, out: Any, o: Any, left: Any, right: Any) -> None:
        """Columns of all rows of a plane; at once if they are all columns: rows may be as short as one element."""
        n = self.n
        plane = self.mul(o, n["length"], n["inner"])
        with self.b.if_else(self.test(self.sub(right, left), "==", n["inner"])) as (all_columns, some):
            with all_columns:
                self.bring(base, out, plane, 0, self.mul(n["length"], n["inner"]))
            with some, self.loop(0, n["length"]) as i:
                self.bring(base, out, self.add(plane, self.mul(i, n["inner"])), left, right)

    def share(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """The chunk's part of the outer axis, and of the columns; one of them is everything."""
        n = self.n
        several = self.test(n["outer"], ">", 1)
        of = self.b.select(several, n["outer"], self.div(self.add(n["inner"], COLUMNS - 1), COLUMNS))
        first, last = part(self, of, self.chunk, n["chunks"])
        pick = self.b.select
        outer = pick(several, first, ZERO), pick(several, last, self.int(1))
        left = pick(several, ZERO, self.mul(first, COLUMNS))
        right = pick(several, n["inner"], self.min(self.mul(last, COLUMNS), n["inner"]))
        return outer, (left, right)


# ------------------------------------------------------------------------------------------------------------ programs
def _take_rows(w: Lookup, *indices: int) -> None:
    """Words: x, index (or two), out, scratch, sizes."""
    n, x, number_at, out = w.n, w.array(0), w.numbers(*indices), w.array(1 + len(indices))
    first, last = part(w, w.mul(n["outer"], n["count"]), w.chunk, n["chunks"])
    with w.loop(first, last) as i:
        outer = w.div(i, n["count"])
        number = w.safe(number_at(w.rem(i, n["count"])))
        row = w.at(x, w.mul(w.add(w.mul(outer, n["length"]), number), n["inner"]))
        w.copy(row, w.at(out, w.mul(i, n["inner"])), 0, n["inner"])
    w.b.ret_void()


def _add_rows(w: Lookup, *indices: int, based: bool = False) -> None:
    """Words: g, index (or two), out, scratch, sizes; or with a base: base, index, g, out, scratch, sizes."""
    n, number_at = w.n, w.numbers(*indices)
    g, out = (w.array(2), w.array(3)) if based else (w.array(0), w.array(1 + len(indices)))
    base = w.array(0) if based else None
    outer, (left, right) = w.share()
    with w.loop(*outer) as o:
        w.bring_rows(base, out, o, left, right)
        with w.loop(0, n["count"]) as i:
            number = number_at(i)
            with w.b.if_then(w.is_inside(number)):
                row = w.at(out, w.mul(w.add(w.mul(o, n["length"]), number), n["inner"]))
                _add(w, w.at(g, w.mul(w.add(w.mul(o, n["count"]), i), n["inner"])), row, left, right)
    w.b.ret_void()


def _add(w: Lookup, x: Any, y: Any, left: Any, right: Any) -> None:
    def visit(i: Any, mask: Any) -> None:
        w.store(w.b.fadd(w.load(w.at(y, i), mask), w.load(w.at(x, i), mask)), w.at(y, i), mask)

    w.each_vector(left, right, visit)


def _put_rows(w: Lookup, *indices: int, add: bool, each: bool, number: str = "", values: int = 1) -> None:
    """Words: x, value, index (or two), out, scratch, sizes; steps of the value from plane to plane and from row to row.
    The value is a `number`, one element, or (`each`) rows; it may come behind the index."""
    n, b, number_at = w.n, w.b, w.numbers(*indices)
    x, out = w.array(0), w.array(2 + len(indices))
    by_plane, by_row = w.words(w.block, w.cells + 1, 2)
    value = None if each else w.splat(given_number(w, 1, number, w.element) if number else b.load(w.array(1)))
    outer, (left, right) = w.share()
    with w.loop(*outer) as o:
        w.bring_rows(x, out, o, left, right)
        with w.loop(0, n["count"]) as i:
            place = number_at(i)
            with b.if_then(w.is_inside(place)):
                row = w.at(out, w.mul(w.add(w.mul(o, n["length"]), place), n["inner"]))
                given = w.at(w.array(values), w.mul(o, by_plane), w.mul(i, by_row)) if each else None

                def visit(k: Any, mask: Any, row: Any = row, given: Any = given) -> None:
                    new = w.load(w.at(given, k), mask) if each else value
                    new = b.fadd(w.load(w.at(row, k), mask), new) if add else new
                    w.store(new, w.at(row, k), mask)

                w.each_vector(left, right, visit)
    b.ret_void()


def _take_places(w: Lookup) -> None:
    """Words: x, index, out, scratch, sizes."""
    n, x, number_at, out = w.n, w.array(0), w.numbers(1), w.array(2)
    first, last = part(w, n["outer"], w.chunk, n["chunks"])
    with w.loop(first, last) as o, w.loop(0, n["count"]) as i, w.loop(0, n["inner"]) as k:
        at = w.add(w.mul(w.add(w.mul(o, n["count"]), i), n["inner"]), k)
        number = w.safe(number_at(at))
        cell = w.at(x, w.mul(w.add(w.mul(o, n["length"]), number), n["inner"]), k)
        w.b.store(w.b.load(cell), w.at(out, at))
    w.b.ret_void()


def _better(sign: str) -> Callable[[Lookup, Any, Any], Any]:
    """The larger or smaller of two; a nan wins."""

    def combine(w: Lookup, x: Any, y: Any) -> Any:
        return w.b.select(w.b.or_(w.b.fcmp_ordered(sign, y, x), w.b.fcmp_unordered("uno", y, y)), y, x)

    return combine


# how a value becomes one with what is in its place, and what a place holds that counts for nothing
_FOLDS: dict[str, tuple[Callable[[Lookup, Any, Any], Any], float]] = {
    "put": (lambda w, x, y: y, 0.0),
    "sum": (lambda w, x, y: w.b.fadd(x, y), 0.0),
    "prod": (lambda w, x, y: w.b.fmul(x, y), 1.0),
    "amax": (_better(">"), -math.inf),
    "amin": (_better("<"), math.inf),
}


def _put_places(w: Lookup, based: bool, fold: str = "sum", number: str = "", alone: bool = False) -> None:
    """Words: g, index, out, scratch, sizes; or with a base: base, index, g (or a number), out, scratch, sizes. Where
    values are `alone`, what was in their places does not count."""
    n, number_at = w.n, w.numbers(1)
    out, g = w.array(3 if based else 2), None if number else w.array(2 if based else 0)
    given = given_number(w, 2, number, w.element) if number else None
    combine, nothing = _FOLDS[fold]
    first, last = part(w, n["outer"], w.chunk, n["chunks"])
    with w.loop(first, last) as o:
        plane = w.mul(o, n["length"], n["inner"])
        w.bring(w.array(0) if based else None, out, plane, 0, w.mul(n["length"], n["inner"]))
        for clears in (True, False) if alone else (False,):
            with w.loop(0, n["count"]) as i, w.loop(0, n["inner"]) as k:
                at = w.add(w.mul(w.add(w.mul(o, n["count"]), i), n["inner"]), k)
                place = number_at(at)
                with w.b.if_then(w.is_inside(place)):
                    cell = w.at(out, plane, w.mul(place, n["inner"]), k)
                    if clears:
                        w.b.store(ir.Constant(w.element, nothing), cell)
                    else:
                        value = given if g is None else w.b.load(w.at(g, at))
                        w.b.store(combine(w, w.b.load(cell), value), cell)
    w.b.ret_void()


def _put_indexed(w: Lookup, width: int, add: bool, how: str) -> None:
    _put_rows(w, *range(2, 2 + width), add=add, each=how == "each", number=how if how in ("int", "float") else "")


_PROGRAMS: dict[str, tuple[Callable[[Lookup], None], int]] = {  # and how many tensors come before the scratch memory
    "take rows": (lambda w: _take_rows(w, 1), 3),
    "take pairs": (lambda w: _take_rows(w, 1, 2), 4),
    "add rows": (lambda w: _add_rows(w, 1), 3),
    "add pairs": (lambda w: _add_rows(w, 1, 2), 4),
    "add rows to": (lambda w: _add_rows(w, 1, based=True), 4),
    "take places": (_take_places, 3),
    "add places": (functools.partial(_put_places, based=False), 3),
    "add places to": (functools.partial(_put_places, based=True), 4),
    "put places in": (functools.partial(_put_places, based=True, fold="put"), 4),
    "copy rows": (lambda w: _put_rows(w, 1, add=False, each=True, values=2), 4),
    **{
        f"number {kind} places in": (functools.partial(_put_places, based=True, fold="put", number=kind), 4)
        for kind in ("int", "float")
    },
    **{
        f"fold {fold}{how} places in": (functools.partial(_put_places, based=True, fold=fold, alone=how != ""), 4)
        for fold in ("sum", "prod", "amax", "amin") for how in ("", " alone")
    },
    **{
        f"{what} {width} {how}": (functools.partial(_put_indexed, width=width, add=what == "sum", how=how), 3 + width)
        for what in ("put", "sum") for width in (1, 2) for how in ("one", "each", "int", "float")
    },
}  # fmt: skip


@functools.cache
def _compiled(program: str, element: str, index: str, watch: str, vector_bytes: int) -> int:
    def build() -> str:
        module = ir.Module("lookups")
        write, tensors = _PROGRAMS[program]
        write(Lookup(new_function(module, "look"), element, index, tensors + 1, watch))
        return module_text(module)

    return jit.load(("lookups", program, element, index, watch, vector_bytes), ["look"], build)["look"]


# ------------------------------------------------------------------------------------------------------------ routines
def _routine(
    program: str, index: Spec, dense: tuple[Spec, ...], dim: int, length: int, skipped: int = -1, second: int = 1,
    watch: str = "",
) -> Routine | None:  # fmt: skip
    """A program over tensors that are dense, the first of which has `count` places along the axis, not `length`."""
    like, way = dense[0], program.split()[0]
    taken: Sequence[str] = {"add": _FLOATS, "fold": _FLOATS, "number": _PUT}.get(way, ())
    element = like.dtype.name.replace("bool", "uint8") if taken else _KINDS.get(like.dtype.itemsize)
    if index.dtype.name not in ("int64", "int32") or not all(s.contiguous and s.dtype is like.dtype for s in dense):
        return None
    if not index.contiguous or element not in (taken or _KINDS.values()):
        return None
    outer, inner = math.prod(like.size[:dim]), math.prod(like.size[dim + 1 :])
    count = like.size[dim]
    ways = {"take": outer * count, "add": outer if outer > 1 else -(-inner // COLUMNS)}
    chunks = chunks_for(sum(s.numel for s in dense), outer if "places" in program else ways[way])
    function = _compiled(program, str(element), index.dtype.name, watch, jit.vector_bytes())
    constants = [outer, count, length, inner, skipped, second, chunks, cells]
    return Routine([(function, chunks)], constants, in_place={0: [0]} if program.endswith((" to", " in")) else {})


def _watch(call: Call, kind: str) -> str:
    """The kind of numbers to watch, if those of the call's indices may be wrong."""
    return kind if call.op.late_errors else ""


def embedding(call: Call) -> Routine | None:
    """The rows of a table that indices of any size name."""
    weight, indices = call.specs
    rows = _flat(call.out, indices.numel)
    if not call.out.contiguous:
        return None
    return _routine("take rows", indices, (rows, weight), 0, weight.size[0], watch=_watch(call, UNSIGNED))


def embedding_backward(call: Call) -> Routine | None:
    """Rows added where their indices say."""
    g, indices = call.specs
    of = call.attributes
    if of["scale"] or not g.contiguous:
        return None
    return _routine("add rows", indices, (_flat(g, indices.numel), call.out), 0, of["rows"], of["padding_idx"])


def embedding_onto(call: Call) -> Routine | None:
    """The same, added to what is there."""
    total, indices, g = call.specs
    if not g.contiguous:
        return None
    dense = _flat(g, indices.numel), total, call.out
    return _routine("add rows to", indices, dense, 0, total.size[0], call.attributes["padding_idx"])


def _flat(rows: Spec, count: int) -> Spec:
    """Dense rows as a matrix."""
    return fresh((count, rows.size[-1]), rows.dtype, rows.device)


def index_select(call: Call) -> Routine | None:
    """Slices along an axis."""
    x, index = call.specs
    dim = call.attributes["dim"]
    if not x.ndim:
        return None
    return _routine("take rows", index, (call.out, x), dim, x.size[dim], watch=_watch(call, UNSIGNED))


def spread_rows(call: Call) -> Routine | None:
    """Slices along an axis added, among zeros, where an index says."""
    g, index = call.specs
    dim = call.attributes["dim"]
    return _routine("add rows", index, (g, call.out), dim, call.out.size[dim]) if g.ndim else None


def index_add(call: Call) -> Routine | None:
    """Slices along an axis added to those of a tensor."""
    x, index, source = call.specs
    dim = call.attributes["dim"]
    if not x.ndim or source.ndim != x.ndim:
        return None
    return _routine("add rows to", index, (source, x, call.out), dim, x.size[dim], watch=_watch(call, UNSIGNED))


def _places(program: str, call: Call, dense: tuple[Spec, ...], x: Spec, watch: str = "") -> Routine | None:
    """A program over places of x; over rows, where the index is a vector that is repeated along all other axes."""
    index, dim = call.specs[1], call.attributes["dim"]
    if x.ndim != index.ndim or not x.ndim:
        return None
    if any(d != dim and n != m for d, (n, m) in enumerate(zip(index.size, x.size, strict=True))):
        return None
    if all(n == 1 or q == (d == dim) for d, (n, q) in enumerate(zip(index.size, index.stride, strict=True))):
        rows = program.replace("places", "rows")
        if rows in _PROGRAMS:
            program, index = rows, fresh((index.size[dim],), index.dtype)
    return _routine(program, index, dense, dim, x.size[dim], watch=watch)


def gather(call: Call) -> Routine | None:
    """Elements along an axis, each with a number of its own."""
    x = call.specs[0]
    return _places("take places", call, (call.out, x), x, _watch(call, UNSIGNED))


def spread_places(call: Call) -> Routine | None:
    """Elements added, among zeros, where their indices say."""
    return _places("add places", call, (call.specs[0], call.out), call.out)


def scatter(call: Call, program: str) -> Routine | None:
    """Elements added to, or put in the place of, those of a tensor."""
    x, index, source = call.specs
    if type(source) is not Spec or source.size != index.size:
        return None
    return _places(program, call, (source, x, call.out), x, _watch(call, UNSIGNED))


def scatter_value(call: Call) -> Routine | None:
    """A number put in the place of elements of a tensor."""
    x, index, number = call.specs
    kind, name = _NUMBERS.get(number, ("", 0, 0))[0], x.dtype.name.replace("bool", "uint8")
    if not kind or name not in _PUT or kind == "float" and not name.startswith("float"):
        return None
    of = fresh(index.size, x.dtype)
    return _places(f"number {kind} places in", call, (of, x, call.out), x, _watch(call, UNSIGNED))


def scatter_reduce(call: Call) -> Routine | None:
    """Elements folded into those of a tensor."""
    x, index, source = call.specs
    reduce, alone = call.attributes["reduce"], not call.attributes["include_self"]
    if reduce == "mean" or source.size != index.size:
        return None
    program = f"fold {reduce}{' alone' * alone} places in"
    return _places(program, call, (source, x, call.out), x, _watch(call, UNSIGNED))


def index(call: Call) -> Routine | None:
    """x[..., i] and x[..., i, j]: the rows that an index names along an axis, or the pairs of two of one size."""
    x, *indices = call.specs
    at, width = _indexed(call, indices)
    if not width or not call.out.contiguous:
        return None
    length, dense = _rows_of(x.size, at, width, indices[0].numel)
    return _routine(
        _NAMES["take"][width], indices[0], (fresh(dense, x.dtype), x), at, length, second=x.size[at + width - 1],
        watch=_watch(call, SIGNED),
    )  # fmt: skip


def index_put(call: Call) -> Routine | None:
    """x with a number, an element or rows put where indices say, or added there."""
    x, value, *indices = call.specs
    at, width = _indexed(call, indices)
    add = call.attributes["accumulate"]
    name = _moved_as(x)
    index, count = indices[0], indices[0].numel
    if not width or name not in _MOVED or add and not name.startswith("float"):
        return None
    if not (x.contiguous and call.out.contiguous) or index.dtype.name not in ("int64", "int32"):
        return None
    length, dense = _rows_of(x.size, at, width, count)
    how = _given(value, (*x.size[:at], *index.size, *x.size[at + width :]), at + index.ndim, math.prod(dense[at + 1 :]))
    if how is None or how[0] == "float" and not name.startswith("float") or name == "int16" and how[0] == "int":
        return None
    kind, by_plane, by_row = how
    outer, inner = math.prod(dense[:at]), math.prod(dense[at + 1 :])
    chunks = chunks_for(x.numel + math.prod(dense), outer if outer > 1 else -(-inner // COLUMNS))
    program = f"{'sum' if add else 'put'} {width} {kind}"
    function = _compiled(program, name, index.dtype.name, SIGNED, jit.vector_bytes())
    sizes = [outer, count, length, inner, -1, x.size[at + width - 1], chunks]
    return Routine([(function, chunks)], [*sizes, cells, by_plane * count, by_row], in_place={0: [0]})


def index_copy(call: Call) -> Routine | None:
    """x with slices along an axis put where an index says."""
    x, index, source = call.specs
    dim = call.attributes["dim"]
    name = _moved_as(x)
    if not x.ndim or source.ndim != x.ndim or name not in _MOVED or index.dtype.name not in ("int64", "int32"):
        return None
    if not all(s.contiguous for s in (x, index, source, call.out)):
        return None
    outer, count, inner = math.prod(x.size[:dim]), source.size[dim], math.prod(x.size[dim + 1 :])
    chunks = chunks_for(x.numel + source.numel, outer if outer > 1 else -(-inner // COLUMNS))
    function = _compiled("copy rows", name, index.dtype.name, UNSIGNED, jit.vector_bytes())
    sizes = [outer, count, x.size[dim], inner, -1, 1, chunks]
    return Routine([(function, chunks)], [*sizes, cells, count * inner, inner], in_place={0: [0]})


_FLOATS = ("float32", "float64")
_PUT = (*_FLOATS, "int32", "int64", "uint8")  # dtypes of elements that are put, by the name in vectors


_MOVED = (*_PUT, "int16")  # halves too, where they are only moved


def _moved_as(x: Spec) -> str:
    """The dtype in which elements are moved."""
    return "int16" if x.dtype in HALF else x.dtype.name.replace("bool", "uint8")


_NUMBERS = {int: ("int", 0, 0), bool: ("int", 0, 0), float: ("float", 0, 0)}


def _given(value: Any, size: tuple[int, ...], behind: int, inner: int) -> tuple[str, int, int] | None:
    """What is put: its kind, and its steps from index to index, as planes and as rows. `size` is that of all values,
    the axes from `behind` on are those of a row."""
    if type(value) is not Spec:
        return _NUMBERS.get(value)
    if value.numel == 1:
        return "one", 0, 0
    if not value.contiguous:
        return None
    if value.size == size:
        return "each", inner, inner
    return ("each", 0, 0) if value.numel == inner and value.size == size[behind:] else None


def index_add_at(call: Call) -> Routine | None:
    """What is added to the places of x[..., i] or x[..., i, j]."""
    g, *indices = call.specs
    (at, width), size = _indexed(call, indices), call.attributes["size"]
    if not width or not g.contiguous:
        return None
    length, dense = _rows_of(size, at, width, indices[0].numel)
    return _routine(
        _NAMES["add"][width], indices[0], (fresh(dense, g.dtype), call.out), at, length, second=size[at + width - 1]
    )


def _rows_of(size: tuple[int, ...], at: int, width: int, count: int) -> tuple[int, tuple[int, ...]]:
    """How many places the axes that are indexed have, and the size with `count` places instead."""
    return math.prod(size[at : at + width]), (*size[:at], count, *size[at + width :])


_NAMES = {"take": ("", "take rows", "take pairs"), "add": ("", "add rows", "add pairs")}


def _indexed(call: Call, indices: list[Spec]) -> tuple[int, int]:
    """The first of the axes that are indexed, and how many there are; 0 if there is no code for it."""
    alike = all(i.contiguous and i.dtype is indices[0].dtype and i.size == indices[0].size for i in indices)
    where = call.attributes["where"]
    known = alike and len(where) <= 2 and where[-1] - where[0] == len(where) - 1
    return where[0], len(where) if known else 0
