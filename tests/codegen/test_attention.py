"""Compiled attention, forward and backward, against the operators' own kernels in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import jit
from kenaz.core.spec import spec
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY
from kenaz.runtime import xp

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bool": torch.bool}


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def draw(*size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + sum(size)).standard_normal(size).astype("float32")


def spec_of(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return type(x)
    return spec(x.shape, tuple(s // x.itemsize for s in x.strides), DTYPES[x.dtype.name])


def dense(s: Any) -> np.ndarray:
    """Memory of a result, seen in its axes."""
    order = s.order()
    memory = np.full([s.size[d] for d in order], np.nan, s.dtype.np)
    return memory.transpose(np.argsort(order))


def compute(name: str, inputs: tuple, attributes: dict) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(What compiled code gives, what the operator's kernel gives in float64)."""
    op, specs = REGISTRY[name], tuple(spec_of(x) for x in inputs)
    call = Call(op, specs, attributes, *op.rule(specs, attributes))
    routine = op.native(call)
    assert routine is not None
    found = [dense(s) for s in call.out]
    routine.run(inputs, found)
    wide = [x.astype("float64") if isinstance(x, np.ndarray) and x.dtype != bool else x for x in inputs]
    expected = op.kernel.args[0](xp, *wide, **attributes)
    return found, expected


def check(q: Any, k: Any, v: Any, mask: Any = False, keep: Any = False, causal: bool = False, tolerance: float = 2e-5) -> None:
    """Both directions."""
    attributes = {"scale": q.shape[-1] ** -0.5, "causal": causal, "factor": 1.0 if keep is False else 1.25}
    like = q.ndim == 4 and q.shape[-1] == v.shape[-1]
    (o, logarithm), expected = compute("attention", (q, k, v, mask, keep), attributes | {"like": like})
    np.testing.assert_allclose(o, expected[0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(logarithm, expected[1], rtol=tolerance, atol=tolerance)
    g = draw(*o.shape, seed=1).astype(q.dtype)
    found, expected = compute("attention_backward", (g, q, k, v, mask, keep, o, logarithm), attributes)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=10 * tolerance, atol=10 * tolerance)


SIZES = [
    ((2, 3), 5, 5, 4, 4), ((1,), 1, 1, 1, 1), ((2,), 7, 33, 16, 16), ((3,), 70, 20, 8, 24), ((), 130, 300, 32, 32),
    ((2, 2), 128, 128, 32, 32), ((1, 1), 57, 225, 40, 3), ((2,), 300, 500, 64, 64),
]  # fmt: skip


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_sizes(sizes: tuple, causal: bool, threads: int) -> None:
    heads, queries, keys, width, values = sizes
    check(draw(*heads, queries, width), draw(*heads, keys, width), draw(*heads, keys, values), causal=causal)


def test_double_precision() -> None:
    q, k, v = (draw(2, n, 24).astype("float64") for n in (30, 240, 240))
    check(q, k, v, tolerance=1e-11)
    check(q, k, v, causal=True, tolerance=1e-11)


@pytest.mark.parametrize("width", [w for w in (16, 32) if w < jit.vector_bytes()])
def test_narrow_registers(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "vector_bytes", lambda: width)
    q, k, v = (draw(2, n, 20) for n in (60, 230, 230))
    keep = np.random.default_rng(0).random((2, 60, 230)) < 0.8
    check(q, k, v, np.tri(60, 230, 3, dtype=bool), keep, tolerance=5e-5)


def test_masks(threads: int) -> None:
    q, k, v = draw(2, 3, 40, 16), draw(2, 3, 70, 16), draw(2, 3, 70, 16)
    flags = np.random.default_rng(0).random((2, 3, 40, 70)) < 0.5
    rows = np.broadcast_to(np.arange(70) < 31, (40, 70))
    for mask in (flags, flags[:1, :1], flags[0, 0], rows, flags[0, 0] * np.float32(2), draw(2, 1, 40, 70), flags[:, :1]):
        check(q, k, v, mask)


def test_queries_that_look_nowhere_give_zeros() -> None:
    q, k, v = draw(2, 20, 8), draw(2, 30, 8), draw(2, 30, 8)
    flags = np.ones((20, 30), bool)
    flags[3] = False
    for mask in (flags, np.where(flags, np.float32(0), np.float32(-np.inf))):
        check(q, k, v, mask)
        found, _ = compute(
            "attention", (q, k, v, mask, False), {"scale": 1.0, "causal": False, "factor": 1.0, "like": False}
        )
        assert (found[0][:, 3] == 0).all() and np.abs(found[0][:, 4]).min() > 0


def test_dropout(threads: int) -> None:
    keep = np.random.default_rng(0).random((2, 2, 60, 250)) < 0.8
    check(draw(2, 2, 60, 16), draw(2, 2, 250, 16), draw(2, 2, 250, 16), keep=keep)
    check(draw(2, 2, 60, 16), draw(2, 2, 250, 16), draw(2, 2, 250, 16), keep=keep, causal=True)


def test_heads_of_a_projection_are_read_where_they_are(threads: int) -> None:
    """(length, batch, 3 x heads x width), as in a layer, seen as (batch, heads, length, width)."""
    together = draw(50, 2, 3, 4, 8)
    q, k, v = (together[:, :, i].transpose(1, 2, 0, 3) for i in range(3))
    check(q, k, v)


def test_large_scores_do_not_overflow() -> None:
    q, k, v = draw(1, 60, 16) * 100, draw(1, 300, 16) * 100, draw(1, 300, 16)
    check(q, k, v, tolerance=1e-3)


def test_what_is_not_a_number_stays_in_its_row() -> None:
    q, k, v = draw(1, 20, 8), draw(1, 30, 8), draw(1, 30, 8)
    q[0, 5, 2] = np.nan
    (o, _), _ = compute("attention", (q, k, v, False, False), {"scale": 1.0, "causal": False, "factor": 1.0, "like": False})
    assert np.isnan(o[0, 5]).all() and np.isfinite(np.delete(o, 5, 1)).all()
