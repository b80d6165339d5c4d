"""Convolutions: one product of matrices over columns (windows.py), forward, backward and transposed.

The three kernels are each other's derivatives, which is all that higher derivatives need:

    y = conv(x, w)             dx = conv_input(g, w)      dw = conv_weight(x, g)
    x = conv_input(y, w)       dy = conv(g, w)            dw = conv_weight(g, y)      (a transposed convolution)
    w = conv_weight(x, y)      dx = conv_input(y, g)      dy = conv(x, g)

First the kernels, then what they are made of, the operators, PyTorch's functions, and the checks of their arguments.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from ..core.dtype import bool_, scalar_name
from ..core.shape import contiguous_stride
from .declare import Spec, Tensor, opaque
from .precision import lower
from .precision import state as precision
from .record import public
from .windows import Columns, Ints, Tile, Window, as_ints, conv_size, inside, pad, taps, transposed_size


# -------------------------------------------------------------------------------------------------------------- kernels
def conv(xp: Any, x: Any, w: Any, bias: Any, window: Window, groups: int) -> Any:
    """The convolution of (N, C, *size) with (O, C / groups, *kernel): (N, O, *out)."""
    if 0 in x.shape or 0 in w.shape:
        result = xp.zeros((len(x), len(w), *window.out), x.dtype)
        return result if bias is None else result + _as_rows(bias, len(window.out))
    special = _special_case(x.shape[1], w, window, groups)
    if special:
        result = special(xp, x, w, window, groups)
        return result if bias is None else _add(result, _as_rows(bias, len(window.out)))
    result = xp.empty((len(x), len(w), *window.out), x.dtype)
    x, window = x.reshape(*x.shape[:2], *window.with_two_axes().size), window.with_two_axes()
    into = result.reshape(len(x), len(w), *window.out)
    columns = Columns(xp, x.shape, x.dtype, window)
    weight = w.reshape(groups, len(w) // groups, -1)
    for tile in columns.tiles():
        matrix = columns.gather(x, tile).reshape(groups, columns.rows // groups, -1)
        whole = columns.is_whole(tile)
        place = into[tile.first].reshape(groups, len(w) // groups, -1) if whole else None
        rows = xp.matmul(weight, matrix, out=place)
        if bias is not None:
            rows += bias.reshape(groups, -1, 1)
        if not whole:
            _tile_of(into, tile)[...] = _unturned(rows, len(w), tile, window.out)
    return result


def conv_input(xp: Any, y: Any, w: Any, window: Window, groups: int) -> Any:
    """The gradient of `conv` with respect to its input, which is also the transposed convolution of y."""
    channels = w.shape[1] * groups
    if 0 in y.shape or 0 in w.shape:
        return xp.zeros((len(y), channels, *window.size), y.dtype)
    special = _special_case(channels, w, window, groups, backward=True)
    if special:
        return special(xp, y, w, window, groups)
    turned = tuple(d * (k - 1) - p for k, p, d in zip(window.kernel, window.padding, window.dilation, strict=True))
    if max(window.stride) == 1 and min(turned) >= 0 and len(w) <= 2 * channels:
        # with stride 1 the gradient is a convolution too, and gathering its columns beats scattering them
        swapped = window._replace(size=window.out, out=window.size, padding=turned)
        return conv(xp, y, _turned_weight(xp, w, groups), None, swapped, groups)
    result = xp.zeros((len(y), channels, *window.size), y.dtype)
    window = window.with_two_axes()
    into, y = result.reshape(len(y), channels, *window.size), y.reshape(*y.shape[:2], *window.out)
    columns = Columns(xp, into.shape, y.dtype, window)
    weight = w.reshape(groups, len(w) // groups, -1).transpose(0, 2, 1)
    for tile in columns.tiles():
        matrix = xp.matmul(weight, _turned(xp, y, tile).reshape(groups, len(w) // groups, -1))
        columns.scatter(matrix, into, tile)
    return result


def conv_weight(xp: Any, x: Any, y: Any, window: Window, groups: int) -> Any:
    """The gradient of `conv` with respect to its weight, where y is the gradient of its result."""
    shape = (y.shape[1], x.shape[1] // groups, *window.kernel)
    if 0 in x.shape or 0 in y.shape:
        return xp.zeros(shape, x.dtype)
    window = window.with_two_axes()
    x, y = x.reshape(*x.shape[:2], *window.size), y.reshape(*y.shape[:2], *window.out)
    columns = Columns(xp, x.shape, x.dtype, window)
    result: Any = None
    for tile in columns.tiles():
        matrix = columns.gather(x, tile).reshape(groups, columns.rows // groups, -1).transpose(0, 2, 1)
        part = xp.matmul(_turned(xp, y, tile).reshape(groups, shape[0] // groups, -1), matrix)
        result = part if result is None else _add(result, part)
    return result.reshape(shape)


# ----------------------------------------------------------------------------------------------------- parts of kernels
def _tile_of(y: Any, tile: Tile) -> Any:
    return y[tile.first : tile.last, :, tile.top : tile.bottom]


def _turned(xp: Any, y: Any, tile: Tile) -> Any:
    """A tile of a result as its matrix (channel, row and image and place)."""
    return xp.ascontiguousarray(_tile_of(y, tile).transpose(1, 2, 0, *range(3, y.ndim)))


def _unturned(rows: Any, channels: int, tile: Tile, out: Ints) -> Any:
    """A matrix (channel, row and image and place) as a tile of a result."""
    part = rows.reshape(channels, tile.bottom - tile.top, tile.last - tile.first, *out[1:])
    return part.transpose(2, 0, 1, *range(3, part.ndim))


def _as_rows(bias: Any, axes: int) -> Any:
    return bias.reshape(-1, *(1,) * axes)


def _add(x: Any, y: Any) -> Any:
    x += y
    return x


def _turned_weight(xp: Any, w: Any, groups: int) -> Any:
    """The weight that takes results back to inputs: channels exchanged within each group, taps reversed."""
    grouped = w.reshape(groups, len(w) // groups, *w.shape[1:]).swapaxes(1, 2)
    reverse = (slice(None, None, -1),) * (w.ndim - 2)
    return xp.ascontiguousarray(grouped[(..., *reverse)]).reshape(groups * w.shape[1], -1, *w.shape[2:])


def _special_case(channels: int, w: Any, window: Window, groups: int, backward: bool = False) -> Any:
    if math.prod(window.kernel) == 1 and window.is_inside():
        return _pointwise_input if backward else _conv_pointwise
    if groups == channels == len(w) and groups > 1:
        return _depthwise_input if backward else _conv_depthwise
    return None


# A kernel of one element mixes channels only: a product of matrices without columns.
def _conv_pointwise(xp: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    x = xp.ascontiguousarray(x[(..., *_every(window.stride, window.out))])
    y = xp.matmul(w.reshape(groups, len(w) // groups, -1), x.reshape(len(x), groups, w.shape[1], -1))
    return y.reshape(len(x), len(w), *window.out)


def _pointwise_input(xp: Any, y: Any, w: Any, window: Window, groups: int) -> Any:
    weight = w.reshape(groups, len(w) // groups, -1).transpose(0, 2, 1)
    x = xp.matmul(weight, xp.ascontiguousarray(y).reshape(len(y), groups, len(w) // groups, -1))
    x = x.reshape(len(y), -1, *window.out)
    if window.out == window.size:
        return x
    result = xp.zeros((*x.shape[:2], *window.size), x.dtype)
    result[(..., *_every(window.stride, window.out))] = x
    return result


def _every(stride: Ints, count: Ints) -> Iterator[slice]:
    """Slices of `count` places, `stride` apart."""
    return (slice(None, (o - 1) * s + 1, s) for o, s in zip(count, stride, strict=True))


# A depthwise convolution has nothing to multiply as matrices: it adds up the shifted input, a few channels at a time so
# that the sum stays in the cache.
BLOCK_ELEMENTS = 1 << 16


def _blocks(x: Any, elements: int) -> Iterator[tuple[int, slice]]:
    """Each image and some of its channels, together about BLOCK_ELEMENTS of `elements` each."""
    step = max(1, BLOCK_ELEMENTS // max(1, elements))
    return product(range(len(x)), (slice(c, c + step) for c in range(0, x.shape[1], step)))


def _conv_depthwise(xp: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    size, padding = window.size, window.padding
    result = xp.empty((*x.shape[:2], *window.out), x.dtype)
    weight, phases = w.reshape(len(w), -1), _Phases(window)
    after = tuple(q * s - p - n for q, s, p, n in zip(phases.size, window.stride, padding, size, strict=True))
    for image, channels in _blocks(x, math.prod(size)):
        block = pad(xp, x[image, channels], padding, after)
        planes = {phase: xp.ascontiguousarray(phases.of(block, phase)) for phase in phases.shifts}
        terms = [
            (planes[phase], shift, weight[channels, tap]) for phase in planes for tap, shift in phases.shifts[phase]
        ]
        result[image, channels] = _add_shifted(xp, terms, window.out)
    return result


def _depthwise_input(xp: Any, y: Any, w: Any, window: Window, groups: int) -> Any:
    result = xp.empty((*y.shape[:2], *window.size), y.dtype)
    weight, phases = w.reshape(len(w), -1), _Phases(window)
    after = tuple(q - o for q, o in zip(phases.size, window.out, strict=True))
    for image, channels in _blocks(y, math.prod(window.size)):
        part = xp.ascontiguousarray(pad(xp, y[image, channels], phases.most, after))
        block = xp.zeros((len(part), *(q * s for q, s in zip(phases.size, window.stride, strict=True))), y.dtype)
        for phase, shifts in phases.shifts.items():
            terms = [
                (part, tuple(m - n for m, n in zip(phases.most, shift, strict=True)), weight[channels, tap])
                for tap, shift in shifts
            ]
            phases.of(block, phase)[...] = _add_shifted(xp, terms, phases.size)
        result[image, channels] = inside(block, window.padding, window.size)
    return result


class _Phases:
    """A padded plane with stride s as s planes an axis, on each of which a tap is a shift by whole places.

    size: of each plane; shifts: for each phase its (number of the tap, shift); most: the largest shift along each axis.
    """

    def __init__(self, window: Window):
        _, kernel, stride, _, dilation, _ = window
        self.stride = stride
        self.size = tuple(-(-n // s) for n, s in zip(window.padded(), stride, strict=True))
        self.most = tuple((k - 1) * d // s for k, d, s in zip(kernel, dilation, stride, strict=True))
        self.shifts: dict[Ints, list[tuple[int, Ints]]] = {}
        for i, tap in enumerate(taps(kernel)):
            phase = tuple(t * d % s for t, d, s in zip(tap, dilation, stride, strict=True))
            shift = tuple(t * d // s for t, d, s in zip(tap, dilation, stride, strict=True))
            self.shifts.setdefault(phase, []).append((i, shift))

    def of(self, block: Any, phase: Ints) -> Any:
        return block[(..., *(slice(f, None, s) for f, s in zip(phase, self.stride, strict=True)))]


def _add_shifted(xp: Any, terms: list[tuple[Any, Ints, Any]], out: Ints) -> Any:
    """The sum of (planes, shift, factor for each plane): as flat planes, so that a run is a plane and not a row."""
    first = terms[0][0]
    steps = contiguous_stride(first.shape[1:])
    length = 1 + sum((o - 1) * q for o, q in zip(out, steps, strict=True))
    flat = xp.empty((len(first), out[0] * steps[0]), first.dtype)
    total, part = flat[:, :length], xp.empty((len(first), length), first.dtype)
    for i, (planes, shift, factor) in enumerate(terms):
        start = sum(n * q for n, q in zip(shift, steps, strict=True))
        view = planes.reshape(len(planes), -1)[:, start : start + length]
        xp.multiply(view, factor[:, None], out=part if i else total)
        if i:
            total += part
    return inside(flat.reshape(len(first), out[0], *first.shape[2:]), (0,) * len(out), out)


# ------------------------------------------------------------------------------------------------------------ operators
def _convolve_rule(x: Spec, w: Spec, bias: Any, window: Window, groups: int) -> tuple:
    return (x.size[0], w.size[0], *window.out), x.dtype


def _transposed_rule(y: Spec, w: Spec, bias: Any, window: Window, groups: int) -> tuple:
    return (y.size[0], w.size[1] * groups, *window.size), y.dtype


def _weight_rule(x: Spec, y: Spec, window: Window, groups: int) -> tuple:
    return (y.size[1], x.size[1] // groups, *window.kernel), x.dtype


def _conj(x: Any) -> Any:
    return x.conj() if x.dtype.is_complex else x


def _bias_gradient(g: Any) -> Any:
    return g.sum((0, *range(2, g.ndim)))


def _conv_transposed(xp: Any, y: Any, w: Any, bias: Any, window: Window, groups: int) -> Any:
    result = conv_input(xp, y, w, window, groups)
    return result if bias is None else result + _as_rows(bias, len(window.size))


def _native(name: str) -> Callable:
    """The function that makes a call's routine, for planes or for volumes; LLVM loads with the first one."""

    def routine(call: Any) -> Any:
        from ..codegen import conv, volumes

        return getattr(volumes if len(call.attributes["window"].size) == 3 else conv, name)(call)

    return routine


