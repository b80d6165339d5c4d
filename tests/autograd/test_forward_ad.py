"""Forward mode: tangents are what differences say, and dual tensors look like others."""

from collections.abc import Callable

import pytest

import kenaz as torch
from kenaz.autograd import forward_ad as fw

FUNCTIONS: dict[str, Callable] = {
    "product": lambda x: x.sin() * x,
    "matrix": lambda x: x @ x.t().exp(),
    "softmax": lambda x: torch.softmax(x, -1).log(),
    "views": lambda x: x[0].unsqueeze(1) * x.t().reshape(-1)[:2],
    "in place": lambda x: x.clone().mul_(x).add_(1).sqrt_(),
    "written to": lambda x: torch.cat([x * 0.5, x]).index_fill(0, torch.tensor([1]), 2.0).cumsum(0),
    "linalg": lambda x: torch.linalg.inv(x @ x.t() + 3 * torch.eye(3, dtype=x.dtype)),
    "norms": lambda x: torch.nn.functional.layer_norm(x, (3,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_tangents_are_directional_derivatives(name: str, dtype: torch.dtype) -> None:
    if name in ("norms", "softmax") and dtype.is_complex:
        return
    torch.manual_seed(0)
    x, v = torch.rand(3, 3, dtype=dtype) + 1, torch.randn(3, 3, dtype=dtype)
    with fw.dual_level():
        primal, tangent = fw.unpack_dual(FUNCTIONS[name](fw.make_dual(x, v)))
    step = 1e-6
    expected = (FUNCTIONS[name](x + step * v) - FUNCTIONS[name](x - step * v)) / (2 * step)
    assert torch.allclose(tangent, expected, rtol=1e-6, atol=1e-7) and torch.allclose(primal, FUNCTIONS[name](x))


def test_functions_that_are_not_holomorphic() -> None:
    with fw.dual_level():
        z = fw.make_dual(torch.tensor([1.0 + 2j]), torch.tensor([2.0 + 1j]))
        assert fw.unpack_dual(z * z.conj()).tangent.tolist() == [8 + 0j]
        assert fw.unpack_dual(z.real).tangent.tolist() == [2.0]
        assert torch.allclose(fw.unpack_dual(z.abs()).tangent, torch.tensor([4 / 5**0.5]))


def test_looks_like_pytorch() -> None:
    x = torch.tensor([1.0, 2.0])
    assert fw.unpack_dual(x) == (x, None)
    with fw.dual_level() as level:
        d = fw.make_dual(x, torch.tensor([1.0, 0.0]))
        assert level == 0 and not d.requires_grad and d.is_leaf and d.grad_fn is None
        assert repr(d * 2) == "tensor([2., 4.], tangent=tensor([2., 0.]))"
        assert fw.unpack_dual(d > 1).tangent is None and fw.unpack_dual(d.detach()).tangent is None
    y = d * 2
    assert repr(y) == "tensor([2., 4.])" and not y.requires_grad and fw.unpack_dual(y).tangent is None


def test_forward_over_reverse_and_back() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        d = fw.make_dual(w, torch.ones(2))
        cubes = d**3
        assert cubes.requires_grad
        (g,) = torch.autograd.grad(cubes.sum(), w)
        assert fw.unpack_dual(g).tangent.tolist() == [6.0, 12.0]
        fw.unpack_dual(cubes).tangent.sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x.exp()
        ctx.save_for_forward(result)
        return result

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * ctx.saved_tensors[0]


def test_user_defined_jvp() -> None:
    with fw.dual_level():
        d = fw.make_dual(torch.tensor([1.0]), torch.tensor([2.0]))
        e = torch.e
        assert torch.allclose(fw.unpack_dual(Exp.apply(d) * d).tangent, torch.tensor([2 * e + 2 * e]))


def test_module() -> None:
    layer = torch.nn.Linear(2, 2)
    with fw.dual_level():
        for name, p in list(layer.named_parameters()):
            delattr(layer, name)
            setattr(layer, name, fw.make_dual(p, torch.full_like(p, 0.5)))
        assert fw.unpack_dual(layer(torch.ones(1, 2))).tangent.tolist() == [[1.5, 1.5]]


MISTAKES: list[tuple[Callable, type[Exception], str]] = [
    (lambda d: fw.make_dual(torch.ones(2), torch.ones(3)), RuntimeError, "of size \\[2\\] while the given forward"),
    (lambda d: fw.make_dual(torch.ones(2).long(), torch.ones(2)), ValueError, "Expected primal to be floating point"),
    (lambda d: fw.make_dual(d, torch.ones(1)), RuntimeError, "already has a forward gradient at the same level 0"),
    (lambda d: fw.enter_dual_level(), RuntimeError, "Nested forward mode AD is not supported"),
]


@pytest.mark.parametrize("call,kind,message", MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(call: Callable, kind: type[Exception], message: str) -> None:
    with fw.dual_level():
        d = fw.make_dual(torch.ones(1), torch.ones(1))
        with pytest.raises(kind, match=message):
            call(d)


def test_needs_a_level() -> None:
    with pytest.raises(RuntimeError, match="no level exists, make sure to enter_dual_level"):
        fw.make_dual(torch.ones(1), torch.ones(1))
