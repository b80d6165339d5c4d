"""Where AVX-512 is missing, generated products are timed against NumPy's, once."""

from pathlib import Path

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute
from kenaz.graph.node import Call
from kenaz.ops import products as ops

pytest.importorskip("llvmlite")
from kenaz.codegen import jit, products, rivals


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without AVX-512 that has measured nothing yet."""
    monkeypatch.setattr(jit, "has_avx512", lambda: False)
    monkeypatch.setattr(rivals, "_known", {})
    monkeypatch.setenv("KENAZ_CACHE", str(tmp_path))


def product(n: int) -> Call:
    a = torch.empty(n, n)
    return next(c for c in [(a @ a)._storage.node.call] if c.op.name == "matmul")


def test_the_verdict_is_asked_for_once_and_kept_on_disk(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Call] = []
    monkeypatch.setattr(rivals, "stays", lambda call, routine: bool(asked.append(call)))
    for call in (product(256), product(300), product(256)):  # 300 has as many bits as 256
        assert rivals.chosen(call, products.matmul(call)) is None
    rivals._known.clear()  # a new process
    assert ops._compiled("matmul")(product(256)) is None and len(asked) == 1
    assert rivals.chosen(product(1024), products.matmul(product(1024))) is None and len(asked) == 2


def test_small_products_and_what_is_not_compiled_are_not_timed(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "stays", lambda call, routine: pytest.fail("it was timed"))
    assert rivals.chosen(product(64), products.matmul(product(64))) is not None
    assert rivals.chosen(product(512), None) is None


def test_nothing_is_timed_with_avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "has_avx512", lambda: True)
    monkeypatch.setattr(rivals, "stays", lambda call, routine: pytest.fail("it was timed"))
    assert rivals.chosen(product(512), products.matmul(product(512))) is not None


@pytest.mark.parametrize("seconds, stays", [((1.0, 1.0), True), ((1.0, 0.5), False), ((1.1, 1.0), True)])
def test_generated_code_stays_unless_numpy_is_clearly_ahead(
    seconds: tuple, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter([s + late for late in (3.0, 0.0, 1.0) for s in seconds])
    monkeypatch.setattr(rivals, "_seconds", lambda way: (way(), next(turns))[1])
    a, b = torch.empty(96, 160), torch.empty(48, 160).t()
    call = torch.addmm(torch.empty(48), a, b, beta=2.0, alpha=0.5)._storage.node.call
    assert rivals.stays(call, products.combination(call)) is stays


def test_a_plan_with_products_of_numpy_gives_the_same(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "stays", lambda call, routine: False)
    execute._plans.clear()
    a = torch.tensor(np.linspace(-1, 1, 256 * 256, dtype=np.float32).reshape(256, 256))
    for _ in range(5):
        found = ((a + 1) @ (a * 2)).tanh().sum(0)
        expected = np.tanh((a.numpy() + 1) @ (a.numpy() * 2)).sum(0)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3)
