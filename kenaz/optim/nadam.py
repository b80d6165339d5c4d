"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from . import counters
from .adam import body_flags, check_options, shared_scalars
from .optimizer import ParamsT, check
from .pointwise import Group, PointwiseOptimizer, Rule, descent, lerp

__all__ = ["NAdam"]


class NAdam(PointwiseOptimizer):
    """Adam that looks ahead: the step mixes the gradient with the momentum of the next step.

        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2),  P(t) = mu(1) * ... * mu(t)
        p = p - lr * (1 - mu(t)) / (1 - P(t)) * g / d - lr * mu(t + 1) / (1 - P(t + 1)) * m / d
        d = sqrt(v / (1 - beta2**t)) + eps

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.NAdam([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.8944, 1.8944], requires_grad=True)
    """

    _added_options = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }
    _counters = {"step": 0, "mu_product": 1}
    _tensors = ("exp_avg", "exp_avg_sq")
    _capturable_words = ("params, mu_products and state_steps", "params, mu_products, and state_steps")

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr, betas, eps, weight_decay)
        check(momentum_decay >= 0.0, f"Invalid momentum_decay value: {momentum_decay}")
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _advance(self, group: Group, state: dict[str, Any]) -> tuple:
        (step,) = super()._advance(group, state)
        counters.multiply(state["mu_product"], momentum_at(step, group))
        return step, counters.read(state["mu_product"])

    def _rule(self, group: Group, step: float, mu_product: float) -> Rule:
        lr, following = group["lr"], momentum_at(step + 1, group)
        return nadam_body(*body_flags(group)), shared_scalars(group) | dict(
            correction=1 - group["betas"][1] ** step,
            of_gradient=lr * (1.0 - momentum_at(step, group)) / (1.0 - mu_product),
            of_momentum=lr * following / (1.0 - mu_product * following),
        )


def momentum_at(step: float, group: Group) -> float:
    """mu(step)."""
    return group["betas"][0] * (1.0 - 0.5 * (0.96 ** (step * group["momentum_decay"])))


@cache
def nadam_body(maximize: bool, decays: bool, decoupled: bool, far: bool) -> Callable:
    """The body of a step."""

    def nadam(
        xp: Any, p: Any, m: Any, v: Any, g: Any, *,
        gain1: Any, beta2: Any, gain2: Any, correction: Any, eps: Any, decay: Any, of_gradient: Any, of_momentum: Any,
    ) -> tuple:  # fmt: skip
        p, g = descent(p, g, decay, maximize, decays, decoupled)
        m = lerp(m, g, gain1, far)
        v = v * beta2 + gain2 * g * g
        below = xp.sqrt(v / correction) + eps
        return p - of_gradient * g / below - of_momentum * m / below, m, v

    return nadam
