"""The order of arguments that optimizers from before 2020 use, which PyTorch still takes."""

import warnings

import pytest

import kenaz as torch
from kenaz.ops import outdated

A, B, C, V = torch.full((2, 2), 3.0), torch.ones(2, 2), torch.full((2, 2), 2.0), torch.ones(2)
CALLS = [
    (lambda: torch.add(A, 2, B), 5), (lambda: A.add(2, B), 5), (lambda: A.clone().add_(2, B), 5),
    (lambda: A.clone().add_(torch.tensor(2.0), B), 5), (lambda: A.sub(2, B), 1), (lambda: A.clone().sub_(2, B), 1),
    (lambda: torch.addcmul(A, 0.5, B, C), 4), (lambda: A.clone().addcmul_(0.5, B, C), 4),
    (lambda: torch.addcdiv(A, 0.5, B, C), 3.25), (lambda: A.clone().addcdiv_(0.5, B, C), 3.25),
    (lambda: torch.addmm(2, A, 3, B, C), 18), (lambda: torch.addmm(2, A, B, C), 10), (lambda: A.addmm(2, 3, B, C), 18),
    (lambda: A.clone().addmm_(2, B, C), 10), (lambda: torch.addmv(2, V, 3, B, V), 8), (lambda: V.clone().addmv_(2, 3, B, V), 8),
    (lambda: A.addr(2, V, V), 7), (lambda: torch.baddbmm(2, A[None], B[None], C[None]), 10),
    (lambda: A.clone().addbmm_(2, 3, B[None], C[None]), 18), (lambda: torch.add(A, 2, B, out=torch.empty(2, 2)), 5),
]  # fmt: skip


@pytest.mark.parametrize(("call", "expected"), CALLS)
@pytest.mark.filterwarnings("ignore:This overload of")
def test_results(call, expected) -> None:
    assert (call() == expected).all()


def test_the_first_call_warns(monkeypatch) -> None:
    monkeypatch.setattr(outdated, "_warned", [])
    with pytest.warns(UserWarning, match=r"This overload of add_ is deprecated:\n\tadd_\(Number alpha, Tensor other\)\n"):
        A.clone().add_(2, B)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        A.clone().addcdiv_(2, B, C)


def test_what_was_never_a_form() -> None:
    with pytest.raises(TypeError, match=r"add\(\) takes 1 positional argument but 2 were given"):
        A.add(B, 2)
    with pytest.raises(TypeError):
        A.addcmul(B, B, B)


@pytest.mark.filterwarnings("ignore:This overload of")
def test_an_optimizer_of_old() -> None:
    """A step of Adam as it was written then gives what today's gives."""
    p, q = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    g, m, v = torch.tensor([1.0, -2.0, 3.0]), torch.zeros(3), torch.zeros(3)
    m.mul_(0.9).add_(1 - 0.9, g)
    v.mul_(0.999).addcmul_(1 - 0.999, g, g)
    p.data.addcdiv_(-0.1 * (1 - 0.999) ** 0.5 / (1 - 0.9), m, v.sqrt().add_(1e-8))
    q.grad = g
    torch.optim.Adam([q], lr=0.1).step()
    assert torch.allclose(p, q)
