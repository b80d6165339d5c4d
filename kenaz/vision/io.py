"""Image files as tensors [C, H, W] of bytes, through Pillow."""

import io
from enum import Enum
from typing import Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from .. import _api as torch
from .transforms.functional import pil_to_tensor, to_pil_image

Tensor = torch.Tensor


class ImageReadMode(Enum):
    """What an image is converted to while it is read."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: Any) -> Tensor:
    """The bytes of a file."""
    return torch.from_numpy(np.fromfile(path, np.uint8))


def write_file(filename: Any, data: Tensor) -> None:
    """Writes bytes to a file."""
    with open(filename, "wb") as file:
        file.write(data.numpy().tobytes())


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The image in a file, or in the bytes of one.

    >>> decode_image(encode_png(torch.full((1, 2, 2), 7, dtype=torch.uint8)))
    tensor([[[7, 7],
             [7, 7]]], dtype=torch.uint8)
    """
    data = input if isinstance(input, Tensor) else read_file(input)
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    image: Image.Image = Image.open(io.BytesIO(data.numpy().tobytes()))
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if mode is not ImageReadMode.UNCHANGED:
        image = image.convert(PILLOW_MODES[mode])
    elif image.mode == "P":  # the colors, not their numbers in the palette
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    return pil_to_tensor(image).contiguous()


def decode_png(input: Tensor, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The image in the bytes of a PNG file."""
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(
    input: Any, mode: Any = ImageReadMode.UNCHANGED, device: Any = "cpu", apply_exif_orientation: bool = False
) -> Any:
    """The image in the bytes of a JPEG file, or a list of those in a list of such files."""
    if isinstance(input, list):
        return [decode_jpeg(data, mode, device, apply_exif_orientation) for data in input]
    return decode_image(input, mode, apply_exif_orientation).to(device)


def decode_webp(input: Tensor, mode: Any = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of a WebP file."""
    return decode_image(input, mode)


def decode_avif(input: Tensor, mode: Any = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of an AVIF file, where this Pillow reads such files."""
    return decode_image(input, mode)


def decode_heic(input: Tensor, mode: Any = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of a HEIC file, where a plug-in of Pillow reads such files."""
    return decode_image(input, mode)


def decode_gif(input: Tensor) -> Tensor:
    """The images [N, 3, H, W] in the bytes of a GIF file; [3, H, W] where it is one."""
    with Image.open(io.BytesIO(input.numpy().tobytes())) as file:
        frames = [pil_to_tensor(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
    return torch.stack(frames) if len(frames) > 1 else frames[0]


def read_image(path: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The image in a file."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def encode(image: Tensor, format: str, **options: Any) -> Tensor:
    if image.dtype != torch.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    buffer = io.BytesIO()
    to_pil_image(image).save(buffer, format, **options)
    return torch.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file."""
    return encode(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """The bytes of a JPEG file."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    return encode(input, "JPEG", quality=quality)


def write_png(input: Tensor, filename: Any, compression_level: int = 6) -> None:
    """Writes a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: Any, quality: int = 75) -> None:
    """Writes a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
