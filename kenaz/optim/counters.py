"""Counters in optimizer state (`step` and its like): tensors of one number that are real at all times.

A step adds 1 to the counter of every parameter. As recorded operators that would cost more than the update itself, so
the new value is put into the counter's storage directly: like any in-place write this points the storage at a new node,
and whoever recorded the old value keeps it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _api as torch
from .. import execute
from ..graph.node import held, make_node
from .optimizer import _get_scalar_dtype


def counter(value: float, param: Any, group: dict[str, Any]) -> Any:
    """A counter for param: on the CPU, unless the group's options keep it beside the parameter."""
    if group.get("capturable") or group.get("fused"):
        return torch.full((), value, dtype=_get_scalar_dtype(is_fused=group.get("fused")), device=param.device)
    return torch.tensor(float(value), dtype=_get_scalar_dtype())


def read(tensor: Any) -> float:
    """The number in a counter."""
    value = tensor._storage.node.value
    return value.item() if type(value) is np.ndarray and value.size == 1 else tensor.item()


def write(tensor: Any, value: float) -> None:
    """None; a counter holds value from now on."""
    spec, storage = tensor._spec, tensor._storage
    if storage.node.call.out is spec and spec.device.type == "cpu":
        execute.replace(storage, make_node(held(spec), (), None, np.array(value, spec.dtype.np)))
    else:  # a view of something larger, or on another device
        tensor.fill_(value)


def increment(tensor: Any) -> float:
    """The number in a counter, after adding 1 to it."""
    storage = tensor._storage
    node = storage.node
    if node.call is held(tensor._spec):  # the usual case: what the last step has put there
        value = node.value.copy()  # item, copy and fill take a tenth of the time of arithmetic on a 0-d array
        value.fill(value.item() + 1.0)
        execute.replace(storage, make_node(node.call, (), None, value))
        return value.item()
    write(tensor, read(tensor) + 1.0)
    return read(tensor)


def multiply(tensor: Any, factor: float) -> None:
    """None; a counter is multiplied, in its own precision."""
    number = tensor.dtype.np.type
    write(tensor, number(read(tensor)) * number(factor))
