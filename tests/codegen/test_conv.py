"""Convolutions in compiled code: forward, both gradients, against sums over taps in float64."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import conv, conv_batch, jit, pool
from kenaz.codegen.routine import Routine
from kenaz.core import config
from kenaz.core import dtype as dtypes
from kenaz.core.spec import Spec, spec
from kenaz.graph.node import Call, Op
from kenaz.ops.windows import Window, conv_size
from kenaz.runtime import threads

OP = Op("convolution_of_a_test", "opaque", lambda call: None)  # type: ignore[arg-type, return-value]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


class Case:
    """A convolution with random operands, and its values in float64."""

    def __init__(self, x: tuple, w: tuple, stride: Any = 1, padding: Any = 0, dilation: Any = 1, **options: Any):
        axes = len(x) - 2
        pair = [v if isinstance(v, tuple) else (v,) * axes for v in (stride, padding, dilation)]
        self.groups, self.dtype = options.get("groups", 1), options.get("dtype", "float32")
        out = conv_size(x[2:], w[2:], *pair)
        self.window = Window(x[2:], w[2:], *pair, out)
        draw = np.random.default_rng(0)
        self.x, self.w, self.y = (draw.standard_normal(s).astype(self.dtype) for s in (x, w, (x[0], w[0], *out)))
        self.bias = draw.standard_normal(w[0]).astype(self.dtype) if options.get("bias") else None

    def taps(self, x: np.ndarray, g: int) -> Any:
        """For each tap its index, and the part of the padded input (a view) that it sees in a group."""
        channels = self.w.shape[1]
        padded = x[:, g * channels : (g + 1) * channels]
        _, kernel, stride, _, dilation, out = self.window
        for tap in itertools.product(*map(range, kernel)):
            at = zip(tap, stride, dilation, out, strict=True)
            yield tap, padded[(..., *(slice(t * d, t * d + (o - 1) * s + 1, s) for t, s, d, o in at))]

    def padded(self, x: np.ndarray) -> np.ndarray:
        sides = [(p, p + s) for p, s in zip(self.window.padding, self.window.stride, strict=True)]
        return np.pad(x.astype(np.float64), [(0, 0), (0, 0), *sides])

    def expected(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The result, the input's gradient and the weight's gradient."""
        features, places = len(self.w) // self.groups, [0, *range(2, self.x.ndim)]
        x, w = self.padded(self.x), self.w.astype(np.float64)
        y, dx, dw = np.zeros(self.y.shape), np.zeros(x.shape), np.zeros(w.shape)
        for g in range(self.groups):
            part = slice(g * features, (g + 1) * features)
            dy = self.y[:, part].astype(np.float64)
            for (tap, seen), (_, into) in zip(self.taps(x, g), self.taps(dx, g), strict=True):
                weight = w[(part, slice(None), *tap)]
                y[:, part] += np.moveaxis(np.tensordot(seen, weight, (1, 1)), -1, 1)
                into += np.moveaxis(np.tensordot(dy, weight, (1, 0)), -1, 1)
                dw[(part, slice(None), *tap)] = np.tensordot(dy, seen, (places, places))
        if self.bias is not None:
            y += self.bias.reshape(-1, *(1,) * len(self.window.out))
        inner = (slice(p, p + n) for p, n in zip(self.window.padding, self.window.size, strict=True))
        return y, dx[(..., *inner)], dw

    def call(self, inputs: tuple, out: np.ndarray) -> Call:
        attributes = {"window": self.window, "groups": self.groups}
        return Call(OP, tuple(type(None) if a is None else spec_of(a) for a in inputs), attributes, spec_of(out))

    def computed(self) -> list[np.ndarray]:
        return [
            self.run(conv.forward, (self.x, self.w, self.bias), self.y.shape),
            self.run(conv.input_gradient, (self.y, self.w, None), self.x.shape),
            self.run(conv.weight_gradient, (self.x, self.y), self.w.shape),
        ]

    def run(self, make: Any, inputs: tuple, size: tuple) -> np.ndarray:
        out = np.full(size, np.nan, self.dtype)
        routine = make(self.call(inputs, out))
        assert routine is not None
        routine.run(inputs, [out])
        return out

    def check(self) -> None:
        for name, found, wanted in zip(("y", "dx", "dw"), self.computed(), self.expected(), strict=True):
            error = np.abs(found - wanted).max() / np.abs(wanted).max()
            assert error < TOLERANCE[self.dtype], f"{name} of {self.window}: {error}"


