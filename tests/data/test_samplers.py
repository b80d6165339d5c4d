"""Samplers: PyTorch's orders, number by number."""

import pytest

import kenaz as torch
from kenaz.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def following(generator):
    """Tells where in its stream a generator is."""
    return torch.randint(1000, (1,), generator=generator).item()


def test_random_sampler_from_the_default_generator():
    torch.manual_seed(0)
    sampler = RandomSampler(range(10))
    assert list(sampler) == [6, 9, 0, 7, 3, 5, 4, 2, 1, 8]
    assert list(sampler) == [6, 7, 1, 4, 2, 0, 9, 8, 3, 5]


def test_random_sampler_beyond_one_pass():
    g = seeded()
    order = [0, 6, 1, 3, 5, 2, 4, 0, 6, 1, 3, 2, 4, 5, 5, 6, 0, 3, 4, 1]
    assert list(RandomSampler(range(7), False, 20, generator=g)) == order
    assert following(g) == 242


def test_random_sampler_with_replacement():
    g = seeded()
    sampler = RandomSampler(range(7), True, 40, generator=g)
    assert list(sampler)[30:] == [0, 5, 2, 6, 2, 5, 4, 1, 4, 4] and len(sampler) == 40
    assert following(g) == 725


def test_subset_and_weighted():
    assert list(SubsetRandomSampler([3, 5, 7, 9, 11], generator=seeded())) == [3, 11, 7, 9, 5]
    g = seeded()
    weights = [0.1, 0.9, 0.4, 0.7]
    assert list(WeightedRandomSampler(weights, 12, generator=g)) == [1, 1, 1, 1, 2, 1, 1, 3, 2, 2, 2, 1]
    assert list(WeightedRandomSampler(weights, 4, replacement=False, generator=g)) == [3, 2, 1, 0]


def test_distributed():
    sampler = DistributedSampler(range(13), num_replicas=3, rank=1, seed=42)
    assert list(sampler) == [12, 4, 9, 6, 5] and len(sampler) == 5
    sampler.set_epoch(1)
    assert list(sampler) == [1, 8, 3, 11, 4]
    assert list(DistributedSampler(range(13), 3, 2, shuffle=False, drop_last=True)) == [2, 5, 8, 11]
    assert list(DistributedSampler([1, 2, 3], 8, 7, shuffle=False)) == [1]
    assert list(DistributedSampler([1, 2, 3], 8, 1, shuffle=False, drop_last=True)) == []
    with pytest.raises(ValueError, match=r"Invalid rank 2, rank should be in the interval \[0, 1\]"):
        DistributedSampler([1, 2, 3], num_replicas=2, rank=2)


def test_batches():
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(iter(range(5)), 2, True)) == [[0, 1], [2, 3]]
    assert [len(BatchSampler(range(5), 2, d)) for d in (True, False)] == [2, 3]
    assert list(SequentialSampler("abc")) == [0, 1, 2]


# fmt: off
@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: RandomSampler([]), ValueError, "num_samples should be a positive integer value, but got num_samples=0"),
    (lambda: RandomSampler([1], num_samples=1.5), ValueError, "but got num_samples=1.5"),
    (lambda: RandomSampler([1], 2), TypeError, "replacement should be a boolean value, but got replacement=2"),
    (lambda: WeightedRandomSampler([1, 2], True), ValueError, "but got num_samples=True"),
    (lambda: WeightedRandomSampler([1, 2], 1, 1), ValueError, "replacement should be a boolean value"),
    (lambda: WeightedRandomSampler([[1, 2]], 1), ValueError, r"given weights have shape \(1, 2\)"),
    (lambda: BatchSampler([1], True, False), ValueError, "positive integer value, but got batch_size=True"),
    (lambda: BatchSampler([1], 2, 1), ValueError, "drop_last should be a boolean value, but got drop_last=1"),
    (lambda: Sampler([1]), TypeError, r"Sampler\(\) takes no arguments"),
    (lambda: iter(Sampler()), NotImplementedError, "^$"),
    (lambda: len(Sampler()), TypeError, "has no len"),
])
# fmt: on
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
