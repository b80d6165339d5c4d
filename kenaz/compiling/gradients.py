"""The backward pass of a captured forward pass: one node of the graph, whose backward is a tape too.

`Graph` is a copy of the backward graph that the watched call built, with numbers in place of what it saved. For each
set of outputs that gradients arrive at, its pass is traced once over placeholders, as `autograd/replay.py` does with
ordinary graphs, and played from then on. Where more is wanted (a second derivative, a memory that others see), the
graph is built again from the copy, over the values of that call, and run by the ordinary engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import execute
from .._tensor import Tensor, make_tensor
from ..autograd import engine, replay
from ..autograd.modes import state
from ..autograd.nodes import (
    FREED,
    AccumulateGrad,
    BackwardNode,
    OpBackward,
    _modified,
    _sequence,
    kept_outputs,
    refreshed,
    with_outputs,
)
from ..core.shape import extent
from ..core.spec import Spec, fresh
from ..execute import mode
from ..graph.node import Node, held, make_node
from ..graph.storage import make_storage
from .walking import Unguardable

MANY = 64  # tapes of one graph
NUMBERS = (bool, int, float, complex)


class Saved:
    """Something that a backward node keeps: the number of it among all that is saved."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number


class Piece:
    """A backward node without values."""

    __slots__ = ("derivative", "edges", "inputs", "kind", "outputs")
    kind: type
    derivative: Any
    edges: tuple  # None, ("inner", piece, output number) or ("outer", number of the edge)
    inputs: tuple
    outputs: Any

    def told(self) -> tuple:
        return self.derivative, self.edges, tuple(map(_told, self.inputs or ())), _told(self.outputs)


def _told(x: Any) -> Any:
    if type(x) is Saved:
        return "saved", x.number
    if type(x) in NUMBERS:
        return type(x), repr(x)
    return tuple(map(_told, x)) if type(x) in (list, tuple) else id(x) if not isinstance(x, (Spec, type(None))) else x


