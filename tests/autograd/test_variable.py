"""torch.autograd.Variable and the constructors of old, as the programs from before 2018 use them."""

import numpy as np
import pytest

import kenaz as torch
from kenaz.autograd import Variable


def test_a_leaf_on_the_same_memory() -> None:
    x = torch.arange(3.0)
    v = Variable(x, requires_grad=True)
    assert v.requires_grad and v.is_leaf and not x.requires_grad and v.data_ptr() == x.data_ptr()
    (v * v).sum().backward()
    assert v.grad.tolist() == [0, 2, 4] and x.grad is None


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bool, torch.float64])
def test_any_dtype(dtype) -> None:
    assert Variable(torch.ones(2, dtype=dtype)).dtype is dtype


def test_results_and_parameters_become_leaves() -> None:
    y = torch.ones(2, requires_grad=True) * 2
    p = torch.nn.Parameter(torch.ones(2))
    assert Variable(y).grad_fn is None and not Variable(y).requires_grad and not Variable(p).requires_grad
    assert type(Variable(p)) is torch.Tensor and Variable(y, True).is_leaf


def test_every_tensor_is_an_instance() -> None:
    assert isinstance(torch.ones(1), Variable) and isinstance(torch.nn.Parameter(torch.ones(1)), Variable)
    assert not isinstance(3, Variable) and Variable().tolist() == []


def test_errors() -> None:
    with pytest.raises(TypeError, match="^Variable data has to be a tensor, but got numpy.ndarray$"):
        Variable(np.ones(2))
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        Variable(torch.tensor([1]), requires_grad=True)
    with pytest.warns(UserWarning, match="volatile was removed"):
        Variable(torch.ones(1), volatile=True)


def test_gradient_penalty() -> None:
    """The step of WGAN-GP that old programs write with Variables."""
    critic = torch.nn.Linear(3, 1)
    mixed = Variable(torch.rand(4, 3), requires_grad=True)
    fake = Variable(torch.Tensor(4, 1).fill_(1.0), requires_grad=False)
    (g,) = torch.autograd.grad(critic(mixed), mixed, fake, create_graph=True, retain_graph=True, only_inputs=True)
    ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
    assert torch.allclose(g[0], critic.weight[0]) and critic.weight.grad is not None


def test_the_constructors_of_old() -> None:
    y = torch.tensor([1, 2])
    assert torch.Tensor(y).dtype is torch.int64 and torch.Tensor(y).data_ptr() == y.data_ptr()
    with pytest.raises(TypeError, match=r"didn't match because some of the keywords were incorrect: requires_grad"):
        torch.Tensor([1], requires_grad=True)
    with pytest.raises(TypeError, match=r"^new\(\) received an invalid combination of arguments - got \(int, dtype="):
        torch.FloatTensor(2, dtype=torch.long)
