"""Samples stacked without running what made them one by one.

The tensors of a batch mostly come out of the same lines of `__getitem__`, so what was recorded for them differs only in
where in the data each one begins: `x[i].float().div(255)` is 64 times the same three nodes. Here the rows are gathered
first, and each pointwise operator then runs once, on all of them. 64 images of 28 x 28 take 0.05 ms instead of 0.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import _api as torch
from ....core.spec import Spec
from ....execute import flush
from ....graph.node import Call, Node
from ....interpret import read


def stack(batch: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """torch.stack(batch, 0), computed at once; None where only the operator itself has the right result or error."""
    if {type(t) for t in batch} != {torch.Tensor} or {t._grad_fn for t in batch} != {None}:
        return None
    spec = _common({t._spec for t in batch})
    if spec is None or spec.device.type != "cpu" or spec.numel == 0:
        return None
    nodes = [t._storage.node for t in batch]
    offsets = [t._offset for t in batch]
    if None in [node.value for node in nodes if type(node.value) is not np.ndarray]:
        values = _compute(nodes, spec, offsets)
        if values is not None:
            return torch.Tensor._from_array(values)
        flush()
    if {type(node.value) for node in nodes} != _COMPUTED:  # failed, or without data
        return None
    return torch.Tensor._from_array(_gather(nodes, spec, offsets))


_PENDING, _COMPUTED = {type(None)}, {np.ndarray}


def _common(specs: set) -> Spec | None:
    """The one way in which all look at memory, wherever each begins (the row 0 is not shifted); None if they differ."""
    first = next(iter(specs))
    if len(specs) == 1:
        return first if type(first) is Spec else None
    if {type(s) for s in specs} != {Spec} or len({(s.size, s.stride, s.dtype, s.device) for s in specs}) > 1:
        return None
    return first


def _common_call(nodes: list[Node]) -> Call | None:
    """The one call of all, but for where their sources begin; None if there are several."""
    calls = {node.call for node in nodes}
    first = nodes[0].call
    for call in calls:
        if call is not first and not _is_alike(call, first):
            return None
    return first


def _is_alike(a: Call, b: Call) -> bool:
    if a.op is not b.op or a.out is not b.out or a.compute is not b.compute or a.attributes != b.attributes:
        return False
    return all(x is y or _common({x, y}) is not None for x, y in zip(a.specs, b.specs))


def _compute(nodes: list[Node], spec: Spec, offsets: list[int]) -> np.ndarray | None:
    """The stacked values of pending nodes that are all the same pointwise call; None where they are not."""
    call = _common_call(nodes)
    if call is None or call.op.family != "pointwise" or {type(node.value) for node in nodes} != _PENDING:
        return None
    out = call.out
    if not (out.contiguous and spec.contiguous and out.numel == spec.numel) or any(offsets):
        return None
    arguments = []
    for i, source in enumerate(call.specs):
        argument = _argument(nodes, i, source)
        if argument is None:
            return None
        if type(source) is Spec:  # axes that broadcast stand behind the one that counts the samples
            argument = argument.reshape(len(nodes), *(1,) * (out.ndim - source.ndim), *source.size)
        arguments.append(argument)
    with np.errstate(all="ignore"):
        values = np.asarray(call.run(*arguments), out.dtype.np)
    return np.ascontiguousarray(values.reshape(len(nodes), *spec.size))


def _argument(nodes: list[Node], i: int, source: Any) -> Any:
    """Source i of all nodes: stacked, or one number for all; None if it is neither."""
    column = [node.sources[i] for node in nodes]
    if type(source) is not Spec:
        number = column[0]
        return number if all([x is number or x == number for x in column]) else None  # noqa: C419  half the time
    offsets = [node.offsets[i] if node.offsets else 0 for node in nodes]
    state = {type(node.value) for node in column}
    if state == _COMPUTED:
        return _gather(column, source, offsets)
    return _compute(column, source, offsets) if state == _PENDING else None


def _gather(nodes: list[Node], spec: Spec, offsets: list[int]) -> np.ndarray:
    """What is seen through a spec at these places of nodes that have run, stacked."""
    n, memory = spec.numel, nodes[0].value
    if spec.contiguous and type(memory) is np.ndarray and memory.size % n == 0 and memory.flags.c_contiguous:
        rows, rest = np.divmod(offsets, n)
        if len(set(nodes)) == 1 and not rest.any():
            # rows of one array: a gather is quicker than 64 views and a stack
            return memory.reshape(-1, n)[rows].reshape(len(nodes), *spec.size)
    return np.stack([read(node, spec, offset) for node, offset in zip(nodes, offsets)])
