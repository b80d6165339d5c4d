"""Samples that were only recorded are stacked by running each operator once: the results are those of torch.stack."""

import pytest

import kenaz as torch
from kenaz.utils.data import default_collate
from kenaz.utils.data._utils import stacking

X = torch.arange(240).reshape(10, 4, 6).to(torch.uint8)
Y = (torch.arange(24).reshape(4, 6) - 12) / 8  # whatever computes with them, and in whichever order, is exact


def chain(i):
    return X[i].float().div(255).unsqueeze(0)


SAMPLES = {
    "rows": lambda i: X[i],
    "parts of rows": lambda i: X[i, 1:3],
    "columns": lambda i: X[:, :, i % 6],
    "chain": chain,
    "broadcast": lambda i: X[i].float() * Y[i % 4] + Y[:, :1],
    "two sources": lambda i: X[i].float() + X[9 - i].double(),
    "transposed": lambda i: X[i].float().t(),
    "transposed before": lambda i: X[i].t().float() * 2,
    "numbers that differ": lambda i: X[i].float() * i,
    "half": lambda i: X[i].half() / 3,
    "reduction inside": lambda i: X[i].float() - X[i].float().mean(),
    "reduction last": lambda i: X[i].float().sum(0),
    "comparison": lambda i: X[i] > 20,
    "views that differ": lambda i: X[i].float()[: 2 + i // 100],
    "scalars": lambda i: X[i, 0, 0].float() / 2,
    "in place": lambda i: X[i].float().mul_(2).add_(1),
    "empty": lambda i: X[i, :0].float(),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("indices", [[3, 1, 4, 1, 5, 9], [0, 1, 2], [7]])
def test_equal_to_stack(name, indices):
    sample = SAMPLES[name]
    want = [sample(i).tolist() for i in indices]
    got = default_collate([sample(i) for i in indices])
    one = sample(indices[0])
    assert got.tolist() == want and got.dtype is one.dtype and got.shape == (len(indices), *one.shape)
    assert got.is_contiguous()


def test_samples_keep_their_values():
    samples = [chain(i) for i in (3, 4)]
    batch = stacking.stack(samples)
    batch.zero_()
    assert samples[0].sum().item() == pytest.approx(sum(range(72, 96)) / 255)


def test_writes_after_recording_do_not_show():
    data = torch.zeros(4, 3)
    samples = [data[i] + 1 for i in range(4)]
    data += 10
    assert stacking.stack(samples).tolist() == [[1, 1, 1]] * 4
    assert stacking.stack([data[i] + 1 for i in range(1, 4)]).tolist() == [[11, 11, 11]] * 3


def test_left_to_the_operator():
    x = torch.ones(2, requires_grad=True)
    assert stacking.stack([x, x]) is None
    assert stacking.stack([torch.ones(2), torch.ones(3)]) is None
    assert stacking.stack([torch.ones(2), torch.ones(2).double()]) is None
    assert stacking.stack([torch.ones(2), 3]) is None


def test_reading_a_label_runs_nothing():
    from kenaz.execute import pending

    labels = torch.arange(10).flip(0).clone()
    assert labels[0].item() == 9
    waiting = X[0].float() * 3
    assert int(labels[4]) == 5 and labels[-1].item() == 0
    assert waiting._storage.node in pending and waiting._storage.node.value is None
    assert waiting.sum().item() == float(X[0].sum() * 3)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.half, torch.bfloat16, torch.double, torch.cfloat])
def test_elements_of_computed_memory(dtype):
    table = torch.arange(12).reshape(3, 4).to(dtype)
    for view in (table, table.t(), table[1:, ::2], table.t()[1:]):
        rows = view.tolist()
        for i, row in enumerate(rows):
            assert [view[i, j].item() for j in range(len(row))] == row
            assert [type(view[i, j].item()) for j in range(len(row))] == [type(v) for v in row]


@pytest.mark.parametrize("indices", [[3, 1, 4], [0, 1, 2], [0, 0], [2, 0]])
def test_samples_are_not_run_one_by_one(indices):
    samples = [chain(i) for i in indices]
    default_collate(samples)
    assert all(s._storage.node.value is None for s in samples)


def test_stacked_samples_are_forgotten():
    from kenaz.execute import drop_unseen, flush, pending

    flush()
    kept = X[1].float() * 2
    samples = [chain(i) for i in range(5)]
    batch = default_collate(samples)
    drop_unseen()
    assert len(pending) == 12  # two for each sample, while the samples are there: they may be asked for
    del samples
    drop_unseen()
    assert len(pending) == 2 and kept._storage.node.value is None
    assert batch[2].tolist() == chain(2).tolist() and kept.tolist() == (X[1] * 2).float().tolist()


def test_numbers():
    assert default_collate([1, 2, 3]).dtype is torch.int64 and default_collate([5]).tolist() == [5]
    assert default_collate([1, True]).tolist() == [1, 1]
    assert default_collate([1, 2.5]).dtype is torch.float32 and default_collate([True, False]).dtype is torch.bool
    with pytest.raises(ValueError, match="Overflow"):
        default_collate([1, 1 << 70])