# a rule for each input, so that only what it reads is kept
_convolve: Any = opaque(
    _convolve_rule,
    (
        lambda g, y, _x, w, _b, window, groups: _transposed(g, _conj(w), None, window=window, groups=groups),
        lambda g, y, x, _w, _b, window, groups: _weight_gradient(_conj(x), g, window=window, groups=groups),
        lambda g, y, _x, _w, _b, window, groups: _bias_gradient(g),
    ),
    name="convolution",
    native=_native("forward"),
)(conv)
_transposed: Any = opaque(
    _transposed_rule,
    (
        lambda g, x, _y, w, _b, window, groups: _convolve(g, _conj(w), None, window=window, groups=groups),
        lambda g, x, y, _w, _b, window, groups: _weight_gradient(g, _conj(y), window=window, groups=groups),
        lambda g, x, _y, _w, _b, window, groups: _bias_gradient(g),
    ),
    name="convolution_transposed",
    native=_native("input_gradient"),
    grad_name="ConvolutionBackward0",
)(_conv_transposed)
_weight_gradient: Any = opaque(
    _weight_rule,
    (
        lambda g, w, _x, y, window, groups: _transposed(y, _conj(g), None, window=window, groups=groups),
        lambda g, w, x, _y, window, groups: _convolve(_conj(x), g, None, window=window, groups=groups),
    ),
    name="convolution_weight",
    native=_native("weight_gradient"),
    grad_name="ConvolutionBackwardBackward0",
)(conv_weight)


