"""What PyTorch says of wrong arguments to pooling, unfold and fold; and the windows of right ones.

Messages differ from function to function in PyTorch, so that each check here belongs to one message.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from ..core.dtype import COMPLEX, FLOAT, dtype, int64, scalar_name
from .declare import Spec
from .windows import Ints, Window, conv_size, pool_size

_WORDS = {2: "two", 3: "three"}
_AXES = {2: ("H", "W"), 3: ("T", "H", "W")}
_TEMPLATES = {"max_pool3d": "max_pool3d_with_indices_out_cpu_template", "avg_pool3d": "avg_pool3d"}


# ------------------------------------------------------------------------------------------------------ sliding windows
@functools.lru_cache(4096)
def pool_window(
    name: str, x: Spec, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints | None, ceil_mode: bool
) -> Window:
    """Where the windows of a pooling over two or three axes lie, or PyTorch's error; averages have no dilation."""
    axes = int(name[-2])
    kernel = _spread(name, "kernel_size", kernel, axes)
    stride = _spread(name, "stride", stride, axes) if stride else kernel
    padding = _spread(name, "padding", padding, axes)
    spaced = (1,) * axes if dilation is None else _spread(name, "dilation", dilation, axes)
    _check_ndim(name, x, axes)
    size = x.size[x.ndim - axes :]
    for k, s, p, d in zip(kernel, stride, padding, spaced, strict=True):
        _check_axis(k, s, p, d)
    _check_positive(kernel, stride, spaced, axes)
    _check_not_empty(name, x, axes)
    _check_half(kernel, padding, axes)
    if name == "avg_pool3d" and any(n < k for n, k in zip(size, kernel, strict=True)):
        raise RuntimeError(f"input image ({_named('', size)}) smaller than kernel size ({_named('k', kernel)})")
    out = pool_size(size, kernel, stride, padding, spaced, ceil_mode)
    if min(out) < 1:
        channels = x.size[-axes - 1]
        raise RuntimeError(
            f"Given input size: ({_by((channels, *size))}). Calculated output size: ({_by((channels, *out))}). "
            "Output size is too small"
        )
    return Window(size, kernel, stride, padding, spaced, out)


def _spread(name: str, what: str, value: Ints, axes: int) -> Ints:
    if len(value) == axes:
        return value
    if len(value) == 1:
        return value * axes
    if name == "avg_pool3d":
        must = "must be omitted," if what == "stride" else "must be"
    elif what == "dilation":
        must = "must be either"
    else:
        must = "must either be omitted," if what == "stride" else "must either be"
    raise RuntimeError(f"{name}: {what} {must} a single int, or a tuple of {_WORDS[axes]} ints")


def _check_ndim(name: str, x: Spec, axes: int) -> None:
    if name == "avg_pool2d":
        if x.ndim < 3:
            n = max(x.ndim, 1)
            raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}], but got -3)")
        if x.ndim > 4:
            raise _expected_batch(x)
    elif x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(f"non-empty {axes + 1}D or {axes + 2}D (batch mode) tensor expected for input")


def _expected_batch(x: Spec) -> RuntimeError:
    return RuntimeError(
        f"Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:{list(x.size)}"
    )


def _check_axis(kernel: int, stride: int, padding: int, dilation: int) -> None:
    if stride == 0:
        raise RuntimeError("stride should not be zero")
    if padding < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {padding}")
    if padding > math.trunc(((kernel - 1) * dilation + 1) / 2):
        raise RuntimeError(
            f"pad should be at most half of effective kernel size, but got pad={padding}, kernel_size={kernel} and "
            f"dilation={dilation}"
        )


def _check_positive(kernel: Ints, stride: Ints, dilation: Ints, axes: int) -> None:
    for what, letter, values in (
        ("kernel size", "k", kernel),
        ("stride", "d", stride),
        ("dilation", "dilation", dilation),
    ):
        if min(values) <= 0:
            raise RuntimeError(f"{what} should be greater than zero, but got {_named(letter, values)}")


def _named(prefix: str, values: Ints) -> str:
    return " ".join(f"{prefix}{axis}: {v}" for axis, v in zip(_AXES[len(values)], values, strict=True))


def _check_not_empty(name: str, x: Spec, axes: int) -> None:
    if all(x.size[x.ndim - axes - 1 :]):
        return
    if axes == 2:
        raise _expected_batch(x)
    raise RuntimeError(
        f"{_TEMPLATES[name]}(): Expected input's non-batch dimensions to have positive length, but input has a "
        f"shape of {list(x.size)} and non-batch dimension 0 has length zero!"
    )


