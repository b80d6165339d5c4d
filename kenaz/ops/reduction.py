"""Reductions: operators that fold axes."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core.spec import Spec
from .declare import WIDEN_INTS, reduction


def spread(g: Tensor, x: Spec, dim: tuple, keepdim: bool) -> Tensor:
    """The gradient of a fold, repeated along the axes that were folded."""
    if not keepdim:
        for d in sorted(dim):
            g = g.unsqueeze(d) if x.ndim else g  # type: ignore[attr-defined]
    return g.expand(x.size)  # type: ignore[attr-defined]


sum = reduction(
    "sum", WIDEN_INTS, lambda xp, x, axes, keepdims: xp.sum(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, _x, dim, keepdim: spread(g, _x, dim, keepdim),
)  # fmt: skip
