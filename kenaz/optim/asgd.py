"""ASGD: averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from . import counters
from .optimizer import ParamsT, _get_value, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, descent

__all__ = ["ASGD"]


class ASGD(PointwiseOptimizer):
    """Gradient descent at a falling rate; the state keeps `ax`, the average of the parameters from step t0 on.

        p = p * (1 - lambd * eta) - eta * g
        ax = ax + (p - ax) * mu
        eta = lr / (1 + lambd * lr * t)**alpha,  mu = 1 / max(1, t - t0)

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.ASGD([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    _added_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _counters = {"step": 0, "eta": 0, "mu": 1}
    _capturable_words = ("params, mus, etas, and state_steps", "params, mus, etas, and state_steps")
    _tensors = ("ax",)

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        defaults = dict(
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def _new_state(self, p: Any, group: Group) -> dict[str, Any]:
        state = super()._new_state(p, group)
        counters.write(state["eta"], _get_value(group["lr"]))
        return state

    def _advance(self, group: Group, state: dict[str, Any]) -> tuple:
        eta, mu = counters.read(state["eta"]), counters.read(state["mu"])
        (step,) = super()._advance(group, state)
        lr = _get_value(group["lr"])
        counters.write(state["eta"], lr / ((1 + group["lambd"] * lr * step) ** group["alpha"]))
        counters.write(state["mu"], 1 / max(1, step - group["t0"]))
        return eta, mu

    def _rule(self, group: Group, eta: float, mu: float) -> Rule:
        weight_decay = group["weight_decay"]
        return asgd_body(group["maximize"], weight_decay != 0, mu != 1), dict(
            eta=eta, mu=mu, shrink=1 - group["lambd"] * eta, weight_decay=weight_decay
        )


@cache
def asgd_body(maximize: bool, decays: bool, averages: bool) -> Callable:
    """The body of a step."""

    def asgd(xp: Any, p: Any, ax: Any, g: Any, *, eta: Any, mu: Any, shrink: Any, weight_decay: Any) -> tuple:
        p, g = descent(p, g, weight_decay, maximize, decays)
        p = p * shrink - eta * g
        return p, ax + (p - ax) * mu if averages else p

    return asgd
