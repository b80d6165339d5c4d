"""Interpolations in compiled code, forwards and backwards, against NumPy's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import kenaz as torch
from kenaz.core.spec import fresh
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY
from kenaz.runtime import threads

# operator, sizes of the axes before and after, whether corners are aligned, scales
CASES: list[tuple] = [
    ("upsample_nearest2d", (5, 9), (10, 18), False, (2.0, 2.0)),
    ("upsample_nearest2d", (14, 30), (5, 40), False, (None, None)),
    ("upsample_nearest_exact2d", (7, 33), (7, 20), False, (None, None)),
    ("upsample_nearest1d", (11,), (40,), False, (None,)),
    ("upsample_nearest3d", (3, 4, 5), (6, 4, 11), False, (None, None, None)),
    ("upsample_linear1d", (20,), (7,), True, (None,)),
    ("upsample_bilinear2d", (6, 8), (12, 35), False, (None, None)),
    ("upsample_bilinear2d", (30, 17), (11, 17), True, (None, None)),
    ("upsample_trilinear3d", (3, 5, 4), (5, 3, 9), False, (None, None, None)),
    ("upsample_bicubic2d", (6, 7), (9, 22), False, (1.5, None)),
    ("upsample_bilinear2d_aa", (40, 50), (9, 12), False, (None, None)),
]


@pytest.fixture(params=[1, 2])
def number_of_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("number_of_threads")
def test_interpolations(case: tuple, kind: torch.dtype) -> None:
    name, size, out, align, scales = case
    mode = {"near": "nearest", "line": "linear", "bili": "linear", "tril": "linear", "bicu": "cubic"}[name[9:13]]
    mode += "_exact" if "exact" in name else "_aa" if name.endswith("aa") else ""
    of = {"mode": mode, "align": align, "scales": scales}
    for op, before, after in ((name, size, {"out": out}), (name + "_backward", out, {"size": size})):
        x = np.random.default_rng(0).standard_normal((3, 21, *before)).astype(kind.np)
        op, attributes, specs = REGISTRY[op], after | of, (fresh(x.shape, kind),)
        call = Call(op, specs, attributes, op.rule(specs, attributes)[0])
        routine, found = op.native(call), np.full(call.out.size, 7, kind.np)
        assert routine is not None
        routine.run([x], [found])
        near = 1e-12 if kind is torch.float64 else 2e-5
        np.testing.assert_allclose(found, call.run(x), rtol=near, atol=near)
