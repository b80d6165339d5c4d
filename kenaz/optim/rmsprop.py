"""RMSprop."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .optimizer import ParamsT, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, descent, is_far, lerp

__all__ = ["RMSprop"]


class RMSprop(PointwiseOptimizer):
    """Steps of lr along the gradient over the root of its running mean square (or variance, when centered).

        v = alpha * v + (1 - alpha) * g * g
        b = momentum * b + g / (sqrt(v) + eps)
        p = p - lr * b

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([p], lr=0.01)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _added_options = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }
    _capturable_xla = (True, True)

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(alpha >= 0.0, f"Invalid alpha value: {alpha}")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            alpha=alpha,
            eps=eps,
            centered=centered,
            weight_decay=weight_decay,
            capturable=capturable,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _buffers(self, group: Group) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, "grad_avg") if group["centered"] else ("square_avg", *momentum)

    def _rule(self, group: Group, step: float) -> Rule:
        alpha, momentum, weight_decay = group["alpha"], group["momentum"], group["weight_decay"]
        body = rmsprop_body(group["maximize"], weight_decay != 0, momentum > 0, group["centered"], is_far(1 - alpha))
        return body, dict(
            lr=group["lr"], alpha=alpha, gain=1 - alpha, eps=group["eps"], weight_decay=weight_decay, momentum=momentum
        )


@cache
def rmsprop_body(maximize: bool, decays: bool, has_momentum: bool, centered: bool, far: bool) -> Callable:
    """The body of a step."""

    def rmsprop(
        xp: Any, p: Any, v: Any, *rest: Any, lr: Any, alpha: Any, gain: Any, eps: Any, weight_decay: Any, momentum: Any
    ) -> tuple:
        *buffers, g = rest
        p, g = descent(p, g, weight_decay, maximize, decays)
        v = v * alpha + gain * g * g
        means = [lerp(buffers[-1], g, gain, far)] if centered else []
        spread = xp.sqrt(v - means[0] * means[0] if centered else v) + eps
        if not has_momentum:
            return p - lr * g / spread, v, *means
        b = buffers[0] * momentum + g / spread
        return p - lr * b, v, b, *means

    return rmsprop
