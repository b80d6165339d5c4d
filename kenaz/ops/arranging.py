"""The same elements in another arrangement: flip, roll, rotate, repeat, pad."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import shape as shapes
from ..core.spec import Spec
from .declare import opaque
from .gathering import index_select
from .masking import checked_number
from .record import composite, number, public
from .views import expand, integers, several


def _native(name: str) -> Any:
    """The field `native` of an operator whose compiled code is a function of `codegen.moves`."""

    def offer(call: Any) -> Any:
        from ..codegen import moves

        return getattr(moves, name)(call)

    return offer


# ----------------------------------------------------------------------------------------------------------------- flip
@opaque(
    lambda x, dims: (x.size, x.dtype), lambda g, y, _x, dims: _flip(g, dims=dims), name="flip", halves=True,
    native=_native("flip"),
)  # fmt: skip
def _flip(xp: Any, x: Any, dims: tuple) -> Any:
    return xp.flip(x, dims) if x.ndim else x.copy()


@composite()
@several("dims")
def flip(input: Tensor, dims: tuple) -> Tensor:
    """The elements in reverse order along axes."""
    return _flip(input, dims=shapes.axes(integers("flip", "dims", dims), input._spec.ndim) if dims else ())


@composite()
def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse order."""
    if input._spec.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@composite()
def flipud(input: Tensor) -> Tensor:
    """The rows in reverse order."""
    if not input._spec.ndim:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


# ----------------------------------------------------------------------------------------------------------- roll, turn
@opaque(
    lambda x, shifts, dims: (x.size, x.dtype), name="roll", halves=True, native=_native("roll"),
    grad=lambda g, y, _x, shifts, dims: _roll(g, shifts=tuple(-s for s in shifts), dims=dims),
)  # fmt: skip
def _roll(xp: Any, x: Any, shifts: tuple, dims: tuple) -> Any:
    return xp.roll(x, shifts, dims) if dims else xp.roll(x, shifts[0])


def _ints(value: Any) -> tuple[int, ...]:
    return tuple(map(operator.index, value)) if isinstance(value, (tuple, list)) else (operator.index(value),)


