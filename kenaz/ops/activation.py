"""Activations: pointwise operators with parameters. Those of PyTorch's `torch` namespace enter it; the others are for `nn`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.dtype import float64
from ..core.shape import axis
from .declare import FLOATING, SAME, pointwise, unary
from .record import composite, public, write_out

# `nn` only: neither torch.name nor Tensor.name
_NN = {"torch": False, "tensor": False}


# ------------------------------------------------------------------------------------------------- what derivatives need
@pointwise(
    SAME, **_NN, inplace=False,
    grad=(lambda g, y, _g, x, threshold: threshold_backward(g, x, threshold), lambda g, y, _g, _x, threshold: None),
)  # fmt: skip
def threshold_backward(xp: Any, g: Any, x: Any, threshold: float = 0) -> Any:
    """g where x exceeds the threshold (or is nan), zero elsewhere."""
    return xp.where(x <= threshold, xp.zeros((), g.dtype), g)


def where(condition: Any, a: Any, b: Any) -> Any:
    """Late-bound `torch.where`: indexing.py is declared after this file."""
    from .indexing import where as select

    return select(condition, a, b)


def _no_bool(d: Any) -> tuple:
    if d.kind == 0:
        raise RuntimeError("Boolean inputs not supported for relu")
    if d.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    return d, d


relu = unary("relu", _no_bool, lambda xp, x: xp.maximum(x, 0), grad=lambda g, y, _x: threshold_backward(g, y, 0))
relu_ = Tensor.relu_

_GELU_C, _GELU_K = math.sqrt(2 / math.pi), 0.044715


def _gelu_grad(g: Tensor, x: Tensor, approximate: str) -> Tensor:
    if approximate == "tanh":
        t = (_GELU_C * (x + _GELU_K * x * x * x)).tanh()
        slope = _GELU_C * (1 + 3 * _GELU_K * x * x)
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)
    cdf = 0.5 * (1 + (x * math.sqrt(0.5)).erf())
    return g * (cdf + x * (x * x * -0.5).exp() * (1 / math.sqrt(2 * math.pi)))


@pointwise(FLOATING, **_NN, cost=8, grad=lambda g, y, x, approximate: _gelu_grad(g, x, approximate))
def gelu(xp: Any, x: Any, approximate: str = "none") -> Any:
    """x Phi(x), with the normal distribution function or its tanh approximation (Hendrycks & Gimpel 2016)."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    if approximate == "tanh":
        return 0.5 * x * (1 + xp.tanh(_GELU_C * (x + _GELU_K * x * x * x)))
    return 0.5 * x * (1 + xp.erf(x * math.sqrt(0.5)))


@pointwise(FLOATING, **_NN, cost=8, grad=lambda g, y, x, alpha, scale, input_scale: g * where(
    x <= 0, (x * input_scale).exp() * (alpha * scale * input_scale), x.new_full((), scale)))  # fmt: skip
def elu(xp: Any, x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """scale x where x > 0, scale alpha (exp(input_scale x) - 1) elsewhere (Clevert et al. 2015)."""
    return xp.where(x > 0, x * scale, alpha * scale * xp.expm1(xp.minimum(x, 0) * input_scale))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@composite("torch")
def selu(input: Tensor) -> Tensor:
    """The self-normalizing elu (Klambauer et al. 2017)."""
    return elu(input, _SELU_ALPHA, _SELU_SCALE)


@composite("torch")
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)) (Barron 2017)."""
    return elu(input, alpha, 1.0, 1.0 / alpha)


@pointwise(FLOATING, **_NN, cost=8, grad=lambda g, y, x: g * (x.sigmoid() * (1 + x * (1 - x.sigmoid()))))
def silu(xp: Any, x: Any) -> Any:
    """x sigmoid(x)."""
    return x * xp.sigmoid(x)


def _mish_grad(g: Tensor, x: Tensor) -> Tensor:
    t = softplus(x).tanh()
    return g * (t + x * x.sigmoid() * (1 - t * t))


@pointwise(FLOATING, **_NN, cost=16, grad=lambda g, y, x: _mish_grad(g, x))
def mish(xp: Any, x: Any) -> Any:
    """x tanh(softplus(x)) (Misra 2019)."""
    return x * xp.tanh(xp.logaddexp(x, 0))


@pointwise(FLOATING, **_NN, inplace=False, cost=16, grad=lambda g, y, x, beta, threshold: g * where(
    x * beta > threshold, x.new_ones(()), (x * beta).sigmoid()))  # fmt: skip
def softplus(xp: Any, x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta, and x itself where beta x exceeds the threshold."""
    scaled = x * beta
    return xp.where(scaled > threshold, x, xp.log1p(xp.exp(xp.minimum(scaled, threshold))) / beta)


