"""The values of computed nodes as arrays: what a kernel takes, whether interpreted or compiled."""

from __future__ import annotations

import sys

import numpy as np

from ..core.spec import Spec
from .node import Failure, Node


def arguments(node: Node, in_place: bool = False) -> list:
    """The arrays and numbers that a node's kernel takes."""
    found: list = []
    call, offsets = node.call, node.offsets
    for i, source in enumerate(node.sources):
        if type(source) is not Node:
            found.append(source)
            continue
        value, spec = source.value, call.specs[i]
        if spec is source.call.out and type(value) is np.ndarray and spec.contiguous:  # as `read`, without the call
            found.append(value)
        elif type(value) is Failure:
            raise value.error
        elif type(value) is tuple:  # pick: all the results
            found.append(value)
        else:
            found.append(read(source, spec, offsets[i] if offsets else 0))
    if call.op.overwrites:
        source = node.sources[0]
        # held by node.sources, our local name, and getrefcount's argument: nobody else will read the old value
        alone = in_place or sys.getrefcount(source) <= 3 and not _is_shared(source.value)
        found[0] = found[0] if alone else found[0].copy(order="K")  # in the same order of memory
    return found


def known(node: Node) -> list:
    """What `arguments` will give, as far as it is computed: None in the place of what is pending."""
    offsets = node.offsets or (0,) * len(node.sources)
    return [
        source if type(source) is not Node
        else read(source, spec, offset) if type(source.value) is np.ndarray and type(spec) is Spec
        else None
        for source, spec, offset in zip(node.sources, node.call.specs, offsets, strict=True)
    ]  # fmt: skip


def read(node: Node, spec: Spec, offset: int) -> np.ndarray:
    """A node's memory seen through a spec."""
    value = node.value
    if spec is node.call.out and spec.contiguous:
        return value
    if spec.numel == 0:
        return np.empty(spec.size, spec.dtype.np)
    return np.ndarray(spec.size, spec.dtype.np, value, offset * spec.dtype.itemsize, spec.numpy_stride)


def _is_shared(value: np.ndarray) -> bool:
    """Whether other arrays look at the memory (3: the node's slot, this argument, getrefcount's argument; 4 with the
    list)."""
    return value.base is not None or sys.getrefcount(value) > 4
