"""Gradients through random chains of views and writes in place are those of finite differences."""

from __future__ import annotations

import random

import pytest

import kenaz as torch


def program(x: torch.Tensor, seed: int) -> torch.Tensor:
    """Some chain of views and in-place writes that depends on x, and a number for everything that is left."""
    pick = random.Random(seed)
    made = [x * 2.0, torch.zeros(3, 4, dtype=x.dtype), x.view(4, 3).t() + 1.0]
    for _ in range(12):
        t = pick.choice(made)
        other = pick.choice(made)
        match pick.randrange(11):
            case 0 if t.dim():
                made.append(t[pick.randrange(t.size(0))])
            case 1 if t.dim() == 2:
                made.append(t.t())
            case 2 if t.dim() and t.size(0) > 1:
                made.append(t[1:])
            case 3 if t.is_contiguous():
                made.append(t.view(-1))
            case 4:
                t.mul_(pick.choice([0.5, -2.0]))
            case 5 if other.shape == t.shape:
                t.add_(other * 0.5)
            case 6 if other.shape == t.shape:
                t.copy_(other.clone())
            case 7 if t.dim():
                t[pick.randrange(t.size(0))] = t[0].clone() * 3.0
            case 8:
                t.zero_() if pick.random() < 0.3 else t.sub_(1.0)
            case 9 if other.shape == t.shape:
                made.append(t.clone().sin() + other)
            case 10 if t.dim() and t.size(0) > 1:
                t[: t.size(0) - 1].mul_(torch.full((), 1.5, dtype=x.dtype))
    return sum((t.clone() * (i + 1)).sum() for i, t in enumerate(made))


@pytest.mark.parametrize("seed", range(60))
def test_gradients(seed: int) -> None:
    x = torch.arange(12.0, dtype=torch.float64).div(7).sub(0.8).view(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: program(x, seed), (x,))
