"""Policies of random changes that were found to make classifiers better: which change, and how much of it."""

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

from ... import _api as torch
from ...nn import Module
from . import functional as F
from .functional import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Tensor = torch.Tensor

# name of a change: (its strengths for a number of levels and a (height, width); whether the sign is drawn too)
Space = dict[str, tuple[Callable[[int, tuple[int, int]], Tensor | None], bool]]


def linear(low: float, high: float, signed: bool = False) -> tuple[Callable[[int, tuple[int, int]], Tensor], bool]:
    return lambda levels, size: torch.linspace(low, high, levels), signed


def moved(axis: int, share: float = 150.0 / 331.0) -> tuple[Callable[[int, tuple[int, int]], Tensor], bool]:
    """Translations by up to a part of the image's height (0) or width (1)."""
    return lambda levels, size: torch.linspace(0.0, share * size[axis], levels), True


def bits(lost: int, start: int = 8) -> tuple[Callable[[int, tuple[int, int]], Tensor], bool]:
    """`start` bits a value at first, `lost` fewer at the highest level."""
    return lambda levels, size: (start - (torch.arange(levels) / ((levels - 1) / lost))).round().int(), False


NOTHING = (lambda levels, size: None), False

RAND: Space = {
    "Identity": NOTHING,
    "ShearX": linear(0.0, 0.3, True),
    "ShearY": linear(0.0, 0.3, True),
    "TranslateX": moved(1),
    "TranslateY": moved(0),
    "Rotate": linear(0.0, 30.0, True),
    "Brightness": linear(0.0, 0.9, True),
    "Color": linear(0.0, 0.9, True),
    "Contrast": linear(0.0, 0.9, True),
    "Sharpness": linear(0.0, 0.9, True),
    "Posterize": bits(4),
    "Solarize": linear(255.0, 0.0),
    "AutoContrast": NOTHING,
    "Equalize": NOTHING,
}
WIDE: Space = {
    **RAND,
    "ShearX": linear(0.0, 0.99, True),
    "ShearY": linear(0.0, 0.99, True),
    "TranslateX": linear(0.0, 32.0, True),
    "TranslateY": linear(0.0, 32.0, True),
    "Rotate": linear(0.0, 135.0, True),
    "Brightness": linear(0.0, 0.99, True),
    "Color": linear(0.0, 0.99, True),
    "Contrast": linear(0.0, 0.99, True),
    "Sharpness": linear(0.0, 0.99, True),
    "Posterize": bits(6),
}
AUTO: Space = {**{name: RAND[name] for name in RAND if name != "Identity"}, "Invert": NOTHING}
MIX: Space = {
    **{name: RAND[name] for name in ("ShearX", "ShearY")},
    "TranslateX": moved(1, 1.0 / 3.0),
    "TranslateY": moved(0, 1.0 / 3.0),
    "Rotate": RAND["Rotate"],
    "Posterize": bits(4, 4),
    **{name: RAND[name] for name in ("Solarize", "AutoContrast", "Equalize")},
}
MIX_ALL: Space = {**MIX, **{name: RAND[name] for name in ("Brightness", "Color", "Contrast", "Sharpness")}}


def skewed(img: Any, horizontal: float, vertical: float, mode: Any, fill: Any) -> Any:
    """Sheared as in the AutoAugment paper: the angle from its tangent, around the corner."""
    angles = [math.degrees(math.atan(v)) for v in (horizontal, vertical)]
    return F.affine(img, 0.0, [0, 0], 1.0, angles, mode, fill, [0, 0])


def shifted(img: Any, x: float, y: float, mode: Any, fill: Any) -> Any:
    return F.affine(img, 0.0, [int(x), int(y)], 1.0, [0.0, 0.0], mode, fill)


