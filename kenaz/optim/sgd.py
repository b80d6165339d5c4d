"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .optimizer import ParamsT, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, descent, like

__all__ = ["SGD"]


class SGD(PointwiseOptimizer):
    """Steps of lr against the gradient, or against its decaying sum b when there is momentum.

        b = momentum * b + (1 - dampening) * g      (b = g at the first step)
        p = p - lr * b                              (nesterov: p - lr * (g + momentum * b))

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     p.square().sum().backward()
    ...     optimizer.step()
    >>> p
    tensor([0.4600, 0.9200], requires_grad=True)
    """

    _added_options = {"nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False}
    _counters = {}

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        if nesterov:
            check(momentum > 0 and dampening == 0, "Nesterov momentum requires a momentum and zero dampening")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        self._check_fused()

    def _buffers(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _begin(self, p: Any, group: Group) -> tuple[dict[str, Any], tuple]:
        state = self.state[p]
        first = state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = like(p)
        return state, (first,)

    def _dense(self, grad: Any, group: Group) -> Any:
        return grad.to_dense()

    def _rule(self, group: Group, first: bool = False) -> Rule:
        momentum = group["momentum"] != 0
        body = sgd_body(group["maximize"], group["weight_decay"] != 0, momentum, first, momentum and group["nesterov"])
        return body, dict(
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            gain=1 - group["dampening"],
        )


@cache
def sgd_body(maximize: bool, decays: bool, momentum: bool, first: bool, nesterov: bool) -> Callable:
    """The body of a step."""

    def sgd(xp: Any, p: Any, *rest: Any, lr: Any, weight_decay: Any, momentum: Any, gain: Any) -> tuple:
        *buffers, g = rest
        p, g = descent(p, g, weight_decay, maximize, decays)
        if not buffers:
            return (p - lr * g,)
        b = g if first else buffers[0] * momentum + gain * g
        return p - lr * (g + momentum * b if nesterov else b), b

    return sgd
