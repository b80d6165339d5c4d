"""Functions in vectors: a few units in the last place from the exact value, and the limits of floating point."""

from __future__ import annotations

import math

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute
from kenaz.core import config

EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 88, 89, -88, -104, 3e38, -3e38, 1e-45, 1e16, -1e20, 0.5, 7.9e21]
WIDE = np.concatenate([np.linspace(-20, 20, 5001), 10.0 ** np.linspace(-30, 14, 801), -(10.0 ** np.linspace(-30, 14, 801)), EDGES])
UNITS = {"exp": 2, "log": 2, "tanh": 3, "sigmoid": 4, "erf": 8, "sin": 2, "cos": 2, "log1p": 2, "expm1": 3, "exp2": 1, "log2": 1,
         "log10": 1, "sinh": 4, "cosh": 3, "sign": 0, "isinf": 0, "isfinite": 0, "isnan": 0, "sqrt": 1}  # fmt: skip


@pytest.fixture
def hot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "HOT_AFTER", 1)
    monkeypatch.setattr(config, "HOT", "always")


def compiled(function: object, *arguments: torch.Tensor) -> np.ndarray:
    """The value of a function, which must have been compiled."""
    execute.flush()
    execute._plans.clear()
    y = function(*arguments)  # type: ignore[operator]
    kept = y.clone()
    execute.flush()
    (plan,) = execute._plans.values()
    assert plan and all(type(part) is not int for part in plan.sequence)
    assert kept is not None
    return y.numpy()


def units(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distances in units of the last place of float32."""
    with np.errstate(all="ignore"):
        near = exact.astype(np.float32)
        apart = np.abs(found.astype(np.float64) - exact) / np.spacing(np.maximum(np.abs(near), np.float32(1.2e-38)))
    return np.where((found == near) | (np.isnan(found) & np.isnan(exact)), 0, apart)


@pytest.mark.parametrize("name", UNITS)
def test_functions_of_one_number(name: str, hot: None) -> None:
    x = WIDE.astype(np.float32)
    with np.errstate(all="ignore"):
        table = {"sigmoid": lambda v: 1 / (1 + np.exp(-v)), "erf": lambda v: np.asarray(torch.erf(torch.tensor(v))),
                 "sign": lambda v: np.nan_to_num(np.sign(v))}  # fmt: skip
        exact = table.get(name, getattr(np, name, None))(x.astype(np.float64))  # type: ignore[misc]
    found = compiled(getattr(torch, name), torch.tensor(x))
    normal = np.abs(exact) > 1.2e-38 if name in ("exp", "exp2", "sigmoid") else True  # the smallest become zero
    assert np.max(units(found, np.asarray(exact, np.float64)) * normal) <= UNITS[name]


UNITS_DOUBLE = {"exp": 2, "log": 2, "tanh": 3, "log1p": 2, "expm1": 3, "exp2": 2, "log2": 2, "log10": 2, "sinh": 4, "cosh": 3,
                "sin": 2, "cos": 2, "erf": 3, "sqrt": 1}  # fmt: skip


@pytest.mark.parametrize("name", UNITS_DOUBLE)
def test_functions_of_one_number_in_double_precision(name: str, hot: None) -> None:
    x = np.concatenate([WIDE, 2.0 ** np.arange(-1022, 1023, 7), [709.7, -708, -745, 1e-310, 5e-324, 1000, 1e15, 2.9e7]])
    with np.errstate(all="ignore"):
        erf = np.array([math.erf(v) for v in x])
        exact = erf if name == "erf" else getattr(np, name)(x)
        found = compiled(getattr(torch, name), torch.tensor(x))
        least = 1.0 if name in ("sin", "cos") else 2.3e-308  # of half turns only the difference from zero is known
        apart = np.abs(found - exact) / np.spacing(np.maximum(np.abs(exact), least))
    wrong = ~((found == exact) | (np.isnan(found) & np.isnan(exact)) | (apart <= UNITS_DOUBLE[name] + 1))  # NumPy's own
    assert not wrong.any(), (x[wrong], found[wrong], exact[wrong])


def test_logarithms_of_powers_are_exact(hot: None) -> None:
    n = np.arange(-300, 301)
    np.testing.assert_array_equal(compiled(torch.log2, torch.tensor(2.0**n)), n)
    np.testing.assert_array_equal(compiled(torch.log10, torch.tensor([10.0**k for k in range(23)] * 3)), [*range(23)] * 3)


def test_powers(hot: None) -> None:
    bases = np.float32([-8, -2, -1.5, -1, -0.0, 0, 0.5, 1, 2, 3.7, np.inf, -np.inf, np.nan])
    exponents = np.float32([-np.inf, -3, -2, -0.5, -0.0, 0, 1 / 3, 1, 2, 3, 2.5, np.inf, np.nan])
    a, b = (m.ravel() for m in np.meshgrid(bases, exponents))
    with np.errstate(all="ignore"):
        exact = np.power(a.astype(np.float64), b.astype(np.float64))
    assert units(compiled(torch.pow, torch.tensor(a), torch.tensor(b)), exact).max() <= 1


def test_the_larger_where_one_is_no_number(hot: None) -> None:
    a, b = np.float32([1, np.nan, 3, np.nan] * 20), np.float32([2, 2, np.nan, np.nan] * 20)
    np.testing.assert_array_equal(compiled(torch.fmax, torch.tensor(a), torch.tensor(b)), np.fmax(a, b))
    np.testing.assert_array_equal(compiled(torch.fmin, torch.tensor(a), torch.tensor(b)), np.fmin(a, b))


def test_an_optimizer_takes_gradients_that_lie_otherwise(hot: None) -> None:
    def train() -> np.ndarray:
        torch.manual_seed(0)
        w = torch.nn.Parameter(torch.randn(30, 20))
        opt = torch.optim.Adam([w], lr=0.1)
        for _ in range(4):
            opt.zero_grad()
            (torch.ones(20, 30) * w.t()).square().sum().backward()
            w.grad = w.grad.t().contiguous().t()
            opt.step()
        return w.detach().numpy().copy()

    with torch.eager():
        expected = train()
    np.testing.assert_allclose(train(), expected, rtol=1e-5)
