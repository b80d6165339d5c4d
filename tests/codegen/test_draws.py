"""Random numbers from compiled code are those that come through NumPy, and the generator stands where it would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kenaz.codegen import draws, jit
from kenaz.runtime import random as engines
from kenaz.runtime import samplers
from kenaz.runtime.random import Generator

F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")
DRAWS: dict[str, Callable[[Generator, int], np.ndarray]] = {
    "words": lambda g, n: g.words(n),
    "doublewords": lambda g, n: g.doublewords(n),
    "floats": lambda g, n: g.floats(n),
    "doubles": lambda g, n: g.doubles(n),
    "below": lambda g, n: g.below(n, 0.3),
    "nearly all below": lambda g, n: g.below(n, 1 - 2.0**-53),
    "all below": lambda g, n: g.below(n, 1.0),
    "none below": lambda g, n: g.below(n, 0.0),
    "uniform": lambda g, n: samplers.uniform(g, n, F32, -0.3, 0.7),
    "uniform halves": lambda g, n: samplers.uniform(g, n, np.dtype("float16"), 0.0, 1e-3),
    "uniform doubles": lambda g, n: samplers.uniform(g, n, F64, 1.0, 3.0),
    "normal": lambda g, n: samplers.normal(g, n, F32),
    "scaled normal": lambda g, n: samplers.normal(g, n, F32, 0.0, 0.02),
    "normal halves": lambda g, n: samplers.normal(g, n, np.dtype("float16"), 1.0, 2.0),
    "normal doubles": lambda g, n: samplers.normal(g, n, F64),
    "integers": lambda g, n: samplers.integers(g, n, I64, 0, 10),
    "one integer": lambda g, n: samplers.integers(g, n, I64, 5, 6),
    "many integers": lambda g, n: samplers.integers(g, n, I64, -(1 << 40), -(1 << 40) + (1 << 28) - 1),
    "wide integers": lambda g, n: samplers.integers(g, n, I64, 0, 1 << 40),
    "bytes": lambda g, n: samplers.integers(g, n, np.dtype("uint8"), 0, 256),
    "permutation": lambda g, n: samplers.permutation(g, n),
}


def drawn(draw: Callable, seed: int, before: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What comes after `before` words, the state, and what comes next."""
    g = Generator().manual_seed(seed)
    if before:
        g.words(before)
    values = np.array(draw(g, n))
    return values, g.get_state(), g.words(1000)


def check(name: str, seed: int, before: int, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.compiled, "load", lambda now: None)
    expected = drawn(DRAWS[name], seed, before, n)
    used: list[Any] = []
    monkeypatch.setattr(engines.compiled, "load", lambda now: used.append(n) or draws)
    monkeypatch.setattr(engines, "MANY", engines.BLOCK)
    found = drawn(DRAWS[name], seed, before, n)
    assert used
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("before", [0, 1, 623, 700])
@pytest.mark.parametrize("name", DRAWS)
def test_the_numbers_and_the_state(name: str, before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, n in enumerate((624, 1000, 7001)):
        check(name, seed, before, n, monkeypatch)


@pytest.mark.parametrize("vector_bytes", [16, 32])
@pytest.mark.parametrize("name", ["words", "floats", "doubles", "below", "normal", "integers"])
def test_narrow_vectors(name: str, vector_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "vector_bytes", lambda: vector_bytes)
    check(name, 3, 17, 5000, monkeypatch)


def test_few_numbers_are_not_worth_a_compiler_and_many_are_worth_loading_it() -> None:
    asked: list[bool] = []
    compiled = engines.Compiled()
    compiled.load = lambda now: asked.append(now)
    compiled.draws(100)
    assert asked == []
    compiled.draws(engines.MANY)
    compiled.draws(engines.WORTH)
    assert asked == [False, True]


def test_numpy_goes_on_where_compiled_code_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Generator().manual_seed(4)
    g = Generator().manual_seed(4)
    monkeypatch.setattr(engines.compiled, "load", lambda now: draws)
    found = [g.floats(5001)]
    monkeypatch.setattr(engines.compiled, "load", lambda now: None)
    found.append(g.floats(5001))
    wanted = [expected.floats(5001), expected.floats(5001)]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(g.get_state(), expected.get_state())
