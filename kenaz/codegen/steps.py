"""The steps of a plan: each unit of a graph becomes a routine with its inputs and outputs, or a node to interpret."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.dtype import HALF
from ..core.spec import Spec
from ..graph.node import PICK, Call, Node, results
from .emit import Namespace, Unsupported, Value, can_hold
from .loops import Nest, Operand, apply_body, loop_routine, steps_of
from .regions import Region, cut, folded_axes, is_fold
from .routine import Routine


class Step:
    """A routine, the nodes that it computes, its inputs as (place, source) and its outputs as (place, result, spec)."""

    __slots__ = ("inputs", "outputs", "places", "routine")

    def __init__(self, routine: Routine, places: tuple, inputs: list[tuple[int, int]], outputs: list[tuple]):
        self.routine, self.places, self.inputs, self.outputs = routine, places, inputs, outputs


class Natives(dict):
    """The routines of calls that were asked for; None where an operator has none."""

    def __missing__(self, call: Call) -> Routine | None:
        routine = self[call] = call.op.native(call) if call.op.native is not None else None
        return routine


def make_steps(nodes: list[Node], seen: list[bool], natives: Natives) -> list[Any]:
    """Steps, and places of nodes that are interpreted, in an order that can run."""
    made: list[Any] = []
    needed = _Needed(nodes, seen, natives)
    for unit in cut(nodes):
        if type(unit) is Region:
            made += _region(unit, nodes, needed)
        else:
            assert type(unit) is int
            made += _lone(unit, nodes, needed)
    native = {nodes[p] for m in made if type(m) is Step for p in m.places}
    return [m for m in made if type(m) is Step or not _is_alias(nodes[m], native)]


def _is_alias(node: Node, native: set[Node]) -> bool:
    """Whether a node only picks a result of a native node: nothing runs."""
    return node.call.op is PICK and node.sources[0] in native


class _Needed:
    """Who reads a node; and the routines of calls."""

    def __init__(self, nodes: list[Node], seen: list[bool], natives: Natives):
        self.seen, self.natives = seen, natives
        self.readers: dict[int, list[int]] = {}
        place = {node: i for i, node in enumerate(nodes)}
        for i, node in enumerate(nodes):
            for s in node.sources:
                if type(s) is Node and s in place:
                    self.readers.setdefault(place[s], []).append(i)

    def outside(self, p: int, inside: set[int]) -> bool:
        """Whether the value of node p leaves a set of nodes."""
        readers = self.readers.get(p, ())
        return self.seen[p] or not readers or any(r not in inside for r in readers)


# ----------------------------------------------------------------------------------------------------------- lone nodes
def _lone(p: int, nodes: list[Node], needed: _Needed) -> list[Any]:
    call = nodes[p].call
    if call.op.family == "update":
        return _update(p, call)
    specs = [s for s in (*call.specs, *results(call.out)) if type(s) is Spec]
    # the tuple of several results exists only when the node is interpreted
    if call.op.native is None or needed.seen[p] and type(call.out) is tuple or any(not s.numel for s in specs):
        return [p]
    if not all(s.contiguous or s.order() is not None for s in results(call.out)):
        return [p]
    routine = needed.natives[call]
    if routine is None:
        return [p]
    outputs = [(p, k, s) for k, s in enumerate(results(call.out))]
    return [Step(routine, (p,), [(p, j) for j in range(len(call.specs))], outputs)]


# -------------------------------------------------------------------------------------------------------------- regions
def _region(region: Region, nodes: list[Node], needed: _Needed) -> list[Any]:
    """A region as one loop; where that cannot be, without its sums; else every node for itself."""
    if len(region.members) == 1 and nodes[region.members[0]].call.op.native is not None:
        lone = _lone(region.members[0], nodes, needed)
        if type(lone[0]) is Step:
            return lone
    try:
        return [_loop(region.members, region, nodes, needed)]
    except Unsupported:
        pass
    folds = [p for p in region.members if is_fold(nodes[p].call)]
    rest = [p for p in region.members if p not in folds]
    if folds and rest:
        part = Region(region.size, region.order)
        part.members = rest
        return _region(part, nodes, needed) + [m for p in folds for m in _lone(p, nodes, needed)]
    return [m for p in region.members for m in _alone(p, region, nodes, needed)]


def _alone(p: int, region: Region, nodes: list[Node], needed: _Needed) -> list[Any]:
    if len(region.members) > 1:
        try:
            return [_loop([p], region, nodes, needed)]
        except Unsupported:
            pass
    return _lone(p, nodes, needed)


def _loop(members: list[int], region: Region, nodes: list[Node], needed: _Needed) -> Step:
    inside, where = set(members), {nodes[p]: p for p in members}
    inputs: list[tuple[int, int]] = []
    operands: list[Operand] = []
    slots: dict[Any, int] = {}
    wiring: list[tuple[int, list[tuple[bool, int]]]] = []
    axes = region.order or range(len(region.size))
    for p in members:
        given: list[tuple[bool, int]] = []
        for j, source in enumerate(nodes[p].sources):
            if type(source) is Node and where.get(source) in inside:
                given.append((True, where[source]))
                continue
            spec = nodes[p].call.specs[j]
            # views of one node with offsets are different inputs: offsets differ from run to run
            key = (id(source), spec) if type(source) is Node and not spec.shifted else (p, j)
            if key not in slots:
                slots[key] = len(inputs)
                inputs.append((p, j))
                operands.append(_operand(spec, region.size, axes))
            given.append((False, slots[key]))
        wiring.append((p, given))
    folds = {p for p in members if is_fold(nodes[p].call)}
    outputs = [p for p in members if p in folds or needed.outside(p, inside)]
    return Step(_loop_routine(region, nodes, wiring, operands, outputs, folds), tuple(members), inputs,
                [(p, 0, nodes[p].call.out) for p in outputs])  # fmt: skip


def _operand(spec: Any, size: tuple[int, ...], axes: Any) -> Operand:
    if type(spec) is not Spec:
        return Operand(spec)
    steps = steps_of(spec, size) if spec.numel > 1 else (0,) * len(size)
    return Operand(spec.dtype, tuple(steps[d] for d in axes))


def _loop_routine(
    region: Region, nodes: list[Node], wiring: list, operands: list, outputs: list, folds: set
) -> Routine:
    axes = region.order or range(len(region.size))
    reduced: set[int] = set()
    for p in folds:
        reduced = set(folded_axes(nodes[p].call))
    # a sum over nothing is the value itself
    kinds = [(nodes[p].call.out.dtype, "fold" if p in folds and reduced else "store") for p in outputs]
    nest = Nest([region.size[d] for d in axes], operands, kinds, reduced)
    nest.outputs = [(kind, nest.fold if how == "fold" else how) for kind, how in kinds]
    number = {p: m for m, (p, _) in enumerate(wiring)}
    key = (
        tuple(_member_key(nodes[p].call, given, number) for p, given in wiring), tuple(number[p] for p in outputs),
    )  # fmt: skip

    def build(b: Any, lanes: int, values: list[Value]) -> list[Value]:
        made: dict[int, Value] = {}
        for p, given in wiring:
            taken = [made[k] if member else values[k] for member, k in given]
            call = nodes[p].call
            made[p] = taken[0].cast(call.compute.np) if p in folds else apply_body(nodes[p], b, lanes, taken)
        return [made[p] for p in outputs]

    means = [p in folds and nodes[p].call.op.name == "mean" for p in outputs]
    routine = loop_routine(key, build, nest, sum(nodes[p].call.op.cost for p, _ in wiring), means)
    routine.in_place = _may_overwrite(nest, operands)
    return routine


def _member_key(call: Call, given: list, number: dict[int, int]) -> tuple:
    wires = tuple((member, number[k] if member else k) for member, k in given)
    compute = call.compute.name if call.compute else ""
    fold = is_fold(call)
    attributes = () if fold else tuple(str(a) for a in call.attributes.values() if type(a) is not Spec)
    return call.op.name, attributes, compute, call.out.dtype.name, wires


def _may_overwrite(nest: Nest, operands: list[Operand]) -> dict[int, list[int]]:
    """Outputs that may take the memory of an input which is read just where the output is written."""
    dense: list[int] = []
    run = 1
    for n in reversed(nest.sizes):
        dense.insert(0, run)
        run *= n
    found: dict[int, list[int]] = {}
    for o, (kind, how) in enumerate(nest.outputs):
        if how == "store":
            found[o] = [
                i for i, x in enumerate(nest.inputs)
                if not x.is_number and list(x.steps) == dense and x.kind.itemsize == kind.itemsize
            ]  # fmt: skip
    return found


# -------------------------------------------------------------------------------------------------------------- updates
def _update(p: int, call: Call) -> list[Any]:
    """An optimizer's step over a group: one routine for each tuple of tensors."""
    a = call.attributes
    width, count = a["width"], a["count"]
    numbers = list(call.specs[width * count :])
    tensors = call.specs[: width * count]
    if any(type(s) is Spec and s.numel != 1 for s in numbers) or not all(map(_updatable, tensors)):
        return [p]
    try:
        return [_one_update(p, call, i, numbers) for i in range(count)]
    except Unsupported:
        return [p]


