"""Transforms made of transforms, and what is neither geometry nor color."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .... import _api as torch
from ....nn import Module, ModuleList
from ... import tv_tensors
from .. import transforms as one
from . import functional as F
from ._base import Transform, affected, flatten, unflatten


def is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray)


class Compose(Transform):
    """Several transforms, one after another; a sample may be one thing, several, or a structure of them.

    >>> Compose([Identity()])(1, 2)
    (1, 2)
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        several = len(inputs) > 1
        for transform in self.transforms:
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return outputs

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomApply(Transform):
    """All the transforms with probability p, none otherwise."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence | ModuleList):
            raise TypeError("Argument transforms should be a sequence of callables or a `nn.ModuleList`")
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.transforms = transforms
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        several = len(inputs) > 1
        if torch.rand(1) >= self.p:
            return inputs if several else inputs[0]
        for transform in self.transforms:
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return outputs

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class RandomChoice(Transform):
    """One of the transforms, drawn with weights p."""

    def __init__(self, transforms: Sequence[Callable], p: list[float] | None = None) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        weights = [1.0] * len(transforms) if p is None else p
        self.transforms = transforms
        self.p = [weight / sum(weights) for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))](*inputs)


class RandomOrder(Transform):
    """All the transforms, in a random order."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        several = len(inputs) > 1
        for i in torch.randperm(len(self.transforms)).tolist():
            outputs = self.transforms[i](*inputs)
            inputs = outputs if several else (outputs,)
        return outputs


class Identity(Transform):
    """Everything as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """A function of the user's, applied to the leaves of the given types."""

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = [self.lambd(leaf) if isinstance(leaf, self.types) else leaf for leaf in flatten(sample)]
        return unflatten(sample, iter(leaves))

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", "")
        return ", ".join([name] * bool(name) + [f"types={[t.__name__ for t in self.types]}"])


class ToImage(Module):
    """An `Image` of each Pillow image, array and tensor that stands for an image.

    >>> type(ToImage()(torch.zeros(3, 2, 2))).__name__
    'Image'
    """

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        is_other = F.NotImage | tv_tensors.Video
        chosen = [
            (take and not isinstance(leaf, is_other)) or is_array(leaf)
            for leaf, take in zip(leaves, affected(leaves))
        ]
        return unflatten(sample, iter([F.to_image(leaf) if c else leaf for leaf, c in zip(leaves, chosen)]))


class ToTensor(Transform):
    """Deprecated: a tensor of a Pillow image or of an array, bytes scaled to [0, 1]."""

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`."
            "Output is equivalent up to float precision."
        )
        super().__init__()

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = [
            F.F.to_tensor(leaf) if F.F.is_pil(leaf) or is_array(leaf) else leaf for leaf in flatten(sample)
        ]
        return unflatten(sample, iter(leaves))


class LinearTransformation(Transform):
    """(x - mean_vector) @ transformation_matrix, each image taken as one vector: whitening, for one."""

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        super().__init__()
        one.LinearTransformation(transformation_matrix, mean_vector)  # its checks
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(F.F.is_pil(leaf) for leaf in flat_inputs):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, F.NotImage):
            return inpt
        change = one.LinearTransformation(self.transformation_matrix, self.mean_vector)
        return tv_tensors.wrap(change(F.plain(inpt)), like=inpt)


class UniformTemporalSubsample(Transform):
    """`num_samples` images of a video, the same time apart."""

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if F.is_pure_tensor(inpt) or isinstance(inpt, tv_tensors.Video):
            return F.uniform_temporal_subsample(inpt, self.num_samples)
        return inpt


class ToPureTensor(Transform):
    """Tensors that no longer say what they are."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.plain(inpt)


class PILToTensor(Transform):
    """A tensor of a Pillow image, values as they are."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pil_to_tensor(inpt) if F.F.is_pil(inpt) else inpt


class ToPILImage(Transform):
    """A Pillow image of a tensor or of an array."""

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, F.NotImage):
            return inpt
        return inpt if F.F.is_pil(inpt) else F.to_pil_image(F.plain(inpt), self.mode)


class ToDtype(Transform):
    """In another type; with `scale`, values are scaled to its range.

    `dtype` may be a dict with a type for each kind of tensor, and one for "others".

    >>> ToDtype(torch.float32, scale=True)(torch.full((1, 1, 1), 51, dtype=torch.uint8))
    tensor([[[0.2000]]])
    """

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | torch.dtype):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(self.dtype, dict):
            dtype = self.dtype.get(type(inpt), self.dtype.get("others"))
        else:
            image = not isinstance(inpt, F.NotImage)
            dtype = self.dtype if image else None  # masks and boxes keep their numbers
        if dtype is None or F.F.is_pil(inpt):
            return inpt
        return F.to_dtype(inpt, dtype, self.scale)


class ConvertImageDtype(Transform):
    """In another type, values scaled to its range."""

    def __init__(self, dtype: Any = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_dtype(inpt, self.dtype, scale=True)


class Normalize(Transform):
    """(x - mean) / std, channel by channel.

    >>> Normalize([0.5], [0.25])(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(F.F.is_pil(leaf) for leaf in flat_inputs):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.normalize(inpt, self.mean, self.std, self.inplace)


class ConvertBoundingBoxFormat(Transform):
    """Boxes whose four numbers mean something else."""

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.BoundingBoxes):
            return inpt
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes cut to the image."""

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.BoundingBoxes):
            return inpt
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Points moved onto the image."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_keypoints(inpt) if isinstance(inpt, tv_tensors.KeyPoints) else inpt


class SetClampingMode(Transform):
    """Boxes that are cut to the image from now on ("soft", "hard"), or not (None)."""

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.BoundingBoxes):
            return inpt
        return tv_tensors.wrap(F.plain(inpt).clone(), like=inpt, clamping_mode=self.clamping_mode)
