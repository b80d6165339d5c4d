"""Muon: momentum, made orthogonal, for matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _api as torch
from .optimizer import Optimizer, ParamsT, _get_value, check, check_lr, evaluate

__all__ = ["Muon"]

# How lr depends on the shape of the matrix.
ADJUSTED_LR: dict[str | None, Callable[[float, int, int], float]] = {
    "original": lambda lr, rows, columns: lr * math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda lr, rows, columns: lr * 0.2 * math.sqrt(max(rows, columns)),
}
ADJUSTED_LR[None] = ADJUSTED_LR["original"]


class Muon(Optimizer):
    """Steps along the orthogonal matrix that is nearest to the momentum of the gradient; for 2-d parameters only.

        b = b + (1 - momentum) * (g - b)
        p = p * (1 - lr * weight_decay) - lr(shape) * orthogonal(b)     (nesterov: g + momentum * (b - g) in place of b)

    >>> import kenaz as torch
    >>> p = torch.eye(2, requires_grad=True)
    >>> optimizer = torch.optim.Muon([p], lr=0.1, weight_decay=0.0)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p.diag() < 1
    tensor([True, True])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        check(momentum >= 0.0, f"momentum should be >= 0 but is: {momentum}")
        check(weight_decay >= 0.0, f"weight decay should be >= 0 but is: {weight_decay}")
        check(adjust_lr_fn in ADJUSTED_LR, f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = dict(
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                check(
                    p.ndim == 2, f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                )

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
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if grad.is_sparse:
            raise RuntimeError("Muon does not support sparse gradients")
        state, lr, momentum = self.state[p], _get_value(group["lr"]), group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(grad, memory_format=torch.preserve_format)
        buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        direction = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        direction = orthogonal(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(direction, alpha=-ADJUSTED_LR[group["adjust_lr_fn"]](lr, *p.shape))


def orthogonal(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """Nearly U @ V.T of the singular value decomposition, by Newton-Schulz iterations in bfloat16."""
    check(steps < 100, "Number of steps must be less than 100 for computational efficiency")
    check(matrix.ndim == 2, "Input tensor gradient must be a 2D matrix")
    check(len(coefficients) == 3, "Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    x = (x / x.norm().clamp(min=eps)).float()
    for _ in range(steps):  # in float32, rounded to bfloat16 where a product of bfloat16 would be
        gram = rounded(x @ x.T)
        x = rounded(torch.addmm(x, rounded(torch.addmm(gram, gram, gram, beta=b, alpha=c)), x, beta=a))
    return x.T if tall else x


def rounded(x: Any) -> Any:
    """x to the precision of bfloat16."""
    return x.bfloat16().float()
