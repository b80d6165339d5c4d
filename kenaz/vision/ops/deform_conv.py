"""Deformable convolution: every place of the kernel looks where the network tells it to."""

import math
from typing import Any

from ... import _api as torch
from ... import nn

Tensor = torch.Tensor


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def sampled(maps: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Values [M, C, P] of maps [M, C, H, W] at places [M, P], interpolated; outside, and half a pixel over, is zero."""
    count, channels, height, width = maps.shape
    flat = maps.reshape(count, channels, height * width)
    top, left = y.floor(), x.floor()
    total: Any = None
    for row, row_weight in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_weight in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).to(torch.int64)
            values = flat.gather(2, index.unsqueeze(1).expand(-1, channels, -1))
            part = values * (row_weight * column_weight * inside.to(maps.dtype)).unsqueeze(1)
            total = part if total is None else total + part
    return total


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """The convolution of [N, C, H, W] whose kernel's places move by `offset` and count by `mask`.

    `offset` is [N, 2 * groups * kh * kw, H', W'], a (y, x) for each place of the kernel, `mask` is
    [N, groups * kh * kw, H', W']; the channels of the input are dealt out to these groups. `weight` is
    [O, C / the convolution's groups, kh, kw]. From "Deformable ConvNets v2" (2018). Raises RuntimeError where the
    shapes do not fit.

    >>> image, weight = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)
    >>> deform_conv2d(image, torch.zeros(1, 18, 2, 2), weight)
    tensor([[[[9., 9.],
              [9., 9.]]]])
    """
    (stride_y, stride_x), (pad_y, pad_x), (dil_y, dil_x) = (pair(v) for v in (stride, padding, dilation))
    outputs, group_channels, kh, kw = weight.shape
    n, channels, height, width = input.shape
    offset_groups = offset.shape[1] // (2 * kh * kw)
    if offset_groups == 0:
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple of 2 * weight.size[2] "
            f"* weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, while 2 * weight.size[2] * weight.size[3]="
            f"{2 * kh * kw}"
        )
    out_h = (height + 2 * pad_y - dil_y * (kh - 1) - 1) // stride_y + 1
    out_w = (width + 2 * pad_x - dil_x * (kw - 1) - 1) // stride_x + 1
    if tuple(offset.shape[2:]) != (out_h, out_w) or channels % offset_groups or channels % group_channels:
        raise RuntimeError(
            f"offset output dims: ({offset.shape[2]}, {offset.shape[3]}) - computed output dims: ({out_h}, {out_w})"
        )
    moved = offset.view(n, offset_groups, kh * kw, 2, out_h, out_w)
    ky, kx = (
        g.reshape(-1, 1, 1) for g in torch.meshgrid(torch.arange(kh) * dil_y, torch.arange(kw) * dil_x, indexing="ij")
    )
    rows = (torch.arange(out_h) * stride_y - pad_y).view(1, -1, 1)
    columns = (torch.arange(out_w) * stride_x - pad_x).view(1, 1, -1)
    y = (moved[:, :, :, 0] + (ky + rows).to(input)).reshape(n * offset_groups, -1)
    x = (moved[:, :, :, 1] + (kx + columns).to(input)).reshape(n * offset_groups, -1)
    values = sampled(input.reshape(n * offset_groups, channels // offset_groups, height, width), y, x)
    values = values.view(n, offset_groups, channels // offset_groups, kh * kw, out_h, out_w)
    if mask is not None:
        values = values * mask.view(n, offset_groups, 1, kh * kw, out_h, out_w)
    groups = channels // group_channels
    values = values.reshape(n, groups, group_channels * kh * kw, out_h * out_w)
    kernel = weight.view(groups, outputs // groups, group_channels * kh * kw)
    out = (kernel.unsqueeze(0) @ values).view(n, outputs, out_h, out_w)
    return out if bias is None else out + bias.view(1, -1, 1, 1)


class DeformConv2d(nn.Module):
    """`deform_conv2d` as a layer; offsets and mask come with the input."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size, self.stride, self.padding, self.dilation = (
            pair(v) for v in (kernel_size, stride, padding, dilation)
        )
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    def __repr__(self) -> str:
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        shown += [f"padding={self.padding}"] if self.padding != (0, 0) else []
        shown += [f"dilation={self.dilation}"] if self.dilation != (1, 1) else []
        shown += [f"groups={self.groups}"] if self.groups != 1 else []
        shown += ["bias=False"] if self.bias is None else []
        return f"{type(self).__name__}({', '.join(shown)})"
