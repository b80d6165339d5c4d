"""Backward passes that come back: what one pass recorded is recorded again, without asking the derivative rules.

Which nodes a pass records depends on the structure of the backward graph alone: the calls, the edges, the numbers. The
first pass of a structure is an ordinary one. The second is traced: it goes over a shadow of the graph whose saved
tensors are placeholders, so that a source of a recorded node is known to be this or that saved tensor; the result is
a `Tape`. From then on the tape is played: one node after another, over what the graph at hand has saved.

    survey     walks a backward graph: its structure, and the nodes that its saved tensors have
    trace      structure -> Tape, or None where the gradients depend on more (a rule that reads a value, a hook)
    play       Tape and saved nodes -> gradients of the leaves
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from .. import execute
from .._tensor import Tensor, make_tensor
from ..core.dtype import get_default_dtype
from ..core.shape import extent
from ..core.spec import Spec, fresh
from ..execute import mode, pending
from ..graph.block import Recipe, block_of, recipe_of, steps_of
from ..graph.node import Node, held, make_node
from ..graph.storage import make_storage
from ..runtime.trace import state as trace_state
from .modes import state
from .nodes import AccumulateGrad, BackwardNode, OpBackward, kept_outputs, with_outputs

Edge = tuple[BackwardNode, int]
MANY = 1000  # tapes; a program whose structures never come back pays for surveys only
FAR = 1 << 40  # where a placeholder begins in its memory, if it does not begin at 0

_seen: set[int] = set()  # hashes of structures that came once
_tapes: dict[tuple, Tape | None] = {}


def gradients(root: Edge, grad: Tensor, targets: list[Edge] | None, keep: bool, run: Callable) -> list[tuple] | None:
    """Pairs of an edge and its gradient (or None), for `targets` or for all leaves below `root`.

    None where only the general engine `run` can find them. `keep` is to retain the graph.
    """
    if mode.eager or execute.observers or state.anomaly or state.saving or state.precision.on:
        return None
    found = survey(root, grad, targets)
    if found is None:
        return None
    tape = _tapes.get(found.key)
    if tape is None:
        tape = _traced(found, root, run)
        if tape is None:
            return None
    results = play(tape, found)
    if not keep:
        for place in tape.released:
            found.nodes[place].release()
    return results


def _traced(found: Survey, root: Edge, run: Callable) -> Tape | None:
    """The tape of a structure that comes for the second time."""
    short = hash(found.key)
    if short not in _seen:
        if len(_seen) >= MANY:
            _seen.clear()
        _seen.add(short)
        return None
    if found.key in _tapes:  # it was tried
        return None
    if len(_tapes) >= MANY:
        _tapes.clear()
    tape = _tapes[found.key] = trace(found, root, run)
    return tape


# -------------------------------------------------------------------------------------------------------------- survey
class Survey:
    """A backward graph: `key` is its structure; `sources` are the nodes under the gradient and the saved tensors."""

    __slots__ = ("grad", "key", "nodes", "offsets", "sources", "targets")
    grad: Tensor
    key: tuple
    nodes: list
    targets: list[Edge]  # whose gradients are asked for
    sources: list
    offsets: list[int]


def survey(root: Edge, grad: Tensor, targets: list[Edge] | None) -> Survey | None:
    """What a backward pass from `root` depends on; None where hooks, user-defined functions or mistakes are met."""
    first, number = root
    key: list[Any] = [get_default_dtype(), grad._spec, number]
    nodes: list[Any] = [first]
    leaves: list[Edge] = []
    place = {first: 0}
    sources, offsets, routed = [grad._storage.node], [grad._offset], state.routing.active
    if grad._storage.exposed or routed and _is_routed(grad):
        return None
    try:
        for fn in nodes:  # which grows
            if fn.marked:
                return None
            if type(fn) is AccumulateGrad:
                key.append(None)
                leaves.append((fn, 0))
                continue
            derivative, inputs = fn.derivative, fn.inputs
            key.append(derivative)
            for edge in fn.edges:
                if edge is not None:
                    target, number = edge
                    at = place.get(target)
                    if at is None:
                        at = place[target] = len(nodes)
                        nodes.append(target)
                    key.append(at)
                    if number:
                        key.append(-number)
            if derivative.forgets and inputs is None:
                return None
            for i in derivative.numbers:
                key.append(inputs[i] or repr(inputs[i]))  # 0.0 and -0.0 are equal, and not the same
            if derivative.kept:
                for i, version in zip(derivative.kept, fn.versions):
                    x = inputs[i]
                    storage = x._storage
                    if storage.version != version or routed and _is_routed(x):
                        return None
                    node, offset = storage.node, x._offset
                    if storage.exposed:  # others can change it, and the tape does not look
                        node, offset = _copied(x), 0
                        if node is None:
                            return None
                    sources.append(node)
                    offsets.append(offset)
            if derivative.whole is not None and not derivative.whole.tell(fn, sources, offsets):
                return None
            if derivative.y:
                for storage, _, offset, version in kept_outputs(fn):
                    if storage.version != version or storage.exposed:
                        return None
                    sources.append(storage.node)
                    offsets.append(offset)
        if targets is not None:
            key.append(tuple([(place[fn], number) for fn, number in targets]))
    except (AttributeError, KeyError):  # not the node of an operator; a target that is not reached
        return None
    found = Survey()
    found.key, found.nodes, found.sources, found.offsets, found.grad = tuple(key), nodes, sources, offsets, grad
    found.targets = leaves if targets is None else targets
    return found


def _copied(x: Tensor) -> Any:
    """A node with a copy of what a tensor sees; None where that is too much."""
    spec = x._spec
    little = spec.numel * spec.dtype.itemsize <= execute.MUCH
    return execute.copied(x._storage.node, spec, x._offset) if little else None


def _is_routed(x: Tensor) -> bool:
    """Whether a tensor is of a user's subclass: operators on it give the subclass back."""
    return type(x) is not Tensor and not type(x).__module__.startswith(("kenaz.", "torch."))


