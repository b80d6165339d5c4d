"""What is fused: the nodes of a graph are cut into regions, each of which becomes one loop.

A region is a set of pointwise nodes over the same elements, plus sums of what they compute. A node joins the region of
a producer when no path leaves the region and comes back: then the region can run as a whole. What nobody outside reads
is never written to memory. Long graphs are cut window by window, so that the search stays linear in their length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.dtype import HALF
from ..core.spec import Spec
from ..graph.node import Call, Node
from .emit import can_hold

WINDOW = 256  # nodes among which regions are looked for
MEMBERS = 48  # nodes of a region: registers are few


class Region:
    """Nodes (by their place in the graph) that are computed in one loop over `size`, in the memory order `order`."""

    __slots__ = ("folded", "members", "order", "size")

    def __init__(self, size: tuple[int, ...], order: tuple[int, ...] | None):
        self.size, self.order = size, order
        self.members: list[int] = []
        self.folded: tuple[int, ...] | None = None  # the axes that the region's sums add up, all the same


def is_pointwise(call: Call) -> bool:
    """Whether a call can be an element of a loop."""
    out = call.out
    if call.op.family != "pointwise" or type(out) is not Spec or not out.numel:
        return False
    if call.op.body is None and (call.op.name != "copy" or _turns(call)):
        return False
    if not can_hold(out.dtype) or not out.contiguous and out.order() is None:
        return False
    kinds = [s.dtype for s in call.specs if type(s) is Spec] + ([call.compute] if call.compute else [])
    return all(map(can_hold, kinds)) and (call.compute is not None or call.op.name == "copy")


def _turns(call: Call) -> bool:
    """Whether a copy has another innermost axis than what it copies: that is done in blocks, not in a loop."""
    x, out = call.specs[0], call.out
    if call.op.native is None or not out.contiguous or x.dtype is not out.dtype or x.size != out.size:
        return False
    long = [d for d in range(x.ndim) if x.size[d] > 1]
    return bool(long) and x.stride[long[-1]] > 1


def is_fold(call: Call) -> bool:
    """Whether a call is a sum that a loop can make."""
    if call.op.family != "reduction" or call.op.name not in ("sum", "mean"):
        return False
    x, compute = call.specs[0], call.compute
    return (
        type(x) is Spec and compute is not None and compute.kind == 2 and x.dtype is compute and x.numel > 0
        and x.dtype not in HALF and can_hold(x.dtype) and call.out.contiguous
    )  # fmt: skip


def folded_axes(call: Call) -> tuple[int, ...]:
    """The axes, longer than 1, that a sum adds up."""
    size = call.specs[0].size
    return tuple(d for d in call.attributes["dim"] if size[d] != 1)


def cut(nodes: Sequence[Node]) -> list[Region | int]:
    """The graph as regions and lone nodes (by place), in an order that can run."""
    return [unit for start in range(0, len(nodes), WINDOW) for unit in _Window(nodes, start).units()]


class _Window:
    """The search in one window. Units are numbered; `needs[u]` has a bit for every unit that u needs, transitively."""

    def __init__(self, nodes: Sequence[Node], start: int):
        self.nodes = nodes
        self.places = range(start, min(start + WINDOW, len(nodes)))
        self.place = {nodes[i]: i for i in self.places}
        self.unit: dict[int, int] = {}  # place -> unit
        self.made: list[Any] = []
        self.needs: list[int] = []
        for i in self.places:
            self._enter(i)

    def _enter(self, i: int) -> None:
        node = self.nodes[i]
        sources = [(j, self.place[s]) for j, s in enumerate(node.sources) if type(s) is Node and s in self.place]
        u = self._joined(node, sources)
        if u is None:
            u = len(self.made)
            self.made.append(self._new_unit(i))
            self.needs.append(0)
        if type(self.made[u]) is Region:
            self._add(self.made[u], i)
        self.unit[i] = u
        needed = 0
        for _, k in sources:
            v = self.unit[k]
            if v != u:
                needed |= self.needs[v] | 1 << v
        if needed & ~self.needs[u]:
            self.needs[u] |= needed
            bit, all_of_u = 1 << u, self.needs[u]
            for v, needs in enumerate(self.needs):
                if needs & bit:
                    self.needs[v] = needs | all_of_u

    def _new_unit(self, i: int) -> Region | int:
        call = self.nodes[i].call
        if is_pointwise(call):
            return Region(call.out.size, None if call.out.contiguous else call.out.order())
        return Region(call.specs[0].size, None) if is_fold(call) else i

    def _add(self, region: Region, i: int) -> None:
        region.members.append(i)
        if is_fold(self.nodes[i].call):
            region.folded = folded_axes(self.nodes[i].call)

    def _joined(self, node: Node, sources: list[tuple[int, int]]) -> int | None:
        """A producer's region that this node may join."""
        call, fold = node.call, is_fold(node.call)
        if not fold and not is_pointwise(call):
            return None
        size = call.specs[0].size if fold else call.out.size
        order = None if fold or call.out.contiguous else call.out.order()
        for j, k in sources:
            u = self.unit[k]
            region = self.made[u]
            if type(region) is not Region or region.size != size or region.order != order:
                continue
            if len(region.members) >= MEMBERS or is_fold(self.nodes[k].call) or not reads_whole(node, j, self.nodes[k]):
                continue
            if fold and region.folded not in (None, folded_axes(call)):
                continue
            if self._can_run_together(u, node, sources):
                return u
        return None

    def _can_run_together(self, u: int, node: Node, sources: list[tuple[int, int]]) -> bool:
        """Whether no other source needs the unit, and what comes from the unit is there within the loop: it is no sum
        and is read element by element."""
        for j, m in sources:
            v = self.unit[m]
            if self.needs[v] >> u & 1:
                return False
            if v == u and (is_fold(self.nodes[m].call) or not reads_whole(node, j, self.nodes[m])):
                return False
        return True

    def units(self) -> list[Region | int]:
        """Sorted so that each comes after what it needs: who needs more units comes later."""
        order = sorted(range(len(self.made)), key=lambda u: (self.needs[u].bit_count(), u))
        return [self.made[u] for u in order]


def reads_whole(reader: Node, j: int, source: Node) -> bool:
    """Whether source `j` is read just as it was made, so that the value need not go through memory."""
    spec = reader.call.specs[j]
    return spec is source.call.out and not spec.shifted and not (reader.offsets and reader.offsets[j])