def _check_half(kernel: Ints, padding: Ints, axes: int) -> None:
    if all(p <= k // 2 for p, k in zip(padding, kernel, strict=True)):
        return
    told = "pad should be smaller than or equal to half of kernel size, but got "
    if axes == 2:
        (kh, kw), (ph, pw) = kernel, padding
        raise RuntimeError(f"{told}padW = {pw}, padH = {ph}, kW = {kw}, kH = {kh}")
    (kt, kh, kw), (pt, ph, pw) = kernel, padding
    raise RuntimeError(f"{told}kT: {kt} kW: {kw} kH: {kh} padT: {pt} padW: {pw} padH: {ph}")


@functools.lru_cache(4096)
def check_max_pool1d(x: Spec, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool) -> None:
    """Raise what `max_pool1d` says where it does not return indices."""
    at = "max_pool1d()"
    if x.ndim not in (2, 3) or not all(x.size[1:] if x.ndim == 3 else x.size):
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(x.size)}"
        )
    for what, value in (("kernel_size", kernel), ("stride", stride), ("padding", padding), ("dilation", dilation)):
        if len(value) > 1 or not value and what != "stride":
            kind = "None, an int, list of ints, or" if what == "stride" else "an int, list of ints or"
            raise RuntimeError(f"{at} {what} must be {kind} tuple of ints of size 1 but got size {len(value)}")
    stride = stride or kernel
    for what, (number,) in (("kernel_size", kernel), ("stride", stride)):
        if number <= 0:
            raise RuntimeError(f"{at} {what} must be greater than zero, but got {number}")
    if padding[0] < 0:
        raise RuntimeError(f"{at} padding must be non-negative, but got {padding[0]}")
    if padding[0] > kernel[0] // 2:
        raise RuntimeError(
            f"{at} padding should be at most half of kernel size, but got padding={padding[0]} and "
            f"kernel_size={kernel[0]}"
        )
    if dilation[0] <= 0:
        raise RuntimeError(f"{at} dilation must be greater than zero, but got {dilation[0]}")
    (out,) = pool_size(x.size[-1:], kernel, stride, padding, dilation, ceil_mode)
    if out <= 0:
        raise RuntimeError(f"{at} Invalid computed output size: {out}")


def check_signal(name: str, x: Spec, **numbers: Ints) -> None:
    """Raise unless x is a signal (N, C, L) or (C, L), and each of the numbers is one."""
    for what, value in numbers.items():
        if len(value) != 1 and (what != "stride" or value):
            raise RuntimeError(f"{name}() argument '{what}' should contain one int (got {len(value)})")
    if x.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 'self' "
            f"(while checking arguments for {name})"
        )


def check_dtype(name: str, d: dtype, kinds: tuple = (FLOAT,), also: tuple = ()) -> None:
    """Raise PyTorch's error unless the dtype is of the kinds or among those allowed too."""
    if d.kind not in kinds and d not in also:
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(d)}'")


def _by(size: Ints) -> str:
    return "x".join(map(str, size))


# -------------------------------------------------------------------------------------------------------- other pooling
def check_adaptive_average(x: Spec, out: Ints, axes: int) -> None:
    name = f"adaptive_avg_pool{axes}d"
    if len(out) != axes:
        raise RuntimeError(f"{name}: output_size must be {axes}")
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(f"{name}(): Expected {axes + 1}D or {axes + 2}D tensor, but got {list(x.size)}")
    if min(out) < 0:
        told = f"{out[0]}, {out[1]}" + "".join(f",{n}" for n in out[2:])
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {{{told}}}"
        )
    _check_filled(name, x, x.ndim - axes)


def check_adaptive_max(x: Spec, out: Ints, axes: int) -> None:
    name = f"adaptive_max_pool{axes}d"
    if len(out) != axes:
        raise RuntimeError(f"{name}(): internal error: output_size.size() must be {axes}")
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(f"{name}(): Expected {axes + 1}D or {axes + 2}D tensor, but got: {list(x.size)}")
    _check_filled(name, x, 1)
    if min(out) < 0:
        size = [*x.size[: x.ndim - axes], *out]
        raise RuntimeError(f"Trying to create tensor with negative dimension {next(n for n in out if n < 0)}: {size}")
    check_dtype(name + "_cpu" * (axes == 3), x.dtype)


def _check_filled(name: str, x: Spec, first: int) -> None:
    """Raise where one of the axes from `first` on has no elements."""
    for axis in range(first, x.ndim):
        if x.size[axis] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(x.size)} with dimension {axis} being empty"
            )


def check_adaptive_max1d(x: Spec, out: Ints) -> None:
    check_signal("adaptive_max_pool1d", x, output_size=out)
    _check_filled("adaptive_max_pool1d", x, 1)


