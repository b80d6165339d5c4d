"""Image files to tensors and back."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kenaz as torch
from kenaz.vision import io


def colors() -> torch.Tensor:
    return torch.arange(3 * 4 * 5, dtype=torch.uint8).view(3, 4, 5)


def test_png_comes_back_as_it_was(tmp_path: Path) -> None:
    for image in (colors(), colors()[:1], torch.cat((colors(), colors()[:1]))):
        io.write_png(image, tmp_path / "a.png")
        assert torch.equal(io.read_image(str(tmp_path / "a.png")), image)
    assert torch.equal(io.decode_image(str(tmp_path / "a.png"), mode="RGB"), colors())


def test_modes() -> None:
    data = io.encode_png(colors())
    assert io.decode_image(data, io.ImageReadMode.GRAY).shape == (1, 4, 5)
    assert io.decode_image(data, io.ImageReadMode.RGBA)[3].tolist() == [[255] * 5] * 4
    assert io.ImageReadMode.RGBA is io.ImageReadMode.RGB_ALPHA


def test_palette_is_resolved(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2, 3), 200, np.uint8)).convert("P").save(tmp_path / "a.gif")
    assert io.read_image(str(tmp_path / "a.gif")).shape == (3, 2, 2)


def test_jpeg_is_close() -> None:
    image = torch.full((3, 16, 16), 100, dtype=torch.uint8)
    assert (io.decode_image(io.encode_jpeg(image, quality=95)).int() - 100).abs().max() <= 2
    with pytest.raises(ValueError, match="Image quality should be a positive number between 1 and 100"):
        io.encode_jpeg(image, quality=0)
    with pytest.raises(RuntimeError, match="Input tensor dtype should be uint8"):
        io.encode_jpeg(image.float())


def test_decoders_by_name() -> None:
    image = (torch.arange(3 * 8 * 8) % 256).to(torch.uint8).view(3, 8, 8)
    assert torch.equal(io.decode_png(io.encode_png(image)), image)
    data = io.encode_jpeg(image, 90)
    assert all(torch.equal(out, io.decode_jpeg(data)) for out in io.decode_jpeg([data, data]))


def test_gif_is_several_images() -> None:
    frames = [Image.new("RGB", (4, 3), color) for color in ("red", "blue")]
    buffer = BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    out = io.decode_gif(torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8))
    assert out.shape == (2, 3, 3, 4) and out[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
