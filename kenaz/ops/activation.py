"""Activations: pointwise operators with parameters."""

from __future__ import annotations

from typing import Any

from .declare import FLOATING, SAME, pointwise, unary

relu = unary("relu", SAME, lambda xp, x: xp.maximum(x, 0), grad=lambda g, y, _x: threshold_backward(g, y, 0))


@pointwise(SAME, torch=False, tensor=False, inplace=False, grad=lambda g, y, _g, x, threshold: (threshold_backward(g, x, threshold), None))
def threshold_backward(xp: Any, g: Any, x: Any, threshold: float = 0) -> Any:
    """g where x exceeds the threshold, zero elsewhere."""
    return xp.where(x > threshold, g, xp.zeros((), g.dtype))


assert FLOATING