def _updatable(s: Spec) -> bool:
    return bool(s.numel and can_hold(s.dtype) and s.dtype.kind == 2)


def _one_update(p: int, call: Call, i: int, numbers: list) -> Step:
    a = call.attributes
    width, names, written = a["width"], a["names"], a["written"]
    places = [*range(i * width, (i + 1) * width), *range(width * a["count"], len(call.specs))]
    specs = [call.specs[j] for j in places[:width]]
    kind = specs[0].dtype
    numbers_as = np.float32 if kind in HALF else kind.np
    axes = tuple(range(specs[0].ndim)) if specs[0].contiguous else specs[0].order()
    if axes is None or any(s.size != specs[0].size for s in specs) or not _alike(specs[:written]):
        raise Unsupported("tensors of a step that lie in different ways")
    operands = [_operand(s, specs[0].size, axes) for s in (*specs, *numbers)]
    size = [specs[0].size[d] for d in axes]
    nest = Nest(size, operands, [(s.dtype, "store") for s in specs[:written]], set())

    def build(b: Any, lanes: int, values: list[Value]) -> list[Value]:
        scalars = {n: v.cast(numbers_as) for n, v in zip(names, values[width:], strict=True)}
        return list(call.op.body(Namespace(b, lanes), *values[:width], **scalars))[:written]

    routine = loop_routine(_update_key(call, kind), build, nest, 2 * width)
    routine.in_place = {k: [k] for k in range(written)}
    return Step(routine, (p,), [(p, j) for j in places], [(p, i * written + k, specs[k]) for k in range(written)])


def _alike(specs: Sequence[Spec]) -> bool:
    """Whether tensors lie in memory in one way, so that one position serves all."""
    return all(s.like(specs[0].dtype).stride == specs[0].like(specs[0].dtype).stride for s in specs)


def _update_key(call: Call, kind: Any) -> tuple:
    """What tells a body apart: it may be a closure over options."""
    body: Callable = call.op.body
    cells = tuple(_told_apart(c.cell_contents) for c in body.__closure__ or ())
    code = body.__code__
    return (
        "update",
        body.__module__,
        body.__qualname__,
        cells,
        str(body.__defaults__),
        code.co_code,
        str(code.co_consts),
        kind.name,
    )


def _told_apart(x: Any) -> str:
    """What a body closes over, in words that are the same in every process: a function's text has its address."""
    code = getattr(x, "__code__", None)
    return str(x) if code is None else f"{x.__qualname__} {code.co_code!r} {code.co_consts}"
