"""DataLoader in one process: batches, PyTorch's orders, and what is refused."""

import copy
import pickle
import warnings

import pytest

import kenaz as torch
from kenaz.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
)


class Stream(IterableDataset):
    def __init__(self, n, claimed=None):
        self.n, self.claimed = n, claimed

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        if self.claimed is None:
            raise TypeError("no length")
        return self.claimed


def lists(loader):
    return [b.tolist() for b in loader]


def two_epochs(**options):
    """Two epochs from a fixed seed, and the random number that follows them."""
    torch.manual_seed(7)
    loader = DataLoader(range(6), batch_size=2, **options)
    return [lists(loader), lists(loader)], torch.randint(10**6, (1,)).item()


# fmt: off
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(("options", "want"), [
    ({}, ([[[0, 1], [2, 3], [4, 5]], [[0, 1], [2, 3], [4, 5]]], 953283)),
    ({"shuffle": True}, ([[[5, 1], [3, 0], [4, 2]], [[5, 3], [0, 2], [4, 1]]], 432988)),
    ({"shuffle": True, "drop_last": True}, ([[[5, 1], [3, 0], [4, 2]], [[5, 3], [0, 2], [4, 1]]], 432988)),
    ({"sampler": RandomSampler(range(6), True)}, ([[[5, 1], [1, 5], [2, 5]], [[5, 2], [5, 2], [4, 4]]], 432988)),
])
# fmt: on
def test_order_and_the_random_state_after_it(options, want, num_workers):
    assert two_epochs(num_workers=num_workers, **options) == want


def test_order_of_a_generator():
    g = torch.Generator().manual_seed(7)
    loader = DataLoader(range(6), batch_size=2, shuffle=True, generator=g)
    assert lists(loader) == [[1, 2], [5, 3], [0, 4]]
    assert lists(loader) == [[2, 1], [4, 0], [5, 3]]
    assert torch.randint(10**6, (1,), generator=g).item() == 129708


