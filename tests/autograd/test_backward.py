"""backward and grad: what they give and what they refuse, in PyTorch's words."""

from __future__ import annotations

from typing import Any

import pytest

import kenaz as torch
from kenaz import execute


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values or (1.0, 1.0), requires_grad=True)


FREED = "Trying to backward through the graph a second time"


@pytest.mark.parametrize("f", [lambda x: x * x, lambda x: x * 2, lambda x: x.exp(), lambda x: x**3, lambda x: x / 2])
def test_second_backward(f: Any) -> None:
    y = f(leaf()).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match=FREED):
        y.backward()


@pytest.mark.parametrize(
    "f", [lambda x: x + 2, lambda x: x.view(2, 1), lambda x: x.sum(), lambda x: -x, lambda x: x + x]
)
def test_second_backward_where_nothing_is_kept(f: Any) -> None:
    y = f(leaf()).sum()
    y.backward()
    y.backward()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda x: (x * 2).backward(), "grad can be implicitly created only for scalar outputs"),
        (lambda x: torch.ones(2).sum().backward(),
        "element 0 of tensors does not require grad and does not have a grad_fn"),
        (
            lambda x: torch.autograd.grad(x * 2, x, torch.ones(3)),
            ("Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0] has a shape of "
            "torch.Size([2])."),
        ),
        (
            lambda x: torch.autograd.grad(x.sum(), leaf()),
            ("The differentiated Tensor at index 0 appears to not have been used in the graph. Set allow_unused=True "
            "if this is the desired behavior."),
        ),
        (lambda x: torch.autograd.grad(x.sum(), torch.ones(2)),
        "One of the differentiated Tensors does not require grad"),
        (lambda x: setattr(x, "grad", x), "can't assign Variable as its own grad"),
        (
            lambda x: setattr(x, "grad", torch.ones(3)),
            ("attempting to assign a gradient of size '[3]' to a tensor of size '[2]'. Please ensure that the gradient "
            "and the tensor are the same size"),
        ),
        (lambda x: x.add_(1), "a leaf Variable that requires grad is being used in an in-place operation."),
        (lambda x: x[0].add_(1),
        "a view of a leaf Variable that requires grad is being used in an in-place operation."),
    ],
)  # fmt: skip
def test_refusals(action: Any, message: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        action(leaf())
    assert str(caught.value) == message


def test_grad_of_another_type() -> None:
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None but got grad of type int"):
        leaf().grad = 3
    with pytest.raises(RuntimeError, match="gradient with dtype 'double' to a tensor with grad_dtype 'Float'"):
        leaf().grad = torch.ones(2, dtype=torch.float64)


def test_grad_of_a_result_warns() -> None:
    y = leaf() * 2
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf"):
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None


def test_unused_inputs() -> None:
    x, z = leaf(), leaf()
    assert torch.autograd.grad(x.sum(), (x, z), allow_unused=True)[1] is None
    assert torch.autograd.grad(x.sum(), (x, z), materialize_grads=True)[1].tolist() == [0, 0]


def test_batched_grads() -> None:
    x = leaf()
    (g,) = torch.autograd.grad(x * 2, x, torch.eye(2), is_grads_batched=True)
    assert g.tolist() == [[2, 0], [0, 2]]


def test_backward_to_given_inputs() -> None:
    x, w = leaf(), leaf()
    y = x * w
    (y * 3).sum().backward(inputs=[x, y])
    assert x.grad.tolist() == [3, 3] and y.grad.tolist() == [3, 3] and w.grad is None


def test_saved_values_by_name() -> None:
    x = leaf()
    y = x * x
    assert y.grad_fn._saved_self is x
    y.sum().backward()
    with pytest.raises(RuntimeError, match=FREED):
        y.grad_fn._saved_self


# ------------------------------------------------------------------------------------------------- writes in place
def test_modified_value() -> None:
    y = leaf().exp()
    y.add_(1)
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    assert str(caught.value) == (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        "[torch.FloatTensor [2]], which is output 0 of Exp, is at version 1; expected version 0 instead. Hint: enable "
        "anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def test_detach_shares_the_version_and_data_does_not() -> None:
    x = leaf() * 1
    y = x * x
    x.data.add_(1)
    y.sum().backward(retain_graph=True)
    x.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_write_to_base_reaches_views() -> None:
    x = leaf()
    y = x * 1
    v = y[0]
    y.mul_(3)
    assert v.grad_fn.name() == "AsStridedBackward0"
    v.backward()
    assert x.grad.tolist() == [3, 0]


def test_write_through_view_reaches_base() -> None:
    x = leaf()
    y = torch.zeros(3)
    other = y[1:]  # made before y had a history
    y[:2].mul_(0).add_(x)
    assert y.grad_fn.name() == "CopySlices" and y.requires_grad and other.requires_grad
    (other * torch.tensor([5.0, 7.0])).sum().backward()
    assert x.grad.tolist() == [0, 5]


def test_chained_views() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 2
    y.t()[1].view(2)[1:].mul_(10)
    (y * torch.arange(6.0).view(2, 3)).sum().backward()
    assert x.grad.tolist() == [[0, 2, 4], [6, 80, 10]]


@pytest.mark.parametrize(
    ("parts", "name"),
    [(lambda y: y.unbind(), "Unbind"), (lambda y: y.split(1), "Split"), (lambda y: y.chunk(2), "Split")],
)
def test_several_views(parts: Any, name: str) -> None:
    y = torch.ones(2, 2, requires_grad=True) * 1
    with pytest.raises(
        RuntimeError, match=f"Output 1 of {name} is a view and is being modified inplace. This view is the output of"
    ):
        parts(y)[1].add_(1)


def test_view_of_no_grad_mode() -> None:
    y = leaf() * 1
    with torch.no_grad():
        v = y[0]
        v.add_(1)
    with pytest.raises(
        RuntimeError, match="A view was created in no_grad mode and is being modified inplace with grad mode enabled"
    ):
        v.add_(1)


def test_no_grad_writes_to_leaves() -> None:
    x = leaf()
    with torch.no_grad():
        x[0] = 5
        x.add_(1)
    assert x.tolist() == [6, 2] and x.requires_grad and x.is_leaf


def test_requires_grad_refusals() -> None:
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        (leaf() * 2).requires_grad = False
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        torch.ones(2, dtype=torch.int64).requires_grad_()
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (leaf() * 1)[0].detach_()


def test_inference_mode() -> None:
    with torch.inference_mode():
        x = torch.ones(2)
        assert x.is_inference() and x[0].is_inference()
        x.add_(1)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        x.requires_grad_()
    assert (x + leaf()).requires_grad


def test_write_to_a_plain_base_reaches_its_views() -> None:
    x, base = leaf(), torch.zeros(2)
    view = base.view(2, 1)
    base.add_(x)
    assert view.requires_grad
    (view * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_renewed_view_of_another_order_of_memory() -> None:
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    y = x.t() + 1.0
    row, wide = y[0], y[:, 0][:, None].expand(3, 4)
    y.mul_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    (row.sum() + wide.sum()).backward()
    assert x.grad.tolist() == [[5, 12, 20], [2, 0, 0]]


def test_inference_tensors_are_not_saved():
    with torch.inference_mode():
        z = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        z * w
    (z + w).sum().backward()
    (z.clone() * w).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]


def _recurrence(x: torch.Tensor) -> torch.Tensor:
    h, total = torch.zeros(2, 3, dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    for t in range(x.shape[1]):
        h = torch.tanh(h + x[:, t] * x[:, t])
        total = total + (h * h).sum()
    return total + (x.unfold(1, 2, 1) ** 3).sum() + (x[..., 1:] ** 2).sum() + x.sum()


def test_parts_of_a_tensor_read_step_by_step() -> None:
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_recurrence, (x,))
    assert torch.autograd.gradgradcheck(_recurrence, (x,))


def test_gradients_of_parts_are_added_in_place() -> None:
    """The whole is made once, and not once for each part."""
    x = torch.randn(2, 9, 3, requires_grad=True)
    made: list[str] = []
    observe = lambda call: made.append(call.op.name)
    execute.observers.append(observe)
    execute.update_mode()
    try:
        for create_graph in (False, True):
            made.clear()
            torch.autograd.grad(sum((x[:, t] * t).sum() for t in range(9)), x, create_graph=create_graph)
            assert made.count("embed_onto") == 8
    finally:
        execute.observers.remove(observe)
        execute.update_mode()


def test_hooks_see_the_sum_of_gradients_of_parts() -> None:
    x = torch.zeros(3, 2, requires_grad=True)
    y = x * 1
    seen: list[torch.Tensor] = []
    y.register_hook(lambda g: seen.append(g.clone()))
    y.retain_grad()
    (y[0].sum() + 2 * y[0:2].sum() + 3 * y.sum()).backward()
    assert seen[0].tolist() == y.grad.tolist() == x.grad.tolist() == [[6, 6], [5, 5], [3, 3]]


@pytest.mark.parametrize("gradient", [[torch.full((), 3.0)], (torch.full((), 3.0),), torch.full((), 3.0)])
def test_a_gradient_in_a_list(gradient: Any) -> None:
    x = torch.ones(2, requires_grad=True)
    x.sum().backward(gradient)
    assert x.grad.tolist() == [3, 3]


def test_a_number_is_no_gradient() -> None:
    with pytest.raises(TypeError, match="'float' object is not iterable"):
        torch.ones((), requires_grad=True).backward(3.0)


def test_results_that_a_rule_does_not_read_may_be_written_to() -> None:
    """Max pooling remembers where its maxima were, and not which."""
    image = torch.tensor([[[[1.0, -3.0], [-2.0, -4.0]], [[-1.0, -2.0], [-3.0, -5.0]]]], requires_grad=True)
    for _ in range(4):
        image.grad = None
        torch.nn.functional.max_pool2d(image * 1, 2).relu_().sum().backward()
        assert image.grad.flatten().tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    values, places = torch.sort(image.flatten() * 2)
    values.mul_(3)
    values.sum().backward()
    values, places = (image.flatten() * 2).sort()
    places.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()
