"""Joining, splitting, repeating and padding, against NumPy."""



import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kenaz as torch

A = np.arange(24.0).reshape(2, 3, 4) + 0.5  # so that no element is like a border


def same(ours, numpys):
    np.testing.assert_array_equal(ours.detach().numpy(), numpys)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_stack_and_their_gradients(dim):
    x, y = torch.tensor(A, requires_grad=True), torch.tensor(A + 1, requires_grad=True)
    same(torch.cat([x, y], dim), np.concatenate([A, A + 1], dim))
    same(torch.stack([x, y], dim), np.stack([A, A + 1], dim))
    joined = torch.cat([x, y], dim)
    weights = np.cos(np.arange(48.0)).reshape(joined.shape)
    (joined * torch.tensor(weights)).sum().backward()
    first, second = np.split(weights, 2, dim)
    same(x.grad, first)
    same(y.grad, second)


def test_cat_promotes_and_skips_nothing():
    assert torch.cat([torch.ones(1), torch.ones(1, dtype=torch.int64)]).dtype is torch.float32
    assert torch.cat([torch.ones(2, 3), torch.tensor([])]).shape == (2, 3)
    assert torch.cat([torch.ones(1).half(), torch.ones(1).bfloat16()]).dtype is torch.float32
    assert torch.concat([torch.ones(1), torch.ones(1)], axis=0).tolist() == [1, 1]


@pytest.mark.parametrize("call, kind, message", [
    (lambda x: torch.cat([]), ValueError, "expected a non-empty list of Tensors"),
    (lambda x: torch.cat([x, x[0]]), RuntimeError, "Tensors must have same number of dimensions: got 3 and 2"),
    (lambda x: torch.cat([x, x[:, :2]]), RuntimeError, "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 2 for tensor number 1"),
    (lambda x: torch.cat([x, torch.tensor(1.0)]), RuntimeError, r"zero-dimensional tensor \(at position 1\) cannot be concatenated"),
    (lambda x: torch.cat(x), TypeError, r"cat\(\): argument 'tensors' \(position 1\) must be tuple of Tensors, not Tensor"),
    (lambda x: torch.stack([x, x[0]]), RuntimeError, r"stack expects each tensor to be equal size, but got \[2, 3, 4\] at entry 0 and \[3, 4\] at entry 1"),
    (lambda x: x.split([1, 2]), RuntimeError, r"split_with_sizes expects split_sizes to sum exactly to 2 .* but got split_sizes=\[1, 2\]"),
    (lambda x: x.chunk(0), RuntimeError, "chunk expects `chunks` to be greater than 0, got: 0"),
    (lambda x: x.roll((1, 2), (0,)), RuntimeError, "shifts and dimensions must align"),
    (lambda x: x.repeat(2), RuntimeError, "Number of dimensions of repeat dims can not be smaller"),
    (lambda x: x.repeat_interleave(torch.tensor([1, 2]), 1), RuntimeError, r"repeats.size\(0\) = 2 and input.size\(1\) = 3"),
    (lambda x: torch.broadcast_shapes((2,), (3,)), RuntimeError, "Attempting to broadcast a dimension of length 3 at -1"),
    (lambda x: x.hsplit(2), RuntimeError, "the size of the dimension 3 is not divisible by the split_size 2"),
    (lambda x: torch.constant_pad_nd(x, (1,)), RuntimeError, "Length of pad must be even but instead it equals 1"),
])  # fmt: skip
def test_mistakes(call, kind, message):
    with pytest.raises(kind, match=message):
        call(torch.tensor(A))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12))
def test_pieces_put_together_again(n, size):
    x = torch.arange(n)
    pieces = x.split(size)
    assert torch.cat(pieces).tolist() == x.tolist()
    assert all(len(p) == size for p in pieces[:-1])
    assert len(x.chunk(size)) <= size
    assert [len(p) for p in x.tensor_split(size)] == [len(p) for p in np.array_split(np.arange(n), size)]


def test_pieces_share_one_backward_node():
    x = torch.ones(6, requires_grad=True)
    a, b, c = (x * 1).split(2)
    assert a.grad_fn is b.grad_fn and a.grad_fn.name() == "SplitBackward0"
    (a * 2 + c * 3).sum().backward()
    assert x.grad.tolist() == [2, 2, 0, 0, 3, 3]
    x.grad = None
    rows = x.reshape(3, 2).unbind()
    (rows[1] * rows[1]).sum().backward()
    assert x.grad.tolist() == [0, 0, 2, 2, 0, 0]


def test_pieces_are_views():
    x = torch.zeros(4)
    x.chunk(2)[1].fill_(1)
    assert x.tolist() == [0, 0, 1, 1]


