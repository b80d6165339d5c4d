"""Cold: walk recorded nodes through NumPy, one after another, freeing what has no reader left."""

from __future__ import annotations

from typing import Any

import numpy as np

from .core.spec import Spec
from .graph.node import PICK, Node
from .graph.values import arguments, known, read


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


__all__ = ["arguments", "compute", "known", "read"]
