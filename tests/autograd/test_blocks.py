"""A backward pass that came back is one node until somebody looks inside; what it gives does not depend on that."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute
from kenaz.autograd import replay
from kenaz.graph.block import BLOCK
from kenaz.nn import functional as F


def forget() -> None:
    """Forget what was seen, taped and planned."""
    execute.flush()
    for table in (replay._seen, replay._tapes, execute._plans, execute._times):
        table.clear()


@pytest.fixture(autouse=True)
def fresh() -> None:
    forget()


def unrolled(p: list[torch.Tensor], x: torch.Tensor, i: int) -> torch.Tensor:
    h = torch.zeros(8, 16)
    for t in range(5):
        h = torch.tanh(x[t] @ p[0] + h @ p[1] + p[2])
    return h.square().mean()


def shifted(p: list[torch.Tensor], x: torch.Tensor, i: int) -> torch.Tensor:
    """Views whose offsets are other ones in each step."""
    k = i % 3 + 1
    return ((x[k] @ p[0])[k] * p[1][k]).sum() + (p[2][k:][:8] * x[k, 0, :8]).exp().sum()


def classified(p: list[torch.Tensor], x: torch.Tensor, i: int) -> torch.Tensor:
    scores = F.layer_norm(x[0] @ p[0], (16,)) @ p[1] + p[2]
    return F.cross_entropy(scores, torch.arange(8) % 3)


def half_interpreted(p: list[torch.Tensor], x: torch.Tensor, i: int) -> torch.Tensor:
    """A Fourier transform has no compiled code, nor has its gradient."""
    return torch.fft.rfft((x[0] @ p[0]).tanh()).abs().mean() + (x[0] @ p[1] + p[2]).relu().mean()


FUNCTIONS = [unrolled, shifted, classified, half_interpreted]


def trained(function: Callable, steps: int = 9) -> list[list[float]]:
    torch.manual_seed(3)
    p = [torch.randn(16, 16).mul_(0.3).requires_grad_() for _ in range(2)] + [torch.zeros(16, requires_grad=True)]
    x = torch.randn(5, 8, 16)
    for i in range(steps):
        function(p, x, i).backward()
        with torch.no_grad():
            for w in p:
                w -= 0.1 * w.grad
                w.grad = None
        p[0].sum().item()  # what reads it differs from step to step in real programs
    return [w.flatten().tolist() for w in p]


def count_openings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    before = execute.opened
    monkeypatch.setattr(execute, "opened", lambda nodes: found.append(len(nodes)) or before(nodes))
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_training_does_not_depend_on_blocks(function: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    with_blocks = trained(function)
    monkeypatch.setattr(replay.Recipe, "is_worth_it", False)
    forget()
    for a, b in zip(with_blocks, trained(function), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [unrolled, shifted, classified])
def test_a_warm_step_opens_no_block(function: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(function, 40)
    openings = count_openings(monkeypatch)
    trained(function, 40)
    assert len(openings) <= 2, "the first backward passes of new parameters"


def test_blocks_are_opened_for_what_has_no_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    trained(half_interpreted)
    openings = count_openings(monkeypatch)
    trained(half_interpreted)
    assert len(openings) > 3


def test_a_gradient_alone() -> None:
    """One gradient is kept, one is dropped before anything runs, one is looked at by itself."""
    w = [torch.full((4, 4), 0.5, requires_grad=True) for _ in range(3)]
    found = []
    for _ in range(8):
        (w[0] @ w[1]).tanh().matmul(w[2]).sum().backward()
        assert any(n.call.op is BLOCK for n in execute.pending) == (len(found) > 0)
        kept, w[1].grad = w[0].grad, None
        w[0].grad = None
        execute.run_now(w[2].grad._storage.node)
        found.append((kept.tolist(), w[2].grad.tolist()))
        w[2].grad = None
    assert all(pair == found[0] for pair in found)


def test_gradients_that_pass_through_the_block() -> None:
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    for _ in range(6):
        a.grad = b.grad = None
        y = (a * 2).sin().cos().exp()
        (y + b).backward(torch.full((3,), 2.0))
        assert b.grad.tolist() == [2.0] * 3 and abs(a.grad[0].item() - expected()) < 1e-5


def expected() -> float:
    y = np.exp(np.cos(np.sin(2.0)))
    return float(2 * y * -np.sin(np.sin(2.0)) * np.cos(2.0) * 2)


def test_an_error_that_shows_late_leaves_the_next_step_alone() -> None:
    w = torch.ones(4, 4, requires_grad=True)
    for k in range(14):
        w.grad = None
        rows = torch.tensor([0, 1]) + (7 if k in (5, 10) else 1)
        w[rows].tanh().exp().mul(2).sum().backward()
        if k in (5, 10):
            with pytest.raises(IndexError):
                w.grad.sum().item()
        else:
            assert abs(w.grad[1, 0].item() - 2 * np.exp(np.tanh(1.0)) * (1 - np.tanh(1.0) ** 2)) < 1e-5


def test_threads_that_train_at_once() -> None:
    alone = trained(unrolled, 12)
    found: list = []

    def work(k: int) -> None:
        torch.manual_seed(3)
        p = [torch.full((6, 6), 0.1, requires_grad=True) for _ in range(3)]
        for _ in range(12):
            ((p[0] @ p[1]).tanh() @ p[2]).exp().sum().backward()
            with torch.no_grad():
                for w in p:
                    w -= 0.01 * w.grad
                    w.grad = None
        found.append(p[0].tolist())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], rtol=1e-5)
    for a, b in zip(trained(unrolled, 12), alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_long_backward_passes_come_back_too() -> None:
    w, x = torch.full((4, 4), 0.1, requires_grad=True), torch.linspace(-1, 1, 4)
    found = []
    for _ in range(3):
        w.grad, h = None, x
        for _ in range(600):
            h = torch.tanh(w @ h * 1.5 + x) - h * 0.1
        h.sum().backward()
        found.append(w.grad.flatten().tolist())
    assert [len(tape.recipe.steps) > 2000 for tape in replay._tapes.values()] == [True]
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], rtol=1e-4, atol=1e-5)
