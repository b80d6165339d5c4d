"""Convolutions and transposed convolutions over one, two and three spatial dimensions, and their lazy twins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from .. import _api as torch
from .._api import Tensor
from . import functional as F
from . import init
from ._shapes import pair, single, triple
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedParameter

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
Ints = int | Sequence[int]
Device = torch.device | str | None
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: their parameters, and how these begin."""

    __constants__ = [
        "stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels", "out_channels",
        "kernel_size",
    ]  # fmt: skip
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Tensor
    bias: Tensor | None

    _tuple: Callable[[Any], tuple]  # spreads a number over the layer's spatial dimensions

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_PADDING_MODES)}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _padding_both_sides(padding, dilation, kernel_size)
        shape = self._weight_shape()
        self.weight = Parameter(torch.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        if self.transposed:
            return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draws weight and bias from U(-1 / sqrt(n), 1 / sqrt(n)), n the number of values that one output sees."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        ones, zeros = (1,) * len(self.dilation), (0,) * len(self.output_padding)
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * len(self.padding):
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")  # files from before PyTorch 1.1


def _padding_both_sides(padding: Any, dilation: Sequence[int], kernel_size: Sequence[int]) -> list[int]:
    """The padding as `F.pad` takes it: (left, right) of the last dimension first."""
    if not isinstance(padding, str):
        return [size for size in reversed(padding) for _ in range(2)]
    if padding == "valid":
        return [0, 0] * len(kernel_size)
    both = []
    for step, size in zip(reversed(dilation), reversed(kernel_size)):
        total = step * (size - 1)
        both += [total // 2, total - total // 2]
    return both


class _Convolution(_ConvNd):
    """A convolution whose subclass says over how many dimensions, and with which function."""

    _function: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: str | Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        spread = self._tuple
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size),
            spread(stride),
            padding if isinstance(padding, str) else spread(padding),
            spread(dilation),
            False,
            spread(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = self._tuple(0)
        return self._function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Convolution):
    """A convolution over (N, C, L).

    >>> Conv1d(2, 4, 3)(torch.ones(1, 2, 8)).shape
    torch.Size([1, 4, 6])
    """

    _tuple = staticmethod(single)
    _function = staticmethod(F.conv1d)


class Conv2d(_Convolution):
    """A convolution over (N, C, H, W).

    >>> Conv2d(2, 4, 3, padding=1)(torch.ones(1, 2, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    _tuple = staticmethod(pair)
    _function = staticmethod(F.conv2d)


class Conv3d(_Convolution):
    """A convolution over (N, C, D, H, W).

    >>> Conv3d(2, 4, 3, stride=2)(torch.ones(1, 2, 8, 8, 8)).shape
    torch.Size([1, 4, 3, 3, 3])
    """

    _tuple = staticmethod(triple)
    _function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution whose subclass says over how many dimensions, and with which function."""

    _function: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        spread = self._tuple
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size),
            spread(stride),
            spread(padding),
            spread(dilation),
            True,
            spread(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self,
        input: Tensor,
        output_size: Sequence[int] | None,
        stride: Sequence[int],
        padding: Sequence[int],
        kernel_size: Sequence[int],
        num_spatial_dims: int,
        dilation: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """What to add on one side so that the output has `output_size`; several sizes lead to the same input."""
        if output_size is None:
            return single(self.output_padding)
        batched = input.dim() == num_spatial_dims + 2
        others = 2 if batched else 1
        if len(output_size) == num_spatial_dims + others:
            output_size = output_size[others:]
        if len(output_size) != num_spatial_dims:
            raise ValueError(
                f"ConvTranspose{num_spatial_dims}D: for {input.dim()}D input, output_size must have "
                f"{num_spatial_dims} or {num_spatial_dims + others} elements (got {len(output_size)})"
            )
        steps = dilation if dilation is not None else (1,) * num_spatial_dims
        smallest = [
            (input.size(axis + others) - 1) * stride[axis]
            - 2 * padding[axis]
            + steps[axis] * (kernel_size[axis] - 1)
            + 1
            for axis in range(num_spatial_dims)
        ]
        largest = [size + stride[axis] - 1 for axis, size in enumerate(smallest)]
        if any(not low <= size <= high for low, size, high in zip(smallest, output_size, largest)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {smallest} to {largest} "
                f"(for an input of {input.size()[2:]})"
            )
        return tuple(size - low for size, low in zip(output_size, smallest))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        output_padding = self._output_padding(
            input,
            output_size,
            self.stride,
            self.padding,  # type: ignore[arg-type]  # a transposed convolution has no padding by name
            self.kernel_size,
            len(self.kernel_size),
            self.dilation,
        )
        return self._function(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    """The gradient of `Conv1d` with respect to its input, as a layer.

    >>> ConvTranspose1d(2, 4, 3)(torch.ones(1, 2, 8)).shape
    torch.Size([1, 4, 10])
    """

    _tuple = staticmethod(single)
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """The gradient of `Conv2d` with respect to its input, as a layer.

    >>> ConvTranspose2d(2, 4, 3, stride=2)(torch.ones(1, 2, 8, 8), output_size=(18, 18)).shape
    torch.Size([1, 4, 18, 18])
    """

    _tuple = staticmethod(pair)
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """The gradient of `Conv3d` with respect to its input, as a layer.

    >>> ConvTranspose3d(2, 4, 3)(torch.ones(1, 2, 4, 4, 4)).shape
    torch.Size([1, 4, 6, 6, 6])
    """

    _tuple = staticmethod(triple)
    _function = staticmethod(F.conv_transpose3d)


# ---------------------------------------------------------------------------------------------------------------- lazy
class _LazyConvXdMixin(LazyModuleMixin):
    """A convolution that learns `in_channels` from its first input."""

    _weight_shape: Callable[[], tuple[int, ...]]

    def _become_lazy(self, out_channels: int, bias: bool, device: Device, dtype: torch.dtype | None) -> None:
        """Replaces the empty parameters of a layer built with no channels."""
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]  # the layer that this is mixed into has it

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Gives the parameters the sizes that `input` asks for, and their first values."""
        if self.has_uninitialized_params():
            self.in_channels = self._get_in_channels(input)
            if self.in_channels % self.groups:
                raise ValueError("in_channels must be divisible by groups")
            self.weight.materialize(self._weight_shape())
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()

    def _get_in_channels(self, input: Tensor) -> int:
        spatial = self._get_num_spatial_dims()
        if input.dim() not in (spatial + 1, spatial + 2):
            raise RuntimeError(
                f"Expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input to {type(self).__name__}, "
                f"but got input of size: {input.shape}"
            )
        return input.shape[-spatial - 1]

    def _get_num_spatial_dims(self) -> int:
        return len(self.kernel_size)


class _LazyConvolution(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: str | Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._become_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution, Conv1d):
    """A `Conv1d` that learns `in_channels` from its first input.

    >>> LazyConv1d(4, 3)(torch.ones(1, 2, 8)).shape
    torch.Size([1, 4, 6])
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """A `Conv2d` that learns `in_channels` from its first input.

    >>> LazyConv2d(4, 3)(torch.ones(1, 2, 8, 8)).shape
    torch.Size([1, 4, 6, 6])
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """A `Conv3d` that learns `in_channels` from its first input.

    >>> LazyConv3d(4, 3)(torch.ones(1, 2, 8, 8, 8)).shape
    torch.Size([1, 4, 6, 6, 6])
    """

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: PaddingMode = "zeros",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        )
        self._become_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that learns `in_channels` from its first input.

    >>> LazyConvTranspose1d(4, 3)(torch.ones(1, 2, 8)).shape
    torch.Size([1, 4, 10])
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that learns `in_channels` from its first input.

    >>> LazyConvTranspose2d(4, 3)(torch.ones(1, 2, 8, 8)).shape
    torch.Size([1, 4, 10, 10])
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that learns `in_channels` from its first input.

    >>> LazyConvTranspose3d(4, 3)(torch.ones(1, 2, 4, 4, 4)).shape
    torch.Size([1, 4, 6, 6, 6])
    """

    cls_to_become = ConvTranspose3d
