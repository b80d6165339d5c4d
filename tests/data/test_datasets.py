"""Datasets, their combinations, and the ways of cutting them."""

import pytest

import kenaz as torch
from kenaz.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


class Squares(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return i * i

    def __getitems__(self, indices):
        return [("batch", i * i) for i in indices]


def test_tensor_dataset():
    data = TensorDataset(torch.arange(4), torch.arange(8.0).reshape(4, 2))
    assert len(data) == 4
    x, y = data[2]
    assert x.item() == 2 and y.tolist() == [4.0, 5.0]
    assert [t.tolist() for t in data[1:3]] == [[1, 2], [[2.0, 3.0], [4.0, 5.0]]]
    with pytest.raises(AssertionError, match="^Size mismatch between tensors$"):
        TensorDataset(torch.ones(2), torch.ones(3))
    with pytest.raises(IndexError, match="index 4 is out of bounds for dimension 0 with size 4"):
        data[4]


def test_base_class():
    with pytest.raises(NotImplementedError, match="Subclasses of Dataset should implement __getitem__."):
        Dataset()[0]
    with pytest.raises(TypeError, match="has no len"):
        len(Dataset())
    with pytest.raises(TypeError, match="abstract"):
        IterableDataset()
    assert Dataset[int] is not Dataset  # subscripting is for annotations


def test_concat():
    data = ConcatDataset([[1, 2], [], [3]])
    assert list(data) == [1, 2, 3] and data[-1] == 3 and data[-3] == 1
    assert data.cumulative_sizes == [2, 2, 3]
    assert list(Squares() + [100]) == [0, 1, 4, 9, 16, 100]
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset length"):
        data[-4]
    with pytest.raises(AssertionError, match="datasets should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="ConcatDataset does not support IterableDataset"):
        ConcatDataset([Count(2)])
    with pytest.warns(FutureWarning, match="renamed"):
        assert data.cummulative_sizes == [2, 2, 3]


def test_chain():
    chain = Count(2) + Count(3)
    assert isinstance(chain, ChainDataset) and list(chain) == [0, 1, 0, 1, 2]
    with pytest.raises(TypeError, match="has no len"):
        len(chain)
    with pytest.raises(AssertionError, match="ChainDataset only supports IterableDataset"):
        list(ChainDataset([[1]]))


def test_stack():
    assert StackDataset([1, 2], "ab")[1] == (2, "b")
    named = StackDataset(x=[1, 2], y=Subset("abc", [2, 0]))
    assert len(named) == 2 and named[0] == {"x": 1, "y": "c"}
    assert named.__getitems__([1, 0]) == [{"x": 2, "y": "a"}, {"x": 1, "y": "c"}]
    assert StackDataset(Squares(), range(5)).__getitems__([2]) == [(("batch", 4), 2)]
    for args, kwargs, message in [
        ((), {}, "At least one dataset should be passed"),
        (([1], [1, 2]), {}, "Size mismatch between datasets"),
        (([1],), {"a": [1]}, "Supported either ``tuple``"),
    ]:
        with pytest.raises(ValueError, match=message):
            StackDataset(*args, **kwargs)


def test_subset():
    part = Subset(Squares(), [3, 1])
    assert len(part) == 2 and part[0] == 9 and list(part) == [9, 1]
    assert part.__getitems__([1, 0]) == [("batch", 1), ("batch", 9)]
    assert Subset(torch.arange(5), [4, 2])[[0, 1]].tolist() == [4, 2]
    assert Subset(part, [1])[0] == 1


def test_random_split():
    parts = random_split(range(11), [0.5, 0.3, 0.2], generator=torch.Generator().manual_seed(42))
    assert [p.indices for p in parts] == [[6, 8, 9, 2, 1, 10], [0, 7, 3], [5, 4]]
    torch.manual_seed(42)
    assert [p.indices for p in random_split(range(6), [4, 2])] == [[0, 3, 2, 4], [1, 5]]
    assert [len(p) for p in random_split(range(11), [0.1] * 10)] == [2] + [1] * 9
    assert random_split([], []) == []


@pytest.mark.parametrize("lengths", [[1, 1], [0.9, 0.9], [0.9, -0.1], [1.5], [0.5, 0.50000000000001]])
def test_random_split_refuses(lengths):
    with pytest.raises(ValueError, match="^Sum of input lengths does not equal the length of the input dataset!$"):
        random_split([1, 2, 3], lengths)


def test_random_split_warns_of_empty_parts():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0. This might result in an empty dataset."):
        random_split([1, 2, 3], [0.9, 0.1])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        random_split([1, 2, 3], [-0.5, 1.5])