def check_unpool(x: Spec, indices: Spec, out: Ints, stride: Ints | None) -> None:
    """Raise what `max_unpool2d` and, if there is a stride, `max_unpool3d` say."""
    axes = 2 if stride is None else 3
    if indices.dtype is not int64:
        got = f" but got: {scalar_name(indices.dtype)}" if axes == 2 else ""
        raise RuntimeError(f"elements in indices should be type int64{got}")
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Input to max_unpooling{axes}d should be a {axes + 1}d or {axes + 2}d Tensor, but got a tensor with "
            f"{x.ndim} dimensions."
        )
    if stride is not None and min(stride) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(stride)}")
    if x.size != indices.size:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(x.size)}) but got indices tensor "
            f"with shape: {list(indices.size)}"
        )
    for axis in range(1, x.ndim):
        if x.size[axis] == 0:
            raise RuntimeError(
                f"max_unpooling{axes}d_forward_out_cpu(): Expected input to have non-zero size for non-batch "
                f"dimensions, but got {list(x.size)} with dimension {axis} being empty."
            )
    check_dtype(f"max_unpool{axes}d", x.dtype)


def check_fractional(x: Spec, samples: Spec, kernel: Ints, out: Ints, axes: int) -> None:
    name = f"fractional_max_pool{axes}d"
    for what, value in (("kernel_size", kernel), ("output_size", out)):
        if len(value) != axes:
            raise RuntimeError(f"{name}: {what} must either be a single Int or tuple of Ints")
    if samples.dtype is not x.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    for axis in range(x.ndim - axes - 1, x.ndim):
        if x.size[axis] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but got{list(x.size)} with "
                f"dimension {axis} being empty."
            )
    if samples.size[1] != x.size[x.ndim - axes - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.size[2] != axes:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {axes}; got {samples.size[2]}.")
    words = ("time", "height", "width")[-axes:]
    for word, n, k, o in zip(words, x.size[x.ndim - axes :], kernel, out, strict=True):
        if o + k - 1 > n - (axes == 3):  # PyTorch's three-dimensional check is the stricter one
            raise RuntimeError(
                f"{name}{'_out' * (axes == 3)}(): pool {word} {k} too large relative to input {word} {n}"
            )
    check_dtype(f"{name}_out_frame", x.dtype)


# ------------------------------------------------------------------------------------------------------ unfold and fold
def unfold_window(x: Spec, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Window:
    """The windows of `unfold`, or PyTorch's error."""
    if x.ndim < 3:
        n = max(x.ndim, 1)
        raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}], but got 2)")
    kernel, dilation, padding, stride = _check_blocks(kernel, dilation, padding, stride)
    if x.ndim > 4 or not all(x.size[x.ndim - 3 :]):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(x.size)}"
        )
    size = x.size[-2:]
    out = conv_size(size, kernel, stride, padding, dilation)
    if min(out) < 1:
        raise RuntimeError(
            f"Given input with spatial size {tuple(size)}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {out}, but its "
            "components must be at least one."
        )
    check_dtype("im2col_out_cpu", x.dtype, (0, FLOAT, COMPLEX))
    return Window(size, kernel, stride, padding, dilation, out)


def fold_window(columns: Spec, size: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Window:
    """The windows of `fold`, or PyTorch's error."""
    if len(size) != 2:
        raise RuntimeError(f"It is expected output_size equals to 2, but got size {len(size)}")
    kernel, dilation, padding, stride = _check_blocks(kernel, dilation, padding, stride)
    if columns.ndim not in (2, 3) or not all(columns.size[columns.ndim - 2 :]):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(columns.size)}"
        )
    at = columns.ndim - 2
    if columns.size[at] % math.prod(kernel):
        raise RuntimeError(
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={columns.size[at]} and kernel_size={kernel}."
        )
    out = conv_size(size, kernel, stride, padding, dilation)
    if math.prod(out) != columns.size[at + 1] or min(out) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}, "
            f"expected size of input's dimension 2 to match the calculated number of sliding blocks {out[0]} * "
            f"{out[1]} = {math.prod(out)}, but got input.size(2)={columns.size[at + 1]}."
        )
    check_dtype("col2im_out_cpu", columns.dtype, (0, FLOAT, COMPLEX))
    return Window(size, kernel, stride, padding, dilation, out)


def _check_blocks(kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    for what, value in (("kernel_size", kernel), ("dilation", dilation), ("padding", padding), ("stride", stride)):
        if len(value) != 2:
            raise RuntimeError(f"It is expected {what} equals to 2, but got size {len(value)}")
    for what, word, value in (("kernel size", "kernel", kernel), ("stride", "stride", stride)):
        if min(value) <= 0:
            raise RuntimeError(f"{what} should be greater than zero, but got {_sides(word, value)}")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {_sides('dilation', dilation)}")
    if min(padding) < 0:
        raise RuntimeError(f"padding should be non-negative, but got {_sides('pad', padding)}")
    return kernel, dilation, padding, stride


def _sides(word: str, value: Any) -> str:
    return f"{word}_height: {value[0]} {word}_width: {value[1]}"
