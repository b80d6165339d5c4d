"""Graphs that come back: compiled plans give the interpreter's numbers, and nothing is compiled twice."""

from __future__ import annotations

import random

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute
from kenaz.codegen import jit, loops
from kenaz.codegen.steps import Step
from kenaz.core import config

UNARY = ("relu", "sigmoid", "tanh", "exp", "neg", "abs", "square", "sqrt_abs", "log1", "gt", "half")
BINARY = ("add", "sub", "mul", "maximum", "minimum", "where", "safe_div")
SIZES = ((70, 33), (1, 33), (70, 1), (33,), (), (70, 33))


def unary(name: str, x: torch.Tensor) -> torch.Tensor:
    table = {
        "sqrt_abs": lambda: x.abs().sqrt(),
        "log1": lambda: (x.abs() + 1).log(),
        "gt": lambda: (x > 0.1).to(x.dtype),
        "half": lambda: x * 0.5 + 1,
        "exp": lambda: x.clamp(-5, 5).exp(),
        "square": lambda: x * x * 0.1,
    }
    return table[name]() if name in table else getattr(torch, name)(x)


def binary(name: str, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if name == "where":
        return torch.where(a > b, a, b * 0.5)
    return a / (b.abs() + 1) if name == "safe_div" else getattr(torch, name)(a, b)


def program(seed: int, dtype: torch.dtype) -> list[np.ndarray]:
    """A random graph: pointwise chains with broadcasts, views, in-place writes and folds; returns what was kept."""
    rng = random.Random(seed)
    data = np.random.default_rng(seed)
    values = [torch.tensor(data.standard_normal(size)).to(dtype) for size in SIZES]
    kept = []
    for _ in range(rng.randint(4, 14)):
        a, b = rng.choice(values), rng.choice(values)
        what = rng.random()
        if what < 0.4:
            out = unary(rng.choice(UNARY), a)
        elif what < 0.8:
            out = binary(rng.choice(BINARY), a, b)
        elif what < 0.9 and a.ndim == 2:
            out = rng.choice(
                (lambda a=a: a.sum(1), lambda a=a: a.sum(0), lambda a=a: a.mean(), lambda a=a: a.sum(1, True))
            )()
            kept.append(out)
        else:
            out = a.clone()
            out.mul_(0.5).add_(1)
        if tuple(out.shape) in SIZES:
            values.append(out)
        if rng.random() < 0.3:
            kept.append(out)
    kept.append(values[-1])
    return [t.numpy().copy() for t in kept]


@pytest.fixture
def hot(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Everything is compiled at once, into a cache of the test's own."""
    monkeypatch.setenv("KENAZ_CACHE", str(tmp_path))
    monkeypatch.setattr(execute, "HOT_AFTER", 1)
    monkeypatch.setattr(config, "HOT", "always")
    execute._plans.clear()
    execute._times.clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(60))
def test_compiled_graphs_give_the_interpreters_numbers(seed: int, dtype: torch.dtype, hot: None) -> None:
    with torch.eager():
        expected = program(seed, dtype)
    found = program(seed, dtype)
    tolerance = {"rtol": 2e-5, "atol": 2e-5} if dtype is torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def test_a_warm_loop_compiles_nothing_and_keeps_the_number_of_plans(hot: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(x: torch.Tensor) -> float:
        return (x * 2 + 1).relu().sum().item()

    step(torch.ones(1000))
    step(torch.ones(1000))
    plans = len(execute._plans)
    monkeypatch.setattr(jit, "load", lambda *_: pytest.fail("compiled again"))
    assert step(torch.ones(1000)) == 3000.0
    assert len(execute._plans) == plans


def test_one_kernel_serves_every_length(hot: None) -> None:
    def step(n: int) -> float:
        return (torch.ones(n) * 3 - 1).tanh().sum().item()

    step(1000)
    kernels = len(loops._kernels)
    for n in (2000, 5000, 12345):
        assert step(n) == pytest.approx(n * np.tanh(2.0), rel=1e-6)
    assert len(loops._kernels) == kernels


def test_a_sum_over_everything_with_a_broadcast_row_counts_every_thread(hot: None) -> None:
    row = torch.arange(512).float()
    for _ in range(3):
        assert (torch.ones(512, 512) + row).sum().item() == 512 * 512 + 512 * 511 * 256


def test_an_optimizer_step_is_one_recorded_node_and_is_compiled(hot: None) -> None:
    def train() -> list[float]:
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.Tanh(), torch.nn.Linear(30, 5))
        opt = torch.optim.Adam(net.parameters(), lr=1e-2)
        x, y = torch.randn(16, 20), torch.randint(5, (16,))
        losses = []
        for _ in range(6):
            opt.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            opt.step()
            losses.append(loss.item())
        return losses

    with torch.eager():
        expected = train()
    assert train() == pytest.approx(expected, rel=2e-5)
    updates = [
        u for plan in execute._plans.values() if plan for u in plan.units if type(u) is Step and len(u.outputs) == 3
    ]
    assert len(updates) >= 4  # a routine for each parameter, which writes it and its two moments


def test_damaged_files_in_the_cache_are_compiled_again(hot: None, tmp_path) -> None:
    def step() -> float:
        return (torch.ones(500) * 4 + 2).sum().item()

    assert step() == 3000.0
    for file in tmp_path.iterdir():
        file.write_bytes(b"not object code")
    loops._kernels.clear()
    execute._plans.clear()
    assert step() == 3000.0


def test_an_error_inside_a_plan_reaches_the_reader_once(hot: None) -> None:
    def step(index: int) -> torch.Tensor:
        table = torch.ones(100, 3) * 2
        return torch.nn.functional.embedding(torch.tensor([index]) * 1, table) + 1

    assert step(3).tolist() == [[3.0, 3.0, 3.0]]
    with pytest.raises(IndexError, match="index out of range in self"):
        step(1000).tolist()
    assert step(4).tolist() == [[3.0, 3.0, 3.0]]


def test_memory_that_is_taken_over_has_the_shape_of_the_value(hot: None) -> None:
    net = torch.nn.Linear(200, 300)
    net.weight.data = torch.from_numpy(np.full(60_000, 0.5, np.float32)).clone().view(300, 200)
    opt = torch.optim.SGD(net.parameters(), lr=0.0)
    for _ in range(3):
        opt.zero_grad()
        net(torch.ones(2, 200)).sum().backward()
        opt.step()
        with torch.eager():
            assert net(torch.ones(2, 200)).shape == (2, 300)


def test_another_number_of_threads_makes_other_plans(hot: None) -> None:
    before = torch.get_num_threads()
    a, b = torch.ones(300, 400), torch.ones(400, 500)
    chunks = []
    try:
        for count in (1, 2, 1):
            torch.set_num_threads(count)
            for _ in range(4):
                assert (a @ b).sum().item() == 300 * 400 * 500
            plan = next(iter(execute._plans.values()))
            chunks.append(max(n for step in plan.steps for _, n in step.routine.phases))
    finally:
        torch.set_num_threads(before)
    assert chunks[0] == chunks[2] < chunks[1]
