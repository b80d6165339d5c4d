"""Pooling in compiled code gives what the NumPy kernels give."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import jit
from kenaz.core.spec import fresh, spec
from kenaz.graph.node import Call
from kenaz.ops import pooling
from kenaz.ops.record import REGISTRY
from kenaz.ops.windows import Window, pool_size
from kenaz.runtime import threads

# size, kernel, stride, padding, dilation, ceil_mode
WINDOWS = [
    ((28, 28), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((112, 56), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((7, 7), (2, 2), (2, 2), (0, 0), (1, 1), True),
    ((5, 40), (3, 5), (1, 1), (1, 2), (1, 1), False),
    ((9, 37), (3, 3), (3, 3), (1, 1), (1, 1), True),
    ((20, 33), (2, 4), (3, 4), (1, 2), (1, 1), True),
    ((1, 50), (1, 4), (1, 2), (0, 2), (1, 1), False),
    ((1, 1), (1, 1), (1, 1), (0, 0), (1, 1), False),
    ((6, 3), (2, 3), (1, 5), (0, 1), (1, 1), False),
]
DILATED = [
    ((17, 19), (3, 2), (2, 1), (1, 1), (2, 3), False),
    ((12, 45), (2, 4), (1, 2), (1, 2), (3, 2), True),
]
LEADS = [(2, 3), (5,), (64, 6)]


def window_of(size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, ceil: bool) -> Window:
    return Window(
        size, kernel, stride, padding, dilation, pool_size(size, kernel, stride, padding, dilation, ceil)
    )


def call_of(name: str, specs: tuple, attributes: dict) -> Call:
    op = REGISTRY[name]
    return Call(op, specs, attributes, op.rule(specs, attributes)[0])


def both(call: Call, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The results of the compiled code and of the kernel; memory around the former stays as it was."""
    routine = call.op.native(call)
    assert routine is not None
    outs = call.out if type(call.out) is tuple else (call.out,)
    rooms = [np.full(s.numel + 128, 77, s.dtype.np) for s in outs]
    found = [room[64:-64].reshape(s.size) for room, s in zip(rooms, outs, strict=True)]
    routine.run(arrays, found)
    expected = call.run(*arrays)
    for room in rooms:
        assert (room[:64] == 77).all() and (room[-64:] == 77).all()
    return zip(found, expected if type(expected) is tuple else (expected,), strict=True)


def values(shape: tuple, kind: torch.dtype, seed: int = 0) -> np.ndarray:
    """Few different values, so that equal ones meet, and some NaNs and infinities."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(kind.np) / 3
    x.reshape(-1)[rng.integers(0, x.size, x.size // 40)] = np.nan
    x.reshape(-1)[rng.integers(0, x.size, x.size // 20)] = -np.inf
    return x


def plain(shape: tuple, kind: torch.dtype) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(kind.np)


@pytest.fixture(params=[1, 2])
def number_of_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield
    threads.set_num_threads(before)


KINDS = [torch.float32, torch.float64]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", WINDOWS + DILATED)
@pytest.mark.parametrize("lead", LEADS)
def test_maxima_and_their_places(lead: tuple, which: tuple, kind: torch.dtype, number_of_threads: None) -> None:
    window = window_of(*which)
    x = values((*lead, *window.size), kind)
    given = fresh(x.shape, kind)
    for name in ("max_pool", "max_pool2d_with_indices"):
        for found, expected in both(call_of(name, (given,), {"window": window}), x):
            np.testing.assert_array_equal(found, expected)


def test_a_window_of_nothing_but_negative_infinities_has_its_first_place() -> None:
    window = window_of((4, 40), (2, 3), (2, 2), (1, 1), (1, 1), False)
    x = np.full((3, 4, 40), -np.inf, np.float32)
    for found, expected in both(
        call_of("max_pool2d_with_indices", (fresh(x.shape, torch.float32),), {"window": window}), x
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", WINDOWS)
@pytest.mark.parametrize("count_pad, divisor", [(True, None), (False, None), (True, 3)])
def test_means_and_their_derivatives(which: tuple, count_pad: bool, divisor: int | None, kind: torch.dtype) -> None:
    window = window_of(*which)
    of = {"window": window, "count_pad": count_pad, "divisor": divisor}
    for lead, (name, size) in itertools.product(
        LEADS, (("avg_pool2d", window.size), ("avg_pool2d_backward", window.out))
    ):
        x = plain((*lead, *size), kind)
        for found, expected in both(call_of(name, (fresh(x.shape, kind),), of), x):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_one_size_are_windows(kind: torch.dtype) -> None:
    of = {"size": (12, 20), "out": (3, 5)}
    x, g = values((4, 12, 20), kind), plain((4, 3, 5), kind)
    for name, array in (
        ("adaptive_max_pool2d", x), ("adaptive_avg_pool2d", x), ("adaptive_avg_pool2d_backward", g)
    ):  # fmt: skip
        for found, expected in both(call_of(name, (fresh(array.shape, kind),), of), array):
            np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("planes, size, seen", [(1, (3, 3), 5), (70, (28, 28), 196), (3, (1, 9), 3), (5, (112, 7), 99)])
def test_values_scattered_to_planes(
    planes: int, size: tuple, seen: int, kind: torch.dtype, number_of_threads: None
) -> None:
    g = plain((planes, seen, 1), kind)
    places = np.random.default_rng(2).integers(0, size[0] * size[1], g.shape)
    call = call_of("scatter_planes", (fresh(g.shape, kind), fresh(g.shape, torch.int64)), {"size": size})
    for found, expected in both(call, g, places):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_places_outside_of_a_plane_are_not_touched() -> None:
    g = np.ones((2, 2, 2), np.float32)
    places = np.array([[[0, -1], [4, 3]], [[1 << 40, 2], [2, -(1 << 62)]]])
    call = call_of("scatter_planes", (fresh(g.shape, torch.float32), fresh(g.shape, torch.int64)), {"size": (2, 2)})
    found = np.empty((2, 2, 2), np.float32)
    call.op.native(call).run([g, places], [found])
    np.testing.assert_array_equal(found, [[[1, 0], [0, 1]], [[0, 0], [2, 0]]])


@pytest.mark.parametrize("vector_bytes", [16, 32])
@pytest.mark.parametrize("which", [WINDOWS[1], WINDOWS[4], WINDOWS[3]])
def test_narrow_vectors(which: tuple, vector_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "vector_bytes", lambda: vector_bytes)
    window = window_of(*which)
    x, g = values((3, *window.size), torch.float32), plain((3, *window.out), torch.float32)
    means = {"window": window, "count_pad": True, "divisor": None}
    for name, array, of in (
        ("max_pool2d_with_indices", x, {"window": window}), ("avg_pool2d", x, means), ("avg_pool2d_backward", g, means)
    ):  # fmt: skip
        for found, expected in both(call_of(name, (fresh(array.shape, torch.float32),), of), array):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_the_kernels_do_not_take() -> None:
    window: Any = window_of(*WINDOWS[0])
    for s in (
        fresh((2, 28, 28), torch.int64), fresh((0, 28, 28), torch.float32),
        spec((2, 28, 28), (784, 1, 28), torch.float32),
    ):  # fmt: skip
        assert pooling._native_max(call_of("max_pool", (s,), {"window": window})) is None
