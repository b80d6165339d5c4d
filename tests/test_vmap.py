"""vmap: what is recorded for one example and repeated for all gives what a loop gives, and how often a function runs."""

from collections.abc import Callable

import pytest

import kenaz as torch
from kenaz import Tensor, nn
from kenaz.func import functional_call, grad, hessian, jacrev, vmap
from kenaz.nn import functional as F
from kenaz.utils._pytree import tree_flatten

torch.manual_seed(0)
X, M, Y = torch.randn(6, 3), torch.randn(6, 2, 3), torch.tensor([0, 1, 2, 2, 1, 0])
IMAGES = torch.randn(6, 2, 2, 7, 7)
EYE = torch.eye(3)


def _written(x: Tensor) -> Tensor:
    y = x.clone()
    y[0] = 5.0
    y.T[1] *= 2
    return y


AT_ONCE: dict[str, tuple] = {
    "pointwise": (lambda x: torch.where(x > 0, x.exp() + 1, -x).clamp(max=2), X),
    "constants": (lambda x, y: (x - y) / 2.5, X, torch.tensor([1.0, 2, 3])),
    "another axis": (lambda x, y: x + y, X, torch.randn(3, 6)),
    "numbers": (lambda x: x * 2 + torch.ones(3), X[:, 0]),
    "promotion of 0-d": (lambda x: x + torch.ones(3), X[:, 0].double()),
    "integers": (lambda i: (i * 2, i / 2), Y),
    "comparisons": (lambda x: (x > 0).any(), X),
    "reductions": (lambda x: (x.sum(), x.mean(-1), x.amax(0, keepdim=True), x.var(), x.logsumexp(1)), M),
    "norms": (lambda x: (x.norm(), torch.linalg.vector_norm(x, 1)), X),
    "views": (lambda x: x.T[1:].reshape(-1) * torch.arange(4.0), M),
    "expanded": (lambda x: x.expand(2, 3) + 1, X),
    "writing": (_written, M),
    "dot": (torch.dot, X, X.flip(0)),
    "mv": (torch.mv, M, X),
    "mm": (lambda x: x @ x.T, M),
    "bmm": (lambda x: torch.bmm(x.expand(2, 2, 3), EYE.expand(2, 3, 3)), M),
    "outer": (torch.outer, X, X),
    "einsum": (lambda x: torch.einsum("i,ij->j", x, EYE), X),
    "linear": (lambda w, x: F.linear(x, w), M, X),
    "addmm": (lambda x: torch.addmm(EYE, x.T, x, beta=2, alpha=3), M),
    "softmax": (lambda x: x.softmax(-1) + x.log_softmax(0), M),
    "layer norm": (lambda x: F.layer_norm(x, (3,), torch.ones(3) * 2), M),
    "group norm": (lambda x: F.group_norm(x[None], 2), M),
    "attention": (lambda q: F.scaled_dot_product_attention(q, q, q), torch.randn(6, 2, 4, 3)),
    "convolution": (lambda x: F.conv2d(x, torch.ones(3, 2, 3, 3)), IMAGES),
    "pooling": (lambda x: F.max_pool2d(x, 2), IMAGES),
    "convolution of weights": (lambda w: F.conv2d(torch.ones(1, 2, 5, 5), w), torch.randn(6, 3, 2, 3, 3)),
    "sort": (lambda x: tuple(x.sort()), X),
    "max": (lambda x: tuple(x.max(0)), M),
    "argmax": (torch.argmax, X),
    "cumsum": (lambda x: x.cumsum(0), X),
    "gather": (lambda x, i: x.gather(0, i), X, Y.reshape(6, 1)),
    "index": (lambda x, i: x[i], X, Y.reshape(3, 2).repeat(2, 1)),
    "scatter": (lambda x: torch.zeros(3).index_add(0, torch.tensor([0, 1]), x[:2]), X),
    "embedding": (lambda i: F.embedding(i, EYE), Y),
    "cat": (lambda x: torch.cat([x, torch.zeros(2)]), X),
    "stack": (lambda x: torch.stack([x, torch.zeros(3)], 1), X),
    "cross entropy": (lambda x, y: F.cross_entropy(x[None], y[None]), X, Y),
    "ignored targets": (lambda x, y: F.cross_entropy(x, y, ignore_index=1), M, Y.reshape(3, 2).repeat(2, 1)),
    "half": (lambda x: x @ x + x.sum(), X.bfloat16()),
    "complex": (lambda x: (x * 1j).abs(), X),
    "what does not vary": (lambda x: (torch.ones(2), x), X),
    "itself": (lambda x: x, X),
    "gradient": (grad(lambda x: (x**3).sum()), X),
    "jacobian": (jacrev(torch.sin), X),
    "hessian": (hessian(lambda x: (x**3).sum()), X),
    "nested": (vmap(lambda x: x.sin().sum()), M),
}
IN_DIMS = {"constants": (0, None), "another axis": (0, 1)}


