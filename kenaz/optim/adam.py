"""Adam, and AdamW as Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .. import _api as torch
from .optimizer import ParamsT, check, check_lr
from .pointwise import Group, PointwiseOptimizer, Rule, descent, is_far, lerp

__all__ = ["Adam"]


class Adam(PointwiseOptimizer):
    """Steps of lr along m / sqrt(v), running means of the gradient and of its square, freed from their start at zero.

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr / (1 - beta1**t) * m / (sqrt(v / (1 - beta2**t)) + eps)

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([p], lr=0.1)
    >>> p.square().sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    _added_options = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        if isinstance(lr, torch.Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_options(lr, betas, eps, weight_decay)
        check_tensor_betas(betas, foreach and not capturable)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        super().__init__(params, defaults)
        self._check_fused()

    def _buffers(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _dense(self, grad: Any, group: Group) -> Any:
        raise RuntimeError("Adam does not support sparse gradients, please consider SparseAdam instead")

    def _rule(self, group: Group, step: float) -> Rule:
        (beta1, beta2), flags = group["betas"], body_flags(group)
        return adam_body(*flags, group["amsgrad"]), shared_scalars(group) | dict(
            step_size=group["lr"] / (1 - beta1**step), correction=(1 - beta2**step) ** 0.5
        )


def body_flags(group: Group) -> tuple[bool, bool, bool, bool]:
    """What picks the body of Adam and its relatives: maximize, weight decay or none and which, the side of `lerp`."""
    far = is_far(1 - group["betas"][0])
    return group["maximize"], group["weight_decay"] != 0, group["decoupled_weight_decay"], far


def shared_scalars(group: Group) -> dict[str, Any]:
    """The scalars that Adam and its relatives have in common."""
    (beta1, beta2), weight_decay = group["betas"], group["weight_decay"]
    decay = 1 - group["lr"] * weight_decay if group["decoupled_weight_decay"] else weight_decay
    return dict(gain1=1 - beta1, beta2=beta2, gain2=1 - beta2, eps=group["eps"], decay=decay)


@cache
def adam_body(maximize: bool, decays: bool, decoupled: bool, far: bool, amsgrad: bool) -> Callable:
    """The body of a step."""

    def adam(
        xp: Any, p: Any, m: Any, v: Any, *rest: Any,
        gain1: Any, beta2: Any, gain2: Any, step_size: Any, correction: Any, eps: Any, decay: Any,
    ) -> tuple:  # fmt: skip
        *largest, g = rest
        p, g = descent(p, g, decay, maximize, decays, decoupled)
        m = lerp(m, g, gain1, far)
        v = v * beta2 + gain2 * g * g
        if amsgrad:
            largest = [xp.maximum(largest[0], v)]
        below = xp.sqrt(largest[0] if amsgrad else v) / correction + eps
        return p - step_size * m / below, m, v, *largest

    return adam


def check_options(lr: Any, betas: tuple[Any, Any], eps: float, weight_decay: float) -> None:
    """None; a ValueError for options that Adam and its relatives do not take."""
    check_lr(lr)
    check(eps >= 0.0, f"Invalid epsilon value: {eps}")
    check_betas(betas)
    check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")


def check_betas(betas: tuple[Any, Any]) -> None:
    """None; a ValueError unless both betas are in [0, 1)."""
    for i in range(2):
        check(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")


def check_tensor_betas(betas: tuple[Any, Any], only_numbers: Any) -> None:
    """None; a ValueError for betas given as tensors where they are not allowed."""
    are_tensors = [isinstance(beta, torch.Tensor) for beta in betas]
    check(are_tensors[0] == are_tensors[1], "betas must be either both floats or both Tensors")
    for i, is_tensor in enumerate(are_tensors):
        if is_tensor:
            check(not only_numbers, f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
            check(betas[i].numel() == 1, f"Tensor betas[{i}] must be 1-element")
