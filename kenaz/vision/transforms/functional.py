"""Image transforms as functions: each takes a Pillow image or a tensor [..., C, H, W] and gives back the same kind."""

import math
import sys
import warnings
from enum import Enum
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from ... import _api as torch
from . import _pil, _tensor

Tensor = torch.Tensor


class InterpolationMode(Enum):
    """How a resampled image finds values between pixels; `pillow` is Pillow's number for it."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"

    @property
    def pillow(self) -> int:
        return PILLOW_NUMBERS[self]


PILLOW_NUMBERS = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.NEAREST_EXACT: 0,
}
MODE_OF_NUMBER = {n: mode for mode, n in PILLOW_NUMBERS.items() if mode is not InterpolationMode.NEAREST_EXACT}


def interpolation_mode(mode: Any) -> InterpolationMode:
    """The mode that a user names, also by Pillow's number.

    >>> interpolation_mode(2)
    <InterpolationMode.BILINEAR: 'bilinear'>
    """
    if isinstance(mode, int):
        return MODE_OF_NUMBER[mode]
    if not isinstance(mode, InterpolationMode):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant"
        )
    return mode


def is_pil(img: Any) -> bool:
    return isinstance(img, Image.Image)


def backend(img: Any, message: str = "img should be PIL Image. Got {}") -> ModuleType:
    """The module that transforms this kind of image."""
    if isinstance(img, Tensor):
        return _tensor
    if is_pil(img):
        return _pil
    raise TypeError(message.format(type(img)))


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]

    >>> get_dimensions(torch.zeros(3, 4, 5))
    [3, 4, 5]
    """
    return backend(img, "Unexpected type {}").get_dimensions(img)


def get_image_size(img: Any) -> list[int]:
    """[width, height]"""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    return get_dimensions(img)[0]


# --- between Pillow, NumPy and tensors --------------------------------------------------------------------------------

# the modes whose pixels are not bytes
ARRAY_TYPES = {"I": np.int32, "I;16": np.int16, "I;16B": np.int16, "F": np.float32}


def pil_to_array(pic: Image.Image) -> np.ndarray:
    """A copy of an image's pixels, [height, width, channels]."""
    array = np.array(pic, ARRAY_TYPES.get(pic.mode, np.uint8), copy=True)
    return array.reshape(pic.height, pic.width, len(pic.getbands()))


def to_tensor(pic: Any) -> Tensor:
    """A tensor [C, H, W] of an image or of an array [H, W, C]; bytes are scaled to [0, 1].

    >>> to_tensor(np.full((1, 2, 1), 51, np.uint8))
    tensor([[[0.2000, 0.2000]]])
    """
    if not (is_pil(pic) or isinstance(pic, np.ndarray)):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if is_pil(pic):
        array = pil_to_array(pic)
        if pic.mode == "1":
            array = array * np.uint8(255)
    else:
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic if pic.ndim == 3 else pic[:, :, None]
    img = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
    return img.to(torch.get_default_dtype()).div(255) if img.dtype == torch.uint8 else img


def pil_to_tensor(pic: Any) -> Tensor:
    """A tensor [C, H, W] of an image's values as they are.

    >>> pil_to_tensor(Image.new("L", (2, 1), 51))
    tensor([[[51, 51]]], dtype=torch.uint8)
    """
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = np.array(pic, copy=True).reshape(pic.height, pic.width, len(pic.getbands()))
    return torch.from_numpy(array).permute((2, 0, 1))


# The modes that a number of channels can have, the first by default (for bytes); 1 channel goes by its type.
CHANNEL_MODES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}
ONE_CHANNEL_MODES = {
    "uint8": "L",
    "int16": "I;16" if sys.byteorder == "little" else "I;16B",
    "int32": "I",
    "float32": "F",
}


