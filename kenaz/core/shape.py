"""Arithmetic on sizes, strides, axes and slices, and the errors it raises in PyTorch's words."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any


class Size(tuple):
    """A tensor's size: a tuple that knows its number of elements.

    >>> Size([2, 3]).numel()
    6
    """

    __slots__ = ()

    def __new__(cls, values: Iterable[int] = ()) -> Size:
        if type(values) is not tuple:
            values = tuple(values)
        for i, v in enumerate(values):
            if type(v) is not int and not hasattr(v, "__index__"):
                raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{type(v).__name__}')")
        return tuple.__new__(cls, values)

    def numel(self) -> int:
        return numel(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return tuple.__new__(Size, found) if type(found) is tuple else found

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return tuple.__new__(Size, tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return tuple.__new__(Size, tuple.__add__(tuple(other), self))

    def __mul__(self, times: Any) -> Size:
        return tuple.__new__(Size, tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return Size, (tuple(self),)


Size.__module__ = "torch"


def numel(size: Sequence[int]) -> int:
    """The number of elements of a size."""
    n = 1
    for s in size:
        n *= s
    return n


def contiguous_stride(size: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements.

    >>> contiguous_stride((2, 3, 4))
    (12, 4, 1)
    """
    stride, step = [0] * len(size), 1
    for i in range(len(size) - 1, -1, -1):
        stride[i] = step
        step *= size[i] or 1
    return tuple(stride)


def is_contiguous(size: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether elements lie in row-major order without gaps; axes of one element do not matter."""
    step = 1
    for s, q in zip(reversed(size), reversed(stride), strict=True):
        if s == 0:
            return True
        if s != 1:
            if q != step:
                return False
            step *= s
    return True


def dense_order(size: Sequence[int], stride: Sequence[int]) -> tuple[int, ...] | None:
    """The permutation of axes that makes a tensor row-major without gaps, or None where there is none.

    >>> dense_order((2, 3), (1, 2))
    (1, 0)
    """
    order = sorted(range(len(size)), key=lambda d: (-stride[d], -size[d] if stride[d] else 0, d))
    if is_contiguous([size[d] for d in order], [stride[d] for d in order]):
        return tuple(order)
    return None


def extent(size: Sequence[int], stride: Sequence[int]) -> int:
    """The number of storage elements from the first to the last one that a view touches."""
    return 1 + sum((s - 1) * q for s, q in zip(size, stride, strict=True)) if all(size) else 0


def may_overlap(size: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether two places of a view may be the same element: strides that do not clear the axes inside them."""
    reach = 0
    for q, s in sorted(zip(stride, size, strict=True)):
        if s > 1:
            if q <= reach:
                return True
            reach += (s - 1) * q
    return False


def crowded_axes(size: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    """Axes, short ones first, without which no two places of a view are the same element.

    >>> crowded_axes((3, 2), (1, 1))  # windows of two that overlap
    (1,)
    """
    found: list[int] = []
    rest = sorted(range(len(size)), key=lambda d: size[d])
    while may_overlap([size[d] for d in rest], [stride[d] for d in rest]):
        alone = [d for d in rest if not may_overlap(*_without(size, stride, rest, d))]
        found.append(alone[0] if alone else next(d for d in rest if size[d] > 1))
        rest.remove(found[-1])
    return tuple(found)


def _without(size: Sequence[int], stride: Sequence[int], axes: Sequence[int], gone: int) -> tuple[list[int], list[int]]:
    kept = [d for d in axes if d != gone]
    return [size[d] for d in kept], [stride[d] for d in kept]


# ------------------------------------------------------------------------------------------------------- axes,
# broadcast
def axis(dim: int, ndim: int) -> int:
    """`dim` counted from the front; a 0-d tensor has one axis for this purpose."""
    n = ndim or 1
    if -n <= dim < n:
        return dim + n if dim < 0 else dim
    raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")


def axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """Several axes, or all of them for None or (); each may appear once."""
    if type(dim) is int:
        return (axis(dim, ndim),)
    if dim is None or dim == () or dim == []:
        return tuple(range(ndim))
    found = tuple(axis(operator.index(d), ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for i, d in enumerate(found):
        if d in found[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return found


def broadcast(*sizes: Sequence[int]) -> tuple[int, ...]:
    """The common size that all `sizes` expand to.

    >>> broadcast((3, 1), (1, 4))
    (3, 4)
    """
    result = list(max(sizes, key=len))  # type: ignore[arg-type]  # mypy takes the least type that list() needs
    n = len(result)
    for size in sizes:
        shift = n - len(size)
        for i in range(n - 1, shift - 1, -1):  # from the end: the last axis that does not fit is the one that is named
            s = size[i - shift]
            if s != result[i] and s != 1:
                if result[i] != 1:
                    a = max(s, result[i]) if len(sizes) > 2 else result[i]
                    raise RuntimeError(_mismatch(sizes, a, s, i))
                result[i] = s
    return tuple(result)


def _mismatch(sizes: Sequence[Sequence[int]], a: int, b: int, dim: int) -> str:
    if len(sizes) == 2:
        n = max(map(len, sizes))
        a, b = (size[dim - n + len(size)] for size in sizes)
    return f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {dim}"


def infer(size: Sequence[int], count: int) -> tuple[int, ...]:
    """`size` with its single -1 filled in so that it holds `count` elements."""
    size = tuple(map(operator.index, size))
    if -1 not in size:
        if any(s < 0 for s in size):
            raise RuntimeError(f"invalid shape dimension {min(size)}")
        if numel(size) != count:
            raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {count}")
        return size
    known = numel([s for s in size if s != -1])
    if size.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(s < -1 for s in size):
        raise RuntimeError(f"invalid shape dimension {min(size)}")
    if known == 0 and count == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size -1 "
            f"can "
            "be any value and is ambiguous"
        )
    if known == 0 or count % known:
        raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {count}")
    return tuple(count // known if s == -1 else s for s in size)


def view_stride(size: Sequence[int], stride: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """The strides with which `new` looks at the same elements, or None where that needs a copy.

    Runs of axes that lie densely in memory are merged; each run must then be cut exactly by axes of `new`.
    """
    if 0 in new:
        return contiguous_stride(new) if tuple(size) != tuple(new) else tuple(stride)
    runs = _dense_runs(size, stride)
    result = [0] * len(new)
    d = len(new) - 1
    for count, step in reversed(runs):
        while d >= 0 and (count > 1 or new[d] == 1):
            if count % new[d]:
                return None
            result[d] = step
            step *= new[d]
            count //= new[d]
            d -= 1
        if count != 1:
            return None
    while d >= 0:  # what remains are axes of one element
        result[d] = result[d + 1] * new[d + 1] if d + 1 < len(new) else 1
        d -= 1
    return tuple(result)


def _dense_runs(size: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    """(elements, innermost stride) of maximal groups of axes that act as one."""
    runs: list[tuple[int, int]] = []
    for s, q in zip(size, stride, strict=True):
        if s == 1:
            continue
        if runs and runs[-1][1] == s * q:
            runs[-1] = (runs[-1][0] * s, q)
        else:
            runs.append((s, q))
    return runs or [(1, 1)]


def slice_bounds(start: int | None, stop: int | None, length: int) -> tuple[int, int]:
    """Start and stop of a slice over `length` elements with a positive step, clamped as Python clamps them."""
    start, stop = 0 if start is None else operator.index(start), length if stop is None else operator.index(stop)
    start = max(start + length, 0) if start < 0 else min(start, length)
    stop = max(stop + length, 0) if stop < 0 else min(stop, length)
    return start, max(start, stop)