# --------------------------------------------------------------------------------------------------------------- trace
class Tape:
    """What a pass records, as the recipe of a block over the survey's sources."""

    __slots__ = ("numbers", "recipe", "released", "results")
    recipe: Recipe
    numbers: tuple  # that follow the survey's sources
    released: list[int]  # the backward nodes that let go of something, by their places in the survey
    results: list[tuple | None]  # for each target: (place in sources and the recipe's results, spec, shift)


class Untraceable(Exception):
    """A node reads what is neither saved nor recorded in the pass."""


def trace(found: Survey, root: Edge, run: Callable) -> Tape | None:
    """Run the pass over placeholders, and take down what is recorded; None where that does not tell everything."""
    shadows, places, start = _shadow(found)
    targets = [(shadows[fn], number) for fn, number in found.targets]
    tape = taped(
        lambda: run([(shadows[root[0]], root[1])], [start], False, False, targets, accumulate=False), places
    )
    if tape is not None:
        tape.released = [i for i, fn in enumerate(found.nodes) if getattr(shadows[fn], "inputs", ()) is None]
    return tape


def taped(run: Callable[[], list], places: dict[Node, int]) -> Tape | None:
    """The tape of what a function records that gives gradients over placeholders; None where that is not everything."""
    with execute._lock:  # nobody else may run what the placeholders cannot give
        before = pending[:]
        pending.clear()
        mode.tracing = True  # however much there is
        try:
            return _tape(run(), pending[:], places)
        except Exception:  # whatever is wrong, the general engine will say it
            return None
        finally:
            mode.tracing = False
            pending[:] = before + _independent(pending, places)


def _shadow(found: Survey) -> tuple[dict, dict[Node, int], Tensor]:
    """The graph again over placeholders, the places of their nodes in the order of a survey, and the gradient."""
    places: dict[Node, int] = {}

    def stand_in(spec: Spec) -> Tensor:
        offset = FAR if spec.shifted else 0
        # one element more than the view: what may be only a part of its memory has to be taken for one
        memory = fresh((offset + extent(spec.size, spec.stride) + 1,), spec.dtype, spec.device)
        node = make_node(held(memory), ())
        places[node] = len(places)
        return make_tensor(make_storage(node), spec, offset)

    start = stand_in(found.grad._spec)
    shadows: dict = {
        fn: BackwardNode() if type(fn) is AccumulateGrad else fn.derivative.backward_class() for fn in found.nodes
    }
    for fn, shadow in shadows.items():
        shadow.sequence = fn.sequence
        shadow.edges = tuple([edge and (shadows[edge[0]], edge[1]) for edge in fn.edges])
        if type(fn) is not AccumulateGrad:
            _fill(shadow, fn, stand_in)
    return shadows, places, start


