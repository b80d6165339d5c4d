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
        elif "expand" in case and name.startswith("sample"):
            continue  # the boxes of torchvision have another canvas than its image
        elif value[0][0] == "error":
            assert got[name][0][0] == "error", name
        else:
            assert is_close(got[name], value), (name, got[name], value)
