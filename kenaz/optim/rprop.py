"""Rprop: resilient backpropagation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .. import _api as torch
from . import counters
from .optimizer import ParamsT, _get_value, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, like

__all__ = ["Rprop"]


class Rprop(PointwiseOptimizer):
    """Steps by sign only: each element's step grows while its gradient keeps its sign, and shrinks when that turns.

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = torch.optim.Rprop([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    _added_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _capturable_xla = (True, True)
    _tensors = ("prev", "step_size")

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = dict(
            lr=lr,
            etas=etas,
            step_sizes=step_sizes,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def _new_state(self, p: Any, group: Group) -> dict[str, Any]:
        lr = _get_value(group["lr"])
        return {
            "step": counters.counter(0, p, group),
            "prev": like(p),
            "step_size": torch.full_like(p, complex(lr, lr) if p.is_complex() else lr),
        }

    def _rule(self, group: Group, step: float) -> Rule:
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        return rprop_body(group["maximize"]), dict(shrink=shrink, grow=grow, smallest=smallest, largest=largest)


@cache
def rprop_body(maximize: bool) -> Callable:
    """The body of a step."""

    def rprop(
        xp: Any, p: Any, before: Any, size: Any, g: Any, *, shrink: Any, grow: Any, smallest: Any, largest: Any
    ) -> tuple:
        if maximize:
            g = -g
        agreement = g * before
        size = xp.where(agreement > 0, size * grow, xp.where(agreement < 0, size * shrink, size))
        size = xp.where(size < smallest, smallest, xp.where(size > largest, largest, size))
        g = xp.where(agreement < 0, 0.0, g)  # an element that has just turned waits for a step
        return p - xp.sign(g) * size, g, size

    return rprop
