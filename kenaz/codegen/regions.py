"""What is fused: the nodes of a graph are cut into regions, each of which becomes one loop.

A region is a set of pointwise nodes over the same elements, plus reductions of what they compute. A node joins the
region of a
producer when no path leaves the region and comes back: then the region can run as a whole. What nobody outside reads
is never written to memory.
"""

from __future__ import annotations

from typing import Any

from ..core.spec import Spec
from ..graph.node import SMALL, Node
from .emit import can_hold


class Region:
    """Nodes (by their place in the graph) that are computed in one loop over `size`."""

    __slots__ = ("before", "members", "size")

    def __init__(self, size: tuple[int, ...]):
        self.size = size
        self.members: list[int] = []
        self.before: set[int] = set()  # the regions and lone nodes that it needs, transitively


def is_pointwise(node: Node) -> bool:
    """Whether a node can be an element of a loop."""
    call = node.call
    if call.op.family != "pointwise" or call.op.body is None or type(call.out) is not Spec:
        return False
    out = call.out
    return (
        out.numel >= SMALL and out.contiguous and can_hold(out.dtype) and call.compute is not None
        and can_hold(call.compute)
        and all(type(s) is not Spec or can_hold(s.dtype) for s in call.specs)
    )  # fmt: skip


def reduction_kind(node: Node) -> str | None:
    """How a reduction folds: "all", "inner" (trailing axes) or "outer" (leading axes); None where no loop does it
    yet."""
    call = node.call
    if (
        call.op.family != "reduction"
        or call.op.name not in ("sum", "mean")
        or call.compute is None
        or call.compute.kind != 2
    ):
        return None
    x = call.specs[0]
    if type(x) is not Spec or not x.contiguous or x.shifted or x.numel < SMALL or x.dtype is not call.compute:
        return None
    if not can_hold(x.dtype):
        return None
    dims = tuple(d for d in call.attributes["dim"] if x.size[d] != 1)
    wide = tuple(d for d in range(x.ndim) if x.size[d] != 1)
    if dims == wide:
        return "all"
    if dims == wide[len(wide) - len(dims) :]:
        return "inner"
    return "outer" if dims == wide[: len(dims)] else None


def reads_whole(reader: Node, j: int, source: Node) -> bool:
    """Whether source `j` is read just as it was made, so that the value need not go through memory."""
    spec = reader.call.specs[j]
    return spec is source.call.out and spec.contiguous and not (reader.offsets and reader.offsets[j])


def cut(nodes: list[Node]) -> list[Region | int]:
    """The graph as regions and lone nodes (by place), in an order that can run."""
    place = {node: i for i, node in enumerate(nodes)}
    unit: list[Any] = [None] * len(nodes)  # the region or the lone node's own place
    before: dict[Any, set] = {}  # unit -> units it needs
    for i, node in enumerate(nodes):
        sources = [(j, place[s]) for j, s in enumerate(node.sources) if type(s) is Node and s in place]
        needs = {unit[k] for _, k in sources}
        region: Any = _joined(nodes, node, sources, unit, before)
        if region is None:
            region = Region(_loop_size(node)) if is_pointwise(node) or reduction_kind(node) else i
            before[region] = set()
        if type(region) is Region:
            region.members.append(i)
        unit[i] = region
        for need in needs:
            if need is not region:
                before[region] |= before[need] | {need}
        _spread(before, region)
    return _ordered(unit, before)


def _loop_size(node: Node) -> tuple[int, ...]:
    return node.call.out.size if is_pointwise(node) else node.call.specs[0].size


def _joined(nodes: list[Node], node: Node, sources: list, unit: list, before: dict) -> Region | None:
    """A producer's region that this node may join."""
    folds = reduction_kind(node)
    if not folds and not is_pointwise(node):
        return None
    size = _loop_size(node)
    for j, k in sources:
        region = unit[k]
        if type(region) is not Region or region.size != size or not reads_whole(node, j, nodes[k]):
            continue
        if reduction_kind(nodes[k]):
            continue  # a finished sum is only there after the loop
        others = {unit[m] for _, m in sources} - {region}
        inside = any(reduction_kind(nodes[m]) for _, m in sources if unit[m] is region)
        if not inside and not any(region is o or region in before[o] for o in others):
            return region
    return None


def _spread(before: dict, changed: Any) -> None:
    """What now comes before a region also comes before everything that needs it."""
    for needs in before.values():
        if changed in needs:
            needs |= before[changed]


def _ordered(unit: list, before: dict) -> list:
    """Units in an order in which each comes after what it needs."""
    seen: set = set()
    order: list = []
    units = list(dict.fromkeys(unit))
    waiting = sorted(units, key=lambda u: len(before[u]))
    for u in waiting:
        if u not in seen:
            seen.add(u)
            order.append(u)
    return order
