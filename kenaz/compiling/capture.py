"""A capture: what two equal traces have told, as a tape that is played on other memory.

The values of a tape are in one list: the memory of known tensors, random numbers, constants, Python numbers, the
scalars of optimizers' updates, and then the steps one after another. A capture whose results have no history runs at
once, by a plan that is kept; one that others will go on from adds its nodes to what waits, so that they run together.
"""

from __future__ import annotations

from typing import Any

from .. import execute
from .._tensor import Tensor
from ..autograd.modes import notice
from ..autograd.nodes import AccumulateGrad
from ..graph.block import block_of, getter, recipe_of
from ..graph.node import Node, make_node
from ..ops.record import WRITE
from ..runtime import samplers
from ..runtime.trace import state as trace_state
from .gradients import backward_node
from .results import build, make
from .trace import Trace, has_hooks
from .walking import Guards, is_seen
from .watching import ARRAY, KNOWN, NUMBER, STEP, Watch

MISS = object()  # what `run` gives where a guard does not hold


class Capture:
    """A function that was captured for calls of one signature."""

    def __init__(self, trace: Trace, guards: Guards):
        self.guards, self.grads_at = guards, trace.watch.grads_at
        self.arguments = trace.arguments
        self.scalars, self.tree, self.made, self.sets = trace.scalars, trace.tree, trace.made, trace.sets
        self.graph, self.versions = trace.graph, trace.fresh_versions
        leaves = len(trace.known) - len(trace.watch.grads_at)
        self.leaves = [i for i, x in enumerate(trace.known[:leaves]) if type(x._grad_fn) is AccumulateGrad]
        self.has_grad = [trace.watch.grads[i] is not None for i in self.leaves]
        self.looks_at_grads = trace.watch.ran_backward or bool(self.sets) or self._reads_grads(trace)
        first = len(trace.known) - len(self.grads_at)
        self.grad_specs = [x._spec for x in trace.known[first:]]
        self.draws = [(getattr(samplers, d.name), d.arguments) for d in trace.watch.draws]
        self.plan: Any = None  # False: they wait as any other nodes do
        self._lay_out(trace)

    def _reads_grads(self, trace: Trace) -> bool:
        """Whether it does anything with the gradients that were there before, or looks whether there are any."""
        if trace.watch.read_grads:
            return True
        first = len(trace.known) - len(self.grads_at)
        return any(kind == KNOWN and at >= first for kind, at, *_ in trace.read)

    # ------------------------------------------------------------------------------------------------------- laying out
    def _lay_out(self, trace: Trace) -> None:
        """Give everything that steps read a place in the list of values."""
        watch = trace.watch
        used = trace.read
        where: dict[Any, int] = {}
        self.inputs = sorted({ref[1] for ref in used if ref[0] == KNOWN})
        where |= {(KNOWN, i): n for n, i in enumerate(self.inputs)}
        self._lay_out_arrays(sorted({ref[1] for ref in used if ref[0] == ARRAY}), watch, where)
        self._lay_out_numbers(trace, where)
        where |= {(STEP, at): self.first + n for n, at in enumerate(trace.steps)}
        self.steps = [self._step(at, trace, where) for at in trace.steps]
        self.fresh = [where[p[:2]] for p in trace.fresh]
        self.writes = [(i, where[p[:2]], n) for i, p, n in trace.writes]
        self.saved = [where[p[:2]] for p in trace.saved]
        self.seen = {*self.fresh, *[p for _, p, _ in self.writes]}
        self.is_lazy = self.graph is not None and not self.graph.spent
        if self.is_lazy:
            self._close(trace, where)

    def _lay_out_arrays(self, arrays: list[int], watch: Watch, where: dict) -> None:
        """Random numbers, (draw, shape, call of the memory), and constants."""
        self.drawn: list[tuple[int, Any, Any]] = []
        self.constants: list[Any] = []
        draws = {j: watch.draw_of(watch.arrays[j][0]) for j in arrays}
        for j, draw in sorted(draws.items(), key=lambda pair: pair[1] is None):
            node, copy = watch.arrays[j]
            where[ARRAY, j] = len(where)
            if draw is not None:
                self.drawn.append((draw, copy.shape, node.call))
            else:
                self.constants.append(make_node(node.call, (), None, copy))

    def _lay_out_numbers(self, trace: Trace, where: dict) -> None:
        """Numbers that are always the same, those that are offsets of arguments, and the scalars of updates."""
        watch, scalars = trace.watch, {s.step: len(s.names) for s in trace.scalars}
        fixed: list[tuple] = []
        moving: list[tuple] = []
        for at in trace.steps:
            step = watch.steps[at]
            for k, ref in enumerate(step.refs[: len(step.refs) - scalars.get(at, 0)]):
                if ref[0] == NUMBER:
                    shift = trace.region(step) if step.call.op is WRITE and k == 2 else (None, ref[3])
                    (fixed if shift[0] is None else moving).append(((at, k), shift))
        for place, _ in (*fixed, *moving):
            where[place] = len(where)
        self.constants += [number for _, (_, number) in fixed]
        self.moving = [shift for _, shift in moving]
        for s in trace.scalars:
            first = len(watch.steps[s.step].refs) - len(s.names)
            where |= {(s.step, first + k): len(where) + k for k in range(len(s.names))}
        self.first = len(where)

    def _step(self, at: int, trace: Trace, where: dict) -> tuple:
        """(call, how to get its sources, its offsets): these are always the same, or shifts in a list."""
        step = trace.watch.steps[at]
        offsets: Any = step.offsets
        if offsets is not None:
            shifts = list(map(trace.shift, step.refs, offsets))
            offsets = shifts if any(near is not None for near, _ in shifts) else tuple([d for _, d in shifts])
        return step.call, getter(_places(at, step, where)), offsets

    def _close(self, trace: Trace, where: dict) -> None:
        """Make a recipe of the steps, if that is less to record than they are."""
        self.near = [i for i in range(self.arguments) if trace.known[i]._spec.shifted]
        steps = []
        for at in trace.steps:
            step = trace.watch.steps[at]
            shifts = None
            if step.offsets is not None:
                found = map(trace.shift, step.refs, step.offsets)
                shifts = tuple([(len(self.near) if i is None else self.near.index(i), d) for i, d in found])
            steps.append((step.call, _places(at, step, where), shifts))
        width = len(self.inputs) + len(self.drawn) + sum(type(c) is Node for c in self.constants)
        outs = sorted({p for p in (*self.seen, *self.saved) if p >= self.first})
        recipe = recipe_of(width, self.first - width, tuple(steps), tuple(outs))
        self.recipe = recipe if recipe.is_worth_it else None
        self.checks = [s for s in steps if not s[0].plain and all(p < self.first for p in s[1])]

    # ---------------------------------------------------------------------------------------------------------- playing
    def run(self, tensors: list[Tensor]) -> Any:
        """The result for these arguments, or MISS."""
        guards = self.guards
        if not guards.hold():
            return MISS
        known = [*tensors, *guards.tensors]
        if self.looks_at_grads:
            if [known[i]._grad is not None for i in self.leaves] != self.has_grad:
                return MISS
            known += [g for i in self.grads_at if (g := known[i]._grad) is not None]
            if not self._are_plain(known):
                return MISS
        if is_seen(known):
            return MISS
        if self.writes and any(id(t._storage) in guards.storage_ids for t in tensors):
            return MISS
        scalars: list[Any] = []
        for s in self.scalars:
            numbers = s.numbers()
            if numbers is None:
                return MISS
            scalars += numbers
        return self._play(known, scalars)

    def _are_plain(self, known: list[Tensor]) -> bool:
        """Whether gradients look as they did, and nobody waits for them with a hook."""
        grads = known[len(known) - len(self.grads_at) :]
        if [g._spec for g in grads] != self.grad_specs:
            return False
        if any([g._grad_fn is not None for g in grads]):  # noqa: C419  a generator costs more than the look
            return False
        memory = {id(g._storage) for g in grads}
        if len(memory) < len(grads) or memory & self.guards.storage_ids:
            return False
        return not any([has_hooks(known[i]) for i in self.leaves])  # noqa: C419  as above

    def _play(self, known: list[Tensor], scalars: list) -> Any:
        notice()
        if self.is_lazy:
            return self._play_later(self._values(known, scalars), known)
        if self.plan is not False:
            execute.flush()
        with execute._lock:  # nobody else may ask for values before they are there
            values = self._values(known, scalars)
            nodes = self._record(values, known)
            result = self._finish(values, known)
            del values, known  # or the memory of parameters would not be taken over
            self._run(nodes)
        return result

    def _values(self, known: list[Tensor], scalars: list) -> list:
        """What the steps begin with, for this call; the counters of optimizers move on."""
        values: list[Any] = [known[i]._storage.node for i in self.inputs]
        if self.draws:
            values += self._draw()
        values += self.constants
        values += [known[near]._offset + distance for near, distance in self.moving]
        values += scalars
        for s in self.scalars:
            s.advance()
        return values

    def _play_later(self, values: list, known: list[Tensor]) -> Any:
        """Record the steps as one node, a block; with all nodes where somebody watches what is recorded."""
        if self.recipe is None or trace_state.on or execute.watchers:
            nodes = self._record(values, known)
            result = self._finish(values, known)
            del values, known
            execute.put_off(nodes, 0)
            return result
        offsets = (*[known[i]._offset for i in self.near], 0)
        self._look_for_errors(values, offsets)
        nodes = block_of(self.recipe, tuple(values), offsets)
        values += [None] * len(self.recipe.steps)
        for place, node in zip(self.recipe.outs, nodes[1:], strict=True):
            values[place] = node
        result = self._finish(values, known)
        del values, known
        execute.put_off(nodes, len(self.recipe.steps))
        return result

    def _look_for_errors(self, values: list, offsets: tuple) -> None:
        """Raise what is wrong in values that are there already, such as indices."""
        for call, places, shifts in self.checks:
            where = None if shifts is None else tuple([offsets[i] + distance for i, distance in shifts])
            execute.look_for_errors(make_node(call, tuple([values[p] for p in places]), where))

    def _record(self, values: list, known: list[Tensor]) -> list[Node]:
        """Make the nodes of all steps."""
        for call, sources_of, offsets in self.steps:
            if type(offsets) is list:
                offsets = tuple([d if near is None else known[near]._offset + d for near, d in offsets])
            node = Node()
            node.call, node.sources, node.offsets, node.value = call, sources_of(values), offsets, None
            if not call.plain:
                execute.look_for_errors(node)
            values.append(node)
        return values[self.first :]

    def _draw(self) -> list[Node]:
        """The random numbers of this call, drawn in the order of the program."""
        arrays = [sampler(**arguments) for sampler, arguments in self.draws]
        return [make_node(call, (), None, arrays[k].reshape(shape)) for k, shape, call in self.drawn]

    def _finish(self, values: list, known: list[Tensor]) -> Any:
        """Write what the call writes, and make what it gives back."""
        for i, place, n in self.writes:
            storage = known[i]._storage
            storage.node = values[place]
            storage.version += n
        grad_fn: Any = None
        fresh = [values[p] for p in self.fresh]
        if self.graph is not None:
            grad_fn = backward_node(self.graph, known, [values[p] for p in self.saved])
        made = make(self.made, fresh, self.versions, known, grad_fn)
        if self.graph is not None and not self.graph.spent:
            self._watch_saved(grad_fn, known, made)
        for i, description in self.sets:
            known[i]._grad = None if description is None else build(description, made, known)
        return build(self.tree, made, known)

    def _watch_saved(self, grad_fn: Any, known: list[Tensor], made: list[Tensor]) -> None:
        for number, owner in enumerate(self.graph.owners):  # type: ignore[union-attr]  # there is one
            if owner is not None:
                storage = (known if owner[0] == KNOWN else made)[owner[1]]._storage
                grad_fn.watched.append((storage, storage.version, number))

    def _run(self, nodes: list[Node]) -> None:
        """Run the nodes now by the plan for them, which is made the first time; they wait where it does not pay."""
        if self.plan is None:
            seen = [self.first + n in self.seen for n in range(len(nodes))]
            self.plan = execute.planned(nodes, seen) or False
        if self.plan is False:
            execute.put_off(nodes, 0)
        else:
            execute.run_planned(self.plan, nodes)


def _places(at: int, step: Any, where: dict) -> tuple[int, ...]:
    """Where the sources of a step are among the values."""
    return tuple([where[at, k] if ref[0] == NUMBER else where[ref[:2]] for k, ref in enumerate(step.refs)])
