"""Scaled dot-product attention (Vaswani et al. 2017): one operator forward and one backward, which recomputes the weights.

The matrix of weights is never kept. The compiled operators do not even make it (`codegen/attention_code.py`); what they
do not take, such as masks that want gradients, is a composition of operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ..autograd.modes import state as modes
from ..core import dtype as dtypes
from ..core.dtype import HALF
from ..core.shape import numel
from ..runtime import samplers
from .composed import composed
from .creation import ones
from .declare import opaque
from .network import softmax
from .sampling import default_generator, dropout


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(Q K^T scale + mask) V over the last two axes; a boolean mask says what takes part.

    query (..., L, E), key (..., S, E), value (..., S, Ev) give (..., L, Ev). With `is_causal` position i sees those up to i.
    Raises RuntimeError where both `attn_mask` and `is_causal` are given.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    kind = query.dtype
    if kind in HALF:  # PyTorch computes in float32 and rounds once
        query, key, value = (t.to(dtypes.float32) for t in (query, key, value))
    way = _fused if _is_regular(query, key, value, attn_mask, dropout_p) else _composition
    result = way(query, key, value, attn_mask, dropout_p, is_causal, scale)
    return result if kind not in HALF else result.to(kind)


def _is_regular(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float) -> bool:
    """Whether the fused operators take it: heads that correspond, real numbers, a mask that wants no gradient."""
    heads = tuple(query.shape[:-2])
    sizes = (*heads, query.shape[-2], key.shape[-2])
    return (
        query.dtype in (dtypes.float32, dtypes.float64)
        and tuple(key.shape[:-2]) == tuple(value.shape[:-2]) == heads
        and key.shape[-1] == query.shape[-1] and key.shape[-2] == value.shape[-2]
        and all(t.numel() for t in (query, key, value)) and 0 <= dropout_p < 1
        and (mask is None or not (modes.enabled and mask.requires_grad) and _broadcasts(mask.shape, sizes))
    )  # fmt: skip


def _broadcasts(size: Any, full: tuple) -> bool:
    return len(size) <= len(full) and all(s in (1, f) for s, f in zip(reversed(size), reversed(full)))


# ----------------------------------------------------------------------------------------------------- as a composition
def _composition(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, scale: float
) -> Tensor:  # fmt: skip
    return dropout(_weights(query, key, mask, is_causal, scale), dropout_p, dropout_p > 0) @ value


def _weights(query: Tensor, key: Tensor, mask: Tensor | None, is_causal: bool, scale: float) -> Tensor:
    """softmax(Q K^T scale + mask); a row that sees nothing gives zeros."""
    root = math.sqrt(abs(scale))
    scores = (query * math.copysign(root, scale)) @ (key * root).transpose(-2, -1)
    if is_causal:
        mask = ones(query.shape[-2], key.shape[-2], dtype=dtypes.bool_).tril()
    if mask is None:
        return softmax(scores, -1)
    if mask.dtype is not dtypes.bool_:
        return softmax(scores + mask, -1)
    return softmax(scores.masked_fill(~mask, -math.inf), -1).masked_fill(~mask.any(-1, True), 0.0)


# ----------------------------------------------------------------------------------------------------------- as operators
def _compiled(name: str) -> Callable:
    """The `native` of an operator: a function of `codegen.attention`, which is loaded when a graph is hot."""

    def native(call: Any) -> Any:
        from ..codegen import attention

        return getattr(attention, name)(call)

    return native


def _scores(xp: Any, q: Any, k: Any, mask: Any, scale: float, causal: bool) -> Any:
    """Q K^T scale + mask, -inf where nobody looks. Factors are scaled before, as in PyTorch's composition."""
    root = math.sqrt(abs(scale))
    scores = xp.matmul(q * q.dtype.type(math.copysign(root, scale)), (k * k.dtype.type(root)).swapaxes(-1, -2))
    if causal:
        mask = xp.tri(q.shape[-2], k.shape[-2], dtype=bool)
    if mask is False:
        return scores
    return xp.where(mask, scores, -xp.inf) if mask.dtype == bool else scores + mask.astype(scores.dtype)


def _dropped(weights: Any, keep: Any, factor: float) -> Any:
    """Weights as dropout leaves them."""
    return weights if keep is False else weights * keep * weights.dtype.type(factor)


