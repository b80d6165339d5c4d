"""Normalizations: subtract a mean, divide by a deviation, scale and shift; they differ in what they average over.

Two operators do them all, forward and backward: over the last axes (layers, groups) and over all but the channels
(batches, instances). With x^ = (x - mean) rstd and h the gradient times the scale, dx is
rstd (h - mean(h) - x^ mean(h x^)), as batch normalization's authors give it (Ioffe & Szegedy 2015).
"""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..autograd.modes import no_grad
from ..autograd.modes import state as modes
from ..core.dtype import HALF, dtype, finfo, float32, scalar_name
from ..core.spec import Spec
from .composed import composed
from .declare import rename_node
from .record import public, put
from .rowwise import rowwise


def _checked(kernel: str, x: Spec, *parameters: Any) -> dtype:
    """The dtype of statistics; raises where dtypes do not go together."""
    if x.dtype.kind < 2:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(x.dtype)}'")
    statistics = float32 if x.dtype in HALF else x.dtype
    for p in parameters:
        if type(p) is Spec and p.dtype is not x.dtype and p.dtype is not statistics:
            raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of " + scalar_name(statistics))
    return statistics


def _given(*tensors: Tensor | None) -> list:
    """Tensors, with False for those there are not."""
    return [False if t is None else t for t in tensors]


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _rstd(xp: Any, variance: Any, eps: Any) -> Any:
    return 1 / xp.sqrt(variance + eps)


def _standardized(xp: Any, x: Any, weight: Any, bias: Any, eps: Any) -> tuple:
    mean = xp.mean(x)
    centred = x - mean
    rstd = _rstd(xp, xp.mean(centred * centred), eps)
    return _affine(centred * rstd, weight, bias), mean, rstd


def _slope(xp: Any, g: Any, z: Any, rstd: Any, weight: Any) -> Any:
    """The gradient of x."""
    h = g if weight is None else g * weight
    return (h - xp.mean(h) - z * xp.mean(h * z)) * rstd


def _formulas(g: Tensor, z: Tensor, rstd: Tensor, weight: Tensor | None, dims: tuple) -> tuple[Tensor, Tensor]:
    """The gradients of x and of the scale at each element, in operators that have gradients themselves.

    Averages over `dims` depended on x; without any they were constants.
    """
    h = g if weight is None else g * weight
    if dims:
        h = h - h.mean(dims, True) - z * (h * z).mean(dims, True)
    return h * rstd, g * z


def _statistics(x: Tensor, dims: tuple, eps: float) -> tuple[Tensor, Tensor]:
    centred = x - x.mean(dims, True)
    rstd = ((centred * centred).mean(dims, True) + eps).rsqrt()
    return centred * rstd, rstd


_NONE = (None, None, None)  # for what a history keeps: nothing flows there


def _history(grad: Any, name: str) -> Any:
    """`function(x, weight, bias, mean, rstd, y, ...)`: y, which remembers how it was made from the first three.

    So only what the gradient reads is kept, and y itself may be written to.
    """

    def history(x: Tensor, weight: Any, bias: Any, mean: Any, rstd: Any, value: Tensor, **attributes: Any) -> Tensor:
        return value

    return composed(grad, name)(history)


# ------------------------------------------------------------------------------------------------------- the last axes
def _tail_rule(x: Spec, weight: Any, bias: Any, dims: tuple, eps: float) -> list:
    statistics = _checked("LayerNormKernelImpl", x, weight, bias)
    small = tuple(1 if i in dims else s for i, s in enumerate(x.size))
    return [(x.size, x.dtype), (small, statistics), (small, statistics)]


@rowwise("layer_norm", _tail_rule, "element position position", "element row row")
def _tail(xp: Any, x: Any, weight: Any, bias: Any, eps: Any) -> tuple:
    """Rows with mean 0 and variance 1, scaled and shifted; their means and 1 / deviations."""
    return _standardized(xp, x, weight, bias, eps)


def _tail_backward_rule(g: Spec, x: Spec, mean: Spec, rstd: Spec, weight: Any, dims: tuple, affine: bool) -> list:
    tail = tuple(x.size[d] for d in dims)
    return [(x.size, x.dtype)] + [(tail, weight.dtype if type(weight) is Spec else x.dtype)] * 2 * affine


@rowwise(
    "layer_norm_backward", _tail_backward_rule, "element element row row position", "element across across"
)  # fmt: skip
def _tail_backward(xp: Any, g: Any, x: Any, mean: Any, rstd: Any, weight: Any, affine: bool) -> tuple:
    z = (x - mean) * rstd
    slope = _slope(xp, g, z, rstd, weight)
    return (slope, g * z, g) if affine else (slope,)


