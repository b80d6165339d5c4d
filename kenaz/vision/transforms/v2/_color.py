"""Transforms of color and sharpness; masks and boxes pass as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import _api as torch
from .. import color as one
from .. import geometry
from .._parameters import check_sequence, uniform
from . import functional as F
from ._base import Transform, query_channels, query_size
from ._geometry import Maybe

Tensor = torch.Tensor


class Grayscale(Transform):
    """In gray, in 1 or 3 channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.rgb_to_grayscale(inpt, self.num_output_channels)


class RandomGrayscale(Maybe):
    """In gray, in as many channels as before, with probability p."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"channels": query_channels(flat_inputs)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.rgb_to_grayscale(inpt, params["channels"])


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed by random amounts in a random order."""

    def __init__(self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None) -> None:
        super().__init__()
        for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
            setattr(self, name, None if value is None else one.ColorJitter.range_of(value, name))
        self.hue = None if hue is None else one.ColorJitter.range_of(hue, "hue", center=0.0, bound=(-0.5, 0.5))

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        order, *factors = one.ColorJitter.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in params["order"]:
            if params["factors"][i] is not None:
                inpt = changes[i](inpt, params["factors"][i])
        return inpt


class RandomInvert(Maybe):
    """White and black exchanged, with probability p."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.invert(inpt)


class RandomAutocontrast(Maybe):
    """The whole range of values used, with probability p."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.autocontrast(inpt)


class RandomEqualize(Maybe):
    """Levels made about equally frequent, with probability p."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.equalize(inpt)


class RandomPosterize(Maybe):
    """Fewer bits a value, with probability p."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.posterize(inpt, self.bits)


class RandomSolarize(Maybe):
    """Values from a threshold on inverted, with probability p."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.solarize(inpt, self.threshold)


class RandomAdjustSharpness(Maybe):
    """Sharper or softer, with probability p."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.adjust_sharpness(inpt, self.sharpness_factor)


class RandomChannelPermutation(Transform):
    """The channels in a random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"order": torch.randperm(query_channels(flat_inputs)).tolist()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.permute_channels(inpt, params["order"])


class GaussianBlur(Transform):
    """Convolved with a bell of random width."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        checked = one.GaussianBlur(kernel_size, sigma)
        self.kernel_size = tuple(checked.kernel_size)
        self.sigma = list(checked.sigma)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": uniform(*self.sigma)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.gaussian_blur(inpt, list(self.kernel_size), [params["sigma"]] * 2)


class GaussianNoise(Transform):
    """Noise added to floating images."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.gaussian_noise(inpt, self.mean, self.sigma, self.clip)


class RandomErasing(Maybe):
    """A random window filled with a value or with noise, with probability p."""

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p)
        geometry.RandomErasing(p, scale, ratio, value, inplace)  # its checks
        self.scale = scale
        self.ratio = ratio
        self.value = None if isinstance(value, str) else [float(v) for v in np.atleast_1d(value)]
        self.inplace = inplace

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        like = torch.empty(query_channels(flat_inputs), *query_size(flat_inputs))
        window = geometry.RandomErasing.get_params(like, self.scale, self.ratio, self.value)
        return {"window": None if window[-1] is like else window}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt if params["window"] is None else F.erase(inpt, *params["window"], self.inplace)


class JPEG(Transform):
    """The image as it comes back from a JPEG file of random quality, from 1 to 100: `quality`, or between two."""

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(quality, int):
            quality = [quality, quality]
        else:
            check_sequence(quality, "quality", (2,))
        if not (all(isinstance(q, int) for q in quality) and 1 <= quality[0] <= quality[1] <= 100):
            raise ValueError(f"quality must be an integer from 1 to 100, got {quality =}")
        self.quality = quality

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"quality": int(torch.randint(self.quality[0], self.quality[1] + 1, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.jpeg(inpt, params["quality"])
