"""Operators on halves whose compiled code is for float32: a graph gets copies of what they read, and of what they make.

    y = linear(x, w)      becomes      y = half(linear(single(x), single(w)))

That is how the interpreter computes them: in float32, rounded once at the end. The copies are pointwise nodes like any
other, so they are fused with what makes a value and with what reads it, and a value that several operators read, such
as a weight forwards and backwards, is widened once. What is seen from outside, parameters above all, stays a half.

A product whose record says along which axes it sums (`depths`) may read bfloat16s as they are, two steps of the sum at
a time, where the host has an instruction for that; a factor that is not adjacent along its axis is copied to be so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..core.dtype import HALF, dtype, float32
from ..core.spec import Spec, fresh, spec
from ..graph.node import PICK, Call, Node, Op, make_node, pick_call, results
from . import jit, moves
from .emit import can_hold

COPY = Op("copy", "pointwise", lambda call: lambda x: x.astype(call.out.dtype.np), native=moves.copy)
_LOOPS = frozenset(("pointwise", "update", "pick"))  # families that compute halves themselves, or nothing


class Graph:
    """A graph to plan. What runs are `given` nodes: node p of this graph stands for number `real[p]` of them, or for a
    part of its work, and its sources are that one's from number `first[p]` on."""

    def __init__(self, given: Sequence[Node], seen: Sequence[bool]):
        self.given = given
        self.nodes, self.seen = list(given), list(seen)
        self.real, self.first = list(range(len(given))), [0] * len(given)

    def at(self, p: int, j: int) -> tuple[int, int]:
        """Which source of which given node source j of node p is."""
        return self.real[p], self.first[p] + j


def widened(given: list[Node], seen: list[bool], native: Callable[[Call], Any]) -> Graph:
    """The graph of these nodes, operators on halves computed in float32 where only that is compiled.

    `native(call)` is the routine of a call, or None.
    """
    graph = Graph(given, seen)
    if any(s.dtype in HALF for node in given for s in _tensors(node.call)):
        _Widening(graph, native).run()
    return graph


def _tensors(call: Call) -> list[Spec]:
    return [s for s in (*call.specs, *results(call.out)) if type(s) is Spec]


