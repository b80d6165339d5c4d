"""How a plan runs on a graph whose blocks are closed: where to find sources, offsets and results without the nodes that
the blocks stand for."""

from __future__ import annotations

from copy import copy
from typing import Any

from ..graph.block import Origin, Recipe
from ..graph.node import Node
from .plan import Batch, Form, Plan, Value


class Inside(Exception):
    """Something in a block is needed as a node: it is interpreted, or read by what is interpreted."""


def closed(plan: Plan, batch: list[Node], nodes: list[Node], origins: list[Origin]) -> Form | None:
    """The form of a plan for `batch`, where blocks are closed; it was made for `nodes`, which come from `origins`.

    None where it cannot run without nodes that are inside the blocks.
    """
    try:
        return _Closing(batch, nodes, origins).form(plan)
    except Inside:
        return None


class _Closing:
    def __init__(self, batch: list[Node], nodes: list[Node], origins: list[Origin]):
        self.batch, self.nodes, self.origins = batch, nodes, origins
        self.alive = sorted({o.at for o in origins} | {o.out for o in origins if o.out >= 0})
        self.place = {k: place for place, k in enumerate(self.alive)}

    def form(self, plan: Plan) -> Form:
        places = [self.place[o.at] for o in self.origins]
        return Form(self.alive, [self._unit(part) for part in plan.sequence], places)

    def _unit(self, part: Any) -> Any:
        if type(part) is Batch:
            return self._batch(part)
        if self.origins[part].step >= 0:
            raise Inside
        return self._node(part)

    def _batch(self, batch: Batch) -> Batch:
        found = Batch(batch.first)
        found.count, found.positions, found.order = batch.count, batch.positions, batch.order
        found.outside = [self._source(p, j) for p, j in batch.outside]
        found.new = [(self._value(value), donor and self._donor(*donor)) for value, donor in batch.new]
        found.shifts = [(base, home, *self._shift(p, j), size) for base, home, p, j, _, size in batch.shifts]
        found.floats = [(cell, *self._source(p, j)) for cell, p, j in batch.floats]
        found.ints = [(cell, *self._source(p, j)) for cell, p, j in batch.ints]
        return found

    def _node(self, p: int) -> int:
        """The place of a node that is in no block or is the result of one."""
        origin = self.origins[p]
        if origin.step < 0:
            return self.place[origin.at]
        if origin.out < 0:
            raise Inside
        return self.place[origin.out]

    def _source(self, p: int, j: int) -> tuple[int, int]:
        """Where source j of a node is among the sources of a node that is there."""
        origin = self.origins[p]
        if origin.step >= 0:
            j = self._recipe(origin).steps[origin.step][1][j]
            if j >= len(self.batch[origin.at].sources):  # made in the block
                raise Inside
        return self.place[origin.at], j

    def _recipe(self, origin: Origin) -> Recipe:
        return self.batch[origin.at].call.attributes["recipe"]

    def _value(self, value: Value) -> Value:
        found = copy(value)
        found.takers = [self._node(p) for p in value.takers]
        return found

    def _donor(self, p: int, j: int, _: int) -> tuple[int, int, int]:
        """A donor, and how often it stands among the sources of all that is there."""
        source = self.nodes[p].sources[j]
        there = {o.at for o in self.origins}
        return *self._source(p, j), sum(s is source for k in there for s in self.batch[k].sources)

    def _shift(self, p: int, j: int) -> tuple[int, int, int]:
        """The node and index of an offset, and the distance from there."""
        origin = self.origins[p]
        if origin.step < 0:
            return self.place[origin.at], j, 0
        recipe = self._recipe(origin)
        shifts = recipe.steps[origin.step][3]
        index, distance = shifts[j] if shifts else (recipe.width, 0)
        return self.place[origin.at], index, distance
