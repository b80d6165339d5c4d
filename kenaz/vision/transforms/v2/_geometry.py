"""Transforms of size and place, for images, masks and boxes alike."""

from collections.abc import Callable, Sequence
from typing import Any

from .... import _api as torch
from .. import geometry as one
from .._parameters import angle_range, check_fill, check_sequence, uniform
from ..elastic import displacement
from . import functional as F
from ._base import Transform, query_size


def draw(high: int) -> int:
    """A number below `high`, or 0 without drawing where there is no choice."""
    return int(torch.randint(0, high, size=())) if high > 1 else 0


class Fixed(Transform):
    """A transform that draws nothing: a function and its arguments."""

    function: Callable

    def arguments(self) -> dict[str, Any]:
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return type(self).function(inpt, **self.arguments())


class Maybe(Transform):
    """A transform that is applied with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        if torch.rand(1) >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return super().forward(*inputs)


class RandomHorizontalFlip(Maybe):
    """Left and right exchanged, with probability p."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.horizontal_flip(inpt)


class RandomVerticalFlip(Maybe):
    """Top and bottom exchanged, with probability p."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.vertical_flip(inpt)


class Resize(Fixed):
    """Scaled to (height, width), or so that the shorter edge has the length `size`.

    >>> Resize((2, 3))(torch.zeros(1, 4, 4)).shape
    torch.Size([1, 2, 3])
    """

    function = staticmethod(F.resize)

    def __init__(
        self,
        size: Any,
        interpolation: Any = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, int | Sequence):
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead."
            )
        self.size = [size] if isinstance(size, int) else list(size)
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("size", "interpolation", "max_size", "antialias")}


class CenterCrop(Fixed):
    """The middle, padded with 0 where it is smaller."""

    function = staticmethod(F.center_crop)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = F.F.pair(size)

    def arguments(self) -> dict[str, Any]:
        return {"output_size": self.size}


class Crops(Fixed):
    """Several windows of an image in place of it; points stay as they are."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt if isinstance(inpt, F.Points) else super().transform(inpt, params)


class FiveCrop(Crops):
    """The four corners and the middle."""

    function = staticmethod(F.five_crop)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = F.F.pair(size)

    def arguments(self) -> dict[str, Any]:
        return {"size": self.size}


class TenCrop(Crops):
    """The four corners and the middle, of the image and of its mirror image."""

    function = staticmethod(F.ten_crop)

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = F.F.pair(size)
        self.vertical_flip = vertical_flip

    def arguments(self) -> dict[str, Any]:
        return {"size": self.size, "vertical_flip": self.vertical_flip}


class Pad(Transform):
    """`padding` pixels added on the sides."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        one.Pad(padding, 0, padding_mode)  # its checks
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pad(inpt, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform):
    """A window of the given size at a random place."""

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = tuple(F.F.pair(size))
        left, top, right, bottom = F.F.all_sides(0 if padding is None else padding)
        self.padding = None if padding is None else [left, right, top, bottom]
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        left, right, top, bottom = self.padding or [0, 0, 0, 0]
        if self.pad_if_needed:
            more = max(self.size[0] - (height + top + bottom), 0)
            top, bottom = top + more, bottom + more
            more = max(self.size[1] - (width + left + right), 0)
            left, right = left + more, right + more
        padded = (height + top + bottom, width + left + right)
        if padded[0] < self.size[0] or padded[1] < self.size[1]:
            raise ValueError(
                f"Required crop size {self.size} is larger than "
                f"{'padded ' if self.padding is not None else ''}input image size {padded}."
            )
        window = (draw(padded[0] - self.size[0] + 1), draw(padded[1] - self.size[1] + 1))
        return {"padding": [left, top, right, bottom], "window": window}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(params["padding"]):
            inpt = F.pad(inpt, params["padding"], self.fill, self.padding_mode)
        return F.crop(inpt, *params["window"], *self.size)


class RandomResizedCrop(Transform):
    """A window of random area and shape, scaled to `size`."""

    def __init__(
        self,
        size: Any,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        one.RandomResizedCrop(size, scale, ratio)  # its checks
        self.size = F.F.pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        like = torch.empty(0, *query_size(flat_inputs))
        return {"window": one.RandomResizedCrop.get_params(like, self.scale, self.ratio)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        top, left, height, width = params["window"]
        return F.resized_crop(inpt, top, left, height, width, self.size, self.interpolation, self.antialias)


class RandomRotation(Transform):
    """Turned by a random angle."""

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = "nearest",
        expand: bool = False,
        center: list[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = angle_range(degrees, "degrees")
        self.interpolation = interpolation
        self.expand = expand
        self.fill = check_fill(fill)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": uniform(*self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Turned, moved, scaled and sheared by random amounts."""

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: Any = "nearest",
        fill: Any = 0,
        center: list[float] | None = None,
    ) -> None:
        super().__init__()
        checked = one.RandomAffine(degrees, translate, scale, shear, fill=fill, center=center)
        for name in ("degrees", "translate", "scale", "shear"):
            setattr(self, name, getattr(checked, name))
        self.interpolation = interpolation
        self.fill = checked.fill
        self.center = checked.center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        drawn = one.RandomAffine.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return dict(zip(("angle", "translate", "scale", "shear"), drawn))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.affine(inpt, **params, interpolation=self.interpolation, fill=self.fill, center=self.center)


class RandomPerspective(Maybe):
    """As seen from a random direction, with probability p."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = "bilinear",
        fill: Any = 0,
    ) -> None:
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = check_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        return dict(zip(("start", "end"), one.RandomPerspective.get_params(width, height, self.distortion_scale)))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.perspective(inpt, params["start"], params["end"], self.interpolation, self.fill)


def pair_of_numbers(value: Any, name: str) -> list[float]:
    """[value, value] of a number, or of a sequence of one; a sequence of two in floats."""
    if not isinstance(value, int | float | Sequence):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    values = [value] if isinstance(value, int | float) else value
    if len(values) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(values)}")
    for element in values:
        if not isinstance(element, int | float):
            raise ValueError(f"{name} should be a sequence of numbers. Got {type(element)}")
    return [float(values[0]), float(values[-1])]


class ElasticTransform(Transform):
    """Every pixel moved by a random amount that changes slowly over the image."""

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: Any = "bilinear",
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = pair_of_numbers(alpha, "alpha")
        self.sigma = pair_of_numbers(sigma, "sigma")
        self.interpolation = interpolation
        self.fill = check_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"displacement": displacement(self.alpha, self.sigma, query_size(flat_inputs))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.elastic(inpt, params["displacement"], self.interpolation, self.fill)