def _counted(function: Callable) -> tuple[Callable, list]:
    calls: list = []

    def counting(*args: Tensor) -> object:
        calls.append(args)
        return function(*args)

    return counting, calls


def _looped(function: Callable, args: tuple, dims: object) -> list[Tensor]:
    axes = dims if isinstance(dims, tuple) else (dims,) * len(args)
    size = next(a.shape[d] for a, d in zip(args, axes) if d is not None)
    rows = [tree_flatten(function(*(a if d is None else a.select(d, i) for a, d in zip(args, axes))))[0] for i in range(size)]
    return [torch.stack(column) for column in zip(*rows)]


@pytest.mark.parametrize("name", AT_ONCE)
def test_at_once(name: str) -> None:
    function, *args = AT_ONCE[name]
    counting, calls = _counted(function)
    dims = IN_DIMS.get(name, 0)
    found = tree_flatten(vmap(counting, dims)(*args))[0]
    assert len(calls) == 1 or torch.execute.mode.eager, "it looped"
    for f, e in zip(found, _looped(function, tuple(args), dims), strict=True):
        torch.testing.assert_close(f, e)


LOOPED: dict[str, tuple] = {
    "a branch": (lambda x: x if x.sum() > 0 else -x, X),
    "a value": (lambda x: x * x.sum().item(), X),
    "a size that depends on values": (lambda x: x.nonzero().sum(), X),
    "an input is written to": (lambda x: x.mul_(2).sum(), X.clone()),
}


@pytest.mark.parametrize("name", LOOPED)
def test_loops_where_values_decide(name: str) -> None:
    function, given = LOOPED[name]
    expected = torch.stack([function(x) for x in given.clone()])
    torch.testing.assert_close(vmap(function)(given.clone()), expected)


def test_gradients_go_through() -> None:
    weight = torch.randn(3, requires_grad=True)
    vmap(lambda x: (x * weight).sum())(X).sum().backward()
    torch.testing.assert_close(weight.grad, X.sum(0))
    x = X.clone().requires_grad_()
    vmap(lambda row: row.pow(2).sum())(x).sum().backward()
    torch.testing.assert_close(x.grad, 2 * X)


def test_gradients_of_each_sample() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 3))
    parameters = {k: v.detach() for k, v in model.named_parameters()}

    def loss(p: dict, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, p, (x[None],)), y[None])

    counting, calls = _counted(grad(loss))
    found = vmap(counting, (None, 0, 0))(parameters, X, Y)
    assert len(calls) == 1 or torch.execute.mode.eager
    for i in range(len(X)):
        for name, g in grad(loss)(parameters, X[i], Y[i]).items():
            torch.testing.assert_close(found[name][i], g, atol=1e-6, rtol=1e-5)


def test_models_side_by_side() -> None:
    models = [nn.Linear(3, 2) for _ in range(4)]
    parameters, _ = torch.func.stack_module_state(models)
    parameters = {k: v.detach() for k, v in parameters.items()}
    found = vmap(lambda p, x: functional_call(models[0], p, (x,)), (0, None))(parameters, X)
    torch.testing.assert_close(found, torch.stack([m(X) for m in models]).detach())


def test_random_numbers() -> None:
    torch.manual_seed(3)
    same = vmap(lambda x: x + torch.rand(3), randomness="same")(X) - X
    assert torch.allclose(same, same[0].expand(6, 3), atol=1e-6)
    different = vmap(lambda x: x + torch.rand(3), randomness="different")(X) - X
    assert not torch.allclose(different[0], different[1])
    with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
        vmap(lambda x: x + torch.rand(3))(X)


def test_results_at_other_axes() -> None:
    a, b = vmap(lambda x: (x, x.outer(x)), out_dims=(1, 2))(X)
    assert a.shape == (3, 6) and b.shape == (3, 3, 6)
    torch.testing.assert_close(b[:, :, 2], X[2].outer(X[2]))
