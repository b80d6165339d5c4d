"""Weights of convolutions in another memory format."""

from __future__ import annotations

from typing import Any

from ... import _api as torch


def _convert(module: Any, kinds: tuple, memory_format: Any) -> Any:
    for below in module.modules():
        if isinstance(below, kinds):
            below.weight.data = below.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Any, memory_format: torch.memory_format) -> Any:
    """Give the weights of all 2d convolutions below a module a memory format."""
    from .. import Conv2d, ConvTranspose2d

    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: Any, memory_format: torch.memory_format) -> Any:
    """Give the weights of all 3d convolutions below a module a memory format."""
    from .. import Conv3d, ConvTranspose3d

    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
