"""Folds of whole numbers, and numbers a step apart, as NumPy gives them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.core.spec import Spec, fresh, spec
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY

FOLDS = [("sum", "bool"), ("sum", "uint8"), ("sum", "int32"), ("sum", "int64"), ("all", "bool"), ("any", "bool"),
         ("amax", "int32"), ("amin", "int64"), ("amax", "int64")]  # fmt: skip
SIZES = [(40,), (300, 7), (5, 60, 9)]


def native(name: str, specs: tuple, attributes: dict, *inputs: Any) -> np.ndarray:
    op = REGISTRY[name]
    call = Call(op, specs, attributes, op.rule(specs, attributes)[0])
    routine = op.native(call)
    assert routine is not None
    found = np.full(call.out.size, 1, call.out.dtype.np)
    routine.run(inputs, [found])
    return found


def turned(x: np.ndarray, s: Spec) -> tuple[np.ndarray, Spec]:
    return x.T, spec(s.size[::-1], s.stride[::-1], s.dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name, kind", FOLDS)
def test_folds(name: str, kind: str, size: tuple) -> None:
    numbers = np.random.default_rng(1).integers(0 if kind in ("bool", "uint8") else -9, 9, size)
    x, s = (numbers > -5).astype(kind) if kind == "bool" else numbers.astype(kind), fresh(size, getattr(torch, kind))
    axes = range(len(size))
    for dim in [tuple(axes), *((d,) for d in axes), *itertools.combinations(axes, 2)]:
        for array, given in ((x, s), turned(x, s)) if len(size) - len(dim) < 2 else ((x, s),):
            expected = getattr(np, name)(array, dim)
            found = native(name, (given,), {"dim": dim, "keepdim": False}, array)
            assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("start, step", [(0, 1), (7, -3), (1.5, 0.1), (-2, 0.25)])
def test_numbers_a_step_apart(start: float, step: float, kind: str) -> None:
    if kind.startswith("int") and type(step) is float:
        pytest.skip("whole numbers have whole steps")
    found = native("arange", (type(start), type(step)), {"out": fresh((1001,), getattr(torch, kind))}, start, step)
    assert found.tolist() == (np.arange(1001) * step + start).astype(kind).tolist()
