"""Pooling against plain loops; gradients of linear ones by <pool(x), g> = <x, dx>."""

import itertools
import random

import numpy as np
import pytest

import kenaz as torch
from kenaz.ops import pooling as P
from kenaz.ops.windows import pool_size

MAX = {1: P.max_pool1d, 2: P.max_pool2d, 3: P.max_pool3d}
MAX_WITH_INDICES = {1: P.max_pool1d_with_indices, 2: P.max_pool2d_with_indices, 3: P.max_pool3d_with_indices}
AVERAGE = {1: P.avg_pool1d, 2: P.avg_pool2d, 3: P.avg_pool3d}
ADAPTIVE_AVERAGE = {1: P.adaptive_avg_pool1d, 2: P.adaptive_avg_pool2d, 3: P.adaptive_avg_pool3d}
ADAPTIVE_MAX = {1: P.adaptive_max_pool1d, 2: P.adaptive_max_pool2d, 3: P.adaptive_max_pool3d}


def draw(seed):
    """A random pooling: an array, and its attributes."""
    rng = random.Random(seed)
    axes = rng.choice([1, 2, 2, 3])
    kernel, stride, dilation = (tuple(rng.choice(c) for _ in range(axes)) for c in ((1, 2, 3), (1, 2, 3), (1, 1, 2)))
    padding = tuple(rng.randint(0, k // 2) for k in kernel)
    size = tuple(d * (k - 1) + 1 + rng.randint(0, 4) for k, d in zip(kernel, dilation, strict=True))
    lead = rng.choice([(2, 3), (3,)])
    x = np.random.default_rng(seed).integers(-9, 9, (*lead, *size)).astype(float)
    return x, kernel, stride, padding, dilation, rng.random() < 0.5


def places(start, kernel, dilation, size):
    """The places inside an axis that a window sees."""
    return [i for i in range(start, start + kernel * dilation, dilation) if 0 <= i < size]


def windows_of(x, kernel, stride, padding, dilation, out):
    """For each place of the result, the indices along each axis that its window sees."""
    size = x.shape[-len(kernel) :]
    for at in itertools.product(*map(range, out)):
        starts = (i * s - p for i, s, p in zip(at, stride, padding, strict=True))
        yield at, [places(*a) for a in zip(starts, kernel, dilation, size, strict=True)]


@pytest.mark.parametrize("seed", range(40))
def test_maximum(seed):
    x, kernel, stride, padding, dilation, ceil_mode = draw(seed)
    axes, size = len(kernel), x.shape[-len(kernel) :]
    out = pool_size(size, kernel, stride, padding, dilation, ceil_mode)
    values, indices = np.empty((*x.shape[:-axes], *out)), np.empty((*x.shape[:-axes], *out), int)
    flat = np.arange(np.prod(size)).reshape(size)
    for at, seen in windows_of(x, kernel, stride, padding, dilation, out):
        part = x[(..., *np.ix_(*seen))].reshape(*x.shape[:-axes], -1)
        values[(..., *at)] = part.max(-1)
        indices[(..., *at)] = flat[np.ix_(*seen)].reshape(-1)[part.argmax(-1)]
    t = torch.from_numpy(x.copy())
    found = MAX_WITH_INDICES[axes](t, kernel, stride, padding, dilation, ceil_mode)
    assert np.array_equal(found[0].numpy(), values) and np.array_equal(found[1].numpy(), indices)
    assert np.array_equal(MAX[axes](t, kernel, stride, padding, dilation, ceil_mode).numpy(), values)
    t.requires_grad_()
    y = MAX[axes](t, kernel, stride, padding, dilation, ceil_mode)
    assert np.array_equal(y.detach().numpy(), values)
    g = np.random.default_rng(seed).standard_normal(y.shape)
    y.backward(torch.from_numpy(g))
    expected = np.zeros((int(np.prod(x.shape[:-axes])), flat.size))
    for row, at, value in zip(expected, indices.reshape(len(expected), -1), g.reshape(len(expected), -1), strict=True):
        np.add.at(row, at, value)
    np.testing.assert_allclose(t.grad.numpy(), expected.reshape(x.shape))


def test_maximum_of_nothing_but_minus_infinity_or_nan():
    low = torch.full((1, 3, 3), -float("inf"))
    assert P.max_pool2d_with_indices(low, 2, 1, 1)[1][0].tolist() == [
        [0, 0, 1, 2],
        [0, 0, 1, 2],
        [3, 3, 4, 5],
        [6, 6, 7, 8],
    ]
    x = torch.tensor([[[1.0, float("nan")], [float("nan"), 2.0]]])
    value, index = P.max_pool2d_with_indices(x, 2)
    assert np.isnan(value.item()) and index.item() == 2


@pytest.mark.parametrize("count_pad", [True, False])
@pytest.mark.parametrize("seed", range(30))
def test_average(seed, count_pad):
    x, kernel, stride, padding, _, ceil_mode = draw(seed)
    axes, size, ones = len(kernel), x.shape[-len(kernel) :], (1,) * len(kernel)
    divisor = random.Random(seed).choice([None, 5]) if axes > 1 else None
    out = pool_size(size, kernel, stride, padding, ones, ceil_mode)

    def means(x):
        result = np.empty((*x.shape[:-axes], *out))
        for at, seen in windows_of(x, kernel, stride, padding, ones, out):
            starts = [i * s - p for i, s, p in zip(at, stride, padding, strict=True)]
            reached = [min(b + k, n + p) - b for b, k, n, p in zip(starts, kernel, size, padding, strict=True)]
            count = divisor or (np.prod(reached) if count_pad else np.prod([len(s) for s in seen]))
            result[(..., *at)] = x[(..., *np.ix_(*seen))].reshape(*x.shape[:-axes], -1).sum(-1) / count
        return result

    t = torch.from_numpy(x.copy()).requires_grad_()
    y = AVERAGE[axes](t, kernel, stride, padding, ceil_mode, count_pad, *(() if axes == 1 else (divisor,)))
    np.testing.assert_allclose(y.detach().numpy(), means(x))
    g, v = np.random.default_rng(seed).standard_normal(y.shape), np.random.default_rng(1).standard_normal(x.shape)
    y.backward(torch.from_numpy(g))
    assert (t.grad.numpy() * v).sum() == pytest.approx((means(v) * g).sum())


@pytest.mark.parametrize(("size", "out"), [((5,), (3,)), ((6, 4), (3, 2)), ((5, 7), (3, 4)), ((3, 5, 4), (2, 2, 4))])
def test_adaptive(size, out):
    x = np.random.default_rng(0).standard_normal((2, 3, *size))
    axes = len(size)

    def parts(x):
        for at in itertools.product(*map(range, out)):
            seen = [slice(i * n // o, -(-(i + 1) * n // o)) for i, n, o in zip(at, size, out, strict=True)]
            yield at, x[(..., *seen)].reshape(2, 3, -1)

    t = torch.from_numpy(x.copy()).requires_grad_()
    mean, (most, where) = ADAPTIVE_AVERAGE[axes](t, out), ADAPTIVE_MAX[axes](t, out)
    for at, part in parts(x):
        np.testing.assert_allclose(mean.detach().numpy()[(..., *at)], part.mean(-1))
        assert np.array_equal(most.detach().numpy()[(..., *at)], part.max(-1))
        taken = np.take_along_axis(x.reshape(2, 3, -1), where.numpy()[(..., *at)][..., None], -1)[..., 0]
        assert np.array_equal(taken, part.max(-1))
    g, v = np.random.default_rng(1).standard_normal(mean.shape), np.random.default_rng(2).standard_normal(x.shape)
    (dx,) = torch.autograd.grad(mean, t, torch.from_numpy(g))
    expected = sum((part.mean(-1) * g[(..., *at)]).sum() for at, part in parts(v))
    assert (dx.numpy() * v).sum() == pytest.approx(expected)
    (dx,) = torch.autograd.grad(most, t, torch.from_numpy(g))
    assert dx.numpy().sum() == pytest.approx(g.sum())


def test_second_derivatives():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 2, 5, 5))).requires_grad_()
    for pool in (
        lambda x: P.max_pool2d(x, 3, 2, 1),
        lambda x: P.avg_pool2d(x, 3, 2, 1),
        lambda x: P.adaptive_avg_pool2d(x, 3),
        lambda x: P.unfold(x, 2),
    ):
        y = pool(x)
        g = torch.from_numpy(np.random.default_rng(1).standard_normal(y.shape)).requires_grad_()
        (dx,) = torch.autograd.grad(y, x, g, create_graph=True)
        v = np.random.default_rng(2).standard_normal(x.shape)
        (dg,) = torch.autograd.grad(dx, g, torch.from_numpy(v))
        assert (dg.numpy() * g.detach().numpy()).sum() == pytest.approx((dx.detach().numpy() * v).sum())


def test_unpooling_puts_maxima_back():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    values, indices = P.max_pool2d_with_indices(x, 2)
    assert P.max_unpool2d(values, indices, (4, 4))[0, 0].tolist() == [
        [0, 0, 0, 0], [0, 5, 0, 7], [0, 0, 0, 0], [0, 13, 0, 15]]  # fmt: skip
    with pytest.raises(RuntimeError, match=r"Found an invalid max index: 99 \(output volumes are of size 4x4\)"):
        P.max_unpool2d(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 99), (4, 4)).tolist()


