"""Operators of vision models against torchvision's results, and against what they are made of."""

import json
from pathlib import Path

import pytest

import kenaz as torch
from kenaz.vision import ops
from tests.vision import ops_cases

GOLDENS = json.loads((Path(__file__).parent / "ops.json").read_text("utf-8"))


@pytest.mark.parametrize("case", ops_cases.CASES)
def test_as_torchvision(case: str) -> None:
    shape, dtype, sums, drawn = ops_cases.run(torch, ops, case)
    wanted = GOLDENS[case]
    assert [shape, dtype, drawn] == [wanted[0], wanted[1], wanted[3]]
    assert sums == pytest.approx(wanted[2], abs=1e-3, rel=1e-5)


def test_roi_pool_takes_the_largest_of_each_bin() -> None:
    x = torch.arange(2 * 36.0).view(1, 2, 6, 6)
    out = ops.roi_pool(x, torch.tensor([[0.0, 0, 0, 10, 10]]), (2, 3), spatial_scale=0.5)
    assert out.tolist() == [[[[13.0, 15.0, 17.0], [31.0, 33.0, 35.0]], [[49.0, 51.0, 53.0], [67.0, 69.0, 71.0]]]]
    # bins of a region that is 5 pixels wide share a pixel; what lies outside is 0
    assert ops.RoIPool(2, 1.0)(x, [torch.tensor([[0.0, 0, 4, 4], [-9, -9, -7, -7]])])[:, 0].tolist() == [
        [[14.0, 16.0], [26.0, 28.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ]


def test_position_sensitive_align_picks_channels_of_align() -> None:
    x = torch.rand(2, 2 * 6, 7, 8)
    rois = torch.tensor([[0, 0.3, 0.2, 4.1, 5.0], [1, -1, 2, 9, 7], [0, 3, 3, 3, 3]])
    whole = ops.roi_align(x, rois, (2, 3), 0.8, 2, aligned=True).view(3, 2, 2, 3, 2, 3)
    out = ops.PSRoIAlign((2, 3), 0.8, 2)(x, rois)
    assert out.shape == (3, 2, 2, 3)
    for i in range(2):
        for j in range(3):
            assert torch.allclose(out[:, :, i, j], whole[:, :, i, j, i, j], atol=1e-6)


def test_position_sensitive_pooling_takes_means_of_bins() -> None:
    x = torch.arange(8 * 36.0).view(1, 8, 6, 6)
    out = ops.PSRoIPool(2, 0.5)(x, torch.tensor([[0.0, 2, 0, 10, 8]]))  # columns 1 to 4, rows 0 to 3
    windows = [(slice(2 * i, 2 * i + 2), slice(1 + 2 * j, 3 + 2 * j)) for i in range(2) for j in range(2)]
    assert out.flatten().tolist() == [x[0, c][windows[c % 4]].mean().item() for c in range(8)]
    # the last row and column do not count, and outside of them there is nothing
    edge = ops.ps_roi_pool(x, [torch.tensor([[4.0, 4, 8, 8], [7, 7, 9, 9]])], (1, 1))
    assert edge[0].flatten().tolist() == x[0, :, 4, 4].tolist() and edge[1].abs().sum() == 0
    assert repr(ops.PSRoIPool(2, 0.5)) == "PSRoIPool(output_size=2, spatial_scale=0.5)"


def test_position_sensitive_gradients() -> None:
    x = torch.rand(1, 8, 5, 6, dtype=torch.float64, requires_grad=True)
    rois = [torch.tensor([[0.3, 0.2, 4.1, 4.0], [-1, 1, 3, 4]], dtype=torch.float64)]
    assert torch.autograd.gradcheck(lambda x: ops.ps_roi_align(x, rois, 2, 1.0, 2), (x,), nondet_tol=1e-9)
    assert torch.autograd.gradcheck(lambda x: ops.ps_roi_pool(x, rois, 2), (x,), nondet_tol=1e-9)


def test_gradients_reach_regions() -> None:
    x = torch.rand(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    rois = [torch.tensor([[0.3, 0.2, 4.1, 5.0], [-1, 2, 3, 7]], dtype=torch.float64)]
    assert torch.autograd.gradcheck(lambda x: ops.roi_align(x, rois, 2, 1.0, 2), (x,), nondet_tol=1e-9)
    ops.roi_pool(x, rois, 2).sum().backward()
    assert x.grad.sum().item() == 16


def test_deform_conv2d_without_offsets_is_a_convolution() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 4, 7, 6), torch.randn(6, 2, 3, 3), torch.randn(6)
    options = {"stride": 2, "padding": (1, 2), "dilation": (1, 2)}
    expected = torch.nn.functional.conv2d(x, weight, bias, groups=2, **options)
    offset = torch.zeros(2, 2 * 2 * 9, *expected.shape[2:])
    assert torch.allclose(ops.deform_conv2d(x, offset, weight, bias, **options), expected, atol=1e-5)
    half = torch.full((2, 2 * 9, *expected.shape[2:]), 0.5)
    masked = ops.deform_conv2d(x, offset, weight, bias, mask=half, **options)
    assert torch.allclose(masked, (expected + bias.view(1, -1, 1, 1)) / 2, atol=1e-5)


def test_deform_conv2d_looks_where_it_is_told() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    offset = torch.zeros(1, 2, 4, 4)
    offset[:, 0], offset[:, 1] = 1, 0.5
    out = ops.deform_conv2d(x, offset, torch.ones(1, 1, 1, 1))
    assert out[0, 0, 1].tolist() == [8.5, 9.5, 10.5, 5.5] and out[0, 0, 3].tolist() == [0.0] * 4


def test_deform_conv2d_gradients() -> None:
    torch.manual_seed(1)
    layer = ops.DeformConv2d(2, 3, 2, padding=1).double()
    x = torch.rand(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    offset = (torch.rand(1, 8, 4, 4, dtype=torch.float64) * 0.5 + 0.1).requires_grad_()
    mask = torch.rand(1, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x, offset, mask), nondet_tol=1e-9)
    assert repr(layer) == "DeformConv2d(2, 3, kernel_size=(2, 2), stride=(1, 1), padding=(1, 1))"


def test_no_boxes() -> None:
    none, image = torch.zeros(0, 4), torch.zeros(1, 3, 8, 8)
    assert ops.nms(none, torch.zeros(0), 0.5).shape == (0,)
    assert ops.batched_nms(none, torch.zeros(0), torch.zeros(0), 0.5).shape == (0,)
    assert ops.ps_roi_align(image, [none], (1, 3)).shape == ops.ps_roi_pool(image, [none], (1, 3)).shape == (0, 1, 1, 3)
    assert ops.roi_align(image, [none], 2).shape == ops.roi_pool(image, [none], 2).shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.nms(torch.zeros(4), torch.zeros(4), 0.5), RuntimeError, "boxes should be a 2d tensor, got 1D"),
        (lambda: ops.nms(torch.zeros(2, 4), torch.zeros(3), 0.5), RuntimeError, "got 2 and 3"),
        (lambda: ops.box_convert(torch.zeros(1, 4), "xyxy", "a"), ValueError, "Unsupported Bounding Box Conversions"),
        (lambda: ops.sigmoid_focal_loss(torch.zeros(1), torch.zeros(1), reduction="a"), ValueError, "Invalid Value"),
        (lambda: ops.stochastic_depth(torch.zeros(1), 2.0, "row"), ValueError, "drop probability has to be between"),
        (lambda: ops.stochastic_depth(torch.zeros(1), 0.5, "a"), ValueError, "mode has to be either"),
        (lambda: ops.roi_align(torch.zeros(1, 1, 2, 2), torch.zeros(1, 4), 1), AssertionError, "boxes tensor shape"),
        (lambda: ops.ps_roi_pool(torch.zeros(1, 3, 2, 2), torch.zeros(1, 5), 2), RuntimeError, "must be a multiple of"),
        (lambda: ops.DeformConv2d(3, 4, 1, groups=2), ValueError, "in_channels must be divisible by groups"),
    ],
)
def test_errors(call, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def bilinear(image: torch.Tensor, y: float, x: float) -> float:
    """The value of an image [H, W] at a place: the edge's up to a pixel outside, then 0."""
    height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    corners = [(r, c) for r in (int(y), int(y) + 1) for c in (int(x), int(x) + 1) if r < height and c < width]
    return sum(image[r, c].item() * (1 - abs(r - y)) * (1 - abs(c - x)) for r, c in corners)


def test_roi_align_outside_of_the_image() -> None:
    image = torch.rand(5, 4)
    x1, y1, x2, y2 = -3.0, -2.5, 5.0, 7.5
    out = ops.roi_align(image.view(1, 1, 5, 4), torch.tensor([[0, x1, y1, x2, y2]]), (5, 4), 1.0, 1)
    ys, xs = [y1 + 2.0 * i + 1 for i in range(5)], [x1 + 2.0 * i + 1 for i in range(4)]
    assert out[0, 0].flatten().tolist() == pytest.approx([bilinear(image, y, x) for y in ys for x in xs], abs=1e-6)
