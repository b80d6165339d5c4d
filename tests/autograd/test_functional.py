"""Derivatives of functions: autograd.functional, gradcheck and func. Numbers and messages are PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import kenaz as torch
from kenaz.autograd import functional, gradcheck, gradgradcheck
from kenaz.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    stack_module_state,
    vjp,
    vmap,
)  # fmt: skip

X = torch.tensor([1.0, 2.0, 3.0])


def plain(tree: Any) -> Any:
    """Nested values without tensors, rounded."""
    if isinstance(tree, torch.Tensor):
        assert not tree.requires_grad
        return plain(tree.tolist())
    if isinstance(tree, (tuple, list)):
        return [plain(t) for t in tree]
    if isinstance(tree, dict):
        return {k: plain(v) for k, v in tree.items()}
    return round(tree, 4)


ONES = torch.ones(2)
EYE3 = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: functional.jacobian(lambda x: x**2, ONES), [[2, 0], [0, 2]]),
        (lambda: functional.hessian(lambda x: (x**3).sum(), ONES), [[6, 0], [0, 6]]),
        (lambda: functional.vjp(lambda x, y: x * y, (ONES, ONES * 2), ONES), [[2, 2], [[2, 2], [1, 1]]]),
        (lambda: functional.jvp(lambda x, y: x * y, (ONES, ONES * 2), (ONES, ONES)), [[2, 2], [3, 3]]),
        (lambda: functional.hvp(lambda x: (x**3).sum(), ONES, ONES), [2, [6, 6]]),
        (lambda: functional.vhp(lambda x: (x**3).sum(), ONES, ONES), [2, [6, 6]]),
        (
            lambda: functional.jacobian(lambda x, y: (x * y, x.sum()), (ONES, ONES)),
            [[[[1, 0], [0, 1]], [[1, 0], [0, 1]]], [[1, 1], [0, 0]]],
        ),
        (lambda: grad(lambda x: (x**2).sum())(X), [2, 4, 6]),
        (lambda: grad(grad(lambda x: x**3))(torch.tensor(2.0)), 12),
        (lambda: grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(X, X), [[1, 2, 3], [1, 2, 3]]),
        (lambda: grad(lambda x: ((x**2).sum(), x), has_aux=True)(X), [[2, 4, 6], [1, 2, 3]]),
        (lambda: grad_and_value(lambda x: (x**2).sum())(X), [[2, 4, 6], 14]),
        (lambda: grad(lambda d: (d["a"] * 2).sum())({"a": X}), {"a": [2, 2, 2]}),
        (lambda: grad(lambda x: torch.ones(()))(X), [0, 0, 0]),
        (lambda: vjp(torch.sin, X)[1](torch.ones(3)), [[0.5403, -0.4161, -0.99]]),
        (lambda: vjp(lambda x: (x, x * 2), X)[1]((torch.ones(3), torch.ones(3))), [[3, 3, 3]]),
        (lambda: jvp(torch.sin, (X,), (torch.ones(3),)), [[0.8415, 0.9093, 0.1411], [0.5403, -0.4161, -0.99]]),
        (lambda: linearize(torch.sin, X)[1](torch.ones(3)), [0.5403, -0.4161, -0.99]),
        (lambda: jacfwd(lambda x: x**2)(X), [[2, 0, 0], [0, 4, 0], [0, 0, 6]]),
        (lambda: hessian(lambda x: (x**3).sum())(X), [[6, 0, 0], [0, 12, 0], [0, 0, 18]]),
        (lambda: jacrev(jacrev(lambda x: (x**3).sum()))(X), [[6, 0, 0], [0, 12, 0], [0, 0, 18]]),
        (lambda: jacrev(lambda x, y: x + y, argnums=(0, 1))(X, X), [EYE3, EYE3]),
        (lambda: jacfwd(lambda x: {"a": x * 2})(X), {"a": [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}),
        (lambda: vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3)), [3, 3]),
        (lambda: vmap(lambda x: x * 2, in_dims=1, out_dims=1)(torch.arange(6.0).view(2, 3)), [[0, 2, 4], [6, 8, 10]]),
        (lambda: vmap(lambda x, y: x + y, in_dims=(0, None))(torch.ones(2, 3), X), [[2, 3, 4], [2, 3, 4]]),
        (lambda: vmap(lambda d: d["a"].sum())({"a": torch.ones(2, 3)}), [3, 3]),
        (lambda: vmap(lambda x: (x, x.sum()))(torch.ones(2, 2)), [[[1, 1], [1, 1]], [2, 2]]),
        (lambda: vmap(vmap(lambda x: x.sum()))(torch.ones(2, 3, 4)), [[4, 4, 4], [4, 4, 4]]),
        (lambda: vmap(grad(lambda x: (x**2).sum()))(torch.ones(2, 2)), [[2, 2], [2, 2]]),
    ],
)  # fmt: skip
def test_values(value: Any, expected: Any) -> None:
    assert plain(value()) == expected
    with torch.no_grad():
        assert plain(value()) == expected


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (
            lambda: grad(lambda x: x**2)(X), RuntimeError,
            ("grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with 1 dims. Maybe you "
            "wanted to use the vjp or jacrev APIs instead?"),
        ),
        (lambda: grad(lambda x: 3.0)(X), RuntimeError,
        "grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got <class 'float'>"),
        (lambda: grad(lambda x: x.sum(), argnums=1)(X), RuntimeError, "Got argnum=1, but only 1 positional inputs"),
        (
            lambda: vmap(torch.dot)(torch.ones(2, 3), torch.ones(3, 3)), ValueError,
            ("vmap: Expected all tensors to have the same size in the mapped dimension, got sizes [2, 3] for the "
            "mapped dimension"),
        ),
        (
            lambda: vmap(lambda x: 3)(X), ValueError,
            ("vmap(<lambda>, ...): `<lambda>` must only return Tensors, got type <class 'int'>. Did you mean to set "
            "out_dims= to None for output?"),
        ),
        (
            lambda: vmap(lambda x: torch.rand(2) + x)(torch.ones(2, 2)), RuntimeError,
            ("vmap: called random operation while in randomness error mode. Please either use the 'same' or "
            "'different' randomness flags on vmap or perform the randomness operation out of vmap"),
        ),
        (
            lambda: functional.hessian(lambda x: x**3, ONES), RuntimeError,
            "The Tensor returned by the function given to hessian should contain a single element",
        ),
    ],
)  # fmt: skip
def test_refusals(action: Any, error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        action()
    assert str(caught.value) == message


def test_random_numbers_of_examples() -> None:
    ones = torch.ones(3, 2)
    same = vmap(lambda x: torch.rand(2) * x, randomness="same")(ones)
    different = vmap(lambda x: torch.rand(2) * x, randomness="different")(ones)
    assert (same[0] == same[1]).all() and not (different[0] == different[1]).all()


def test_modules() -> None:
    model = torch.nn.Linear(3, 2)
    ones = {k: torch.ones_like(v) for k, v in model.named_parameters()}
    assert plain(functional_call(model, ones, (X,)).detach()) == [7, 7]

    def loss(parameters: dict, x: torch.Tensor) -> torch.Tensor:
        return functional_call(model, parameters, (x,)).sum()

    assert plain(grad(loss)(ones, X)) == {"weight": [[1, 2, 3], [1, 2, 3]], "bias": [1, 1]}
    assert vmap(grad(loss), in_dims=(None, 0))(ones, torch.ones(2, 3))["weight"].shape == (2, 2, 3)
    stacked, buffers = stack_module_state([torch.nn.Linear(3, 2) for _ in range(2)])
    assert stacked["weight"].shape == (2, 2, 3) and stacked["weight"].requires_grad and not buffers


def test_outer_gradients_flow_through() -> None:
    w = torch.ones(3, requires_grad=True)
    inner = grad(lambda x: (x * w * w).sum())(X)
    inner.sum().backward()
    assert w.grad.tolist() == [2, 2, 2]
    assert grad(lambda x: x.sin().sum())(w).requires_grad


def test_gradcheck() -> None:
    x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: x.exp() * x.sin(), (x,)) and gradgradcheck(lambda x: x**3, (x,))
    with pytest.raises(
        torch.autograd.gradcheck.__globals__["GradcheckError"],
        match="Jacobian mismatch for output 0 with respect to input 0",
    ):
        gradcheck(lambda x: x.detach() * x, (x,))
    assert not gradcheck(lambda x: x.detach() * x, (x,), raise_exception=False)
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, (x.detach(),))


def test_gradcheck_complex() -> None:
    z = torch.tensor([1 + 2j, 0.5 - 1j], dtype=torch.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z, (z,)) and gradcheck(lambda z: (z * z.conj()).real, (z,))
