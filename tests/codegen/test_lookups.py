"""Rows and elements looked up, and added to or put in their places, as NumPy does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import jit
from kenaz.core.spec import Spec, fresh
from kenaz.graph.node import Call
from kenaz.nn import functional as F
from kenaz.ops.record import REGISTRY
from kenaz.runtime import threads

KINDS = [torch.float32, torch.float64]
INDICES = [torch.int64, torch.int32]
SIZES = [((40, 17), 0), ((5, 9, 3), 1), ((2000, 130), 0), ((3, 1000), 1), ((7,), 0), ((64, 30, 50), 1), ((1, 300, 256), 1)]


def call_of(name: str, specs: tuple, attributes: dict) -> Call:
    op = REGISTRY[name]
    return Call(op, specs, attributes, op.rule(specs, attributes)[0])


def run(call: Call, *arrays: np.ndarray) -> np.ndarray:
    """What the compiled code gives; the memory around it does not change."""
    routine = call.op.native(call)
    assert routine is not None
    other = np.array(77).astype(call.out.dtype.np)
    room = np.full(call.out.numel + 128, other)
    found = room[64:-64].reshape(call.out.size)
    routine.run(arrays, [found])
    assert (room[:64] == other).all() and (room[-64:] == other).all()
    return found


def values(size: tuple, kind: torch.dtype, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(size).astype(kind.np)


def numbers(size: tuple, length: int, kind: torch.dtype) -> np.ndarray:
    return np.random.default_rng(3).integers(0, length, size).astype(kind.np)


def spec_of(array: np.ndarray, kind: torch.dtype) -> Spec:
    return fresh(array.shape, kind)


@pytest.fixture(params=[1, 2])
def number_of_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size, dim", SIZES)
def test_rows(size: tuple, dim: int, kind: torch.dtype, index: torch.dtype, number_of_threads: None) -> None:
    for count in (1, 33, 500):
        i = numbers((count,), size[dim], index)
        x, g = values(size, kind), values((*size[:dim], count, *size[dim + 1 :]), kind, 1)
        specs = spec_of(x, kind), spec_of(i, index), spec_of(g, kind)
        found = run(call_of("index_select", specs[:2], {"dim": dim}), x, i)
        np.testing.assert_array_equal(found, x.take(i, dim))
        back = call_of("spread_rows", (specs[2], specs[1]), {"size": size, "dim": dim})
        np.testing.assert_allclose(run(back, g, i), back.run(g, i), rtol=1e-5, atol=1e-5)
        onto = call_of("index_add", specs, {"dim": dim})
        np.testing.assert_allclose(run(onto, x, i, g), onto.run(x, i, g), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size, dim", SIZES)
def test_places(size: tuple, dim: int, kind: torch.dtype, index: torch.dtype, number_of_threads: None) -> None:
    for count in (1, 21):
        part = (*size[:dim], count, *size[dim + 1 :])
        x, g, i = values(size, kind), values(part, kind, 1), numbers(part, size[dim], index)
        specs = spec_of(x, kind), spec_of(i, index), spec_of(g, kind)
        found = run(call_of("gather", specs[:2], {"dim": dim}), x, i)
        np.testing.assert_array_equal(found, np.take_along_axis(x, i, dim))
        back = call_of("spread_places", (specs[2], specs[1]), {"size": size, "dim": dim})
        np.testing.assert_allclose(run(back, g, i), back.run(g, i), rtol=1e-5, atol=1e-5)
        onto = call_of("scatter_add", specs, {"dim": dim})
        np.testing.assert_allclose(run(onto, x, i, g), onto.run(x, i, g), rtol=1e-5, atol=1e-5)
        put = call_of("scatter", specs, {"dim": dim})
        np.testing.assert_array_equal(run(put, x, i, g), put.run(x, i, g))


@pytest.mark.parametrize("vector_bytes", [16, 32, None])
@pytest.mark.parametrize("kind", KINDS)
def test_embeddings(kind: torch.dtype, vector_bytes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if vector_bytes:
        monkeypatch.setattr(jit, "vector_bytes", lambda: vector_bytes)
    table, i = values((50, 37), kind), numbers((4, 6), 50, torch.int64)
    g = values((4, 6, 37), kind, 1)
    forward = call_of("embedding", (spec_of(table, kind), spec_of(i, torch.int64)), {"padding_idx": -1, "scale": False})
    np.testing.assert_array_equal(run(forward, table, i), table[i])
    for padding in (-1, int(i[0, 0])):
        back = call_of(
            "embedding_backward", (spec_of(g, kind), spec_of(i, torch.int64)),
            {"rows": 50, "padding_idx": padding, "scale": False},
        )  # fmt: skip
        np.testing.assert_allclose(run(back, g, i), back.run(g, i), rtol=1e-5, atol=1e-6)
    scaled = {"rows": 50, "padding_idx": -1, "scale": True}
    assert REGISTRY["embedding_backward"].native(call_of("embedding_backward", back.specs, scaled)) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(50, 37), (9, 5, 70), (6, 7), (30, 1000)])
def test_one_and_two_indices_from_either_end(size: tuple, kind: torch.dtype, number_of_threads: None) -> None:
    x = values(size, kind)
    i, j = (np.random.default_rng(k).integers(-size[k], size[k], (4, 25)) for k in range(2))
    for indices in ((i,), (i, j)):
        where = tuple(range(len(indices)))
        specs = [spec_of(k, torch.int64) for k in indices]
        call = call_of("index", (spec_of(x, kind), *specs), {"where": where})
        np.testing.assert_array_equal(run(call, x, *indices), x[indices])
        g = values(call.out.size, kind, 5)
        back = call_of("index_add_at", (spec_of(g, kind), *specs), {"size": size, "where": where})
        np.testing.assert_allclose(run(back, g, *indices), back.run(g, *indices), rtol=1e-5, atol=1e-5)
    wrong = np.array([0, size[0], 0, 1]), np.array([0, 0, size[1], 1])
    specs = [spec_of(k, torch.int64) for k in wrong]
    g = np.ones((4, *size[2:]), kind.np)
    back = call_of("index_add_at", (spec_of(g, kind), *specs), {"size": size, "where": (0, 1)})
    assert run(back, g, *wrong).sum() == 2 * g[0].size


def test_integers_and_booleans_are_moved_too() -> None:
    for kind in (torch.int64, torch.uint8, torch.bool, torch.int32):
        x, i = (np.arange(60).reshape(12, 5) % 2).astype(kind.np), numbers((9,), 12, torch.int64)
        found = run(call_of("index_select", (spec_of(x, kind), spec_of(i, torch.int64)), {"dim": 0}), x, i)
        np.testing.assert_array_equal(found, x[i])


def test_numbers_out_of_range_touch_nothing() -> None:
    x, i = values((4, 3), torch.float32), np.array([1, -5, 4, 1 << 60, 2])
    specs = spec_of(x, torch.float32), spec_of(i, torch.int64)
    found = run(call_of("index_select", specs, {"dim": 0}), x, i)
    np.testing.assert_array_equal(found, x[[1, 0, 0, 0, 2]])
    g = np.ones((5, 3), np.float32)
    back = call_of("spread_rows", (spec_of(g, torch.float32), specs[1]), {"size": (4, 3), "dim": 0})
    np.testing.assert_array_equal(run(back, g, i)[:, 0], [0, 1, 1, 0])
    back = call_of("spread_places", (fresh((5,), torch.float32), specs[1]), {"size": (4,), "dim": 0})
    np.testing.assert_array_equal(run(back, np.ones(5, np.float32), i), [0, 1, 1, 0])


def test_what_is_left_to_numpy() -> None:
    x, i = fresh((4, 3), torch.float32), fresh((2, 2), torch.int64)
    assert REGISTRY["gather"].native(call_of("gather", (x, i), {"dim": 0})) is None  # smaller along another axis
    turned = torch.zeros(3, 4).T._spec
    assert REGISTRY["index_select"].native(call_of("index_select", (turned, fresh((2,), torch.int64)), {"dim": 0})) is None
    whole = fresh((4, 3), torch.int64)
    one = fresh((2,), torch.int64)
    assert REGISTRY["index_add"].native(call_of("index_add", (whole, one, fresh((2, 3), torch.int64)), {"dim": 0})) is None


# ------------------------------------------------------------------------------------------- numbers that come too late
W, A = torch.arange(800.0).reshape(50, 16), torch.arange(1200.0).reshape(40, 30)
LATE = [
    (lambda wrong: F.embedding(torch.arange(20) * 2 + wrong, W), 20, IndexError, "index out of range in self"),
    (lambda wrong: A.index_select(0, torch.arange(40) - wrong), 1, IndexError, "index out of range in self"),
    (lambda wrong: A.gather(1, torch.arange(1200).reshape(40, 30) % 30 + wrong), 7, RuntimeError, "index 30 is out of bounds"),
    (lambda wrong: A[torch.arange(40) - 20 - wrong], 21, IndexError, "index -41 is out of bounds for dimension 0 with size 40"),
    (lambda wrong: A[:, torch.arange(30) + wrong], 3, IndexError, "index 30 is out of bounds for dimension 0 with size 30"),
    (lambda wrong: A[torch.arange(30), torch.arange(30) + wrong], 3, IndexError, "index 30 is out of bounds for dimension 1"),
    (lambda wrong: torch.zeros(40, 30).scatter_add(0, torch.arange(1200).reshape(40, 30) // 30 + wrong, A), 9, RuntimeError, "40"),
    (lambda wrong: F.nll_loss(A, torch.arange(40) % 30 - wrong, reduction="sum"), 4, IndexError, "Target -4 is out of bounds"),
]  # fmt: skip


@pytest.mark.parametrize("take, wrong, kind, message", LATE)
def test_mistakes_found_by_compiled_code(take: Any, wrong: int, kind: type[Exception], message: str) -> None:
    """Numbers that are not known when the line runs: the error comes with the values, and says where it came from."""
    for _ in range(5):
        right = (take(0) * 2).sum().item()
    for _ in range(2):
        found = take(wrong) * 2
        after = found.sum()
        with pytest.raises(kind, match=message) as caught:
            after.item()
        assert "test_lookups.py" in caught.value.__notes__[0]
        with pytest.raises(kind, match=message):
            found.tolist()
        assert (take(0) * 2).sum().item() == right


def test_indices_in_any_order_of_memory() -> None:
    """A column of numbers, numbers that are repeated, and numbers that name axes further on."""
    numbers = torch.tensor([[3, 1], [0, 3], [2, 2]])
    rows = torch.tensor([3, 0, 2]).unsqueeze(1).expand(3, 4)
    x = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0, 1, 1])

    def f(x: torch.Tensor) -> torch.Tensor:
        picked = F.embedding(numbers[:, 1], x) + x.index_select(0, numbers[:, 0]) + x[:, numbers[:, 1]].T * 3
        lines = x.gather(0, rows) * torch.zeros(4, 4, dtype=x.dtype).scatter_add(0, rows, picked)[:3]
        return (picked * lines).sum() + (x.reshape(2, 2, 4)[:, b, numbers.T[0]] ** 3).sum()

    values = []
    for _ in range(5):
        y = f(x)
        values.append([y.item(), *torch.autograd.grad(f(x), x)[0].reshape(-1).tolist()])
    np.testing.assert_allclose(values[0], values[-1], rtol=1e-12)
    assert torch.autograd.gradcheck(f, (x,))


KEYS: list[tuple] = [((0,), 1), ((1,), 1), ((0, 1), 2), ((1, 2), 2), ((2,), 1)]


@pytest.mark.parametrize("where, width", KEYS)
@pytest.mark.parametrize("kind", ["float32", "int64", "bool"])
@pytest.mark.usefixtures("number_of_threads")
def test_index_put(kind: str, where: tuple, width: int) -> None:
    """Numbers, elements and rows put, or added, where indices say."""
    x, dtype = np.random.default_rng(0).integers(0, 2, (6, 5, 70)).astype(kind), getattr(torch, kind)
    given = [np.array([1, 4, 0, -2, 1]), np.array([3, 0, 2, -1, 3])][:width]
    key = (slice(None),) * where[0] + tuple(given)
    size = x[key].shape
    full = (np.arange(np.prod(size)) % 2).astype(kind).reshape(size)
    for value in (1, True, np.ones((), kind), full, np.asarray(full.reshape(-1, *size[where[0] + 1 :])[0])):
        for accumulate in (False, True)[: 1 + (kind == "float32")]:
            of = {"where": where, "accumulate": accumulate}
            kinds = (spec_of(value, dtype) if type(value) is np.ndarray else type(value), *map(spec_of, given, [torch.int64] * 2))
            expected = x.copy()
            if accumulate:
                np.add.at(expected, key, value)
            else:
                expected[key] = value
            call = call_of("index_put", (spec_of(x, dtype), *kinds), of)
            np.testing.assert_array_equal(run(call, x, value, *given), expected)


@pytest.mark.parametrize("padding", [None, 2])
def test_rows_added_to_a_gradient(padding: int | None) -> None:
    table = torch.randn(9, 5, dtype=torch.float64, requires_grad=True)
    numbers = torch.tensor([[2, 3, 2], [0, 8, 3]])

    def f(table: torch.Tensor) -> torch.Tensor:
        steps = [F.embedding(numbers[:, t], table, padding_idx=padding) for t in range(3)]
        return (steps[0] * steps[1] + steps[2] ** 3).sum() + (table * table).sum()

    found = []
    for _ in range(5):
        found.append(torch.autograd.grad(f(table), table)[0].reshape(-1).tolist())
        np.testing.assert_allclose(found[0], found[-1], rtol=1e-12)
    if padding is None:
        assert torch.autograd.gradcheck(f, (table,)) and torch.autograd.gradgradcheck(f, (table,))


@pytest.mark.parametrize("size, dim", [((40, 17), 0), ((5, 9, 3), 1), ((7,), 0), ((3, 60), 1)])
@pytest.mark.parametrize("index", INDICES)
@pytest.mark.usefixtures("number_of_threads")
def test_places_folded_into(size: tuple, dim: int, index: torch.dtype) -> None:
    """Elements, or a number, put in or folded into places; and rows put."""
    count = (*size[:dim], 11, *size[dim + 1 :])
    at = numbers(count, size[dim], index)
    for kind in KINDS:
        x, source = values(size, kind), values(count, kind, 1)
        source.flat[3] = np.nan
        for reduce in ("sum", "prod", "amax", "amin"):
            for alone in (True, False):
                of = {"dim": dim, "reduce": reduce, "include_self": not alone}
                call = call_of("scatter_reduce", tuple(map(spec_of, (x, at, source), (kind, index, kind))), of)
                with np.errstate(invalid="ignore"):
                    expected = call.run(x, at, source)
                np.testing.assert_allclose(run(call, x, at, source), expected, rtol=1e-5, atol=1e-6)
        line = numbers((11,), size[dim], torch.int64)
        call = call_of("index_copy", tuple(map(spec_of, (x, line, source), (kind, torch.int64, kind))), {"dim": dim})
        np.testing.assert_array_equal(run(call, x, line, source), call.run(x, line, source))
    for name, value in (("float32", 0.5), ("float64", 2), ("int64", 3), ("bool", True), ("int32", 7)):
        x, kind = values(size, torch.float64).astype(name), getattr(torch, name)
        call = call_of("scatter_value", (spec_of(x, kind), spec_of(at, index), type(value)), {"dim": dim})
        np.testing.assert_array_equal(run(call, x, at, value), call.run(x, at, value))