# each: image, strength, interpolation, fill
CHANGES: dict[str, Callable[[Any, float, Any, Any], Any]] = {
    "Identity": lambda img, v, mode, fill: img,
    "ShearX": lambda img, v, mode, fill: skewed(img, v, 0.0, mode, fill),
    "ShearY": lambda img, v, mode, fill: skewed(img, 0.0, v, mode, fill),
    "TranslateX": lambda img, v, mode, fill: shifted(img, v, 0, mode, fill),
    "TranslateY": lambda img, v, mode, fill: shifted(img, 0, v, mode, fill),
    "Rotate": lambda img, v, mode, fill: F.rotate(img, v, mode, fill=fill),
    "Brightness": lambda img, v, mode, fill: F.adjust_brightness(img, 1.0 + v),
    "Color": lambda img, v, mode, fill: F.adjust_saturation(img, 1.0 + v),
    "Contrast": lambda img, v, mode, fill: F.adjust_contrast(img, 1.0 + v),
    "Sharpness": lambda img, v, mode, fill: F.adjust_sharpness(img, 1.0 + v),
    "Posterize": lambda img, v, mode, fill: F.posterize(img, int(v)),
    "Solarize": lambda img, v, mode, fill: F.solarize(img, v),
    "AutoContrast": lambda img, v, mode, fill: F.autocontrast(img),
    "Equalize": lambda img, v, mode, fill: F.equalize(img),
    "Invert": lambda img, v, mode, fill: F.invert(img),
}


def number(high: int) -> int:
    return int(torch.randint(high, (1,)).item())


def change(img: Any, name: str, strength: float, mode: Any, fill: Any) -> Any:
    """The image after the change of this name; a fill is one number a channel for a tensor."""
    if isinstance(img, Tensor) and fill is not None:
        channels = F.get_dimensions(img)[0]
        fill = [float(fill)] * channels if isinstance(fill, int | float) else [float(f) for f in fill]
    return CHANGES[name](img, strength, mode, fill)


class Policy(Module):
    """What the policies have in common: how places that come from outside of the image are found and filled."""

    def __init__(
        self, interpolation: InterpolationMode = InterpolationMode.NEAREST, fill: list[float] | None = None
    ) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    shown: tuple[str, ...] = ()

    def changed(self, img: Any, name: str, strength: float) -> Any:
        return change(img, name, strength, self.interpolation, self.fill)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)
        return f"{type(self).__name__}({parts})"


def size_of(img: Any) -> tuple[int, int]:
    _, height, width = F.get_dimensions(img)
    return height, width


class RandAugment(Policy):
    """Some changes of a given strength ("RandAugment: practical automated data augmentation", 2019).

    >>> RandAugment(num_ops=1)(torch.zeros(3, 4, 4, dtype=torch.uint8)).shape
    torch.Size([3, 4, 4])
    """

    shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        for _ in range(self.num_ops):
            name = list(RAND)[number(len(RAND))]
            strengths, signed = RAND[name]
            values = strengths(self.num_magnitude_bins, size_of(img))
            strength = 0.0 if values is None else float(values[self.magnitude].item())
            if signed and number(2):
                strength *= -1.0
            img = self.changed(img, name, strength)
        return img


class TrivialAugmentWide(Policy):
    """One change of a random strength ("TrivialAugment: tuning-free yet state-of-the-art data augmentation", 2021).

    >>> TrivialAugmentWide()(torch.zeros(3, 4, 4, dtype=torch.uint8)).shape
    torch.Size([3, 4, 4])
    """

    shown = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        name = list(WIDE)[number(len(WIDE))]
        strengths, signed = WIDE[name]
        values = strengths(self.num_magnitude_bins, size_of(img))
        strength = 0.0 if values is None else float(values[number(len(values))].item())
        if signed and number(2):
            strength *= -1.0
        return self.changed(img, name, strength)


