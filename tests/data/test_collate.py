"""Samples become batches."""

import collections

import numpy as np
import pytest

import kenaz as torch
from kenaz.utils.data import default_collate, default_convert
from kenaz.utils.data._utils.collate import collate

Pair = collections.namedtuple("Pair", "a b")


class Special(dict):
    def __init__(self, key, value):
        super().__init__({key: value})


class Sized(list):
    def __init__(self, items, size):
        super().__init__(items)


def same(tensor, values, dtype):
    assert type(tensor) is torch.Tensor and tensor.dtype is dtype
    assert tensor.tolist() == values


def test_leaves():
    same(default_collate([1, 2.5]), [1, 2.5], torch.float32)
    same(default_collate([1.5, 2]), [1.5, 2], torch.float64)
    same(default_collate([True, False]), [True, False], torch.bool)
    same(default_collate([1, 2**40]), [1, 2**40], torch.int64)
    same(default_collate([torch.ones(2), torch.zeros(2)]), [[1, 1], [0, 0]], torch.float32)
    same(default_collate([torch.tensor(1)] * 3), [1, 1, 1], torch.int64)
    same(default_collate([np.ones(2), np.zeros(2)]), [[1, 1], [0, 0]], torch.float64)
    same(default_collate([np.float32(1), np.float32(2)]), [1, 2], torch.float32)
    same(default_collate([np.bool_(1), np.bool_(0)]), [True, False], torch.bool)
    same(default_collate([np.array(3), np.array(4)]), [3, 4], torch.int64)
    same(default_collate(np.arange(3)), [0, 1, 2], torch.int64)
    assert default_collate(["a", "b"]) == ["a", "b"] and default_collate([b"a"]) == [b"a"]


def test_rows_with_strides_become_contiguous():
    rows = [torch.arange(6).reshape(2, 3).t()] * 2
    assert default_collate(rows).stride() == (6, 2, 1)
    assert default_collate([torch.ones(2).expand(3, 2)] * 2).tolist() == [[[1, 1]] * 3] * 2


def test_gradients_pass_through():
    x = torch.ones(2, requires_grad=True)
    batch = default_collate([x, x])
    batch.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_containers():
    a, b = default_collate([(1, "x"), (2, "y")])
    same(a, [1, 2], torch.int64)
    assert b == ("x", "y")
    pair = default_collate([Pair(1, "x"), Pair(2, "y")])
    assert type(pair) is Pair and pair.a.tolist() == [1, 2] and pair.b == ("x", "y")
    ordered = default_collate([collections.OrderedDict(b=1, a=2)] * 2)
    assert type(ordered) is collections.OrderedDict and list(ordered) == ["b", "a"]
    filled = default_collate([collections.defaultdict(int, a=1)] * 2)
    assert filled.default_factory is int and filled["a"].tolist() == [1, 1]
    assert type(default_collate([Special("a", 1)] * 2)) is Special
    assert type(default_collate([Sized([1, 2], 0)] * 2)) is Sized
    assert type(default_collate([collections.deque([1])] * 2)) is collections.deque
    assert [t.tolist() for t in default_collate([range(2)] * 2)] == [[0, 0], [1, 1]]
    nested = default_collate([[torch.ones(1), {"k": (1, 2.0)}]] * 2)
    assert nested[1]["k"][1].dtype is torch.float64
    assert default_collate([{}, {}]) == {} and default_collate([(), ()]) == []


PREFIX = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([object()], TypeError, PREFIX + "<class 'object'>"),
        ([None, None], TypeError, PREFIX + "<class 'NoneType'>"),
        ([{1}], TypeError, PREFIX + "<class 'set'>"),
        ([1j], TypeError, PREFIX + "<class 'complex'>"),
        ([np.array(["a"])], TypeError, PREFIX + "<U1"),
        ([np.array([object()])], TypeError, PREFIX + "object"),
        ([[1, 2], [3]], RuntimeError, "each element in list of batch should be of equal size"),
        ([{"a": 1}, {"b": 2}], KeyError, "'a'"),
        ([], IndexError, "list index out of range"),
        (
            [torch.ones(2), torch.ones(3)],
            RuntimeError,
            "stack expects each tensor to be equal size, but got [2] at entry 0 and [3] at entry 1",
        ),
    ],
)
def test_refused(batch, error, message):
    with pytest.raises(error) as caught:
        default_collate(batch)
    assert str(caught.value) == message


def test_convert():
    same(default_convert(np.float32(2)), 2.0, torch.float32)
    same(default_convert([np.ones(1)])[0], [1], torch.float64)
    assert default_convert((1, "a")) == [1, "a"] and default_convert({1}) == {1}
    names = np.array(["a"])
    assert default_convert(names) is names
    pair = default_convert(Pair(1, np.ones(2)))
    assert type(pair) is Pair and pair.b.tolist() == [1, 1]


def test_own_map():
    rules = {int: lambda batch, *, collate_fn_map: sum(batch)}
    assert collate([[1, 2], [3, 4]], collate_fn_map=rules) == [4, 6]
    assert collate([{"a": True}], collate_fn_map=rules) == {"a": 1}
    with pytest.raises(TypeError, match="found <class 'float'>"):
        collate([1.5], collate_fn_map=rules)
