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
from ....graph.node import Node
from ....interpret import read


def stack(batch: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """torch.stack(batch, 0), computed at once; None where only the operator itself has the right result or error."""
    first = batch[0]
    spec = first._spec
    if type(spec) is not Spec or spec.device.type != "cpu" or spec.numel == 0:
        return None
    for t in batch:
        if type(t) is not torch.Tensor or t._spec is not spec or t._grad_fn is not None:
            return None
    nodes = [t._storage.node for t in batch]
    offsets = [t._offset for t in batch]
    if any(node.value is None for node in nodes):
        values = _compute(nodes, spec, offsets)
        if values is not None:
            return torch.Tensor._from_array(values)
        flush()
    if any(type(node.value) is not np.ndarray for node in nodes):  # failed, or without data
        return None
    return torch.Tensor._from_array(_gather(nodes, spec, offsets))


def _compute(nodes: list[Node], spec: Spec, offsets: list[int]) -> np.ndarray | None:
    """The stacked values of pending nodes that are all the same pointwise call; None where they are not."""
    call = nodes[0].call
    out = call.out
    if call.op.family != "pointwise" or any(node.call is not call or node.value is not None for node in nodes):
        return None
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
        return number if all(x is number or x == number for x in column) else None
    offsets = [node.offsets[i] if node.offsets else 0 for node in nodes]
    pending = [node.value is None for node in column]
    if not any(pending):
        return _gather(column, source, offsets)
    return _compute(column, source, offsets) if all(pending) else None


def _gather(nodes: list[Node], spec: Spec, offsets: list[int]) -> np.ndarray:
    """What is seen through a spec at these places of nodes that have run, stacked."""
    n, memory = spec.numel, nodes[0].value
    if spec.contiguous and type(memory) is np.ndarray and memory.size % n == 0 and memory.flags.c_contiguous:
        if all(node is nodes[0] for node in nodes) and not any(offset % n for offset in offsets):
            rows = np.array(offsets) // n  # rows of one array: a gather is quicker than 64 views and a stack
            return memory.reshape(-1, n)[rows].reshape(len(nodes), *spec.size)
    return np.stack([read(node, spec, offset) for node, offset in zip(nodes, offsets)])