# ------------------------------------------------------------------------------------------------- PyTorch's functions
@public
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The cross-correlation of a signal (N, C, L) or (C, L) with `weight` (O, C / groups, K).

    >>> conv1d(torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 1, 2))
    tensor([[3., 5.]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@public
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The cross-correlation of images (N, C, H, W) or (C, H, W) with `weight` (O, C / groups, KH, KW).

    >>> conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding="same")
    tensor([[[[4., 6., 4.],
              [6., 9., 6.],
              [4., 6., 4.]]]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@public
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The cross-correlation of volumes (N, C, D, H, W) or (C, D, H, W) with `weight` (O, C / groups, KD, KH, KW)."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@public
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed convolution of a signal: the gradient of `conv1d` with respect to its input.

    >>> conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.ones(1, 1, 2), stride=2)
    tensor([[1., 1., 2., 2.]])
    """
    return _conv("conv_transpose1d", 1, input, weight, bias, stride, padding, dilation, groups, output_padding)


@public
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed convolution of images: the gradient of `conv2d` with respect to its input."""
    return _conv("conv_transpose2d", 2, input, weight, bias, stride, padding, dilation, groups, output_padding)


@public
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed convolution of volumes: the gradient of `conv3d` with respect to its input."""
    return _conv("conv_transpose3d", 3, input, weight, bias, stride, padding, dilation, groups, output_padding)


@public
def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """The convolution, or transposed convolution, of a batch over as many axes as the weight has."""
    specs = _specs("convolution", input, weight, bias)
    if weight.ndim != input.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {list(weight.shape)}, "
            f"but got {input.ndim}-dimensional input of size {list(input.shape)} instead"
        )
    added = as_ints(output_padding) if transposed else None
    window = _window(*specs, as_ints(stride), as_ints(padding), as_ints(dilation), groups, added)
    return (_transposed if transposed else _convolve)(input, weight, bias, window=window, groups=groups)


@public
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` of (time, batch, channels) with `weight` (K, C, O)."""
    result: Any = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return result.permute(2, 0, 1)


def _conv(
    name: str, axes: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    groups: int, output_padding: Any = None,
) -> Tensor:  # fmt: skip
    if precision.on:
        input, weight, bias = lower(input, weight, bias)
    x, w, b = _specs(name, input, weight, bias)
    if b is not None and b.dtype is not x.dtype and output_padding is None:
        raise RuntimeError(
            f"Input type ({_C_NAMES[x.dtype.name]}) and bias type ({_C_NAMES[b.dtype.name]}) should be the same"
        )
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, but got input of size: "
            f"{list(x.size)}"
        )
    one = x.ndim == axes + 1
    if one:
        input = input.unsqueeze(0)
    padding = padding if type(padding) is str else _filled(padding, axes)
    added = None if output_padding is None else _filled(output_padding, axes)
    window = _window(input._spec, w, b, _filled(stride, axes), padding, _filled(dilation, axes), groups, added)
    result = (_convolve if added is None else _transposed)(input, weight, bias, window=window, groups=groups)
    return result.squeeze(0) if one else result


# --------------------------------------------------------------------------------------------------------------- checks
_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int",
    "int64": "long int", "uint16": "short unsigned int", "uint32": "unsigned int", "uint64": "long unsigned int",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def _filled(value: Any, axes: int) -> Ints:
    return (value,) * axes if type(value) is int else as_ints(value)


def _specs(name: str, input: Any, weight: Any, bias: Any) -> tuple[Spec, Spec, Spec | None]:
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor) or not isinstance(bias, Tensor | None):
        given = [type(v).__name__ for v in (input, weight, bias)][: 2 if bias is None else 3]
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({', '.join(given)}), but expected one of:\n"
            " * (Tensor input, Tensor weight, Tensor bias = None, tuple of ints stride = 1, ...)"
        )
    return input._spec, weight._spec, None if bias is None else bias._spec


