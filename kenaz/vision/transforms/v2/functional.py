"""Transforms as functions, for images, videos, masks and boxes: each is treated as it must be.

An image is a Pillow image, an `Image` or a plain tensor; a mask is sampled without interpolation; boxes move with what
they are around. What is about color leaves masks and boxes alone.
"""

import warnings
from collections.abc import Callable
from typing import Any

from .... import _api as torch
from ... import tv_tensors
from ...ops.boxes import FROM_CORNERS, TO_CORNERS
from .. import functional as F
from ..functional import (
    InterpolationMode,
    convert_image_dtype,
    pil_to_tensor,
    to_pil_image,
)

Tensor = torch.Tensor
Boxes = tv_tensors.BoundingBoxes
Points = tv_tensors.KeyPoints
Mask = tv_tensors.Mask
Placed = Boxes | Points  # what is on an image
NotImage = Boxes | Points | Mask


def is_pure_tensor(inpt: Any) -> bool:
    """A tensor that does not say what it is."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


def plain(inpt: Any) -> Any:
    return inpt.as_subclass(Tensor) if isinstance(inpt, tv_tensors.TVTensor) else inpt


def get_size(inpt: Any) -> list[int]:
    """[height, width] of an image, or of the one that boxes are on."""
    return list(inpt.canvas_size) if isinstance(inpt, Placed) else F.get_dimensions(plain(inpt))[1:]


def get_dimensions(inpt: Any) -> list[int]:
    """[channels, height, width]"""
    return F.get_dimensions(plain(inpt))


def get_num_channels(inpt: Any) -> int:
    """The number of channels."""
    return get_dimensions(inpt)[0]


get_image_num_channels = get_num_channels


def get_num_frames(inpt: Any) -> int:
    """The number of images of a video [..., T, C, H, W]."""
    return inpt.shape[-4]


def color(function: Callable) -> Callable:
    """A function of images for everything: masks and boxes stay as they are."""

    def applied(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inpt, NotImage):
            return inpt
        return tv_tensors.wrap(function(plain(inpt), *args, **kwargs), like=inpt)

    applied.__name__ = applied.__qualname__ = function.__name__.lstrip("_")
    applied.__doc__ = function.__doc__
    return applied


def _equalize(image: Any) -> Any:
    """Each channel's values spread so that each level is about equally frequent; a floating image goes by bytes."""
    if not isinstance(image, Tensor) or not image.is_floating_point():
        return F.equalize(image)
    return convert_image_dtype(F.equalize(convert_image_dtype(image, torch.uint8)), image.dtype)


def _posterize(image: Any, bits: int) -> Any:
    """Only the first `bits` bits of each value; as many levels from 0 to 1 of a floating image."""
    if not isinstance(image, Tensor) or not image.is_floating_point():
        return F.posterize(image, bits)
    levels = 1 << bits
    return image.mul(levels).floor().clamp(0, levels - 1).mul(1.0 / levels)


def _erase(image: Any, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Any:
    """The image with v in place of the window of h rows and w columns at (i, j)."""
    if not F.is_pil(image):
        return F.erase(image, i, j, h, w, v, inplace)
    return to_pil_image(F.erase(pil_to_tensor(image), i, j, h, w, v), mode=image.mode)


adjust_brightness = color(F.adjust_brightness)
adjust_contrast = color(F.adjust_contrast)
adjust_gamma = color(F.adjust_gamma)
adjust_hue = color(F.adjust_hue)
adjust_saturation = color(F.adjust_saturation)
adjust_sharpness = color(F.adjust_sharpness)
autocontrast = color(F.autocontrast)
equalize = color(_equalize)
erase = color(_erase)
gaussian_blur = color(F.gaussian_blur)
invert = color(F.invert)
normalize = color(F.normalize)
posterize = color(_posterize)
rgb_to_grayscale = color(F.rgb_to_grayscale)
solarize = color(F.solarize)


def corners_of(boxes: Boxes) -> Tensor:
    """Plain boxes as (x1, y1, x2, y2)."""
    return TO_CORNERS[boxes.format.value.lower()](plain(boxes))


def with_corners(corners: Tensor, like: Boxes, size: Any, clamp: bool = True) -> Boxes:
    """Boxes in the format, and of the type, of others, on a canvas of another size."""
    if clamp and like.clamping_mode is not None:
        height, width = size
        x, y = corners[..., 0::2].clamp(0, width), corners[..., 1::2].clamp(0, height)
        corners = torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)
    out = FROM_CORNERS[like.format.value.lower()](corners).to(like.dtype)
    return tv_tensors.wrap(out, like=like, canvas_size=tuple(size))


