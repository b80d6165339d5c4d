"""Attention with a function over scores: what a program says of the score of a query and a key is computed for all of
them at once, and fuses with the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ... import _api as torch

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention",
    "noop_mask", "or_masks",
]  # fmt: skip

_DEFAULT_SPARSE_BLOCK_SIZE = 128
FlexKernelOptions = dict


class AuxRequest(NamedTuple):
    """What shall come beside the output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What comes beside the output: logarithms of sums of exponentials, and the largest scores."""

    lse: Any = None
    max_scores: Any = None


# ---------------------------------------------------------------------------------------------------------------- masks
def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """A mask that lets everything through."""
    return torch.ones((), dtype=torch.bool)


def _joined(masks: tuple, combine: Callable) -> Callable:
    if not all(callable(m) for m in masks):
        raise RuntimeError(f"All inputs should be callable mask_mods: {masks}")

    def joined(b: Any, h: Any, q: Any, kv: Any) -> Any:
        found = masks[0](b, h, q, kv)
        for mask in masks[1:]:
            found = combine(found, mask(b, h, q, kv))
        return found

    return joined


def and_masks(*mask_mods: Callable) -> Callable:
    """A mask of what all masks let through."""
    return _joined(mask_mods, torch.logical_and)


def or_masks(*mask_mods: Callable) -> Callable:
    """A mask of what some mask lets through."""
    return _joined(mask_mods, torch.logical_or)


def _places(B: int, H: int, Q: int, KV: int) -> tuple:
    """The numbers of batches, heads, queries and keys, to be broadcast over (B, H, Q, KV)."""
    sizes = (B, H, Q, KV)
    return tuple(torch.arange(n).reshape([-1 if i == d else 1 for i in range(4)]) for d, n in enumerate(sizes))


def create_mask(mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None) -> Any:
    """A mask function as a tensor (B, H, Q_LEN, KV_LEN).

    >>> create_mask(lambda b, h, q, kv: q >= kv, 1, 1, 2, 2)
    tensor([[[[ True, False],
              [ True,  True]]]])
    """
    size = (B or 1, H or 1, Q_LEN, KV_LEN)
    return mod_fn(*_places(*size)).expand(size).contiguous()


class BlockMask:
    """Which blocks of queries and keys attend at all ("full": every pair does), and the mask function for the others.

    `kv_indices[b, h, row]` names `kv_num_blocks[b, h, row]` blocks of keys, those of a row that are partly masked.
    """

    def __init__(
        self, seq_lengths: tuple[int, int], kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any,
        full_kv_indices: Any, BLOCK_SIZE: tuple[int, int], mask_mod: Callable,
    ) -> None:  # fmt: skip
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = _listed(_spread(kv_num_blocks, kv_indices).mT)
        self.full_q_num_blocks, self.full_q_indices = None, None
        if full_kv_num_blocks is not None:
            self.full_q_num_blocks, self.full_q_indices = _listed(_spread(full_kv_num_blocks, full_kv_indices).mT)

    @classmethod
    def from_kv_blocks(
        cls, kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any = None, full_kv_indices: Any = None,
        BLOCK_SIZE: Any = _DEFAULT_SPARSE_BLOCK_SIZE, mask_mod: Callable | None = None,
        seq_lengths: tuple[int, int] | None = None, compute_q_blocks: bool = True, **_: Any,
    ) -> BlockMask:  # fmt: skip
        """A mask of listed blocks."""
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError("full_kv_num_blocks and full_kv_indices must be both provided or omitted")
        block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
        lengths = seq_lengths or (kv_indices.shape[-2] * block[0], kv_indices.shape[-1] * block[1])
        return cls(
            lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, block, mask_mod or noop_mask
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """(batch sizes ..., queries, keys)."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many pairs there are."""
        return math.prod(self.shape)

    def to_dense(self) -> Any:
        """1 for each block that is not left out."""
        partial = _spread(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is None:
            return partial
        return (partial + _spread(self.full_kv_num_blocks, self.full_kv_indices)).clamp(max=1)

    def sparsity(self) -> float:
        """The share of pairs in blocks that are left out, in percent."""
        blocks = int(self.kv_num_blocks.sum())
        if self.full_kv_num_blocks is not None:
            blocks += int(self.full_kv_num_blocks.sum())
        return 100 * (1 - blocks * math.prod(self.BLOCK_SIZE) / self.numel())

    def allows(self, b: Any, h: Any, q: Any, kv: Any) -> Any:
        """Which pairs attend."""
        blocks = self.to_dense().bool()
        b, h = (x if n > 1 else torch.zeros_like(x) for x, n in zip((b, h), blocks.shape))
        listed = blocks[b, h, q // self.BLOCK_SIZE[0], kv // self.BLOCK_SIZE[1]]
        inside = self.mask_mod(b, h, q, kv)
        if self.full_kv_num_blocks is not None:
            full = _spread(self.full_kv_num_blocks, self.full_kv_indices).bool()
            inside = inside | full[b, h, q // self.BLOCK_SIZE[0], kv // self.BLOCK_SIZE[1]]
        return listed & inside

    def __getitem__(self, index: Any) -> BlockMask:
        """The mask of some batches and heads."""
        parts: Any = [None if t is None else t[index] for t in self._tensors()]
        return _masked(self.seq_lengths, parts, self.BLOCK_SIZE, self.mask_mod)

    def _tensors(self) -> tuple:
        return self.kv_num_blocks, self.kv_indices, self.full_kv_num_blocks, self.full_kv_indices

    def to(self, device: Any) -> BlockMask:
        """The mask on another device."""
        parts: Any = [None if t is None else t.to(device) for t in self._tensors()]
        return _masked(self.seq_lengths, parts, self.BLOCK_SIZE, self.mask_mod)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def _masked(lengths: tuple[int, int], lists: list, block: tuple[int, int], mask_mod: Callable) -> BlockMask:
    """A mask of its four lists of blocks."""
    counts, indices, full_counts, full_indices = lists
    return BlockMask(lengths, counts, indices, full_counts, full_indices, block, mask_mod)


def _listed(dense: Any) -> tuple[Any, Any]:
    """How many ones each row has, and the places of ones before those of zeros."""
    counts = dense.sum(-1).to(torch.int32)
    return counts, torch.argsort(dense.to(torch.int32), dim=-1, descending=True, stable=True).to(torch.int32)


def _spread(counts: Any, indices: Any) -> Any:
    """The blocks that are listed, as ones."""
    columns = indices.shape[-1]
    listed = (torch.arange(columns) < counts.unsqueeze(-1)).to(torch.int32)
    return torch.zeros(indices.shape, dtype=torch.int32).scatter(-1, indices.long(), listed)


def create_block_mask(
    mask_mod: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None,
    BLOCK_SIZE: Any = _DEFAULT_SPARSE_BLOCK_SIZE, _compile: bool = False, separate_full_blocks: bool = True, **_: Any,
) -> BlockMask:  # fmt: skip
    """The blocks that a mask function leaves, found by computing it for all pairs.

    >>> mask = create_block_mask(lambda b, h, q, kv: q >= kv, None, None, 8, 8, BLOCK_SIZE=4)
    >>> mask.sparsity(), mask.to_dense().tolist()
    (25.0, [[[[1, 0], [1, 1]]]])
    """
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    dense = create_mask(mask_mod, B, H, Q_LEN, KV_LEN).to(torch.int32)
    padded = torch.constant_pad_nd(dense, (0, -KV_LEN % columns, 0, -Q_LEN % rows))
    b, h, q, kv = padded.shape
    counts = padded.reshape(b, h, q // rows, rows, kv // columns, columns).sum((3, 5))
    full = counts == rows * columns if separate_full_blocks else torch.zeros_like(counts, dtype=torch.bool)
    partial = _listed((counts > 0) & ~full)
    whole = _listed(full) if separate_full_blocks else (None, None)
    return _masked((Q_LEN, KV_LEN), [*partial, *whole], (rows, columns), mask_mod)


# ------------------------------------------------------------------------------------------------------------ attention
def _check(query: Any, key: Any, value: Any, enable_gqa: bool) -> None:
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if query.size(-1) != key.size(-1):
        raise ValueError(
            f"Expect query and key/value to have the same embedding dimension but got E={query.size(-1)} and "
            f"E={key.size(-1)}."
        )
    if not enable_gqa and query.size(1) != key.size(1):
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={query.size(1)} and "
            f"Hkv={key.size(1)}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and query.size(1) % key.size(1):
        raise ValueError(
            f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={query.size(1)} and "
            f"Hkv={key.size(1)}."
        )


def flex_attention(
    query: Any, key: Any, value: Any, score_mod: Callable | None = None, block_mask: BlockMask | None = None,
    scale: float | None = None, enable_gqa: bool = False, return_lse: bool = False, kernel_options: Any = None, *,
    return_aux: AuxRequest | None = None,
) -> Any:  # fmt: skip
    """softmax(score_mod(scale q k^T, batch, head, query, key)) v over (B, heads, length, size) tensors.

    `score_mod` is written for one score and called with all of them: it must be made of operators. A query without any
    key gives zeros.

    >>> q = torch.ones(1, 1, 2, 4)
    >>> v = torch.tensor([[[[1.0], [3.0]]]])
    >>> flex_attention(q, q, v, lambda score, b, h, i, j: torch.where(i >= j, score, -torch.inf)).flatten()
    tensor([1., 2.])
    """
    _check(query, key, value, enable_gqa)
    if enable_gqa:
        groups = query.size(1) // key.size(1)
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    work = torch.float64 if query.dtype is torch.float64 else torch.float32
    factor = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    scores = (query.to(work) * factor) @ key.to(work).mT
    places = _places(*scores.shape)
    if score_mod is not None:
        scores = score_mod(scores, *places).to(work)
    if block_mask is not None:
        scores = torch.where(block_mask.allows(*places), scores, -torch.inf)
    alone = (scores == -torch.inf).all(-1, keepdim=True)  # softmax of nothing is nan, and so would gradients be
    weights = torch.where(alone, 0.0, scores).softmax(-1) * ~alone
    out = weights.to(query.dtype) @ value
    if return_aux is None and not return_lse:
        return out
    lse = scores.logsumexp(-1)
    if return_aux is None:
        return out, lse
    return out, AuxOutput(lse if return_aux.lse else None, scores.amax(-1) if return_aux.max_scores else None)
