"""Normalizations: PyTorch's checks around the operators of `ops.network`."""

from __future__ import annotations

from collections.abc import Sequence

from ... import _api as torch
from ..._api import Tensor
from ...ops import network as ops


def _check_batch(size: Sequence[int]) -> None:
    count = size[0]
    for length in size[2:]:
        count *= length
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, each channel over the batch or with the running statistics.

    >>> batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-12)
    tensor([[-1.],
            [ 1.]])
    """
    if training:
        _check_batch(input.shape)
        if eps <= 0.0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    if momentum is None:
        raise TypeError("batch_norm(): argument 'momentum' (position 7) must be float, not NoneType")
    if not training:
        for name, value in (("running_mean", running_mean), ("running_var", running_var)):
            if value is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        if input.dim() < 2:  # there is no channel
            for name, value in (("running_mean", running_mean), ("running_var", running_var)):
                if value is not None and value.numel():
                    raise RuntimeError(f"{name} should contain 0 elements not {value.numel()}")
            return input.clone()
    elif (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    _check_floating("batch_norm", input)
    return ops.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, each channel of each sample by itself.

    >>> instance_norm(torch.tensor([[[1.0, 3.0]]]), eps=1e-12)
    tensor([[[-1.,  1.]]])
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    else:
        count = 1
        for length in input.shape[2:]:
            count *= length
        if count == 1:
            raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    return ops.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over groups of channels of each sample.

    >>> group_norm(torch.tensor([[[1.0, 3.0]]]), 1, eps=1e-12)
    tensor([[[-1.,  1.]]])
    """
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    _check_batch([input.size(0) * input.size(1) // num_groups, num_groups, *input.shape[2:]])
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != (input.size(1),) and input.size(1) % num_groups == 0:
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(value.shape)} and input of shape {list(input.shape)}"
            )
    _check_floating("GroupNormKernelImpl", input)
    return ops.group_norm(input, num_groups, weight, bias, eps)


def _check_tail(
    name: str, kernel: str, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, star: str
) -> None:
    """Raises PyTorch's error where the last dimensions of `input` or the weight are not `normalized_shape`."""
    if isinstance(normalized_shape, int):
        raise TypeError(f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not int")
    wanted = list(normalized_shape)
    if not wanted:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    if weight is not None and list(weight.shape) != wanted:
        raise RuntimeError(
            "Expected weight to be of same shape as normalized_shape, but got weight of shape "
            f"{list(weight.shape)} and normalized_shape = {wanted}"
        )
    if list(input.shape[max(input.dim() - len(wanted), 0) :]) != wanted:
        raise RuntimeError(
            f"Given normalized_shape={wanted}, expected input with shape [{star}{str(wanted)[1:]}, "
            f"but got input of size{list(input.shape)}"
        )
    _check_floating(kernel, input)


def _check_floating(kernel: str, input: Tensor) -> None:
    if not (input.is_floating_point() or input.is_complex()):
        name = input.type().rsplit(".", 1)[-1].removesuffix("Tensor")
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the last dimensions.

    >>> layer_norm(torch.tensor([[1.0, 3.0]]), (2,), eps=1e-12)
    tensor([[-1.,  1.]])
    """
    _check_tail("layer_norm", "LayerNormKernelImpl", input, normalized_shape, weight, "*, ")
    return ops.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean of x ** 2 + eps) * weight, over the last dimensions.

    >>> rms_norm(torch.tensor([[1.0, 7.0]]), (2,))
    tensor([[0.2000, 1.4000]])
    """
    _check_tail("rms_norm", "rms_norm", input, normalized_shape, weight, "*")
    return ops.rms_norm(input, normalized_shape, weight, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * mean of x ** 2 over `size` neighbouring channels) ** beta.

    >>> local_response_norm(torch.ones(1, 1, 1), 1, alpha=3.0, beta=0.5)
    tensor([[[0.5000]]])
    """
    ndim = input.dim()
    if ndim < 3:
        # the run of blanks is PyTorch's
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {ndim} dimensions)")
    if input.numel() == 0:
        return input
    return ops.local_response_norm(input, size, alpha, beta, k)


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(p-norm of x along `dim`, eps).

    >>> normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return torch.div(input, norm, out=out) if out is not None else input / norm
