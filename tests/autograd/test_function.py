"""User-defined functions, in PyTorch's words where they go wrong."""

from __future__ import annotations

from typing import Any

import pytest

import kenaz as torch
from kenaz import execute
from kenaz.autograd import Function


def leaf() -> torch.Tensor:
    return torch.ones(2, requires_grad=True)


def function(forward: Any, backward: Any) -> Any:
    return type("F", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


@pytest.mark.parametrize(
    ("gradients", "error", "message"),
    [
        ((1,), None, None),
        ((None,), None, None),
        ((1, None, None), None, None),
        ((1, 1), RuntimeError, "function FBackward returned an incorrect number of gradients (expected 1, got 2)"),
        (("five",), RuntimeError, "expected Variable or None (got int)"),
        (
            ("wide",), RuntimeError,
            ("Function FBackward returned an invalid gradient at index 0 - got [5] but expected shape compatible with "
            "[2]"),
        ),
    ],
)  # fmt: skip
def test_what_backward_returns(gradients: tuple, error: Any, message: str) -> None:
    made = {1: torch.ones(2), None: None, "five": 5, "wide": torch.ones(5)}
    y = function(lambda ctx, x: x * 2, lambda ctx, g: tuple(made[k] for k in gradients)).apply(leaf())
    if error is None:
        y.sum().backward()
        return
    with pytest.raises(error) as caught:
        y.sum().backward()
    assert str(caught.value) == message


def test_gradient_of_something_that_is_no_tensor() -> None:
    y = function(lambda ctx, a, b: a * b, lambda ctx, g: (g, g)).apply(leaf(), 2)
    with pytest.raises(
        RuntimeError, match="returned a gradient different than None at position 2, but the corresponding forward"
    ):
        y.sum().backward()


def test_gradients_are_summed_over_broadcast_axes() -> None:
    x = leaf()
    y = function(lambda ctx, a: a.expand(3, 2) * 1, lambda ctx, g: g).apply(x)
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_context() -> None:
    seen: dict = {}

    def forward(ctx: Any, a: Any, b: Any, k: int) -> Any:
        seen["needs"] = ctx.needs_input_grad
        ctx.save_for_backward(a, b)
        ctx.k = k
        return a * b

    def backward(ctx: Any, g: Any) -> tuple:
        a, b = ctx.saved_tensors
        return g * b * ctx.k, None, None

    x = leaf()
    y = function(forward, backward).apply(x, torch.full((2,), 3.0), 7)
    assert repr(y).endswith("grad_fn=<FBackward>)") and y.grad_fn.name() == "FBackward"
    y.sum().backward()
    assert seen["needs"] == (True, False, False) and x.grad.tolist() == [21, 21]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.sum().backward()


def test_saved_tensor_was_modified() -> None:
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return a * 2

    x = leaf() * 1
    y = function(forward, lambda ctx, g: ctx.saved_tensors[0]).apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_only_tensors_can_be_saved() -> None:
    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 0 is of type int"):
        function(lambda ctx, a: ctx.save_for_backward(3), None).apply(leaf())


def test_mark_dirty() -> None:
    def forward(ctx: Any, a: Any) -> Any:
        a.add_(1)
        ctx.mark_dirty(a)
        return a

    F, x = function(forward, lambda ctx, g: g * 3), leaf()
    z = x * 1
    q = F.apply(z)
    assert q is z and z.grad_fn.name() == "FBackward" and z._version == 2
    q.sum().backward()
    assert x.grad.tolist() == [3, 3]
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad has been used in an in-place operation."
    ):
        F.apply(x)
    base = torch.zeros(2, 2) * x
    F.apply(base[0])
    x.grad = None
    base.sum().backward()
    assert base.tolist() == [[1, 1], [0, 0]] and base.grad_fn.name() == "CopySlices"


@pytest.mark.parametrize("forward", [lambda ctx, a: a, lambda ctx, a: a.view(-1)])
def test_views_out_of_a_function(forward: Any) -> None:
    z = leaf() * 1
    q = function(forward, lambda ctx, g: g * 3).apply(z)
    assert q is not z and q._is_view() and q.data_ptr() == z.data_ptr()
    with pytest.raises(
        RuntimeError, match="Output 0 of F is a view and is being modified inplace. This view was created inside a"
    ):
        q.add_(1)


def test_results_without_gradient() -> None:
    def forward(ctx: Any, a: Any) -> tuple:
        mask, other = a > 0, a * 3
        ctx.mark_non_differentiable(mask, other)
        return a * 2, mask, other, 5, None

    def backward(ctx: Any, *grads: Any) -> Any:
        assert grads[1].tolist() == [False, False] and grads[2].tolist() == [0, 0] and grads[3] is None
        return grads[0] * 3

    a, mask, other, five, nothing = function(forward, backward).apply(leaf())
    assert a.requires_grad and not mask.requires_grad and not other.requires_grad and (five, nothing) == (5, None)
    a.sum().backward()


def test_grads_that_are_not_there() -> None:
    def forward(ctx: Any, a: Any) -> tuple:
        ctx.set_materialize_grads(False)
        return a * 1, a * 2

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        assert h is None
        return g

    function(forward, backward).apply(leaf())[0].sum().backward()


def test_once_differentiable() -> None:
    F = function(lambda ctx, a: a * 2, torch.autograd.function.once_differentiable(lambda ctx, g: g * 3))
    x = leaf()
    q = F.apply(x * x)
    (g,) = torch.autograd.grad((q * q).sum(), x, create_graph=True)
    with pytest.raises(
        RuntimeError, match="trying to differentiate twice a function that was marked with @once_differentiable"
    ):
        g.sum().backward()


def test_setup_context() -> None:
    class Product(Function):
        @staticmethod
        def forward(a, b):
            return a * b

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b, g * a

    a, b = (torch.rand(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(Product.apply, (a, b)) and torch.autograd.gradgradcheck(Product.apply, (a, b))


def test_gradcheck_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It compares bits of two runs, of which only the second might be compiled."""
    monkeypatch.setattr(execute, "_plan_for", lambda *graph: pytest.fail("a graph was looked up"))
    x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: (x.exp() * x).sum(), x)
    monkeypatch.undo()
    assert not execute.mode.eager


def test_missing_parts() -> None:
    F = type("F", (Function,), {"forward": staticmethod(lambda ctx, a: a * 1)})
    with pytest.raises(NotImplementedError, match="You must implement either the backward or vjp method"):
        F.apply(leaf()).sum().backward()
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Function.apply(leaf())