def image_mode(array: np.ndarray, mode: str | None) -> str:
    """The Pillow mode for an array [H, W, C], checked against the one that was asked for."""
    channels = array.shape[2]
    if channels == 1:
        expected = ONE_CHANNEL_MODES.get(array.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {np.dtype}. Should be {expected}")
        mode = expected
    else:
        permitted = CHANNEL_MODES[channels]
        if mode is not None and mode not in permitted:
            raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
        mode = mode or (permitted[0] if array.dtype == np.uint8 else None)
    if mode is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    return mode


def to_pil_image(pic: Any, mode: str | None = None) -> Image.Image:
    """An image of a tensor [C, H, W] or of an array [H, W, C]; floating values are scaled from [0, 1] to bytes."""
    if isinstance(pic, Tensor):
        pic = (pic.permute((1, 2, 0)) if pic.ndim == 3 else pic).detach().cpu().numpy()
    elif not isinstance(pic, np.ndarray):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    array = pic[:, :, None] if pic.ndim == 2 else pic
    if array.ndim != 3:
        raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
    if array.shape[-1] > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {array.shape[-1]} channels.")
    if array.dtype.kind == "f" and mode != "F":
        # out-of-range values wrap around in PyTorch's conversion; int64 first makes NumPy do so without a warning
        array = (array * 255).astype(np.int64).astype(np.uint8)
    return _pil.from_array(array, image_mode(array, mode))


def convert_image_dtype(image: Any, dtype: Any = torch.float) -> Tensor:
    """The image in another type, its values scaled to that type's range.

    >>> convert_image_dtype(torch.tensor([0.0, 0.5, 1.0]), torch.uint8)
    tensor([  0, 127, 255], dtype=torch.uint8)
    """
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _tensor.convert_image_dtype(image, dtype)


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """(tensor - mean) / std, channel by channel."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    return _tensor.normalize(tensor, mean, std, inplace)


# --- size and place ---------------------------------------------------------------------------------------------------


def resized_size(height: int, width: int, size: list[int], max_size: int | None = None) -> list[int]:
    """[height, width] after a resize: `size` as it is, or the shorter edge scaled to its only number.

    >>> resized_size(20, 10, [5]), resized_size(20, 10, [5], max_size=8)
    ([10, 5], [8, 4])
    """
    if len(size) == 2:
        return list(size)
    short, long = sorted((height, width))
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= new_short:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested "
                f"size for the smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image scaled to (height, width), or so that its shorter edge has the length `size`."""
    mode = interpolation_mode(interpolation)
    if isinstance(size, list | tuple):
        if len(size) not in (1, 2):
            raise ValueError(
                f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
    _, height, width = get_dimensions(img)
    target = resized_size(height, width, [size] if isinstance(size, int) else size, max_size)
    if target == [height, width]:
        return img
    if is_pil(img) and antialias is False:
        warnings.warn("Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.")
    return backend(img).resize(img, target, mode, antialias)


def all_sides(padding: Any) -> list[int]:
    """[left, top, right, bottom] of one number, of one a direction, or of four.

    >>> all_sides(3), all_sides((1, 2))
    ([3, 3, 3, 3], [1, 2, 1, 2])
    """
    if not isinstance(padding, int | tuple | list):
        raise TypeError("Got inappropriate padding arg")
    sides = [padding] if isinstance(padding, int) else list(padding)
    if len(sides) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(sides)} element tuple")
    return sides * (4 // len(sides))


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with `padding` pixels added on its sides; a negative number cuts."""
    sides = all_sides(padding)
    if not isinstance(0 if fill is None else fill, int | float | tuple | list):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    return backend(img).pad(img, sides, fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A window of the image; what lies outside is 0."""
    return backend(img).crop(img, top, left, height, width)


def pair(size: Any, message: str = "Please provide only two dimensions (h, w) for size.") -> Any:
    """(height, width) of a size that may be one number.

    >>> pair(4), pair([5]), pair((2, 3))
    ((4, 4), (5, 5), (2, 3))
    """
    if isinstance(size, int | float):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of the image, padded with 0 where the image is smaller."""
    crop_height, crop_width = pair(output_size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        wider, higher = max(crop_width - width, 0), max(crop_height - height, 0)
        img = pad(img, [wider // 2, higher // 2, (wider + 1) // 2, (higher + 1) // 2])
        _, height, width = get_dimensions(img)
    # round() takes half to even here, as torchvision's does
    return crop(img, round((height - crop_height) / 2), round((width - crop_width) / 2), crop_height, crop_width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A window of the image, scaled to `size`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: Any) -> tuple[Any, ...]:
    """The four corners and the middle: top left, top right, bottom left, bottom right, center."""
    crop_height, crop_width = size = pair(size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(height, width)}")
    corners = [(top, left) for top in (0, height - crop_height) for left in (0, width - crop_width)]
    return (*(crop(img, top, left, crop_height, crop_width) for top, left in corners), center_crop(img, size))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return backend(img).hflip(img)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return backend(img).vflip(img)


def inverse_affine_matrix(center: Any, angle: float, translate: Any, scale: float, shear: Any) -> list[float]:
    """The first two rows of the inverse of T C R S C⁻¹: T translates, C moves the center, R turns and shears, S scales.

    An image is transformed backwards: each pixel of the result asks where in the source it comes from.

    >>> inverse_affine_matrix([0, 0], 0.0, [2, 3], 1.0, [0.0, 0.0])
    [1.0, 0.0, -2.0, 0.0, 1.0, -3.0]
    """
    turn, shear_x, shear_y = (math.radians(degrees) for degrees in (angle, *shear))
    (cx, cy), (tx, ty) = center, translate
    cos, sin, cos_y, tan_x = math.cos(turn - shear_y), math.sin(turn - shear_y), math.cos(shear_y), math.tan(shear_x)
    a, b = cos / cos_y, -cos * tan_x / cos_y - math.sin(turn)
    c, d = sin / cos_y, -sin * tan_x / cos_y + math.cos(turn)
    # the determinant of [[a, b], [c, d]] is 1, so its inverse is [[d, -b], [-c, a]]
    a, b, c, d = (x / scale + 0.0 for x in (d, -b, -c, a))
    return [a, b, a * (-cx - tx) + b * (-cy - ty) + cx, c, d, c * (-cx - tx) + d * (-cy - ty) + cy]


def check_sequence(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, list | tuple):
        raise TypeError(f"Argument {name} should be a sequence")


def from_middle(img: Any, center: Any) -> list[float]:
    """A center given from the top left corner, counted from the image's middle; None is the middle."""
    if center is None:
        return [0.0, 0.0]
    _, height, width = get_dimensions(img)
    return [center[0] - width * 0.5, center[1] - height * 0.5]


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The image turned by `angle` degrees, counter-clockwise."""
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    check_sequence("center", center)
    if backend(img) is _pil:
        return _pil.rotate(img, angle, mode, expand, center, fill)
    matrix = inverse_affine_matrix(from_middle(img, center), -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    return _tensor.rotate(img, matrix, mode, expand, fill)


def affine(
    img: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """The image turned clockwise by `angle` degrees, moved, scaled and sheared, around its middle or `center`."""
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    check_sequence("translate", translate if translate is not None else 0)
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, int | float | list | tuple):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shear = [float(shear), 0.0] if isinstance(shear, int | float) else list(shear) * (2 if len(shear) == 1 else 1)
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    check_sequence("center", center)
    if backend(img) is _pil:
        middle = center if center is not None else [img.width * 0.5, img.height * 0.5]
        return _pil.affine(img, inverse_affine_matrix(middle, angle, translate, scale, shear), mode, fill)
    matrix = inverse_affine_matrix(from_middle(img, center), angle, translate, scale, shear)
    return _tensor.affine(img, matrix, mode, fill)


def perspective_coefficients(start: Any, end: Any) -> list[float]:
    """a ... h of the map `end` to `start`: x' = (a x + b y + c) / (g x + h y + 1), y' = (d x + e y + f) / (same)."""
    if len(start) != 4 or len(end) != 4:
        raise ValueError(f"Please provide exactly four corners, got {len(start)} startpoints and {len(end)} endpoints.")
    rows = []
    for (x, y), (u, v) in zip(end, start):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solution = np.linalg.lstsq(np.array(rows, np.float64), np.array(start, np.float64).reshape(8), rcond=None)[0]
    return solution.astype(np.float32).tolist()


def perspective(
    img: Any, startpoints: Any, endpoints: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """The image as seen when its corners move from `startpoints` to `endpoints`."""
    mode = interpolation_mode(interpolation)
    return backend(img).perspective(img, perspective_coefficients(startpoints, endpoints), mode, fill)


def elastic_transform(
    img: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """The image with each pixel from `displacement` [1, H, W, 2] farther on, (x, y) in halves of the image.

    >>> elastic_transform(torch.arange(4.0).view(1, 2, 2), torch.tensor([1.0, 0.0]).expand(1, 2, 2, 2))
    tensor([[[1., 0.],
             [3., 0.]]])
    """
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    image = img if isinstance(img, Tensor) else pil_to_tensor(img)
    expected = (1, *image.shape[-2:], 2)
    if expected != tuple(displacement.shape):
        raise ValueError(f"Argument displacement shape should be {expected}, but given {displacement.shape}")
    out = _tensor.elastic(image, displacement, interpolation_mode(interpolation), fill)
    return out if isinstance(img, Tensor) else to_pil_image(out, mode=img.mode)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The image with v in place of the window of h rows and w columns at (i, j)."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out


# --- color ------------------------------------------------------------------------------------------------------------


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Darker below 1, brighter above."""
    return backend(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 gives the mean gray, 1 the image itself."""
    return backend(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 gives a gray image, 1 the image itself."""
    return backend(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The colors turned by a part of the circle, from -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return backend(img).adjust_hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * img ** gamma, values counted from 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return backend(img).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image itself."""
    return backend(img).adjust_sharpness(img, sharpness_factor)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The luminance, in 1 channel or repeated in 3."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    return backend(img).rgb_to_grayscale(img, num_output_channels)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """`rgb_to_grayscale` for Pillow images."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    return rgb_to_grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    """White becomes black."""
    return backend(img).invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Only the first `bits` bits of each value."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return backend(img).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Values from the threshold on are inverted."""
    return backend(img).solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Each channel stretched so that its darkest value is black and its lightest white."""
    return backend(img).autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel's values spread so that each level is about equally frequent."""
    return backend(img).equalize(img)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The image convolved with a bell of `sigma` pixels, cut to `kernel_size` pixels, both given (x, y)."""
    if not isinstance(kernel_size, int | list | tuple):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(k % 2 == 0 or k < 0 for k in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    sigma = [k * 0.15 + 0.35 for k in sizes] if sigma is None else sigma
    if not isinstance(sigma, int | float | list | tuple):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    sigmas = [float(sigma)] if isinstance(sigma, int | float) else list(sigma)
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigmas)}")
    if any(s <= 0.0 for s in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    if backend(img, "img should be PIL Image or Tensor. Got {}") is _tensor:
        return _tensor.gaussian_blur(img, sizes, sigmas)
    return to_pil_image(_tensor.gaussian_blur(pil_to_tensor(img), sizes, sigmas), mode=img.mode)
