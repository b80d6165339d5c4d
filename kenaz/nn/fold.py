"""Images as columns of blocks, and back."""

from __future__ import annotations

from .._api import Tensor
from . import functional as F
from .module import Module

Ints = int | tuple[int, ...]


class Fold(Module):
    """The image whose blocks `Unfold` would give, values of overlapping blocks added.

    >>> Fold((2, 2), (1, 2))(torch.tensor([[[0.0, 2.0], [1.0, 3.0]]]))
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]
    output_size: Ints
    kernel_size: Ints
    dilation: Ints
    padding: Ints
    stride: Ints

    def __init__(
        self, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """The blocks under a sliding window as columns: (N, C, H, W) gives (N, C * window, number of windows).

    >>> Unfold((1, 2))(torch.arange(4.0).reshape(1, 1, 2, 2))
    tensor([[[0., 2.],
             [1., 3.]]])
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]
    kernel_size: Ints
    dilation: Ints
    padding: Ints
    stride: Ints

    def __init__(self, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
