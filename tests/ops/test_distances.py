"""Distances of all pairs, of few and of many rows."""

import pytest

import kenaz as torch


@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist"])
def test_many_rows_agree_with_differences(mode: str) -> None:
    torch.manual_seed(0)
    a, b = (torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True) for n in (30, 4))
    out = torch.cdist(a, b, compute_mode=mode)
    plain = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.allclose(out, plain)
    weight = torch.rand_like(out)
    for mine, theirs in zip(
        torch.autograd.grad((out * weight).sum(), (a, b)), torch.autograd.grad((plain * weight).sum(), (a, b))
    ):
        assert torch.allclose(mine, theirs)


def test_a_distance_of_zero_has_no_gradient() -> None:
    x = torch.arange(60.0).view(30, 2).requires_grad_()
    out = torch.cdist(x, x.detach())
    assert out.diagonal().tolist() == [0.0] * 30
    assert torch.autograd.grad(out.diagonal().sum(), x)[0].tolist() == [[0.0, 0.0]] * 30


def test_gradients_of_any_iterable() -> None:
    layer = torch.nn.Linear(2, 1)
    found = torch.autograd.grad(layer(torch.ones(1, 2)).sum(), layer.parameters())
    assert [g.tolist() for g in found] == [[[1.0, 1.0]], [1.0]]
    with pytest.raises(TypeError, match="'int' object is not iterable"):
        torch.autograd.grad(layer.weight.sum(), 3)