class Graph:
    """The backward graph of a call."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.outer: list[int] = []  # the known tensors that gradients go to
        self.roots: list[tuple | None] = []  # as edges of pieces
        self.saved: list[tuple] = []  # places
        self.specs: list[Spec] = []  # how what is saved looks at memory
        self.shifts: list[tuple[int | None, int]] = []
        self.owners: list[tuple[str, int] | None] = []  # known or new storages whose versions tell of writes
        self.spent = False
        self.forgets = False
        self._tapes: dict[tuple, Any] = {}
        self.whole: Whole

    def told(self) -> tuple:
        return (
            tuple([p.told() for p in self.pieces]), tuple(self.outer), tuple(self.roots), tuple(self.specs),
            tuple(self.shifts), self.spent,
        )  # fmt: skip

    def build(self, saved: Sequence[Tensor], stubs: Sequence[BackwardNode]) -> list[OpBackward]:
        """The graph over tensors in the place of what was saved, down to stubs."""
        nodes = [piece.kind() for piece in self.pieces]
        for fn, piece in zip(nodes, self.pieces, strict=True):
            fn.derivative, fn.sequence, fn.marked = piece.derivative, next(_sequence), False
            fn.edges = tuple([_end(e, nodes, stubs) for e in piece.edges])
            inputs = list(piece.inputs)
            for i in piece.derivative.kept:
                x = inputs[i] = _same(saved[piece.inputs[i].number])
                if fn.edges[i] is not None:
                    x._grad_fn, x._output_nr = fn.edges[i]
            fn.inputs = tuple(inputs)
            fn.versions = [inputs[i]._storage.version for i in piece.derivative.kept] or None
            fn.outputs = _outputs(piece.outputs, saved)
        for fn, sequence in zip(nodes, sorted((fn.sequence for fn in nodes), reverse=True), strict=True):
            fn.sequence = sequence  # the pieces stand newest first
        return nodes

    def tape(self, specs: tuple) -> Any:
        """The tape for gradients that look at memory like this (None where there is none), or None."""
        if specs not in self._tapes:
            if len(self._tapes) >= MANY:
                self._tapes.clear()
            self._tapes[specs] = self._traced(specs)
        return self._tapes[specs]

    def _traced(self, specs: tuple) -> Any:
        places: dict[Node, int] = {}
        grads = [None if spec is None else _stand_in(spec, places) for spec in specs]
        saved = [_stand_in(spec, places) for spec in self.specs]
        stubs = [Stub(None, None) for _ in self.outer]
        nodes = self.build(saved, stubs)
        for fn in nodes:
            fn.versions = None
        return replay.taped(lambda: self.run(nodes, stubs, grads, False), places)

    def run(self, nodes: list, stubs: Sequence, grads: Sequence, create_graph: bool) -> list:
        """The gradients of the outer edges, by the ordinary engine."""
        ends = [_end(root, nodes, stubs) for root in self.roots]
        some = [(end, g) for end, g in zip(ends, grads, strict=True) if g is not None]
        targets = [(stub, 0) for stub in stubs]
        return engine.run([e for e, _ in some], [g for _, g in some], True, create_graph, targets, accumulate=False)


def _end(edge: tuple | None, nodes: Sequence, stubs: Sequence) -> Any:
    """Where an edge of a piece leads in a graph that is built."""
    return None if edge is None else (stubs[edge[1]], 0) if edge[0] == "outer" else (nodes[edge[1]], edge[2])


def _same(x: Tensor) -> Tensor:
    return make_tensor(x._storage, x._spec, x._offset)


def _outputs(outputs: Any, saved: Sequence[Tensor]) -> Any:
    if type(outputs) is list:
        return [_outputs(o, saved) for o in outputs]
    if type(outputs) is not Saved:
        return outputs
    x = saved[outputs.number]
    return x._storage, x._spec, x._offset, x._storage.version


def _stand_in(spec: Spec, places: dict[Node, int]) -> Tensor:
    """A placeholder, as `replay` makes them: nobody can read it, and its offset is told from others."""
    offset = replay.FAR if spec.shifted else 0
    memory = fresh((offset + extent(spec.size, spec.stride) + 1,), spec.dtype, spec.device)
    node = make_node(held(memory), ())
    places[node] = len(places)
    return make_tensor(make_storage(node), spec, offset)


class Stub(BackwardNode):
    """Where a graph that is built ends: there its pass is held up; second derivatives go through to the true edge."""

    __slots__ = ("specs",)

    def __init__(self, edge: tuple | None, spec: Spec | None):
        self.edges, self.specs, self.sequence, self.marked = (edge,), (spec,), -1, False

    def apply(self, grads: list) -> Any:
        return grads[0]


# -------------------------------------------------------------------------------------------------------------- copying
class _Copier:
    """Numbers the nodes of a graph: those that a call made, and the known tensors that gradients go on to."""

    def __init__(self, graph: Graph, trace: Any):
        self.graph, self.start = graph, trace.watch.sequence
        self.outer = {_edge_of(x): i for i, x in reversed([*enumerate(trace.known)])}
        self.numbers: dict[Any, int] = {}
        self.inner: list[Any] = []

    def edge(self, target: Any) -> tuple | None:
        """An edge of a piece for an edge of the graph."""
        if target is None:
            return None
        fn, number = target
        if type(fn) is AccumulateGrad or fn.sequence < self.start:
            at = self.outer.get((fn, number))
            if at is None:
                raise Unguardable("its gradients go to a tensor that is not found again")
            if at not in self.graph.outer:
                self.graph.outer.append(at)
            return "outer", self.graph.outer.index(at)
        if fn not in self.numbers:
            if not isinstance(fn, OpBackward) or fn.marked:
                raise Unguardable(f"its gradients go through {fn.name()}, which may do anything")
            self.numbers[fn] = len(self.inner)
            self.inner.append(fn)
        return "inner", self.numbers[fn], number


def graph_of(roots: list[tuple[Any, int]], trace: Any) -> Graph:
    """A copy of the backward graph that a call left behind."""
    graph = Graph()
    copier = _Copier(graph, trace)
    inner = copier.inner
    graph.roots = list(map(copier.edge, roots))
    edges = [tuple(map(copier.edge, fn.edges)) for fn in inner]  # which makes `inner` grow
    graph.spent = any(fn.derivative.forgets and fn.inputs is None for fn in inner)
    if not graph.spent:
        _fill(graph, inner, edges, trace)
    graph.forgets = graph.spent or any(p.derivative.forgets for p in graph.pieces)
    graph.whole = Whole(graph)
    return graph


def _fill(graph: Graph, inner: list, edges: list[tuple], trace: Any) -> None:
    """The pieces, newest first."""
    order = sorted(range(len(inner)), key=lambda i: -inner[i].sequence)
    at = {old: new for new, old in enumerate(order)}

    def moved(e: tuple | None) -> tuple | None:
        return ("inner", at[e[1]], e[2]) if e is not None and e[0] == "inner" else e

    graph.roots = list(map(moved, graph.roots))
    for old in order:
        graph.pieces.append(_piece(inner[old], tuple(map(moved, edges[old])), graph, trace))


def _edge_of(x: Tensor) -> tuple | None:
    fn = x._grad_fn if x._base is None else refreshed(x)
    return None if fn is None else (fn, x._output_nr)


def _piece(fn: OpBackward, edges: tuple, graph: Graph, trace: Any) -> Piece:
    piece = Piece()
    piece.kind, piece.derivative, piece.edges = type(fn), fn.derivative, edges
    inputs = list(fn.inputs or ())
    for i, version in zip(fn.derivative.kept, fn.versions or (), strict=True):
        x = inputs[i]
        inputs[i] = _save(x._storage, x._spec, x._offset, version, graph, trace)
    piece.inputs, piece.outputs = tuple(inputs), fn.outputs
    if fn.derivative.y:
        piece.outputs = with_outputs(fn, [_save(*kept, graph, trace) for kept in kept_outputs(fn)])
    return piece


def _save(storage: Any, spec: Spec, offset: int, version: int, graph: Graph, trace: Any) -> Saved:
    if storage.version != version or storage.exposed or type(spec) is not Spec:
        raise Unguardable("what its gradients need is written to")
    place = trace.place(storage.node)
    graph.saved.append(place)
    graph.specs.append(spec)
    graph.shifts.append(trace.shift(place, offset))
    graph.owners.append(trace.owner_of(storage))
    return Saved(len(graph.saved) - 1)


# --------------------------------------------------------------------------------------------------------- the one node
class Whole:
    """The derivative of a captured call, as far as `replay` asks for it: so a pass that goes through the one node of
    a call is traced and played as one with what is before and after it."""

    __slots__ = ("forgets", "graph")
    kept = numbers = ()
    y = False

    def __init__(self, graph: Graph):
        self.graph, self.forgets = graph, graph.forgets

    @property
    def whole(self) -> Whole:
        return self

    def backward_class(self) -> BackwardNode:
        return CompiledFunctionBackward()

    def tell(self, fn: CompiledFunctionBackward, sources: list, offsets: list[int]) -> bool:
        """Append what a node has saved; false where it was written to, or others see it."""
        if any([storage.version != version or storage.exposed for storage, version, _ in fn.watched]):  # noqa: C419
            return False
        sources += fn.saved
        offsets += fn.offsets
        return True

    def fill(self, shadow: Any, fn: CompiledFunctionBackward, stand_in: Callable) -> None:
        """Give the shadow of a node placeholders for what the node has saved."""
        places = list(map(stand_in, self.graph.specs))
        shadow.graph, shadow.derivative, shadow.specs, shadow.watched = self.graph, self, fn.specs, []
        shadow.saved, shadow.offsets = [x._storage.node for x in places], [x._offset for x in places]
        shadow.inputs, shadow.is_shadow, shadow.marked = (), True, False


class CompiledFunctionBackward(BackwardNode):
    """The backward node of a captured call."""

    __slots__ = ("derivative", "graph", "inputs", "is_shadow", "offsets", "saved", "specs", "watched")
    graph: Graph
    derivative: Whole
    inputs: tuple | None  # as of an operator's node: None once it is released
    saved: list[Node]
    offsets: list[int]
    is_shadow: bool  # over placeholders, to be traced
    watched: list[tuple]  # (storage, version, number of what is saved) of memory that others can write to

    def number_of_outputs(self) -> int:
        return len(self.graph.roots)

    def apply(self, grads: list) -> Any:
        if self.inputs is None:
            raise RuntimeError(FREED)
        for storage, version, number in self.watched:
            if storage.version != version:
                raise RuntimeError(_modified(self.graph.specs[number], 0, None, storage.version, version))
        if not (self.is_shadow or _is_special(grads) or any(storage.exposed for storage, _, _ in self.watched)):
            tape = self.graph.tape(tuple([None if g is None else g._spec for g in grads]))
            if tape is not None:
                return self._played(tape, [g for g in grads if g is not None])
        return self._built(grads)

    def _played(self, tape: Any, grads: list) -> tuple:
        found = replay.Survey()
        found.sources = [*[g._storage.node for g in grads], *self.saved]
        found.offsets = [*[g._offset for g in grads], *self.offsets]
        found.targets = [(None, 0)] * len(self.edges)  # type: ignore[list-item]  # their order is all that matters
        return tuple([g for _, g in replay.play(tape, found)])

    def _built(self, grads: list) -> tuple:
        """By the ordinary engine, over a graph as the call would have left."""
        saved = [
            make_tensor(make_storage(node), spec, offset)
            for node, spec, offset in zip(self.saved, self.graph.specs, self.offsets, strict=True)
        ]
        stubs = list(map(Stub, self.edges, self.specs))
        nodes = self.graph.build(saved, stubs)
        return tuple(self.graph.run(nodes, stubs, grads, state.enabled))

    def release(self) -> None:
        if self.graph.forgets:
            self.inputs, self.saved = None, []


CompiledFunctionBackward.__module__ = "builtins"  # so that it prints as PyTorch's


def _is_special(grads: list) -> bool:
    """Whether these gradients need the ordinary engine."""
    if state.enabled or mode.eager or execute.observers or state.anomaly or state.saving or state.precision.on:
        return True
    return any(
        g is not None and (type(g) is not Tensor or type(g._spec) is not Spec or g._storage.exposed) for g in grads
    )


def backward_node(graph: Graph, known: list[Tensor], nodes: list[Node]) -> CompiledFunctionBackward:
    """The node of one call: over what it saved, towards its inputs. The caller fills `watched`."""
    fn = CompiledFunctionBackward()
    fn.graph, fn.derivative, fn.sequence, fn.marked = graph, graph.whole, next(_sequence), False
    fn.edges = tuple([_edge_of(known[i]) for i in graph.outer])
    fn.specs = tuple([known[i]._spec for i in graph.outer])
    fn.inputs, fn.is_shadow, fn.saved = None if graph.spent else (), False, nodes
    fn.offsets = [d if at is None else known[at]._offset + d for at, d in graph.shifts]
    fn.watched = []
    return fn
