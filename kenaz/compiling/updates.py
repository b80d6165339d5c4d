"""The steps of optimizers inside a captured call: counters move on and numbers are computed as ever, by the optimizer's
own rule; only the update itself is on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..graph.node import held, make_node
from ..graph.storage import Storage
from ..optim.pointwise import PointwiseOptimizer, numbers
from ..optim.sgd import SGD
from .walking import Unguardable


class Scalars:
    """The numbers of one update: which optimizer and group, the counters that it moves, and the body that it chose."""

    __slots__ = ("_now", "body", "counters", "group", "names", "optimizer", "states", "step", "tensors")
    optimizer: Any
    group: dict
    step: int  # the step of the trace that is the update
    body: Callable
    names: tuple[str, ...]  # of the scalars
    states: tuple[str, ...]  # the names of state tensors
    counters: list[Tensor]
    tensors: list[Any]  # the parameters that are updated

    def told(self) -> tuple:
        return id(self.optimizer), id(self.group), self.body, self.names, tuple(map(id, self.tensors))

    def numbers(self) -> list | None:
        """The scalars of the next step; None where the optimizer would do something else. Nothing moves yet."""
        group, optimizer = self.group, self.optimizer
        if numbers(group) is not group or optimizer._buffers(group) != self.states:
            return None
        counts: tuple = (False,) if isinstance(optimizer, SGD) and self.states else ()
        if self.counters:
            values = {_value_of(t._storage) for t in self.counters}
            if len(values) != 1:
                return None
            self._now = values.pop()
            if self._now is None:
                return None
            self._now += 1.0
            counts = (self._now,)
        body, scalars = optimizer._rule(group, *counts)
        if body is not self.body or tuple(scalars) != self.names:
            return None
        return list(scalars.values())

    def advance(self) -> None:
        """Move the counters on. They share a node, as tensors that are equal may."""
        if not self.counters:
            return
        spec = self.counters[0]._spec
        node = make_node(held(spec), (), None, np.array(self._now, spec.dtype.np))
        for counter in self.counters:
            counter._storage.node = node
            counter._storage.version += 1


def _value_of(counter: Storage) -> float | None:
    node = counter.node
    return node.value.item() if node.call is held(node.call.out) and type(node.value) is np.ndarray else None


def scalars_of(update: Any, step: int) -> Scalars:
    """How the numbers of a watched update come about; raises Unguardable where that is not known."""
    optimizer, group = update.optimizer, update.group
    kind = type(optimizer)
    if any(getattr(kind, name) is not getattr(PointwiseOptimizer, name) for name in ("_update", "_advance")):
        raise Unguardable(f"{kind.__name__} counts its steps in a way of its own")
    if kind._begin not in (PointwiseOptimizer._begin, SGD._begin) or group["differentiable"]:
        raise Unguardable(f"{kind.__name__} keeps its state in a way of its own")
    found = Scalars()
    found.optimizer, found.group, found.step, found.body = optimizer, group, step, update.body
    found.names, found.states = tuple(update.scalars), optimizer._buffers(group)
    found.tensors = [row[0] for row in update.groups]
    counted = bool(kind._counters) and bool(found.states)
    if counted and tuple(kind._counters) != ("step",):
        raise Unguardable(f"{kind.__name__} counts more than its steps")
    found.counters = [optimizer.state[p]["step"] for p in found.tensors] if counted else []
    if any(_value_of(t._storage) is None or t._spec is not t._storage.node.call.out for t in found.counters):
        raise Unguardable("the steps are counted where they cannot be read")
    return found
