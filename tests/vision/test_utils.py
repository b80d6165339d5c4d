"""Grids of images, and drawings on them."""

import numpy as np
import pytest
from PIL import Image

import kenaz as torch
from kenaz.vision import utils
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


def drawing() -> torch.Tensor:
    return (torch.arange(3 * 12 * 14) % 200).to(torch.uint8).view(3, 12, 14)


def test_drawings_are_torchvisions() -> None:
    image, boxes = drawing(), torch.tensor([[1, 1, 6, 7], [3, 2, 12, 10]])
    assert utils.draw_bounding_boxes(image, boxes).sum() == 36491
    filled = utils.draw_bounding_boxes(image, boxes, colors=["red", "blue"], fill=True, width=2)
    assert filled.sum() == 45753
    assert utils.draw_bounding_boxes(image / 255, boxes, colors="green").sum().item() == pytest.approx(149.0078, 1e-4)
    masks = torch.zeros(2, 12, 14, dtype=torch.bool)
    masks[0, 2:6, 2:9] = True
    masks[1, 4:9, 5:12] = True
    assert utils.draw_segmentation_masks(image, masks).sum() == 39206
    assert utils.draw_segmentation_masks(image, masks, 0.4, ["red", "blue"]).sum() == 45225
    assert utils.draw_segmentation_masks(image / 255, masks, 0.5).sum().item() == pytest.approx(162.6608, 1e-4)
    points = torch.tensor([[[3, 4], [9, 8]]])
    assert utils.draw_keypoints(image, points, [(0, 1)], "yellow").sum() == 64995


def test_drawing_refuses_what_it_cannot_draw_on() -> None:
    image = drawing()
    with pytest.raises(ValueError, match="Pass individual images, not batches"):
        utils.draw_bounding_boxes(image[None], torch.zeros(1, 4))
    with pytest.raises(ValueError, match="need to be in"):
        utils.draw_bounding_boxes(image, torch.tensor([[3, 0, 1, 1]]))
    with pytest.raises(ValueError, match=r"Number of boxes \(1\) and labels \(2\) mismatch"):
        utils.draw_bounding_boxes(image, torch.zeros(1, 4), ["a", "b"])
    with pytest.raises(ValueError, match="must be of dtype bool"):
        utils.draw_segmentation_masks(image, torch.zeros(12, 14))
    assert utils.draw_bounding_boxes(image, torch.zeros(0, 4)) is image
    assert not torch.equal(utils.draw_bounding_boxes(image, torch.tensor([[1, 1, 9, 9]]), ["a"]), image)


def test_directions_are_hues() -> None:
    y, x = torch.meshgrid(torch.linspace(-3, 2, 4), torch.linspace(-2, 3, 5), indexing="ij")
    flow = torch.stack([x, y])
    image = utils.flow_to_image(flow)
    wanted = [  # torchvision's
        [[38, 103, 154, 190, 220], [110, 163, 219, 248, 255], [133, 205, 255, 255, 255], [106, 221, 255, 255, 255]],
        [[49, 69, 72, 46, 0], [162, 163, 169, 122, 57], [248, 255, 231, 159, 85], [255, 255, 225, 173, 111]],
        [[255, 255, 255, 255, 255], [255, 255, 255, 255, 209], [255, 235, 218, 147, 73], [84, 126, 131, 95, 38]],
    ]
    assert (image.int() - torch.tensor(wanted)).abs().max() <= 1
    assert utils.flow_to_image(torch.stack([flow, flow])).shape == (2, 3, 4, 5)
    with pytest.raises(ValueError, match="Flow should be of dtype torch.float, got torch.float64."):
        utils.flow_to_image(flow.double())
    with pytest.raises(ValueError, match=r"should have shape \(2, H, W\) or \(N, 2, H, W\), got torch.Size\(\[1, 4, 5\]\)"):
        utils.flow_to_image(flow[:1])
