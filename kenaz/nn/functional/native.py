"""What `torch` has of this folder under other signatures: losses whose reduction is a number, and layers that also
give what their gradient needs."""

from __future__ import annotations

from typing import Any

from ... import _api as torch
from . import losses
from .lookup import embedding_bag as _embedding_bag

REDUCTIONS = ("none", "mean", "sum")


# --------------------------------------------------------------------------------------------------------------- losses
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1
) -> Any:  # fmt: skip
    """As in nn.functional; `reduction` 0 is "none", 1 "mean", 2 "sum".

    >>> binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2), reduction=2)
    tensor(1.3863)
    """
    return losses.binary_cross_entropy_with_logits(
        input, target, weight, reduction=REDUCTIONS[reduction], pos_weight=pos_weight
    )


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1) -> Any:
    """As in nn.functional; `reduction` is a number."""
    return losses.cosine_embedding_loss(input1, input2, target, margin, reduction=REDUCTIONS[reduction])


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 1) -> Any:
    """As in nn.functional; `reduction` is a number."""
    return losses.hinge_embedding_loss(input, target, margin, reduction=REDUCTIONS[reduction])


def kl_div(input: Any, target: Any, reduction: int = 1, *, log_target: bool = False) -> Any:
    """As in nn.functional; `reduction` is a number."""
    if reduction == 1:  # without the warning that "mean" is not what one wants
        return losses.kl_div(input, target, reduction="sum", log_target=log_target) / input.numel()
    return losses.kl_div(input, target, reduction=REDUCTIONS[reduction], log_target=log_target)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 1) -> Any:
    """As in nn.functional; `reduction` is a number."""
    return losses.margin_ranking_loss(input1, input2, target, margin, reduction=REDUCTIONS[reduction])


def poisson_nll_loss(input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int) -> Any:
    """As in nn.functional; `reduction` is a number."""
    return losses.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=REDUCTIONS[reduction])


def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, reduction: int = 1,
) -> Any:  # fmt: skip
    """As in nn.functional; `reduction` is a number."""
    return losses.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=REDUCTIONS[reduction])


# ----------------------------------------------------------------------------------------------------------- embeddings
def embedding_bag(
    weight: Any, indices: Any, offsets: Any, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False,
    per_sample_weights: Any = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple:  # fmt: skip
    """The bags of nn.functional's function (mode 0 sums, 1 takes means, 2 maxima); then to which bag each index
    belongs, how many indices each bag has, and the places of maxima, where the mode needs them."""
    name = ("sum", "mean", "max")[mode]
    bags = _embedding_bag(
        indices, weight, offsets, scale_grad_by_freq=scale_grad_by_freq, mode=name, sparse=sparse,
        per_sample_weights=per_sample_weights, include_last_offset=include_last_offset, padding_idx=padding_idx,
    )  # fmt: skip
    ends = torch.cat([offsets, offsets.new_tensor([len(indices)])]) if not include_last_offset else offsets
    sizes = ends.diff()
    if mode == 0:
        zeros = torch.zeros(len(bags), dtype=torch.int64)
        return bags, torch.empty(0, dtype=torch.int64), zeros, zeros.clone()
    owner = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    if mode == 1:
        return bags, owner, sizes, sizes.clone()
    places = torch.zeros(bags.shape, dtype=torch.int64)
    bounds = ends.tolist()
    for i, (start, end) in enumerate(zip(bounds, bounds[1:])):
        if start < end:
            rows = weight.detach()[indices[start:end]]
            places[i] = indices[start:end][rows.argmax(0)]
    return bags, owner, sizes, places


def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Scale the named rows that are longer than `max_norm` down to it, in place."""
    with torch.no_grad():
        rows = indices.unique()
        input[rows] = torch.renorm(input[rows], norm_type, 0, max_norm)
    return input


# --------------------------------------------------------------------------------------------------------------- layers
def native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float, *, out: Any = None,
) -> tuple:  # fmt: skip
    """Batch normalization with the means and the inverse deviations that training used.

    >>> [t.shape for t in native_batch_norm(torch.ones(4, 2), None, None, None, None, True, 0.1, 1e-5)]
    [torch.Size([4, 2]), torch.Size([2]), torch.Size([2])]
    """
    value = torch.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)
    if not training:
        return value, input.new_empty(0), input.new_empty(0)
    axes = [d for d in range(input.dim()) if d != 1]
    var, mean = torch.var_mean(input.detach(), axes, correction=0)
    return value, mean, (var + eps).rsqrt()


def batch_norm_update_stats(input: Any, running_mean: Any, running_var: Any, momentum: float) -> tuple:
    """The means and variances of a batch; the running ones move towards them."""
    axes = [d for d in range(input.dim()) if d != 1]
    var, mean = torch.var_mean(input.detach(), axes, correction=0)
    count = input.numel() // input.shape[1]
    for running, value in ((running_mean, mean), (running_var, var * count / max(count - 1, 1))):
        if running is not None:
            running.mul_(1 - momentum).add_(value * momentum)
    return mean, var


def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> tuple:
    """Layer normalization with the means and the inverse deviations."""
    axes = tuple(range(-len(normalized_shape), 0))
    var, mean = torch.var_mean(input.detach(), axes, correction=0, keepdim=True)
    return torch.layer_norm(input, normalized_shape, weight, bias, eps), mean, (var + eps).rsqrt()


def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple:  # fmt: skip
    """Group normalization with the means and the inverse deviations."""
    var, mean = torch.var_mean(input.detach().reshape(N, group, -1), -1, correction=0)
    return torch.group_norm(input, group, weight, bias, eps), mean, (var + eps).rsqrt()


def native_dropout(input: Any, p: float, train: bool | None) -> tuple:
    """Dropout with the mask of what is kept; everything is where it does not train."""
    if train is False or not input.numel():
        return input, torch.ones_like(input, dtype=torch.bool)
    mask = torch.empty_like(input).bernoulli_(1 - p)
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return input * mask * scale, mask.bool()
