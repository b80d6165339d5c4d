"""transforms.v2 against torchvision's own results (v2.json, made by tools/make_vision_goldens.py)."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.vision import tv_tensors
from kenaz.vision.transforms import v2
from tests.vision.v2_cases import CASES, run

GOLDENS = json.loads((Path(__file__).parent / "v2.json").read_text("utf-8"))


def is_close(got: Any, wanted: Any, slack: float = 2e-3) -> bool:
    """Equal, numbers up to rounding; an image of bytes may differ by one in places, a Pillow image not at all."""
    if isinstance(wanted, list):
        if wanted[1:2] == ["torch.uint8"]:
            slack = 0.5 * np.prod(wanted[2])
        same_length = isinstance(got, list) and len(got) == len(wanted)
        return same_length and all(is_close(g, w, slack) for g, w in zip(got, wanted))
    if isinstance(wanted, float):
        return isinstance(got, float) and abs(got - wanted) <= slack + 1e-4 * abs(wanted)
    return got == wanted


@pytest.mark.parametrize("case", CASES)
def test_as_torchvision(case: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = run(torch, v2, tv_tensors, case)
    wanted = GOLDENS[case]
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        if name in ("repr", "error"):
            assert got[name] == value
        elif "expand" in case and name.startswith(("sample", "points")):
            continue  # the boxes and points of torchvision have another canvas than its image
        elif value[0][0] == "error":
            assert got[name][0][0] == "error", name
        else:
            assert is_close(got[name], value), (name, got[name], value)


def picture() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(24), torch.arange(32), indexing="ij")
    return torch.stack([y * 9, x * 7, (x + y) * 4]).to(torch.uint8)


def test_jpeg_loses_a_little() -> None:
    image = picture()
    good, bad = v2.functional.jpeg(image, 95), v2.JPEG((5, 6))(image)
    assert 0 < (good.int() - image.int()).abs().float().mean() < (bad.int() - image.int()).abs().float().mean()
    pillow = v2.functional.to_pil_image(image)
    assert np.array_equal(np.asarray(v2.JPEG(95)(pillow)), good.permute(1, 2, 0).numpy())
    assert v2.JPEG(50)(tv_tensors.Mask(image[0])).equal(tv_tensors.Mask(image[0]))
    assert v2.functional.jpeg(image.expand(2, 2, 3, 24, 32), 50).shape == (2, 2, 3, 24, 32)
    assert repr(v2.JPEG(50)) == "JPEG(quality=[50, 50])"


def test_sanitizing_tells_what_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [1, 1, 1.5, 9], [2, 2, 30, 9]])
    kept, valid = v2.functional.sanitize_bounding_boxes(boxes, format="XYXY", canvas_size=(10, 10))
    assert valid.tolist() == [True, False, False] and kept.tolist() == [[0, 0, 4, 4]]
    with pytest.raises(ValueError, match="format and canvas_size cannot be None if bounding_boxes is a pure tensor"):
        v2.functional.sanitize_bounding_boxes(boxes)


def test_what_is_in_a_sample() -> None:
    sample = [picture(), tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(24, 32)), 3]
    assert v2.has_any(sample, str, tv_tensors.BoundingBoxes) and not v2.has_any(sample, tv_tensors.Mask)
    assert v2.has_all(sample, int, torch.Tensor) and not v2.has_all(sample, int, tv_tensors.Image)
    assert v2.check_type(3, (str, lambda value: value == 3))
    assert v2.get_bounding_boxes(sample) is sample[1]
    assert v2.query_chw(sample) == (3, 24, 32) and v2.query_size(sample) == [24, 32]
    with pytest.raises(ValueError, match="Found multiple CxHxW dimensions"):
        v2.query_chw([picture(), tv_tensors.Image(picture()[:1])])


def test_a_video_is_thinned_out() -> None:
    video = tv_tensors.Video(torch.arange(7 * 3).view(7, 3, 1, 1))
    out = v2.UniformTemporalSubsample(4)(video)
    assert type(out) is tv_tensors.Video and out[:, 0, 0, 0].tolist() == [0, 6, 12, 18]
    assert v2.functional.get_num_frames(out) == 4 and v2.functional.get_num_channels(out) == 3


def test_names_of_old_warn() -> None:
    with pytest.warns(UserWarning, match=r"The transform `ToTensor\(\)` is deprecated"):
        transform = v2.ToTensor()
    assert transform(picture().permute(1, 2, 0).numpy()).dtype == torch.float32
    with pytest.warns(UserWarning, match=r"The function `to_tensor\(...\)` is deprecated"):
        v2.functional.to_tensor(picture().permute(1, 2, 0).numpy())


def test_points_know_their_image() -> None:
    points = tv_tensors.KeyPoints([[1.0, 2], [8, 3]], canvas_size=(6, 10))
    assert repr(points) == "KeyPoints([[1., 2.],\n           [8., 3.]], canvas_size=(6, 10))"
    assert v2.functional.rotate(points, 40, expand=True).canvas_size == (12, 12)
    assert v2.functional.horizontal_flip(points).tolist() == [[8, 2], [1, 3]]
    assert v2.get_keypoints([3, points]) is points
    with pytest.raises(ValueError, match=r"Expected a tensor of shape \(..., 2\), not torch.Size\(\[3, 3\]\)"):
        tv_tensors.KeyPoints(torch.zeros(3, 3), canvas_size=(1, 2))
    with pytest.raises(ValueError, match="`canvas_size` has to be passed"):
        v2.functional.clamp_keypoints(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="canvas_size cannot be None if key_points is a pure tensor"):
        v2.functional.sanitize_keypoints(torch.zeros(1, 2))


def test_printed_form() -> None:
    assert repr(tv_tensors.Image(torch.zeros(1, 2, 1))) == "Image([[[0.],\n        [0.]]], )"
    assert repr(tv_tensors.Mask(torch.zeros(1, 2, dtype=torch.bool))) == "Mask([[False, False]])"
    assert repr(tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="xywh", canvas_size=(5, 6))) == (
        "BoundingBoxes([[1, 2, 3, 4]], format=BoundingBoxFormat.XYWH, canvas_size=(5, 6), clamping_mode=soft)"
    )


def test_results_may_keep_their_kind() -> None:
    image = tv_tensors.Image(torch.ones(1, 2, 2))
    assert type(image + 1) is torch.Tensor
    with tv_tensors.set_return_type("TVTensor"):
        assert type(image + 1) is type(image * 2) is tv_tensors.Image
    assert type(image + 1) is torch.Tensor
    with pytest.raises(ValueError, match="return_type must be 'TVTensor' or 'Tensor', got x"):
        tv_tensors.set_return_type("x")
    with pytest.raises(ValueError, match="clamping_mode must be None, hard or soft, got auto."):
        tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(5, 6), clamping_mode="auto")
