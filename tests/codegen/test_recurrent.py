"""Recurrent layers in compiled code: the interpreter's numbers, for odd sizes, every cell, both directions, threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import kenaz as torch
from kenaz import nn
from kenaz.codegen import jit
from kenaz.core.dtype import dtype, float32, float64
from kenaz.core.spec import spec
from kenaz.ops.record import new_call
from kenaz.ops.recurrent import _CELLS, _run, _run_back
from kenaz.runtime import threads

SIZES = [(1, 1, 1), (6, 3, 5), (3, 33, 40), (2, 1, 70), (5, 2, 130), (4, 15, 16)]  # steps, batch, width
KINDS = {float32: 2e-5, float64: 1e-12}


@pytest.fixture(params=[1, 2])
def workers(request: pytest.FixtureRequest) -> Iterator[int]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield request.param
    threads.set_num_threads(before)


def compare(op, arrays: list, attributes: dict, tolerance: float) -> list[np.ndarray]:
    """What the compiled code gives, found equal to what the NumPy kernel gives in double precision."""
    specs = tuple(_spec(a) if isinstance(a, np.ndarray) else type(a) for a in arrays)
    call = new_call(op.op, specs, attributes)
    routine = op.op.native(call)
    assert routine is not None
    found = [np.full(o.size, 7, o.dtype.np) for o in call.out]
    routine.run(arrays, found)
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arrays]
    for x, y in zip(found, call.run(*wide), strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance * max(1, np.abs(y).max()), rtol=tolerance)
    return found


def _spec(a: np.ndarray):
    kind = {"float32": float32, "float64": float64}[a.dtype.name]
    return spec(a.shape, tuple(q // a.itemsize for q in a.strides), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("cell", _CELLS)
@pytest.mark.parametrize("size", SIZES)
def test_every_cell(size: tuple, cell: str, backwards: bool, kind: dtype) -> None:
    (steps, batch, width), of, rng = size, _CELLS[cell], np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(kind.np)

    attributes = {"cell": cell, "backwards": backwards}
    x, weight = numbers(steps, batch, of.gates * width), numbers(of.gates * width, width) / width**0.5
    weight, start = weight.astype(kind.np), [numbers(batch, width) for _ in range(of.states)]
    compare(_run, [x, weight, False, *start], attributes, KINDS[kind])
    _, *states, kept = compare(_run, [x, weight, numbers(of.gates * width), *start], attributes, KINDS[kind])
    last = [numbers(batch, width) for _ in range(of.states)]
    compare(_run_back, [numbers(steps, batch, width), *last, weight, *states, kept], attributes, KINDS[kind])
    turned = numbers(batch, steps, width).swapaxes(0, 1)
    compare(_run_back, [turned, *[False] * of.states, weight, *states, kept], attributes, KINDS[kind])
    compare(_run_back, [False, *last, weight, *states, kept], attributes, KINDS[kind])


def test_several_chunks_wait_for_one_another(workers: int) -> None:
    rng, attributes = np.random.default_rng(0), {"cell": "gru", "backwards": False}
    x = rng.standard_normal((12, 20, 3 * 300)).astype(np.float32)
    weight, start = rng.standard_normal((900, 300)).astype(np.float32) / 17, np.zeros((20, 300), np.float32)
    _, states, kept = compare(_run, [x, weight, np.ones(900, np.float32), start], attributes, 1e-4)
    slope = rng.standard_normal((12, 20, 300)).astype(np.float32)
    compare(_run_back, [slope, False, weight, states, kept], attributes, 1e-4)


@pytest.mark.parametrize("width", [32, 16])
def test_narrower_vectors(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if width > jit.vector_bytes():
        pytest.skip("this host has no such vectors")
    monkeypatch.setattr(jit, "vector_bytes", lambda: width)
    test_every_cell((3, 9, 21), "gru", True, float32)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.GRU(4, 9, num_layers=2, bidirectional=True), lambda: nn.LSTM(4, 9, batch_first=True, bias=False),
        lambda: nn.RNN(4, 9, nonlinearity="relu"), lambda: nn.LSTM(4, 9, proj_size=3),
    ],
)  # fmt: skip
def test_layers_come_out_the_same_when_hot(layer) -> None:
    torch.manual_seed(0)
    net, x = layer(), torch.randn(5, 3, 4)
    weights = torch.randn(net(x)[0].shape)

    def program() -> list[np.ndarray]:
        net.zero_grad()
        leaf = x.clone().requires_grad_()
        output, last = net(leaf)
        ((output * weights).sum() + (last[0] if isinstance(last, tuple) else last).sum()).backward()
        return [t.detach().numpy().copy() for t in (output, leaf.grad, *[p.grad for p in net.parameters()])]

    first, *others = [program() for _ in range(5)]
    for found in others:
        for a, b in zip(found, first, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5, rtol=2e-5)


def test_the_output_may_be_written_to_before_backward() -> None:
    torch.manual_seed(0)
    net, x = nn.GRU(3, 4), torch.randn(5, 2, 3)
    net(x)[0].mul(2).sum().backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    output = net(x)[0]
    output.mul_(2)
    output.sum().backward()
    for p, grad in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, grad)


def test_gradients_of_gradients() -> None:
    torch.manual_seed(0)
    net = nn.GRU(2, 3).double()
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    # interpreted at first and compiled later, results differ in the last digits
    assert torch.autograd.gradgradcheck(lambda x: net(x)[0], (x,), nondet_tol=1e-10)
