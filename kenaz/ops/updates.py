"""Updates of many tensors at once: an optimizer's step over a parameter group is one recorded node.

The body is pointwise math over one tuple of arrays, and is applied to every tuple of a group; numbers such as the learning
rate are sources of the node, so that changing them changes neither the graph nor a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor, wrap
from ..core import dtype as dtypes
from ..core.dtype import HALF
from ..execute import mode
from ..graph.node import Call, Op, pick_call
from ..runtime import xp
from ..runtime.blocks import LEAST, blockwise
from .record import is_whole, new_call, put

_ops: dict[Callable, Op] = {}


def update(body: Callable, groups: Sequence[tuple[Tensor, ...]], **scalars: Any) -> None:
    """Overwrite the leading tensors of every tuple with what `body(xp, *arrays, **scalars)` returns.

    >>> from .creation import ones
    >>> p, g = ones(2), ones(2)
    >>> update(lambda xp, p, g, lr: (p - lr * g,), [(p, g)], lr=0.5)
    >>> p.tolist()
    [0.5, 0.5]
    """
    if not groups:
        return
    op = _ops.get(body)
    if op is None:
        op = _ops[body] = Op(f"update_{body.__name__}", "update", _kernel, rule=_rule, body=body)
    tensors = [t for group in groups for t in group]
    inputs = (*tensors, *scalars.values())
    key = (*[t._spec if isinstance(t, Tensor) else type(t) for t in inputs], len(groups[0]))
    call = op.calls.get(key)
    if call is None:
        attributes = {"width": len(groups[0]), "count": len(groups), "names": tuple(scalars)}
        specs = key[:-1]
        attributes["written"] = _written(body, specs, attributes)
        call = op.calls[key] = new_call(op, specs, attributes)
        attributes["picks"] = tuple([pick_call(call, i) for i in range(len(call.out))])
    _record(call, groups, inputs)


def _written(body: Callable, specs: tuple, attributes: dict) -> int:
    """How many arrays the body returns, found by running it on arrays of one element."""
    width = attributes["width"]
    arrays = [np.ones(1, dtypes.float32.np if s.dtype in HALF else s.dtype.np) for s in specs[:width]]
    numbers = dict.fromkeys(attributes["names"], 0.5)
    with np.errstate(all="ignore"):
        return len(body(xp, *arrays, **numbers))


def _rule(specs: tuple, attributes: dict) -> tuple:
    width, written = attributes["width"], attributes["written"]
    return tuple(
        specs[i * width + j].like(specs[i * width + j].dtype) for i in range(attributes["count"]) for j in range(written)
    ), None


def _kernel(call: Call) -> Callable:
    body, a = call.op.body, call.attributes
    width, count, names, written = a["width"], a["count"], a["names"], a["written"]
    halves = any(s.dtype in HALF for s in call.specs[: width * count])

    def run(*values: Any) -> tuple:
        scalars = dict(zip(names, values[width * count :], strict=True))
        results: list = []
        for i in range(0, width * count, width):
            arrays = values[i : i + width]
            if halves:
                arrays = [v.astype(np.float32) if v.dtype.itemsize == 2 else v for v in arrays]
            results += _updated(body, arrays, scalars, written)
        return tuple(results)

    assert body is not None
    return run


def _updated(body: Callable, arrays: Sequence, scalars: dict, written: int) -> Sequence:
    first = arrays[0]
    if first.size < LEAST or not all(a.shape == first.shape and a.flags.c_contiguous for a in arrays):
        return body(xp, *arrays, **scalars)[:written]
    outs = [np.empty_like(a) for a in arrays[:written]]
    blockwise(lambda *parts: body(xp, *parts, **scalars)[:written], arrays, outs)
    return outs


def _record(call: Call, groups: Sequence, inputs: tuple) -> None:
    sources = tuple([t._storage.node if isinstance(t, Tensor) else t for t in inputs])
    offsets = tuple([t._offset if isinstance(t, Tensor) else 0 for t in inputs]) if call.shifted else None
    node = execute.record(call, sources, offsets)
    if mode.slow:
        execute.watch(node, tuple(t._storage for t in inputs if isinstance(t, Tensor)))
    written, picks = call.attributes["written"], iter(call.attributes["picks"])
    for group in groups:
        for t in group[:written]:
            value, storage, spec = execute.record(next(picks), (node,)), t._storage, t._spec
            if storage.node.call.out is spec and spec.contiguous and not mode.slow:  # as parameters are
                storage.node = value
                storage.version += 1
            elif is_whole(t):
                execute.replace(storage, value)
            else:
                put(t, wrap(value))
