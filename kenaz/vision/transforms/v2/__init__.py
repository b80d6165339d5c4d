"""Transforms of samples: images together with their boxes and masks, in any structure of dicts, lists and tuples.

Random numbers are torchvision's v2. Start with `_base.py` (how a sample is taken apart and put together), then
`functional.py` (what happens to an image, a mask, a box).
"""

from ..functional import InterpolationMode
from . import functional
from ._auto import AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from ._base import Transform
from ._color import (
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomChannelPermutation,
    RandomEqualize,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from ._containers import (
    ClampBoundingBoxes,
    Compose,
    ConvertBoundingBoxFormat,
    ConvertImageDtype,
    Identity,
    Lambda,
    Normalize,
    PILToTensor,
    RandomApply,
    RandomChoice,
    RandomOrder,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
)
from ._detection import (
    RGB,
    RandomPhotometricDistort,
    RandomResize,
    RandomShortestSize,
    RandomZoomOut,
    SanitizeBoundingBoxes,
    ScaleJitter,
)
from ._geometry import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from ._mixing import CutMix, MixUp
