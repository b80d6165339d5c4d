"""Compiled products of matrices against NumPy in double precision: sizes, strides, batches, what is added."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import sys

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import jit, products
from kenaz.core.spec import spec
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> int:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def draw(*size: int, element: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(size)).standard_normal(size).astype(element)


def spec_of(x: object) -> object:
    if not isinstance(x, np.ndarray):
        return type(x)
    return spec(x.shape, tuple(s // x.itemsize for s in x.strides), DTYPES[x.dtype.name])


def call_of(name: str, *inputs: object) -> Call:
    specs, op = tuple(spec_of(x) for x in inputs), REGISTRY[name]
    return Call(op, specs, {}, *op.rule(specs, {}))


def compute(name: str, *inputs: object) -> np.ndarray:
    """The value that compiled code gives."""
    call = call_of(name, *inputs)
    routine = call.op.native(call)
    assert routine is not None
    out = np.full(call.out.size, np.nan, call.out.dtype.np)
    routine.run(inputs, [out])
    return out


def check(a: np.ndarray, b: np.ndarray) -> None:
    found, expected = compute("matmul", a, b), a.astype("float64") @ b.astype("float64")
    scale = np.abs(a).astype("float64") @ np.abs(b).astype("float64") + 1e-30
    assert found.shape == expected.shape
    assert (np.abs(found - expected) / scale).max() < TOLERANCE[a.dtype.name]


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """One matrix as rows, as columns, with gaps."""
    wide = np.zeros((x.shape[0], x.shape[1] + 3), x.dtype)
    wide[:, 1:-2] = x
    sparse = np.repeat(x, 2, axis=1)[:, ::2]
    return [x, np.asfortranarray(x), wide[:, 1:-2], sparse]


@pytest.mark.parametrize("element", ["float32", "float64"])
@pytest.mark.parametrize("size", [(1, 1, 1), (10, 2, 1), (3, 5, 7), (33, 17, 65), (15, 70, 130), (2, 300, 40)])
def test_layouts(size: tuple[int, int, int], element: str, threads: int) -> None:
    m, k, n = size
    for a, b in itertools.product(layouts(draw(m, k, element=element)), layouts(draw(k, n, element=element))):
        check(a, b)


@pytest.mark.parametrize(
    ("m", "k", "n"), [(64, 784, 512), (1040, 30, 140), (30, 401, 1100), (200, 900, 200), (14, 385, 513), (1, 999, 77)]
)
@pytest.mark.parametrize("element", ["float32", "float64"])
def test_sizes_beyond_a_block(m: int, k: int, n: int, element: str, threads: int) -> None:
    check(draw(m, k, element=element), draw(n, k, element=element).T)
    check(draw(k, m, element=element).T, draw(k, n, element=element))


@pytest.mark.parametrize("bytes_of_a_register", [w for w in (16, 32) if w < jit.vector_bytes()])
@pytest.mark.parametrize("element", ["float32", "float64"])
def test_narrow_registers(bytes_of_a_register: int, element: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "vector_bytes", lambda: bytes_of_a_register)
    for m, k, n in ((7, 9, 11), (30, 64, 70), (1, 20, 33), (70, 500, 45)):
        for a, b in itertools.product(layouts(draw(m, k, element=element))[:2], layouts(draw(k, n, element=element))[:2]):
            check(a, b)


def test_random_sizes(threads: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        m, k, n = (int(2 ** rng.uniform(0, 8)) for _ in range(3))
        a, b = draw(m, k), draw(k, n)
        check(a if rng.random() < 0.5 else np.asfortranarray(a), b if rng.random() < 0.5 else np.asfortranarray(b))


def test_expanded_operands() -> None:
    a = np.broadcast_to(np.float32(2), (20, 30))
    check(a, draw(30, 40))
    check(draw(10, 20), a)
    check(np.broadcast_to(draw(1, 30), (20, 30)), np.broadcast_to(draw(30, 1), (30, 50)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4, 5), (3, 5, 6)), ((3, 4, 5), (5, 6)), ((2, 3, 4, 5), (5, 6)), ((4, 5), (3, 5, 6)), ((2, 1, 4, 5), (3, 5, 6)),
        ((7,), (7,)), ((7,), (7, 3)), ((4, 7), (7,)), ((2, 4, 7), (7,)), ((7,), (2, 7, 3)), ((9, 20, 30), (9, 30, 40)),
    ],
)  # fmt: skip
def test_batches_and_vectors(left: tuple, right: tuple, threads: int) -> None:
    a, b = draw(*left), draw(*right)
    np.testing.assert_allclose(compute("matmul", a, b), a @ b, rtol=1e-5, atol=1e-5)


def test_batches_of_views() -> None:
    """Heads of attention: (batch, length, heads, size) seen as (batch, heads, length, size)."""
    q, k = (draw(2, 9, 3, 8).transpose(0, 2, 1, 3), draw(2, 11, 3, 8).transpose(0, 2, 3, 1))
    np.testing.assert_allclose(compute("matmul", q, k), q @ k, rtol=1e-5, atol=1e-5)
    last = draw(6, 5, 8)[:, -1:]
    np.testing.assert_allclose(compute("matmul", last, draw(8, 6)), last @ draw(8, 6), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(compute("linear", last, draw(6, 8), draw(6)), last @ draw(6, 8).T + draw(6), rtol=1e-5, atol=1e-5)
    rows = np.broadcast_to(draw(2, 1, 8), (2, 5, 8))
    np.testing.assert_allclose(compute("matmul", rows, draw(8, 6)), rows @ draw(8, 6), rtol=1e-5, atol=1e-5)


def test_one_matrix_for_a_batch_is_one_product() -> None:
    call = call_of("matmul", draw(16, 128, 64), draw(64, 32))
    assert products._product(*call.specs, call.out).m == 16 * 128
    last = np.zeros((16, 128, 64), "float32")[:, -1:]
    call = call_of("matmul", last, draw(64, 32))
    assert products._product(*call.specs, call.out).m == 16


@pytest.mark.parametrize("size", [(5, 7), (2, 3, 7), (7,), (2, 5, 3, 7)])
@pytest.mark.parametrize("outputs", [1, 6, 40])
def test_linear(size: tuple, outputs: int, threads: int) -> None:
    x, w, b = draw(*size), draw(outputs, 7), draw(outputs)
    np.testing.assert_allclose(compute("linear", x, w, b), x @ w.T + b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beta", [1, 0, 0.5, 2])
@pytest.mark.parametrize("alpha", [1, -2, 0.25])
def test_sums_of_products(alpha: float, beta: float) -> None:
    a, b, v = draw(5, 7), draw(7, 6), draw(7)
    batches = draw(3, 5, 7), draw(3, 7, 6)
    for name, x, *factors in (
        ("addmm", draw(5, 6), a, b), ("addmm", draw(6), a, b), ("addmm", draw(1, 6), a, b), ("addmv", draw(5), a, v),
        ("baddbmm", draw(3, 5, 6), *batches), ("baddbmm", draw(3, 1, 6), *batches),
    ):  # fmt: skip
        found = compute(name, x, *factors, beta, alpha)
        np.testing.assert_allclose(found, alpha * (factors[0] @ factors[1]) + beta * x, rtol=1e-5, atol=1e-5)


def test_beta_zero_hides_what_is_not_a_number() -> None:
    x, a, b = np.full((2, 3), np.nan, "float32"), draw(2, 4), draw(4, 3)
    np.testing.assert_allclose(compute("addmm", x, a, b, 0, 1), a @ b, rtol=1e-5, atol=1e-5)


def test_infinities_and_nan_go_through() -> None:
    a, b = draw(20, 30), draw(30, 40)
    a[3, 4], a[5, 6] = np.inf, np.nan
    found = compute("matmul", a, b)
    assert np.isinf(found[3]).all() and np.isnan(found[5]).all() and np.isfinite(np.delete(found, [3, 5], 0)).all()


def at_the_end_of_memory(x: np.ndarray) -> np.ndarray:
    """A copy behind which memory may not be read."""
    pages = -(-x.nbytes // mmap.PAGESIZE) + 1
    memory = np.frombuffer(mmap.mmap(-1, pages * mmap.PAGESIZE), np.uint8)
    end = (pages - 1) * mmap.PAGESIZE
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + end), mmap.PAGESIZE, 0)
    copy = memory[end - x.nbytes : end].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


@pytest.mark.skipif(sys.platform != "linux", reason="memory is protected as on Linux")
def test_nothing_outside_is_read() -> None:
    for m, k, n in ((5, 7, 9), (3, 33, 17), (15, 100, 140), (1, 3, 1), (70, 5, 3), (1, 40, 50), (20, 70, 90)):
        a, b = at_the_end_of_memory(draw(m, k)), at_the_end_of_memory(draw(k, n))
        turned_a, turned_b = at_the_end_of_memory(draw(k, m)).T, at_the_end_of_memory(draw(n, k)).T
        for x, y in itertools.product((a, turned_a), (b, turned_b)):
            check(x, y)


def test_what_is_not_compiled_is_left_to_numpy() -> None:
    for name, *inputs in (
        ("matmul", np.ones((0, 3), "f4"), np.ones((3, 2), "f4")), ("matmul", np.ones((2, 0), "f4"), np.ones((0, 2), "f4")),
        ("addmm", np.ones((5, 1), "f4"), np.ones((5, 2), "f4"), np.ones((2, 3), "f4"), 1, 1),
    ):  # fmt: skip
        call = call_of(name, *inputs)
        assert call.op.native(call) is None


@pytest.mark.parametrize("size", [(1, 100, 30), (8, 130, 50), (40, 97, 3), (1, 33, 1), (9, 64, 2), (3, 1000, 8)])
@pytest.mark.parametrize("element", ["float32", "float64"])
def test_few_rows_or_columns_are_inner_products(size: tuple[int, int, int], element: str, threads: int) -> None:
    m, k, n = size
    a, w, b = draw(m, k, element=element), draw(n, k, element=element), draw(n, element=element)
    check(a, w.T)
    found = compute("linear", a, w, b)
    np.testing.assert_allclose(found, a @ w.T + b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("element", ["float32", "float64"])
def test_a_long_depth_is_divided(element: str, threads: int) -> None:
    a, b, d = draw(5000, 13, element=element).T, draw(5000, 9, element=element), draw(9, element=element)
    check(a, b)
    np.testing.assert_allclose(compute("addmm", d, a, b, 2, 1), a @ b + 2 * d, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [(64, 784, 512), (9, 64, 18), (33, 401, 70), (96, 70, 300), (20, 1024, 50)])
@pytest.mark.parametrize("element", ["float32", "float64"])
def test_few_rows_times_the_transpose_of_rows(size: tuple[int, int, int], element: str, threads: int) -> None:
    """As in a layer: the weights are read where they are, and C is stored transposed."""
    m, k, n = size
    x, w, b = draw(m, k, element=element), draw(n, k, element=element), draw(n, element=element)
    check(x, w.T)
    np.testing.assert_allclose(compute("linear", x, w, b), x @ w.T + b, rtol=1e-4, atol=1e-4)
    d = draw(m, n, element=element)
    np.testing.assert_allclose(compute("addmm", d, x, w.T, 2, -1), 2 * d - x @ w.T, rtol=1e-4, atol=1e-4)
