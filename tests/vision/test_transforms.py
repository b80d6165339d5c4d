"""Transforms against torchvision's own results (goldens.json, made by tools/make_vision_goldens.py)."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.vision import transforms
from tests.vision.cases import CASES, run

GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text("utf-8"))


def is_close(got: Any, wanted: Any, slack: float = 1e-3) -> bool:
    """Equal, numbers up to rounding."""
    if isinstance(wanted, list):
        if wanted[:2] == ["tensor", "torch.uint8"]:
            # a resized image has many values halfway between two bytes: the last bit of a sum rounds them up or down
            slack = 0.06 * np.prod(wanted[2])
        same_length = isinstance(got, list) and len(got) == len(wanted)
        return same_length and all(is_close(g, w, slack) for g, w in zip(got, wanted))
    if isinstance(wanted, float):
        return isinstance(got, float) and abs(got - wanted) <= slack + 1e-5 * abs(wanted)
    return got == wanted


def same_error_type(got: Any, wanted: Any) -> bool:
    """Where torchvision fails inside some operator of PyTorch's, an error is enough."""
    return wanted[0][0] == "error" and got[0][0] == "error"


@pytest.mark.parametrize("case", CASES)
def test_as_torchvision(case: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = run(torch, transforms, transforms.functional, case)
    wanted = GOLDENS[case]
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        if name == "repr":
            assert "lambda" in case or got[name] == value
        elif name == "error":
            assert got[name] == value
        else:
            assert is_close(got[name], value) or same_error_type(got[name], value), name


def test_error_messages() -> None:
    with pytest.raises(TypeError, match="img should be PIL Image. Got <class 'int'>"):
        transforms.functional.hflip(3)
    with pytest.raises(ValueError, match=r"Required crop size \(100, 100\) is larger than input image size \(4, 5\)"):
        transforms.RandomCrop(100)(torch.zeros(3, 4, 5))
    with pytest.raises(ValueError, match="std evaluated to zero after conversion to torch.float32"):
        transforms.Normalize(0.5, 0)(torch.zeros(3, 4, 5))
    with pytest.raises(RuntimeError, match="cast from torch.float32 to torch.int64 cannot be performed safely"):
        transforms.ConvertImageDtype(torch.int64)(torch.zeros(3, 4, 5))


def test_warns_about_antialias_of_pillow_images() -> None:
    image = transforms.ToPILImage()(torch.zeros(1, 8, 8))
    with pytest.warns(UserWarning, match="Anti-alias option is always applied for PIL Image input"):
        transforms.Resize(4, antialias=False)(image)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int32", "int16"])
def test_images_go_there_and_back(dtype: str) -> None:
    array = np.arange(20).reshape(4, 5, 1).astype(dtype)
    image = transforms.functional.to_pil_image(array, mode="F" if dtype == "float32" else None)
    assert np.array_equal(transforms.functional.pil_to_tensor(image).numpy()[0], array[:, :, 0])
