"""Backward passes that come back are played from tapes; what they give is what the general engine gives."""

import gc
import threading

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute
from kenaz.autograd import replay
from kenaz.nn import functional as F


@pytest.fixture(autouse=True)
def forget() -> None:
    """No structures from other tests."""
    replay._seen.clear()
    replay._tapes.clear()


def values(*shape: int) -> torch.Tensor:
    n = int(np.prod(shape))
    return torch.tensor(np.linspace(-1, 1.5, n).reshape(shape).tolist())


def lines(p: torch.Tensor, q: torch.Tensor, i: int) -> torch.Tensor:
    data = values(12, 3)[i : i + 4]
    return ((data @ p + q - 1) ** 2 / 2).sum()


def same_twice(p: torch.Tensor, q: torch.Tensor, i: int) -> torch.Tensor:
    data = values(8, 2)
    return (p.t()[0, 1:] * data[i].sum() + p[i % 3] * data[i + 1] + q).exp().mean()


def pieces(p: torch.Tensor, q: torch.Tensor, i: int) -> torch.Tensor:
    first, second = p.unbind(1)
    return torch.cat([first * second, q.expand(2), p.sum(0).sigmoid()]).max() + torch.stack([first, second]).prod()


def losses(p: torch.Tensor, q: torch.Tensor, i: int) -> torch.Tensor:
    scores = torch.tanh(values(5, 3).flip(0) @ p) * q
    return F.cross_entropy(scores, torch.tensor([0, 1, 1, 0, i % 2])) + F.mse_loss(scores[i % 4], scores[0].detach())


def index(p: torch.Tensor, q: torch.Tensor, i: int) -> torch.Tensor:
    return (p[torch.tensor([0, 2, i % 3])] * q).logsumexp(1).sum() + p.gather(0, torch.tensor([[i % 3, 0]])).norm()


@pytest.mark.parametrize("function", [lines, same_twice, pieces, losses, index])
def test_played_gradients_are_the_engine_s(function: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute.config, "HOT", "never")  # compiled sums have another order
    played = []
    play = replay.play
    monkeypatch.setattr(replay, "play", lambda *args: played.append(1) or play(*args))

    def gradients(i: int) -> list:
        p, q = values(3, 2).requires_grad_(), torch.tensor([0.5], requires_grad=True)
        for _ in range(2):  # the second is added to the first
            function(p, q, i).backward()  # type: ignore[operator]
        return [p.grad.tolist(), q.grad.tolist()]

    found = [gradients(i) for i in (0, 1, 1, 2, 0, 1)]
    assert played
    monkeypatch.setattr(replay, "gradients", lambda *args: None)
    for one, i in zip(found, (0, 1, 1, 2, 0, 1), strict=True):
        for a, b in zip(one, gradients(i), strict=True):
            np.testing.assert_array_equal(a, b)


def test_numbers_are_part_of_a_structure() -> None:
    p = torch.ones(2, requires_grad=True)
    for k in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 2.0):
        p.grad = None
        (p * k).sum().backward()
        assert p.grad.tolist() == [k, k]


def test_numbers_that_are_equal_and_not_the_same() -> None:
    p = torch.ones(1, requires_grad=True)
    for k in (0.0, 0.0, 0.0, -0.0):
        (grad,) = torch.autograd.grad((p * k).sum(), p)
        assert np.signbit(grad.item()) == np.signbit(k)


def test_saved_tensors_may_be_one_or_several() -> None:
    """The structure is the same whether two factors are one tensor or two."""
    p, a, b = torch.ones(2, requires_grad=True), torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    for x, y in ((a, a), (a, a), (a, a), (a, b), (b, a)):
        p.grad = None
        (p * x + (p + 1) * y).sum().backward()
        assert p.grad.tolist() == (x + y).tolist()


def test_grad_of_some_tensors_frees_only_what_ran() -> None:
    for _ in range(4):
        p, q = torch.ones(2, requires_grad=True), torch.full((2,), 2.0, requires_grad=True)
        inner, outer = (p * q).exp(), q.exp()
        loss = (inner * 2 + outer * outer).sum()
        (grad,) = torch.autograd.grad(loss, outer)
        np.testing.assert_allclose(grad.tolist(), (2 * outer).tolist())
        inner.sum().backward()  # was not part of that pass
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()


def test_a_second_pass_and_a_changed_tensor_are_refused() -> None:
    for _ in range(4):
        p = torch.ones(2, requires_grad=True)
        loss = p.exp().sum()
        loss.backward(retain_graph=True)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
        x = torch.ones(2)
        loss = (p * x).sum()
        x += 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
        assert p.grad.tolist() == pytest.approx([2 * np.e] * 2)