def on_points(move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], points: Points, size: Any) -> Points:
    """Points where a map takes them, on a canvas of another size."""
    out = torch.stack(move(*plain(points).unbind(-1)), -1).to(points.dtype)
    return tv_tensors.wrap(out, like=points, canvas_size=tuple(size))


def on_corners(move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], boxes: Any, size: Any) -> Any:
    """Boxes around where a map takes all four corners of each; points where it takes them."""
    if isinstance(boxes, Points):
        return on_points(move, boxes, size)
    x1, y1, x2, y2 = corners_of(boxes).to(torch.float32).unbind(-1)
    x, y = move(torch.stack([x1, x2, x2, x1], -1), torch.stack([y1, y1, y2, y2], -1))
    around = torch.stack([x.amin(-1), y.amin(-1), x.amax(-1), y.amax(-1)], -1)
    return with_corners(around if boxes.is_floating_point() else around.round(), boxes, size)


def horizontal_flip(inpt: Any) -> Any:
    """Left and right exchanged."""
    if isinstance(inpt, Points):
        return on_points(lambda x, y: (inpt.canvas_size[1] - 1 - x, y), inpt, inpt.canvas_size)
    if not isinstance(inpt, Boxes):
        return tv_tensors.wrap(F.hflip(plain(inpt)), like=inpt)
    x1, y1, x2, y2 = corners_of(inpt).unbind(-1)
    width = inpt.canvas_size[1]
    return with_corners(torch.stack([width - x2, y1, width - x1, y2], -1), inpt, inpt.canvas_size, clamp=False)


def vertical_flip(inpt: Any) -> Any:
    """Top and bottom exchanged."""
    if isinstance(inpt, Points):
        return on_points(lambda x, y: (x, inpt.canvas_size[0] - 1 - y), inpt, inpt.canvas_size)
    if not isinstance(inpt, Boxes):
        return tv_tensors.wrap(F.vflip(plain(inpt)), like=inpt)
    x1, y1, x2, y2 = corners_of(inpt).unbind(-1)
    height = inpt.canvas_size[0]
    return with_corners(torch.stack([x1, height - y2, x2, height - y1], -1), inpt, inpt.canvas_size, clamp=False)


hflip, vflip = horizontal_flip, vertical_flip


