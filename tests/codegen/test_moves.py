"""Boxes of elements arrive where NumPy would have put them, and nothing around them changes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import jit, moves
from kenaz.core.spec import Spec, fresh, spec
from kenaz.graph.node import Call
from kenaz.ops.record import COPY, REGISTRY, WRITE
from kenaz.runtime import threads

KINDS = [torch.float32, torch.float64, torch.float16, torch.uint8]


def call_of(name: str, specs: tuple, attributes: dict) -> Call:
    op = REGISTRY[name]
    return Call(op, specs, attributes, op.rule(specs, attributes)[0])


def memory_of(s: Spec, seed: int) -> np.ndarray:
    """An array that a spec sees, in memory that ends where it ends."""
    last = sum((n - 1) * q for n, q in zip(s.size, s.stride, strict=True)) + 1 if s.numel else 0
    memory = np.random.default_rng(seed).integers(0, 100, last).astype(s.dtype.np)
    return np.ndarray(s.size, s.dtype.np, memory, 0, s.numpy_stride) if last else np.empty(s.size, s.dtype.np)


def check(call: Call, routine: object, inputs: list, expected: np.ndarray) -> None:
    assert routine is not None
    other = np.array(101).astype(call.out.dtype.np)
    room = np.full(call.out.numel + 256, other)
    memory = room[128 : 128 + call.out.numel]
    routine.run(inputs, [memory])  # type: ignore[attr-defined]
    found = np.lib.stride_tricks.as_strided(memory, call.out.size, call.out.numpy_stride)
    np.testing.assert_array_equal(found, expected)
    assert (room[:128] == other).all() and (room[128 + call.out.numel :] == other).all()


def random_spec(rng: random.Random, kind: torch.dtype, rank: int, most: int) -> Spec:
    """A view: axes in any order, some skipped over, some repeated."""
    size = [rng.choice((1, 2, 3, 5, 17, most)) for _ in range(rank)]
    stride, run = [0] * rank, 1
    for d in rng.sample(range(rank), rank):
        if rng.random() < 0.2:
            continue
        stride[d] = run * rng.choice((1, 1, 1, 2))
        run = stride[d] * size[d] + rng.choice((0, 0, 3))
    return spec(tuple(size), tuple(stride), kind)


@pytest.fixture(params=[1, 2])
def number_of_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(24))
def test_copies_of_views(seed: int, kind: torch.dtype) -> None:
    rng = random.Random(seed)
    s = random_spec(rng, kind, rng.randint(1, 6), 40 if seed % 2 else 9)
    out = s.like(kind) if seed % 3 else fresh(s.size, kind)
    call = Call(COPY, (s,), {"out": out}, out)
    x = memory_of(s, seed)
    check(call, moves.copy(call), [x], x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "size, stride",
    [((300, 500), (1, 300)), ((70, 3, 41, 40), (4920, 1, 120, 3)), ((400001,), (1,)), ((900, 333), (0, 1)),
     ((16, 4, 130, 32), (16640, 32, 128, 1)), ((33, 47), (1, 50)), ((700, 31, 18), (1, 700, 21700))],
)  # fmt: skip
def test_large_copies(size: tuple, stride: tuple, kind: torch.dtype, number_of_threads: None) -> None:
    s, out = spec(size, stride, kind), fresh(size, kind)
    call = Call(COPY, (s,), {"out": out}, out)
    x = memory_of(s, 0)
    check(call, moves.copy(call), [x], x)


@pytest.mark.parametrize("vector_bytes", [16, 32])
def test_narrow_vectors(vector_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "vector_bytes", lambda: vector_bytes)
    for kind in KINDS:
        for s in (spec((33, 47), (1, 50), kind), spec((3, 61), (100, 1), kind), spec((3, 61), (1, 0), kind)):
            out = fresh(s.size, kind)
            call = Call(COPY, (s,), {"out": out}, out)
            check(call, moves.copy(call), [memory_of(s, 1)], memory_of(s, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_cat_and_stack(dim: int, kind: torch.dtype, number_of_threads: None) -> None:
    sizes = [[4, 30, 50] for _ in range(5)]
    specs = [fresh(size, kind) for size in sizes]
    specs[1] = spec((4, 30, 50), (1500, 1, 30), kind)
    specs[2] = spec((4, 30, 50), (0, 50, 1), kind)
    arrays = [memory_of(s, i) for i, s in enumerate(specs)]
    call = call_of("stack", tuple(specs), {"dim": dim, "dtype": None})
    check(call, moves.stack(call), arrays, np.stack(arrays, dim))
    for i, n in enumerate((1, 7, 0, 130)):
        sizes[i][dim] = n
    specs = [fresh(size, kind) for size in sizes]
    arrays = [memory_of(s, i) for i, s in enumerate(specs)]
    call = call_of("cat", tuple(specs), {"dim": dim, "dtype": None})
    check(call, moves.cat(call), arrays, np.concatenate(arrays, dim))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("region, offset", [(((20, 10), (80, 2)), 5), (((3, 30), (1, 40)), 0), (((), ()), 1599)])
def test_writes_to_a_region(region: tuple, offset: int, together: bool, kind: torch.dtype) -> None:
    base, seen = fresh((40, 40), kind), spec(*region, kind, shifted=True)
    value = fresh(seen.size, kind)
    call = Call(WRITE, (base, value, int), {"region": seen}, base)
    x, v = memory_of(base, 0), memory_of(value, 1)
    expected = call.run(x.copy(), v, offset)
    routine = moves.write(call)
    assert routine is not None
    target = x.copy() if together else np.full_like(x, 7)
    routine.run([target if together else x, v, offset], [target])
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value, region, offset",
    [(((39, 40), (40, 1)), ((39, 40), (40, 1)), 40), (((40, 40), (1, 40)), ((40, 40), (40, 1)), 0),
     (((40, 39), (40, 1)), ((40, 39), (40, 1)), 1), (((39, 40), (0, 1)), ((39, 40), (40, 1)), 40)],
)  # fmt: skip
def test_a_part_written_over_another(value: tuple, region: tuple, offset: int, kind: torch.dtype) -> None:
    base, seen = fresh((40, 40), kind), spec(*region, kind, shifted=True)
    call = Call(WRITE, (base, spec(*value, kind), int), {"region": seen}, base)
    x = memory_of(base, 0)
    part = np.lib.stride_tricks.as_strided(x, value[0], tuple(q * x.itemsize for q in value[1]))
    expected = call.run(x.copy(), part.copy(), offset)
    routine = moves.write(call)
    assert routine is not None
    routine.run([x, part, offset], [x])
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("s", [((4, 5, 6), (30, 6, 1)), ((40, 70), (1, 40)), ((3, 1, 50, 60), (3000, 3000, 60, 1))])
def test_flips_rolls_and_repetitions(s: tuple, kind: torch.dtype) -> None:
    x = spec(*s, kind)
    array = memory_of(x, 0)
    for dims in ((0,), (1,), (0, x.ndim - 1), tuple(range(x.ndim))):
        call = call_of("flip", (x,), {"dims": dims})
        check(call, moves.flip(call), [array], np.flip(array, dims))
        for shift in (-3, 1, 7):
            shifts = tuple(shift + d for d in dims)
            call = call_of("roll", (x,), {"shifts": shifts, "dims": dims})
            check(call, moves.roll(call), [array], np.roll(array, shifts, dims))
    for repeats in ((1,) * (x.ndim - 1) + (3,), (2,) * x.ndim, (2, 1, *(3,) * (x.ndim - 1))):
        call = call_of("repeat", (x,), {"repeats": repeats})
        check(call, moves.repeat(call), [array], np.tile(array, repeats))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32])
@pytest.mark.parametrize("pad", [(1, 2), (0, 3, 2, 0), (-1, 2, 1, -2), (3, 3, 1, 1, 2, 2), (-2, -3), (5, -6), (0, 0)])
@pytest.mark.parametrize("value", [0, 3, 2.5])
def test_borders(pad: tuple, value: float, kind: torch.dtype) -> None:
    if kind is torch.float16 and not jit.converts_halves():
        pytest.skip("this host does not convert halves")
    if type(value) is float and kind.kind < 2:
        return
    for s in (spec((4, 5, 6), (30, 6, 1), kind), spec((3, 7, 60), (420, 1, 7), kind)):
        array = memory_of(s, 0)
        call = call_of("constant_pad_nd", (s, type(value)), {"pad": pad})
        check(call, moves.pad(call), [array, value], call.run(array, value))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.bool])
@pytest.mark.parametrize("value", [0, -7, 2.5, True, float("nan")])
def test_numbers_everywhere(value: float, kind: torch.dtype) -> None:
    if kind is torch.float16 and not jit.converts_halves():
        pytest.skip("this host does not convert halves")
    if type(value) is float and kind.kind < 2 and kind is not torch.bool:
        return
    for size in ((), (3, 5), (200, 701)):
        out = fresh(size, kind)
        call = Call(REGISTRY["full"], (type(value),), {"out": out}, out)
        check(call, moves.fill(call), [value], np.full(size, value, kind.np))


def test_what_boxes_cannot_do() -> None:
    a, b = fresh((2, 3), torch.float32), fresh((2, 3), torch.float64)
    assert moves.cat(call_of("cat", (a, b), {"dim": 0, "dtype": torch.float64})) is None
    assert moves.copy(Call(COPY, (a,), {"out": b}, b)) is None
    assert moves.cat(call_of("cat", (a,) * 200, {"dim": 0, "dtype": None})) is None


# (size of the gradient, its stride; size of the whole, stride of the view, offset)
VIEWS: list[tuple] = [
    ((3, 5), (5, 1), (3, 8, 5), (40, 1), 10),  # x[:, t]
    ((4, 30), (1, 4), (6, 40), (40, 1), 43),  # a turned gradient of a block
    ((6,), (1,), (6, 7), (8,), 0),  # a diagonal
    ((7, 3), (3, 1), (9,), (1, 1), 0),  # windows that share elements
    ((4, 2, 5), (0, 0, 1), (5,), (0, 0, 1), 0),  # an expanded view
    ((300, 200), (200, 1), (300, 400), (400, 2), 1),
]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.usefixtures("number_of_threads")
def test_gradients_of_views(view: tuple, kind: torch.dtype) -> None:
    size, stride, whole, seen, offset = view
    of = {"size": whole, "stride": seen}
    g, total = spec(size, stride, kind), fresh(whole, kind)
    a, b = memory_of(g, 1), memory_of(total, 2)
    expected = np.zeros(whole, kind.np)
    places = np.lib.stride_tricks.as_strided(np.arange(expected.size)[offset:], size, [8 * q for q in seen])
    np.add.at(expected.reshape(-1), places, a)
    call = call_of("embed", (g, int), of)
    check(call, moves.embed(call), [a, offset], expected)
    call = call_of("embed_onto", (total, g, int), of)
    check(call, moves.embed_onto(call), [b, a, offset], b + expected)
    assert REGISTRY["embed_onto"].kernel(call)(b.copy(), a, offset).tolist() == (b + expected).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name, size, of", [
    ("pixel_shuffle", (2, 18, 5, 40), {"factor": 3}), ("pixel_shuffle", (4, 3, 3), {"factor": 2}),
    ("pixel_unshuffle", (2, 3, 20, 36), {"factor": 2}), ("pixel_unshuffle", (1, 6, 9), {"factor": 3}),
    ("channel_shuffle", (2, 12, 7, 9), {"groups": 3}), ("channel_shuffle", (3, 8, 1), {"groups": 4}),
])  # fmt: skip
def test_shuffles(name: str, size: tuple, of: dict, kind: torch.dtype) -> None:
    call = call_of(name, (fresh(size, kind),), of)
    x = memory_of(call.specs[0], 1)
    check(call, call.op.native(call), [x], call.run(x))
