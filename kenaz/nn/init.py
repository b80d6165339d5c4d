"""Initial values of parameters. Every function fills a tensor in place, without gradients, and returns it."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from .. import _api as torch

__all__ = [
    *("calculate_gain", "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_"),
    *("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_"),
    *("uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal"),
    *("kaiming_uniform", "kaiming_normal", "orthogonal", "sparse"),
]

_GAINS = {
    **dict.fromkeys(["linear", "conv1d", "conv2d", "conv3d"], 1),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"], 1),
    "sigmoid": 1,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that makes up for how a nonlinearity shrinks the standard deviation of what passes through it.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    if param is None:
        param = 0.01
    elif isinstance(param, bool) or not isinstance(param, int | float):
        raise ValueError(f"negative_slope {param} not a valid number")
    return math.sqrt(2.0 / (1 + param**2))


# -------------------------------------------------------------------------------------------------------- distributions
def _no_grad_uniform_(tensor: Any, a: float, b: float, generator: Any = None) -> Any:
    with torch.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def _no_grad_normal_(tensor: Any, mean: float, std: float, generator: Any = None) -> Any:
    with torch.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _no_grad_fill_(tensor: Any, val: float) -> Any:
    with torch.no_grad():
        return tensor.fill_(val)


def _no_grad_zero_(tensor: Any) -> Any:
    with torch.no_grad():
        return tensor.zero_()


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Fill with values from the uniform distribution on [a, b)."""
    return _no_grad_uniform_(tensor, a, b, generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Fill with values from a normal distribution."""
    return _no_grad_normal_(tensor, mean, std, generator)


def trunc_normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Any:
    """Fill with values from a normal distribution, of which only [a, b] is left."""
    return _no_grad_trunc_normal_(tensor, mean, std, a, b, generator)


def _no_grad_trunc_normal_(tensor: Any, mean: float, std: float, a: float, b: float, generator: Any = None) -> Any:
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    below, above = ((1 + math.erf((bound - mean) / std / math.sqrt(2))) / 2 for bound in (a, b))
    if tensor.is_meta:  # whether a value lies outside has no answer there
        return tensor
    sample = _truncate_normal if above - below > 0.3 else _thin_uniform
    with torch.no_grad():
        return sample(tensor, mean, std, a, b, generator)


def _truncate_normal(tensor: Any, mean: float, std: float, a: float, b: float, generator: Any) -> Any:
    """Draw normal values again until all lie in [a, b]."""
    a, b = (torch.tensor(bound, dtype=tensor.dtype).item() for bound in (a, b))
    tensor.normal_(mean, std, generator=generator)
    values = tensor
    while True:
        outside = (values < a) | (values > b)
        if not outside.any().item():
            return tensor if values is tensor else tensor.copy_(values)
        values = torch.where(outside, torch.empty_like(tensor).normal_(mean, std, generator=generator), values)


def _thin_uniform(tensor: Any, mean: float, std: float, a: float, b: float, generator: Any) -> Any:
    """Draw uniform values in [a, b] again until each is accepted, which happens with density / maximal density."""
    peak = min(max(mean, a), b)
    log_peak = -0.5 * ((peak - mean) / std) ** 2
    log_density, log_uniform = torch.empty_like(tensor), torch.empty_like(tensor)
    tensor.uniform_(a, b, generator=generator)
    values, rejected = tensor, None
    while True:
        log_density.copy_(values).sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
        refused = log_uniform.uniform_(generator=generator).log_() > log_density
        rejected = refused if rejected is None else torch.where(rejected, refused, rejected)
        if not rejected.any().item():
            return tensor if values is tensor else tensor.copy_(values)
        values = torch.where(rejected, torch.empty_like(tensor).uniform_(a, b, generator=generator), values)


def constant_(tensor: Any, val: float) -> Any:
    """Fill with one value."""
    return _no_grad_fill_(tensor, val)


def ones_(tensor: Any) -> Any:
    """Fill with ones."""
    return _no_grad_fill_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Fill with zeros."""
    return _no_grad_zero_(tensor)


# ----------------------------------------------------------------------------------------------------------- identities
def eye_(tensor: Any) -> Any:
    """Fill a matrix with the identity: as many inputs as possible pass unchanged."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with torch.no_grad():
        return tensor.copy_(torch.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Fill a convolution's weight so that in each group as many channels as possible pass unchanged."""
    dimensions = tensor.ndimension()
    if dimensions not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor.size()
    if sizes[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    out_per_group = sizes[0] // groups
    middle = tuple(size // 2 for size in sizes[2:])
    with torch.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(out_per_group, sizes[1])):
                tensor[(group * out_per_group + channel, channel, *middle)] = 1
    return tensor


# -------------------------------------------------------------------------------------------------- scaled to the layer
def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs an output sums, and in how many outputs an input takes part."""
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive_field, tensor.shape[0] * receptive_field


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    modes = ["fan_in", "fan_out"]
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def _xavier_std(tensor: Any, gain: float) -> float:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill uniformly with variance gain² · 2 / (fan_in + fan_out): signals keep their size in both directions."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill normally with variance gain² · 2 / (fan_in + fan_out): signals keep their size in both directions."""
    return _no_grad_normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    """The standard deviation gain / sqrt(fan), or None where there is nothing to fill."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill uniformly with variance gain² / fan: signals keep their size through the given nonlinearity."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill normally with variance gain² / fan: signals keep their size through the given nonlinearity."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else _no_grad_normal_(tensor, 0, std, generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Fill with a (semi-)orthogonal matrix, the trailing dimensions seen as one."""
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    matrix = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
    if rows < columns:
        matrix.t_()
    q, r = torch.linalg.qr(matrix)
    q *= torch.diag(r, 0).sign()  # else the result would not be uniformly distributed
    if rows < columns:
        q.t_()
    with torch.no_grad():
        tensor.view_as(q).copy_(q)
        tensor.mul_(gain)
    return tensor


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Fill a matrix with normal values, of which a part in each column is set to zero."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with torch.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[torch.randperm(rows)[:zeros], column] = 0
    return tensor


# --------------------------------------------------------------------------------------------------------- names of old
def _make_deprecate(meth: Callable) -> Callable:
    """A function under the name it had before names of in-place functions ended in an underscore."""
    new = meth.__name__
    old = new[:-1]

    @functools.wraps(meth, assigned=("__module__", "__annotations__"))
    def deprecated(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return meth(*args, **kwargs)

    deprecated.__name__ = old
    deprecated.__doc__ = f"Deprecated: the same as `{new}`."
    return deprecated


uniform = _make_deprecate(uniform_)
normal = _make_deprecate(normal_)
constant = _make_deprecate(constant_)
eye = _make_deprecate(eye_)
dirac = _make_deprecate(dirac_)
xavier_uniform = _make_deprecate(xavier_uniform_)
xavier_normal = _make_deprecate(xavier_normal_)
kaiming_uniform = _make_deprecate(kaiming_uniform_)
kaiming_normal = _make_deprecate(kaiming_normal_)
orthogonal = _make_deprecate(orthogonal_)
sparse = _make_deprecate(sparse_)
