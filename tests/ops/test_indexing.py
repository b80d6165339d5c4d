"""Keys of every kind against NumPy, gradients, in-place histories, and the messages of mistakes."""



import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kenaz as torch

SETTINGS = settings(max_examples=150, deadline=None)


def numbered(*size, dtype=np.float64):
    return np.arange(np.prod(size, dtype=int), dtype=dtype).reshape(size)


def both(key):
    """A key for kenaz, and the same for NumPy."""
    pairs = [(torch.from_numpy(k), k) if isinstance(k, np.ndarray) else (k, k) for k in key]
    return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)


@st.composite
def basic_keys(draw, size):
    """Integers, slices, None and an Ellipsis that fit a size."""
    key = []
    for n in size[: draw(st.integers(0, len(size)))]:
        kind = draw(st.sampled_from(["int", "slice", "slice", "none"]))
        if kind == "int" and n:
            key.append(draw(st.integers(-n, n - 1)))
        elif kind == "none":
            key += [None, slice(None)]
        else:
            bound = st.none() | st.integers(-n - 2, n + 2)
            key.append(slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3))))
    if draw(st.booleans()):
        key.append(Ellipsis)
    return tuple(key)


@st.composite
def mixed_keys(draw, size):
    """Slices, None, and index arrays of one common size."""
    shape = draw(st.sampled_from([(2,), (3,), (2, 3), (1,)]))
    key = []
    for n in size:
        kind = draw(st.sampled_from(["slice", "array", "array", "all", "none"]))
        if kind == "array":
            numbers = draw(st.lists(st.integers(-n, n - 1), min_size=6, max_size=6))
            key.append(np.array(numbers[: np.prod(shape)]).reshape(shape))
        elif kind == "slice":
            key.append(slice(draw(st.integers(0, n)), None))
        else:
            key += [slice(None)] if kind == "all" else [None, slice(None)]
    return tuple(key)


SIZE = (4, 3, 5)


