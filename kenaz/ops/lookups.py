"""Operators that look up places by number: checked when their line runs if the numbers are known, else later.

Where the numbers of an index are there when the line runs, they are checked then. A twin of the operator takes those
that are not, and finds mistakes when it runs. Indices are made dense, as compiled code wants them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.spec import Spec
from ..graph.node import Op
from .record import apply, register
from .views import contiguous


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
        Op(
            f"late_{op.name}", op.family, op.kernel, rule=op.rule, grad=op.grad, grad_name=op.grad_name, native=op.native,
            late_errors=True,
        )
    )  # fmt: skip

    def apply_either(*inputs: Any, **attributes: Any) -> Any:
        indices = inputs[1:last]
        known = all([is_known(t) for t in indices])  # noqa: C419  a generator costs more than the look
        if not all([t._spec.contiguous for t in indices]):  # noqa: C419  likewise
            dim = attributes.get("dim")
            dense = [t if is_repeated(t._spec, dim) else contiguous(t) for t in indices]
            inputs = (inputs[0], *dense, *inputs[1 + len(indices) :])
        return apply(op if known else twin, inputs, attributes)

    return apply_either


def is_repeated(index: Spec, dim: int | None) -> bool:
    """Whether an index is a dense vector along one axis, expanded along all others: it names whole slices."""
    return dim is not None and all(
        n == 1 or q == (d == dim) for d, (n, q) in enumerate(zip(index.size, index.stride, strict=True))
    )


def is_known(t: Tensor) -> bool:
    """Whether a tensor's values are computed already."""
    return type(t._storage.node.value) is np.ndarray
