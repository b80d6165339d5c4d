"""RAdam: rectified Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .adam import body_flags, check_options, shared_scalars
from .optimizer import ParamsT
from .pointwise import Group, PointwiseOptimizer, Rule, descent, lerp

__all__ = ["RAdam"]


class RAdam(PointwiseOptimizer):
    """Adam that goes without v until v is worth something, and then scales the step by how much it is worth.

        rho = 2 / (1 - beta2) - 1,  rho(t) = rho - 2 * t * beta2**t / (1 - beta2**t)
        p = p - lr * m / (1 - beta1**t)                                          while rho(t) <= 5
        p = p - lr * m / (1 - beta1**t) * r(t) * sqrt(1 - beta2**t) / (sqrt(v) + eps)       later

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.RAdam([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    _added_options = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }
    _tensors = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr, betas, eps, weight_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _rule(self, group: Group, step: float) -> Rule:
        beta1, beta2 = group["betas"]
        factor = rectification(beta2, step)
        return radam_body(*body_flags(group), factor is not None), shared_scalars(group) | dict(
            correction1=1 - beta1**step,
            correction2=(1 - beta2**step) ** 0.5,
            factor=1.0 if factor is None else factor,
            lr=group["lr"],
        )


def rectification(beta2: float, step: float) -> float | None:
    """r(t), or None as long as the variance of v is not known."""
    end = 2 / (1 - beta2) - 1
    rho = end - 2 * step * beta2**step / (1 - beta2**step)
    if not rho > 5.0:
        return None
    return ((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho)) ** 0.5


@cache
def radam_body(maximize: bool, decays: bool, decoupled: bool, far: bool, rectified: bool) -> Callable:
    """The body of a step."""

    def radam(
        xp: Any, p: Any, m: Any, v: Any, g: Any, *,
        gain1: Any, beta2: Any, gain2: Any, correction1: Any, correction2: Any, factor: Any,
        lr: Any, eps: Any, decay: Any,
    ) -> tuple:  # fmt: skip
        p, g = descent(p, g, decay, maximize, decays, decoupled)
        m = lerp(m, g, gain1, far)
        v = v * beta2 + gain2 * g * g
        move = m / correction1 * lr
        if rectified:
            move = move * (correction2 / (xp.sqrt(v) + eps)) * factor
        return p - move, m, v

    return radam
