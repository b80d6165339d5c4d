"""The transforms of `functional` on Pillow images; `_tensor` has the same names for tensors."""

from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Fill = float | list[float] | tuple[float, ...] | None


def from_array(array: np.ndarray, mode: str) -> Image.Image:
    """An image over a copy of an array, in a mode that `Image.fromarray` would not guess (or take from 11.3 on)."""
    height, width = array.shape[:2]
    return Image.frombuffer(mode, (width, height), np.ascontiguousarray(array).tobytes(), "raw", mode, 0, 1)


def get_dimensions(img: Image.Image) -> list[int]:
    return [len(img.getbands()), img.height, img.width]


def hflip(img: Image.Image) -> Image.Image:
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Image.Image) -> Image.Image:
    return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def crop(img: Image.Image, top: int, left: int, height: int, width: int) -> Image.Image:
    return img.crop((left, top, left + width, top + height))


def resize(img: Image.Image, size: list[int], interpolation: Any, antialias: bool | None = True) -> Image.Image:
    height, width = size
    return img.resize((width, height), interpolation.pillow)


def parse_fill(img: Image.Image, fill: Fill) -> Any:
    """One number or a tuple of one number a band, of the type that the image's mode takes."""
    bands = len(img.getbands())
    values: list[Any] = list(fill) if isinstance(fill, list | tuple) else [fill or 0]
    if len(values) == 1:
        values *= bands
    if len(values) != bands:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {bands})"
        )
    if img.mode != "F":
        values = [int(value) for value in values]
    return tuple(values) if bands > 1 or isinstance(fill, list | tuple) else values[0]


def pad(img: Image.Image, padding: list[int], fill: Fill, padding_mode: str) -> Image.Image:
    left, top, right, bottom = padding
    if padding_mode == "constant":
        out = ImageOps.expand(img, border=(left, top, right, bottom), fill=parse_fill(img, fill))
        if palette := img.getpalette():
            out.putpalette(palette)
        return out
    if min(padding) < 0:
        img = img.crop((max(-left, 0), max(-top, 0), img.width - max(-right, 0), img.height - max(-bottom, 0)))
    widths = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
    array = np.asarray(img)
    mode: Any = padding_mode
    array = np.pad(array, widths + [(0, 0)] * (array.ndim - 2), mode=mode)
    out = Image.fromarray(array)
    if palette := img.getpalette():
        out.putpalette(palette)
    return out


def rotate(img: Image.Image, angle: float, interpolation: Any, expand: bool, center: Any, fill: Fill) -> Image.Image:
    return img.rotate(angle, interpolation.pillow, expand, center, fillcolor=parse_fill(img, fill))


def affine(img: Image.Image, matrix: list[float], interpolation: Any, fill: Fill) -> Image.Image:
    return img.transform(
        img.size, Image.Transform.AFFINE, matrix, interpolation.pillow, fillcolor=parse_fill(img, fill)
    )


def perspective(img: Image.Image, coefficients: list[float], interpolation: Any, fill: Fill) -> Image.Image:
    return img.transform(
        img.size, Image.Transform.PERSPECTIVE, coefficients, interpolation.pillow, fillcolor=parse_fill(img, fill)
    )


def adjust_brightness(img: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(img).enhance(factor)


def adjust_contrast(img: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(img).enhance(factor)


def adjust_saturation(img: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Color(img).enhance(factor)


def adjust_sharpness(img: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Sharpness(img).enhance(factor)


def adjust_hue(img: Image.Image, factor: float) -> Image.Image:
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    # hue is a circle of 256 steps: uint8 arithmetic wraps around as it should
    turned = np.asarray(hue) + np.int32(factor * 255).astype(np.uint8)
    return Image.merge("HSV", (from_array(turned, "L"), saturation, value)).convert(img.mode)


def adjust_gamma(img: Image.Image, gamma: float, gain: float = 1.0) -> Image.Image:
    table = [int((256 - 1e-3) * gain * (level / 255.0) ** gamma) for level in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def rgb_to_grayscale(img: Image.Image, num_output_channels: int) -> Image.Image:
    gray = img.convert("L")
    return gray if num_output_channels == 1 else Image.merge("RGB", (gray, gray, gray))


def invert(img: Image.Image) -> Image.Image:
    return ImageOps.invert(img)


def posterize(img: Image.Image, bits: int) -> Image.Image:
    return ImageOps.posterize(img, bits)


def solarize(img: Image.Image, threshold: float) -> Image.Image:
    return ImageOps.solarize(img, threshold)  # type: ignore[arg-type]  # Pillow compares with floats too


def autocontrast(img: Image.Image) -> Image.Image:
    return ImageOps.autocontrast(img)


def equalize(img: Image.Image) -> Image.Image:
    return ImageOps.equalize(img)
