"""Blocks: many nodes recorded as one, such as a backward pass that came back.

A recipe says which nodes a block stands for. The block is a single node: its sources are what those nodes read from
outside, nodes first and then numbers; what somebody may ask for are `pick` nodes of it. `opened` puts the nodes of the
recipe in its place, before they are interpreted or planned. A plan that exists already runs without them
(`codegen/closed.py`), so a training step records and compares its backward pass as one node.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .node import PICK, Call, Node, Op, make_node, pick_call


def _never(call: Call) -> Callable:
    raise AssertionError("a block is opened before it is interpreted")


BLOCK = Op("block", "block", _never)


class Recipe:
    """What a block stands for. Places count the sources from outside, then the numbers, then the steps.

    steps: (call, places of its sources, function that takes the sources out of the values by place, shifts); `shifts`
        is None or has an (index, distance) for each source: offset `index` of the block and `distance` more. The last
        offset of a block is 0.
    outs: the places of the steps whose results leave the block.
    """

    __slots__ = ("call", "outs", "picks", "steps", "width")

    def __init__(self, width: int, numbers: int, steps: tuple[tuple[Call, tuple[int, ...], Any], ...], outs: tuple):
        self.width, self.outs = width, outs
        self.steps = [(call, at, getter(at), shifts) for call, at, shifts in steps]
        first = width + numbers
        self.call = Call(BLOCK, (), {"recipe": self}, tuple([self.steps[place - first][0].out for place in outs]))
        self.picks = [pick_call(self.call, k) for k in range(len(outs))]

    @property
    def is_worth_it(self) -> bool:
        """Whether a block is less to record than what it stands for."""
        return len(self.steps) > len(self.outs) + 1


_recipes: dict[tuple, Recipe] = {}
MANY = 1000


def recipe_of(*parts: Any) -> Recipe:
    """The recipe of these parts, made once: blocks that differ in their numbers are planned together."""
    found = _recipes.get(parts)
    if found is None:
        if len(_recipes) >= MANY:
            _recipes.clear()
        found = _recipes[parts] = Recipe(*parts)
    return found


def getter(at: tuple[int, ...]) -> Callable[[list], tuple]:
    """A function that takes the sources out of the values by place."""
    if len(at) > 1:
        return operator.itemgetter(*at)
    return lambda values: tuple([values[i] for i in at])


def block_of(recipe: Recipe, sources: tuple, offsets: tuple[int, ...]) -> list[Node]:
    """A block over sources and numbers, and behind it the nodes of the results that leave it."""
    block = make_node(recipe.call, sources, offsets)
    return [block, *[make_node(call, (block,)) for call in recipe.picks]]


def steps_of(block: Node, picks: dict[int, Node]) -> list[Node]:
    """The nodes that a block stands for. `picks`: by place, nodes of results that are there already."""
    recipe: Recipe = block.call.attributes["recipe"]
    values, offsets = list(block.sources), block.offsets or ()
    made: list[Node] = []
    for call, _, take, shifts in recipe.steps:
        node = picks.get(len(values)) or Node()
        node.call, node.sources, node.value = call, take(values), None
        node.offsets = None if shifts is None else tuple([offsets[i] + distance for i, distance in shifts])
        values.append(node)
        made.append(node)
    return made


def has_blocks(nodes: list[Node]) -> bool:
    return any(node.call.op is BLOCK for node in nodes)


class Origin:
    """Where an opened node comes from: place `at` in the list with blocks, there step `step` of a block (-1: it is no
    block), which is the result at place `out` in that list (-1: of no result)."""

    __slots__ = ("at", "out", "step")

    def __init__(self, at: int, step: int = -1, out: int = -1):
        self.at, self.step, self.out = at, step, out


def opened(nodes: list[Node]) -> tuple[list[Node], list[Origin]]:
    """The nodes with the steps of blocks in their places, and where each of them comes from."""
    places: dict[Node, dict[int, int]] = {node: {} for node in nodes if node.call.op is BLOCK}
    results = set()
    for i, node in enumerate(nodes):
        if node.call.op is PICK and node.sources[0] in places:
            block = node.sources[0]
            places[block][block.call.attributes["recipe"].outs[node.call.attributes["index"]]] = i
            results.add(i)
    made: list[Node] = []
    origins: list[Origin] = []
    for i, node in enumerate(nodes):
        if node in places:
            where = places[node]
            first = len(node.sources)
            steps = steps_of(node, {place: nodes[k] for place, k in where.items()})
            made += steps
            origins += [Origin(i, step, where.get(first + step, -1)) for step in range(len(steps))]
        elif i not in results:
            made.append(node)
            origins.append(Origin(i))
    return made, origins