def test_stacks():
    v, m = torch.tensor([1.0, 2.0]), torch.ones(2, 2)
    same(torch.hstack([v, v]), np.hstack([v.numpy(), v.numpy()]))
    same(torch.vstack([v, m]), np.vstack([v.numpy(), m.numpy()]))
    same(torch.dstack([v, v]), np.dstack([v.numpy(), v.numpy()]))
    same(torch.column_stack([v, m]), np.column_stack([v.numpy(), m.numpy()]))
    same(torch.block_diag(v, m), [[1, 2, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])


@pytest.mark.parametrize("ours, numpys", [
    (lambda x: x.flip(0, 2), lambda a: np.flip(a, (0, 2))),
    (lambda x: x.flip(dims=[1]), lambda a: np.flip(a, 1)),
    (lambda x: x.fliplr(), np.fliplr), (lambda x: x.flipud(), np.flipud),
    (lambda x: x.roll(2), lambda a: np.roll(a, 2)),
    (lambda x: x.roll((1, -1), (0, 2)), lambda a: np.roll(a, (1, -1), (0, 2))),
    (lambda x: x.rot90(1, [0, 1]), lambda a: np.rot90(a, 1, (0, 1))),
    (lambda x: x.rot90(-1, [1, 2]), lambda a: np.rot90(a, -1, (1, 2))),
    (lambda x: x.repeat(2, 1, 3), lambda a: np.tile(a, (2, 1, 3))),
    (lambda x: x.tile(2, 1), lambda a: np.tile(a, (2, 1))),
    (lambda x: x.repeat_interleave(2), lambda a: np.repeat(a, 2)),
    (lambda x: x.repeat_interleave(2, 1), lambda a: np.repeat(a, 2, 1)),
    (lambda x: x.repeat_interleave(torch.tensor([0, 2, 1]), 1), lambda a: np.repeat(a, [0, 2, 1], 1)),
    (lambda x: torch.constant_pad_nd(x, (1, 2, 0, 1), 5.0), lambda a: np.pad(a, ((0, 0), (0, 1), (1, 2)), constant_values=5.0)),
    (lambda x: torch.constant_pad_nd(x, (-1, 0, 2, -1)), lambda a: np.pad(a[:, :2, 1:], ((0, 0), (2, 0), (0, 0)))),
    (lambda x: torch.atleast_3d(x[0, 0]), lambda a: np.atleast_3d(a[0, 0])),
])  # fmt: skip
def test_rearrangements_and_their_gradients(ours, numpys):
    x = torch.tensor(A, requires_grad=True)
    y, wanted = ours(x), numpys(A)
    same(y, wanted)
    weights = np.cos(np.arange(wanted.size, dtype=np.float64)).reshape(wanted.shape)
    (y * torch.tensor(weights)).sum().backward()
    grad = np.zeros(A.size)
    inside = wanted % 1 == 0.5
    np.add.at(grad, wanted[inside].astype(int), weights[inside])
    np.testing.assert_allclose(x.grad.numpy().reshape(-1), grad, atol=1e-12)


def test_grids():
    a, b = torch.arange(2), torch.arange(3)
    for indexing in ("ij", "xy"):
        for g, w in zip(torch.meshgrid(a, b, indexing=indexing), np.meshgrid(a.numpy(), b.numpy(), indexing=indexing)):
            same(g, w)
    with pytest.warns(UserWarning, match="it will be required to pass the indexing argument"):
        torch.meshgrid(a, b)
    assert torch.cartesian_prod(a, b).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert torch.combinations(b).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert torch.broadcast_shapes((2, 1), (3,)) == (2, 3)
    assert [t.shape for t in torch.broadcast_tensors(a.reshape(2, 1), b)] == [(2, 3), (2, 3)]


ROWS = [5, 0, 3, 3, 9, 1, 7, 2, 8]


@pytest.mark.parametrize("rows", [
    lambda x: [x[i] for i in ROWS],
    lambda x: [x[i, 1] for i in ROWS],
    lambda x: [x[i, 1, 2] for i in ROWS],
    lambda x: [x.flatten()[i : i + 4] for i in ROWS],  # windows that overlap
    lambda x: [x.flatten()[4 * i : 4 * i + 4] for i in ROWS],
    lambda x: [x.flatten()[7 * i : 7 * i + 7] for i in ROWS],  # which do not fill the memory
    lambda x: [x[i].t() for i in ROWS],
    lambda x: [x[i, :, 1] for i in ROWS],
    lambda x: [x[i] if i % 2 else x[i].clone() for i in ROWS],
    lambda x: [x[i].view(torch.int32) for i in ROWS],
    lambda x: [x[i].view(4, 3) if i % 2 else x[i].reshape(4, 3) for i in ROWS],
    lambda x: [x[i, :0] for i in ROWS],
    lambda x: [x[i].unsqueeze(0) for i in ROWS],
    lambda x: [x] * 8,
])  # fmt: skip
@pytest.mark.parametrize("computed", [True, False])
def test_many_rows_stacked(rows, computed):
    a = np.arange(120, dtype=np.float32).reshape(10, 3, 4)
    x = torch.tensor(a) if computed else torch.tensor(a / 2) * 2
    for kept in (rows(x), [r.numpy() for r in rows(x)] and rows(x)):  # recorded, and where NumPy looks on
        stacked = torch.stack(kept)
        same(stacked, np.stack([r.numpy() for r in kept]))
        assert stacked.is_contiguous() and not stacked._is_view()
    stacked += 1
    assert (x.numpy() == a).all()


def test_rows_that_differ_are_refused():
    x = torch.arange(60).reshape(10, 6)
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        torch.stack([x[i, : 3 + i % 2] for i in range(10)])
    with pytest.raises(TypeError):
        torch.stack([*x, 3][1:])


def test_rows_keep_their_gradients():
    x = torch.ones(10, 3, requires_grad=True)
    torch.stack([x[i] * i for i in range(3)] + [x[i] for i in range(3, 10)]).sum().backward()
    assert x.grad[:, 0].tolist() == [0, 1, 2, 1, 1, 1, 1, 1, 1, 1]
    x.grad = None
    torch.stack([x[i] for i in ROWS]).sum().backward()
    assert x.grad[:, 0].tolist() == [ROWS.count(i) for i in range(10)]


def test_rows_of_examples():
    """Under vmap, and written after they were stacked."""
    x = torch.arange(240.0).reshape(4, 10, 6)
    got = torch.vmap(lambda m: torch.stack([m[i] for i in ROWS]))(x)
    assert (got == x[:, ROWS]).all()
    y = torch.arange(60.0).reshape(10, 6)
    before = y[ROWS].tolist()
    stacked = torch.stack([y[i] for i in ROWS])
    y.zero_()
    assert stacked.tolist() == before
