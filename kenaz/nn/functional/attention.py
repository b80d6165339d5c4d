"""Attention over several heads, with the projections before and after it."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ... import _api as torch
from ..._api import Tensor
from ...ops import attention, network
from ...ops.precision import lower
from ...ops.precision import state as precision
from .dropouts import dropout


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.mT * scale + attn_mask) @ value, with scale 1 / sqrt(width) unless given.

    A boolean mask says where to look. `enable_gqa` repeats the heads of key and value to as many as the query's.

    >>> scaled_dot_product_attention(torch.zeros(1, 1, 2), torch.zeros(1, 2, 2), torch.eye(2)[None])
    tensor([[[0.5000, 0.5000]]])
    """
    if precision.on:
        query, key, value, attn_mask = lower(query, key, value, attn_mask)
    _check_attention(query, key, value, attn_mask, is_causal)
    return attention.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa and query.size(-3) != key.size(-3)
    )


def _check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> None:
    if not query.dtype == key.dtype == value.dtype:
        names = [_C_NAMES.get(str(x.dtype)[6:], str(x.dtype)[6:]) for x in (query, key, value)]
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{names[0]} key.dtype: {names[1]} and value.dtype: {names[2]} instead."
        )
    if min(query.dim(), key.dim(), value.dim()) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.dim()} key.dim: {key.dim()} and value.dim: {value.dim()} instead."
        )
    if mask is None:
        return
    if is_causal:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if mask.dtype not in (torch.bool, torch.float32, query.dtype):
        names = [_C_NAMES.get(str(x.dtype)[6:], str(x.dtype)[6:]) for x in (mask, query)]
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{names[0]} and  query.dtype: {names[1]} instead."
        )


# what messages of PyTorch's C++ side call dtypes
_C_NAMES = {
    "float32": "float", "float64": "double", "int64": "long int", "int32": "int", "uint8": "unsigned char",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "int8": "signed char", "int16": "short int",
}  # fmt: skip


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: torch.dtype | None,
    other_name: str,
    target_type: torch.dtype,
    check_other: bool = True,
) -> Tensor | None:
    """A mask as what is added to the scores: -inf where a boolean mask says True."""
    if mask is None:
        return None
    is_bool = mask.dtype is torch.bool
    if not is_bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype is not other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if is_bool:
        return torch.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)
    return mask


