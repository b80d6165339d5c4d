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
    elif type(call.out) is Spec:
        node.value = _stored(call.run(*values), call.out, values, call.op.overwrites)
    else:
        results = zip(call.run(*values), call.out, strict=True)
        node.value = tuple([_stored(value, out, values, call.op.overwrites) for value, out in results])
    node.sources = ()


def _stored(value: Any, out: Spec, sources: list, overwrites: bool) -> np.ndarray:
    """The result as memory of its own: row-major in the memory order of `out`, of its dtype, aliasing no source."""
    if type(value) is not np.ndarray or value.dtype != out.dtype.np:
        value = np.asarray(value, out.dtype.np)
    assert value.shape == out.size, f"kernel gave {value.shape} for {out}"
    if not out.contiguous:
        value = value.transpose(out.order())
    if not value.flags.c_contiguous:
        return np.ascontiguousarray(value)
    return value if overwrites or not _is_shared(value, sources) else value.copy()


def _is_shared(value: np.ndarray, sources: list) -> bool:
    """Whether an array looks at the memory of a source."""
    if value.base is None:
        return any([value is source for source in sources])  # noqa: C419  a generator costs more than the look
    owner = _owner(value)
    return any([type(source) is np.ndarray and _owner(source) is owner for source in sources])  # noqa: C419  likewise


def _owner(array: np.ndarray) -> Any:
    """What holds an array's memory."""
    while type(array) is np.ndarray and array.base is not None:
        array = array.base
    return array


__all__ = ["arguments", "compute", "known", "read"]
