"""assert_close and make_tensor: what passes, and PyTorch's reports of what does not."""

import pytest

import kenaz as torch
from kenaz.testing import assert_close, make_tensor

T = torch.tensor

REPORTS = [
    (T([1.0, 2.0]), T([1.0, 2.1]), {}, "Mismatched elements: 1 / 2 \\(50.0%\\)\nGreatest absolute difference: 0.0999\\d* at index \\(1,\\)"),
    (T(1.0), T(2.0), {}, r"Expected 2.0 but got 1.0.\nAbsolute difference: 1.0 \(up to 1e-05 allowed\)"),
    (T([1, 2]), T([1.0, 2.0]), {}, "'dtype' do not match: torch.int64 != torch.float32"),
    (T([1, 2]), T([1, 2, 3]), {}, "'shape' do not match"),
    ([T(1.0)], [T(2.0)], {}, r"The failure occurred for item \[0\]"),
    ({"a": T(1.0)}, {"b": T(1.0)}, {}, "Missing keys in the actual mapping: \\['b'\\]"),
    (1, 1.0, {}, "The \\(d\\)types do not match"),
    (True, False, {}, "Booleans mismatch: True is not False"),
    (T(1.0), T(2.0), {"msg": "mine"}, "^mine$"),
    (T([torch.nan]), T([torch.nan]), {}, "not close"),
]


@pytest.mark.parametrize("actual, expected, options, report", REPORTS)
def test_reports(actual, expected, options, report):
    with pytest.raises(AssertionError, match=report):
        assert_close(actual, expected, **options)


def test_what_passes():
    assert_close(T([1.0]), T([1.0 + 1e-7]))
    assert_close(T([torch.nan]), T([torch.nan]), equal_nan=True)
    assert_close(T([1.0]), T([1.0], dtype=torch.float64), check_dtype=False)
    assert_close([1.0, {"a": T(3)}], [1.0, {"a": T(3)}])
    with pytest.raises(ValueError, match="got no atol"):
        assert_close(1.0, 1.0, rtol=0.1)
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close("a", "a")


def test_make_tensor():
    torch.manual_seed(0)
    assert make_tensor(3, dtype=torch.int64, device="cpu").tolist() == [6, -5, -9]
    x = make_tensor((2, 3), dtype=torch.float32, device="cpu", noncontiguous=True, low=1, high=2, requires_grad=True)
    assert x.shape == (2, 3) and not x.is_contiguous() and x.requires_grad and 1 <= float(x.min()) <= float(x.max()) <= 2
