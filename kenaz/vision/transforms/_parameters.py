"""What transforms share: random parameters, drawn as torchvision draws them, and checks of fixed ones."""

from collections.abc import Sequence
from typing import Any

from ... import _api as torch
from ...nn import Module
from . import functional as F

Tensor = torch.Tensor


def uniform(low: float, high: float) -> float:
    """A number of PyTorch's stream between low and high."""
    return torch.empty(1).uniform_(low, high).item()


def integer(low: int, high: int) -> int:
    """A number of PyTorch's stream, high excluded."""
    return torch.randint(low, high, size=(1,)).item()


def happens(p: float) -> bool:
    """True with probability p."""
    return torch.rand(1).item() < p


def check_sequence(value: Any, name: str, sizes: tuple[int, ...]) -> None:
    wanted = " or ".join(str(size) for size in sizes)
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {wanted}.")
    if len(value) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {wanted}.")


def angle_range(value: Any, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """[-value, value] of a number; a sequence as it is, in floats."""
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        value = [-value, value]
    else:
        check_sequence(value, name, sizes)
    return [float(degrees) for degrees in value]


def check_fill(fill: Any) -> Any:
    if not isinstance(0 if fill is None else fill, Sequence | int | float):
        raise TypeError("Fill should be either a sequence or a number.")
    return 0 if fill is None else fill


def fill_for(img: Any, fill: Any) -> Any:
    """One number a channel for a tensor; what Pillow takes otherwise."""
    if not isinstance(img, Tensor):
        return fill
    values = [fill] * F.get_dimensions(img)[0] if isinstance(fill, int | float) else fill
    return [float(value) for value in values]


def mode_of(interpolation: Any) -> Any:
    return F.interpolation_mode(interpolation) if isinstance(interpolation, int) else interpolation


def listed(name: str, *lines: Any) -> str:
    """A repr with a line for each part."""
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), ")"])


class WithProbability(Module):
    """`change` the image with probability p, or give it back as it is."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def change(self, img: Any) -> Any:
        return img

    def forward(self, img: Any) -> Any:
        return self.change(img) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
