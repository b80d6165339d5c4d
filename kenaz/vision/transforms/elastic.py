"""A picture on rubber: every pixel moved a little, neighbours by about the same."""

from collections.abc import Sequence
from typing import Any

from ... import _api as torch
from ...nn import Module
from . import functional as F
from ._parameters import fill_for, mode_of
from .functional import InterpolationMode

__all__ = ["ElasticTransform"]

Tensor = torch.Tensor


def pair_of_floats(value: Any, name: str) -> list[float]:
    """[value, value] of a float; a sequence of two floats as it is."""
    if not isinstance(value, float | Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, float):
        return [value, value]
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return value  # type: ignore[return-value]  # a tuple stays one


def displacement(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
    """[1, height, width, 2]: random moves, smoothed by `sigma` pixels and `alpha` large, in halves of the image."""
    moves = []
    for strength, width, length in zip(alpha, sigma, reversed(size)):
        noise = torch.rand([1, 1, *size]) * 2 - 1
        if width > 0.0:
            kernel = int(8 * width + 1)
            kernel += kernel % 2 == 0  # kernels are odd
            noise = F.gaussian_blur(noise, [kernel, kernel], list(sigma))
        moves.append(noise * strength / length)
    return torch.cat(moves, 1).permute([0, 2, 3, 1])


class ElasticTransform(Module):
    """Every pixel moved by a random amount that changes slowly over the image (Simard and others, 2003)."""

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = pair_of_floats(alpha, "alpha")
        self.sigma = pair_of_floats(sigma, "sigma")
        self.interpolation = mode_of(interpolation)
        if not isinstance(fill, int | float | list | tuple):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(f) for f in ([fill] if isinstance(fill, int | float) else fill)]

    get_params = staticmethod(displacement)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        moves = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, moves, self.interpolation, fill_for(tensor, self.fill))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in ("alpha", "sigma", "interpolation", "fill"))
        return f"{type(self).__name__}({shown})"
