"""Adafactor: Adam's second moment in a row and a column instead of a matrix."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _api as torch
from . import counters
from .optimizer import Optimizer, ParamsT, _get_value, check, check_lr, evaluate

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Steps relative to each parameter's own size, along the gradient over the root of its factored mean square.

        v = row @ col / mean(row)            (row, col: running means of g * g along the last two axes)
        u = g / sqrt(v)
        p = p - min(lr, 1 / sqrt(t)) * max(eps2, rms(p)) * u / max(1, rms(u) / d)

    >>> import kenaz as torch
    >>> p = torch.ones(2, 3, requires_grad=True)
    >>> optimizer = torch.optim.Adafactor([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p[0]
    tensor([0.9000, 0.9000, 0.9000], grad_fn=<SelectBackward0>)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        check(beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        check(eps[0] is None or eps[0] >= 0.0, f"epsilon1 should be >= 0 but is: {eps[0]}")
        check(eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}")
        check(d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}")
        check(weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = dict(
            lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach, maximize=maximize
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
            for p in group["params"]:
                saved = self.state.get(p) or {}
                if "step" in saved and not isinstance(saved["step"], torch.Tensor):
                    saved["step"] = counters.counter(float(saved["step"]), p, {})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """The loss of closure (None without one), after one update of all parameters."""
        loss = evaluate(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._update(p, p.grad, group)
        return loss

    def _update(self, p: Any, grad: Any, group: dict[str, Any]) -> None:
        if grad.is_sparse:
            raise RuntimeError("Adafactor does not support sparse gradients")
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        state = self.state[p]
        if not state:
            state.update(_new_state(p, grad))
        step = counters.read(state["step"]) + 1.0
        counters.write(state["step"], step)
        lr, (eps1, eps2) = _get_value(group["lr"]), group["eps"]
        eps1 = torch.finfo(p.dtype).eps if eps1 is None else eps1
        if group["maximize"]:
            grad = -grad
        relative = min(lr, 1 / step**0.5) * (p.norm() / math.sqrt(p.numel())).clamp(min=eps2)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        mean_square = _moved_variance(state, grad, step ** group["beta2_decay"], eps1)
        update = mean_square.clamp(min=eps1 * eps1).rsqrt() * grad
        excess = (update.norm() / (math.sqrt(update.numel()) * group["d"])).clamp(min=1.0)
        p.sub_(update * (relative / excess))


def _new_state(p: Any, grad: Any) -> dict[str, Any]:
    step = {"step": counters.counter(0, p, {})}
    if grad.dim() < 2:
        return {**step, "variance": torch.zeros_like(grad, memory_format=torch.preserve_format)}
    *outer, rows, columns = grad.shape
    return {**step, "row_var": grad.new_zeros((*outer, rows, 1)), "col_var": grad.new_zeros((*outer, 1, columns))}


def _moved_variance(state: dict[str, Any], grad: Any, weight: float, eps1: float) -> Any:
    """The running mean of grad * grad, whole or from its row and column, with this gradient in it."""
    if "variance" in state:
        return state["variance"].lerp_(grad.square(), weight)
    row, col = state["row_var"], state["col_var"]
    row.lerp_(grad.norm(dim=-1, keepdim=True).square() / grad.size(-1), weight)
    col.lerp_(grad.norm(dim=-2, keepdim=True).square() / grad.size(-2), weight)
    return (row @ col) / row.mean(dim=-2, keepdim=True).clamp(min=eps1)