def _check_shapes(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the inputs have a batch dimension, or PyTorch's error where they do not fit together."""
    ndim = query.dim()
    if ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query tensor")
    kind = f"For {'batched' if ndim == 3 else 'unbatched'} ({ndim}-D) `query`"
    if key.dim() != ndim or value.dim() != ndim:
        raise AssertionError(
            f"{kind}, expected `key` and `value` to be {ndim}-D but found {key.dim()}-D and {value.dim()}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != ndim - 1:
        raise AssertionError(
            f"{kind}, expected `key_padding_mask` to be `None` or {ndim - 1}-D "
            f"but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"{kind}, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
            )
        if ndim == 2 and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if tuple(attn_mask.shape) != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return ndim == 3


def _projected(query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Queries, keys and values out of one stacked projection; one product where they are the same tensor."""
    width = query.size(-1)
    if key is value:
        if query is key:
            together = network.linear(query, weight, bias)
            return [part.contiguous() for part in together.unflatten(-1, (3, width)).unbind(-2)]
        own_bias, other_bias = (None, None) if bias is None else bias.split([width, 2 * width])
        own_weight, other_weight = weight.split([width, 2 * width])
        together = network.linear(key, other_weight, other_bias)
        others = [part.contiguous() for part in together.unflatten(-1, (2, width)).unbind(-2)]
        return [network.linear(query, own_weight, own_bias), *others]
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return [network.linear(x, w, b) for x, w, b in zip((query, key, value), weight.chunk(3), biases)]


def _check_attention_mask(mask: Tensor, expected: tuple[int, ...]) -> Tensor:
    if tuple(mask.shape) != expected:
        raise RuntimeError(f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {expected}.")
    return mask.unsqueeze(0) if mask.dim() == 2 else mask


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of `num_heads` heads between the projections of query (L, N, E), key and value (S, N, E).

    Gives the projected output (L, N, E) and, with `need_weights`, the attention weights (N, L, S).
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    source = key.shape[0]
    key_padding_mask = _canonical_mask(
        key_padding_mask,
        "key_padding_mask",
        None if attn_mask is None else attn_mask.dtype,
        "attn_mask",
        query.dtype,
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the attention makes the causal mask by itself
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        is_causal = is_causal and key_padding_mask is None
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight)
        named = dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), weights))
        for name, weight in named.items():
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name} is None")
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (network.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    if attn_mask is not None:
        expected = (length, source) if attn_mask.dim() == 2 else (batch * num_heads, length, source)
        attn_mask = _check_attention_mask(attn_mask, expected)

    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k is None" if bias_k is None else "bias_v is None")
    if bias_k is not None and bias_v is not None:
        if static_k is not None:
            raise AssertionError("bias cannot be added to static key.")
        if static_v is not None:
            raise AssertionError("bias cannot be added to static value.")
        k = torch.cat([k, bias_k.repeat(1, batch, 1)])
        v = torch.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _widened(attn_mask), _widened(key_padding_mask)

    heads = batch * num_heads
    q = q.view(length, heads, head).transpose(0, 1)
    k = _heads(k, heads, head, static_k, "static_k")
    v = _heads(v, heads, head, static_v, "static_v")
    if add_zero_attn:
        zeros = torch.zeros((heads, 1, head), dtype=k.dtype, device=k.device)
        k, v = torch.cat([k, zeros], dim=1), torch.cat([v, zeros], dim=1)
        attn_mask, key_padding_mask = _widened(attn_mask), _widened(key_padding_mask)
    source = k.size(1)
    if key_padding_mask is not None:
        if key_padding_mask.shape[0] != batch:
            raise AssertionError(
                f"Expected key_padded_mask.shape[0] to be {batch}, but got {key_padding_mask.shape[0]}"
            )
        if key_padding_mask.shape[1] != source:
            raise AssertionError(
                f"Expected key_padded_mask.shape[1] to be {source}, but got {key_padding_mask.shape[1]}"
            )
        padding = key_padding_mask.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1).reshape(heads, 1, source)
        attn_mask = padding if attn_mask is None else attn_mask + padding
    if not training:
        dropout_p = 0.0

    if need_weights:
        if is_causal and attn_mask is None:
            raise AssertionError("FIXME: is_causal not implemented for need_weights")
        scaled = q * math.sqrt(1.0 / float(head))
        keys = k.transpose(-2, -1)
        scores = scaled.bmm(keys) if attn_mask is None else torch.baddbmm(attn_mask, scaled, keys)
        weights = scores.softmax(dim=-1)
        if dropout_p > 0.0:
            weights = dropout(weights, p=dropout_p)
        mixed = weights.bmm(v).transpose(0, 1).contiguous().view(length * batch, width)
        output = network.linear(mixed, out_proj_weight, out_proj_bias)
        output = output.view(length, batch, output.size(1))
        weights = weights.view(batch, num_heads, length, source)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        return (output, weights) if batched else (output.squeeze(1), weights.squeeze(0))

    if attn_mask is not None:
        if attn_mask.size(0) == 1 and attn_mask.dim() == 3:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(batch, num_heads, -1, source)
    q, k, v = (x.view(batch, num_heads, -1, head) for x in (q, k, v))
    mixed = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    mixed = mixed.permute(2, 0, 1, 3).contiguous().view(length * batch, width)
    output = network.linear(mixed, out_proj_weight, out_proj_bias)
    output = output.view(length, batch, output.size(1))
    return (output if batched else output.squeeze(1)), None


def _widened(mask: Any) -> Any:
    """A mask with one more key, which everybody may look at."""
    return None if mask is None else torch.constant_pad_nd(mask, (0, 1), 0.0)


def _heads(x: Tensor, heads: int, head: int, static: Tensor | None, name: str) -> Tensor:
    if static is None:
        return x.view(x.shape[0], heads, head).transpose(0, 1)
    for axis, expected in ((0, heads), (2, head)):
        if static.size(axis) != expected:
            raise AssertionError(f"expecting {name}.size({axis}) of {expected}, but got {static.size(axis)}")
    return static
