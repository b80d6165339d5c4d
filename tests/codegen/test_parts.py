"""Pooling over volumes, and over parts of unequal lengths, as NumPy does it."""

from __future__ import annotations

import numpy as np
import pytest

import kenaz as torch
from kenaz.core.spec import fresh
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY
from kenaz.ops.windows import Window, pool_size

# size, kernel, stride, padding, dilation, whether the last window may reach outside
VOLUMES: list[tuple] = [
    ((8, 12, 10), (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), False),
    ((7, 9, 11), (3, 2, 3), (2, 1, 2), (1, 1, 1), (1, 1, 1), True),
    ((4, 6, 5), (1, 2, 2), (1, 2, 2), (0, 0, 0), (1, 1, 1), False),
]
DILATED = ((9, 8, 10), (2, 3, 2), (1, 2, 1), (1, 1, 0), (2, 1, 3), False)
PARTS: list[tuple] = [((7, 10), (3, 4)), ((5, 6, 7), (2, 4, 3)), ((10, 4), (4, 7))]


def check(name: str, attributes: dict, x: np.ndarray) -> None:
    op, specs = REGISTRY[name], (fresh(x.shape, torch.float32 if x.dtype == np.float32 else torch.float64),)
    call = Call(op, specs, attributes, op.rule(specs, attributes)[0])
    outs = call.out if type(call.out) is tuple else (call.out,)
    routine, found = op.native(call), [np.full(s.size, 77, s.dtype.np) for s in outs]
    assert routine is not None
    routine.run([x], found)
    expected = call.run(x)
    for a, b in zip(found, expected if type(expected) is tuple else (expected,), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def numbers(size: tuple, kind: str) -> np.ndarray:
    x = np.random.default_rng(0).integers(-3, 9, (3, 4, *size)).astype(kind)
    x[0, 0].flat[5], x[1, 2].flat[::3] = np.nan, -np.inf
    return x


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("case", [*VOLUMES, DILATED])
def test_maxima_of_volumes(case: tuple, kind: str) -> None:
    window = Window(*case[:5], pool_size(*case))
    check("max_pool3d_with_indices", {"window": window}, numbers(case[0], kind))


@pytest.mark.parametrize("divisor", [None, 5])
@pytest.mark.parametrize("count_pad", [True, False])
@pytest.mark.parametrize("case", VOLUMES)
def test_means_of_volumes(case: tuple, count_pad: bool, divisor: int | None) -> None:
    window = Window(*case[:5], pool_size(*case))
    of, rng = {"window": window, "count_pad": count_pad, "divisor": divisor}, np.random.default_rng(1)
    check("avg_pool3d", of, rng.standard_normal((2, 3, *window.size)))
    check("avg_pool3d_backward", of, rng.standard_normal((2, 3, *window.out)))


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("size, out", PARTS)
def test_parts_of_unequal_lengths(size: tuple, out: tuple, kind: str) -> None:
    of, axes, rng = {"size": size, "out": out}, len(size), np.random.default_rng(2)
    check(f"adaptive_max_pool{axes}d", of, numbers(size, kind))
    check(f"adaptive_avg_pool{axes}d", of, rng.standard_normal((2, 3, *size)).astype(kind))
    check(f"adaptive_avg_pool{axes}d_backward", of, rng.standard_normal((2, 3, *out)).astype(kind))
