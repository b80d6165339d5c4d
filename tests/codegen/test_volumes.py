"""Convolutions over three axes in compiled code, as NumPy does them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.core.spec import fresh
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY
from kenaz.ops.windows import Window, conv_size

# images, channels, features, groups; then size, kernel, stride, padding, dilation
CASES: list[tuple] = [
    (2, 3, 8, 1, (8, 9, 10), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    (1, 4, 6, 2, (7, 8, 6), (3, 2, 3), (2, 1, 2), (0, 1, 1), (1, 1, 1)),
    (2, 2, 4, 1, (9, 5, 5), (2, 3, 3), (1, 2, 2), (2, 0, 1), (3, 1, 1)),
    (3, 4, 4, 4, (4, 6, 6), (1, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1)),
    (1, 3, 5, 1, (2, 8, 8), (3, 1, 1), (3, 1, 1), (3, 0, 0), (1, 1, 1)),
]


def check(name: str, attributes: dict, *inputs: Any) -> None:
    """The compiled code twice: what is between its parts is written anew each time."""
    kind = {np.dtype("f4"): torch.float32, np.dtype("f8"): torch.float64}[inputs[0].dtype]
    specs = tuple(fresh(x.shape, kind) if isinstance(x, np.ndarray) else type(x) for x in inputs)
    op = REGISTRY[name]
    call = Call(op, specs, attributes, op.rule(specs, attributes)[0])
    routine = op.native(call)
    assert routine is not None
    near = 1e-11 if kind is torch.float64 else 2e-4
    for factor in (1, 2):
        given = [inputs[0] * inputs[0].dtype.type(factor), *(0 if x is None else x for x in inputs[1:])]
        expected = call.run(given[0], *inputs[1:])
        found = np.full(call.out.size, 7, kind.np)
        routine.run(given, [found])
        np.testing.assert_allclose(found, expected, rtol=near, atol=near * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_convolutions(case: tuple, bias: bool, kind: str) -> None:
    images, channels, features, groups, size, *rest = case
    out = conv_size(size, *rest)
    attributes = {"window": Window(size, *rest, out), "groups": groups}
    rng = np.random.default_rng(0)
    x, w, y = (
        rng.standard_normal(s).astype(kind)
        for s in ((images, channels, *size), (features, channels // groups, *rest[0]), (images, features, *out))
    )
    check("convolution", attributes, x, w, w[:, 0, 0, 0, 0].copy() if bias else None)
    check("convolution_transposed", attributes, y, w, x[0, :, 0, 0, 0].copy() if bias else None)
    check("convolution_weight", attributes, x, y)