class AutoAugmentPolicy(Enum):
    """The data set that a policy was found on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Pairs of (change, probability, level) from the appendix of "AutoAugment: learning augmentation strategies from data".
POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize 0.4 8, Rotate 0.6 9;          Solarize 0.6 5, AutoContrast 0.6 -;   Equalize 0.8 -, Equalize 0.6 -
        Posterize 0.6 7, Posterize 0.6 6;       Equalize 0.4 -, Solarize 0.2 4;       Equalize 0.4 -, Rotate 0.8 8
        Solarize 0.6 3, Equalize 0.6 -;         Posterize 0.8 5, Equalize 1.0 -;      Rotate 0.2 3, Solarize 0.6 8
        Equalize 0.6 -, Posterize 0.4 6;        Rotate 0.8 8, Color 0.4 0;            Rotate 0.4 9, Equalize 0.6 -
        Equalize 0.0 -, Equalize 0.8 -;         Invert 0.6 -, Equalize 1.0 -;         Color 0.6 4, Contrast 1.0 8
        Rotate 0.8 8, Color 1.0 2;              Color 0.8 8, Solarize 0.8 7;          Sharpness 0.4 7, Invert 0.6 -
        ShearX 0.6 5, Equalize 1.0 -;           Color 0.4 0, Equalize 0.6 -;          Equalize 0.4 -, Solarize 0.2 4
        Solarize 0.6 5, AutoContrast 0.6 -;     Invert 0.6 -, Equalize 1.0 -;         Color 0.6 4, Contrast 1.0 8
        Equalize 0.8 -, Equalize 0.6 -
    """,
    AutoAugmentPolicy.CIFAR10: """
        Invert 0.1 -, Contrast 0.2 6;           Rotate 0.7 2, TranslateX 0.3 9;       Sharpness 0.8 1, Sharpness 0.9 3
        ShearY 0.5 8, TranslateY 0.7 9;         AutoContrast 0.5 -, Equalize 0.9 -;   ShearY 0.2 7, Posterize 0.3 7
        Color 0.4 3, Brightness 0.6 7;          Sharpness 0.3 9, Brightness 0.7 9;    Equalize 0.6 -, Equalize 0.5 -
        Contrast 0.6 7, Sharpness 0.6 5;        Color 0.7 7, TranslateX 0.5 8;        Equalize 0.3 -, AutoContrast 0.4 -
        TranslateY 0.4 3, Sharpness 0.2 6;      Brightness 0.9 6, Color 0.2 8;        Solarize 0.5 2, Invert 0.0 -
        Equalize 0.2 -, AutoContrast 0.6 -;     Equalize 0.2 -, Equalize 0.6 -;       Color 0.9 9, Equalize 0.6 -
        AutoContrast 0.8 -, Solarize 0.2 8;     Brightness 0.1 3, Color 0.7 0;        Solarize 0.4 5, AutoContrast 0.9 -
        TranslateY 0.9 9, TranslateY 0.7 9;     AutoContrast 0.9 -, Solarize 0.8 3;   Equalize 0.8 -, Invert 0.1 -
        TranslateY 0.7 9, AutoContrast 0.9 -
    """,
    AutoAugmentPolicy.SVHN: """
        ShearX 0.9 4, Invert 0.2 -;             ShearY 0.9 8, Invert 0.7 -;           Equalize 0.6 -, Solarize 0.6 6
        Invert 0.9 -, Equalize 0.6 -;           Equalize 0.6 -, Rotate 0.9 3;         ShearX 0.9 4, AutoContrast 0.8 -
        ShearY 0.9 8, Invert 0.4 -;             ShearY 0.9 5, Solarize 0.2 6;         Invert 0.9 -, AutoContrast 0.8 -
        Equalize 0.6 -, Rotate 0.9 3;           ShearX 0.9 4, Solarize 0.3 3;         ShearY 0.8 8, Invert 0.7 -
        Equalize 0.9 -, TranslateY 0.6 6;       Invert 0.9 -, Equalize 0.6 -;         Contrast 0.3 3, Rotate 0.8 4
        Invert 0.8 -, TranslateY 0.0 2;         ShearY 0.7 6, Solarize 0.4 8;         Invert 0.6 -, Rotate 0.8 4
        ShearY 0.3 7, TranslateX 0.9 3;         ShearX 0.1 6, Invert 0.6 -;           Solarize 0.7 2, TranslateY 0.6 7
        ShearY 0.8 4, Invert 0.8 -;             ShearX 0.7 9, TranslateY 0.8 3;       ShearY 0.8 5, AutoContrast 0.7 -
        ShearX 0.7 2, Invert 0.1 -
    """,
}
Step = tuple[str, float, int | None]


