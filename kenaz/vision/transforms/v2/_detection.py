"""Transforms that detectors are trained with: sizes drawn at random, images on larger canvases, boxes cleaned up."""

from collections.abc import Callable, Sequence
from typing import Any

from .... import _api as torch
from ... import tv_tensors
from ...ops.boxes import box_iou
from . import functional as F
from ._base import (
    Transform,
    flatten,
    get_bounding_boxes,
    get_keypoints,
    has_any,
    is_image,
    query_channels,
    query_size,
    unflatten,
)
from ._geometry import Maybe
from ._mixing import default_labels

Tensor = torch.Tensor


class Resizing(Transform):
    """Scaled to a size that is drawn."""

    def keep(self, interpolation: Any, antialias: bool | None) -> None:
        self.interpolation = interpolation
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class RandomShortestSize(Resizing):
    """Scaled so that the shorter edge has one of several lengths, and the longer one is at most `max_size`."""

    def __init__(
        self,
        min_size: list[int] | tuple[int, ...] | int,
        max_size: int | None = None,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.keep(interpolation, antialias)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        ratio = self.min_size[int(torch.randint(len(self.min_size), ()))] / min(height, width)
        if self.max_size is not None:
            ratio = min(ratio, self.max_size / max(height, width))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomResize(Resizing):
    """Scaled so that the shorter edge has a random length from `min_size` on, below `max_size`."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.keep(interpolation, antialias)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [int(torch.randint(self.min_size, self.max_size, ()))]}


class ScaleJitter(Resizing):
    """Scaled into `target_size` times a random number, the proportions kept."""

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.keep(interpolation, antialias)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        scale = low + float(torch.rand(1)) * (high - low)
        ratio = min(self.target_size[1] / height, self.target_size[0] / width) * scale
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomZoomOut(Maybe):
    """The image at a random place of a canvas that is up to `side_range` times larger, with probability p."""

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p)
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")
        self.fill = fill
        self.side_range = side_range

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        ratio = low + float(torch.rand(1)) * (high - low)
        canvas_width, canvas_height = int(width * ratio), int(height * ratio)
        place = torch.rand(2)
        left = int((canvas_width - width) * float(place[0]))
        top = int((canvas_height - height) * float(place[1]))
        return {"padding": [left, top, canvas_width - left - width, canvas_height - top - height]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pad(inpt, params["padding"], self.fill)


class RandomIoUCrop(Transform):
    """A random window that overlaps a box enough; what "enough" is, is drawn too (SSD, 2015).

    Boxes whose middle is not in the window become empty: `SanitizeBoundingBoxes` takes them away.
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        with_image = any(is_image(leaf) or F.is_pure_tensor(leaf) for leaf in flat_inputs)
        if not (with_image and has_any(flat_inputs, tv_tensors.BoundingBoxes)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def window(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """(top, left, height, width), or None where that is too narrow or too wide."""
        share = self.min_scale + (self.max_scale - self.min_scale) * torch.rand(2)
        w, h = int(width * share[0]), int(height * share[1])
        if not self.min_aspect_ratio <= w / h <= self.max_aspect_ratio:
            return None
        place = torch.rand(2)
        left, top = int((width - w) * place[0]), int((height - h) * place[1])
        return None if w == 0 else (top, left, h, w)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        corners = F.corners_of(get_bounding_boxes(flat_inputs))
        x, y = 0.5 * (corners[..., 0] + corners[..., 2]), 0.5 * (corners[..., 1] + corners[..., 3])
        while True:
            least = self.options[int(torch.randint(low=0, high=len(self.options), size=(1,)))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                window = self.window(height, width)
                if window is None:
                    continue
                top, left, h, w = window
                inside = (left < x) & (x < left + w) & (top < y) & (y < top + h)
                around = torch.tensor([[left, top, left + w, top + h]], dtype=corners.dtype)
                if inside.any() and box_iou(corners[inside], around).max() >= least:
                    return {"window": window, "inside": inside}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        out = F.crop(inpt, *params["window"])
        if isinstance(out, tv_tensors.BoundingBoxes):
            out[~params["inside"]] = 0
        return out


class RandomPhotometricDistort(Transform):
    """Brightness, contrast, hue, saturation and the order of the channels changed, each with probability p (SSD)."""

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels = query_channels(flat_inputs)

        def drawn(low_high: tuple[float, float]) -> float | None:
            return torch.empty(1).uniform_(*low_high).item() if torch.rand(1) < self.p else None

        params: dict[str, Any] = {
            name: drawn(getattr(self, name)) for name in ("brightness", "contrast", "saturation", "hue")
        }
        params["contrast_early"] = bool(torch.rand(()) < 0.5)
        params["order"] = torch.randperm(channels).tolist() if torch.rand(1) < self.p else None
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        contrast: tuple[Callable, str] = (F.adjust_contrast, "contrast")
        steps: list[tuple[Callable, str]] = [(F.adjust_brightness, "brightness")]
        steps += [contrast] if params["contrast_early"] else []
        steps += [(F.adjust_saturation, "saturation"), (F.adjust_hue, "hue")]
        steps += [] if params["contrast_early"] else [contrast]
        for change, name in [*steps, (F.permute_channels, "order")]:
            if params[name] is not None:
                inpt = change(inpt, params[name])
        return inpt


class SanitizeBoundingBoxes(Transform):
    """Boxes that are too small or not on the image removed, with the labels and masks that belong to them."""

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default") -> None:
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size = min_size
        self.min_area = min_area
        self.labels_getter = labels_getter

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        boxes = get_bounding_boxes(flatten(sample))
        _, keep = F.sanitize_bounding_boxes(boxes, min_size=self.min_size, min_area=self.min_area)
        return kept(sample, keep, tv_tensors.BoundingBoxes, self.labels_getter)


def kept(sample: Any, keep: Tensor, kind: type, labels_getter: Any) -> Any:
    """A sample with only the rows to keep, of the tensors of a kind, their labels, and as many masks."""
    getter = default_labels if labels_getter == "default" else labels_getter
    labels = None if getter is None else getter(sample)
    belonging = labels if isinstance(labels, tuple | list) else [labels]
    changed = [
        tv_tensors.wrap(F.plain(leaf)[keep], like=leaf)
        if isinstance(leaf, kind)
        or (isinstance(leaf, tv_tensors.Mask) and len(leaf) == len(keep))
        or any(leaf is label for label in belonging)
        else leaf
        for leaf in flatten(sample)
    ]
    return unflatten(sample, iter(changed))


class SanitizeKeyPoints(Transform):
    """Points that are not on the image removed, with the labels that belong to them."""

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self.labels_getter = labels_getter

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        _, keep = F.sanitize_keypoints(get_keypoints(flatten(sample)))
        return kept(sample, keep, tv_tensors.KeyPoints, self.labels_getter)


class RGB(Transform):
    """Gray images in three equal channels."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, F.NotImage):
            return inpt
        return F.rgb_to_grayscale(inpt, 3) if F.get_dimensions(inpt)[0] == 1 else inpt
