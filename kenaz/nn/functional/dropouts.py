"""Dropout in its kinds: single values or whole channels, zeroed or moved to the saturation of `selu`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from ..._api import Tensor
from ...ops import network as ops
from ...ops.record import assign


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop(name: str, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    _check_probability(p)
    if not training or p == 0.0:
        return input
    function: Callable[..., Tensor] = getattr(ops, name)
    if input.is_contiguous() or name.startswith("feature"):
        result = function(input, p, training)
    else:  # PyTorch draws in the order of memory: attention with batch_first drops a transposed tensor
        order = sorted(range(input.dim()), key=lambda dim: -input.stride(dim))
        back = sorted(range(input.dim()), key=lambda dim: order[dim])
        result = function(input.permute(order), p, training).permute(back)
    return assign(input, result) if inplace else result


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes values with probability `p` in training and scales the others by 1 / (1 - p).

    >>> dropout(torch.ones(3), p=0.0)
    tensor([1., 1., 1.])
    """
    return _drop("dropout", input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps the mean and variance of `selu` networks.

    >>> alpha_dropout(torch.ones(3))
    tensor([1., 1., 1.])
    """
    return _drop("alpha_dropout", input, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels.

    >>> feature_alpha_dropout(torch.ones(1, 3))
    tensor([[1., 1., 1.]])
    """
    return _drop("feature_alpha_dropout", input, p, training, inplace)


_WORDS = {1: "1 spatial dimension", 2: "2 spatial dimensions", 3: "3 spatial dimensions"}


def _purpose(spatial: int) -> str:
    return (
        f"Note that dropout{spatial}d exists to provide channel-wise dropout on inputs with {_WORDS[spatial]}, "
        f"a channel dimension, and an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs)."
    )


def _warn_dimensions(spatial: int, ndim: int) -> None:
    if ndim not in (spatial + 1, spatial + 2):
        warnings.warn(
            f"dropout{spatial}d: Received a {ndim}-D input to dropout{spatial}d, which is deprecated and will result "
            "in an error in a future release. To retain the behavior and silence this warning, please use dropout "
            f"instead. {_purpose(spatial)}",
            stacklevel=3,
        )


def _drop_unbatched(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Channel dropout of an input without a batch dimension."""
    batched = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _drop("feature_dropout", batched, p, training, inplace)
    return result.squeeze_(0) if inplace else result.squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, L) or (C, L).

    >>> dropout1d(torch.ones(2, 3), p=0.0).sum()
    tensor(6.)
    """
    _check_probability(p)
    ndim = input.dim()
    if ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. {_purpose(1)}")
    if ndim == 2:
        return _drop_unbatched(input, p, training, inplace)
    return _drop("feature_dropout", input, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, H, W); three dimensions still count as (N, C, L).

    >>> dropout2d(torch.ones(1, 2, 2, 2), p=0.0).sum()
    tensor(8.)
    """
    _check_probability(p)
    ndim = input.dim()
    _warn_dimensions(2, ndim)
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
            "desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change "
            "in a future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To "
            "maintain the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop("feature_dropout", input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W).

    >>> dropout3d(torch.ones(1, 2, 2, 2, 2), p=0.0).sum()
    tensor(16.)
    """
    _check_probability(p)
    ndim = input.dim()
    _warn_dimensions(3, ndim)
    if ndim != 5:
        return _drop_unbatched(input, p, training, inplace)
    return _drop("feature_dropout", input, p, training, inplace)
