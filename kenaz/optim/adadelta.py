"""Adadelta."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .optimizer import ParamsT, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, descent

__all__ = ["Adadelta"]


class Adadelta(PointwiseOptimizer):
    """Steps whose size is the running root mean square of the steps so far over that of the gradients.

        v = rho * v + (1 - rho) * g * g
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d
        p = p - lr * d

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adadelta([p], lr=10.0)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.9684, 1.9684], requires_grad=True)
    """

    _added_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _capturable_xla = (False, False)
    _tensors = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        defaults = dict(
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            capturable=capturable,
            foreach=foreach,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _rule(self, group: Group, step: float) -> Rule:
        rho, weight_decay = group["rho"], group["weight_decay"]
        return adadelta_body(group["maximize"], weight_decay != 0), dict(
            lr=group["lr"], rho=rho, gain=1 - rho, eps=group["eps"], weight_decay=weight_decay
        )


@cache
def adadelta_body(maximize: bool, decays: bool) -> Callable:
    """The body of a step."""

    def adadelta(
        xp: Any, p: Any, v: Any, u: Any, g: Any, *, lr: Any, rho: Any, gain: Any, eps: Any, weight_decay: Any
    ) -> tuple:
        p, g = descent(p, g, weight_decay, maximize, decays)
        v = v * rho + gain * g * g
        delta = xp.sqrt(u + eps) / xp.sqrt(v + eps) * g
        return p - lr * delta, v, u * rho + gain * delta * delta

    return adadelta