@functools.lru_cache(4096)
def _window(
    x: Spec, w: Spec, bias: Spec | None, stride: Ints, padding: Ints | str, dilation: Ints, groups: int,
    output_padding: Ints | None,
) -> Window:  # fmt: skip
    """Where the windows of a convolution lie, or PyTorch's error; transposed if there is an output padding."""
    axes, kernel, size = w.ndim - 2, w.size[2:], x.size[2:]
    if axes < 1:
        raise RuntimeError("weight should have at least three dimensions")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if isinstance(padding, str):
        return _named_window(x, w, bias, stride, padding, dilation, groups)
    stride, dilation = _for_axes("stride", stride, axes), _for_axes("dilation", dilation, axes)
    padding = _for_axes("padding", padding, axes)
    added = None if output_padding is None else _for_axes("output_padding", output_padding, axes)
    _check_numbers(stride, padding, dilation, added)
    _check_sizes(x, w, bias, groups, added is not None)
    if added is None:
        _check_kernel(size, kernel, padding, dilation)
        out = conv_size(size, kernel, stride, padding, dilation)
        return Window(size, kernel, stride, padding, dilation, out)
    _check_output_padding(added, stride, dilation)
    out = transposed_size(size, kernel, stride, padding, dilation, added)
    if min(out) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({_by(size)}). Calculated output size per channel: ({_by(out)}). "
            "Output size is too small"
        )
    return Window(out, kernel, stride, padding, dilation, size)


