"""Adamax."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from . import counters
from .adam import check_betas
from .optimizer import ParamsT, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, lerp_for, like

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
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
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

    def _buffers(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _new_state(self, p: Any, group: Group) -> dict[str, Any]:
        return {"step": counters.counter(0, p, group), "exp_avg": like(p), "exp_inf": like(p)}

    def _rule(self, group: Group, step: float) -> Rule:
        (beta1, beta2), weight_decay = group["betas"], group["weight_decay"]
        return adamax_body(group["maximize"], weight_decay != 0, lerp_for(1 - beta1)), dict(
            gain=1 - beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=weight_decay,
            step_size=group["lr"] / (1 - beta1**step),
        )


@cache
def adamax_body(maximize: bool, decay: bool, lerp: Callable) -> Callable:
    """The body of a step."""

    def adamax(
        xp: Any, p: Any, m: Any, u: Any, g: Any, *, gain: Any, beta2: Any, eps: Any, weight_decay: Any, step_size: Any
    ) -> tuple:
        if maximize:
            g = -g
        if decay:
            g = g + weight_decay * p
        m = lerp(m, g, gain)
        u = xp.maximum(u * beta2, xp.abs(g) + eps)
        return p - step_size * m / u, m, u

    return adamax
