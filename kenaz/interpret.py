"""Cold: walk recorded nodes through NumPy, one after another, freeing what has no reader left."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .core.spec import Spec
from .graph.node import PICK, Failure, Node


def compute(node: Node, in_place: bool = False) -> None:
    """Give a node its value; sources that nobody else holds are freed. The caller has silenced floating-point warnings.

    `in_place` says that an operator which overwrites its first source may do so although others see that memory.
    """
    call = node.call
    values = arguments(node, in_place)
    if call.op is PICK:
        node.value = values[0][call.attributes["index"]]
        node.sources = ()
        return
    owners = set() if call.op.overwrites else {id(_owner(v)) for v in values if type(v) is np.ndarray}
    value = call.run(*values)
    if type(call.out) is Spec:
        node.value = _stored(value, call.out, owners)
    else:
        node.value = tuple([_stored(v, out, owners) for v, out in zip(value, call.out, strict=True)])
    node.sources = ()


def arguments(node: Node, in_place: bool = False) -> list:
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
    """Whether other arrays look at the memory (3: the node's slot, this argument, getrefcount's argument; 4 with the list)."""
    return value.base is not None or sys.getrefcount(value) > 4


def _stored(value: Any, out: Spec, owners: set[int]) -> np.ndarray:
    """The result as memory of its own: row-major in the memory order of `out`, of its dtype, aliasing no source."""
    value = np.asarray(value, out.dtype.np)
    assert value.shape == out.size, f"kernel gave {value.shape} for {out}"
    if not out.contiguous:
        value = value.transpose(out.order())
    if not value.flags.c_contiguous:
        return np.ascontiguousarray(value)
    return value.copy() if id(_owner(value)) in owners else value


def _owner(array: np.ndarray) -> Any:
    """What holds an array's memory."""
    while type(array) is np.ndarray and array.base is not None:
        array = array.base
    return array
