"""Cold: walk recorded nodes through NumPy, one after another, freeing what has no reader left."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .core.spec import Spec
from .graph.node import Failure, Node


def run(nodes: Iterable[Node]) -> None:
    """Compute nodes in their order; sources that nobody else holds are freed on the way."""
    for node in nodes:
        compute(node)


def compute(node: Node) -> None:
    call = node.call
    with np.errstate(all="ignore"):
        value = call.run(*arguments(node))
    node.value = _stored(value, call.out, node) if type(call.out) is Spec else tuple(
        _stored(v, out, node) for v, out in zip(value, call.out, strict=True)
    )  # fmt: skip
    node.sources = ()


def arguments(node: Node) -> list:
    """The arrays and numbers that a node's kernel takes."""
    found = []
    offsets = node.offsets
    for i, (source, spec) in enumerate(zip(node.sources, node.call.specs, strict=True)):
        if type(source) is not Node:
            found.append(source)
        elif type(source.value) is Failure:
            raise source.value.error
        elif type(source.value) is tuple:  # pick: all the results
            found.append(source.value)
        else:
            found.append(read(source, spec, offsets[i] if offsets else 0))
    if node.call.op.overwrites:
        source = node.sources[0]
        # held by node.sources, our local name, and getrefcount's argument: nobody else will read the old value
        alone = sys.getrefcount(source) <= 3 and not _is_shared(source.value)
        found[0] = found[0] if alone else found[0].copy()
    return found


def read(node: Node, spec: Spec, offset: int) -> np.ndarray:
    """A node's memory seen through a spec."""
    value = node.value
    if spec is node.call.out and spec.contiguous:
        return value
    if spec.numel == 0:
        return np.empty(spec.size, spec.dtype.np)
    return np.ndarray(spec.size, spec.dtype.np, value, offset * spec.dtype.itemsize, spec.numpy_stride)


def _is_shared(value: np.ndarray) -> bool:
    """Whether other arrays look at the memory (3: the node's slot, this argument, getrefcount's argument; 4 with the list)."""
    return value.base is not None or sys.getrefcount(value) > 4


def _stored(value: Any, out: Spec, node: Node) -> np.ndarray:
    """The result as memory of its own: row-major in the memory order of `out`, of its dtype, aliasing no source."""
    value = np.asarray(value, out.dtype.np)
    assert value.shape == out.size, f"{node.call}: kernel gave {value.shape}"
    if not out.contiguous:
        value = value.transpose(out.order())
    if not value.flags.c_contiguous:
        return np.ascontiguousarray(value)
    if value.base is not None or value.flags.owndata is False or _is_source(value, node):
        owner = value if value.base is None else value.base
        if not node.call.op.overwrites and any(_owner(s) is owner for s in node.sources):
            return value.copy()
    return value


def _is_source(value: np.ndarray, node: Node) -> bool:
    return any(type(s) is Node and s.value is value for s in node.sources)


def _owner(source: Any) -> Any:
    if type(source) is not Node or type(source.value) is not np.ndarray:
        return None
    return source.value if source.value.base is None else source.value.base
