"""Layers, functions and losses answer what PyTorch answers: values, gradients, printing, errors and warnings."""

import importlib.util
from pathlib import Path

import pytest

import kenaz as torch

_spec = importlib.util.spec_from_file_location("nn_goldens", Path(__file__).parent / "goldens.py")
goldens = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(goldens)

CASES = [
    pytest.param(expression, expected, id=f"{path.stem}: {expression[:80]}")
    for path in sorted(goldens.FOLDER.glob("*.txt"))
    for expression, expected in goldens.entries(path)
]


@pytest.mark.parametrize(("expression", "expected"), CASES)
def test_answers_as_pytorch_does(expression, expected):
    said = goldens.answer(expression, goldens.namespace(torch))
    assert goldens.close(said, expected), f"{expression}\n  Kenaz:   {said}\n  PyTorch: {expected}"