def _named_window(
    x: Spec, w: Spec, bias: Spec | None, stride: Ints, padding: str, dilation: Ints, groups: int
) -> Window:
    """The windows of padding "valid" (none) and "same" (as many windows as elements; an odd element goes behind)."""
    kernel, size = w.size[2:], x.size[2:]
    if padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if w.ndim != x.ndim:
        raise RuntimeError(
            f"Expected {w.ndim}-dimensional input for {w.ndim}-dimensional weight{list(w.size)}, but got "
            f"{x.ndim}-dimensional input of size {list(x.size)} instead"
        )
    if padding == "valid":
        return _window(x, w, bias, stride, (0,), dilation, groups, None)
    stride, dilation = _for_axes("stride", stride, len(size)), _for_axes("dilation", dilation, len(size))
    if set(stride) != {1}:
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    before = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    _check_numbers(stride, before, dilation, None)
    _check_sizes(x, w, bias, groups, False)
    if any(d * (k - 1) % 2 for d, k in zip(dilation, kernel, strict=True)):
        warnings.warn(
            "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of the "
            "input be created",
            stacklevel=5,
        )
    return Window(size, kernel, stride, before, dilation, size)


def _for_axes(name: str, value: Ints, axes: int) -> Ints:
    """One number for each axis, or PyTorch's error."""
    if len(value) == axes:
        return value
    if len(value) != 1:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {axes} values to match the convolution "
            f"dimensions, but got {name}={list(value)}"
        )
    return value * axes


