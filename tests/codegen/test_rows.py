"""Kernels over rows: against NumPy in double precision, for odd sizes, strides, dtypes, widths of vectors, threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import kenaz as torch
from kenaz import nn
from kenaz.codegen import jit
from kenaz.codegen.rows import Argument, arrange, rows_routine
from kenaz.core.dtype import dtype, float32, float64
from kenaz.core.spec import fresh, spec
from kenaz.nn import functional as F
from kenaz.ops.likelihoods import _cross_entropy_backward, _log_softmax, _softmax
from kenaz.ops.normalization import _channels, _channels_backward, _tail, _tail_backward
from kenaz.runtime import threads

# size, folded axes
SHAPES = [
    ((64, 10), (1,)), ((3, 1), (1,)), ((1, 1), (0,)), ((7, 257), (1,)), ((130, 1000), (1,)),  # along a row
    ((5, 3, 49), (0, 2)), ((4, 2, 3, 100), (0, 2, 3)), ((300,), (0,)), ((2, 3, 4), (0, 1, 2)),
    ((200_001,), (0,)), ((9, 5), (0,)), ((40, 129), (0,)), ((3, 17, 70), (1,)), ((2, 4, 3), (1,)), ((600, 300), (0,)),  # across rows
]  # fmt: skip
KINDS = {float32: 2e-6, float64: 1e-13}


@pytest.fixture(params=[64, 32, 16])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    widest = jit.vector_bytes()
    if request.param > widest:
        pytest.skip("this host has no such vectors")
    monkeypatch.setattr(jit, "vector_bytes", lambda: request.param)
    return request.param


@pytest.fixture(params=[1, 2])
def workers(request: pytest.FixtureRequest) -> Iterator[int]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield request.param
    threads.set_num_threads(before)


def compare(op, arrays: list, attributes: dict, tolerance: float) -> None:
    """The compiled kernel of an operator gives what its NumPy kernel gives in double precision."""
    call = _call(op.op, arrays, attributes)
    routine = op.op.native(call)
    assert routine is not None
    outs = call.out if type(call.out) is tuple else (call.out,)
    found = [np.full(o.size, 7, o.dtype.np) for o in outs]
    routine.run(arrays, found)
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays]
    expected = call.run(*wide)
    for x, y in zip(found, expected if type(expected) is tuple else (expected,), strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance * max(1, np.abs(y[np.isfinite(y)]).max()), rtol=tolerance)


def _call(op, arrays: list, attributes: dict):
    from kenaz.ops.record import new_call

    specs = tuple(_spec(a) if isinstance(a, np.ndarray) else type(a) for a in arrays)
    return new_call(op, specs, attributes)


def _spec(a: np.ndarray):
    kinds = {"float32": float32, "float64": float64, "int64": torch.int64}
    return spec(a.shape, tuple(q // a.itemsize for q in a.strides), kinds[a.dtype.name])


def numbers(size: tuple, kind: dtype, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(size).astype(kind.np)


# ------------------------------------------------------------------------------------------------------- the machinery
def test_memory_decides_how_rows_are_walked() -> None:
    assert arrange((2, 3, 4), (1,), [(12, 4, 1)]).columns
    assert not arrange((2, 3, 4), (2,), [(12, 4, 1)]).columns
    assert arrange((2, 3, 4, 5), (1, 3), [(60, 20, 5, 1)]) is None
    transposed = arrange((5, 8), (1,), [(1, 5)])
    assert transposed.columns
    assert (transposed.blocks, transposed.lanes) == (8, 5)


FOLDS = ("sum", "max", "min", "mean")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "dims"), SHAPES)
def test_folds(size: tuple, dims: tuple, kind: dtype, width: int) -> None:
    x = numbers(size, kind)
    small = tuple(1 if d in dims else n for d, n in enumerate(size))
    found = [np.empty(small, kind.np) for _ in FOLDS]
    given, made = Argument(fresh(size, kind)), [Argument(fresh(small, kind), "row") for _ in FOLDS]
    body = rows_routine("test folds", lambda xp, x: tuple(getattr(xp, f)(x) for f in FOLDS), [given], made, dims)
    assert body is not None
    body.run([x], found)
    for fold, result in zip(FOLDS, found, strict=True):
        expected = getattr(np, fold)(x.astype(np.float64), axis=dims, keepdims=True)
        np.testing.assert_allclose(result, expected, atol=KINDS[kind] * np.abs(x).sum(dims).max(), rtol=KINDS[kind])


@pytest.mark.parametrize("fold", ["max", "min"])
@pytest.mark.parametrize("dims", [(0,), (1,)])
def test_nan_wins(fold: str, dims: tuple) -> None:
    x = numbers((70, 70), float32)
    x[3, 5] = x[60, 61] = np.nan
    x[4, 5] = x[5, 5] = np.inf
    size = (1, 70) if dims == (0,) else (70, 1)
    found = np.empty(size, np.float32)
    arguments = [Argument(fresh(x.shape, float32))], [Argument(fresh(size, float32), "row")]
    rows_routine(("test", fold), lambda xp, x: (getattr(xp, fold)(x),), *arguments, dims).run([x], [found])
    np.testing.assert_array_equal(found, getattr(np, fold)(x, axis=dims, keepdims=True))


def test_nothing_is_written_beyond_the_results() -> None:
    for n in (1, 15, 16, 17, 63, 65):
        x, memory = numbers((3, n), float32), np.full(3 * n + 64, 9, np.float32)
        found = memory[32 : 32 + 3 * n].reshape(3, n)
        given = Argument(fresh((3, n), float32))
        rows_routine("test copy", lambda xp, x: (x + xp.sum(x) * 0.0,), [given], [given], (1,)).run([x], [found])
        np.testing.assert_array_equal(found, x)
        assert (memory[:32] == 9).all()
        assert (memory[32 + 3 * n :] == 9).all()


def test_a_result_may_take_the_memory_of_what_is_read_before() -> None:
    given = Argument(fresh((4, 50), float32))
    safe = rows_routine("test safe", lambda xp, x: (x - xp.max(x),), [given], [given], (1,))
    assert safe.in_place == {0: [0]}
    both = [Argument(fresh((4, 50), float32)), Argument(fresh((4, 50), float32))]
    late = rows_routine("test late", lambda xp, x: (x + 1.0, x - xp.max(x)), [given], both, (1,))
    assert not late.in_place[0]


# --------------------------------------------------------------------------------------------------------- operators
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", [_softmax, _log_softmax])
@pytest.mark.parametrize(("size", "dim"), [((64, 10), 1), ((3, 1), 1), ((130, 1000), 1), ((2, 9, 5), 1), ((33, 40), 0)])
def test_softmax(op, size: tuple, dim: int, kind: dtype, workers: int) -> None:
    x = numbers(size, kind) * 20
    x.reshape(-1)[0] = -np.inf if size[dim] > 1 else 0
    compare(op, [x], {"dim": dim}, KINDS[kind])


def test_softmax_of_nothing_finite() -> None:
    x = torch.tensor([[-torch.inf, -torch.inf], [torch.nan, 1.0], [torch.inf, 0.0]]).repeat(1, 40)
    for _ in range(4):
        assert torch.softmax(x + 0, 1).isnan().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("size", [(5, 16), (37, 257), (3, 4, 33), (1, 1000), (700, 64)])
def test_layer_norm(size: tuple, affine: bool, kind: dtype, width: int) -> None:
    x, g, w, b = numbers(size, kind), numbers(size, kind, 1), numbers(size[-1:], kind, 2), numbers(size[-1:], kind, 3)
    dims = (len(size) - 1,)
    compare(_tail, [x, *([w, b] if affine else [False, False])], {"dims": dims, "eps": 1e-5}, 5 * KINDS[kind])
    mean, rstd = x.mean(-1, keepdims=True), 1 / np.sqrt(x.var(-1, keepdims=True) + kind.np.type(1e-5))
    given = [g, x, mean, rstd, w if affine else False]
    compare(_tail_backward, given, {"dims": dims, "affine": affine}, 5 * KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("size", [(8, 6, 7, 7), (3, 5), (40, 130), (2, 3, 129), (5, 1, 9), (1, 4, 2)])
def test_batch_norm(size: tuple, running: bool, kind: dtype, workers: int) -> None:
    c = size[1:2]
    x, g, w, b = numbers(size, kind), numbers(size, kind, 1), numbers(c, kind, 2), numbers(c, kind, 3)
    statistics = [numbers(c, kind, 4), np.abs(numbers(c, kind, 5))] if running else [False, False]
    dims = (0, *range(2, len(size)))
    compare(_channels, [x, w, b, *statistics, 0.3], {"dims": dims, "eps": 1e-5}, 5 * KINDS[kind])
    mean, rstd = x.mean(dims), 1 / np.sqrt(x.var(dims) + kind.np.type(1e-5))
    for training in (True, False):
        compare(_channels_backward, [g, x, mean, rstd, w], {"dims": dims, "training": training}, 2e1 * KINDS[kind])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy_gradient(reduction: str, width: int) -> None:
    y = np.log(np.random.default_rng(0).dirichlet(np.ones(37), 21)).astype(np.float32)
    target = np.arange(21) % 37
    target[4] = -100
    given = [y, target, np.float32(0.7) * np.ones((), np.float32), np.full((), 20, np.float32)]
    compare(_cross_entropy_backward, given, {"dim": 1, "reduction": reduction, "ignore_index": -100}, 2e-6)


# ------------------------------------------------------------------------------------------------------- through plans
def both_ways(program) -> None:
    """A program's results are the same the first time, interpreted, and when its graph has come often."""
    first, *others = [program() for _ in range(5)]
    for found in others:
        for x, y in zip(found, first, strict=True):
            np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), atol=2e-5, rtol=2e-5)


