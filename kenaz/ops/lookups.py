"""Operators that look up places by number: checked when their line runs if the numbers are known, else later.

Where the numbers of an index are there when the line runs, they are checked then, and compiled code may use them. A twin
of the operator waits for those that are not: it is interpreted, and finds mistakes when it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._tensor import Tensor
from ..graph.node import Op
from .record import apply, register


def native(name: str, **given: Any) -> Any:
    """The field `native` of an operator whose compiled code is a function of `codegen.lookups`."""

    def offer(call: Any) -> Any:
        from ..codegen import lookups

        return getattr(lookups, name)(call, **given)

    return offer


def with_twin(function: Any, last: int | None = 2) -> Any:
    """A function of (tensors; attributes) that applies an operator, or its twin; inputs 1 up to `last` are indices."""
    op: Op = function.op
    twin = register(
        Op(f"late_{op.name}", op.family, op.kernel, rule=op.rule, grad=op.grad, grad_name=op.grad_name, late_errors=True)
    )

    def apply_either(*inputs: Any, **attributes: Any) -> Any:
        known = all([is_known(t) for t in inputs[1:last]])  # noqa: C419  a generator costs more than the look
        return apply(op if known else twin, inputs, attributes)

    return apply_either


def is_known(t: Tensor) -> bool:
    """Whether a tensor's values are computed already."""
    return type(t._storage.node.value) is np.ndarray