@composite()
def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """The elements moved along axes; what leaves at one end comes in at the other."""
    shifts, dims = _ints(shifts), _ints(dims)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(dims) != len(shifts) and (dims or len(shifts) != 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    return _roll(input, shifts=shifts, dims=tuple(shapes.axis(d, input._spec.ndim) for d in dims))


def _turned(x: Spec, k: int, dims: tuple) -> tuple:
    size = list(x.size)
    if k % 2:
        size[dims[0]], size[dims[1]] = size[dims[1]], size[dims[0]]
    return tuple(size), x.dtype


@opaque(_turned, lambda g, y, _x, k, dims: _rot90(g, k=-k % 4, dims=dims), name="rot90", halves=True)
def _rot90(xp: Any, x: Any, k: int, dims: tuple) -> Any:
    return xp.rot90(x, k, dims)


@composite()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """The tensor turned k times by 90 degrees in the plane of two axes, from the first towards the second."""
    dims, n = tuple(dims), input._spec.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == n:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return _rot90(input, k=k % 4, dims=tuple(shapes.axis(d, n) for d in dims))


# --------------------------------------------------------------------------------------------------------------- repeat
def _repeat_rule(x: Spec, repeats: tuple) -> tuple:
    lead = len(repeats) - x.ndim
    size = tuple(r * (x.size[i - lead] if i >= lead else 1) for i, r in enumerate(repeats))
    if any(r < 0 for r in repeats):
        wrong = next(s for s in size if s < 0)
        raise RuntimeError(f"Trying to create tensor with negative dimension {wrong}: {list(size)}")
    return size, x.dtype


def _repeat_grad(g: Tensor, y: Any, _x: Spec, repeats: tuple) -> Tensor:
    """Every copy of the input beside the others, and summed over."""
    lead = len(repeats) - _x.ndim
    if 0 in repeats:
        return g.new_zeros(_x.size)
    size: list[int] = []
    folded = []
    for i, r in enumerate(repeats):
        if i < lead or r != 1:
            folded.append(len(size))
            size.append(r)
        if i >= lead:
            size.append(_x.size[i - lead])
    return g.reshape(size).sum(folded) if folded else g


@opaque(_repeat_rule, _repeat_grad, name="repeat", halves=True, native=_native("repeat"))
def _repeat(xp: Any, x: Any, repeats: tuple) -> Any:
    return xp.tile(x, repeats)


@composite("Tensor")
@several("repeats")
def repeat(input: Tensor, repeats: tuple) -> Tensor:
    """Copies of the tensor beside each other, so many along each axis."""
    counts = integers("repeat", "repeats", repeats)
    if len(counts) < input._spec.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    return _repeat(input, repeats=counts)


@composite()
@several("dims")
def tile(input: Tensor, dims: tuple) -> Tensor:
    """Copies of the tensor beside each other; missing counts in front are ones."""
    counts = integers("tile", "dims", dims)
    return _repeat(input, repeats=(1,) * (input._spec.ndim - len(counts)) + counts)


@composite()
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element, or slice along `dim`, so many times in a row."""
    if repeats is None:
        return Tensor._from_array(_repeated(input))
    if not isinstance(repeats, (int, Tensor)) or isinstance(repeats, bool):
        raise TypeError(
            "repeat_interleave() received an invalid combination of arguments - got "
            f"({type(repeats).__name__}), but expected one of:\n * (Tensor repeats, int dim = None, *, int "
            "output_size = None)\n"
            " * (int repeats, int dim = None, *, int output_size = None)\n"
        )
    if dim is None:
        input, dim = input.flatten(), 0
    d = shapes.axis(operator.index(dim), input._spec.ndim)
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        size = input._spec.size or (1,)
        wide = expand(input.reshape(size).unsqueeze(d + 1), (*size[: d + 1], repeats, *size[d + 1 :]))
        return wide.clone().flatten(d, d + 1)
    n = input._spec.size[d]
    if repeats._spec.numel == 1:
        repeats = expand(repeats.reshape(1), n)
    if repeats._spec.numel != n:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats._spec.numel} and "
            f"input.size({d}) = {n}"
        )
    return index_select(input, d, Tensor._from_array(_repeated(repeats)))


def _repeated(repeats: Tensor) -> np.ndarray:
    counts = repeats._array()
    if counts.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if counts.dtype.kind not in "iu" or counts.dtype.itemsize < 4:
        raise RuntimeError("repeats has to be Long or Int tensor")
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return np.repeat(np.arange(len(counts), dtype=repeats.dtype.np), counts)


# ------------------------------------------------------------------------------------------------------------------ pad
def _pad_rule(x: Spec, value: Any, pad: tuple) -> tuple:
    size = list(x.size)
    for i in range(len(pad) // 2):
        size[-1 - i] += pad[2 * i] + pad[2 * i + 1]
        if size[-1 - i] < 0:
            raise RuntimeError(
                f"The input size {x.size[-1 - i]}, plus negative padding {pad[2 * i]} and {pad[2 * i + 1]} resulted "
                "in a "
                "negative output size, which is invalid. Check dimension "
                f"{x.ndim - 1 - i} of your input."
            )
    return tuple(size), x.dtype


@opaque(
    _pad_rule, name="constant_pad_nd", halves=True, native=_native("pad"),
    grad=(lambda g, y, _x, _value, pad: _constant_pad(g, 0, pad=tuple(-p for p in pad)), None),
)  # fmt: skip
def _constant_pad(xp: Any, x: Any, value: Any, pad: tuple) -> Any:
    size, inside, source = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for i in range(len(pad) // 2):
        before, after, n = pad[2 * i], pad[2 * i + 1], x.shape[-1 - i]
        size[-1 - i] += before + after
        inside[-1 - i] = slice(max(before, 0), max(before, 0) + max(n + min(before, 0) + min(after, 0), 0))
        source[-1 - i] = slice(max(-before, 0), max(n + min(after, 0), max(-before, 0)))
    out = xp.full(tuple(size), value, x.dtype) if value else xp.zeros(tuple(size), x.dtype)
    out[tuple(inside)] = x[tuple(source)]
    return out


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """The last axes enlarged with a constant (cut where `pad` is negative); `pad` begins with the last axis."""
    pad = _ints(tuple(pad))
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input._spec.ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)}while the input has {input._spec.ndim}dimensions."
        )
    return _constant_pad(input, checked_number(number(value), input._spec.dtype), pad=pad)


public(constant_pad_nd)
