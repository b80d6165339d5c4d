"""A plan: what runs for a graph that came back, step by step: regions as compiled loops, and the places of nodes that
are interpreted."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..core.dtype import HALF
from ..core.spec import Spec
from ..graph.node import Failure, Node
from ..graph.values import arguments, read
from ..runtime import threads
from .emit import Namespace, Unsupported, Value, can_hold
from .loops import Kernel, apply_body, compile_loop, walk
from .regions import Region, cut, reduction_kind

CHUNK = 4096  # elements of a flat loop that make a row; a partial sum is kept for each
PARALLEL = 1 << 17  # elements of work from which a second thread pays for being woken


class Loop:
    """A region as a compiled loop over rows x columns."""

    __slots__ = ("columns", "copies", "flat", "inputs", "kernel", "outputs", "places", "rows", "size")

    def __init__(self, region: Region, nodes: list[Node], alive: list[bool]):
        self.places, self.size = tuple(region.members), region.size
        total = math.prod(self.size)
        folds = {p: k for p in self.places if (k := reduction_kind(nodes[p]))}
        self.flat = True
        self.rows, self.columns = self._split(nodes, folds, total)
        inside = set(self.places)
        where = {nodes[p]: p for p in self.places}
        self.inputs: list[tuple[int, int, Any]] = []  # (place, source, its spec or the type of a number)
        self.copies: list[bool] = []
        kinds: list[Any] = []
        slots: dict[Any, int] = {}
        wiring: dict[int, list[Any]] = {}
        for p in self.places:
            wiring[p] = []
            for j, source in enumerate(nodes[p].sources):
                if type(source) is Node and where.get(source) in inside:
                    wiring[p].append(("member", where[source]))
                    continue
                spec = nodes[p].call.specs[j]
                # views of one node with offsets are different inputs: offsets differ from run to run
                same = type(source) is Node and not (type(spec) is Spec and spec.shifted)
                key = (id(source), spec) if same else (p, j)
                if key not in slots:
                    slots[key] = len(kinds)
                    self.inputs.append((p, j, spec))
                    how = walk(spec, self.size, self.rows, self.columns) if type(spec) is Spec else None
                    self.copies.append(type(spec) is Spec and how is None)
                    kinds.append((spec.dtype, how or "full") if type(spec) is Spec else spec)
                wiring[p].append(("input", slots[key]))
        self.outputs = [
            (p, folds.get(p, "store")) for p in self.places if p in folds or _is_read(p, inside, nodes, alive)
        ]
        signature = [(nodes[p].call.out.dtype, kind) for p, kind in self.outputs]
        self.kernel: Kernel = compile_loop(self._expressions(nodes, wiring, folds), kinds, signature)

    def _split(self, nodes: list[Node], folds: dict[int, str], total: int) -> tuple[int, int]:
        """Rows and columns: given by what folds, else by what is broadcast, else chunks of a flat loop."""
        found: set[tuple[int, int]] = set()
        for p, kind in folds.items():
            if kind == "inner":
                found.add((nodes[p].call.out.numel, total // nodes[p].call.out.numel))
            elif kind == "outer":
                found.add((total // nodes[p].call.out.numel, nodes[p].call.out.numel))
        if not found:
            found |= self._broadcasts(nodes, total)
        if len(found) > 1:
            raise Unsupported("two ways to fold")
        if found:
            self.flat = False
            return found.pop()
        return max(total // CHUNK, 1), min(total, CHUNK)

    def _broadcasts(self, nodes: list[Node], total: int) -> set[tuple[int, int]]:
        for p in self.places:
            for spec in nodes[p].call.specs:
                if type(spec) is Spec and 1 < spec.numel < total and spec.contiguous:
                    padded = (1,) * (len(self.size) - spec.ndim) + tuple(spec.size)
                    if (
                        padded[-1] == self.size[-1]
                        and padded[-1] != 1
                        and walk(spec, self.size, total // spec.numel, spec.numel)
                    ):
                        return {(total // spec.numel, spec.numel)}
                    if padded[-1] == 1 and walk(spec, self.size, spec.numel, total // spec.numel) == "column":
                        return {(spec.numel, total // spec.numel)}
        return set()

    def _expressions(self, nodes: list[Node], wiring: dict, folds: dict[int, str]) -> Any:
        def build(b: Any, values: list[Value]) -> list[Value]:
            made: dict[int, Value] = {}
            for p in self.places:
                given = [made[k] if kind == "member" else values[k] for kind, k in wiring[p]]
                made[p] = given[0].cast(nodes[p].call.compute.np) if p in folds else apply_body(nodes[p], b, given)
            return [made[p] for p, _ in self.outputs]

        return build

    # ------------------------------------------------------------------------------------------------------- running
    def run(self, nodes: list[Node]) -> None:
        arrays = [self._operand(nodes, i) for i in range(len(self.inputs))]
        targets = [self._target(nodes[p], kind) for p, kind in self.outputs]
        if self.flat:
            self._run_flat(arrays, targets)
        else:
            kinds = [kind for _, kind in self.outputs]
            split = "outer" not in kinds  # threads would add to the same cells
            _in_parallel(self.kernel, arrays, targets, self.rows, self.columns, split, [k == "all" for k in kinds])
        for (p, kind), target in zip(self.outputs, targets, strict=True):
            nodes[p].value = self._finished(nodes[p], kind, target)
        for p in self.places:
            nodes[p].sources = ()

    def _operand(self, nodes: list[Node], i: int) -> Any:
        p, j, spec = self.inputs[i]
        source = nodes[p].sources[j]
        if type(spec) is not Spec:
            return np.array(source, np.int64 if spec in (int, bool) else np.float64)
        if type(source.value) is Failure:
            raise source.value.error
        offsets = nodes[p].offsets
        array = read(source, spec, offsets[j] if offsets else 0)
        if self.copies[i]:
            return np.ascontiguousarray(np.broadcast_to(array, self.size))
        return array

    def _target(self, node: Node, kind: str) -> np.ndarray:
        out = node.call.out
        if kind == "all":
            return np.zeros(self.rows + 1, np.float64)
        return np.zeros(out.size, out.dtype.np) if kind == "outer" else np.empty(out.size, out.dtype.np)

    def _finished(self, node: Node, kind: str, target: np.ndarray) -> np.ndarray:
        call = node.call
        if kind == "all":
            target = np.asarray(target.sum())
        if kind != "store" and call.op.name == "mean":
            target = target / (call.specs[0].numel // max(call.out.numel, 1))
        return np.asarray(target, call.out.dtype.np).reshape(call.out.size)

    def _run_flat(self, arrays: list, targets: list) -> None:
        """Chunks as rows, and the rest as one shorter row with every address moved on."""
        total = math.prod(self.size)
        rows, rest = (total // self.columns, total % self.columns) if total >= self.columns else (0, total)
        whole = [p[1] == "all" for p in self.outputs]
        if rows:
            _in_parallel(self.kernel, arrays, targets, rows, self.columns, True, whole)
        if rest:
            done = rows * self.columns
            walks = [a.size == total for a in arrays]
            block = [_address(a) + (done * a.itemsize if w else 0) for a, w in zip(arrays, walks, strict=True)]
            block += [
                _address(t) + (rows * 8 if fold else done * t.itemsize) for t, fold in zip(targets, whole, strict=True)
            ]
            _call(self.kernel, block, 0, 1, rest)


def _is_read(p: int, inside: set[int], nodes: list[Node], alive: list[bool]) -> bool:
    """Whether a member's value leaves the region: somebody outside sees it, or a node elsewhere reads it."""
    if alive[p]:
        return True
    node = nodes[p]
    return any(node in n.sources for i, n in enumerate(nodes) if i not in inside and i > p) or not any(
        nodes[i].sources and node in nodes[i].sources for i in inside
    )


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _call(kernel: Kernel, block: list[int], first: int, last: int, columns: int) -> None:
    addresses = np.array(block, np.int64)
    kernel.run(_address(addresses), first, last, columns)