def test_normalizations_come_out_the_same_when_hot() -> None:
    torch.manual_seed(0)
    x, r = torch.randn(4, 6, 9, 9), torch.randn(4, 6, 9, 9)
    layers = [
        nn.BatchNorm2d(6, momentum=0.0), nn.GroupNorm(3, 6), nn.GroupNorm(2, 6, affine=False), nn.InstanceNorm2d(6, affine=True),
        nn.LayerNorm((9, 9)), nn.RMSNorm(9), nn.BatchNorm2d(6).eval(),
    ]  # fmt: skip
    for layer in layers:

        def program(layer=layer):
            layer.zero_grad()
            leaf = x.clone().requires_grad_()
            y = layer(leaf)
            (y * r).sum().backward()
            return [y, leaf.grad, *[p.grad for p in layer.parameters()]]

        both_ways(program)


def test_running_statistics_move_once_a_step() -> None:
    layer, x = nn.BatchNorm1d(20), torch.full((8, 20), 3.0) + torch.arange(8.0)[:, None]
    for _ in range(10):
        layer(x).sum().item()
    left = 0.9**10
    torch.testing.assert_close(layer.running_mean, torch.full((20,), 6.5 * (1 - left)))
    torch.testing.assert_close(layer.running_var, torch.full((20,), left + 6.0 * (1 - left)))


