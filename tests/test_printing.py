"""Tensors as text: every expected string is what PyTorch 2.13 prints."""

import ml_dtypes
import numpy as np
import pytest
from numpy import inf, nan

import kenaz as torch
from kenaz import printing
from kenaz.core import dtype as dtypes


class Device:
    def __init__(self, type="cpu"):
        self.type = type

    def __str__(self):
        return self.type


class GradFn:
    def name(self):
        return "MulBackward0"


class Tensor:
    """The little of a tensor that printing asks for."""

    grad_fn, requires_grad, device = None, False, Device()

    def __init__(self, array, **attributes):
        self.array = np.asarray(array)
        self.shape, self.ndim, self.dtype = self.array.shape, self.array.ndim, dtypes.of_numpy(self.array.dtype)
        vars(self).update(attributes)

    def _array(self):
        return self.array

    def item(self):
        return self.array.item()

    def __repr__(self):
        return printing.tensor_str(self)

    def __format__(self, spec):
        return printing.format_tensor(self, spec)


class Images(Tensor):
    pass


class Weight(Tensor):
    _is_param = True


@pytest.fixture(autouse=True)
def default_options():
    yield
    printing.set_printoptions(profile="default")


# fmt: off
CASES = [
    (np.float32(1.5), {}, "tensor(1.5000)"),
    (np.float32(3), {}, "tensor(3.)"),
    (np.float32(nan), {}, "tensor(nan)"),
    (np.float32(0.00001), {}, "tensor(1.0000e-05)"),
    (np.float32([]), {}, "tensor([])"),
    (np.zeros((2, 0, 3), "f4"), {}, "tensor([], size=(2, 0, 3))"),
    (np.zeros((0,), "i8"), {}, "tensor([], dtype=torch.int64)"),
    (np.zeros((0, 2), "?"), {}, "tensor([], size=(0, 2), dtype=torch.bool)"),
    (np.float32([1, 2.5, -3.25]), {}, "tensor([ 1.0000,  2.5000, -3.2500])"),
    (np.float32([12345678, 1.5]), {}, "tensor([1.2346e+07, 1.5000e+00])"),
    (np.float32([1e-5, 1]), {}, "tensor([1.0000e-05, 1.0000e+00])"),
    (np.float32([1, 1001]), {}, "tensor([1.0000e+00, 1.0010e+03])"),
    (np.float32([1, 999]), {}, "tensor([  1., 999.])"),
    (np.float32([100000001, 100000000]), {}, "tensor([100000000., 100000000.])"),
    (np.float32([nan, inf, -inf, 0]), {}, "tensor([nan, inf, -inf, 0.])"),
    (np.float32([nan, 1.5, -inf]), {}, "tensor([   nan, 1.5000,   -inf])"),
    (np.float32([-0.0, 1]), {}, "tensor([-0., 1.])"),
    (np.float64([0.1, 0.2]), {}, "tensor([0.1000, 0.2000], dtype=torch.float64)"),
    (np.float16([65000, 1e-7]), {}, "tensor([6.4992e+04, 1.1921e-07], dtype=torch.float16)"),
    (np.float16([1, 2]), {}, "tensor([1., 2.], dtype=torch.float16)"),
    (np.int64([1, -20, 300]), {}, "tensor([  1, -20, 300])"),
    (np.int32([[1, 2], [3, 40]]), {}, """\
tensor([[ 1,  2],
        [ 3, 40]], dtype=torch.int32)"""),
    (np.uint8([255]), {}, "tensor([255], dtype=torch.uint8)"),
    (np.array([True, False]), {}, "tensor([ True, False])"),
    (np.array(True), {}, "tensor(True)"),
    (np.complex64(1 + 2j), {}, "tensor(1.+2.j)"),
    (np.complex64([1 + 2j, 3.5 - 1e6j]), {}, "tensor([1.0000+2.0000e+00j, 3.5000-1.0000e+06j])"),
    (np.complex128([nan + 1j, complex(0, -inf)]), {}, "tensor([nan+1.j, 0.-infj], dtype=torch.complex128)"),
    (np.arange(50), {}, """\
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
        36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49])"""),
    (np.arange(20, dtype="f4") * 1e6, {}, """\
tensor([       0.,  1000000.,  2000000.,  3000000.,  4000000.,  5000000.,
         6000000.,  7000000.,  8000000.,  9000000., 10000000., 11000000.,
        12000000., 13000000., 14000000., 15000000., 16000000., 17000000.,
        18000000., 19000000.])"""),
    (np.zeros(25), {}, """\
tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.,
        0.], dtype=torch.float64)"""),
    (np.arange(9, dtype="f4") * np.complex64(1 + 0.5j), {}, """\
tensor([0.+0.0000j, 1.+0.5000j, 2.+1.0000j, 3.+1.5000j, 4.+2.0000j, 5.+2.5000j,
        6.+3.0000j, 7.+3.5000j, 8.+4.0000j])"""),
    (np.arange(12, dtype="f4").reshape(2, 2, 3) / 3, {}, """\
tensor([[[0.0000, 0.3333, 0.6667],
         [1.0000, 1.3333, 1.6667]],

        [[2.0000, 2.3333, 2.6667],
         [3.0000, 3.3333, 3.6667]]])"""),
    (np.arange(4, dtype="f4").reshape(1, 1, 2, 2), {}, """\
tensor([[[[0., 1.],
          [2., 3.]]]])"""),
    (np.arange(1001), {}, "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (np.zeros((1200, 1), "f4"), {}, """\
tensor([[0.],
        [0.],
        [0.],
        ...,
        [0.],
        [0.],
        [0.]])"""),
    (np.zeros((4, 300, 2), "f4"), {}, """\
tensor([[[0., 0.],
         [0., 0.],
         [0., 0.],
         ...,
         [0., 0.],
         [0., 0.],
         [0., 0.]],

        [[0., 0.],
         [0., 0.],
         [0., 0.],
         ...,
         [0., 0.],
         [0., 0.],
         [0., 0.]],

        [[0., 0.],
         [0., 0.],
         [0., 0.],
         ...,
         [0., 0.],
         [0., 0.],
         [0., 0.]],

        [[0., 0.],
         [0., 0.],
         [0., 0.],
         ...,
         [0., 0.],
         [0., 0.],
         [0., 0.]]])"""),
    (np.full((30, 40), 1.5), {}, """\
tensor([[1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],
        [1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],
        [1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],
        ...,
        [1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],
        [1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],
        [1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000]],
       dtype=torch.float64)"""),
    (np.arange(1005, dtype="f4").reshape(5, 201) * 1e5, {}, """\
tensor([[0.0000e+00, 1.0000e+05, 2.0000e+05,  ..., 1.9800e+07, 1.9900e+07,
         2.0000e+07],
        [2.0100e+07, 2.0200e+07, 2.0300e+07,  ..., 3.9900e+07, 4.0000e+07,
         4.0100e+07],
        [4.0200e+07, 4.0300e+07, 4.0400e+07,  ..., 6.0000e+07, 6.0100e+07,
         6.0200e+07],
        [6.0300e+07, 6.0400e+07, 6.0500e+07,  ..., 8.0100e+07, 8.0200e+07,
         8.0300e+07],
        [8.0400e+07, 8.0500e+07, 8.0600e+07,  ..., 1.0020e+08, 1.0030e+08,
         1.0040e+08]])"""),
    (np.arange(24, dtype="f4").reshape(4, 6) / 3, {"linewidth": 40}, """\
tensor([[0.0000, 0.3333, 0.6667, 1.0000,
         1.3333, 1.6667],
        [2.0000, 2.3333, 2.6667, 3.0000,
         3.3333, 3.6667],
        [4.0000, 4.3333, 4.6667, 5.0000,
         5.3333, 5.6667],
        [6.0000, 6.3333, 6.6667, 7.0000,
         7.3333, 7.6667]])"""),
    (np.float32([[3.14159265, 1e-3], [123456.789, 2.0]]), {"precision": 8, "sci_mode": True}, """\
tensor([[3.14159274e+00, 1.00000005e-03],
        [1.23456789e+05, 2.00000000e+00]])"""),
    (np.float32([[3.14159265, 1e-3], [123456.789, 2.0]]), {"sci_mode": False}, """\
tensor([[     3.1416,      0.0010],
        [123456.7891,      2.0000]])"""),
    (np.float32([0, 0]), {"sci_mode": True}, "tensor([0., 0.])"),
    (np.arange(24, dtype="f4").reshape(4, 6) / 3, {"profile": "short"}, """\
tensor([[0.00, 0.33, 0.67, 1.00, 1.33, 1.67],
        [2.00, 2.33, 2.67, 3.00, 3.33, 3.67],
        [4.00, 4.33, 4.67, 5.00, 5.33, 5.67],
        [6.00, 6.33, 6.67, 7.00, 7.33, 7.67]])"""),
    (np.arange(24, dtype="f4").reshape(4, 6) / 3, {"threshold": 10, "edgeitems": 1}, """\
tensor([[0.0000,  ..., 1.6667],
        ...,
        [6.0000,  ..., 7.6667]])"""),
    (np.float32([1, 2, 3]), {"threshold": 2, "edgeitems": 0}, "tensor([...], size=(3,))"),
    (np.float32([1, 2, 3]), {"edgeitems": 0}, "tensor([1., 2., 3.], size=(3,))"),
    (np.float32([1.5, 2]), {"precision": 0}, "tensor([2, 2])"),
    (np.arange(30, dtype="f8") / 7, {"linewidth": 60, "precision": 2}, """\
tensor([0.00, 0.14, 0.29, 0.43, 0.57, 0.71, 0.86, 1.00,
        1.14, 1.29, 1.43, 1.57, 1.71, 1.86, 2.00, 2.14,
        2.29, 2.43, 2.57, 2.71, 2.86, 3.00, 3.14, 3.29,
        3.43, 3.57, 3.71, 3.86, 4.00, 4.14],
       dtype=torch.float64)"""),
]
# fmt: on


@pytest.mark.parametrize(("array", "options", "expected"), CASES)
def test_numbers(array, options, expected):
    printing.set_printoptions(**options)
    assert repr(Tensor(array)) == expected


ONES = np.ones(2, np.float32)
LONG = np.full((2, 6), 0.5, np.float32)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (Tensor(ONES, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (Tensor(ONES, requires_grad=True, grad_fn=GradFn()), "tensor([1., 1.], grad_fn=<MulBackward0>)"),
        (Tensor(ONES.astype(ml_dtypes.bfloat16)), "tensor([1., 1.], dtype=torch.bfloat16)"),
        (Tensor(ONES, device=Device("cuda:0")), "tensor([1., 1.], device='cuda:0')"),
        (Tensor(np.int8([[1]]), device=Device("meta")), "tensor(..., device='meta', size=(1, 1), dtype=torch.int8)"),
        (Tensor(np.int64([1]), device=Device("meta")), "tensor(..., device='meta', size=(1,), dtype=torch.int64)"),
        (Tensor(np.bool_([1]), device=Device("meta")), "tensor(..., device='meta', size=(1,), dtype=torch.bool)"),
        (Tensor(np.zeros((0, 3), "f8"), requires_grad=True),
         "tensor([], size=(0, 3), dtype=torch.float64, requires_grad=True)"),
        (Images(ONES), "Images([1., 1.])"),
        (Images(LONG), ("Images([[0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000],\n"
                       "        [0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000]])")),
        (Weight(ONES, requires_grad=True), "Parameter(Weight([1., 1.], requires_grad=True))"),
        (Tensor(np.full((1, 8), 0.5), requires_grad=True, grad_fn=GradFn()),
         ("tensor([[0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000]],\n"
         "       dtype=torch.float64, grad_fn=<MulBackward0>)")),
    ],
)  # fmt: skip
def test_facts(tensor, expected):
    assert repr(tensor) == expected


def test_default_dtype_is_not_named(monkeypatch):
    monkeypatch.setattr(dtypes, "get_default_dtype", lambda: dtypes.float64)
    assert repr(Tensor(np.float64([1]))) == "tensor([1.])"
    assert repr(Tensor(np.complex128([1]))) == "tensor([1.+0.j])"
    assert repr(Tensor(np.float32([1]))) == "tensor([1.], dtype=torch.float32)"


def test_format_of_a_number_is_the_number():
    assert f"{Tensor(np.float32(1.5)):.3f}|{Tensor(np.int64(3)):>4}|{Tensor(np.bool_(True))}" == "1.500|   3|True"
    assert f"{Tensor(ONES)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError, match="unsupported format string passed to Tensor.__format__"):
        f"{Tensor(ONES):.2f}"


def test_options():
    assert printing.get_printoptions() == {
        "precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}  # fmt: skip
    printing.set_printoptions(sci_mode=True, precision=2)
    assert repr(Tensor(ONES)) == "tensor([1.00e+00, 1.00e+00])"
    with printing.printoptions(profile="full"):
        assert printing.get_printoptions()["threshold"] == inf
        assert repr(Tensor(ONES)) == "tensor([1., 1.])"
    assert printing.get_printoptions()["sci_mode"] is True
    printing.set_printoptions(linewidth=100)
    assert printing.get_printoptions()["sci_mode"] is None  # left out means: let the tensor choose


def test_contents_may_be_given():
    assert printing.tensor_str(Images(ONES), tensor_contents="hi") == "Images(hi)"


def test_real_tensors():
    x = torch.tensor([[1.0, 2.5]], requires_grad=True)
    assert repr(x) == str(x) == "tensor([[1.0000, 2.5000]], requires_grad=True)"
    assert repr(x * 2) == "tensor([[2., 5.]], grad_fn=<MulBackward0>)"
    assert f"{x.sum().item():.1f} {torch.tensor(3):>3} {torch.tensor(1.5)}" == "3.5   3 1.5"
    assert repr(torch.nn.Parameter(torch.zeros(2))) == "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
    assert repr(torch.arange(6).reshape(2, 3).T) == "tensor([[0, 3],\n        [1, 4],\n        [2, 5]])"
