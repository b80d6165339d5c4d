"""Running sums and products, orders and triangles in compiled code, as NumPy gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.core.spec import fresh
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY

SIZES: list[tuple[tuple, int]] = [((40,), 0), ((5, 33), 1), ((33, 5), 0), ((3, 7, 20), 1), ((2, 1, 3), 1), ((300, 200), 1)]
KINDS = ["float32", "float64", "int32", "int64"]


def both(name: str, attributes: dict, *inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What compiled code gives, and the kernel."""
    op, specs = REGISTRY[name], tuple(fresh(x.shape, getattr(torch, str(x.dtype))) for x in inputs)
    call = Call(op, specs, attributes, op.rule(specs, attributes)[0])
    routine, found = op.native(call), np.full(call.out.size, 1, call.out.dtype.np)
    assert routine is not None
    routine.run(inputs, [found])
    return found, call.run(*inputs)


def numbers(size: tuple, kind: str, odd: bool = False) -> Any:
    x = np.random.default_rng(0).integers(-9, 9, size).astype(kind)
    if odd and kind.startswith("float"):
        x.flat[::11], x.flat[3::7], x.flat[5::13] = np.nan, -np.inf, -0.0
    return x


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size, dim", SIZES)
def test_scans(size: tuple, dim: int, kind: str) -> None:
    x = numbers(size, kind)
    for name, array in (("cumsum", x), ("cumprod", np.where(x > 0, 1, -1).astype(kind))):
        found, expected = both(name, {"dim": dim, "dtype": getattr(torch, kind)}, array)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("size, dim", SIZES)
def test_gradients_of_products(size: tuple, dim: int) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.uniform(-1.1, 1.1, size), rng.standard_normal(size)
    x.flat[2::9] = 0
    np.testing.assert_allclose(*both("cumprod_backward", {"dim": dim}, g, x), rtol=1e-12, atol=1e-14)
    t = torch.from_numpy(x).requires_grad_()
    y = t.cumprod(dim)
    simple = torch.autograd.grad(y, t, torch.from_numpy(g), create_graph=True)[0] if size[dim] < 50 else None
    if simple is not None:
        np.testing.assert_allclose(torch.autograd.grad(y, t, torch.from_numpy(g))[0], simple.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size, dim", SIZES)
def test_orders(size: tuple, dim: int, kind: str, down: bool) -> None:
    x = numbers(size, kind, True)
    found, expected = both("argsort_along", {"dim": dim, "descending": down}, x)
    assert found.tolist() == expected.tolist()
    for k in {1, size[dim] // 2 or 1, min(size[dim], 128)}:
        found, expected = both("topk_index", {"dim": dim, "k": k, "largest": down}, x)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("diagonal", [-3, 0, 2, 50])
@pytest.mark.parametrize("name", ["tril", "triu"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool"])
def test_triangles(kind: str, name: str, diagonal: int) -> None:
    found, expected = both(name, {"diagonal": diagonal}, numbers((3, 20, 33), "int64").astype(kind))
    assert found.tolist() == expected.tolist()
