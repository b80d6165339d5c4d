"""A watched call as plain data: which steps matter, what was written, what came out. Two equal traces make a capture.

`told` of a trace holds no tensor and no memory; what differs between two calls of the same program is not in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._tensor import Tensor
from ..autograd import engine
from ..autograd.nodes import AccumulateGrad
from ..graph.node import Node
from ..graph.storage import Storage
from ..ops.record import WRITE
from .gradients import Graph, graph_of
from .results import Description, told
from .updates import Scalars, scalars_of
from .walking import Unguardable
from .watching import ARRAY, KNOWN, NUMBER, STEP, UNKNOWN, Step, Watch, state_of

_PLAIN = (bool, int, float, np.dtype, type(None), type)
LARGEST = 1 << 26  # bytes of a constant that is compared


class Trace:
    """What a call did."""

    def __init__(self, watch: Watch, result: Any, arguments: int, old: set[int]):
        """`old` are the lists and dictionaries that were there before."""
        if watch.fault:
            raise Unguardable(watch.fault)
        self.watch, self.arguments = watch, arguments
        self.known = watch.known
        self._check_known()
        self.scalars = self._find_updates()
        described = Description(self.known, self.shift_of, old)
        self.tree = described.of(result)
        self.sets = self._find_sets(described)
        self.made = described.made
        self.fresh = [self.place(s.node) for s in described.storages]
        self.fresh_versions = [s.version for s in described.storages]
        self.writes = self._find_writes()
        self._owners = {id(s): (KNOWN, i) for i, s in reversed([*enumerate(watch.storages)])}
        for n, one in enumerate(self.made):
            if one.memory[0] == "new":
                self._owners.setdefault(id(described.storages[one.memory[1]]), ("made", n))
        self.graph: Graph | None = graph_of(described.roots, self) if described.roots else None
        self._prune()
        self.told = self._told()

    def place(self, node: Node) -> tuple:
        return self.watch.place(node)

    def owner_of(self, storage: Storage) -> tuple[str, int] | None:
        """The known or made tensor through which others can write to a memory."""
        return self._owners.get(id(storage))

    def shift_of(self, x: Tensor) -> tuple[int | None, int]:
        """Where a tensor begins: at a distance from a known tensor of the same memory, if that begins somewhere."""
        for i, known in enumerate(self.known[: self.arguments]):
            if known._storage is x._storage and known._spec.shifted:
                return i, x._offset - known._offset
        return None, x._offset

    def shift(self, ref: tuple, offset: int) -> tuple[int | None, int]:
        """An offset of a step in the same way."""
        if ref[0] == KNOWN and ref[1] < self.arguments and self.known[ref[1]]._spec.shifted:
            return ref[1], offset - self.known[ref[1]]._offset
        if ref[0] == STEP:
            for i, known in enumerate(self.known[: self.arguments]):
                if known._spec.shifted and self._is_version_of(ref, i):
                    return i, offset - known._offset
        return None, offset

    def region(self, step: Step) -> tuple[int | None, int]:
        """Where a write to a part of a memory begins, which is a number among its sources."""
        return self.shift(step.refs[0], step.refs[2][3])

    def _is_version_of(self, ref: tuple, i: int) -> bool:
        """Whether a step made new contents for the memory of an argument: `x += 1` on a view."""
        step = self.watch.steps[ref[1]]
        if step.call.op is not WRITE:
            return False
        base = step.refs[0]
        return base == (KNOWN, i) or base[0] == STEP and self._is_version_of(base, i)

    def shares_constants(self, other: Trace) -> bool:
        """Whether two calls read the same memory that neither made: what is in it may be other the next time."""
        ours = {id(node) for node in engine._ones.values()}
        mine, others = ({id(t.watch.arrays[at][0]) for kind, at, *_ in t.read if kind == ARRAY} for t in (self, other))
        return not ours >= mine & others

    # --------------------------------------------------------------------------------------------------------- changes
    def _check_known(self) -> None:
        """Only values and gradients of what was there before may have changed."""
        for x, before in zip(self.known, self.watch.before, strict=True):
            now = state_of(x)
            if any(a is not b and (type(a) is not int or a != b) for a, b in zip(now, before, strict=True)):
                raise Unguardable(f"it changes what a tensor of size {list(x.shape)} is")
            if x._inference:
                raise Unguardable("it works with tensors of inference mode")
            if x._storage.exposed:
                raise Unguardable("others see the memory that it works with")
            if self.watch.ran_backward and has_hooks(x):
                raise Unguardable("a tensor has hooks")

    def _find_writes(self) -> list[tuple[int, tuple, int]]:
        """(known tensor, place of its new contents, by how much its version grew)."""
        watch, found = self.watch, []
        mine = {id(t._storage) for scalars in self.scalars for t in scalars.counters}
        done = set()
        for i, (storage, start, version) in enumerate(zip(watch.storages, watch.start, watch.versions, strict=True)):
            if id(storage) in mine or id(storage) in done or storage.version == version and storage.node is start:
                continue
            done.add(id(storage))
            found.append((i, self.place(storage.node), storage.version - version))
        mine = {id(s) for s in watch.storages[: self.arguments]}
        if found and any(id(x._storage) in mine for x in self.known[self.arguments :]):
            raise Unguardable("an argument shares memory with something else")
        return found

    def _find_sets(self, described: Description) -> list[tuple[int, tuple | None]]:
        """(leaf, description of its new gradient), where that is another tensor than before."""
        found: list[tuple[int, tuple | None]] = []
        for i, x in enumerate(self.known):
            if type(x._grad_fn) is not AccumulateGrad or x._grad is self.watch.grads[i]:
                continue
            grad = x._grad
            if grad is not None and grad._grad_fn is not None:
                raise Unguardable("it makes gradients that have a history")
            found.append((i, None if grad is None else described.tensor(grad)))
        return found

    def _find_updates(self) -> list[Scalars]:
        steps = [i for i, step in enumerate(self.watch.steps) if step.call.op.family == "update"]
        if len(steps) != len(self.watch.updates):
            raise Unguardable("it steps an optimizer in a way that cannot be repeated")
        updates = zip(self.watch.updates, steps, strict=True)
        return [scalars_of(update, at) for update, at in updates if update.optimizer is not None]

    # --------------------------------------------------------------------------------------------------------- pruning
    def _prune(self) -> None:
        """Keep the steps that something needs, in order."""
        self.wanted = [*self.fresh, *[place for _, place, _ in self.writes]]
        self.saved = [] if self.graph is None else self.graph.saved
        needed = {at for kind, at, *_ in (*self.wanted, *self.saved) if kind == STEP}
        for at in range(len(self.watch.steps) - 1, -1, -1):
            if at in needed:
                needed.update([ref[1] for ref in self.watch.steps[at].refs if ref[0] == STEP])
        self.steps = sorted(needed)
        self.numbers = {at: n for n, at in enumerate(self.steps)}
        self.read = [ref for at in self.steps for ref in self.watch.steps[at].refs] + self.wanted + self.saved

    def _plain(self, ref: tuple) -> tuple:
        """A source as it is compared: steps by their numbers among those that matter, constants by their contents."""
        if ref[0] == STEP:
            return STEP, self.numbers[ref[1]]
        if ref[0] == UNKNOWN:
            raise Unguardable("it reads a tensor that is not found again")
        if ref[0] == NUMBER:
            return ref[:3]
        if ref[0] == ARRAY:
            node, copy = self.watch.arrays[ref[1]]
            draw = self.watch.draw_of(node)
            if draw is not None:
                return "draw", draw, copy.shape, copy.dtype, node.call
            if copy.nbytes > LARGEST:
                raise Unguardable("it makes a large constant")
            return ARRAY, node.call, copy.tobytes()
        return ref

    def _told(self) -> tuple:
        watch = self.watch
        updates = {s.step: s for s in self.scalars}
        steps = []
        for at in self.steps:
            step = watch.steps[at]
            refs = [self._plain(ref) for ref in step.refs]
            if step.call.op is WRITE:
                refs[2] = self.region(step)
            if at in updates:
                refs = refs[: len(refs) - len(updates[at].names)]
            shifts = None if step.offsets is None else tuple(map(self.shift, step.refs, step.offsets))
            steps.append((step.call, tuple(refs), shifts))
        draws = tuple([(d.name, tuple([(k, _plain_argument(v)) for k, v in d.arguments.items()])) for d in watch.draws])
        return (
            tuple(steps), draws, told(self.tree), tuple([m.told() for m in self.made]), tuple(self.sets),
            tuple([self._plain(p) for p in self.fresh]), tuple(self.fresh_versions),
            tuple([(i, self._plain(p), n) for i, p, n in self.writes]), tuple([s.told() for s in self.scalars]),
            () if self.graph is None else (self.graph.told(), tuple([self._plain(p) for p in self.saved])),
        )  # fmt: skip


def has_hooks(x: Tensor) -> bool:
    """Whether a backward pass that comes to a tensor calls something."""
    return x._grad_fn is not None and x._grad_fn.marked or "_post_accumulate_grad_hooks" in x.__dict__


def _plain_argument(value: Any) -> Any:
    return (type(value), repr(value)) if isinstance(value, _PLAIN) else id(value)
