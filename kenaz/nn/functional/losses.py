"""Losses. Every one takes `reduction`: none, mean or sum; the older flags `size_average` and `reduce` still work."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from ... import _api as torch
from ..._api import Tensor
from ...ops import activation, alignment, network
from ...ops import losses as ops
from .. import _reduction
from .._reduction import resolve

if TYPE_CHECKING:
    from ..loss import LinearCrossEntropyOptions


# ---------------------------------------------------------------------------------------------------------- regression
def _alike(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one size, with PyTorch's warning where that takes broadcasting."""
    if target.shape == input.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
        "This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        stacklevel=4,
    )
    return torch.broadcast_tensors(input, target)


def _check_weight(weight: Tensor, size: torch.Size) -> None:
    if weight.shape != size:
        raise ValueError("Weights and input must have the same size.")


def _weighted(loss: Tensor, weight: Tensor, size: torch.Size, reduction: str) -> Tensor:
    """The losses of inputs of a size, weighted and reduced; their mean is over the weights."""
    _check_weight(weight, size)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else _reduction.apply(loss, reduction)


def _checked(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that is meant; raises ValueError where there is no such one."""
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)  # not `resolve`: its warning counts frames
    _reduction.get_enum(reduction)
    return reduction


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target) ** 2.

    >>> mse_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
    tensor(2.)
    """
    size = input.shape
    input, target = _alike(input, target)
    reduction = resolve(size_average, reduce, reduction)
    if weight is None:
        return ops.mse_loss(input, target, reduction=reduction)
    return _weighted(ops.mse_loss(input, target, reduction="none"), weight, size, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|.

    >>> l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
    tensor(1.)
    """
    size = input.shape
    input, target = _alike(input, target)
    reduction = resolve(size_average, reduce, reduction)
    loss = (input - target).abs()
    return _reduction.apply(loss, reduction) if weight is None else _weighted(loss, weight, size, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d ** 2 / (2 * beta) where d = |input - target| < beta, d - beta / 2 elsewhere.

    >>> smooth_l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([0.0000, 1.5000])
    """
    input, target = _alike(input, target)
    reduction = resolve(size_average, reduce, reduction)
    if beta == 0.0:
        return l1_loss(input, target, reduction=reduction)
    if beta < 0.0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    return ops.smooth_l1_loss(input, target, reduction=reduction, beta=float(beta))


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d ** 2 / 2 where d = |input - target| < delta, delta * (d - delta / 2) elsewhere.

    >>> huber_loss(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 1.0]), reduction="none", delta=2.0)
    tensor([0., 4.])
    """
    size = input.shape
    input, target = _alike(input, target)
    if delta <= 0.0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is None:
        return ops.huber_loss(input, target, reduction=reduction, delta=float(delta))
    _check_weight(weight, size)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    return _reduction.apply(ops.huber_loss(input, target, reduction="none", delta=float(delta)) * weight, reduction)


# ------------------------------------------------------------------------------------------------------- probabilities
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), each logarithm at least -100.

    >>> binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = resolve(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    return ops.binary_cross_entropy(input, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), without leaving the range of the numbers.

    >>> binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = resolve(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    return ops.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction=reduction)


def _type_name(tensor: Tensor) -> str:
    """Long, Float and so on: what messages call a dtype."""
    return tensor.type().rsplit(".", 1)[-1].removesuffix("Tensor")


def _check_class_weight(weight: Tensor, input: Tensor, who: str = "") -> None:
    classes = input.size(1 if input.dim() > 1 else 0)
    if tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"{who}weight tensor should be defined either for all {classes} classes or no classes but got weight "
            f"tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype is not input.dtype and not who:
        raise RuntimeError(f"expected scalar type {_type_name(input)} but found {_type_name(weight)}")


def _check_classes(input: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """The class indices, or PyTorch's error where they do not fit scores (C), (N, C) or (N, C, ...)."""
    _check_target(input, target, weight)
    return target.squeeze(0) if input.dim() == 1 and target.dim() == 1 else target


def _check_target(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    ndim, size, found = input.dim(), list(input.shape), list(target.shape)
    if ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {ndim})")
    if ndim == 1 and target.dim() == 1 and found[0] != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {found[0]}")
    if ndim > 1 and target.dim() > 0 and size[0] != found[0]:
        raise ValueError(f"Expected input batch_size ({size[0]}) to match target batch_size ({found[0]}).")
    if target.dtype is not torch.int64 and target.dtype is not torch.uint8:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {_type_name(target)}")
    if ndim <= 2:
        if target.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if weight is not None:
            _check_class_weight(weight, input)
        return
    if ndim == 4 and target.dim() != 3:
        raise RuntimeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {target.dim()}"
        )
    if found != [size[0], *size[2:]]:
        if ndim == 4:
            raise RuntimeError(f"size mismatch (got input: {size} , target: {found}")  # PyTorch leaves it open
        raise RuntimeError(f"Expected target size {[size[0], *size[2:]]}, got {found}")
    if weight is not None and tuple(weight.shape) != (size[1],):
        raise RuntimeError("weight tensor should be defined either for all or no classes")


