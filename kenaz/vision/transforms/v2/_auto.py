"""Policies of random changes, for samples: what is drawn, and in which order, is not what the first version draws."""

from collections.abc import Callable
from typing import Any

from .... import _api as torch
from ... import tv_tensors
from .. import autoaugment as one
from ..autoaugment import AutoAugmentPolicy
from . import functional as F
from ._base import Transform, flatten, is_image, unflatten


def pick(space: one.Space) -> tuple[str, Callable, bool]:
    """(name, strengths, signed) of a change"""
    name = list(space)[int(torch.randint(len(space), ()))]
    return name, *space[name]


def signed_strength(strength: float, signed: bool) -> float:
    return -strength if signed and torch.rand(()) <= 0.5 else strength


# changes that the first version refuses to make to floating images
OF_FLOATS: dict[str, Callable[[Any, float], Any]] = {
    "Equalize": lambda img, strength: F.equalize(img),
    "Posterize": lambda img, strength: F.posterize(img, int(strength)),
}


def as_shown(img: Any, name: str, strength: float) -> float:
    """Thresholds are in bytes; a floating image counts from 0 to 1."""
    floating = isinstance(img, torch.Tensor) and img.is_floating_point()
    return strength / 255.0 if name == "Solarize" and floating else strength


class Policy(Transform):
    """A transform of the one image of a sample."""

    def __init__(self, interpolation: Any = "nearest", fill: Any = None) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def changed(self, img: Any) -> Any:
        raise NotImplementedError

    def altered(self, img: Any, name: str, strength: float) -> Any:
        if name in OF_FLOATS:
            return OF_FLOATS[name](img, strength)
        return one.change(img, name, as_shown(img, name, strength), F.sampling(img, self.interpolation), self.fill)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        images = [i for i, leaf in enumerate(leaves) if is_image(leaf)]
        images = images or [i for i, leaf in enumerate(leaves) if F.is_pure_tensor(leaf)][:1]
        if not images:
            raise TypeError("Found no image in the sample.")
        if len(images) > 1:
            raise ValueError(
                f"Auto augment transformations are only properly defined for a single image or video, "
                f"but found {len(images)}."
            )
        for leaf in leaves:
            if isinstance(leaf, F.NotImage):
                raise TypeError(f"Inputs of type {type(leaf).__name__} are not supported by {type(self).__name__}()")
        original = leaves[images[0]]
        leaves[images[0]] = tv_tensors.wrap(self.changed(F.plain(original)), like=original)
        return unflatten(sample, iter(leaves))


class RandAugment(Policy):
    """Some changes of a given strength."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def changed(self, img: Any) -> Any:
        size = one.size_of(img)
        for _ in range(self.num_ops):
            name, strengths, signed = pick(one.RAND)
            values = strengths(self.num_magnitude_bins, size)
            strength = 0.0 if values is None else signed_strength(float(values[self.magnitude]), signed)
            img = self.altered(img, name, strength)
        return img


class TrivialAugmentWide(Policy):
    """One change of a random strength."""

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = "nearest", fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def changed(self, img: Any) -> Any:
        name, strengths, signed = pick(one.WIDE)
        values = strengths(self.num_magnitude_bins, one.size_of(img))
        strength = 0.0
        if values is not None:
            strength = signed_strength(float(values[int(torch.randint(self.num_magnitude_bins, ()))]), signed)
        return self.altered(img, name, strength)


class AutoAugment(Policy):
    """A random pair of changes out of those that a search has found."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.policy = policy
        self._policies = one.AutoAugment(policy).policies

    def changed(self, img: Any) -> Any:
        size = one.size_of(img)
        for name, p, level in self._policies[int(torch.randint(len(self._policies), ()))]:
            if torch.rand(()) >= p:
                continue
            strengths, signed = one.AUTO[name]
            values = strengths(10, size)
            strength = 0.0
            if values is not None and level is not None:
                strength = signed_strength(float(values[level]), signed)
            img = self.altered(img, name, strength)
        return img


class AugMix(Policy):
    """The image mixed with the results of several chains of changes ("AugMix", 2019)."""

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = "bilinear",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _sample_dirichlet(self, params: Any) -> Any:
        return torch._sample_dirichlet(params)

    def chain(self, img: Any, depth: int) -> Any:
        for _ in range(depth):
            name, strengths, signed = pick(one.MIX_ALL if self.all_ops else one.MIX)
            values = strengths(10, one.size_of(img))
            strength = 0.0
            if values is not None:
                strength = signed_strength(float(values[int(torch.randint(self.severity, ()))]), signed)
            img = self.altered(img, name, strength)
        return img

    def changed(self, img: Any) -> Any:
        pixels = F.pil_to_tensor(img) if F.F.is_pil(img) else img
        batch = pixels.reshape([1] * max(4 - pixels.ndim, 0) + list(pixels.shape))
        count, ones = len(batch), [1] * (batch.ndim - 1)
        m = self._sample_dirichlet(torch.tensor([self.alpha, self.alpha]).expand(count, -1))
        shares = self._sample_dirichlet(torch.tensor([self.alpha] * self.mixture_width).expand(count, -1)) * m[:, 1:]
        mixed = m[:, 0].reshape(count, *ones) * batch
        for i in range(self.mixture_width):
            depth = self.chain_depth if self.chain_depth > 0 else int(torch.randint(low=1, high=4, size=(1,)))
            mixed = mixed + shares[:, i].reshape(count, *ones) * self.chain(batch, depth)
        out = mixed.reshape(pixels.shape).to(pixels.dtype)
        return F.to_pil_image(out) if F.F.is_pil(img) else out