@pointwise(SAME, **_NN, grad=lambda g, y, x, min_val, max_val: g.masked_fill((x <= min_val) | (x >= max_val), 0))
def hardtanh(xp: Any, x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x clamped to [min_val, max_val]."""
    return xp.clip(x, min_val, max_val)


@composite()
def relu6(input: Tensor) -> Tensor:
    """x clamped to [0, 6]."""
    return hardtanh(input, 0.0, 6.0)


@pointwise(FLOATING, **_NN, grad=lambda g, y, x, negative_slope: where(x > 0, g, g * negative_slope))
def leaky_relu(xp: Any, x: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, negative_slope x elsewhere."""
    return xp.where(x > 0, x, x * negative_slope)


@pointwise(FLOATING, **_NN, grad=lambda g, y, x: g * ((x > -3) & (x < 3)) / 6)
def hardsigmoid(xp: Any, x: Any) -> Any:
    """x / 6 + 1/2 clamped to [0, 1]."""
    return xp.clip(x + 3, 0, 6) / 6


@pointwise(FLOATING, **_NN, grad=lambda g, y, x: where(x < -3, g * 0, where(x <= 3, g * (x / 3 + 0.5), g)))
def hardswish(xp: Any, x: Any) -> Any:
    """x hardsigmoid(x) (Howard et al. 2019)."""
    return x * xp.clip(x + 3, 0, 6) / 6


@pointwise(SAME, tensor=True, inplace=False, grad=lambda g, y, x, lambd: g.masked_fill((x >= -lambd) & (x <= lambd), 0))
def hardshrink(xp: Any, x: Any, lambd: float = 0.5) -> Any:
    """x outside [-lambd, lambd], zero inside."""
    return xp.where((x >= -lambd) & (x <= lambd), xp.zeros((), x.dtype), x)


@pointwise(SAME, **_NN, inplace=False, grad=lambda g, y, x, lambd: g.masked_fill((x >= -lambd) & (x <= lambd), 0))
def softshrink(xp: Any, x: Any, lambd: float = 0.5) -> Any:
    """x moved towards zero by lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))


@pointwise(SAME, tensor=False, grad=lambda g, y, x, threshold, value: threshold_backward(g, x, threshold))
def threshold(xp: Any, x: Any, threshold: float = 0.0, value: float = 0.0) -> Any:
    """x where it exceeds the threshold, `value` elsewhere."""
    return xp.where(x <= threshold, xp.asarray(value).astype(x.dtype), x)


@pointwise(FLOATING, **_NN, inplace=False, grad=lambda g, y, x: g * (-x).sigmoid())
def log_sigmoid(xp: Any, x: Any) -> Any:
    """log sigmoid(x)."""
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log sigmoid(x), without overflow."""
    return log_sigmoid(input) if out is None else write_out(log_sigmoid(input), out, "log_sigmoid")


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - input.tanh()


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


@pointwise(
    SAME, **_NN, inplace=False,
    grad=(lambda g, y, x, w: where(x > 0, g, g * w), lambda g, y, x, _w: where(x > 0, g * 0, g * x)),
)  # fmt: skip
def prelu_kernel(xp: Any, x: Any, weight: Any) -> Any:
    """x where x > 0, weight x elsewhere."""
    return xp.where(x > 0, x, x * weight)


@composite()
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, a learned multiple of it elsewhere; one factor for all channels or one each (He et al. 2015)."""
    if not isinstance(weight, Tensor):
        raise TypeError(f"prelu(): argument 'weight' (position 2) must be Tensor, not {type(weight).__name__}")
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and channel "
                f"size = {channels}."
            )
        weight = weight.reshape([-1 if i == 1 else 1 for i in range(input.ndim)] if input.ndim > 1 else [-1])
    else:
        weight = weight.reshape([1] * input.ndim)
    return prelu_kernel(input, weight)


def rrelu(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, generator: Any = None) -> Tensor:
    """x where x > 0, else x times a slope drawn from [lower, upper) in training, or their mean (Xu et al. 2015)."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    from .sampling import rand

    # one slope is drawn, in double precision, for each element that is not positive
    values = input.detach()._array()
    slopes, negative = np.ones_like(values), values <= 0
    drawn = rand(int(negative.sum()), dtype=float64, generator=generator)
    slopes[negative] = drawn._array() * (upper - lower) + lower
    return input * Tensor._from_array(slopes)


@composite("torch")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of an axis times the sigmoid of the second (Dauphin et al. 2016)."""
    if not input.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    d = axis(dim, input.ndim)
    if input.shape[d] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {input.shape[d]}")
    half = input.shape[d] // 2
    return input.narrow(d, 0, half) * input.narrow(d, half, half).sigmoid()


def _in_place(function: Any, name: str) -> Any:
    from .record import assign

    def inplace(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return assign(input, function(input, *args, **kwargs))

    inplace.__name__ = name
    return inplace


elu_, selu_, celu_ = _in_place(elu, "elu_"), _in_place(selu, "selu_"), _in_place(celu, "celu_")
silu_, mish_, hardtanh_ = _in_place(silu, "silu_"), _in_place(mish, "mish_"), _in_place(hardtanh, "hardtanh_")
leaky_relu_, rrelu_, threshold_ = _in_place(leaky_relu, "leaky_relu_"), _in_place(rrelu, "rrelu_"), _in_place(threshold, "threshold_")
hardsigmoid_, hardswish_ = _in_place(hardsigmoid, "hardsigmoid_"), _in_place(hardswish, "hardswish_")
for _function in (selu_, celu_, threshold_, rrelu, rrelu_):
    public(_function)
