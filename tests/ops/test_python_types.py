"""Python's types say dtypes wherever a dtype may stand: bool, int64, float64, complex128, as in PyTorch."""

import numpy as np
import pytest

import kenaz as torch
from kenaz import nn

TYPES = {bool: torch.bool, int: torch.int64, float: torch.float64, complex: torch.complex128}
O = torch.ones(2)

MAKERS = {
    "zeros": lambda t: torch.zeros(2, dtype=t),
    "empty": lambda t: torch.empty((), dtype=t),
    "full": lambda t: torch.full((2,), 1, dtype=t),
    "full without dimensions": lambda t: torch.full((), 1, dtype=t),
    "scalar_tensor": lambda t: torch.scalar_tensor(1, dtype=t),
    "tensor": lambda t: torch.tensor([1], dtype=t),
    "as_tensor": lambda t: torch.as_tensor([1], dtype=t),
    "asarray": lambda t: torch.asarray([1], dtype=t),
    "eye": lambda t: torch.eye(2, dtype=t),
    "zeros_like": lambda t: torch.zeros_like(O, dtype=t),
    "new_ones": lambda t: O.new_ones(2, dtype=t),
    "new_tensor": lambda t: O.new_tensor([1], dtype=t),
    "to": lambda t: O.to(t),
    "to a dtype by name": lambda t: O.to(dtype=t),
    "to a device too": lambda t: O.to("cpu", t),
}


@pytest.mark.parametrize("python", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_makers(make, python: type) -> None:
    assert make(python).dtype is TYPES[python]


FLOATING = {
    "rand": lambda: torch.rand(2, dtype=float),
    "arange": lambda: torch.arange(3, dtype=float),
    "linspace": lambda: torch.linspace(0, 1, 3, dtype=float),
    "sum": lambda: O.sum(dtype=float),
    "cumsum": lambda: torch.cumsum(O, 0, dtype=float),
    "softmax": lambda: torch.softmax(O, 0, dtype=float),
    "norm": lambda: torch.norm(O, dtype=float),
    "Linear": lambda: nn.Linear(2, 2, dtype=float).weight,
    "Module.to": lambda: nn.Linear(2, 2).to(float).weight,
    "Module.to by name": lambda: nn.Linear(2, 2).to(dtype=float).weight,
}


@pytest.mark.parametrize("make", FLOATING.values(), ids=FLOATING)
def test_floating(make) -> None:
    assert make().dtype is torch.float64


def test_random_numbers_are_drawn_once() -> None:
    torch.manual_seed(0)
    typed = torch.rand(3, dtype=float), torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(typed[0], torch.rand(3, dtype=torch.float64)) and torch.equal(typed[1], torch.rand(3))


def test_questions() -> None:
    assert torch.promote_types(float, int) is torch.float64
    assert torch.finfo(float).bits == 64 and torch.iinfo(int).max == 2**63 - 1


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"tensor\(\): argument 'dtype' must be torch.dtype, not type"):
        torch.tensor([1], dtype=str)


def test_norms_take_them() -> None:
    x = torch.ones(2, 2)
    for made in (torch.linalg.vector_norm(x, dtype=float), torch.linalg.matrix_norm(x, dtype=float), x.norm(dtype=float)):
        assert made.dtype is torch.float64 and made.item() == 2
    with pytest.raises(RuntimeError, match="dtype should be floating point or complex, but got Long"):
        torch.linalg.vector_norm(x, dtype=int)
    with pytest.raises(RuntimeError, match="dtype should be real for real inputs, but got ComplexDouble"):
        torch.norm(x, dtype=complex)
    with pytest.raises(RuntimeError, match=r"\(Double\) should be convertible without narrowing to the specified dtype \(Float"):
        torch.linalg.matrix_norm(x.double(), dtype=torch.float)


@pytest.mark.parametrize(
    ("kind", "name"), [(bool, "bool"), (complex, "complex"), (np.float32, "numpy.float32"), (torch.nn.Linear, "Linear")]
)
def test_type_does_not(kind, name) -> None:
    with pytest.raises(ValueError, match=f"^invalid type: '{name}'$"):
        torch.ones(2).type(kind)


def test_type_takes_names_and_classes() -> None:
    x = torch.ones(2, dtype=torch.int)
    assert x.type(torch.Tensor).dtype is x.type("torch.FloatTensor").dtype is x.type(torch.FloatTensor).dtype is torch.float32
    with pytest.raises(TypeError, match="dtype must be a type, str, or dtype object"):
        x.type(3)