def spec_of(a: np.ndarray) -> Spec:
    return spec(a.shape, tuple(q // a.itemsize for q in a.strides), getattr(dtypes, a.dtype.name))


CASES = {
    "lenet 1": Case((16, 1, 28, 28), (6, 1, 5, 5), padding=2, bias=True),
    "lenet 2": Case((16, 6, 14, 14), (16, 6, 5, 5), bias=True),
    "lenet 3: one place an image": Case((20, 16, 5, 5), (120, 16, 5, 5), bias=True),
    "stem": Case((2, 3, 64, 64), (64, 3, 7, 7), stride=2, padding=3),
    "rows of 56": Case((2, 16, 56, 56), (24, 16, 3, 3), padding=1),
    "rows of 7": Case((8, 96, 7, 7), (40, 96, 3, 3), padding=1),
    "deep": Case((2, 130, 9, 9), (70, 130, 3, 3), padding=1),
    "stride 2": Case((2, 20, 28, 28), (40, 20, 3, 3), stride=2, padding=1),
    "stride 3": Case((2, 5, 20, 31), (7, 5, 5, 4), stride=3, padding=2),
    "strides": Case((2, 5, 20, 31), (7, 5, 5, 4), stride=(2, 1), padding=(0, 3)),
    "pointwise": Case((3, 33, 12, 12), (17, 33, 1, 1), bias=True),
    "pointwise, stride 2": Case((3, 33, 12, 12), (17, 33, 1, 1), stride=2),
    "dilation": Case((2, 4, 17, 19), (8, 4, 3, 3), dilation=(2, 3), padding=2, stride=(1, 2)),
    "groups": Case((3, 24, 10, 10), (36, 8, 3, 3), groups=3, padding=1, bias=True),
    "many groups": Case((3, 32, 10, 10), (32, 4, 3, 3), groups=8, padding=1, stride=2),
    "a signal": Case((4, 6, 100), (9, 6, 7), stride=2, padding=3, bias=True),
    "a signal of one element": Case((4, 6, 1), (9, 6, 3), padding=1),
    "one of all": Case((1, 1, 1, 1), (1, 1, 1, 1), bias=True),
    "one place, of few images": Case((5, 7, 3, 4), (9, 7, 3, 4), bias=True),
    "one place, of many channels": Case((33, 40, 4, 4), (1, 40, 4, 4), dtype="float64"),
    "one place of a signal": Case((6, 3, 9), (20, 3, 9)),
    "padding beyond the input": Case((2, 3, 2, 2), (4, 3, 2, 2), padding=3),
    "depthwise": Case((2, 20, 17, 19), (20, 1, 3, 3), padding=1, groups=20, bias=True),
    "depthwise, stride 2": Case((2, 20, 17, 19), (40, 1, 3, 3), padding=1, groups=20, stride=2),
    "many rows of one channel": Case((9, 1, 28, 28), (32, 1, 3, 3), padding=1),
    "few rows, rows of 7": Case((5, 9, 7, 7), (6, 9, 3, 3), padding=1, bias=True),
    "few rows, deep": Case((3, 60, 12, 12), (3, 60, 3, 3), padding=1, bias=True),
    "few rows, stride 2": Case((3, 4, 30, 30), (12, 4, 5, 5), padding=2, stride=2),
    "few rows, groups": Case((3, 8, 14, 14), (8, 2, 3, 3), padding=1, groups=4, bias=True),
    "double": Case((3, 7, 15, 15), (20, 7, 3, 3), padding=1, bias=True, dtype="float64"),
    "double, stride 2": Case((3, 7, 15, 15), (20, 7, 3, 3), padding=1, stride=2, dtype="float64"),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    CASES[name].check()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_threads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "get_num_threads", lambda: count)
    for name in ("rows of 56", "stride 2", "many groups", "lenet 1"):
        CASES[name].check()


@pytest.mark.parametrize("width", [16, 32])
def test_narrow_vectors(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "vector_bytes", lambda: min(width, 64))
    for name in ("lenet 1", "stride 2", "rows of 7", "double"):
        CASES[name].check()


@pytest.mark.parametrize("name", CASES)
def test_along_images(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_images(CASES[name], 9, monkeypatch).check()


@pytest.mark.parametrize("images", [16, 33])
@pytest.mark.parametrize("name", ["lenet 2", "stride 2", "groups", "a signal", "depthwise", "double, stride 2"])
def test_along_images_with_threads(name: str, images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "get_num_threads", lambda: 2)
    with_images(CASES[name], images, monkeypatch).check()


def test_random_sizes_along_images(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in itertools.islice(random_cases(), 25):
        with_images(case, 17, monkeypatch).check()


def with_images(case: Case, images: int, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A case of so many images, and vectors along images said to gain time."""
    for name in ("TURNED", "TURNED_FAR", "PRODUCT"):
        monkeypatch.setattr(conv_batch, name, -1.0)
    conv._made.clear()
    options = {"groups": case.groups, "dtype": case.dtype, "bias": case.bias is not None}
    size, _, stride, padding, dilation, _ = case.window
    return Case((images, case.x.shape[1], *size), case.w.shape, stride, padding, dilation, **options)


def test_random_sizes() -> None:
    for case in itertools.islice(random_cases(), 60):
        case.check()


def random_cases() -> Iterator[Case]:
    """Cases that compiled code does, without end."""
    draw = random.Random(0)
    while True:
        groups, kernel = draw.choice((1, 1, 2, 3)), (draw.randint(1, 5), draw.randint(1, 5))
        x = (draw.randint(1, 6), groups * draw.randint(1, 9), draw.randint(1, 20), draw.randint(1, 40))
        w = (groups * draw.choice((1, 2, 5, 13, 30)), x[1] // groups, *kernel)
        window = [(draw.randint(low, 3), draw.randint(low, 3)) for low in (1, 0, 1)]
        if min(conv_size(x[2:], kernel, *window)) < 1:
            continue
        case = Case(x, w, *window, groups=groups, bias=draw.random() < 0.5, dtype=draw.choice(("float32", "float64")))
        if conv.input_gradient(case.call((case.y, case.w, None), case.x)) is not None:
            yield case


@pytest.mark.parametrize("layout", ["turned", "expanded", "every other", "last"])
def test_inputs_with_strides(layout: str) -> None:
    case = Case((3, 6, 12, 14), (8, 6, 3, 3), padding=1)
    case.x = _laid_out(case.x, layout)
    case.y = _laid_out(case.y, layout)
    case.w = np.ascontiguousarray(case.w.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    y, dx, dw = case.expected()
    found = [
        case.run(conv.forward, (case.x, case.w, None), y.shape),
        case.run(conv.input_gradient, (case.y, case.w, None), dx.shape),
        case.run(conv.weight_gradient, (case.x, case.y), dw.shape),
    ]
    for a, b in zip(found, (y, dx, dw), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


def _laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    if layout == "turned":
        return np.ascontiguousarray(x.swapaxes(2, 3)).swapaxes(2, 3)
    if layout == "expanded":
        return np.broadcast_to(x[:, :, :1, :1], x.shape)
    if layout == "every other":
        return np.repeat(x, 2, axis=3)[..., ::2]
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    "name", ["stride 2", "few rows, groups", "rows of 7", "lenet 3: one place an image", "a signal"]
)
def test_transposed_with_a_bias(name: str) -> None:
    case = CASES[name]
    bias = np.arange(case.x.shape[1]).astype(case.dtype)
    found = case.run(conv.input_gradient, (case.y, case.w, bias), case.x.shape)
    wanted = case.expected()[1] + bias.reshape(-1, *(1,) * len(case.window.out))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_nan_stays_where_it_is() -> None:
    case = Case((1, 2, 12, 12), (3, 2, 3, 3), padding=1)
    case.x[0, 0, 5, 5] = np.nan
    y = case.computed()[0]
    assert np.isnan(y[:, :, 4:7, 4:7]).all()
    assert np.isnan(y).sum() == 3 * 9


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages")
def test_nothing_is_read_or_written_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays and scratch memory, full of NaN at first, end where a page begins that may not be touched."""
    monkeypatch.setattr(Routine, "run", _run_before_a_wall)
    named = [CASES[name] for name in ("lenet 1", "pointwise", "stride 2", "depthwise")]
    along_images = [with_images(CASES[name], 9, monkeypatch) for name in ("lenet 2", "stride 3", "groups")]
    for case in (*named, WINOGRAD["rows of 13"], *along_images):
        whole = case.x, case.w, case.y
        case.x, case.w, case.y = map(_before_a_wall, whole)
        case.check()
        case.x, case.w, case.y = whole


def _run_before_a_wall(made: Routine, inputs: tuple, outputs: list) -> None:
    arrays = [np.zeros(1) if x is None else x for x in inputs] + [_before_a_wall(x) for x in outputs]
    room = _before_a_wall(np.full(-(-made.scratch // 64) * 64, 255, np.uint8))
    block = np.array([x.ctypes.data for x in (*arrays, room)] + made.words(), np.int64)
    for function, chunks in made.phases:
        pool.run(function, block, chunks)
    for x, y in zip(outputs, arrays[len(inputs) :], strict=True):
        x[...] = y


def _before_a_wall(a: np.ndarray) -> np.ndarray:
    page = mmap.PAGESIZE
    room = -(-a.nbytes // page) * page
    memory = mmap.mmap(-1, room + page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + room), ctypes.c_size_t(page), 0) == 0
    moved = np.frombuffer(memory, a.dtype, a.size, room - a.nbytes).reshape(a.shape)
    moved[...] = a
    return moved


def test_routines_are_made_once() -> None:
    case = Case((2, 3, 8, 8), (4, 3, 3, 3))
    calls = [case.call((case.x, case.w, None), case.y) for _ in range(2)]
    assert conv.forward(calls[0]) is conv.forward(calls[1])
    assert conv.forward(calls[0]) is not conv.forward(case.call((case.x, case.w, np.ones(4, np.float32)), case.y))


def test_what_is_left_to_numpy() -> None:
    case = Case((2, 3, 8, 8), (4, 3, 3, 3))
    half = case.x.astype(np.float16)
    assert conv.forward(case.call((half, case.w.astype(np.float16), None), case.y.astype(np.float16))) is None
    empty = Case((2, 3, 8, 8), (4, 3, 3, 3))
    assert conv.forward(empty.call((empty.x[:0], empty.w, None), empty.y[:0])) is None


WINOGRAD = {
    "rows of 13": Case((2, 66, 13, 15), (65, 66, 3, 3), padding=1, bias=True),
    "even rows": Case((3, 64, 8, 8), (64, 64, 3, 3), padding=1),
    "no padding": Case((1, 64, 9, 30), (70, 64, 3, 3), bias=True),
    "deep": Case((2, 300, 7, 7), (64, 300, 3, 3), padding=1),
    "padding 2": Case((2, 64, 6, 5), (64, 64, 3, 3), padding=2),
}


@pytest.mark.parametrize("name", WINOGRAD)
@pytest.mark.parametrize("on", [True, False])
def test_winograd(name: str, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "WINOGRAD", on)
    WINOGRAD[name].check()


def test_winograd_with_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "get_num_threads", lambda: 5)  # more than panels: rows are shared too
    WINOGRAD["padding 2"].check()


def test_winograd_is_a_switch() -> None:
    try:
        torch.backends.cpu.winograd = False
        assert config.WINOGRAD is False
    finally:
        torch.backends.cpu.winograd = True
    assert torch.backends.cpu.winograd is True
    assert torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