def pairs_of(policy: AutoAugmentPolicy) -> list[tuple[Step, ...]]:
    """The table of a policy as ((change, probability, level), (...)).

    >>> pairs_of(AutoAugmentPolicy.IMAGENET)[0]
    (('Posterize', 0.4, 8), ('Rotate', 0.6, 9))
    """

    def step(text: str) -> Step:
        name, p, level = text.split()
        return name, float(p), None if level == "-" else int(level)

    rows = POLICIES[policy].strip().replace("\n", ";").split(";")
    return [tuple(step(text) for text in row.split(",")) for row in rows]


class AutoAugment(Policy):
    """A random pair of changes out of those that a search has found ("AutoAugment", 2018).

    >>> AutoAugment()(torch.zeros(3, 4, 4, dtype=torch.uint8)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if policy not in POLICIES:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self.policies = pairs_of(policy)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """(number of the pair, a number for each change's probability, 0 or 1 for each one's sign)"""
        return number(transform_num), torch.rand((2,)), torch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        chosen, probabilities, signs = self.get_params(len(self.policies))
        for (name, p, level), drawn, sign in zip(self.policies[chosen], probabilities.tolist(), signs.tolist()):
            if drawn > p:
                continue
            strengths, signed = AUTO[name]
            values = strengths(10, size_of(img))
            strength = 0.0 if values is None or level is None else float(values[level].item())
            img = self.changed(img, name, -strength if signed and sign == 0 else strength)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class AugMix(Policy):
    """The image mixed with the results of several chains of changes ("AugMix", 2019).

    >>> AugMix()(torch.zeros(3, 4, 4, dtype=torch.uint8)).shape
    torch.Size([3, 4, 4])
    """

    shown = (
        "severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill",
    )  # fmt: skip

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _sample_dirichlet(self, params: Tensor) -> Tensor:
        return torch._sample_dirichlet(params)

    def chain(self, img: Any, space: Space, depth: int) -> Any:
        for _ in range(depth):
            name = list(space)[number(len(space))]
            strengths, signed = space[name]
            values = strengths(10, size_of(img))
            strength = 0.0 if values is None else float(values[number(self.severity)].item())
            if signed and number(2):
                strength *= -1.0
            img = self.changed(img, name, strength)
        return img

    def forward(self, orig_img: Any) -> Any:
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        batch = img.view([1] * max(4 - img.ndim, 0) + list(img.shape))
        size = [batch.size(0)]
        m = self._sample_dirichlet(torch.tensor([self.alpha, self.alpha]).expand(size[0], -1))
        weights = self._sample_dirichlet(torch.tensor([self.alpha] * self.mixture_width).expand(size[0], -1))
        weights = weights * m[:, 1].reshape([size[0], -1])
        mixed = m[:, 0].reshape([size[0], 1, 1, 1]) * batch
        space = MIX_ALL if self.all_ops else MIX
        for i in range(self.mixture_width):
            depth = self.chain_depth if self.chain_depth > 0 else int(torch.randint(1, 4, (1,)).item())
            mixed = mixed + weights[:, i].reshape([size[0], 1, 1, 1]) * self.chain(batch, space, depth)
        out = mixed.view(img.shape).to(img.dtype)
        return out if isinstance(orig_img, Tensor) else F.to_pil_image(out, mode=orig_img.mode)
