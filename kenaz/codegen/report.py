"""What the compiler tells: the plan of a graph in words (KENAZ_DEBUG), and why a graph was compiled again
(KENAZ_EXPLAIN)."""

from __future__ import annotations

import sys
from typing import Any

from ..core.spec import Spec
from ..graph.node import Call, Node
from .steps import Step


def tell(text: str) -> None:
    print(f"kenaz: {text}", file=sys.stderr)


def short(spec: Any) -> str:
    """A spec in a word.

    >>> from ..core.spec import fresh
    >>> from ..core.dtype import float32
    >>> short(fresh((2, 3), float32)), short(int)
    ('float32[2, 3]', 'int')
    """
    if type(spec) is Spec:
        strides = "" if spec.contiguous else f" by {list(spec.stride)}"
        return f"{spec.dtype.name}{list(spec.size)}{strides}"
    return getattr(spec, "__name__", str(spec))


def label(step: Step, calls: list[Call]) -> str:
    """A step by its operators: "mul+add+relu"."""
    names = [calls[p].op.name for p in step.places]
    return "+".join(names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"])


def lines(units: list[Any], calls: list[Call], detail: bool) -> list[str]:
    """A plan, one line for each step; with `detail`, one more for each operator in it."""
    told = []
    for unit in units:
        if type(unit) is not Step:
            told.append(f"interpret {call_in_words(calls[unit])}")
            continue
        outs = ", ".join(short(spec) for _, _, spec in unit.outputs)
        told.append(f"run {label(unit, calls)} -> {outs}")
        if detail:
            told += [f"    {call_in_words(calls[p])}" for p in unit.places]
    return told


def call_in_words(call: Call) -> str:
    return f"{call.op.name}({', '.join(map(short, call.specs))})"


class Drawn:
    """A plan as boxes: (name, lines of detail, numbers of the boxes it reads, whether it is compiled)."""

    def __init__(self, units: list[Any], nodes: list[Node]):
        self.boxes: list[tuple[str, list[str], list[int], bool]] = []
        box_of: dict[int, int] = {}  # place of a node -> its box
        place, calls = {node: p for p, node in enumerate(nodes)}, [node.call for node in nodes]
        for number, unit in enumerate(units):
            compiled = type(unit) is Step
            for p in unit.places if compiled else (unit,):
                box_of[p] = number
        for p, node in enumerate(nodes):  # what picks a result belongs to the box that makes it
            if p not in box_of:
                box_of[p] = box_of[place[node.sources[0]]]
        for number, unit in enumerate(units):
            compiled = type(unit) is Step
            places = unit.places if compiled else (unit,)
            read = {box_of[place[s]] for p in places for s in nodes[p].sources if type(s) is Node and s in place}
            name = label(unit, calls) if compiled else calls[unit].op.name
            outs = [spec for _, _, spec in unit.outputs] if compiled else [calls[unit].out]
            self.boxes.append((name, [short(s) for s in outs[:2]], sorted(read - {number}), compiled))


drawn: list[Drawn] = []  # every plan that was made while config.DRAW was set


_last: dict[Any, tuple] = {}  # the calls of the last graph that was compiled for a line


def reason(calls: tuple, line: Any) -> str:
    """Why a graph is compiled: the first time for a line, or what is different from the last one there."""
    before = _last.get(line)
    _last[line] = calls
    where = f"{line[0]}:{line[1]}" if line else "an unknown line"
    if before is None:
        return f"compiled {len(calls)} operators, which {where} asks for: a new graph"
    changed = next((k for k, (a, b) in enumerate(zip(before, calls, strict=False)) if a is not b), None)
    if changed is None:
        what = f"{len(calls)} operators instead of {len(before)}, or other values are used later"
    else:
        what = f"operator {changed} was {call_in_words(before[changed])} and is {call_in_words(calls[changed])}"
    return f"compiled {len(calls)} operators, which {where} asks for, again: {what}"