def test_hooks_are_called_every_time() -> None:
    seen = []
    for i in range(4):
        p = torch.ones(2, requires_grad=True)
        y = p * 3
        if i > 1:
            y.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
        y.sum().backward()
        assert p.grad.tolist() == ([6, 6] if i > 1 else [3, 3])
    assert seen == [[1, 1]] * 2


def test_kept_gradients_and_leaf_hooks() -> None:
    after = []
    p = torch.ones(2, requires_grad=True)
    p.register_post_accumulate_grad_hook(lambda t: after.append(t.grad.tolist()))
    for _ in range(4):
        y = p * 3
        y.retain_grad()
        y.sum().backward()
        assert y.grad.tolist() == [1, 1]
    for _ in range(4):
        (p * 3).sum().backward()
    assert after == [[3.0 * i] * 2 for i in range(1, 9)]


def test_a_subclass_of_tensor_is_given_back() -> None:
    class Mine(torch.Tensor):
        pass

    p = torch.ones(2, requires_grad=True)
    for _ in range(4):
        x = torch.ones(2).as_subclass(Mine)
        (grad,) = torch.autograd.grad((p * x).sum(), p)
        assert type(grad) is Mine


def test_memory_that_numpy_sees() -> None:
    p, array = torch.ones(2, requires_grad=True), np.ones(2, np.float32)
    for i in range(5):
        x = torch.from_numpy(array)
        loss = (p * x).sum()
        array[:] = i  # the gradient reads what is there when it is computed
        (grad,) = torch.autograd.grad(loss, p)
        assert grad.tolist() == [i, i]


def test_other_threads_may_record_while_a_tape_is_made() -> None:
    stop, wrong = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            x = torch.ones(3)
            for _ in range(5):
                x = x + 1
            if x.tolist() != [6.0] * 3:
                wrong.append(x)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for n in range(1, 60):
            for _ in range(3):
                p = torch.ones(n, requires_grad=True)
                (p * p).sum().backward()
                assert p.grad.tolist() == [2.0] * n
    finally:
        stop.set()
        thread.join()
    assert not wrong


def test_a_warm_loop_keeps_nothing() -> None:
    p, data = torch.ones(3, requires_grad=True), values(40, 3)

    def step(i: int) -> None:
        ((data[i % 36 : i % 36 + 4] * p).sum(1) ** 2).mean().backward()
        with torch.no_grad():
            p.sub_(p.grad, alpha=0.01)
            p.grad.zero_()
        execute.flush()

    def count() -> int:
        gc.collect()
        return len(gc.get_objects())

    for i in range(120):  # until each kind of graph, the one without an offset too, has its plan
        step(i)
    before = count()
    for i in range(80):
        step(i)
    assert count() - before < 20


@pytest.mark.parametrize("hot", ["never", "always"])
def test_the_gradient_of_a_loss_is_not_written_to(hot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All losses share the one that their gradients begin with; what is made of it belongs to the leaf."""
    monkeypatch.setattr(execute.config, "HOT", hot)
    for _ in range(5):
        p = torch.tensor([3.0], requires_grad=True)
        p.backward()
        seen = p.grad.clone()
        p.grad[0] = 5
        p.grad.mul_(2)
        q = torch.tensor([1.0], requires_grad=True)
        q.sum().backward()
        q.grad += 1
        q.grad.numpy()[0] = 7
        assert (seen.item(), p.grad.item(), q.grad.item()) == (1, 10, 7)


def test_passes_over_writes_come_back() -> None:
    """A tensor that is filled step by step: its backward pass is replayed, and gives the gradients of the first ones."""
    torch.manual_seed(0)
    x, w = torch.randn(2, 5, 3, requires_grad=True), torch.randn(3, requires_grad=True)

    def step() -> list:
        out, h = torch.zeros(2, 5, 3), torch.zeros(2, 3)
        for t in range(5):
            h = torch.tanh(h + x[:, t] * w)
            out[:, t] = h
        out[0] *= 2
        grads = torch.autograd.grad((out**3).sum(), (x, w))
        return [g.flatten().tolist() for g in grads]

    before = len([t for t in replay._tapes.values() if t is not None])
    found = [step() for _ in range(5)]
    assert len([t for t in replay._tapes.values() if t is not None]) == before + 1
    for later in found[1:]:
        for a, b in zip(later, found[0], strict=True):
            assert a == pytest.approx(b, rel=1e-5, abs=1e-4)
