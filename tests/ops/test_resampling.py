"""Interpolation and grid sampling: PyTorch's numbers for small cases, and derivatives from differences."""

import numpy as np
import pytest

import kenaz as torch
from kenaz.ops import grids as G
from kenaz.ops import resampling as R

ROW = [[[0.0, 1.0, 4.0, 9.0]]]


@pytest.mark.parametrize(
    ("function", "size", "arguments", "expected"),
    [
        (R.upsample_nearest1d, 6, (), [0, 0, 1, 4, 4, 9]),
        (R.upsample_nearest1d, 3, (), [0, 1, 4]),
        (R.upsample_nearest_exact1d, 6, (), [0, 1, 1, 4, 9, 9]),
        (R.upsample_nearest_exact1d, 3, (), [0, 4, 9]),
        (R.upsample_linear1d, 6, (False,), [0, 0.5, 1.5, 3.5, 6.5, 9]),
        (R.upsample_linear1d, 3, (True,), [0, 2.5, 9]),
        (R.upsample_linear1d, 5, (False, (1.3,)), [0, 0.653846, 2.269231, 4.961538, 8.807693]),
    ],
)
def test_signals(function, size, arguments, expected):
    np.testing.assert_allclose(function(torch.tensor(ROW), [size], *arguments)[0, 0].numpy(), expected, rtol=1e-5)


IMAGE = [[[[0.0, 1.0, 2.0], [3.0, 5.0, 8.0]]]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: R.upsample_bilinear2d(x, (3, 2), False), [[0.25, 1.75], [1.875, 4.5], [3.5, 7.25]]),
        (lambda x: R.upsample_bilinear2d(x, (3, 2), True), [[0, 2], [1.5, 5], [3, 8]]),
        (
            lambda x: R.upsample_bicubic2d(x, (3, 2), False),
            [[-0.082574, 1.324043], [1.769531, 4.599609], [3.621636, 7.875176]],
        ),
        (lambda x: R.upsample_bilinear2d_aa(x, (3, 2), False), [[0.375, 1.625], [2.0625, 4.25], [3.75, 6.875]]),
        (lambda x: R.upsample_nearest2d(x, (1, 3)), [[0, 1, 2]]),
    ],
)
def test_images(function, expected):
    np.testing.assert_allclose(function(torch.tensor(IMAGE))[0, 0].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_bytes_are_rounded():
    x = torch.tensor([[[[0, 100], [200, 255]]]]).to(torch.uint8)
    assert R.upsample_bilinear2d(x, (3, 3), False).tolist() == [[[[0, 50, 100], [100, 139, 178], [200, 228, 255]]]]
    assert R.upsample_nearest2d(x, (3, 1)).tolist() == [[[[0], [0], [200]]]]


MODES = [
    *((f, 1) for f in (R.upsample_nearest1d, R.upsample_nearest_exact1d, R.upsample_linear1d)),
    *((f, 2) for f in (R.upsample_nearest2d, R.upsample_nearest_exact2d, R.upsample_bilinear2d, R.upsample_bicubic2d)),
    *((f, 2) for f in (R.upsample_bilinear2d_aa, R.upsample_bicubic2d_aa, R.upsample_lanczos2d_aa)),
    *((f, 3) for f in (R.upsample_nearest3d, R.upsample_nearest_exact3d, R.upsample_trilinear3d)),
]


@pytest.mark.parametrize(("function", "axes"), MODES)
@pytest.mark.parametrize("out", [(7, 2, 3), (3, 5, 8)])
def test_derivative_is_the_transpose(function, axes, out):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((2, 3, *(4, 5, 3)[:axes]))).requires_grad_()
    y = function(x, out[:axes])
    g = torch.from_numpy(rng.standard_normal(y.shape)).requires_grad_()
    (dx,) = torch.autograd.grad(y, x, g, create_graph=True)
    v = torch.from_numpy(rng.standard_normal(x.shape))
    assert (dx.detach() * v).sum().item() == pytest.approx((g.detach() * function(v, out[:axes])).sum().item())
    (dg,) = torch.autograd.grad(dx, g, v)
    np.testing.assert_allclose(dg.numpy(), function(v, out[:axes]).numpy(), atol=1e-12)


def test_infinity_stays_where_it_was():
    x = torch.tensor([[[float("inf"), 1.0, 2.0, 3.0]]])
    assert R.upsample_linear1d(x, [2])[0, 0].tolist() == [float("inf"), 2.5]


