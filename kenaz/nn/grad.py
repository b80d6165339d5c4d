"""The gradients of convolutions as functions, without a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _api as torch
from .._api import Tensor
from . import functional as F

Ints = int | Sequence[int]


def _input_gradient(name: str, convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def function(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Ints = 1,
        padding: Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> Tensor:
        input = torch.zeros(tuple(input_size), dtype=grad_output.dtype, device=grad_output.device)
        return _gradient(convolution, input, weight, input, grad_output, (stride, padding, dilation, groups))

    return _named(function, name, "The gradient of a convolution with respect to an input of `input_size`.")


def _weight_gradient(name: str, convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Ints = 1,
        padding: Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> Tensor:
        weight = torch.zeros(tuple(weight_size), dtype=grad_output.dtype, device=grad_output.device)
        return _gradient(convolution, input, weight, weight, grad_output, (stride, padding, dilation, groups))

    return _named(function, name, "The gradient of a convolution with respect to a weight of `weight_size`.")


def _named(function: Any, name: str, doc: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _gradient(
    convolution: Callable[..., Tensor], input: Tensor, weight: Tensor, wanted: Tensor, grad_output: Tensor, options: Any
) -> Tensor:
    with torch.enable_grad():
        wanted.requires_grad_()
        output = convolution(input.detach() if wanted is weight else input, weight, None, *options)
        return torch.autograd.grad(output, wanted, grad_output)[0]


conv1d_input = _input_gradient("conv1d_input", F.conv1d)
conv2d_input = _input_gradient("conv2d_input", F.conv2d)
conv3d_input = _input_gradient("conv3d_input", F.conv3d)
conv1d_weight = _weight_gradient("conv1d_weight", F.conv1d)
conv2d_weight = _weight_gradient("conv2d_weight", F.conv2d)
conv3d_weight = _weight_gradient("conv3d_weight", F.conv3d)
