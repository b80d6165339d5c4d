"""A transform of samples: of everything in a structure of images, boxes, masks and other things at once.

The first image says how large everything is; random numbers are drawn once for the whole sample.
"""

import enum
from typing import Any

from ....nn import Module
from ... import tv_tensors
from .. import functional as F1
from . import functional as F


def flatten(sample: Any) -> list[Any]:
    """The leaves of nested dicts, lists and tuples, in order."""
    if isinstance(sample, dict):
        return [leaf for value in sample.values() for leaf in flatten(value)]
    if isinstance(sample, list | tuple):
        return [leaf for value in sample for leaf in flatten(value)]
    return [sample]


def unflatten(sample: Any, leaves: Any) -> Any:
    """The structure of a sample with the leaves of an iterator in it."""
    if isinstance(sample, dict):
        return {key: unflatten(value, leaves) for key, value in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(unflatten(value, leaves) for value in sample))
    if isinstance(sample, list | tuple):
        return type(sample)(unflatten(value, leaves) for value in sample)
    return next(leaves)


def is_image(leaf: Any) -> bool:
    return F1.is_pil(leaf) or isinstance(leaf, tv_tensors.Image | tv_tensors.Video)


def affected(leaves: list[Any]) -> list[bool]:
    """Which leaves a transform is about: all that say what they are; the first plain tensor where no image is."""
    wants_plain = not any(is_image(leaf) for leaf in leaves)
    chosen = []
    for leaf in leaves:
        take = isinstance(leaf, tv_tensors.TVTensor) or F1.is_pil(leaf)
        if F.is_pure_tensor(leaf) and wants_plain:
            take, wants_plain = True, False
        chosen.append(take)
    return chosen


def query_size(leaves: list[Any]) -> list[int]:
    """[height, width] of a sample."""
    for leaf in leaves:
        if is_image(leaf) or F.is_pure_tensor(leaf) or isinstance(leaf, F.NotImage):
            return F.get_size(leaf)
    raise TypeError("No image, video, mask, bounding box of keypoint was found in the sample")


def query_channels(leaves: list[Any]) -> int:
    for leaf in leaves:
        if is_image(leaf) or F.is_pure_tensor(leaf):
            return F.get_dimensions(leaf)[0]
    raise TypeError("No image or video was found in the sample")


def check_type(obj: Any, types_or_checks: tuple[Any, ...]) -> bool:
    """Whether something is of one of the types, or passes one of the checks."""
    return any(isinstance(obj, kind) if isinstance(kind, type) else kind(obj) for kind in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether one of the leaves is of one of the types."""
    return any(check_type(leaf, types_or_checks) for leaf in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether each of the types has a leaf."""
    return all(has_any(flat_inputs, kind) for kind in types_or_checks)


def get_bounding_boxes(flat_inputs: list[Any]) -> tv_tensors.BoundingBoxes:
    """The boxes of a sample."""
    for leaf in flat_inputs:
        if isinstance(leaf, tv_tensors.BoundingBoxes):
            return leaf
    raise ValueError("No bounding boxes were found in the sample")


def get_keypoints(flat_inputs: list[Any]) -> tv_tensors.KeyPoints:
    """The points of a sample."""
    for leaf in flat_inputs:
        if isinstance(leaf, tv_tensors.KeyPoints):
            return leaf
    raise ValueError("No keypoints were found in the sample")


def query_chw(flat_inputs: list[Any]) -> tuple[int, int, int]:
    """(channels, height, width) of the images of a sample."""
    sizes = {tuple(F.get_dimensions(leaf)) for leaf in flat_inputs if is_image(leaf) or F.is_pure_tensor(leaf)}
    if not sizes:
        raise TypeError("No image or video was found in the sample")
    if len(sizes) > 1:
        raise ValueError(f"Found multiple CxHxW dimensions in the sample: {sizes}")
    return sizes.pop()  # type: ignore[return-value]  # three numbers


class Transform(Module):
    """A transform of samples. A class of its own defines `transform(inpt, params)`, and `make_params` if it draws.

    Works on any nesting of dicts, lists and tuples; leaves that are no images, boxes or masks pass unchanged.
    """

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """May raise what a sample lacks."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn once for the whole sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        self.check_inputs(leaves)
        chosen = affected(leaves)
        params = self.make_params([leaf for leaf, take in zip(leaves, chosen) if take])
        return unflatten(
            sample, iter([self.transform(leaf, params) if take else leaf for leaf, take in zip(leaves, chosen)])
        )

    def extra_repr(self) -> str:
        shown = []
        for name, value in vars(self).items():
            if name.startswith("_") or name == "training":
                continue
            if isinstance(value, bool | int | float | str | tuple | list | enum.Enum):
                shown.append(f"{name}={value}")
        return ", ".join(shown)
