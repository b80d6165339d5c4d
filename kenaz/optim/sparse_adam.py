"""SparseAdam: Adam that moves only the rows which have a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _api as torch
from .adam import check_betas
from .optimizer import Optimizer, ParamsT, _get_value, check, check_lr, evaluate

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for sparse gradients (`nn.Embedding(sparse=True)`): elements without a gradient keep their moments.

    Parameters are dense and gradients are sparse; anything else is refused.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check(lr > 0.0, f"Invalid learning rate: {lr}")
        check(eps > 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        refuse(self, lambda p: p.is_sparse, "Sparse", "SparseAdam requires dense parameter tensors")
        refuse(self, lambda p: p.is_complex(), "Complex", "SparseAdam does not support complex parameters")

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
        if not grad.is_sparse:
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        state, lr, (beta1, beta2) = self.state[p], _get_value(group["lr"]), group["betas"]
        if not state:
            zeros = [torch.zeros_like(p, memory_format=torch.preserve_format) for _ in range(2)]
            state.update(step=0, exp_avg=zeros[0], exp_avg_sq=zeros[1])
        state["step"] += 1
        grad = grad.coalesce()
        where, g = tuple(grad.indices()), -grad.values() if group["maximize"] else grad.values()
        if not g.numel():
            return
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m[where] = m_new = m[where] + (g - m[where]) * (1 - beta1)
        v[where] = v_new = v[where] + (g * g - v[where]) * (1 - beta2)
        step_size = lr * (1 - beta2 ** state["step"]) ** 0.5 / (1 - beta1 ** state["step"])
        p[where] -= step_size * (m_new / (v_new.sqrt() + group["eps"]))


def refuse(optimizer: Optimizer, is_wrong: Callable[[Any], bool], kind: str, reason: str) -> None:
    """None; a ValueError that lists where (group, position) the parameters are that is_wrong is true of."""
    found = [
        [i, j] for i, group in enumerate(optimizer.param_groups) for j, p in enumerate(group["params"]) if is_wrong(p)
    ]
    check(not found, f"{kind} params at indices {found}: {reason}")
