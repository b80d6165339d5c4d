"""What a body over rows asks for, and in how many sweeps over a row it can be had.

A body is called with `Term`s, which remember what was asked of them. Everything up to a fold is one sweep over the row;
what comes after it is recomputed in the next, or read again from the memory of a result where the body says `keep`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .emit import Value


class Term:
    """Something a body computes. `level`: how many sweeps come before it is known; `uniform`: the same along a row."""

    __slots__ = ("arguments", "function", "level", "uniform")
    __hash__ = object.__hash__
    __truediv__: Any
    __neg__: Any

    def __init__(self, function: Any, arguments: tuple = (), level: int = 0, uniform: bool = False):
        self.function, self.arguments, self.level, self.uniform = function, arguments, level, uniform


class Fold(NamedTuple):
    """What is known once a row has been gone through."""

    combine: Callable[[Value, Value], Value]
    start: float


class Keep(NamedTuple):
    """An intermediate value that later sweeps read from the memory of a result."""

    number: int


class Input(NamedTuple):
    number: int


class Position(NamedTuple):
    """The number of an element in its row."""


def _first_of(sign: str) -> Callable[[Value, Value], Value]:
    """The larger or smaller of two; nan wins over both."""
    return lambda a, b: (a.compare(sign, b) | (a != a)).select(a, b)


FOLDS = {
    "sum": Fold(operator.add, 0.0),
    "max": Fold(_first_of(">"), float("-inf")),
    "min": Fold(_first_of("<"), float("inf")),
    "peak": Fold(lambda a, b: (a > b).select(a, b), float("-inf")),
}


def pure(function: Any, *arguments: Any) -> Term:
    """A term that depends on nothing but other terms and numbers."""
    terms = [a for a in arguments if isinstance(a, Term)]
    return Term(function, arguments, max(t.level for t in terms), all(t.uniform for t in terms))


def _operator(name: str, swap: bool) -> Callable:
    function = getattr(operator, name)
    return lambda a, b: pure(function, b, a) if swap else pure(function, a, b)


for _name in ("add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne", "and_", "or_"):
    setattr(Term, f"__{_name.strip('_')}__", _operator(_name, False))
    setattr(Term, f"__r{_name.strip('_')}__", _operator(_name, True))
Term.__neg__ = lambda a: pure(operator.neg, a)


class Trace:
    """`xp` for bodies of rows: folds, `keep`, `count`, `position`; every other function is that of `Namespace`."""

    def __init__(self, count: Term):
        self.count, self.kept = count, 0

    def sum(self, x: Term) -> Term:
        return self._fold("sum", x)

    def max(self, x: Term) -> Term:
        return self._fold("max", x)

    def min(self, x: Term) -> Term:
        return self._fold("min", x)

    def peak(self, x: Term) -> Term:
        """The largest, where a nan may be overlooked: a single instruction."""
        return self._fold("peak", x)

    def mean(self, x: Term) -> Term:
        return self._fold("sum", x) / self.count

    def _fold(self, name: str, x: Term) -> Term:
        return Term(FOLDS[name], (x,), x.level + 1, True)

    def cast(self, x: Term, like: Term) -> Term:
        """x in the dtype of another term."""
        return pure(lambda x, like: x.cast(like.dtype), x, like)

    def keep(self, x: Term) -> Term:
        self.kept += 1
        return Term(Keep(self.kept - 1), (x,), x.level)

    def position(self) -> Term:
        return Term(Position())

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: pure(name, *arguments)


def ordered(roots: Sequence[Term], is_known: Callable[[Term], bool] = lambda t: False) -> list[Term]:
    """Terms and all that they need, which comes first; what is known needs nothing."""
    found: dict[Term, None] = {}

    def visit(t: Any) -> None:
        if isinstance(t, Term) and t not in found:
            for a in () if is_known(t) else t.arguments:
                visit(a)
            found[t] = None

    for t in roots:
        visit(t)
    return list(found)


# ---------------------------------------------------------------------------------------------------------- the sweeps
class Place(NamedTuple):
    """How an operand is found: its type, whether it varies along a row, and whether lanes have elements of their own.

    Its two strides, from task to task and from block to block, are only known when the kernel runs.
    """

    dtype: str
    uniform: bool
    vector: bool
    across: bool = False  # a result that sums over rows what is at one position in them


class Sweeps:
    """The terms of a body, and what each sweep over a row does with them."""

    def __init__(self, body: Callable, inputs: Sequence[Place], outputs: Sequence[Place], numbers: int):
        self.inputs, self.outputs, self.places = len(inputs), tuple(outputs), (*inputs, *outputs)
        given = [Term(Input(i), uniform=p.uniform) for i, p in enumerate(inputs)]
        known = [Term(Input(len(self.places) + i), uniform=True) for i in range(numbers + 1)]
        self.results: tuple[Term, ...] = body(Trace(known[0]), *given, *known[1:])
        assert len(self.results) == len(outputs), f"{body}: {len(self.results)} results for {len(outputs)} outputs"
        self.terms = ordered(self.results)

    def folds(self, level: int) -> list[Term]:
        return [t for t in self.terms if type(t.function) is Fold and t.arguments[0].level == level]

    def stores(self, level: int) -> list[tuple[int, Term]]:
        """The (number of an output, what is stored there) of a sweep."""
        found = [(i, t) for i, t in enumerate(self.results) if not self.outputs[i].uniform and t.level == level]
        return found + [(self.home(t), t) for t in self.terms if type(t.function) is Keep and t.level == level]

    def home(self, t: Term) -> int:
        """The output whose memory keeps a value."""
        return [i for i, o in enumerate(self.outputs) if not o.uniform and not o.across][t.function.number]

    def levels(self) -> int:
        return 1 + max(
            [t.arguments[0].level for t in self.terms if type(t.function) is Fold]
            + [t.level for t, o in zip(self.results, self.outputs, strict=True) if not o.uniform]
        )

    def in_place(self, kind: str) -> dict[int, list[int]]:
        """Outputs and inputs that may be one memory: no sweep reads the input after one that wrote the output."""
        levels = range(self.levels())
        written = {i: level for level in reversed(levels) for i, _ in self.stores(level)}
        last = {t.function.number: level for level in levels for t in self.read(level) if type(t.function) is Input}
        first = [i for i, o in enumerate(self.outputs) if not o.uniform and not o.across][:1]
        inputs = [j for j in range(self.inputs) if self.places[j] == Place(kind, False, True)]
        return {i: [j for j in inputs if last.get(j, 0) <= written[i]] for i in first}

    def read(self, level: int) -> list[Term]:
        """The terms that a sweep evaluates."""
        roots = [t.arguments[0] for t in self.folds(level)] + [t for _, t in self.stores(level)]
        return ordered(roots, lambda t: type(t.function) is Fold or type(t.function) is Keep and t.level < level)
