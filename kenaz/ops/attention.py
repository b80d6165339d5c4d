"""Scaled dot-product attention (Vaswani et al. 2017), as a composition of operators."""

from __future__ import annotations

import math
from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import HALF
from .creation import ones
from .network import softmax
from .sampling import dropout


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
    scores = (query * math.sqrt(scale)) @ (key * math.sqrt(scale)).transpose(-2, -1)
    if is_causal:
        attn_mask = ones(query.shape[-2], key.shape[-2], dtype=dtypes.bool_).tril()
    if attn_mask is not None:
        scores = _masked(scores, attn_mask)
    weights = softmax(scores, -1)
    if attn_mask is not None and attn_mask.dtype is dtypes.bool_:
        weights = weights.masked_fill(~attn_mask.any(-1, True), 0.0)  # a row that sees nothing gives zeros
    return (dropout(weights, dropout_p, dropout_p > 0) @ value).to(kind)


def _masked(scores: Tensor, mask: Tensor) -> Any:
    if mask.dtype is dtypes.bool_:
        return scores.masked_fill(~mask, -math.inf)
    return scores + mask