def _tail_grad(
    g: Tensor, y: Any, x: Any, weight: Any, bias: Any, mean: Any, rstd: Any, _value: Spec, dims: tuple, eps: float
) -> tuple:
    affine = weight is not None or bias is not None
    if modes.enabled:  # the gradient of this gradient is wanted
        z, rstd = _statistics(x, dims, eps)
        slope, by_weight = _formulas(g, z, rstd, weight, dims)
        return rename_node(slope, "NativeLayerNormBackwardBackward0"), by_weight, g, *_NONE
    slope, *others = _tail_backward(g, x, mean, rstd, *_given(weight), dims=dims, affine=affine)
    by_weight, by_bias = others or (None, None)
    return slope, by_weight if weight is not None else None, by_bias if bias is not None else None, *_NONE


_layer = _history(_tail_grad, "NativeLayerNormBackward0")


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize over the last axes, whose sizes are `normalized_shape` (Ba, Kiros & Hinton 2016)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check_tail("weight", weight, shape)
    _check_tail("bias", bias, shape)
    dims, eps = _tail_of(input, shape), float(eps)
    y, mean, rstd = _tail(input, *_given(weight, bias), dims=dims, eps=eps)
    return _layer(input, weight, bias, mean, rstd, y, dims=dims, eps=eps)


def _tail_of(input: Tensor, shape: tuple) -> tuple[int, ...]:
    """The last axes, whose sizes have to be `shape`."""
    if tuple(input.shape[-len(shape) :]) != shape or len(shape) > input.ndim:
        stars = "".join(f", {s}" for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{stars}], but got input of "
            f"size{list(input.shape)}"
        )
    return tuple(range(input.ndim - len(shape), input.ndim))


def _check_tail(name: str, p: Tensor | None, shape: tuple) -> None:
    if p is not None and tuple(p.shape) != shape:
        raise RuntimeError(
            f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(p.shape)} and "
            f"normalized_shape = {list(shape)}"
        )


# ------------------------------------------------------------------------------------------------------------- groups
_GROUP = (2, 3)  # the axes of a group, where x is (samples, groups, channels of a group, the rest)


@rowwise("group_norm", _tail_rule, "element element element", "element row row")
def _groups(xp: Any, x: Any, weight: Any, bias: Any, eps: Any) -> tuple:
    """As for the last axes; weight and bias are as large as x, repeated."""
    return _standardized(xp, x, weight, bias, eps)


@rowwise(
    "group_norm_backward", lambda g, x, mean, rstd, weight, dims: (x.size, x.dtype),
    "element element row row element", "element",
)  # fmt: skip
def _groups_backward(xp: Any, g: Any, x: Any, mean: Any, rstd: Any, weight: Any) -> tuple:
    return (_slope(xp, g, (x - mean) * rstd, rstd, weight),)


@rowwise(
    "channel_sums", lambda g, x, dims: [((*x.size[:3], 1), x.dtype)] * 2, "element element", "row row", cost=1
)  # fmt: skip
def _channel_sums(xp: Any, g: Any, x: Any) -> tuple:
    return xp.sum(g * x), xp.sum(g)


