"""torch._higher_order_ops.associative_scan against the loop that it stands for."""

import pytest

import kenaz as torch
from kenaz._higher_order_ops.associative_scan import associative_scan


def recurrence(a, b):
    """y = k y + x, as pairs (k, x)."""
    return a[0] * b[0], b[0] * a[1] + b[1]


def loop(pairs, length):
    ks, xs = pairs
    state, found = torch.zeros_like(xs[0]), []
    for i in range(length):
        state = ks[i] * state + xs[i]
        found.append(state)
    return torch.stack(found)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrence(length: int, reverse: bool) -> None:
    torch.manual_seed(0)
    pairs = torch.rand(length, 3), torch.randn(length, 3)
    found = associative_scan(recurrence, pairs, dim=0, reverse=reverse, combine_mode="generic")[1]
    order = [p.flip([0]) for p in pairs] if reverse else pairs
    expected = loop(order, length).flip([0]) if reverse else loop(order, length)
    torch.testing.assert_close(found, expected)


def test_along_another_dimension_and_gradients() -> None:
    x = torch.rand(2, 5, requires_grad=True)
    associative_scan(lambda a, b: a + b, x, dim=-1, combine_mode="generic").sum().backward()
    assert x.grad.tolist() == [[5.0, 4.0, 3.0, 2.0, 1.0]] * 2


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: associative_scan(3, x, 0), ValueError, "Combine_fn must be a callable, but got 3"),
        (lambda x: associative_scan(max, x, 0, combine_mode="u"), ValueError, "Combine_mode must either"),
        (lambda x: associative_scan(max, x, 0), ValueError, "need to be on CUDA or XPU"),
        (lambda x: associative_scan(max, x, 5, combine_mode="generic"), IndexError, "Dimension out of range"),
    ],
)
def test_refusals(call, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.ones(3))