def test_names_of_grad_fn():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    assert R.upsample_nearest2d(x, (2, 2)).grad_fn.name() == "UpsampleNearest2DBackward0"
    assert R.upsample_bilinear2d_aa(x, (2, 2)).grad_fn.name() == "UpsampleBilinear2DAaBackward0"
    assert R.pixel_unshuffle(x, 2).grad_fn.name() == "PixelUnshuffleBackward0"
    assert G.grid_sample(x, torch.zeros(1, 1, 1, 2)).grad_fn.name() == "GridSampler2DBackward0"


def test_grid_of_pytorch():
    x, grid = torch.tensor(IMAGE), torch.tensor([[[[-1.0, -1.0], [0.2, 0.4], [1.5, -0.3]]]])
    expected = {
        ("bilinear", "zeros", False): [0, 5.44, 0],
        ("bilinear", "border", True): [0, 4.28, 4.1],
        ("bilinear", "reflection", False): [0, 5.44, 2.85],
        ("nearest", "zeros", True): [0, 5, 2],
        ("bicubic", "border", False): [-0.366211, 5.674699, 3.056003],
    }
    for (mode, padding, align), values in expected.items():
        np.testing.assert_allclose(
            G.grid_sample(x, grid, mode, padding, align)[0, 0, 0].numpy(), values, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("mode", "axes"), [("bilinear", 2), ("bicubic", 2), ("bilinear", 3), ("nearest", 3)])
def test_derivatives_of_grid_sampling(mode, axes, padding, align):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((2, 2, *(4, 3, 5)[:axes]))).requires_grad_()
    grid = torch.from_numpy(rng.standard_normal((2, *(2, 3, 2)[:axes], axes))).requires_grad_()
    of = (mode, padding, align)
    y = G.grid_sample(x, grid, *of)
    g = torch.from_numpy(rng.standard_normal(y.shape))
    y.backward(g)
    v, u, step = torch.from_numpy(rng.standard_normal(x.shape)), rng.standard_normal(grid.shape), 1e-6
    there = (G.grid_sample(v, grid.detach(), *of) * g).sum().item()
    assert (x.grad * v).sum().item() == pytest.approx(there)
    ahead, behind = (
        (G.grid_sample(x.detach(), torch.from_numpy(grid.detach().numpy() + s * u), *of) * g).sum().item()
        for s in (step, -step)
    )
    assert (grid.grad.numpy() * u).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-5, abs=1e-5)


def test_affine_grid():
    theta = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 1.0, -0.5]]], requires_grad=True)
    grid = G.affine_grid(theta, (1, 1, 2, 2), True)
    assert grid.tolist() == [[[[-1, -1.5], [3, -1.5]], [[-1, 0.5], [3, 0.5]]]]
    grid.sum().backward()
    assert theta.grad.tolist() == [[[0, 0, 4], [0, 0, 4]]]


def test_channels_and_pixels():
    x = torch.arange(16).reshape(1, 4, 2, 2)
    y = R.pixel_shuffle(x, 2)
    assert y.tolist() == [[[[0, 4, 1, 5], [8, 12, 9, 13], [2, 6, 3, 7], [10, 14, 11, 15]]]]
    assert R.pixel_unshuffle(y, 2).tolist() == x.tolist()
    assert R.channel_shuffle(x, 2)[0, :, 0, 0].tolist() == [0, 8, 4, 12]


z = torch.zeros
ERRORS = [
    (lambda: R.upsample_nearest2d(z(1, 1, 4, 4), (0, 0)),
     "Input and output sizes should be greater than 0, but got input (H: 4, W: 4) output (H: 0, W: 0)"),
    (lambda: R.upsample_bilinear2d(z(1, 0, 4, 4), (2, 2)),
     "Non-empty 4D data tensor expected but got a tensor with sizes [1, 0, 4, 4]"),
    (lambda: G.grid_sample(z(1, 1, 4, 4), z(1, 2, 2, 3)),
     "grid_sampler(): expected grid to have size 2 in last dimension, but got grid with sizes [1, 2, 2, 3]"),
    (lambda: G.grid_sample(z(1, 1, 4, 4), z(1, 2, 2)),
     ("grid_sampler(): expected 4D input and grid with same number of dimensions, but got input with sizes [1, "
      "1, 4, 4] and grid with sizes [1, 2, 2]")),
    (lambda: R.pixel_shuffle(z(1, 3, 4, 4), 2),
     ("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
      "but input.size(-3)=3 is not divisible by 4")),
    (lambda: R.channel_shuffle(z(1, 3, 4, 4), 2),
     "Number of channels must be divisible by groups. Got 3 channels and 2 groups."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value) == message