def test_batches():
    assert lists(DataLoader(range(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(range(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert lists(DataLoader(range(5), batch_sampler=[[0, 3], [4]])) == [[0, 3], [4]]
    assert list(DataLoader(range(3), batch_size=None)) == [0, 1, 2]
    assert lists(DataLoader(torch.arange(3), batch_size=None)) == [0, 1, 2]
    assert list(DataLoader([])) == [] and len(DataLoader([])) == 0
    assert list(DataLoader("ab", collate_fn="".join, batch_size=2)) == ["ab"]
    assert len(DataLoader(range(5), batch_size=2)) == 3 == len(iter(DataLoader(range(5), batch_size=2)))


def test_names_are_those_of_torch():
    loader = DataLoader(Subset(TensorDataset(torch.arange(3)), [2, 0]), shuffle=True)
    assert repr(loader).startswith("<torch.utils.data.dataloader.DataLoader object at")
    assert str(type(loader.dataset)) == "<class 'torch.utils.data.dataset.Subset'>"
    assert str(type(loader.sampler)) == "<class 'torch.utils.data.sampler.RandomSampler'>"
    assert copy.deepcopy(loader).dataset[0][0].item() == 2
    assert pickle.loads(pickle.dumps(loader)).dataset.dataset[1][0].item() == 1


def test_iterator_stays_at_its_end():
    it = iter(DataLoader(range(2)))
    assert iter(it) is it and len(list(it)) == 2
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(it)
    with pytest.raises(NotImplementedError):
        pickle.dumps(it)


def test_attributes():
    loader = DataLoader(range(5), 2, shuffle=True)
    assert loader.batch_size == 2 and loader.num_workers == 0 and loader.prefetch_factor is None
    assert isinstance(loader.sampler, RandomSampler) and isinstance(loader.batch_sampler, BatchSampler)
    assert loader.collate_fn is default_collate and loader.multiprocessing_context is None
    plain = DataLoader(range(5), batch_size=None)
    assert isinstance(plain.sampler, SequentialSampler) and plain.collate_fn is default_convert
    assert plain.batch_sampler is None and DataLoader(range(5), batch_sampler=[[1]]).batch_size is None
    assert DataLoader(range(5), num_workers=1).prefetch_factor == 2
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
        with pytest.raises(ValueError, match=f"^{name} attribute should not be set after DataLoader is initialized$"):
            setattr(loader, name, 3)
    loader.num_workers = 0
    assert pickle.loads(pickle.dumps(DataLoader([1, 2], 2))).batch_size == 2


# fmt: off
@pytest.mark.parametrize(("options", "error", "message"), [
    ({"batch_size": 0}, ValueError, "batch_size should be a positive integer value, but got batch_size=0"),
    ({"num_workers": -1}, ValueError,
     "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."),
    ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, ValueError, (
        "prefetch_factor option could only be specified in multiprocessing."
        "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.")),
    ({"prefetch_factor": -2, "num_workers": 1}, ValueError, "prefetch_factor option should be non-negative"),
    ({"persistent_workers": True}, ValueError, "persistent_workers option needs num_workers > 0"),
    ({"shuffle": True, "sampler": [0]}, ValueError, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "batch_size": 2}, ValueError,
     "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"),
    ({"batch_size": None, "drop_last": True}, ValueError,
     "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"),
    ({"multiprocessing_context": "spawn"}, ValueError,
     "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers=0"),
    ({"multiprocessing_context": 3, "num_workers": 1}, TypeError, (
        "multiprocessing_context option should be a valid context object or a string specifying the start method, "
        "but got multiprocessing_context=3")),
])
# fmt: on
def test_refused(options, error, message):
    with pytest.raises(error) as caught:
        DataLoader([1], **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["shuffle", "sampler", "batch_sampler"])
def test_stream_takes_no_order(name):
    with pytest.raises(ValueError, match=f"expected unspecified {name} option, but got {name}="):
        DataLoader(Stream(3), **{name: True})


def test_stream():
    assert lists(DataLoader(Stream(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Stream(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    assert [len(DataLoader(Stream(5, 5), batch_size=2, drop_last=d)) for d in (False, True)] == [3, 2]
    with pytest.raises(TypeError):
        len(DataLoader(Stream(3)))


def test_stream_that_is_longer_than_it_says():
    loader = DataLoader(Stream(3, claimed=2))
    assert len(loader) == 2
    with pytest.warns(UserWarning, match=r"was reported to be 2\(when accessing len\(dataloader\)\), but 3 samples"):
        for _ in loader:
            pass


def test_pin_memory_without_accelerator():
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        assert lists(DataLoader([1], pin_memory=True)) == [[1]]


def test_too_many_workers():
    with pytest.warns(UserWarning, match="This DataLoader will create 5000 worker processes in total. Our"):
        DataLoader([1], num_workers=5000)


# ----------------------------------------------------------------------------- rows of tensors, all at once
class Slow(Dataset):
    """The samples of a dataset, one by one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        return self.dataset[i]


def variants():
    floats = torch.arange(24.0).reshape(6, 4)
    plain = TensorDataset(torch.arange(6), floats)
    yield "plain", plain
    yield "subset", Subset(plain, [5, 3, 1])
    yield "subset of subset", Subset(Subset(plain, [5, 3, 1, 0]), [2, 0])
    yield "tensor indices", Subset(plain, torch.tensor([4, 2]))
    yield "negative", Subset(plain, [-1, -2])
    yield "strided", TensorDataset(floats.t(), floats[:4, 1:3])
    yield "expanded", TensorDataset(torch.ones(1, 3).expand(5, 3))
    yield "bool and int", TensorDataset(torch.tensor([True, False]), torch.tensor([1, 2], dtype=torch.uint8))
    yield "half", TensorDataset(torch.ones(3, 2).half(), torch.ones(3).bfloat16())


@pytest.mark.parametrize(("name", "dataset"), [pytest.param(n, d, id=n) for n, d in variants()])
def test_gathered_rows_are_the_stacked_samples(name, dataset):
    for quick, slow in zip(DataLoader(dataset, batch_size=2), DataLoader(Slow(dataset), batch_size=2), strict=True):
        assert type(quick) is type(slow) is list
        for a, b in zip(quick, slow, strict=True):
            assert a.dtype is b.dtype and a.shape == b.shape and a.stride() == b.stride()
            assert a.tolist() == b.tolist()


def test_gathered_rows_are_copies():
    x = torch.zeros(4, 2)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=4)))
    batch += 1
    assert x.sum().item() == 0


def test_rows_with_gradients_are_stacked():
    x = torch.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=4)))
    batch.sum().backward()
    assert x.grad.tolist() == [[1, 1]] * 4


def test_row_beyond_the_end():
    loader = DataLoader(TensorDataset(torch.arange(3)), batch_sampler=[[0, 3]])
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        list(loader)


def test_subclass_with_its_own_items():
    class Doubled(TensorDataset):
        def __getitem__(self, i):
            return super().__getitem__(i)[0] * 2

    assert lists(DataLoader(Doubled(torch.arange(3)), batch_size=3)) == [[0, 2, 4]]


def test_getitems_is_preferred():
    class Batched(Dataset):
        def __len__(self):
            return 4

        def __getitems__(self, indices):
            return [10 * i for i in indices]

    assert lists(DataLoader(Batched(), batch_size=2)) == [[0, 10], [20, 30]]


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in DataLoader(TensorDataset(torch.arange(3)), batch_size=2, shuffle=True):
            pass