def _check_numbers(stride: Ints, padding: Ints, dilation: Ints, output_padding: Ints | None) -> None:
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if output_padding is not None and min(output_padding) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) < 0:
        raise RuntimeError("dilation should be greater than zero")


def _check_sizes(x: Spec, w: Spec, bias: Spec | None, groups: int, transposed: bool) -> None:
    """Raise where input, weight and bias do not fit together."""
    size, channels = list(w.size), w.size[0] if transposed else w.size[1] * groups
    if w.ndim != x.ndim:
        raise RuntimeError(
            f"Expected {w.ndim}-dimensional input for {w.ndim}-dimensional weight {size}, but got {x.ndim}-dimensional "
            f"input of size {list(x.size)} instead"
        )
    if size[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{size} instead"
        )
    if size[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{size}] instead"
        )
    if x.size[1] != channels:
        given = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {given}, weight of size {size}, expected input{list(x.size)} to have {channels} channels, but got "
            f"{x.size[1]} channels instead"
        )
    features = w.size[1] * groups if transposed else w.size[0]
    if bias is not None and bias.size != (features,):
        raise RuntimeError(
            f"Given {'transposed=1, ' * transposed}weight of size {size}, expected bias to be 1-dimensional with "
            f"{features} elements, but got bias of size {list(bias.size)} instead"
        )
    _check_types(x, w)


def _check_types(x: Spec, w: Spec) -> None:
    if x.dtype is not w.dtype:
        if x.dtype.is_complex:
            raise RuntimeError(
                f"Input type (CPU{scalar_name(x.dtype)}Type) and weight type (torch.{scalar_name(w.dtype)}Tensor) "
                "should be the same"
            )
        raise RuntimeError(f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(w.dtype)}")
    if x.dtype is bool_:
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")


def _check_kernel(size: Ints, kernel: Ints, padding: Ints, dilation: Ints) -> None:
    padded = [n + 2 * p for n, p in zip(size, padding, strict=True)]
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(k > n for n, k in zip(padded, extent, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_by(padded)}). Kernel size: ({_by(extent)}). "
            "Kernel size can't be greater than actual input size"
        )
    if min(dilation) == 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")


def _check_output_padding(added: Ints, stride: Ints, dilation: Ints) -> None:
    names = ("depth", "height", "width")
    if min(dilation) == 0:
        at = ", ".join(f"dilation_{n}: {d}" for n, d in zip(names[-len(dilation) :], dilation, strict=True))
        raise RuntimeError(f"dilation should be greater than zero, but got {at}")
    if any(o >= s and o >= d for o, s, d in zip(added, stride, dilation, strict=True)):
        if len(added) == 1:  # PyTorch convolves a signal as an image of one row
            added, stride, dilation = (0, *added), (1, *stride), (1, *dilation)
        pairs = (("output_padding", added), ("stride", stride), ("dilation", dilation))
        told = " ".join(
            f"{word}_{n}: {v}" for word, values in pairs for n, v in zip(names[-len(values) :], values, strict=True)
        )
        raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {told}")


def _by(size: Any) -> str:
    return " x ".join(map(str, size))
