"""Adamax."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .adam import check_options
from .optimizer import ParamsT
from .pointwise import Group, PointwiseOptimizer, Rule, descent, is_far, lerp

__all__ = ["Adamax"]


class Adamax(PointwiseOptimizer):
    """Adam with the largest recent gradient in place of the root of the running mean square.

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1**t) * m / u

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adamax([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _added_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _tensors = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_options(lr, betas, eps, weight_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def _rule(self, group: Group, step: float) -> Rule:
        (beta1, beta2), weight_decay = group["betas"], group["weight_decay"]
        return adamax_body(group["maximize"], weight_decay != 0, is_far(1 - beta1)), dict(
            gain=1 - beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=weight_decay,
            step_size=group["lr"] / (1 - beta1**step),
        )


@cache
def adamax_body(maximize: bool, decays: bool, far: bool) -> Callable:
    """The body of a step."""

    def adamax(
        xp: Any, p: Any, m: Any, u: Any, g: Any, *, gain: Any, beta2: Any, eps: Any, weight_decay: Any, step_size: Any
    ) -> tuple:
        p, g = descent(p, g, weight_decay, maximize, decays)
        m = lerp(m, g, gain, far)
        u = xp.maximum(u * beta2, xp.abs(g) + eps)
        return p - step_size * m / u, m, u

    return adamax