@SETTINGS
@given(basic_keys(SIZE))
def test_basic_keys_are_views_of_what_numpy_sees(key):
    a = numbered(*SIZE)
    t = torch.tensor(a)
    view, wanted = t[key], a[key]
    np.testing.assert_array_equal(view.numpy(), wanted)
    assert tuple(view.stride()) == tuple(q // 8 for q in wanted.strides) or wanted.size < 2 or 1 in wanted.shape
    view.zero_()
    a[key] = 0
    np.testing.assert_array_equal(t.numpy(), a)


@SETTINGS
@given(mixed_keys(SIZE))
def test_mixed_keys_place_the_advanced_axes_as_numpy_does(key):
    a = numbered(*SIZE)
    ours, numpys = both(key)
    np.testing.assert_array_equal(torch.tensor(a)[ours].numpy(), a[numpys])


@SETTINGS
@given(mixed_keys(SIZE))
def test_assignment_with_mixed_keys(key):
    a = numbered(*SIZE)
    t = torch.tensor(a)
    ours, numpys = both(key)
    a[numpys] = -1
    t[ours] = -1
    np.testing.assert_array_equal(t.numpy(), a)


@settings(max_examples=40, deadline=None)
@given(st.one_of(basic_keys(SIZE), mixed_keys(SIZE)))
def test_gradients_count_how_often_an_element_is_read(key):
    x = torch.tensor(numbered(*SIZE), requires_grad=True)
    ours, numpys = both(key)
    weights = np.cos(numbered(*x[ours].shape))
    (x[ours] * torch.tensor(weights)).sum().backward()
    wanted = np.zeros(SIZE)
    np.add.at(wanted, numpys, weights)
    np.testing.assert_allclose(x.grad.numpy(), wanted)


def test_second_gradients():
    for key in (1, slice(0, 2), (slice(None), [0, 0, 2]), (None, 0, Ellipsis)):
        x = torch.tensor(numbered(3, 3), requires_grad=True)
        (first,) = torch.autograd.grad((x[key] ** 3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        wanted = np.zeros((3, 3))
        np.add.at(wanted, key, 6 * numbered(3, 3)[key])
        np.testing.assert_allclose(second.numpy(), wanted)


@pytest.mark.parametrize("mask", [numbered(3, 4) % 2 == 0, np.array([True, False, True])])
def test_masks(mask):
    a, m = numbered(3, 4), torch.tensor(mask)
    t = torch.tensor(a)
    np.testing.assert_array_equal(t[m].numpy(), a[mask])
    t[m] += 2
    a[mask] += 2
    np.testing.assert_array_equal(t.numpy(), a)
    t[m] = 0.5
    a[mask] = 0.5
    np.testing.assert_array_equal(t.numpy(), a)


def test_mask_in_the_middle_of_a_key():
    a, m = numbered(2, 3, 4), np.array([True, False, True])
    np.testing.assert_array_equal(torch.tensor(a)[:, torch.tensor(m), 1].numpy(), a[:, m, 1])


def test_lists_tuples_and_booleans():
    x = torch.arange(12).reshape(3, 4)
    assert x[[0, 2]].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert x[0, (1, 2)].tolist() == [1, 2]
    assert x[[True, False, True]].shape == (2, 4)
    assert x[True].shape == (1, 3, 4)
    assert x[False].shape == (0, 3, 4)
    assert x[[]].shape == (0, 4)
    assert x[np.int64(1), np.array([0, 3])].tolist() == [4, 7]
    assert x[torch.tensor(1)].tolist() == [4, 5, 6, 7]
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert x[[slice(0, 1), 0]].tolist() == [0]


def test_an_integer_tensor_of_no_axes_gives_a_view():
    x = torch.zeros(2, 2)
    x[torch.tensor(1)].add_(1)
    assert x.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("key, name", [
    (0, "Select"), (slice(0, 1), "Slice"), (slice(None), "Slice"), (Ellipsis, "Alias"), (None, "Unsqueeze"), ((0, None), "Unsqueeze"),
    ((None, 0), "Select"), ([0], "Index"), ((slice(None), 1), "Select"),
])  # fmt: skip
def test_names_of_backward_nodes(key, name):
    assert torch.zeros(2, 2, requires_grad=True)[key].grad_fn.name() == name + "Backward0"


def test_histories_of_assignment():
    x = torch.ones(3, 4, requires_grad=True)
    y = x * 1
    y[0] = 5
    assert y.grad_fn.name() == "CopySlices"
    y[[1], [2]] = 7
    assert y.grad_fn.name() == "IndexPutBackward0"
    (y * y).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0, 0], [2, 2, 0, 2], [2, 2, 2, 2]]


def test_values_assigned_receive_gradients():
    x, v = torch.zeros(3, 2, requires_grad=True), torch.ones(2, requires_grad=True)
    y = x * 1
    y[torch.tensor([0, 2])] = v
    y.sum().backward()
    assert v.grad.tolist() == [2, 2]
    assert x.grad.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_a_view_multiplied_in_place_by_another_view():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1
    y[:, 1] *= x[:, 0]
    y.sum().backward()
    assert x.grad.tolist() == [[3, 1], [5, 3]]


@pytest.mark.parametrize("key, kind, message", [
    (5, IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
    ((0, 9), IndexError, "index 9 is out of bounds for dimension 1 with size 4"),
    ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
    ("a", IndexError, None), (1.0, IndexError, "only integers, slices"),
    ([5], IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
    (([0], [-5]), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
    (([0, 1], [0, 1, 2]), IndexError, r"shape mismatch: indexing tensors could not be broadcast together with shapes \[2\], \[3\]"),
    ([True, False], IndexError, r"The shape of the mask \[2\] at index 0 does not match the shape of the indexed tensor \[3, 4\] at index 0"),
    (slice(None, None, -1), ValueError, "step must be greater than zero"),
    (slice(1.5, None), TypeError, "slice indices must be integers"),
])  # fmt: skip
def test_mistakes_in_keys(key, kind, message):
    with pytest.raises(kind, match=message):
        torch.zeros(3, 4)[key]


@pytest.mark.parametrize("key, value, kind, message", [
    (0, torch.ones(3), RuntimeError, r"The expanded size of the tensor \(4\) must match the existing size \(3\)"),
    ([0, 1], torch.ones(3, 4), RuntimeError, r"shape mismatch: value tensor of shape \[3, 4\] cannot be broadcast"),
    ([0], torch.ones(4, dtype=torch.float64), RuntimeError, "Index put requires the source and destination dtypes match"),
    (0, [1, 2], TypeError, "can't assign a list to a torch.FloatTensor"),
])  # fmt: skip
def test_mistakes_in_values(key, value, kind, message):
    with pytest.raises(kind, match=message):
        torch.zeros(3, 4)[key] = value


def test_numbers_have_no_items():
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        torch.tensor(1.0)[0]
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1.0))
    assert torch.tensor(1.0)[...].item() == 1


def test_an_index_computed_late_is_checked_late():
    index = torch.tensor([1, 2]) + 5
    late = torch.zeros(3)[index]
    with pytest.raises(IndexError, match="index 6 is out of bounds for dimension 0 with size 3"):
        late.tolist()


def test_writing_to_leaves_and_to_pieces_is_refused():
    x = torch.ones(3, 2, requires_grad=True)
    for key in (0, [0], x > 1):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"):
            x[key] = 0
    with pytest.raises(RuntimeError, match="Output 0 of Unbind is a view and is being modified inplace"):
        (x * 1).unbind()[0].zero_()


def test_index_put_accumulates():
    x = torch.zeros(3)
    x.index_put_((torch.tensor([0, 0, 2]),), torch.ones(3), accumulate=True)
    assert x.tolist() == [2, 0, 1]


def test_iteration_and_membership():
    x = torch.arange(4).reshape(2, 2)
    assert [r.tolist() for r in x] == [[0, 1], [2, 3]]
    assert 3 in x
    assert 9 not in x


# ------------------------------------------------------------------------------------------------- gather, scatter, masks
def test_gather_and_scatter_undo_each_other():
    x = torch.tensor(numbered(3, 4), requires_grad=True)
    index = torch.tensor([[2, 0, 1, 2]])
    picked = x.gather(0, index)
    np.testing.assert_array_equal(picked.detach().numpy(), np.take_along_axis(numbered(3, 4), index.numpy(), 0))
    back = torch.zeros(3, 4, dtype=torch.float64).scatter(0, index, picked)
    back.sum().backward()
    assert x.grad.sum().item() == 4


@pytest.mark.parametrize("reduce, wanted", [
    ("sum", [1 + 2 + 4, 1 + 3]), ("prod", [8, 3]), ("mean", [7 / 3, 2]), ("amax", [4, 3]), ("amin", [1, 1]),
])  # fmt: skip
def test_scatter_reduce(reduce, wanted):
    x, src = torch.ones(2, dtype=torch.float64, requires_grad=True), torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64)
    y = x.scatter_reduce(0, torch.tensor([0, 1, 0]), src.requires_grad_(), reduce)
    np.testing.assert_allclose(y.detach().numpy(), wanted)
    y.sum().backward()
    step, grads = 1e-6, []
    for i in range(3):
        moved = src.detach().clone()
        moved[i] += step
        grads.append((x.detach().scatter_reduce(0, torch.tensor([0, 1, 0]), moved, reduce).sum() - y.detach().sum()).item() / step)
    np.testing.assert_allclose(src.grad.numpy(), grads, atol=1e-5)


def test_products_with_zeros_have_gradients():
    x, src = torch.tensor([0.0, 2.0], requires_grad=True), torch.tensor([3.0, 0.0, 5.0], requires_grad=True)
    x.scatter_reduce(0, torch.tensor([0, 1, 0]), src, "prod").sum().backward()
    assert x.grad.tolist() == [15, 0]
    assert src.grad.tolist() == [0, 2, 0]


def test_slices_by_number():
    x, rows = torch.zeros(3, 2), torch.tensor([0, 2])
    ones = torch.ones(2, 2)
    assert x.index_add(0, rows, ones, alpha=2).tolist() == [[2, 2], [0, 0], [2, 2]]
    assert x.index_copy(0, rows, ones).tolist() == [[1, 1], [0, 0], [1, 1]]
    assert x.index_fill(1, torch.tensor([-1]), 7).tolist() == [[0, 7]] * 3
    assert x.index_add(0, torch.tensor([1, 1]), ones)[1].tolist() == [2, 2]
    with pytest.raises(IndexError, match="index out of range in self"):
        x.index_select(0, torch.tensor([3]))
    with pytest.raises(RuntimeError, match="index -1 is out of bounds for dimension 0 with size 3"):
        x.gather(0, torch.tensor([[-1]]))


def test_take_and_put():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.take(torch.tensor([[-1, 0]])).tolist() == [[5, 0]]
    assert x.put(torch.tensor([1, 1]), torch.ones(2), accumulate=True).tolist() == [[0, 3, 2], [3, 4, 5]]
    assert torch.take_along_dim(x, x.argmax(1, keepdim=True), 1).tolist() == [[2], [5]]


def test_where_and_masked_fill():
    x = torch.tensor([1.0, -1.0, float("nan")], requires_grad=True)
    ok = torch.tensor([True, True, False])
    torch.where(ok, x, x.log()).sum().backward()
    assert x.grad.tolist()[:2] == [1, 1]
    assert torch.where(ok, x.detach(), 0).tolist() == [1, -1, 0]
    assert torch.where(ok, 1, 0).dtype is torch.int64
    assert torch.where(ok, torch.arange(3), 0.5).dtype is torch.float32
    assert [t.tolist() for t in torch.where(ok)] == [[0, 1]]
    assert torch.zeros(2, 2).masked_fill(torch.tensor([True, False]), -9).tolist() == [[-9, 0], [-9, 0]]
    with pytest.raises(RuntimeError, match="masked_fill_ only supports boolean masks, but got mask with dtype float"):
        x.masked_fill(x, 0)
    with pytest.raises(RuntimeError, match="value cannot be converted to type at::Half without overflow"):
        torch.zeros(1, dtype=torch.float16).masked_fill(torch.tensor([True]), -1e9)


def test_masked_select_and_scatter():
    x, m = torch.arange(4.0, requires_grad=True), torch.tensor([True, False, False, True])
    y = x.masked_select(m)
    assert y.tolist() == [0, 3]
    torch.zeros(4).masked_scatter(m, y).sum().backward()
    assert x.grad.tolist() == [1, 0, 0, 1]
    with pytest.raises(RuntimeError, match="Number of elements of source < number of ones in mask"):
        x.masked_scatter(m, torch.ones(1))


def test_places():
    x = torch.tensor([[0, 3], [4, 0]])
    assert x.nonzero().tolist() == torch.argwhere(x).tolist() == [[0, 1], [1, 0]]
    assert torch.tensor(2.0).nonzero().shape == (1, 0)
    assert torch.bincount(torch.tensor([1, 1, 3]), minlength=5).tolist() == [0, 2, 0, 1, 0]
    assert torch.tril_indices(2, 3).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert torch.ones(2, 3).triu(1).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert [t.tolist() for t in torch.unravel_index(torch.tensor([1, 5]), (2, 3))] == [[0, 1], [1, 2]]


def test_replaced_parts():
    x = torch.zeros(2, 3, requires_grad=True)
    v = torch.ones(3, requires_grad=True)
    y = torch.select_scatter(x, v, 0, 1)
    assert y.tolist() == [[0, 0, 0], [1, 1, 1]]
    (y * 2).sum().backward()
    assert x.grad.tolist() == [[2, 2, 2], [0, 0, 0]] and v.grad.tolist() == [2, 2, 2]
    assert torch.zeros(2, 2).diagonal_scatter(torch.ones(2)).tolist() == [[1, 0], [0, 1]]
    with pytest.raises(RuntimeError, match=r"src size = \[2, 3\], slice size = \[3\]"):
        torch.select_scatter(x, x, 0, 0)
