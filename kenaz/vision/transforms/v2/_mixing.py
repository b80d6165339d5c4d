"""Batches mixed with themselves: pictures blended, or cut into one another, and their labels in the same proportion."""

import math
from collections.abc import Callable
from typing import Any

from .... import _api as torch
from ....distributions import Beta
from ....nn.functional import one_hot
from ... import tv_tensors
from . import functional as F
from ._base import Transform, flatten, is_image, query_size, unflatten

Tensor = torch.Tensor


def default_labels(sample: Any) -> Any:
    """The labels of a batch: what is called so, or the second of two."""
    found = sample[1] if isinstance(sample, tuple | list) and len(sample) > 1 else sample
    if found is not sample and F.is_pure_tensor(found):
        return found
    if not isinstance(found, dict):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple "
            f"whose second item is a dict or a tensor, but got {sample} instead."
        )
    for key, value in found.items():
        if "label" in str(key).lower():
            return value
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter?"
        "If there are no labels in the sample by design, pass labels_getter=None."
    )


class Mixing(Transform):
    """Images and labels of a batch [N, C, H, W] and [N] with those of the same batch, moved on by one."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default") -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._labels: Callable[[Any], Any] = default_labels if labels_getter == "default" else labels_getter

    def extra_repr(self) -> str:
        classes = "" if self.num_classes is None else f", num_classes={self.num_classes}"
        return f"alpha={self.alpha}{classes}"

    def draw(self) -> float:
        return float(Beta(torch.tensor([self.alpha]), torch.tensor([self.alpha])).sample(()))

    def images(self, batch: Tensor, params: dict[str, Any]) -> Tensor:
        raise NotImplementedError

    def mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        if labels.ndim == 1:
            if self.num_classes is None:
                raise ValueError("num_classes must be passed if the labels are index-based (1D)")
            labels = one_hot(labels, num_classes=self.num_classes)
        labels = labels.float() if not labels.dtype.is_floating_point else labels
        return labels.roll(1, 0).mul(1.0 - share).add(labels.mul(share))

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        for leaf in leaves:
            if isinstance(leaf, F.NotImage) or F.F.is_pil(leaf):
                raise ValueError(
                    f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks."
                )
        labels = self._labels(sample)
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        batches = [leaf for leaf in leaves if leaf is not labels and (is_image(leaf) or F.is_pure_tensor(leaf))]
        if not batches or batches[0].ndim != 4:
            found = batches[0].ndim if batches else 0
            raise ValueError(f"Expected a batched input with 4 dims, but got {found} dimensions instead.")
        params = self.make_params(batches[:1])
        changed = []
        for leaf in leaves:
            if leaf is labels:
                changed.append(self.mixed_labels(leaf, params["share"]))
            elif leaf is batches[0] or is_image(leaf):
                changed.append(tv_tensors.wrap(self.images(F.plain(leaf), params), like=leaf))
            else:
                changed.append(leaf)
        return unflatten(sample, iter(changed))


class MixUp(Mixing):
    """Pictures blended, the share drawn from Beta(alpha, alpha) ("mixup: beyond empirical risk minimization", 2017)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"share": self.draw()}

    def images(self, batch: Tensor, params: dict[str, Any]) -> Tensor:
        share = params["share"]
        return batch.roll(1, 0).mul(1.0 - share).add(batch.mul(share))


class CutMix(Mixing):
    """A random window of each picture from its neighbour ("CutMix", 2019)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        share = self.draw()
        height, width = query_size(flat_inputs)
        x, y = (int(torch.randint(length, size=(1,))) for length in (width, height))
        half = 0.5 * math.sqrt(1.0 - share)
        half_width, half_height = int(half * width), int(half * height)
        x1, y1 = max(x - half_width, 0), max(y - half_height, 0)
        x2, y2 = min(x + half_width, width), min(y + half_height, height)
        return {"window": (x1, y1, x2, y2), "share": 1.0 - (x2 - x1) * (y2 - y1) / (width * height)}

    def images(self, batch: Tensor, params: dict[str, Any]) -> Tensor:
        x1, y1, x2, y2 = params["window"]
        out = batch.clone()
        out[..., y1:y2, x1:x2] = batch.roll(1, 0)[..., y1:y2, x1:x2]
        return out
