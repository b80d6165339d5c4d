"""Libraries over PyTorch, unmodified, under the alias: a program for each gives what it gives on PyTorch.

`expected.json` is what the programs print on PyTorch 2.13 (transformers 5.23, lightning 2.6.6, torchmetrics 1.9, einops
0.8.2, safetensors 0.8, d2l 0.17.6). A library that is not installed is skipped: none is a dependency.
"""

import json
from pathlib import Path
from typing import Any

import pytest

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())

PROGRAMS = {
    "lightning_training": ["lightning", "torchmetrics"],
    "transformers_models": ["transformers"],
    "metrics": ["torchmetrics", "matplotlib"],
    "einops_layers": ["einops"],
    "safetensors_files": ["safetensors"],
    "tensorboard_files": ["tensorboard"],
    "visdom_windows": ["visdom"],
    "d2l_training": ["d2l", "ml_collections"],
}


def close(a: Any, b: Any) -> bool:
    """Whether two results agree to the rounding of float32 sums; what is not a float agrees exactly."""
    if isinstance(a, float) or isinstance(b, float):
        return a == pytest.approx(b, rel=2e-4, abs=1e-6)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    return a == b


@pytest.mark.parametrize("program", PROGRAMS)
def test_same_as_on_pytorch(program: str, run) -> None:
    found, expected = run(program, *PROGRAMS[program]), EXPECTED[program]
    assert found.keys() == expected.keys()
    assert {k: v for k, v in found.items() if not close(v, expected[k])} == {}
