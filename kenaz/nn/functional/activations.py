"""Activations: PyTorch's arguments and checks around the operators of `ops.activation`."""

from __future__ import annotations

import math
import warnings

from ... import _api as torch
from ..._api import Tensor
from ...ops import activation as ops
from ...ops import network

# operators that need nothing around them
gelu = ops.gelu
hardshrink = ops.hardshrink
logsigmoid = ops.logsigmoid
prelu = ops.prelu
softplus = ops.softplus
tanhshrink = ops.tanhshrink
softsign = ops.softsign

celu_ = ops.celu_
elu_ = ops.elu_
hardtanh_ = ops.hardtanh_
leaky_relu_ = ops.leaky_relu_
relu_ = ops.relu_
rrelu_ = ops.rrelu_
selu_ = ops.selu_
threshold_ = ops.threshold_


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0).

    >>> relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return ops.relu_(input) if inplace else ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x clamped to [0, 6].

    >>> relu6(torch.tensor([-1.0, 2.0, 7.0]))
    tensor([0., 2., 6.])
    """
    if input.dtype is torch.bool:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    return ops.hardtanh_(input, 0.0, 6.0) if inplace else ops.relu6(input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x clamped to [min_val, max_val].

    >>> hardtanh(torch.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype is torch.bool:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if min_val < 0 and input.dtype is torch.uint8:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return ops.hardtanh_(input, min_val, max_val) if inplace else ops.hardtanh(input, min_val, max_val)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere.

    >>> elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return ops.elu_(input, alpha) if inplace else ops.elu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017).

    >>> selu(torch.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return ops.selu_(input) if inplace else ops.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere.

    >>> celu(torch.tensor([-1.0, 2.0]), alpha=0.5)
    tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return ops.celu_(input, alpha) if inplace else ops.celu(input, alpha)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, negative_slope * x elsewhere.

    >>> leaky_relu(torch.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return ops.leaky_relu_(input, negative_slope) if inplace else ops.leaky_relu(input, negative_slope)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """`leaky_relu` whose slope is drawn from [lower, upper) in training and their mean otherwise.

    >>> rrelu(torch.tensor([-8.0, 2.0]), 0.25, 0.75)
    tensor([-4.,  2.])
    """
    return ops.rrelu_(input, lower, upper, training) if inplace else ops.rrelu(input, lower, upper, training)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, value elsewhere.

    >>> threshold(torch.tensor([1.0, 2.0]), 1.0, -5.0)
    tensor([-5.,  2.])
    """
    return ops.threshold_(input, threshold, value) if inplace else ops.threshold(input, threshold, value)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, at most to 0.

    >>> softshrink(torch.tensor([-1.0, 0.4]))
    tensor([-0.5000,  0.0000])
    """
    largest = torch.finfo(input.dtype).max if input.is_floating_point() else math.inf
    if not 0 <= lambd <= largest:
        name = input.type().rsplit(".", 1)[-1].removesuffix("Tensor")
        raise RuntimeError(f"lambda must be in range [0, {largest:g}] for input dtype {name}, but found {lambd:g}")
    return ops.softshrink(input, lambd)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """clamp(x + 3, 0, 6) / 6.

    >>> hardsigmoid(torch.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return ops.hardsigmoid_(input) if inplace else ops.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * clamp(x + 3, 0, 6) / 6.

    >>> hardswish(torch.tensor([-4.0, 3.0, 4.0]))
    tensor([-0.,  3.,  4.])
    """
    return ops.hardswish_(input) if inplace else ops.hardswish(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish.

    >>> silu(torch.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    return ops.silu_(input) if inplace else ops.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    >>> mish(torch.tensor([-1.0, 1.0]))
    tensor([-0.3034,  0.8651])
    """
    return ops.mish_(input) if inplace else ops.mish(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the two halves of `input` along `dim`.

    >>> glu(torch.tensor([2.0, 0.0]))
    tensor([1.])
    """
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return ops.glu(input, dim)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)).

    >>> sigmoid(torch.tensor([0.0]))
    tensor([0.5000])
    """
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent.

    >>> tanh(torch.tensor([0.0]))
    tensor([0.])
    """
    return input.tanh()


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension old programs mean when they give none: 0 for one or three dimensions, else 1."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`.

    >>> softmax(torch.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return network.softmax(input, dim, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """`softmax` of -x.

    >>> softmin(torch.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return network.softmax(-input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """log(softmax(x)) along `dim`, without leaving the range of the numbers.

    >>> log_softmax(torch.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return network.log_softmax(input, dim, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A differentiable sample of a category: `softmax` of `logits` plus Gumbel noise, sharper as `tau` falls.

    With `hard` the value is one-hot, the gradient still that of the soft sample.

    >>> gumbel_softmax(torch.zeros(2, 3), hard=True).sum(-1)
    tensor([1., 1.])
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -torch.empty_like(logits, memory_format=torch.contiguous_format).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = torch.zeros_like(logits, memory_format=torch.contiguous_format).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