_pool: list[ThreadPoolExecutor] = []


def _in_parallel(
    kernel: Kernel, arrays: list, targets: list, rows: int, columns: int, split: Any, whole: Any = ()
) -> None:
    """Run rows on as many threads as pay; partial sums of a chunk go to a cell of their own."""
    block = [_address(a) for a in arrays] + [_address(t) for t in targets]
    n = min(threads.get_num_threads(), rows, 8) if split and rows * columns >= PARALLEL else 1
    if n == 1:
        _call(kernel, block, 0, rows, columns)
        return
    if not _pool:
        _pool.append(ThreadPoolExecutor(7, "kenaz"))
    edges = [rows * i // n for i in range(n + 1)]
    jobs = []
    for i in range(n):
        mine = list(block)
        for t, fold in enumerate(whole or ()):
            if fold:
                mine[len(arrays) + t] += 8 * edges[i]
        jobs.append((mine, edges[i], edges[i + 1]))
    waiting = [_pool[0].submit(_call, kernel, mine, a, b, columns) for mine, a, b in jobs[1:]]
    _call(kernel, jobs[0][0], jobs[0][1], jobs[0][2], columns)
    for job in waiting:
        job.result()


def forget_threads() -> None:
    """After a fork the pool's threads are gone."""
    _pool.clear()


class Update:
    """An optimizer's step over a group: one compiled loop, called for each tuple of tensors."""

    __slots__ = ("count", "kernels", "names", "place", "places", "width", "written")

    def __init__(self, place: int, nodes: list[Node]):
        call = nodes[place].call
        a = call.attributes
        self.place, self.places = place, (place,)
        self.width, self.count, self.names, self.written = a["width"], a["count"], a["names"], a["written"]
        numbers = list(call.specs[self.width * self.count :])
        if any(type(s) is Spec for s in numbers):
            raise Unsupported("a tensor among the scalars")
        self.kernels = [self._kernel(call, i, numbers) for i in range(self.count)]

    def _kernel(self, call: Any, i: int, numbers: list) -> Kernel:
        specs = call.specs[i * self.width : (i + 1) * self.width]
        if not all(s.contiguous and can_hold(s.dtype) and s.dtype.kind == 2 and s.dtype not in HALF for s in specs):
            raise Unsupported("this dtype or stride")
        kind = specs[0].dtype

        def build(b: Any, values: list[Value]) -> list[Value]:
            scalars = {n: v.cast(kind.np) for n, v in zip(self.names, values[self.width :], strict=True)}
            return list(call.op.body(Namespace(b), *values[: self.width], **scalars))[: self.written]

        inputs = [(s.dtype, "full") for s in specs] + numbers
        return compile_loop(build, inputs, [(s.dtype, "store") for s in specs[: self.written]])

    def run(self, nodes: list[Node]) -> None:
        node = nodes[self.place]
        values = arguments(node)
        numbers = [
            np.array(v, np.int64 if type(v) in (int, bool) else np.float64) for v in values[self.width * self.count :]
        ]
        results = []
        for i, kernel in enumerate(self.kernels):
            arrays = values[i * self.width : (i + 1) * self.width]
            targets = [np.empty_like(a) for a in arrays[: self.written]]
            total = arrays[0].size
            rows, rest = divmod(total, CHUNK)
            if rows:
                _in_parallel(kernel, arrays + numbers, targets, rows, CHUNK, True)
            if rest:
                moved = [_address(a) + rows * CHUNK * a.itemsize for a in arrays]
                ends = [_address(t) + rows * CHUNK * t.itemsize for t in targets]
                _call(kernel, moved + [_address(n) for n in numbers] + ends, 0, 1, rest)
            results += targets
        node.value, node.sources = tuple(results), ()


def make_plan(nodes: list[Node], alive: list[bool]) -> list[Any]:
    """The steps of a graph; what cannot be compiled is interpreted."""
    steps: list[Any] = []
    for unit in cut(nodes):
        if isinstance(unit, Region):
            steps += _region_steps(unit, nodes, alive)
        elif nodes[unit].call.op.family == "update":
            steps.append(_or_lone(lambda u=unit: Update(u, nodes), unit))
        else:
            steps.append(unit)
    return steps


def _region_steps(region: Region, nodes: list[Node], alive: list[bool]) -> list[Any]:
    try:
        return [Loop(region, nodes, alive)]
    except Unsupported:
        return list(region.members)


def _or_lone(make: Any, place: int) -> Any:
    try:
        return make()
    except Unsupported:
        return place