@pytest.mark.parametrize("size", [(40, 12), (5, 7, 6, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_comes_out_the_same_when_hot(size: tuple, reduction: str) -> None:
    torch.manual_seed(0)
    x, target = torch.randn(size), torch.randint(size[1], (size[0], *size[2:]))
    target.view(-1)[2] = -100

    def program():
        leaf = x.clone().requires_grad_()
        loss = F.cross_entropy(leaf, target, reduction=reduction)
        loss.sum().backward()
        return [loss, leaf.grad]

    both_ways(program)


@pytest.mark.parametrize("dim", [None, 0, 1, (0, 2)])
def test_reductions_come_out_the_same_when_hot(dim) -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 30, 9)
    x[2, 3, 4] = torch.nan

    def program():
        y = x + 0
        found = [y.amax(dim or ()), y.amin(dim or ()), y[:2].var(dim), y.norm(dim=dim), y[3:].mean(dim), y.sum(dim)]
        if isinstance(dim, int):
            found += [y.argmax(dim), y.argmin(dim, keepdim=True), y.logsumexp(dim), y.max(dim).values]
        return found

    both_ways(program)


def test_a_target_out_of_range_is_found_however_late() -> None:
    x = torch.randn(6, 5)
    for _ in range(5):
        late = torch.tensor([0, 1, 2, 3, 4, 5]) + 0  # nobody knows its value when the loss is recorded
        with pytest.raises(IndexError, match="Target 5 is out of bounds"):
            F.cross_entropy(x, late).item()


def test_what_a_hook_sees_between_the_two_gradients() -> None:
    x, target = torch.randn(6, 5, requires_grad=True), torch.arange(6) % 5
    for _ in range(4):
        seen: list = []
        logs = F.log_softmax(x, 1)
        logs.register_hook(seen.append)
        F.nll_loss(logs, target).backward()
        assert seen[0].sum().item() == pytest.approx(-1)
