"""Checkpointing: the same gradients, with the intermediate values computed twice."""

import pytest

import kenaz as torch
from kenaz import nn
from kenaz.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

BOTH = pytest.mark.parametrize("use_reentrant", [True, False])


class Counted:
    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.function(*args, **kwargs)


def wave(x):
    return torch.sin(torch.exp(x)) * 2


def gradient(function, n=3):
    x = torch.linspace(-1, 1, n, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


@BOTH
def test_gradients(use_reentrant):
    counted = Counted(wave)
    found = gradient(lambda x: checkpoint(counted, x, use_reentrant=use_reentrant))
    assert found == pytest.approx(gradient(wave), rel=1e-6)  # what is computed again may be compiled otherwise
    assert counted.calls == 2


@BOTH
def test_nested(use_reentrant):
    def inner(x):
        return checkpoint(wave, x, use_reentrant=use_reentrant) * x

    def plain(x):
        return torch.cos(wave(x * x) * (x * x))

    def outer(x):
        return torch.cos(checkpoint(inner, x * x, use_reentrant=use_reentrant))

    assert gradient(outer) == pytest.approx(gradient(plain), rel=1e-6)


@BOTH
def test_dropout_is_the_same_twice(use_reentrant):
    torch.manual_seed(0)
    x = torch.ones(50, requires_grad=True)
    y = checkpoint(lambda t: nn.functional.dropout(t * 2, 0.5), x, use_reentrant=use_reentrant)
    after = torch.get_rng_state()
    y.sum().backward()
    assert x.grad.tolist() == y.tolist() and set(y.tolist()) == {0.0, 4.0}
    assert torch.equal(torch.get_rng_state(), after)


@BOTH
def test_twice_through_a_retained_graph(use_reentrant):
    x = torch.ones(3, requires_grad=True)
    y = checkpoint(wave, x, use_reentrant=use_reentrant).sum()
    y.backward(retain_graph=True)
    once = x.grad.clone()
    y.backward()
    assert torch.equal(x.grad, once * 2)


def test_autograd_grad():
    x = torch.ones(2, requires_grad=True)
    y = checkpoint(torch.sin, x, use_reentrant=False).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)
    assert gg.tolist() == pytest.approx([-0.8414710] * 2)
    with pytest.raises(RuntimeError, match=r"incompatible with .grad\(\) or passing an `inputs` parameter"):
        torch.autograd.grad(checkpoint(torch.sin, x, use_reentrant=True).sum(), x)


def test_early_stop():
    steps = []

    def function(x):
        steps.append(1)
        y = torch.sin(x)
        steps.append(2)
        return torch.exp(y) + 1 + (steps.append(3) or 0)

    gradient(lambda x: checkpoint(function, x, use_reentrant=False))
    stopped = steps[3:]
    with set_checkpoint_early_stop(False):
        gradient(lambda x: checkpoint(function, x, use_reentrant=False))
    assert len(stopped) < 3 and steps[-6:] == [1, 2, 3, 1, 2, 3]


def test_keywords_and_structures():
    assert gradient(lambda x: checkpoint(lambda d, s: d["a"] * s, {"a": x}, s=3, use_reentrant=False)) == [3, 3, 3]
    a, b, c = checkpoint(lambda t: (t * 2, t.detach(), 3), torch.ones(1, requires_grad=True), use_reentrant=False)
    assert a.requires_grad and not b.requires_grad and c == 3


def test_function_that_differs():
    def alternating(first, second):
        state = [True]

        def function(x):
            state[0] = not state[0]
            return (second if state[0] else first)(x)

        return function

    fewer = alternating(lambda x: torch.sin(x) * 2, lambda x: x * 2)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved during the original forward"):
        gradient(lambda x: checkpoint(fewer, x, use_reentrant=False))
    longer = alternating(torch.sin, lambda x: torch.sin(torch.cat([x, x])))
    with pytest.raises(CheckpointError, match="Recomputed values for the following tensors have different metadata"):
        gradient(lambda x: checkpoint(longer, x, use_reentrant=False))
    fewer = alternating(lambda x: torch.sin(x) * 2, lambda x: x * 2)
    with set_checkpoint_debug_enabled(True), pytest.raises(CheckpointError, match="Saved in the original forward"):
        gradient(lambda x: checkpoint(fewer, x, use_reentrant=False))


def test_arguments():
    x = torch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint(wave, x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo"):
        checkpoint(wave, x, use_reentrant=True, foo=1)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(wave, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match=r"should be one of \['default', 'none'\], but got x"):
        checkpoint(wave, x, use_reentrant=False, determinism_check="x")
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(wave, torch.ones(2), use_reentrant=True)
    with pytest.raises(RuntimeError, match="Only tuple of tensors is supported. Got Unsupported input type: list"):
        detach_variable([1])
    with torch.no_grad():
        assert not checkpoint(wave, x, use_reentrant=False).requires_grad


@BOTH
@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_sequential(use_reentrant, segments):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    x = torch.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    want = [p.grad for p in net.parameters()] + [x.grad]
    net.zero_grad()
    x.grad = None
    checkpoint_sequential(net, segments, x, use_reentrant=use_reentrant).sum().backward()
    for found, expected in zip([*(p.grad for p in net.parameters()), x.grad], want, strict=True):
        torch.testing.assert_close(found, expected)  # a part that is computed again may be compiled otherwise