def _check_class_probabilities(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    """Raises PyTorch's error where probabilities in the shape of the scores will not do as a target."""
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {_type_name(target)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if weight is not None:
        _check_class_weight(weight, input, "cross_entropy: ")


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], for log-probabilities (N, C, ...) and class indices (N, ...).

    >>> nll_loss(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
    tensor(2.)
    """
    reduction = _checked(size_average, reduce, reduction)
    target = _check_classes(input, target, weight)
    return network.nll_loss(input, target, weight=weight, reduction=reduction, ignore_index=ignore_index)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """`nll_loss` of log_softmax(input); `target` holds class indices, or probabilities in the shape of `input`.

    >>> cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor(0.6931)
    """
    reduction = _checked(size_average, reduce, reduction)
    if target.shape != input.shape:
        target = _check_classes(input, target, weight)
    else:
        _check_class_probabilities(input, target, weight, ignore_index)
    if label_smoothing > 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    return network.cross_entropy(
        input,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
    )


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """`cross_entropy` of linear(input, linear_weight, linear_bias); the weight is (classes, ..., in_features).

    `options` is accepted: the graph's planner decides about memory by itself.

    >>> linear_cross_entropy(torch.ones(1, 3), torch.zeros(2, 3), torch.tensor([1]))
    tensor(0.6931)
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    features = linear_weight.size(-1)
    if input.size(-1) != features:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.size(-1)} and {features}, respectively"
        )
    classes = tuple(linear_weight.shape[:-1])
    if linear_bias is not None:
        if tuple(linear_bias.shape) != classes:
            raise RuntimeError(f"expected linear_bias shape {classes}, got {tuple(linear_bias.shape)}")
        linear_bias = linear_bias.reshape(-1)
    if target.is_floating_point() and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    logits = network.linear(input, linear_weight.reshape(-1, features), linear_bias)
    return cross_entropy(
        logits.reshape(*input.shape[:-1], *classes),
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input), for log-probabilities `input`; reduction may also be batchmean.

    >>> kl_div(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=3,
        )
    per_sample = reduction == "batchmean"
    if not per_sample:
        _reduction.get_enum(reduction)
    if not (input.is_floating_point() and target.is_floating_point()):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    loss = target.exp() * (target - input) if log_target else torch.xlogy(target, target) - target * input
    if not per_sample:
        return _reduction.apply(loss, reduction)
    return loss.sum() / input.size(0) if input.dim() else loss.sum()


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input (rate - target * log(rate + eps) unless `log_input`); `full` adds log(target!).

    >>> poisson_nll_loss(torch.tensor([0.0]), torch.tensor([2.0]))
    tensor(1.)
    """
    reduction = _checked(size_average, reduce, reduction)
    loss = input.exp() - target * input if log_input else input - target * torch.log(input + eps)
    if full:
        stirling = target * torch.log(target) - target + 0.5 * torch.log(2 * math.pi * target)
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduction.apply(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(var) + (input - target) ** 2 / var) / 2 with var at least eps; `full` adds log(2 * pi) / 2.

    >>> gaussian_nll_loss(torch.tensor([3.0]), torch.tensor([1.0]), 1.0)
    tensor(2.)
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = torch.full_like(input, var)
    elif var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.shape[:-1] != var.shape[:-1] or var.size(-1) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    if torch.any(var < 0):
        raise ValueError("var has negative entry/entries")
    var = torch.clone(var)
    with torch.no_grad():  # the gradient is that of the variance given, not of the one clamped
        torch.clamp_(var, min=eps)
    loss = 0.5 * (torch.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduction.apply(loss, reduction)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that `log_probs` (T, N, C) spells each target, blanks and repetitions left out.

    >>> ctc_loss(torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[1]]), (1,), (1,))
    tensor(0.6931)
    """
    number = _reduction.get_enum(reduction)
    return alignment.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, number, zero_infinity)


