"""Adagrad."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .. import _api as torch
from . import counters
from .optimizer import ParamsT, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, descent

__all__ = ["Adagrad"]


class Adagrad(PointwiseOptimizer):
    """Steps of lr along the gradient over the root of the sum of all its squares.

        s = s + g * g
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _added_options = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}
    _tensors = ("sum",)

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check(lr_decay >= 0.0, f"Invalid lr_decay value: {lr_decay}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(initial_accumulator_value >= 0.0, f"Invalid initial_accumulator_value value: {initial_accumulator_value}")
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        defaults = dict(
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        self._check_fused()
        for group in self.param_groups:  # there from the start, so that share_memory() can be called before training
            for p in group["params"]:
                self.state[p] = self._new_state(p, group)

    def share_memory(self) -> None:
        """None; the state is moved to memory that processes share."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _new_state(self, p: Any, group: Group) -> dict[str, Any]:
        start = self.defaults["initial_accumulator_value"]  # as PyTorch: that of the group is not looked at
        start = complex(start, start) if p.is_complex() else start
        return {
            "step": counters.counter(0, p, group),
            "sum": torch.full_like(p, start, memory_format=torch.preserve_format),
        }

    def _dense(self, grad: Any, group: Group) -> Any:
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        return grad.to_dense()

    def _rule(self, group: Group, step: float) -> Rule:
        weight_decay = group["weight_decay"]
        return adagrad_body(group["maximize"], weight_decay != 0), dict(
            lr=group["lr"] / (1 + (step - 1) * group["lr_decay"]), eps=group["eps"], weight_decay=weight_decay
        )


@cache
def adagrad_body(maximize: bool, decays: bool) -> Callable:
    """The body of a step."""

    def adagrad(xp: Any, p: Any, s: Any, g: Any, *, lr: Any, eps: Any, weight_decay: Any) -> tuple:
        p, g = descent(p, g, weight_decay, maximize, decays)
        s = s + g * g
        return p - lr * g / (xp.sqrt(s) + eps), s

    return adagrad