def _fill(shadow: OpBackward, fn: OpBackward, stand_in: Callable) -> None:
    """Give the shadow of a node placeholders for what the node has saved."""
    if fn.derivative.whole is not None:
        fn.derivative.whole.fill(shadow, fn, stand_in)
        return
    assert fn.inputs is not None
    kept = fn.derivative.kept
    shadow.derivative, shadow.versions, shadow.marked = fn.derivative, None, False
    shadow.inputs = tuple([stand_in(x._spec) if i in kept else x for i, x in enumerate(fn.inputs)])
    shadow.outputs = fn.outputs
    if fn.derivative.y:
        seen = [stand_in(spec) for _, spec, _, _ in kept_outputs(fn)]
        shadow.outputs = with_outputs(fn, [(y._storage, y._spec, y._offset, 0) for y in seen])


def _independent(recorded: list[Node], places: dict[Node, int]) -> list[Node]:
    """What other threads recorded meanwhile: nodes that do not depend on a placeholder."""
    tainted = set(places)
    for node in recorded:
        if not tainted.isdisjoint([s for s in node.sources if type(s) is Node]):
            tainted.add(node)
    return [node for node in recorded if node not in tainted]


def _tape(grads: list, recorded: list[Node], places: dict[Node, int]) -> Tape:
    """The tape that ends with these gradients."""
    nodes = _needed(grads, recorded, places)
    width, numbers = len(places), [s for node in nodes for s in node.sources if type(s) is not Node]
    where = places | {node: width + len(numbers) + i for i, node in enumerate(nodes)}
    number = itertools.count(width)
    steps = []
    for node in nodes:
        at = tuple([where[s] if type(s) is Node else next(number) for s in node.sources])
        shifts = None
        if node.offsets:
            shifts = tuple([_shift(s, offset, places) for s, offset in zip(node.sources, node.offsets, strict=True)])
        steps.append((node.call, at, shifts))
    made = {g._storage.node for g in grads if g is not None} - places.keys()
    outs = sorted([where[node] for node in made])
    place_of = places | {node: width + outs.index(where[node]) for node in made}
    tape = Tape()
    tape.recipe, tape.numbers = recipe_of(width, len(numbers), tuple(steps), tuple(outs)), tuple(numbers)
    tape.results = [
        None if g is None else (place_of[g._storage.node], g._spec, _shift(g._storage.node, g._offset, places))
        for g in grads
    ]
    return tape


def _needed(grads: list, recorded: list[Node], places: dict[Node, int]) -> list[Node]:
    """The recorded nodes that gradients depend on."""
    if any(g is not None and type(g) is not Tensor for g in grads):
        raise Untraceable
    wanted = {g._storage.node for g in grads if g is not None}
    steps = []
    for node in reversed(recorded):
        if node in wanted:
            steps.append(node)
            wanted.update([s for s in node.sources if type(s) is Node])
    if len(wanted - places.keys()) != len(steps) or any(node.value is not None for node in steps):
        raise Untraceable
    steps.reverse()
    return steps


def _shift(source: Any, offset: int, places: dict[Node, int]) -> tuple[int, int]:
    """An offset as a distance from where a saved tensor begins, or from the beginning of what the pass made."""
    if source not in places:
        return len(places), offset  # the last offset of a block, which is 0
    distance = offset - FAR if source.call.out.numel > FAR else offset
    if not -FAR < 2 * distance < FAR:
        raise Untraceable
    return places[source], distance


# ---------------------------------------------------------------------------------------------------------------- play
def play(tape: Tape, found: Survey) -> list[tuple]:
    """Record what is on the tape; returns the targets with their gradients."""
    values, offsets = found.sources, (*found.offsets, 0)
    values += _recorded(tape.recipe, (*values, *tape.numbers), offsets)
    return [(fn, _result(result, values, offsets)) for (fn, _), result in zip(found.targets, tape.results, strict=True)]


def _recorded(recipe: Recipe, sources: tuple, offsets: tuple[int, ...]) -> list[Node]:
    """The nodes of the results that leave the recipe: of a block, or of its steps where they are few."""
    nodes = block_of(recipe, sources, offsets)
    if recipe.is_worth_it and not trace_state.on and not execute.watchers:
        results = nodes[1:]
        execute.put_off(nodes, len(recipe.steps))
        return results
    nodes = steps_of(nodes[0], {})
    results = [nodes[place - len(sources)] for place in recipe.outs]
    execute.put_off(nodes, 0)
    return results


def _result(result: tuple | None, values: list, offsets: tuple[int, ...]) -> Tensor | None:
    if result is None:
        return None
    place, spec, (at, distance) = result
    return make_tensor(make_storage(values[place]), spec, offsets[at] + distance)