def resize(
    inpt: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Scaled to (height, width), or so that the shorter edge has the length `size`."""
    if isinstance(inpt, Placed):
        old_height, old_width = inpt.canvas_size
        wanted = [size] if isinstance(size, int) else list(size)
        height, width = F.resized_size(old_height, old_width, wanted, max_size)
        if isinstance(inpt, Points):
            return on_points(lambda x, y: (x * (width / old_width), y * (height / old_height)), inpt, (height, width))
        scale = torch.tensor([width / old_width, height / old_height] * 2)
        return with_corners(corners_of(inpt) * scale, inpt, (height, width), clamp=False)
    mode = sampling(inpt, interpolation)
    return tv_tensors.wrap(F.resize(plain(inpt), size, mode, max_size, antialias), like=inpt)


def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """A window; what lies outside is 0."""
    if isinstance(inpt, Points):
        return on_points(lambda x, y: (x - left, y - top), inpt, (height, width))
    if not isinstance(inpt, Boxes):
        return tv_tensors.wrap(F.crop(plain(inpt), top, left, height, width), like=inpt)
    moved = corners_of(inpt) - torch.tensor([left, top, left, top])
    return with_corners(moved, inpt, (height, width))


def center_crop(inpt: Any, output_size: Any) -> Any:
    """The middle, padded with 0 where it is smaller."""
    if not isinstance(inpt, Placed):
        return tv_tensors.wrap(F.center_crop(plain(inpt), output_size), like=inpt)
    height, width = F.pair(output_size)
    old_height, old_width = inpt.canvas_size
    return crop(inpt, round((old_height - height) / 2), round((old_width - width) / 2), height, width)


def pad(inpt: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """`padding` pixels added on the sides."""
    if not isinstance(inpt, Placed):
        return tv_tensors.wrap(filled_pad(plain(inpt), padding, fill, padding_mode), like=inpt)
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    left, top, right, bottom = F.all_sides(padding)
    height, width = inpt.canvas_size
    size = (height + top + bottom, width + left + right)
    if isinstance(inpt, Points):
        return on_points(lambda x, y: (x + left, y + top), inpt, size)
    return with_corners(corners_of(inpt) + torch.tensor([left, top, left, top]), inpt, size)


def filled_pad(img: Any, padding: Any, fill: Any, padding_mode: str) -> Any:
    """`pad` that takes a number for each channel of a tensor, too."""
    if not isinstance(img, Tensor) or not isinstance(fill, list | tuple):
        return F.pad(img, padding, 0 if fill is None else fill, padding_mode)
    if len(set(fill)) == 1:
        return F.pad(img, padding, fill[0], padding_mode)
    planes = zip(img.split(1, dim=-3), list(fill) * (img.shape[-3] if len(fill) == 1 else 1))
    return torch.cat([F.pad(plane, padding, value, padding_mode) for plane, value in planes], -3)


def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A window, scaled to `size`."""
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def sampling(inpt: Any, interpolation: Any) -> Any:
    """The mode that a user names, also as a string; masks are never interpolated."""
    if isinstance(inpt, Mask):
        return InterpolationMode.NEAREST
    return InterpolationMode(interpolation.lower()) if isinstance(interpolation, str) else interpolation


def fills(inpt: Any, fill: Any) -> Any:
    """A fill as tensors take it: a number a channel."""
    if fill is None or not isinstance(inpt, Tensor):
        return fill
    channels = F.get_dimensions(plain(inpt))[0]
    return [float(fill)] * channels if isinstance(fill, int | float) else [float(f) for f in fill]


def affine(
    inpt: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """Turned clockwise, moved, scaled and sheared, around the middle or `center`."""
    if not isinstance(inpt, Placed):
        mode, value = sampling(inpt, interpolation), fills(inpt, fill)
        out = F.affine(plain(inpt), angle, translate, scale, shear, mode, value, center)
        return tv_tensors.wrap(out, like=inpt)
    height, width = inpt.canvas_size
    middle = [width * 0.5, height * 0.5] if center is None else list(center)
    shear = [float(shear), 0.0] if isinstance(shear, int | float) else list(shear)
    a, b, c, d, e, f = F.inverse_affine_matrix(middle, angle, translate, scale, shear)
    area = a * e - b * d  # the matrix takes the result to the source; boxes go the other way
    return on_corners(
        lambda x, y: ((e * (x - c) - b * (y - f)) / area, (a * (y - f) - d * (x - c)) / area), inpt, (height, width)
    )


def rotate(
    inpt: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """Turned by `angle` degrees, counter-clockwise.

    With `expand`, boxes get the canvas that the image gets; torchvision's have one of another size.
    """
    if not isinstance(inpt, Placed):
        mode, value = sampling(inpt, interpolation), fills(inpt, fill)
        return tv_tensors.wrap(F.rotate(plain(inpt), angle, mode, expand, center, value), like=inpt)
    if not expand:
        return affine(inpt, -angle, [0, 0], 1.0, [0.0, 0.0], center=center)
    height, width = inpt.canvas_size
    matrix = F.inverse_affine_matrix([0.0, 0.0], -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    new_width, new_height = F._tensor.rotated_size(matrix, width, height)
    a, b, _, d, e, _ = matrix  # a rotation: its inverse is its transpose
    return on_corners(
        lambda x, y: (
            a * (x - width / 2) + d * (y - height / 2) + new_width / 2,
            b * (x - width / 2) + e * (y - height / 2) + new_height / 2,
        ),
        inpt,
        (new_height, new_width),
    )


def perspective(
    inpt: Any, startpoints: Any, endpoints: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """As seen when the corners move from `startpoints` to `endpoints`."""
    if not isinstance(inpt, Placed):
        mode, value = sampling(inpt, interpolation), fills(inpt, fill)
        return tv_tensors.wrap(F.perspective(plain(inpt), startpoints, endpoints, mode, value), like=inpt)
    a, b, c, d, e, f, g, h = F.perspective_coefficients(endpoints, startpoints)  # the way that boxes go

    def move(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        under = g * x + h * y + 1
        return (a * x + b * y + c) / under, (d * x + e * y + f) / under

    return on_corners(move, inpt, inpt.canvas_size)


def elastic(
    inpt: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """With each pixel from `displacement` [1, H, W, 2] farther on, (x, y) in halves of the image."""
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if not isinstance(inpt, Placed):
        mode, value = sampling(inpt, interpolation), fills(inpt, fill)
        return tv_tensors.wrap(F.elastic_transform(plain(inpt), displacement, mode, value), like=inpt)
    height, width = inpt.canvas_size
    expected = (1, height, width, 2)
    if expected != tuple(displacement.shape):
        raise ValueError(f"Argument displacement shape should be {expected}, but given {displacement.shape}")
    # where a pixel goes to is about the opposite of where its neighbours come from
    back = F._tensor.identity_grid(height, width, torch.float32, None) - displacement
    scale = 0.5 * torch.tensor([width, height])
    at = torch.trunc if isinstance(inpt, Points) else torch.ceil  # torchvision's choice

    def move(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        column, row = (at(v).to(torch.int64).clamp(0, n - 1) for v, n in ((x, width), (y, height)))
        moved = (back[0, row, column] + 1) * scale - 0.5
        return moved[..., 0], moved[..., 1]

    return on_corners(move, inpt, inpt.canvas_size)


elastic_transform = elastic


def five_crop(inpt: Any, size: Any) -> tuple[Any, ...]:
    """The four corners and the middle."""
    return tuple(tv_tensors.wrap(part, like=inpt) for part in F.five_crop(plain(inpt), size))


def ten_crop(inpt: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image and of its mirror image."""
    return tuple(tv_tensors.wrap(part, like=inpt) for part in F.ten_crop(plain(inpt), size, vertical_flip))


def to_image(inpt: Any) -> tv_tensors.Image:
    """An `Image` [C, H, W] of a Pillow image, an array [H, W, C] or a tensor; values as they are."""
    if isinstance(inpt, Tensor):
        return tv_tensors.Image(plain(inpt))
    if F.is_pil(inpt):
        return tv_tensors.Image(pil_to_tensor(inpt))
    if not hasattr(inpt, "__array__"):
        raise TypeError(
            "Input can either be a pure Tensor, a numpy array, or a PIL image, " + f"but got {type(inpt)} instead."
        )
    array = inpt[:, :, None] if inpt.ndim == 2 else inpt
    return tv_tensors.Image(torch.from_numpy(array).permute((2, 0, 1)).contiguous())


def to_dtype(inpt: Any, dtype: Any = torch.float, scale: bool = False) -> Any:
    """In another type; with `scale`, values are scaled to that type's range, but for masks and boxes."""
    if scale and not isinstance(inpt, NotImage):
        return tv_tensors.wrap(convert_image_dtype(plain(inpt), dtype), like=inpt)
    return inpt.to(dtype)


def convert_bounding_box_format(inpt: Any, old_format: Any = None, new_format: Any = None) -> Any:
    """Boxes whose four numbers mean something else."""
    wanted = tv_tensors.BoundingBoxFormat[new_format.upper()] if isinstance(new_format, str) else new_format
    if wanted is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    if is_pure_tensor(inpt):
        if old_format is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        old = tv_tensors.BoundingBoxFormat[old_format.upper()] if isinstance(old_format, str) else old_format
        return FROM_CORNERS[wanted.value.lower()](TO_CORNERS[old.value.lower()](inpt))
    out = FROM_CORNERS[wanted.value.lower()](corners_of(inpt)).to(inpt.dtype)
    return tv_tensors.wrap(out, like=inpt, format=wanted)


def clamp_bounding_boxes(
    inpt: Any, format: Any = None, canvas_size: Any = None, clamping_mode: str | None = "auto"
) -> Any:
    """Boxes cut to the image, unless their clamping mode, or the one that is given, is None."""
    if clamping_mode not in ("soft", "hard", "auto", None):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        boxes = Boxes(inpt, format=format, canvas_size=canvas_size)
        return plain(clamp_bounding_boxes(boxes, clamping_mode=clamping_mode))
    if clamping_mode is None:
        return inpt.clone()
    out = inpt if clamping_mode == "auto" else tv_tensors.wrap(plain(inpt), like=inpt, clamping_mode=clamping_mode)
    out = with_corners(corners_of(out), out, inpt.canvas_size)
    return tv_tensors.wrap(plain(out), like=inpt)


def clamp_keypoints(inpt: Any, canvas_size: Any = None) -> Any:
    """Points moved to the nearest pixel of the image.

    >>> clamp_keypoints(torch.tensor([[-1, 9]]), canvas_size=(5, 5))
    tensor([[0, 4]])
    """
    if is_pure_tensor(inpt):
        if canvas_size is None:
            raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
        return plain(clamp_keypoints(Points(inpt, canvas_size=canvas_size)))
    height, width = inpt.canvas_size
    return on_points(lambda x, y: (x.clamp(0, width - 1), y.clamp(0, height - 1)), inpt, inpt.canvas_size)


def sanitize_keypoints(key_points: Any, canvas_size: Any = None) -> tuple[Any, Tensor]:
    """The points, or rows of points, that are on the image, and a mask that tells which those are."""
    if is_pure_tensor(key_points) and canvas_size is None:
        raise ValueError(
            "canvas_size cannot be None if key_points is a pure tensor. "
            "Set it to an appropriate value or pass key_points as a tv_tensors.KeyPoints object."
        )
    height, width = canvas_size if is_pure_tensor(key_points) else key_points.canvas_size
    points = plain(key_points)
    inside = ((points >= 0) & (points < torch.tensor([width, height]))).flatten(1).all(1)
    return tv_tensors.wrap(points[inside], like=key_points), inside


def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """Noise added to a floating image."""
    if isinstance(inpt, NotImage):
        return inpt
    img = plain(inpt)
    if not isinstance(img, Tensor) or not img.is_floating_point():
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got dtype={getattr(img, 'dtype', None)}"
        )
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    out = img + mean + torch.randn_like(img) * sigma
    return tv_tensors.wrap(out.clamp(0, 1) if clip else out, like=inpt)


def sanitize_bounding_boxes(
    bounding_boxes: Any, format: Any = None, canvas_size: Any = None, min_size: float = 1.0, min_area: float = 1.0
) -> tuple[Any, Tensor]:
    """The boxes that are large enough and on the image, and a mask [N] that tells which those are."""
    boxes = bounding_boxes
    if is_pure_tensor(boxes):
        if format is None or canvas_size is None:
            raise ValueError(
                "format and canvas_size cannot be None if bounding_boxes is a pure tensor. "
                f"Got format={format} and canvas_size={canvas_size}."
                "Set those to appropriate values or pass bounding_boxes as a tv_tensors.BoundingBoxes object."
            )
        boxes = Boxes(boxes, format=format, canvas_size=canvas_size)
    corners = corners_of(boxes)
    width, height = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    large = (width >= min_size) & (height >= min_size) & (width * height >= min_area)
    canvas_height, canvas_width = boxes.canvas_size
    inside = (corners >= 0).all(1) & (corners[:, 2] <= canvas_width) & (corners[:, 3] <= canvas_height)
    valid = large & inside
    return tv_tensors.wrap(plain(bounding_boxes)[valid], like=bounding_boxes), valid


def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """`num_samples` images of a video [..., T, C, H, W], the same time apart.

    >>> uniform_temporal_subsample(torch.arange(5).view(5, 1, 1, 1), 3).flatten()
    tensor([0, 2, 4])
    """
    chosen = torch.linspace(0, inpt.shape[-4] - 1, num_samples).long()
    return tv_tensors.wrap(torch.index_select(plain(inpt), -4, chosen), like=inpt)


def _grayscale_to_rgb(image: Any) -> Any:
    """Gray images in three equal channels."""
    return F.rgb_to_grayscale(image, 3) if F.get_dimensions(image)[0] < 3 else image


def _jpeg(image: Any, quality: int) -> Any:
    """The image as it comes back from a JPEG file of that quality, from 1 to 100."""
    from ...io import decode_jpeg, encode_jpeg

    pixels = pil_to_tensor(image) if F.is_pil(image) else image
    rows = pixels.reshape(-1, *pixels.shape[-3:])
    if rows.shape[0] == 0:
        return image.clone()
    out = torch.stack([decode_jpeg(encode_jpeg(row, quality)) for row in rows]).view(pixels.shape)
    return to_pil_image(out, mode=image.mode) if F.is_pil(image) else out


grayscale_to_rgb = color(_grayscale_to_rgb)
jpeg = color(_jpeg)


def to_tensor(inpt: Any) -> Tensor:
    """Deprecated: a Pillow image or an array as a tensor, bytes scaled to [0, 1]."""
    warnings.warn(
        "The function `to_tensor(...)` is deprecated and will be removed in a future release. "
        "Instead, please use `to_image(...)` followed by `to_dtype(..., dtype=torch.float32, scale=True)`."
    )
    return F.to_tensor(inpt)


def to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """A Pillow image in gray; `rgb_to_grayscale` takes tensors, too."""
    return F.to_grayscale(inpt, num_output_channels)


def get_image_size(inpt: Any) -> list[int]:
    """[width, height]"""
    return get_size(inpt)[::-1]


def permute_channels(inpt: Any, permutation: list[int]) -> Any:
    """The channels in another order."""
    if isinstance(inpt, NotImage):
        return inpt
    img = pil_to_tensor(inpt) if F.is_pil(inpt) else plain(inpt)
    out = img[..., permutation, :, :]
    return to_pil_image(out) if F.is_pil(inpt) else tv_tensors.wrap(out, like=inpt)
