"""Hooks: their order, what they may return, and hooks on what is saved. Numbers and messages are PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import kenaz as torch
from kenaz.autograd.graph import GradientEdge, get_gradient_edge, register_multi_grad_hook, saved_tensors_hooks


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values or (1.0, 1.0), requires_grad=True)


def test_order_on_a_result() -> None:
    x, seen = leaf(), []
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: seen.append(("node", gi[0].tolist(), go[0].tolist())))
    y.grad_fn.register_prehook(lambda go: seen.append(("before", go[0].tolist())))
    y.register_hook(lambda g: seen.append(("tensor", g.tolist())))
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    assert seen == [("tensor", [1, 1]), ("before", [5, 5]), ("node", [10, 10], [5, 5])]
    assert y.grad.tolist() == [5, 5]  # a retained gradient is what all hooks have made of it


def test_order_on_a_leaf() -> None:
    x, seen = leaf(), []
    x.register_hook(lambda g: seen.append("tensor"))
    x.register_post_accumulate_grad_hook(lambda t: seen.append("accumulated"))
    node = (x * 2).grad_fn.next_functions[0][0]
    node.register_prehook(lambda g: seen.append("before"))
    node.register_hook(lambda gi, go: seen.append("after"))
    (x * 2).sum().backward()
    assert seen == ["tensor", "before", "accumulated", "after"]
    seen.clear()
    torch.autograd.grad((x * 2).sum(), x)
    assert seen == ["tensor"]


def test_grad_of_a_result_runs_its_tensor_hooks_only() -> None:
    y, seen = leaf() * 2, []
    y.register_hook(lambda g: seen.append("tensor"))
    y.grad_fn.register_prehook(lambda g: seen.append("before"))
    torch.autograd.grad(y.sum(), y)
    assert seen == ["tensor"]


def test_write_in_place_moves_the_retained_gradient_but_not_the_hooks() -> None:
    y, seen = leaf() * 2, []
    y.retain_grad()
    y.register_hook(lambda g: seen.append(("old", g.tolist())))
    y.mul_(3)
    y.register_hook(lambda g: seen.append(("new", g.tolist())))
    y.sum().backward()
    assert seen == [("new", [1, 1]), ("old", [3, 3])]
    assert y.grad.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("hook", "error", "message"),
    [
        (lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (lambda g: torch.ones(3), RuntimeError, "hook '<lambda>' has changed the size of value"),
        (
            lambda g: g.double(), RuntimeError,
            "hook '<lambda>' has changed the type of value (was torch.FloatTensor got torch.DoubleTensor)",
        ),
    ],
)  # fmt: skip
def test_wrong_answers(hook: Any, error: type, message: str) -> None:
    y = leaf() * 2
    y.register_hook(hook)
    with pytest.raises(error) as caught:
        y.sum().backward()
    assert str(caught.value) == message


def test_wrong_answers_of_node_hooks() -> None:
    y = leaf() * 2
    y.grad_fn.register_hook(lambda gi, go: (gi[0],) * 3)
    with pytest.raises(RuntimeError, match=r"incorrect number of values \(got 3, but expected 2\)"):
        y.sum().backward()
    y = leaf() * 2
    y.grad_fn.register_hook(lambda gi, go: 3)
    with pytest.raises(TypeError, match="expected tuple, but hook returned 'int'"):
        y.sum().backward()


def test_handles_remove_hooks() -> None:
    x, seen = leaf(), []
    y = x * 2
    for register, hook in (
        (x.register_hook, lambda g: seen.append(g)),
        (x.register_post_accumulate_grad_hook, lambda t: seen.append(t)),
        (y.grad_fn.register_hook, lambda gi, go: seen.append(go)),
        (y.grad_fn.register_prehook, lambda go: seen.append(go)),
    ):
        register(hook).remove()
    y.sum().backward()
    assert not seen


def test_no_hooks_without_gradient() -> None:
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(2).register_hook(print)
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(2).retain_grad()
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf"):
        (leaf() * 2).register_post_accumulate_grad_hook(print)


def test_hook_over_several() -> None:
    x, seen = leaf(), []
    y, z = x * x, x * 3
    handle = register_multi_grad_hook((y, z), lambda gs: seen.append([g if g is None else g.tolist() for g in gs]))
    (y + z).sum().backward(retain_graph=True)
    y.sum().backward(retain_graph=True)
    assert seen == [[[1, 1], [1, 1]], [[1, 1], None]]
    handle.remove()
    with register_multi_grad_hook((y, z), lambda g: seen.append(g.tolist()), mode="any"):
        (y + z).sum().backward()
    assert seen[2:] == [[1, 1]]


def test_hooks_on_saved_tensors() -> None:
    x, packed, unpacked = leaf(), [], []

    def pack(t: torch.Tensor) -> list:
        packed.append(t.tolist())
        return t.tolist()

    def unpack(values: list) -> torch.Tensor:
        unpacked.append(values)
        return torch.tensor(values)

    with saved_tensors_hooks(pack, unpack):
        y = (x * x).exp()
    y.sum().backward()
    assert len(packed) == len(unpacked) == 3
    torch.testing.assert_close(x.grad, 2 * torch.ones(2).exp()) if hasattr(torch, "testing") else None
    assert all(abs(g - 5.436564) < 1e-5 for g in x.grad.tolist())


def test_unpacked_tensors_are_in_the_graph() -> None:
    x = leaf(2.0)
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        (g,) = torch.autograd.grad((x * x * x).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), x)
    assert (g.item(), h.item()) == (12, 12)


def test_misuse_of_hooks_on_saved_tensors() -> None:
    x = leaf()
    with saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x * x
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="pack hook is modifying its input in place"):
        with saved_tensors_hooks(lambda t: t.add_(1), lambda t: t):
            x * x
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        with saved_tensors_hooks(lambda t: t, lambda t: t):
            pass


def test_user_functions_save_through_hooks() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            assert y.grad_fn is not None
            return g * x * 2

    x, seen = leaf(3.0), []
    with saved_tensors_hooks(lambda t: seen.append(t) or t.tolist(), lambda v: torch.tensor(v)):
        y = Square.apply(x)
    y.sum().backward()
    assert len(seen) == 2 and x.grad.tolist() == [6]


def test_save_on_cpu_and_mutation() -> None:
    x = leaf(3.0)
    with torch.autograd.graph.save_on_cpu():
        y = x * x
    y.sum().backward()
    assert x.grad.tolist() == [6]
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        a = x * 1
        b = a * a
        a.add_(5)
        b.sum().backward()
    assert x.grad.tolist() == [12]


def test_gradient_edges() -> None:
    x = leaf()
    y = x * x
    edge = get_gradient_edge(y)
    assert isinstance(edge, GradientEdge) and edge.node is y.grad_fn and edge.output_nr == 0
    (g,) = torch.autograd.grad(edge, x, torch.ones(2))
    assert g.tolist() == [2, 2]
    assert isinstance(y.grad_fn, torch.autograd.graph.Node)
    with pytest.raises(RuntimeError, match="not possible to get the gradient edge"):
        get_gradient_edge(torch.ones(2))


def test_increment_version() -> None:
    x = torch.ones(2)
    torch.autograd.graph.increment_version(x)
    assert x._version == 1


def test_anomaly() -> None:
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        context = torch.autograd.detect_anomaly()
    x = torch.zeros(1, requires_grad=True)
    with (
        context,
        pytest.warns(UserWarning, match=r"Error detected in SqrtBackward0. Traceback of forward call(.|\n)*x\.sqrt"),
    ):
        with pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output."):
            (x.sqrt() * 0).sum().backward()
    assert not torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        y = x.sqrt() * 0
        assert "traceback_" in y.grad_fn.metadata
        y.sum().backward()
