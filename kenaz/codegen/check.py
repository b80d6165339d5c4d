"""KENAZ_CHECK: every run of a plan is repeated by the interpreter, on the same sources, and the values are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import Spec
from ..graph.node import Node, make_node, results

# by bytes of an element: allowed relative to the element, and to the largest element of the array
TOLERANCE = {8: (1e-9, 1e-11), 4: (2e-4, 2e-5), 2: (2e-2, 1e-2)}


class Mismatch(AssertionError):
    """A compiled plan gave other numbers than the interpreter."""


def run_checked(plan: Any, nodes: list[Node], interpret: Callable[[Node], None]) -> None:
    """Run a plan and compare what it gives with the interpreter; raises Mismatch."""
    known = _precision(nodes)
    copies = _copied(nodes)  # they hold the sources, so that the plan takes over no memory that they will read
    plan.run(nodes, interpret)
    for copy in copies:
        interpret(copy)
    for node, copy, least in zip(nodes, copies, known, strict=True):
        for k, (found, expected) in enumerate(zip(_arrays(node.value), _arrays(copy.value), strict=False)):
            wrong = difference(found, expected, least)
            if wrong:
                raise Mismatch(f"result {k} of {node.call}: {wrong}")


def _precision(nodes: list[Node]) -> list[int]:
    """The bytes of the shortest floats on the way to each value, which is known no better than they are."""
    least: dict[Any, int] = {}
    for node in nodes:
        specs = [s for s in (*node.call.specs, *results(node.call.out)) if type(s) is Spec]
        own = [max(s.dtype.itemsize, 2) for s in specs if s.dtype.is_floating_point]
        least[node] = min([8, *own, *[least.get(s, 8) for s in node.sources if type(s) is Node]])
    return list(least.values())


def _copied(nodes: list[Node]) -> list[Node]:
    made: dict[Node, Node] = {}
    for node in nodes:
        sources = tuple([made.get(s, s) if type(s) is Node else s for s in node.sources])
        made[node] = make_node(node.call, sources, node.offsets)
    return list(made.values())


def _arrays(value: Any) -> list[np.ndarray]:
    if type(value) is np.ndarray:
        return [value]
    return list(value) if type(value) is tuple else []


def difference(found: np.ndarray, expected: np.ndarray, least: int = 8) -> str:
    """How two arrays differ, in words; empty where they are close enough for floats of `least` bytes."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{list(found.shape)} instead of {expected.dtype}{list(expected.shape)}"
    if found.dtype.kind not in "fcV":
        wrong = found != expected
    else:
        relative, absolute = TOLERANCE[min(found.dtype.itemsize, least, 8)]
        a, b = (x if x.dtype.kind in "fc" else x.astype(np.float32) for x in (found, expected))
        with np.errstate(all="ignore"):
            finite = np.abs(b[np.isfinite(b)])
            room = absolute * finite.max(initial=0) + relative * np.abs(b)
            wrong = ~((a == b) | (np.abs(a - b) <= room) | (np.isnan(a) & np.isnan(b)))
    if not wrong.any():
        return ""
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{found[where]} instead of {expected[where]} at {list(where)}, and {int(wrong.sum()) - 1} more"
