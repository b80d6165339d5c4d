"""Padding layers: the border filled with a number, a mirror image, the nearest value, or the other side."""

from __future__ import annotations

from collections.abc import Sequence

from .._api import Tensor
from . import functional as F
from ._shapes import ntuple, pair, quadruple
from .module import Module

_sextuple = ntuple(6, "_sextuple")
Ints = int | tuple[int, ...]


class _PadNd(Module):
    """Padding whose subclass says the mode; `padding` is (left, right, top, bottom, front, back)."""

    __constants__ = ["padding"]
    padding: Sequence[int]

    def __init__(self, padding: Ints) -> None:
        super().__init__()
        self.padding = self._tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(Module):
    __constants__ = ["padding", "value"]
    value: float
    padding: Sequence[int]

    def __init__(self, padding: Ints, value: float) -> None:
        super().__init__()
        self.padding = self._tuple(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """The last dimension padded with `value`.

    >>> ConstantPad1d(1, 5.0)(torch.zeros(1, 2))
    tensor([[5., 0., 0., 5.]])
    """

    _tuple = staticmethod(pair)


class ConstantPad2d(_ConstantPadNd):
    """The last two dimensions padded with `value`.

    >>> ConstantPad2d((1, 0, 0, 0), 5.0)(torch.zeros(1, 2))
    tensor([[5., 0., 0.]])
    """

    _tuple = staticmethod(quadruple)


class ConstantPad3d(_ConstantPadNd):
    """The last three dimensions padded with `value`.

    >>> ConstantPad3d(1, 5.0)(torch.zeros(1, 1, 1)).shape
    torch.Size([3, 3, 3])
    """

    _tuple = staticmethod(_sextuple)


class ZeroPad1d(ConstantPad1d):
    """The last dimension padded with 0.

    >>> ZeroPad1d(1)(torch.ones(1, 2))
    tensor([[0., 1., 1., 0.]])
    """

    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _PadNd.extra_repr


class ZeroPad2d(ConstantPad2d):
    """The last two dimensions padded with 0.

    >>> ZeroPad2d((1, 0, 0, 0))(torch.ones(1, 2))
    tensor([[0., 1., 1.]])
    """

    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _PadNd.extra_repr


class ZeroPad3d(ConstantPad3d):
    """The last three dimensions padded with 0.

    >>> ZeroPad3d(1)(torch.ones(1, 1, 1)).sum()
    tensor(1.)
    """

    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    extra_repr = _PadNd.extra_repr


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """The last dimension continued by its mirror image, without the border value.

    >>> ReflectionPad1d(2)(torch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """

    _tuple = staticmethod(pair)


class ReflectionPad2d(_ReflectionPadNd):
    """The last two dimensions continued by their mirror image.

    >>> ReflectionPad2d((1, 0, 0, 0))(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[1., 0., 1.]]])
    """

    _tuple = staticmethod(quadruple)


class ReflectionPad3d(_ReflectionPadNd):
    """The last three dimensions continued by their mirror image.

    >>> ReflectionPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _tuple = staticmethod(_sextuple)


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """The last dimension continued by its border value.

    >>> ReplicationPad1d(2)(torch.tensor([[0.0, 1.0]]))
    tensor([[0., 0., 0., 1., 1., 1.]])
    """

    _tuple = staticmethod(pair)


class ReplicationPad2d(_ReplicationPadNd):
    """The last two dimensions continued by their border values.

    >>> ReplicationPad2d((1, 0, 0, 0))(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[0., 0., 1.]]])
    """

    _tuple = staticmethod(quadruple)


class ReplicationPad3d(_ReplicationPadNd):
    """The last three dimensions continued by their border values.

    >>> ReplicationPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _tuple = staticmethod(_sextuple)


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        allowed = len(self._tuple(0)) // 2 + 1
        if input.dim() not in (allowed, allowed + 1):
            raise ValueError(f"expected {allowed}D or {allowed + 1}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return F.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPadNd):
    """The last dimension continued by its other side.

    >>> CircularPad1d(1)(torch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[2., 0., 1., 2., 0.]])
    """

    _tuple = staticmethod(pair)


class CircularPad2d(_CircularPadNd):
    """The last two dimensions continued by their other sides.

    >>> CircularPad2d((1, 0, 0, 0))(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[1., 0., 1.]]])
    """

    _tuple = staticmethod(quadruple)


class CircularPad3d(_CircularPadNd):
    """The last three dimensions continued by their other sides.

    >>> CircularPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _tuple = staticmethod(_sextuple)