# -------------------------------------------------------------------------------------------------------------- margins
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1.

    >>> hinge_embedding_loss(torch.tensor([0.2, 0.2]), torch.tensor([1.0, -1.0]), reduction="none")
    tensor([0.2000, 0.8000])
    """
    reduction = _checked(size_average, reduce, reduction)
    zero = torch.zeros((), dtype=input.dtype, device=input.device)
    apart = torch.where(target != 1, (margin - input).clamp_min(0), zero)
    alike = torch.where(target != -1, input, zero)
    return _reduction.apply(apart + alike, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin).

    >>> margin_ranking_loss(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(2.)
    """
    reduction = _checked(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return _reduction.apply((-target * (input1 - input2) + float(margin)).clamp_min(0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)), for targets 1 and -1.

    >>> soft_margin_loss(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = resolve(size_average, reduce, reduction)
    return ops.soft_margin_loss(input, target, reduction=reduction)


def _check_rows(input: Tensor) -> None:
    """A vector or matrix, empty only in its batch dimension."""
    if input.dim() > 2 or (input.dim() == 2 and input.size(1) == 0) or (input.dim() == 1 and input.size(0) == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )


def _check_index_type(target: Tensor) -> None:
    if target.dtype is not torch.int64:
        raise RuntimeError(f"expected scalar type Long but found {_type_name(target)}")


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum of max(0, 1 - (x[label] - x[other])) over labels and other classes, divided by the number of classes.

    A row of `target` lists class indices and ends at the first -1.

    >>> multilabel_margin_loss(torch.tensor([[0.1, 0.2, 0.4]]), torch.tensor([[2, -1, 0]]))
    tensor(0.5000)
    """
    reduction = _checked(size_average, reduce, reduction)
    _check_rows(input)
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _check_index_type(target)
    classes = input.size(-1) if input.dim() else 1
    if target.numel() and not bool(((target >= -1) & (target < classes)).all()):
        raise RuntimeError("argument #2 'target' is out of range")
    batched = input.dim() == 2
    rows, labels = input.reshape(-1, classes), target.reshape(-1, classes)
    listed = (labels >= 0).to(input.dtype).cumprod(1)
    labels = labels.clamp(min=0)
    is_label = torch.zeros_like(rows).scatter_add(1, labels, listed) > 0
    gaps = (1 - rows.gather(1, labels).unsqueeze(2) + rows.unsqueeze(1)).relu()
    counted = listed.unsqueeze(2) * (~is_label).to(input.dtype).unsqueeze(1)
    loss = (gaps * counted).sum((1, 2)) / classes
    return _reduction.apply(loss if batched else loss.squeeze(0), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes of `binary_cross_entropy_with_logits`.

    >>> multilabel_soft_margin_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    reduction = resolve(size_average, reduce, reduction)
    loss = -(target * activation.logsigmoid(input) + (1 - target) * activation.logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    loss = loss.sum(-1) / input.size(-1)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return _reduction.apply(loss, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum of max(0, margin - x[target] + x[other]) ** p over the other classes, divided by the number of classes.

    >>> multi_margin_loss(torch.tensor([[0.1, 0.2, 0.4]]), torch.tensor([2]))
    tensor(0.5000)
    """
    reduction = resolve(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    _reduction.get_enum(reduction)
    _check_rows(input)
    classes = input.size(-1) if input.dim() else 1
    count = input.size(0) if input.dim() == 2 else 1
    if target.dim() > 1 or target.numel() != count:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{count}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    _check_index_type(target)
    if count and not bool(((target >= 0) & (target < classes)).all()):
        raise RuntimeError("target out of range")
    rows, labels = input.reshape(count, classes), target.reshape(count, 1)
    gaps = (margin - rows.gather(1, labels) + rows).relu()
    if p == 2:
        gaps = gaps * gaps
    if weight is not None:
        gaps = gaps * weight[labels]
    others = torch.ones_like(rows).scatter(1, labels, 0.0)
    loss = (gaps * others).sum(1) / classes
    return _reduction.apply(loss if target.dim() else loss.squeeze(0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos(input1, input2) - margin) where it is -1.

    >>> cosine_embedding_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([1.0]))
    tensor(1.)
    """
    reduction = _checked(size_average, reduce, reduction)
    if target.dim() > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.dim() == input2.dim() == target.dim() + 1:
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, "
            f"but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dim = target.dim()
    dot = (input1 * input2).sum(dim)
    squares1 = (input1 * input1).sum(dim) + 1e-12
    squares2 = (input2 * input2).sum(dim) + 1e-12
    cosine = dot / (squares1 * squares2).sqrt()
    zero = torch.zeros_like(cosine)
    alike = torch.where(target == 1, 1 - cosine, zero)
    apart = torch.where(target == -1, (cosine - margin).clamp_min(0), zero)
    return _reduction.apply(alike + apart, reduction)


def _check_triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )


def _triplet_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    _check_triplet(anchor, positive, negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return _reduction.apply((margin + near - far).clamp_min(0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|); `swap` also tries |positive - negative|.

    >>> triplet_margin_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    tensor(1.)
    """
    reduction = _checked(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet_loss(
        anchor, positive, negative, lambda a, b: network.pairwise_distance(a, b, p, eps), margin, swap, reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own.

    >>> triplet_margin_with_distance_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2), margin=0.5)
    tensor(0.5000)
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = network.pairwise_distance if distance_function is None else distance_function
    return _triplet_loss(anchor, positive, negative, distance, margin, swap, reduction)
