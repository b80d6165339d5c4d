"""Enlarging images, as layers."""

from __future__ import annotations

from typing import Any

from .._api import Tensor
from . import functional as F
from .module import Module

Ints = int | tuple[int, ...]
Floats = float | tuple[float, ...]


class Upsample(Module):
    """`F.interpolate` to a size or by a factor.

    >>> Upsample(scale_factor=2)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    __constants__ = ["size", "scale_factor", "mode", "align_corners", "name", "recompute_scale_factor"]
    name: str
    size: Ints | None
    scale_factor: Floats | None
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    def __init__(
        self,
        size: Ints | None = None,
        scale_factor: Floats | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.setdefault("recompute_scale_factor", True)  # what files from before PyTorch 1.6 meant
        super().__setstate__(state)

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of (N, C, H, W) by the nearest value.

    >>> UpsamplingNearest2d(scale_factor=2)(torch.ones(1, 1, 1, 2)).shape
    torch.Size([1, 1, 2, 4])
    """

    def __init__(self, size: Ints | None = None, scale_factor: Floats | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of (N, C, H, W), bilinear with aligned corners.

    >>> UpsamplingBilinear2d(scale_factor=2)(torch.ones(1, 1, 1, 2)).shape
    torch.Size([1, 1, 2, 4])
    """

    def __init__(self, size: Ints | None = None, scale_factor: Floats | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