def _group_grad(
    g: Tensor, y: Any, x: Tensor, weight: Any, bias: Any, mean: Any, rstd: Any, _value: Spec, groups: int, eps: float
) -> tuple:
    size = mean.shape[:2] + (x.shape[1] // groups, -1)
    g, x, w = g.reshape(size), x.reshape(size), _in_groups(weight, size)
    if modes.enabled:  # the gradient of this gradient is wanted
        z, rstd = _statistics(x, _GROUP, eps)
        slope, by_weight = _formulas(g, z, rstd, w, _GROUP)
        slope = rename_node(slope, "NativeGroupNormBackwardBackward0")
        by_weight, by_bias = by_weight.sum((0, 3)), g.sum((0, 3))
    else:
        slope = _groups_backward(g, x, mean, rstd, *_given(_spread(w, x)), dims=_GROUP)
        if weight is None and bias is None:
            return slope.reshape(_value.size), None, None, *_NONE
        products, totals = _channel_sums(g, x, dims=(3,))
        by_weight, by_bias = ((products - totals * mean) * rstd).sum((0, 3)), totals.sum((0, 3))
    return (
        slope.reshape(_value.size),
        *(None if p is None else s.reshape(-1) for p, s in ((weight, by_weight), (bias, by_bias))),
        *_NONE,
    )


_grouped = _history(_group_grad, "NativeGroupNormBackward0")


def _in_groups(p: Tensor | None, size: tuple) -> Tensor | None:
    """A number for each channel, as it stands beside x."""
    return None if p is None else p.reshape(1, size[1], size[2], 1)


def _spread(p: Tensor | None, x: Tensor) -> Tensor | None:
    return None if p is None else p.expand(x.shape)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize groups of channels of each sample (Wu & He 2018)."""
    n, c = input.shape[0], input.shape[1]
    if c % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    size = (n, num_groups, c // num_groups, input.numel() // max(n * c, 1))
    x = input.detach().reshape(size)
    scales = [_spread(_in_groups(None if p is None else p.detach(), size), x) for p in (weight, bias)]
    y, mean, rstd = _groups(x, *_given(*scales), dims=_GROUP, eps=float(eps))
    return _grouped(input, weight, bias, mean, rstd, y.reshape(input.shape), groups=num_groups, eps=float(eps))


# ------------------------------------------------------------------------------------------------ all but the channels
def _laid_out_like(x: Spec) -> Any:
    """x's size, with the channels last in memory where x has them there."""
    last = (0, *range(2, x.ndim), 1)
    return x.like(x.dtype) if x.ndim in (4, 5) and not x.contiguous and x.order() == last else (x.size, x.dtype)


def _channels_rule(
    x: Spec, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: Any, dims: tuple, eps: float
) -> list:
    statistics = _checked("batch_norm", x, weight, bias, running_mean)
    each = ((x.size[1],), statistics)
    moved = [((x.size[1],), s.dtype) for s in (running_mean, running_var) if type(s) is Spec]
    return [_laid_out_like(x), each, each, *moved]


@rowwise("batch_norm", _channels_rule, "element row row row row number", "element flat flat flat flat")
def _channels(
    xp: Any, x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: Any, eps: Any
) -> tuple:
    """Normalized channels, their means and 1 / deviations, and where the running statistics move to."""
    mean = xp.mean(x)
    centred = x - mean
    variance = xp.mean(centred * centred)
    rstd = _rstd(xp, variance, eps)
    y = _affine(centred * rstd, weight, bias)
    if running_mean is None:
        return y, mean, rstd
    unbiased = variance * (xp.count / xp.maximum(xp.count - 1, 1.0))
    stay = 1.0 - momentum
    return y, mean, rstd, running_mean * stay + mean * momentum, running_var * stay + unbiased * momentum


def _known_rule(x: Spec, weight: Any, bias: Any, mean: Spec, var: Spec, dims: tuple, eps: float) -> list:
    statistics = _checked("batch_norm", x, weight, bias, mean)
    return [_laid_out_like(x), ((x.size[1],), statistics)]


@rowwise("batch_norm_known", _known_rule, "element row row row row", "element flat", cost=1)
def _channels_known(xp: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: Any) -> tuple:
    """Channels normalized by statistics that are known before, and 1 / their deviations."""
    rstd = _rstd(xp, var, eps)
    return _affine((x - mean) * rstd, weight, bias), rstd


def _channels_backward_rule(g: Spec, x: Spec, mean: Spec, rstd: Spec, weight: Any, dims: tuple, training: bool) -> list:
    each = ((x.size[1],), weight.dtype if type(weight) is Spec else x.dtype)
    return [_laid_out_like(x), each, each]


@rowwise("batch_norm_backward", _channels_backward_rule, "element element row row row", "element flat flat")
def _channels_backward(xp: Any, g: Any, x: Any, mean: Any, rstd: Any, weight: Any, training: bool) -> tuple:
    z = (x - mean) * rstd
    total, slope = xp.sum(g), xp.sum(g * z)
    scale = rstd if weight is None else rstd * weight
    h = g - total / xp.count - z * (slope / xp.count) if training else g
    return h * scale, slope, total


def _channels_grad(
    g: Tensor, y: Any, x: Any, weight: Any, bias: Any, mean: Any, rstd: Any, _value: Spec, training: bool, eps: float
) -> tuple:
    dims, ndim = _all_but_channels(x), x.ndim
    if modes.enabled:  # the gradient of this gradient is wanted
        scale = None if weight is None else _per_channel(weight, ndim)
        if training:
            z, rstd = _statistics(x, dims, eps)
        else:
            mean, rstd = _per_channel(mean, ndim), _per_channel(rstd, ndim)
            z = (x - mean) * rstd
        slope, by_weight = _formulas(g, z, rstd, scale, dims if training else ())
        slope, by_weight, by_bias = (
            rename_node(slope, "NativeBatchNormBackwardBackward0"),
            by_weight.sum(dims),
            g.sum(dims),
        )
    else:
        slope, by_weight, by_bias = _channels_backward(g, x, mean, rstd, *_given(weight), dims=dims, training=training)
    return slope, by_weight if weight is not None else None, by_bias if bias is not None else None, *_NONE


_remembered = _history(_channels_grad, "NativeBatchNormBackward0")


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _per_channel(p: Tensor, ndim: int) -> Tensor:
    return p.reshape([1, -1] + [1] * (ndim - 2))


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize each channel over the batch, or with the running statistics outside training.

    In training the running statistics move by `momentum` towards the batch's (with the unbiased variance).
    """
    channels = input.shape[1]
    for name, p in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if p is not None and p.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p.numel()}")
        if p is not None and name.startswith("running") and modes.enabled and p.requires_grad:
            raise RuntimeError(
                f"The function 'native_batch_norm' is not differentiable with respect to argument '{name}'. This input "
                "cannot have requires_grad True."
            )
    dims, training = _all_but_channels(input), training or running_mean is None
    if training:
        y, mean, rstd, *moved = _channels(
            input, *_given(weight, bias, running_mean, running_var), float(momentum), dims=dims, eps=float(eps)
        )
        for running, new in zip((running_mean, running_var), moved, strict=False):
            put(running, new)
    else:
        mean = running_mean
        y, rstd = _channels_known(input, *_given(weight, bias), mean, running_var, dims=dims, eps=float(eps))
    return _remembered(input, weight, bias, mean, rstd, y, training=training, eps=float(eps))


public(lambda input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=False: batch_norm(
    input, running_mean, running_var, weight, bias, training, momentum, eps), "batch_norm")  # fmt: skip


def instance_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None, bias: Tensor | None,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize each channel of each sample by itself (Ulyanov et al. 2016): a batch of one, of more channels."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n, c = input.shape[:2]
    repeated = [None if t is None else t.repeat(n) for t in (running_mean, running_var, weight, bias)]
    y = batch_norm(input.reshape(1, n * c, *input.shape[2:]), *repeated, True, momentum, eps)
    with no_grad():
        for running, new in zip((running_mean, running_var), repeated, strict=False):
            if running is not None and new is not None:
                running.copy_(new.reshape(n, c).mean(0))
    return y.reshape(input.shape)


public(
    lambda input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled: instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    ),
    "instance_norm",
)


# -------------------------------------------------------------------------------------------------- without a mean
@rowwise(
    "rms_norm", lambda x, weight, dims, eps: _tail_rule(x, weight, False, dims, eps)[:2], "element position", "element row"
)  # fmt: skip
def _root(xp: Any, x: Any, weight: Any, eps: Any) -> tuple:
    """x over the root of its mean square, scaled; and 1 / these roots."""
    rstd = _rstd(xp, xp.mean(x * x), eps)
    return _affine(x * rstd, weight, None), rstd


@rowwise(
    "rms_norm_backward",
    lambda g, x, rstd, weight, dims: _tail_backward_rule(g, x, rstd, rstd, weight, dims, type(weight) is Spec)[:2],
    "element element row position", "element across",
)  # fmt: skip
def _root_backward(xp: Any, g: Any, x: Any, rstd: Any, weight: Any) -> tuple:
    z = x * rstd
    h = g if weight is None else g * weight
    slope = (h - z * xp.mean(h * z)) * rstd
    return (slope,) if weight is None else (slope, g * z)


def _root_grad(g: Tensor, y: Any, x: Any, weight: Any, rstd: Any, _value: Spec, dims: tuple, eps: float) -> tuple:
    if modes.enabled:
        rstd = ((x * x).mean(dims, True) + eps).rsqrt()
        z, h = x * rstd, g if weight is None else g * weight
        return (h - z * (h * z).mean(dims, True)) * rstd, g * z, None, None
    slope, *by_weight = _root_backward(g, x, rstd, *_given(weight), dims=dims)
    return slope, by_weight[0] if by_weight else None, None, None


@composed(_root_grad, "MulBackward0")
def _root_history(x: Tensor, weight: Any, rstd: Tensor, value: Tensor, dims: tuple, eps: float) -> Tensor:
    return value


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last axes (Zhang & Sennrich 2019)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    dims = _tail_of(input, shape)
    eps = float(finfo(input.dtype).eps if eps is None else eps)
    y, rstd = _root(input, *_given(weight), dims=dims, eps=eps)
    return _root_history(input, weight, rstd, y, dims=dims, eps=eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha mean of squares over `size` neighbouring channels)^beta (Krizhevsky et al. 2012)."""
    squares = input * input
    before = size // 2
    pads = [squares.new_zeros((input.shape[0], n, *input.shape[2:])) for n in (before, (size - 1) // 2)]
    from .joining import cat

    padded = cat([pads[0], squares, pads[1]], 1)
    c = input.shape[1]
    total = padded.narrow(1, 0, c)
    for i in range(1, size):
        total = total + padded.narrow(1, i, c)
    mean = total // size if input.dtype.kind < 2 else total / size  # pooling of integers gives integers
    return input / (mean * alpha + k) ** beta


for _function in (layer_norm, rms_norm, group_norm):
    public(_function)
