"""What `torch.tensor` and the constructors of old make of Python's values; all expectations are PyTorch 2.13's."""

from array import array
from collections import UserList, deque

import numpy as np
import pytest

import kenaz as torch


class Squares:
    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> int:
        if i >= 3:
            raise IndexError
        return i * i


SEQUENCES = [range(3), deque([0, 1, 2]), UserList([0, 1, 2]), array("i", [0, 1, 2]), memoryview(b"\0\1\2")]


@pytest.mark.parametrize("data", SEQUENCES, ids=lambda data: type(data).__name__)
def test_any_sequence(data) -> None:
    expected = torch.tensor([0, 1, 2])
    assert torch.equal(torch.tensor(data), expected) and torch.equal(torch.as_tensor(data), expected)
    assert torch.equal(torch.LongTensor(data), expected) and torch.equal(torch.Tensor(data), expected.float())
    assert torch.equal(torch.tensor([data, [3, 4, 5]]), torch.tensor([[0, 1, 2], [3, 4, 5]]))


def test_sequences_of_ones_own() -> None:
    assert torch.tensor(Squares()).tolist() == [0, 1, 4]


def test_empty_sequences() -> None:
    assert torch.tensor(range(0)).dtype is torch.float32
    assert torch.tensor([range(0), range(0)]).shape == (2, 0)


def test_tensors_of_one_element_are_numbers() -> None:
    made = torch.tensor([torch.ones(1), torch.ones(1, 1), torch.tensor(2)])
    assert made.shape == (3,) and made.dtype is torch.float32
    with pytest.raises(ValueError, match="only one element tensors can be converted to Python scalars"):
        torch.tensor([torch.ones(2), torch.ones(2)])


RAGGED = [
    ([[1], 2], TypeError, "not a sequence"),
    ([[1], [2, 3]], ValueError, r"expected sequence of length 1 at dim 1 \(got 2\)"),
    ([[[1]], [[2, 3]]], ValueError, r"expected sequence of length 1 at dim 2 \(got 2\)"),
    ([1, [2, 3]], TypeError, "'list' object cannot be interpreted as an integer"),
    ([1.5, [2, 3]], TypeError, "must be real number, not list"),
]


@pytest.mark.parametrize(("data", "error", "message"), RAGGED)
def test_ragged(data, error, message) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        torch.tensor(data)


@pytest.mark.parametrize("value", [None, {1: 2}, {1}, len])
def test_what_is_no_number(value) -> None:
    name = type(value).__name__
    for data in (value, [value], [[1, value]]):
        with pytest.raises(RuntimeError, match=f"^Could not infer dtype of {name}$"):
            torch.tensor(data)
        with pytest.raises(TypeError, match=f"^must be real number, not {name}$"):
            torch.tensor(data, dtype=torch.float)
        with pytest.raises(TypeError, match=f"^'{name}' object cannot be interpreted as an integer$"):
            torch.tensor(data, dtype=torch.bool)


@pytest.mark.parametrize("text", ["ab", b"ab"])
def test_text(text) -> None:
    for make in (torch.tensor, torch.LongTensor, torch.Tensor, torch.zeros(1).new_tensor):
        with pytest.raises(TypeError, match=rf"^new\(\): invalid data type '{type(text).__name__}'$"):
            make(text)


def test_integers_beyond_64_bits() -> None:
    for data in (2**63, [2**63], [2**63, True], [-(2**63) - 1], [2**70]):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            torch.tensor(data)
    assert torch.tensor([2**63], dtype=torch.uint64).dtype is torch.uint64
    assert torch.tensor([2**63, 0.5])[0].item() == 2.0**63
    assert torch.tensor(np.array([2**63], np.uint64)).dtype is torch.uint64


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(np.float64(2), torch.float32), (np.float32(2), torch.float32), (np.int32(2), torch.int64), (np.int64(2), torch.int64)],
)
def test_numbers_of_numpy(value, dtype) -> None:
    assert torch.full((2,), value).dtype is dtype and torch.full((2,), value).tolist() == [2, 2]
    assert torch.full((2,), value, dtype=torch.float64).dtype is torch.float64
    assert torch.bucketize(value, torch.tensor([1.0, 3.0])).item() == 1


def test_a_tensor_counts_steps() -> None:
    assert torch.linspace(0, 1, torch.tensor(3)).tolist() == [0, 0.5, 1]
    assert torch.logspace(0, 2, torch.tensor(3)).tolist() == [1, 10, 100]
    with pytest.raises(TypeError, match="linspace"):
        torch.linspace(0, 1, torch.tensor(3.0))
