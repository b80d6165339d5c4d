"""Losses that PyTorch has as operators: their values are compositions, which fuse; their history is one node each.

So `grad_fn` prints PyTorch's name, and a derivative is the formula that one would write by hand, finite where the chain
rule through the parts is not (log(0) in a cross entropy). Inputs have the same size here; `nn.functional` sees to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ..core.dtype import HALF, float32, scalar_name
from . import activation
from .composed import composed

_REDUCTIONS = ("none", "mean", "sum")


def loss(grad: Callable, grad_name: str | None = None, widen: bool = True) -> Callable:
    """Decorate the elementwise body of a loss; the function made of it takes `reduction` too.

    `grad(g, *tensors, **attributes)` gets the gradient already spread over the elements. With `widen` halves are
    computed in float32.
    """
    prepared = _widened if widen else _as_they_are

    def enter(body: Callable) -> Callable:
        def rule(g: Tensor, y: Any, input: Tensor, *others: Any, reduction: str, **attributes: Any) -> tuple:
            (g, input, *others), kind = prepared(g, input, *others)
            if reduction == "mean":
                g = g / max(input.numel(), 1)
            slopes = grad(g, input, *others, **attributes)
            return tuple([s if s is None or kind is None else s.to(kind) for s in slopes])

        def reduced(*tensors: Any, reduction: str, **attributes: Any) -> Tensor:
            if reduction not in _REDUCTIONS:
                raise ValueError(f"{reduction} is not a valid value for reduction")
            tensors, kind = prepared(*tensors)
            value = _reduced(body(*tensors, **attributes), reduction)
            return value if kind is None else value.to(kind)

        reduced.__name__, reduced.__doc__ = body.__name__, body.__doc__
        return composed(rule, grad_name)(reduced)

    return enter


def _widened(*tensors: Any) -> tuple[Any, Any]:
    """Halves as float32, as PyTorch computes them within an operator, and the dtype that the result goes back to."""
    kind = tensors[0].dtype
    if kind not in HALF or any(t is not None and t.dtype is not kind for t in tensors):
        return tensors, None
    return [t if t is None else t.to(float32) for t in tensors], kind


def _as_they_are(*tensors: Any) -> tuple[Any, Any]:
    return tensors, None


def _reduced(value: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return value.mean()
    return value.sum() if reduction == "sum" else value


def _refuse_integers(name: str, *tensors: Tensor) -> None:
    if not any(x.is_floating_point() or x.is_complex() for x in tensors):
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(tensors[0].dtype)}'")


# ---------------------------------------------------------------------------------------------------------- regression
def _mse_grad(g: Tensor, input: Tensor, target: Tensor) -> tuple:
    slope = 2 * (input - target) * g
    return slope, -slope


@loss(_mse_grad)
def mse_loss(input: Tensor, target: Tensor) -> Tensor:
    """(input - target) ** 2."""
    _refuse_integers("mse_cpu", input, target)
    gap = input - target
    return gap * gap


def _smooth_l1_grad(g: Tensor, input: Tensor, target: Tensor, beta: float) -> tuple:
    slope = ((input - target) / beta).clamp(-1, 1) * g
    return slope, -slope


@loss(_smooth_l1_grad, "SmoothL1LossBackward0")
def smooth_l1_loss(input: Tensor, target: Tensor, beta: float) -> Tensor:
    """d ** 2 / (2 * beta) where d = |input - target| < beta, d - beta / 2 elsewhere."""
    _refuse_integers("smooth_l1_cpu", input, target)
    gap = (input - target).abs()
    return (0.5 * gap * gap / beta).where(gap < beta, gap - 0.5 * beta)


def _huber_grad(g: Tensor, input: Tensor, target: Tensor, delta: float) -> tuple:
    slope = (input - target).clamp(-delta, delta) * g
    return slope, -slope


@loss(_huber_grad)
def huber_loss(input: Tensor, target: Tensor, delta: float) -> Tensor:
    """d ** 2 / 2 where d = |input - target| < delta, delta * (d - delta / 2) elsewhere."""
    _refuse_integers("huber_cpu", input, target)
    gap = (input - target).abs()
    return (0.5 * gap * gap).where(gap < delta, delta * (gap - 0.5 * delta))


# ------------------------------------------------------------------------------------------------------- probabilities
def _bce_grad(g: Tensor, input: Tensor, target: Tensor, weight: Tensor | None) -> tuple:
    if weight is not None:
        g = g * weight
    slope = g * (input - target) / (input * (1 - input)).clamp(min=1e-12)
    return slope, g * ((1 - input).log() - input.log()), None


@loss(_bce_grad)
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), each logarithm at least -100."""
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {scalar_name(target.dtype)} but expected {scalar_name(input.dtype)}")
    if input.numel() and not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    value = (target - 1) * (-input).log1p().clamp(min=-100) - target * input.log().clamp(min=-100)
    return value if weight is None else value * weight


def _bce_with_logits_grad(
    g: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> tuple:
    if weight is not None:
        g = g * weight
    if pos_weight is None:
        return g * (input.sigmoid() - target), -g * input, None, None
    positive = pos_weight * target
    by_target = -(input + (pos_weight - 1) * activation.logsigmoid(input))
    return g * ((positive + 1 - target) * input.sigmoid() - positive), g * by_target, None, None


@loss(_bce_with_logits_grad)
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), through logsigmoid."""
    if not target.is_floating_point() and input.is_floating_point():
        raise RuntimeError(
            f"result type {scalar_name(input.dtype)} can't be cast to the desired output type "
            f"{scalar_name(target.dtype)}"
        )
    positives = activation.logsigmoid(input)
    if pos_weight is not None:
        positives = ((pos_weight - 1) * target + 1) * positives
    value = (1 - target) * input - positives
    return value if weight is None else value * weight


# -------------------------------------------------------------------------------------------------------------- margins
def _soft_margin_grad(g: Tensor, input: Tensor, target: Tensor) -> tuple:
    slope = (-input * target).exp()
    return -g * target * slope / (slope + 1), None


@loss(_soft_margin_grad, widen=False)
def soft_margin_loss(input: Tensor, target: Tensor) -> Tensor:
    """log(1 + exp(-target * input))."""
    if not input.is_floating_point():
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_name(input.dtype)}")
    if target.requires_grad:
        raise RuntimeError(
            "The function 'soft_margin_loss' is not differentiable with respect to argument 'target'. "
            "This input cannot have requires_grad True."
        )
    return (-input * target).exp().log1p()
