"""Memory that NumPy can see is sacred: it stays where it is, and writes on either side are seen at once on the
other."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kenaz as torch


def test_numpy_shares_both_ways() -> None:
    t = torch.zeros(3) + 1
    a = t.numpy()
    t.add_(1)
    assert a.tolist() == [2, 2, 2]
    a[0] = 7
    assert t.tolist() == [7, 2, 2]
    t[1] = 5
    t[2:].mul_(4)
    assert a.tolist() == [7, 5, 8]


def test_from_numpy_shares_both_ways() -> None:
    a = np.arange(6.0).reshape(2, 3)
    t = torch.from_numpy(a)
    view = t.t()[1:]
    view += 10
    assert a.tolist() == [[0, 11, 12], [3, 14, 15]]
    a[:] = 1
    assert view.sum().item() == 4


def test_what_was_recorded_before_sees_the_old_values() -> None:
    a = np.ones(3)
    t = torch.from_numpy(a)
    y = t * 2
    a[:] = 5
    z = t * 2
    a[:] = 7
    assert y.tolist() == [2, 2, 2] and z.tolist() == [10, 10, 10]


def test_pending_reads_run_before_memory_is_exposed() -> None:
    t = torch.ones(3) * 3
    y = t + 1
    a = t.numpy()
    a[:] = 0
    assert y.tolist() == [4, 4, 4]


def test_views_of_exposed_memory() -> None:
    t = torch.arange(6.0).reshape(2, 3)
    a = t[1].numpy()
    t.zero_()
    assert a.tolist() == [0, 0, 0]
    a += 2
    assert t.tolist() == [[0, 0, 0], [2, 2, 2]]


def test_address_stays() -> None:
    t = torch.ones(4)
    where = t.data_ptr()
    t.mul_(3)
    t[1:] = 2
    t.copy_(torch.arange(4.0))
    t += 1
    assert t.data_ptr() == where == t.view(2, 2).data_ptr() == t[1:].data_ptr() - 4


def test_a_shared_node_is_parted() -> None:
    """`copy_` may let two storages share one recorded value; showing one to NumPy must not show the other."""
    x = torch.ones(3) * 2
    y = torch.zeros(3)
    y.copy_(x)
    a = y.numpy()
    a[:] = 9
    assert x.tolist() == [2, 2, 2]
    x.add_(1)
    assert a.tolist() == [9, 9, 9]


def test_gradients_of_two_leaves_are_apart() -> None:
    x, y = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    (x + y).sum().backward()
    x.grad.numpy()[:] = 5
    assert y.grad.tolist() == [1, 1, 1]
    y.grad.mul_(2)
    assert x.grad.tolist() == [5, 5, 5]


def test_in_place_on_a_transposed_result_that_is_shared() -> None:
    """The smallest program of a bug: the old value was kept in another order of memory."""
    x = -torch.arange(6.0).reshape(2, 3).t()
    y = x * 1
    y.detach().copy_(x)
    y.add_(1)
    assert y.tolist() == [[1, -2], [0, -3], [-1, -4]]
    assert x.tolist() == [[0, -3], [-1, -4], [-2, -5]]


def test_exposure_ends_with_the_last_array() -> None:
    t = torch.ones(3)
    a = t.numpy()
    assert t._storage.is_exposed()
    part = a[1:]
    del a
    assert t._storage.is_exposed()
    del part
    assert not t._storage.is_exposed()


def test_overlapping_writes_into_exposed_memory() -> None:
    t = torch.arange(5.0)
    a = t.numpy()
    t[1:] = t[:-1].clone()
    assert a.tolist() == [0, 0, 1, 2, 3]
    t[[0, 1]] = t[[1, 4]]
    assert a.tolist() == [0, 3, 1, 2, 3]
    t[t > 1] = -1
    assert a.tolist() == [0, -1, 1, -1, -1]


def test_data_goes_unnoticed() -> None:
    x = torch.ones(2, requires_grad=True) * 1
    y = x * x
    x.data.mul_(3)
    assert x._version == 0
    y.sum().backward()


@pytest.mark.parametrize("eager", [False, True])
def test_in_eager_mode_too(eager: bool) -> None:
    with torch.eager(eager):
        t = torch.zeros(2, 2)
        a = t.numpy()
        t[0, 0] = 1
        t.t()[0, 1] = 2
        assert a.tolist() == [[1, 0], [2, 0]]


STEPS = st.sampled_from(["add", "set", "slice", "copy", "outside", "compute", "view", "mask", "drop", "look", "mul"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(0, 4)), max_size=20), st.booleans())
def test_any_interleaving(steps: list, foreign: bool) -> None:
    model = np.arange(12.0).reshape(3, 4)
    mine = model.copy()
    t = torch.from_numpy(mine) if foreign else torch.tensor(model)
    looks = [mine] if foreign else [t.numpy()]
    derived = []
    for step, k in steps:
        match step:
            case "add":
                t += k
                model += k
            case "mul":
                t.t().mul_(k)
                model.T[:] *= k
            case "set":
                t[k % 3, k % 4] = 5
                model[k % 3, k % 4] = 5
            case "slice":
                t[1:, :2] = t[:2, 2:].clone()
                model[1:, :2] = model[:2, 2:].copy()
            case "copy":
                t.copy_(t * 2 % 7)
                model[:] = model * 2 % 7
            case "mask":
                t[t > 3] = k
                model[model > 3] = k
            case "outside" if looks:
                looks[-1][:, k % 4] += 1
                model[:, k % 4] += 1
            case "compute":
                derived.append((t * k + t[0], model * k + model[0]))
            case "view":
                looks.append(t[:, :].numpy())
            case "look":
                looks.append(t.numpy())
            case "drop" if len(looks) > 1:
                looks.pop(k % len(looks))
        for look in looks:
            assert look.tolist() == model.tolist()
    assert t.tolist() == model.tolist()
    for got, wanted in derived:
        assert got.tolist() == wanted.tolist()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_pending_work_survives_a_fork() -> None:
    t = torch.ones(3) * 2
    y = t + 1
    child = os.fork()
    if not child:
        os._exit(0 if y.tolist() == [3, 3, 3] and (y * 2).sum().item() == 18 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert y.tolist() == [3, 3, 3]


def test_write_to_part_of_a_permuted_result() -> None:
    """Memory that is neither row- nor column-major: 3 axes in the order (1, 2, 0)."""
    x = -torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    assert not x.is_contiguous()
    x[1, 0] = 5
    x.add_(1)
    expected = -np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)
    expected[1, 0] = 5
    assert x.tolist() == (expected + 1).tolist()


def test_graphs_over_memory_that_numpy_sees() -> None:
    """A graph that reads NumPy's memory waits like any other, and still sees what the memory was at its line."""
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    x, w = torch.from_numpy(data), torch.ones(4, 2, requires_grad=True)
    found = []
    for _ in range(5):
        y = torch.tanh(x[1:] @ (w * 0.01)).sum()
        data += 1
        z = (x * 2).sum()
        data -= 1
        (g,) = torch.autograd.grad(y, w)
        assert y._storage.node.value is None and g._storage.node.value is None
        found.append((y.item(), z.item(), g.tolist()))
    assert found[0][1] == 156 and all(f[:2] == found[0][:2] for f in found)
    np.testing.assert_allclose([f[2] for f in found], [found[0][2]] * 5, rtol=1e-6)


def test_gradients_see_what_numpy_wrote_before_them() -> None:
    """Saved tensors are read when the backward pass runs, first and later ones alike."""
    data = np.ones(3, np.float32)
    x, w = torch.from_numpy(data), torch.zeros(3, requires_grad=True)
    for number in range(5):
        data[:] = 1
        y = (x * w).sum()
        data[:] = number
        y.backward()
        assert w.grad.tolist() == [number] * 3
        w.grad = None
