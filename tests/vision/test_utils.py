"""Grids of images."""

import numpy as np
import pytest
from PIL import Image

import kenaz as torch
from kenaz.vision.utils import make_grid, save_image


def test_grid_places_images_in_rows() -> None:
    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 2, 2)
    grid = make_grid(images, nrow=3, padding=1, pad_value=9.0)
    assert grid.shape == (3, 7, 10)
    assert grid[0, 1].tolist() == [9, 0, 0, 9, 1, 1, 9, 2, 2, 9]
    assert grid[0, 4].tolist() == [9, 3, 3, 9, 4, 4, 9, 9, 9, 9]


def test_grid_of_one_image_is_the_image() -> None:
    image = torch.rand(3, 4, 5)
    assert torch.equal(make_grid(image), image)
    assert make_grid(torch.rand(4, 5)).shape == (3, 4, 5)


def test_normalize_spreads_the_range() -> None:
    images = torch.tensor([0.0, 2.0, 4.0, 8.0]).view(2, 1, 1, 2)
    assert make_grid(images, padding=0, normalize=True)[0].tolist() == [[0, 0.25, 0.5, 1]]
    assert make_grid(images, padding=0, normalize=True, scale_each=True)[0].tolist() == [[0, 1, 0, 1]]
    assert make_grid(images, padding=0, normalize=True, value_range=(0, 4))[0].tolist() == [[0, 0.5, 1, 1]]
    assert images.max() == 8  # not changed in place


def test_grid_refuses_what_is_no_tensor() -> None:
    with pytest.raises(TypeError, match="tensor or list of tensors expected, got <class 'int'>"):
        make_grid(3)
    with pytest.raises(TypeError, match="got a list containing <class 'int'>"):
        make_grid([torch.zeros(1), 3])


def test_saved_image_has_rounded_bytes(tmp_path) -> None:
    save_image(torch.tensor([[[0.0, 0.5, 1.0]]]), tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 128, 255]
