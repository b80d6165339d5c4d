"""Views against NumPy: sizes, strides, sharing, gradients, memory formats, and changing oneself in place."""



import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kenaz as torch

A = np.arange(24.0).reshape(2, 3, 4)

VIEWS = {
    "transpose": (lambda x: x.transpose(0, 2), lambda a: a.swapaxes(0, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "movedim": (lambda x: x.movedim((0, 1), (2, 0)), lambda a: np.moveaxis(a, (0, 1), (2, 0))),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(1, 2)),
    "T": (lambda x: x[0].T, lambda a: a[0].T),
    "t": (lambda x: x[1].t(), lambda a: a[1].T),
    "view": (lambda x: x.view(6, -1), lambda a: a.reshape(6, -1)),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    "unflatten": (lambda x: x.unflatten(2, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    "squeeze": (lambda x: x[:1].squeeze(0), lambda a: a[0]),
    "expand": (lambda x: x[:, :1].expand(-1, 3, -1), lambda a: np.broadcast_to(a[:, :1], (2, 3, 4))),
    "narrow": (lambda x: x.narrow(1, -2, 2), lambda a: a[:, 1:]),
    "select": (lambda x: x.select(1, -1), lambda a: a[:, -1]),
    "diagonal": (lambda x: x.diagonal(1, 1, 2), lambda a: a.diagonal(1, 1, 2)),
    "diagonal-down": (lambda x: x.diagonal(-1, 2, 1), lambda a: a.diagonal(-1, 2, 1)),
    "unfold": (lambda x: x.unfold(2, 2, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 2)),
    "as_strided": (lambda x: x.as_strided((3, 2), (4, 1), 1), lambda a: np.lib.stride_tricks.as_strided(a.reshape(-1)[1:], (3, 2), (32, 8))),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_and_send_gradients_back(name):
    ours, numpys = VIEWS[name]
    a = A.copy()
    t = torch.tensor(a)
    np.testing.assert_array_equal(ours(t).numpy(), numpys(a))
    t.mul_(2)
    np.testing.assert_array_equal(ours(t).numpy(), numpys(a * 2))
    x = torch.tensor(A, requires_grad=True)
    wanted = numpys(A)
    weights = np.cos(np.arange(wanted.size, dtype=float)).reshape(wanted.shape)
    (ours(x) * torch.tensor(weights)).sum().backward()
    grad = np.zeros(A.size)
    np.add.at(grad, wanted.astype(int), weights)
    np.testing.assert_allclose(x.grad.numpy().reshape(-1), grad, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.permutations(range(3)), st.sampled_from([(6, 4), (2, 12), (24,), (4, 6), (3, 2, 4), (1, 24), (2, 2, 6)]))
def test_reshape_copies_exactly_where_view_fails(order, size):
    x = torch.tensor(A).permute(*order)
    wanted = A.transpose(order).reshape(size)
    np.testing.assert_array_equal(x.reshape(size).numpy(), wanted)
    try:
        viewed = x.view(size)
    except RuntimeError as error:
        assert "view size is not compatible" in str(error)
        assert x.reshape(size).data_ptr() != x.data_ptr()
    else:
        assert viewed.data_ptr() == x.data_ptr()
        np.testing.assert_array_equal(viewed.numpy(), wanted)


@pytest.mark.parametrize("call, kind, message", [
    (lambda x: x.view(5), RuntimeError, r"shape '\[5\]' is invalid for input of size 24"),
    (lambda x: x.view(3.0), TypeError, r"view\(\) received an invalid combination of arguments - got \(float\)"),
    (lambda x: x.expand(2), RuntimeError, r"expand\(torch.DoubleTensor\{\[2, 3, 4\]\}, size=\[2\]\): the number of sizes provided \(1\)"),
    (lambda x: x.expand(-1, 2, 3, 4), RuntimeError, r"The expanded size of the tensor \(-1\) isn't allowed in a leading, non-existing dimension 0"),
    (lambda x: x.permute(0, 0, 1), RuntimeError, r"permute\(\): duplicate dims are not allowed."),
    (lambda x: x.permute(), TypeError, r'permute\(\) missing 1 required positional arguments: "dims"'),
    (lambda x: x.transpose(0, 5), IndexError, r"Dimension out of range \(expected to be in range of \[-3, 2\], but got 5\)"),
    (lambda x: x.t(), RuntimeError, r"t\(\) expects a tensor with <= 2 dimensions, but self is 3D"),
    (lambda x: x.narrow(0, 1, 5), RuntimeError, r"start \(1\) \+ length \(5\) exceeds dimension size \(2\)."),
    (lambda x: x.unflatten(1, (2, 2)), RuntimeError, r"Provided sizes \[2, 2\] don't multiply up to the size of dim 1 \(3\)"),
    (lambda x: x.diagonal(0, 1, 1), RuntimeError, "diagonal dimensions cannot be identical 1, 1"),
    (lambda x: x.unfold(1, 5, 1), RuntimeError, "maximum size for tensor at dimension 1 is 3 but size is 5"),
    (lambda x: x.movedim((0, 1), 0), RuntimeError, "movedim: Invalid source or destination dims"),
    (lambda x: x[0, 0].mT, RuntimeError, r"tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor."),
    (lambda x: x.H, RuntimeError, "tensor.H is only supported on matrices"),
    (lambda x: x.imag, RuntimeError, "imag is not implemented for tensors with non-complex dtypes."),
    (lambda x: x.contiguous(memory_format=torch.channels_last), RuntimeError, "required rank 4 tensor to use channels_last format"),
    (lambda x: x[:, :, ::2].view(torch.int8), RuntimeError, r"self.stride\(-1\) must be 1 to view Double as Char"),
    (lambda x: torch.diag(x), RuntimeError, r"diag\(\): Supports 1D or 2D tensors. Got 3D"),
    (lambda x: torch.ones(3).expand(2, 3).add_(1), RuntimeError, "more than one element of the written-to tensor refers to a single memory"),
])  # fmt: skip
def test_mistakes(call, kind, message):
    with pytest.raises(kind, match=message):
        call(torch.tensor(A))


def test_memory_formats():
    x = torch.ones(2, 3, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    assert last.stride() == (60, 1, 15, 3)
    assert last.is_contiguous(memory_format=torch.channels_last) and not last.is_contiguous()
    assert last.contiguous(memory_format=torch.channels_last) is last
    assert (last + 1).stride() == last.stride()
    assert last.contiguous().stride() == x.stride()


def test_diagonals():
    v = torch.tensor([1.0, 2.0], requires_grad=True)
    assert torch.diag(v, 1).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    assert torch.diag_embed(torch.ones(2, 2)).shape == (2, 2, 2)
    torch.diag(v).diag().sum().backward()
    assert v.grad.tolist() == [1, 1]
    assert torch.zeros(5, 2).fill_diagonal_(1, wrap=True).tolist() == [[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]


def test_parts_of_complex_tensors_are_views():
    z = torch.tensor([1 + 2j, 3 + 4j])
    assert z.real.tolist() == [1, 3] and z.imag.tolist() == [2, 4]
    z.imag.zero_()
    assert z.tolist() == [1, 3]
    assert torch.view_as_complex(torch.view_as_real(z)).tolist() == z.tolist()
    assert z[1:].imag.storage_offset() == 3
    x = torch.ones(2)
    assert x.real is x


def test_memory_read_as_another_dtype():
    x = torch.tensor([1.0, 2.0])
    assert x.view(torch.int32).tolist() == [0x3F800000, 0x40000000]
    assert x[1:].view(torch.int16).storage_offset() == 2
    assert x.view(torch.int16).shape == (4,)


def test_changing_oneself():
    x = torch.arange(6.0).reshape(2, 3)
    address = x.data_ptr()
    assert x.t_().shape == (3, 2) and x.data_ptr() == address
    assert x.unsqueeze_(0).squeeze_().shape == (3, 2)
    y = torch.ones(2, 3, requires_grad=True) * 2
    y.t_()
    (y * torch.ones(3, 2)).sum().backward()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"):
        torch.ones(2, 3, requires_grad=True).t_()


def test_resize():
    x = torch.arange(4.0)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert x.resize_(3, 3).flatten()[:4].tolist() == [0, 1, 2, 3]
    assert x.resize_as_(torch.ones(1)).tolist() == [0]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.ones(1, requires_grad=True).resize_(2)


@pytest.mark.parametrize("call, name", [
    (lambda y: y.T, "Permute"), (lambda y: y.t(), "T"), (lambda y: y.mT, "Transpose"), (lambda y: y.narrow(0, 0, 1), "Slice"),
    (lambda y: y.flatten(), "View"), (lambda y: y.t().reshape(-1), "UnsafeView"), (lambda y: y.movedim(0, 1), "Permute"),
    (lambda y: y.expand(2, 3, 4), "Expand"), (lambda y: y.diagonal(), "Diagonal"), (lambda y: y.squeeze(), "Squeeze"),
])  # fmt: skip
def test_names_of_backward_nodes(call, name):
    assert call(torch.ones(3, 4, requires_grad=True)).grad_fn.name() == name + "Backward0"


def test_names_of_reshapes() -> None:
    a = torch.randn(2, 6, 4, requires_grad=True)
    turned, part = a.transpose(0, 1), a[:, ::2]
    assert a.reshape(12, 4).grad_fn.name() == part.view(2, 3, 2, 2).grad_fn.name() == "ViewBackward0"
    assert turned.reshape(-1).grad_fn.name() == "UnsafeViewBackward0"
    for y in (turned.reshape(6, 2, 2, 2), part.reshape(2, 3, 2, 2), a[:, :, :2].flatten(0, 1)):
        assert y.grad_fn.name() == "ReshapeAliasBackward0"
        a.grad = None
        (y * y).sum().backward()
    assert torch.equal(a.grad[:, :, :2], 2 * a[:, :, :2]) and not a.grad[:, :, 2:].any()
