"""Normalizations: subtract a mean, divide by a deviation, scale and shift; they differ in what they average over.

One operator does them all. With n the elements averaged and x^ = (x - mean) rstd, its gradient is
dx = rstd (g - mean(g) - x^ mean(g x^)), which is what batch normalization's authors give (Ioffe & Szegedy 2015).
"""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core.dtype import scalar_name
from ..core.spec import Spec
from .declare import opaque, rename_node
from .record import public


def _standardize_rule(x: Spec, dims: tuple, eps: float) -> list:
    if x.dtype.kind < 2:
        raise RuntimeError(f'"LayerNormKernelImpl" not implemented for \'{scalar_name(x.dtype)}\'')
    small = tuple(1 if i in dims else s for i, s in enumerate(x.size))
    return [(x.size, x.dtype), (small, x.dtype), (small, x.dtype)]


def _standardize_kernel(xp: Any, x: Any, dims: tuple, eps: float) -> tuple:
    """(x - mean) rstd, the mean, and rstd = 1 / sqrt(biased variance + eps)."""
    mean = x.mean(dims, keepdims=True)
    y = x - mean
    rstd = 1 / xp.sqrt((y * y).mean(dims, keepdims=True) + x.dtype.type(eps))
    y *= rstd
    return y, mean, rstd


def _standardize_grad(g: tuple, y: tuple, x: Any, dims: tuple) -> Tensor:
    gy, gm, gr = g
    z, _, rstd = y
    n = 1
    for d in dims:
        n *= x.size[d]
    dx = rstd * (gy - gy.sum(dims, True) / n - z * ((gy * z).sum(dims, True) / n))
    if gm is None and gr is None:
        return dx
    # what flows through the mean and rstd outputs themselves: d mean = 1/n, d rstd = -rstd^2 z / n
    gm, gr = 0 if gm is None else gm, 0 if gr is None else gr
    return dx + (gm / n - gr * rstd * rstd * z / n)


def _declare(name: str, grad_name: str) -> Any:
    return opaque(
        _standardize_rule, name=name, grad_name=grad_name,
        grad=lambda g, y, _x, dims, eps: _standardize_grad(g, y, _x, dims),
    )(_standardize_kernel)  # fmt: skip


_over_batch = _declare("standardize_channels", "NativeBatchNormBackward0")
_over_tail = _declare("standardize_tail", "NativeLayerNormBackward0")
_over_group = _declare("standardize_groups", "NativeGroupNormBackward0")


def _per_channel(p: Tensor, ndim: int) -> Tensor:
    return p.reshape([1, -1] + [1] * (ndim - 2))


def _scaled(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize each channel over the batch, or with the running statistics outside training.

    In training the running statistics move by `momentum` towards the batch's (with the unbiased variance).
    """
    channels = input.shape[1]
    for name, p in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if p is not None and p.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p.numel()}")
    ndim = input.ndim
    if training or running_mean is None:
        dims = tuple(d for d in range(ndim) if d != 1)
        y, mean, rstd = _over_batch(input, dims=dims, eps=eps)
        if running_mean is not None:
            _move(running_mean, running_var, mean.detach(), rstd.detach(), input.numel() // max(channels, 1), momentum, eps)
    else:
        assert running_var is not None
        rstd = 1 / (running_var + eps).sqrt()
        y = (input - _per_channel(running_mean, ndim)) * _per_channel(rstd, ndim)
    y = _scaled(y, None if weight is None else _per_channel(weight, ndim), None if bias is None else _per_channel(bias, ndim))
    return rename_node(y, "NativeBatchNormBackward0")


public(lambda input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=False: batch_norm(
    input, running_mean, running_var, weight, bias, training, momentum, eps), "batch_norm")  # fmt: skip


def _move(running_mean: Tensor, running_var: Any, mean: Tensor, rstd: Tensor, n: int, momentum: float, eps: float) -> None:
    from ..autograd.modes import no_grad

    with no_grad():
        running_mean.copy_(running_mean * (1 - momentum) + mean.reshape(-1) * momentum)
        if running_var is not None:
            variance = (1 / (rstd * rstd) - eps).reshape(-1) * (n / max(n - 1, 1))
            running_var.copy_(running_var * (1 - momentum) + variance * momentum)


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize over the last axes, whose sizes are `normalized_shape` (Ba, Kiros & Hinton 2016)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check_tail("weight", weight, shape)
    _check_tail("bias", bias, shape)
    if tuple(input.shape[-len(shape) :]) != shape or len(shape) > input.ndim:
        stars = "".join(f", {s}" for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{stars}], but got input of size{list(input.shape)}"
        )
    y = _over_tail(input, dims=tuple(range(input.ndim - len(shape), input.ndim)), eps=eps)[0]
    return rename_node(_scaled(y, weight, bias), "NativeLayerNormBackward0")


def _check_tail(name: str, p: Tensor | None, shape: tuple) -> None:
    if p is not None and tuple(p.shape) != shape:
        raise RuntimeError(
            f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(p.shape)} and "
            f"normalized_shape = {list(shape)}"
        )


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last axes (Zhang & Sennrich 2019)."""
    from ..core.dtype import finfo

    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if tuple(input.shape[-len(shape) :]) != shape:
        stars = "".join(f", {s}" for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{stars}], but got input of size{list(input.shape)}"
        )
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    n = 1
    for s in shape:
        n *= s
    scale = ((input * input).sum(dims, True) / n + (finfo(input.dtype).eps if eps is None else eps)) ** -0.5
    return _scaled(input * scale, weight, None)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize groups of channels of each sample (Wu & He 2018)."""
    n, c = input.shape[0], input.shape[1]
    if c % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} "
            f"and num_groups={num_groups}"
        )
    y = _over_group(input.reshape(n, num_groups, -1), dims=(2,), eps=eps)[0].reshape(input.shape)
    y = _scaled(y, *(None if p is None else _per_channel(p, input.ndim) for p in (weight, bias)))
    return rename_node(y, "NativeGroupNormBackward0")


def instance_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None, bias: Tensor | None,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalize each channel of each sample by itself (Ulyanov et al. 2016)."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    y, mean, rstd = _over_batch(input, dims=dims, eps=eps)
    if running_mean is not None:
        batch = input.shape[0]
        size = input.numel() // (batch * input.shape[1])
        variance = (1 / (rstd.detach() * rstd.detach()) - eps) * (size / max(size - 1, 1))
        from ..autograd.modes import no_grad

        with no_grad():
            running_mean.copy_(running_mean * (1 - momentum) + mean.detach().sum(0).reshape(-1) * (momentum / batch))
            if running_var is not None:
                running_var.copy_(running_var * (1 - momentum) + variance.sum(0).reshape(-1) * (momentum / batch))
    return _scaled(y, *(None if p is None else _per_channel(p, input.ndim) for p in (weight, bias)))


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
    return input / (total * (alpha / size) + k) ** beta


for _function in (layer_norm, rms_norm, group_norm, instance_norm):
    public(_function)
