"""Convolutions whose kernel covers the whole input, so that there is one place: products of matrices.

With k = (channel, row, column) flat, which is how inputs and weights lie:

    result            y (image, feature) = x (image, k) w' (k, feature)
    input's gradient  x (image, k)       = y (image, feature) w (feature, k)
    weight's gradient w (feature, k)     = y' (feature, image) x (image, k)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.spec import Spec
from .conv_routine import Shapes
from .products import Product, routine
from .routine import Routine


def fits(shapes: Shapes, specs: Sequence[Any]) -> bool:
    """Whether a convolution has one place, and its operands are matrices as they lie."""
    window = shapes.window
    covers = window.kernel == window.size and not any(window.padding)
    return covers and shapes.groups == 1 and all(s.contiguous for s in specs if type(s) is Spec)


def forward(shapes: Shapes, depth: int, bias: Any) -> Routine:
    """For inputs (x, w, bias or None)."""
    m, n = shapes.images, shapes.features
    product = Product(m, n, depth, depth, 1, 1, depth, n, shapes.element)
    return routine(product, "affine" if type(bias) is Spec else "without")


def input_gradient(shapes: Shapes, depth: int) -> Routine:
    """For inputs (y, w, None)."""
    m, k = shapes.images, shapes.features
    return routine(Product(m, depth, k, k, 1, depth, 1, depth, shapes.element), "without")


def weight_gradient(shapes: Shapes, depth: int) -> Routine:
    """For inputs (x, y)."""
    m, k = shapes.features, shapes.images
    return routine(Product(m, depth, k, 1, m, depth, 1, depth, shapes.element, swapped=True), "multiply")
