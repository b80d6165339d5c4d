"""The micro-kernels of products, and the packing that feeds them, against NumPy."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from llvmlite import ir

from kenaz.codegen import jit, tiles
from kenaz.codegen.tiles import Tile
from kenaz.codegen.vectors import module_text

WIDTHS = [w for w in (16, 32, 64) if w <= jit.vector_bytes()]
C_TYPES = {"float32": ctypes.c_float, "float64": ctypes.c_double}


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The bytes of a register: what the host has, and less."""
    monkeypatch.setattr(jit, "vector_bytes", lambda: request.param)
    return request.param


def function(tile: Tile, names: tuple[str, ...]) -> object:
    number = C_TYPES[tile.element]
    kinds = dict.fromkeys(("alpha", "beta"), number) | dict.fromkeys(
        ("a", "b", "c", "d", "bias", "table"), ctypes.c_void_p
    )
    return ctypes.CFUNCTYPE(None, *[kinds.get(n, ctypes.c_int64) for n in names])(tiles.tile_address(tile))


def at(array: np.ndarray) -> int:
    return array.ctypes.data


def draw(*size: int, element: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(size)).standard_normal(size).astype(element)


@pytest.mark.parametrize("element", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "vectors", "depth"), [(14, 2, 9), (1, 4, 1), (5, 3, 0), (8, 1, 33)])
def test_a_tile_multiplies_and_adds(rows: int, vectors: int, depth: int, element: str, width: int) -> None:
    tile = Tile(rows, vectors, element)
    lanes = tiles.lanes(element)
    run = function(tile, tiles.ROWS)
    for last in (1, lanes - 1, lanes):
        n = (vectors - 1) * lanes + last
        a, b = draw(rows, depth, element=element), draw(depth, n, element=element)
        c, d = np.full((rows, n + 5), 7, element), draw(n, element=element)
        expected = 2 * a @ b + 3 * d
        for turned, strides in ((a, (depth, 1)), (np.ascontiguousarray(a.T), (1, rows))):
            run(depth, at(turned), *strides, at(b), n, last, at(c), n + 5, at(d), 0, 2.0, 3.0)
            np.testing.assert_allclose(c[:, :n], expected, rtol=1e-4, atol=1e-5)
            assert (c[:, n:] == 7).all()


@pytest.mark.parametrize("vectors", [1, 2])
def test_a_tile_stores_transposed(vectors: int, width: int) -> None:
    lanes = tiles.lanes("float32")
    rows, depth = lanes - 1, 7
    run = function(Tile(rows, vectors, store="turned"), tiles.ROWS)
    for last in (1, lanes - 1, lanes):
        n = (vectors - 1) * lanes + last
        a, b, bias = draw(rows, depth), draw(depth, n), draw(rows)
        c = np.full((n + 1, rows + 3), 7, "float32")
        arguments = depth, at(a), depth, 1, at(b), n, last, at(c), rows + 3
        run(*arguments, at(bias), 0, 1.0, 2.0)
        np.testing.assert_allclose(c[:n, :rows], (a @ b).T + 2 * bias, rtol=1e-4, atol=1e-5)
        run(*arguments, at(c), rows + 3, 1.0, 1.0)
        np.testing.assert_allclose(c[:n, :rows], 2 * (a @ b).T + 2 * bias, rtol=1e-4, atol=1e-5)
        assert (c[n:] == 7).all() and (c[:, rows:] == 7).all()


def test_a_tile_without_d_stores_and_with_c_accumulates(width: int) -> None:
    run = function(Tile(3, 1), tiles.ROWS)
    a, b = draw(3, 4), draw(4, 2)
    c = np.full((3, 2), np.nan, "float32")
    arguments = 4, at(a), 4, 1, at(b), 2, 2, at(c), 2
    run(*arguments, 0, 0, 1.0, 1.0)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-6)
    run(*arguments, at(c), 2, 1.0, 1.0)
    np.testing.assert_allclose(c, 2 * (a @ b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_tile_stores_through_a_table(has_bias: bool, width: int) -> None:
    rows, depth, lanes = 4, 6, tiles.lanes("float32")
    run = function(Tile(rows, 2, store="table"), tiles.TABLE)
    a, b, bias = draw(rows, depth), draw(depth, 2 * lanes), draw(rows)
    c = np.zeros((rows, 4 * lanes), "float32")
    half = lanes // 2
    low, high, every = (1 << half) - 1, ((1 << lanes) - 1) ^ ((1 << half) - 1), (1 << lanes) - 1
    table = np.array([0, low, 3, high, 2 * lanes, every, 0, 0], np.int64)
    arguments = (depth, at(a), depth, 1, at(b), 2 * lanes, lanes, at(c), 4 * lanes, at(table), at(bias) * has_bias)
    product = a @ b
    expected = np.zeros_like(c)
    expected[:, :half], expected[:, half + 3 : lanes + 3] = product[:, :half], product[:, half:lanes]
    expected[:, 2 * lanes : 3 * lanes] = product[:, lanes:]
    written = expected != 0
    run(*arguments, 0)
    once = expected + written * bias[:, None] * has_bias
    np.testing.assert_allclose(c, once, rtol=1e-4, atol=1e-5)
    run(*arguments, 1)
    np.testing.assert_allclose(c, np.where(written, once + expected, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("element", ["float32", "float64"])
@pytest.mark.parametrize("vectors", [1, 2])
def test_packing_makes_panels_and_writes_no_further(vectors: int, element: str, width: int) -> None:
    module = ir.Module()
    name = tiles.emit_pack(module, element).name
    address = jit.compile_module(module_text(module), [name])[name]
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 6)(address)
    wide = vectors * tiles.lanes(element)
    for rows in {wide, max(wide - 2, 1), wide // 2}:
        for count, depth in ((1, 1), (3 * rows, 37), (2 * rows + 1, 16), (rows - 1, 5), (5, 0), (0, 5)):
            matrix = draw(count, depth, element=element)
            spread = draw(count, depth, 3, element=element)
            for source in (matrix, np.asfortranarray(matrix), spread[:, :, 1], np.broadcast_to(matrix[:, :1], matrix.shape)):
                panels = -(-count // rows)
                out = np.full((panels * depth * wide + 8), 5, element)
                strides = [s // source.itemsize for s in source.strides]
                run(at(source), at(out), count, depth, *strides, rows, wide)
                assert (out[panels * depth * wide :] == 5).all()
                found = out[: panels * depth * wide].reshape(panels, depth, wide)[:, :, :rows]
                flat = found.transpose(0, 2, 1).reshape(panels * rows, depth)[:count]
                np.testing.assert_array_equal(flat, source)
