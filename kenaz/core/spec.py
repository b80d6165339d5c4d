"""Spec: how a tensor looks at memory. Interned, so that equality is identity and a table of calls is a dict lookup.

A Spec has size, stride, dtype and device. The offset is not part of it: `x[i]` in a loop would otherwise make a new
Spec (and new compiled calls) for each i. `shifted` only says that there is one, and the tensor knows which.
"""

from __future__ import annotations

from collections.abc import Sequence

from .device import CPU, device
from .dtype import dtype
from .shape import Size, contiguous_stride, dense_order, is_contiguous, numel


class Spec:
    __slots__ = (
        "contiguous", "device", "dtype", "ndim", "numel", "numpy_stride", "shifted", "size", "stride", "variants",
    )  # fmt: skip

    def __init__(self, size: tuple[int, ...], stride: tuple[int, ...], dtype: dtype, device: device, shifted: bool):
        self.size, self.stride, self.dtype, self.device, self.shifted = Size(size), stride, dtype, device, shifted
        self.ndim, self.numel = len(size), numel(size)
        self.contiguous = is_contiguous(size, stride)
        width = dtype.itemsize  # read for a number too: Python's types in place of dtypes are told by not having it
        self.numpy_stride = tuple(q * width for q in stride)
        self.variants: dict = {}  # specs derived from this one, by what was done

    def __repr__(self) -> str:
        return f"Spec({self.dtype.name}{list(self.size)}, stride={list(self.stride)}{', shifted' * self.shifted})"

    def order(self) -> tuple[int, ...] | None:
        """The order of axes in memory where the elements lie densely, else None."""
        return dense_order(self.size, self.stride)

    def like(self, dtype: dtype) -> Spec:
        """A fresh tensor of this size: dense, in this memory order where it is dense, else row-major."""
        key = ("like", dtype)
        found = self.variants.get(key)
        if found is None:
            found = self.variants[key] = fresh(self.size, dtype, self.device, self._like_stride())
        return found

    def _like_stride(self) -> tuple[int, ...]:
        if self.contiguous:
            return contiguous_stride(self.size)
        order = self.order()
        if order is None:  # gaps or overlaps: PyTorch keeps the order of the strides where it can
            if 0 in self.stride:
                order = None
            else:
                order = tuple(sorted(range(self.ndim), key=lambda d: -self.stride[d]))
        if order is None:
            return contiguous_stride(self.size)
        dense = contiguous_stride([self.size[d] for d in order])
        return tuple(dense[order.index(d)] for d in range(self.ndim))


_interned: dict[tuple, Spec] = {}


def spec(size: tuple, stride: tuple, dtype: dtype, device: device = CPU, shifted: bool = False) -> Spec:
    """The one Spec of these properties."""
    key = (size, stride, dtype, device, shifted)
    found = _interned.get(key)
    if found is None:
        found = _interned[tuple(map(int, size)), tuple(map(int, stride)), dtype, device, shifted] = Spec(*key)
    return found


def fresh(size: Sequence[int], dtype: dtype, device: device = CPU, stride: tuple[int, ...] | None = None) -> Spec:
    """The Spec of a newly made tensor: row-major unless `stride` says otherwise.

    >>> from .dtype import float32
    >>> fresh((2, 3), float32).stride
    (3, 1)
    """
    size = tuple(size)
    return spec(size, contiguous_stride(size) if stride is None else stride, dtype, device)