@opaque(
    lambda q, k, v, mask, keep, scale, causal, factor, like: [
        q.like(q.dtype) if like else ((*q.size[:-1], v.size[-1]), q.dtype), (q.size[:-1], q.dtype)
    ],
    name="attention", native=_compiled("forward"),
)  # fmt: skip
def _attention(
    xp: Any, q: Any, k: Any, v: Any, mask: Any, keep: Any, scale: float, causal: bool, factor: float, like: bool
) -> tuple:  # fmt: skip
    """The mixed values, and the logarithm of each row's sum of exponentials."""
    scores = _scores(xp, q, k, mask, scale, causal)
    top = scores.max(-1, keepdims=True)
    top = xp.where(top == -xp.inf, xp.zeros_like(top), top)
    weights = xp.exp(scores - top)
    total = weights.sum(-1, keepdims=True)
    total = xp.where(total == 0, xp.ones_like(total), total)
    return xp.matmul(_dropped(weights, keep, factor), v) / total, (top + xp.log(total))[..., 0]


@opaque(
    lambda g, q, k, v, mask, keep, o, logarithm, scale, causal, factor: [s.like(s.dtype) for s in (q, k, v)],
    name="attention_backward", native=_compiled("backward"),
)  # fmt: skip
def _attention_backward(
    xp: Any, g: Any, q: Any, k: Any, v: Any, mask: Any, keep: Any, o: Any, logarithm: Any, scale: float, causal: bool,
    factor: float,
) -> tuple:  # fmt: skip
    """The gradients of query, key and value."""
    weights = xp.exp(_scores(xp, q, k, mask, scale, causal) - logarithm[..., None])
    slopes = _dropped(xp.matmul(g, v.swapaxes(-1, -2)), keep, factor) - (g * o).sum(-1, keepdims=True)
    slopes *= weights
    slopes *= slopes.dtype.type(scale)
    by_value = xp.matmul(_dropped(weights, keep, factor).swapaxes(-1, -2), g)
    return xp.matmul(slopes, k), xp.matmul(slopes.swapaxes(-1, -2), q), by_value


def _formulas(
    g: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Any, keep: Any, scale: float, causal: bool, factor: float
) -> tuple:  # fmt: skip
    """The gradients in operators that have gradients themselves."""
    weights = _weights(query, key, mask, causal, scale)
    slopes = g @ value.transpose(-2, -1)
    dropped = weights
    if keep is not None:
        dropped, slopes = weights * keep * factor, slopes * keep * factor
    slopes = weights * (slopes - (weights * slopes).sum(-1, True)) * scale
    return slopes @ key, slopes.transpose(-2, -1) @ query, dropped.transpose(-2, -1) @ g


def _grad(
    g: Tensor, y: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Any, keep: Any, logarithm: Tensor,
    scale: float, causal: bool, factor: float, like: bool,
) -> tuple:  # fmt: skip
    if modes.enabled:  # the gradient of this gradient is wanted
        return (*_formulas(g, query, key, value, mask, keep, scale, causal, factor), None, None, None)
    g = g if g._spec.stride[-1] == 1 else g.contiguous()
    given = _or_false(mask), _or_false(keep), y.detach(), logarithm
    return (*_attention_backward(g, query, key, value, *given, scale=scale, causal=causal, factor=factor), *[None] * 3)


def _or_false(x: Tensor | None) -> Any:
    return False if x is None else x


def _name(query: Any, key: Any, value: Any, mask: Any, keep: Any, *rest: Any) -> str:
    """What PyTorch calls the backward node: its own operator takes four axes and no dropout."""
    if _is_like_query(query, value, keep):
        return "ScaledDotProductFlashAttentionForCpuBackward0"
    return "MmBackward0" if query.ndim == 2 else "UnsafeViewBackward0"


def _is_like_query(query: Tensor, value: Tensor, keep: Any) -> bool:
    """Whether the result lies in memory as the query does."""
    return query.ndim == 4 and keep is None and query.shape[-1] == value.shape[-1]


@composed(_grad, _name, keeps=True)
def _history(
    query: Tensor, key: Tensor, value: Tensor, mask: Any, keep: Any, scale: float, causal: bool, factor: float, like: bool
) -> tuple:  # fmt: skip
    given = _or_false(mask), _or_false(keep)
    y, logarithm = _attention(query, key, value, *given, scale=scale, causal=causal, factor=factor, like=like)
    return y, (logarithm,)


def _fused(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, scale: float
) -> Tensor:  # fmt: skip
    size = (*query.shape[:-1], key.shape[-2])
    if mask is not None:
        mask = mask if mask.dtype is dtypes.bool_ else mask.to(query.dtype)
        mask = mask.expand(*mask.shape[:-2], *size[-2:])
    keep = None
    if dropout_p > 0:
        keep = Tensor._from_array(samplers.bernoulli(default_generator, numel(size), 1 - dropout_p).reshape(size))
    factor = 1.0 / (1.0 - dropout_p)
    like = _is_like_query(query, value, keep)
    return _history(query, key, value, mask, keep, scale=scale, causal=is_causal, factor=factor, like=like)