class _Widening:
    """The nodes of a new graph while they are made, in an order that can run."""

    def __init__(self, graph: Graph, native: Callable[[Call], Any]):
        self.graph, self.native = graph, native
        self.instead: dict[Any, Node] = {}  # the nodes that have the values of given ones
        self.single: dict[Node, Node] = {}  # given nodes as they are computed in float32
        self.calls: dict[tuple[Call, tuple], Call] = {}  # in float32
        self.copies: dict[Any, Node] = {}  # in float32, by what they are copies of
        self.reads: Counter[Node] = Counter()  # how many elements of a node are read as halves that may be widened
        self.candidates = [self._is_candidate(p) for p in range(len(graph.given))]
        for p, node in enumerate(graph.given):
            if self.candidates[p]:
                for source, s in zip(node.sources, node.call.specs, strict=True):
                    if _is_half(s):
                        self.reads[source] += s.numel

    def run(self) -> None:
        graph = self.graph
        seen = graph.seen
        graph.nodes, graph.seen, graph.real, graph.first = [], [], [], []
        for p, node in enumerate(graph.given):
            if node.call.op is PICK and node.sources[0] in self.single:
                self._pick(p, node, seen[p])
            elif not self.candidates[p] or not self._computed(p, node, seen[p]):
                self._keep(p, node, seen[p])

    def _is_candidate(self, p: int) -> bool:
        call = self.graph.given[p].call
        if call.op.family in _LOOPS or call.op.native is None or self.graph.seen[p] and type(call.out) is tuple:
            return False
        if call.op.overwrites:  # in place it touches a part, and copies would be of the whole
            return False
        tensors = _tensors(call)
        halves = [s for s in tensors if s.dtype in HALF]
        if not halves or not all(s.numel and can_hold(s.dtype) for s in tensors):
            return False
        return all(s.contiguous or s.order() is not None for s in results(call.out)) and self.native(call) is None

    # ----------------------------------------------------------------------------------------------------------- nodes
    def _enter(self, node: Node, p: int, first: int = 0, seen: bool = False) -> Node:
        graph = self.graph
        graph.nodes.append(node)
        graph.seen.append(seen)
        graph.real.append(p)
        graph.first.append(first)
        return node

    def _source(self, source: Any) -> Any:
        return self.instead.get(source, source) if type(source) is Node else source

    def _keep(self, p: int, node: Node, seen: bool) -> None:
        """A node as it is, but for where its sources come from."""
        sources = tuple([self._source(s) for s in node.sources])
        if sources != node.sources:
            self.instead[node] = node = make_node(node.call, sources, node.offsets)
        self._enter(node, p, seen=seen)

    def _pick(self, p: int, node: Node, seen: bool) -> None:
        of = self.single[node.sources[0]]
        picked = make_node(pick_call(of.call, node.call.attributes["index"]), (of,))
        self._give(p, node, picked, seen)

    def _give(self, p: int, node: Node, computed: Node, seen: bool) -> None:
        """Let a node have the value that another one computed, rounded."""
        out = node.call.out
        if out is computed.call.out:
            self.instead[node] = self._enter(computed, p, seen=seen)
            return
        self._enter(computed, p)
        self.instead[node] = self._enter(make_node(_copy(computed.call.out, out), (computed,)), p, seen=seen)

    def _computed(self, p: int, node: Node, seen: bool) -> bool:
        """Compute a node in float32 if that is compiled: from pairs of halves, from halves widened as they lie, or from
        dense copies."""
        for read in (self._pairs, self._wide, self._dense):
            reads = [read(node, j) for j in range(len(node.sources))]
            call = self._call(node.call, tuple([read.seen for read in reads]))
            if self.native(call) is not None:
                sources = tuple([self._given(p, j, read) for j, read in enumerate(reads)])
                offsets = node.offsets and tuple(
                    [o if type(s) is Spec and s.shifted else 0 for o, s in zip(node.offsets, call.specs, strict=True)]
                )
                self._replace(p, node, make_node(call, sources, offsets), seen)
                return True
        return False

    def _call(self, of: Call, specs: tuple) -> Call:
        """A call in float32, one for all the nodes that it is for."""
        key = of, specs
        if key not in self.calls:
            self.calls[key] = in_single(of, specs)
        return self.calls[key]

    def _replace(self, p: int, node: Node, computed: Node, seen: bool) -> None:
        if type(node.call.out) is tuple:
            self.single[node] = self._enter(computed, p)
        else:
            self._give(p, node, computed, seen)

    # ---------------------------------------------------------------------------------------------------------- copies
    def _pairs(self, node: Node, j: int) -> _Read:
        """Factors of a product as bfloat16s that are adjacent along what is summed over; all else is widened."""
        s, depths = node.call.specs[j], node.call.op.depths or {}
        if j not in depths or s.dtype.name != "bfloat16" or not jit.multiplies_pairs():
            return self._wide(node, j)
        axis = depths[j] % s.ndim if s.ndim > 1 else 0
        if s.stride[axis] == 1:
            return _Read(None, None, s)
        order = [*(d for d in range(s.ndim) if d != axis), axis]
        part = spec(tuple(s.size[d] for d in order), tuple(s.stride[d] for d in order), s.dtype, s.device, s.shifted)
        copy = fresh(part.size, s.dtype, s.device)
        stride = tuple(copy.stride[order.index(d)] for d in range(s.ndim))
        return _Read(part, copy, spec(s.size, stride, s.dtype, s.device))

    def _wide(self, node: Node, j: int) -> _Read:
        """Halves as they lie: all of the memory at once, where operators together read as much as that."""
        source, s = node.sources[j], node.call.specs[j]
        if not _is_half(s):
            return _Read(None, None, s)
        memory = source.call.out
        if type(memory) is Spec and memory.dtype is s.dtype and self.reads[source] >= memory.numel:
            if memory.contiguous or memory.order() is not None:
                return _Read(memory, memory.like(float32), _as_single(s))
        copy = s.like(float32)
        return _Read(s, copy, copy)

    def _dense(self, node: Node, j: int) -> _Read:
        """Halves without gaps and in order."""
        s = node.call.specs[j]
        if not _is_half(s) or s.contiguous:
            return self._wide(node, j)
        copy = fresh(s.size, float32, s.device)
        return _Read(s, copy, copy)

    def _given(self, p: int, j: int, read: _Read) -> Any:
        """The source of a node in float32; what is widened for several is copied once."""
        node = self.graph.given[p]
        source = self._source(node.sources[j])
        if read.part is None or read.copy is None:
            return source
        key = (p, j) if read.part.shifted else (source, read.part, read.copy)  # offsets differ from run to run
        found = self.copies.get(key)
        if found is None:
            offsets = (node.offsets[j],) if read.part.shifted and node.offsets else None
            found = self.copies[key] = self._enter(make_node(_copy(read.part, read.copy), (source,), offsets), p, j)
        return found


class _Read(NamedTuple):
    """What of a source is widened (None: nothing), the spec of that copy, and how the operator sees it."""

    part: Spec | None
    copy: Spec | None
    seen: Any


# --------------------------------------------------------------------------------------------------------------- calls
def in_single(call: Call, specs: tuple) -> Call:
    """A call in float32, which reads these specs."""
    out = tuple(map(_as_single, call.out)) if type(call.out) is tuple else _as_single(call.out)
    attributes = {name: _as_single(value) for name, value in call.attributes.items()}
    return Call(call.op, specs, attributes, out, _as_single(call.compute))


def _is_half(s: Any) -> bool:
    return type(s) is Spec and s.dtype in HALF


def _as_single(x: Any) -> Any:
    """float32 in the place of a half, wherever a dtype is said."""
    if type(x) is Spec:
        return spec(x.size, x.stride, float32, x.device, x.shifted) if x.dtype in HALF else x
    return float32 if type(x) is dtype and x in HALF else x


def _copy(of: Spec, out: Spec) -> Call:
    return Call(COPY, (of,), {"out": out}, out)