def test_fractional_windows():
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    samples = torch.tensor([[[0.1, 0.9]]])
    values, indices = P.fractional_max_pool2d(x, 2, (3, 3), samples)
    assert values.tolist() == [[[[6, 7, 9], [11, 12, 14], [21, 22, 24]]]]
    assert indices.tolist() == [[[[6, 7, 9], [11, 12, 14], [21, 22, 24]]]]


def test_columns_and_back():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    columns = P.unfold(x, 2)
    assert columns.tolist() == [[[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]]
    assert P.fold(columns, (3, 3), 2).tolist() == [[[[0, 2, 2], [6, 16, 10], [6, 14, 8]]]]
    assert P.unfold(torch.zeros(2, 4, 5), (2, 3), dilation=2, padding=1, stride=2).shape == (12, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_dtypes(dtype):
    x = torch.arange(16).reshape(1, 1, 4, 4).to(dtype)
    assert P.max_pool2d(x, 2).dtype is dtype and P.max_pool2d(x, 2).tolist() == [[[[5, 7], [13, 15]]]]
    assert (
        P.avg_pool2d(x, 2).tolist() == [[[[2, 4], [10, 12]]]]
        if dtype is torch.int64
        else P.avg_pool2d(x, 2).dtype is dtype
    )


def test_names_of_grad_fn():
    x = torch.zeros(1, 2, 4, 4, requires_grad=True)
    assert P.max_pool2d(x, 2).grad_fn.name() == "MaxPool2DWithIndicesBackward0"
    assert P.avg_pool2d(x, 2).grad_fn.name() == "AvgPool2DBackward0"
    assert P.adaptive_avg_pool2d(x, 2).grad_fn.name() == "AdaptiveAvgPool2DBackward0"
    assert P.adaptive_avg_pool2d(x, 1).grad_fn.name().startswith("MeanBackward")
    assert P.unfold(x, 2).grad_fn.name() == "Im2ColBackward0"


z = torch.zeros
ERRORS = [
    (lambda: P.max_pool2d(z(8, 8), 2), "non-empty 3D or 4D (batch mode) tensor expected for input"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), 3, padding=2),
     "pad should be at most half of effective kernel size, but got pad=2, kernel_size=3 and dilation=1"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), 9),
     "Given input size: (3x8x8). Calculated output size: (3x0x0). Output size is too small"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), 0), "stride should not be zero"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), 0, 1), "kernel size should be greater than zero, but got kH: 0 kW: 0"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), 2, dilation=0),
     "dilation should be greater than zero, but got dilationH: 0 dilationW: 0"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), (2, 2, 2)),
     "max_pool2d: kernel_size must either be a single int, or a tuple of two ints"),
    (lambda: P.max_pool2d(z(1, 0, 8, 8), 2),
     "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:[1, 0, 8, 8]"),
    (lambda: P.max_pool2d(z(1, 3, 8, 8), 3, 2, (2, 0), 2),
     "pad should be smaller than or equal to half of kernel size, but got padW = 0, padH = 2, kW = 3, kH = 3"),
    (lambda: P.max_pool1d(z(1, 3, 8), 9), "max_pool1d() Invalid computed output size: 0"),
    (lambda: P.max_pool1d(z(8), 2),
     "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:[8]"),
    (lambda: P.avg_pool2d(z(1, 1, 8, 8), 2, divisor_override=0), "divisor must be not zero"),
    (lambda: P.avg_pool3d(z(1, 1, 2, 2, 2), 3),
     "input image (T: 2 H: 2 W: 2) smaller than kernel size (kT: 3 kH: 3 kW: 3)"),
    (lambda: P.avg_pool1d(z(8), 2),
     ("Expected 2 to 3 dimensions, but got 1-dimensional tensor for argument #1 'self' (while checking "
      "arguments for avg_pool1d)")),
    (lambda: P.adaptive_avg_pool2d(z(1, 3, 8, 8), -1),
     "adaptive_avg_pool2d: elements of output_size must be greater than or equal to 0 but received {-1, -1}"),
    (lambda: P.adaptive_max_pool2d(z(1, 3, 8, 8), -1),
     "Trying to create tensor with negative dimension -1: [1, 3, -1, -1]"),
    (lambda: P.unfold(z(1, 3, 8, 8), 9),
     ("Given input with spatial size (8, 8), kernel_size=(9, 9), dilation=(1, 1), padding=(0, 0), calculated "
      "shape of the array of sliding blocks as (0, 0), but its components must be at least one.")),
    (lambda: P.fold(z(1, 12, 8), (4, 4), 2),
     ("Given output_size=(4, 4), kernel_size=(2, 2), dilation=(1, 1), padding=(0, 0), stride=(1, 1), expected "
      "size of input's dimension 2 to match the calculated number of sliding blocks 3 * 3 = 9, but got "
      "input.size(2)=8.")),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value) == message


def test_dtypes_that_pytorch_lacks():
    with pytest.raises(NotImplementedError, match="\"max_pool2d\" not implemented for 'Bool'"):
        P.max_pool2d(z(1, 3, 8, 8).bool(), 2)
    with pytest.raises(NotImplementedError, match="\"avg_pool2d\" not implemented for 'Int'"):
        P.avg_pool2d(z(1, 3, 8, 8).int(), 2)
