"""Convolutions against plain loops; gradients by what defines them: <conv(x, w), g> = <x, dx> = <w, dw> for every g."""

import itertools
import random

import numpy as np
import pytest

import kenaz as torch
from kenaz.ops import convolution, windows
from kenaz.ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)

CONV = {1: conv1d, 2: conv2d, 3: conv3d}
TRANSPOSED = {1: conv_transpose1d, 2: conv_transpose2d, 3: conv_transpose3d}


def loops(x, w, stride, padding, dilation, groups):
    """The convolution as its definition says it."""
    axes = w.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    out = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], w.shape[2:], stride, dilation, strict=True)
    ]
    y = np.zeros((len(x), len(w), *out), x.dtype)
    each_in, each_out = w.shape[1], len(w) // groups
    for o in range(len(w)):
        part = x[:, o // each_out * each_in :][:, :each_in]
        for place in itertools.product(*map(range, out)):
            at = [
                slice(i * stride[a], i * stride[a] + dilation[a] * (w.shape[2 + a] - 1) + 1, dilation[a])
                for a, i in enumerate(place)
            ]
            y[(slice(None), o, *place)] = (part[(..., *at)] * w[o]).reshape(len(x), -1).sum(1)
    assert axes == len(out)
    return y


def draw(seed):
    """A random convolution: arrays x and w, and the attributes."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    axes = rng.choice([1, 2, 2, 3])
    kernel, stride, padding, dilation = (
        tuple(rng.choice(c) for _ in range(axes)) for c in ((1, 2, 3), (1, 1, 2, 3), (0, 0, 1, 2), (1, 1, 2))
    )
    groups, each_in, each_out = rng.choice([(1, 2, 3), (1, 1, 1), (2, 2, 1), (3, 1, 1), (2, 1, 2)])
    size = tuple(d * (k - 1) + 1 + rng.randint(0, 4) for k, d in zip(kernel, dilation, strict=True))
    x = numbers.standard_normal((rng.choice([1, 2, 3]), groups * each_in, *size))
    w = numbers.standard_normal((groups * each_out, each_in, *kernel))
    return x, w, stride, padding, dilation, groups


def dot(a, b):
    return float((np.asarray(a) * np.asarray(b)).sum())


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("tile", [(1 << 20, 256), (200, 3)])
def test_convolution(seed, tile, monkeypatch):
    monkeypatch.setattr(windows, "TILE_BYTES", tile[0])
    monkeypatch.setattr(windows, "TILE_COLUMNS", tile[1])
    monkeypatch.setattr(convolution, "BLOCK_ELEMENTS", tile[0])
    x, w, *attributes = draw(seed)
    stride, padding, dilation, groups = attributes
    b = np.arange(float(len(w)))
    tx, tw, tb = (torch.from_numpy(a.copy()).requires_grad_() for a in (x, w, b))
    y = CONV[x.ndim - 2](tx, tw, tb, stride, padding, dilation, groups)
    expected = loops(x, w, stride, padding, dilation, groups)
    np.testing.assert_allclose(y.detach().numpy(), expected + b.reshape(-1, *(1,) * (x.ndim - 2)), atol=1e-12)
    g = np.random.default_rng(seed).standard_normal(y.shape)
    y.backward(torch.from_numpy(g))
    assert tx.grad.shape == x.shape and tw.grad.shape == w.shape
    v, u = np.random.default_rng(1).standard_normal(x.shape), np.random.default_rng(2).standard_normal(w.shape)
    assert dot(loops(v, w, *attributes), g) == pytest.approx(dot(v, tx.grad.numpy()))
    assert dot(loops(x, u, *attributes), g) == pytest.approx(dot(u, tw.grad.numpy()))
    np.testing.assert_allclose(tb.grad.numpy(), g.sum((0, *range(2, g.ndim))))


@pytest.mark.parametrize("seed", range(30))
def test_transposed_is_the_adjoint(seed):
    x, w, stride, padding, dilation, groups = draw(seed)
    axes = x.ndim - 2
    rng = random.Random(seed)
    added = tuple(rng.randrange(max(s, d)) for s, d in zip(stride, dilation, strict=True))
    y = np.random.default_rng(seed).standard_normal((2, len(w), *(rng.randint(2, 4) for _ in range(axes))))
    size = windows.transposed_size(y.shape[2:], w.shape[2:], stride, padding, dilation, added)
    if min(size) < 1:
        pytest.skip("nothing is left")
    ty, tw = (torch.from_numpy(a.copy()).requires_grad_() for a in (y, w))
    result = TRANSPOSED[axes](ty, tw, None, stride, padding, added, groups, dilation)
    assert result.shape[2:] == size
    v = np.random.default_rng(1).standard_normal(result.shape)
    there = loops(v, w, stride, padding, dilation, groups)[(..., *(slice(n) for n in y.shape[2:]))]
    assert dot(result.detach().numpy(), v) == pytest.approx(dot(y, there))
    result.backward(torch.from_numpy(v))
    np.testing.assert_allclose(ty.grad.numpy(), there, atol=1e-12)
    assert dot(tw.grad.numpy(), w) == pytest.approx(dot(y, there))  # linear in the weight too


def test_second_derivatives_are_convolutions():
    rng = np.random.default_rng(0)
    x, w = (torch.from_numpy(rng.standard_normal(s)).requires_grad_() for s in ((2, 2, 5, 4), (3, 2, 3, 2)))
    g = torch.from_numpy(rng.standard_normal((2, 3, 2, 2))).requires_grad_()
    y = conv2d(x, w, stride=2)
    dx, dw = torch.autograd.grad(y, (x, w), g, create_graph=True)
    v, u = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
    ddx, ddw, ddg = torch.autograd.grad([dx, dw], [x, w, g], [torch.from_numpy(v), torch.from_numpy(u)])
    of = ((2, 2), (0, 0), (1, 1), 1)
    expected = loops(v, w.detach().numpy(), *of) + loops(x.detach().numpy(), u, *of)
    np.testing.assert_allclose(ddg.numpy(), expected, atol=1e-12)
    assert dot(ddx.numpy(), v) == pytest.approx(dot(loops(v, u, *of), g.detach().numpy()))
    assert dot(ddw.numpy(), u) == pytest.approx(dot(loops(v, u, *of), g.detach().numpy()))


def test_named_padding():
    x, w = torch.ones(1, 1, 4), torch.ones(1, 1, 3)
    assert conv1d(x, w, padding="same").tolist() == [[[2, 3, 3, 2]]]
    assert conv1d(x, w, padding="valid").tolist() == [[[3, 3]]]
    with pytest.warns(UserWarning, match="even kernel lengths and odd dilation"):
        assert conv1d(x, torch.ones(1, 1, 2), padding="same").tolist() == [[[2, 2, 2, 1]]]  # the odd element is behind


def test_one_image_without_a_batch():
    x, w = torch.ones(2, 4, 4), torch.ones(3, 2, 3, 3)
    assert conv2d(x, w).shape == (3, 2, 2)
    assert conv_transpose2d(torch.ones(3, 4, 4), w).shape == (2, 6, 6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.complex64])
def test_dtypes(dtype):
    x, w = torch.ones(1, 2, 4, 4).to(dtype), torch.ones(1, 2, 3, 3).to(dtype)
    y = conv2d(x, w, padding=1)
    assert y.dtype is dtype and y.to(torch.float32).tolist()[0][0][0] == [8, 12, 12, 8]


def test_empty_batch_and_no_channels():
    assert conv2d(torch.zeros(0, 3, 8, 8), torch.zeros(4, 3, 3, 3)).shape == (0, 4, 6, 6)
    y = conv2d(torch.zeros(1, 0, 8, 8), torch.zeros(4, 0, 3, 3), torch.ones(4))
    assert y.shape == (1, 4, 6, 6) and y.sum().item() == 144


def test_grad_fn_and_what_it_keeps():
    x, w = torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3, requires_grad=True)
    assert conv2d(x, w).grad_fn.name() == "ConvolutionBackward0"
    assert conv_transpose2d(torch.ones(1, 3, 4, 4), w).grad_fn.name() == "ConvolutionBackward0"
    fn = conv2d(x, w).grad_fn
    assert fn.next_functions[0][0] is None and fn.next_functions[1][0].name().endswith("AccumulateGrad")


z = torch.zeros
ERRORS = [
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 2, 3, 3)),
     ("Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 8, 8] to have 2 channels, but got 3 "
      "channels instead")),
    (lambda: conv2d(z(8, 8), z(4, 3, 3, 3)),
     "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [8, 8]"),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3)),
     ("expected stride to be a single integer value or a list of 1 values to match the convolution dimensions, "
      "but got stride=[1, 1]")),
    (lambda: conv2d(z(1, 3, 2, 2), z(4, 3, 3, 3)),
     ("Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't be greater "
      "than actual input size")),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), z(3)),
     ("Given weight of size [4, 3, 3, 3], expected bias to be 1-dimensional with 4 elements, but got bias of "
      "size [3] instead")),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), stride=0), "non-positive stride is not supported"),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), padding=-1), "negative padding is not supported"),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), dilation=-1), "dilation should be greater than zero"),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), groups=0), "non-positive groups is not supported"),
    (lambda: conv2d(z(1, 4, 8, 8), z(3, 2, 3, 3), groups=2),
     ("Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of size [[3, 2, 3, "
      "3]] instead")),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), padding="foo"), "Invalid padding string: 'foo'"),
    (lambda: conv2d(z(1, 3, 8, 8), z(4, 3, 3, 3), padding="same", stride=2),
     "padding='same' is not supported for strided convolutions"),
    (lambda: conv2d(z(1, 3, 8, 8).double(), z(4, 3, 3, 3)), "expected scalar type Double but found Float"),
    (lambda: conv2d(z(1, 3, 8, 8).long(), z(4, 3, 3, 3), z(4)),
     "Input type (long int) and bias type (float) should be the same"),
    (lambda: conv1d(z(1, 1, 4), z(1, 2)), "weight should have at least three dimensions"),
    (lambda: conv_transpose2d(z(1, 3, 8, 8), z(4, 3, 3, 3)),
     ("Given transposed=1, weight of size [4, 3, 3, 3], expected input[1, 3, 8, 8] to have 4 channels, but got "
      "3 channels instead")),
    (lambda: conv_transpose2d(z(1, 4, 8, 8), z(4, 3, 3, 3), output_padding=1),
     ("output padding must be smaller than either stride or dilation, but got output_padding_height: 1 "
      "output_padding_width: 1 stride_height: 1 stride_width: 1 dilation_height: 1 dilation_width: 1")),
    (lambda: conv_transpose2d(z(1, 4, 1, 1), z(4, 3, 1, 1), padding=3),
     ("Given input size per channel: (1 x 1). Calculated output size per channel: (-5 x -5). Output size is too "
      "small")),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value) == message


def test_not_a_tensor():
    with pytest.raises(
        TypeError, match=r"conv2d\(\) received an invalid combination of arguments - got \(int, Tensor\)"
    ):
        conv2d(1, z(4, 3, 3, 3))
