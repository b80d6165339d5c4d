"""Bags of embeddings: sums, means or maxima of the rows of a table, bag by bag."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.dtype import HALF, float32
from ..core.dtype import dtype as Dtype
from .creation import tensor
from .declare import opaque
from .network import embedding


def _largest_rule(rows: Any, bag: Any, kept: Any, count: int) -> list:
    size = (count, rows.size[1])
    return [(size, rows.dtype), (size, bag.dtype)]


def _largest_grad(g: tuple, y: tuple, _rows: Any, bag: Any, kept: Any) -> tuple:
    zeros = g[0].new_zeros((_rows.size[0] + 1, _rows.size[1]))
    return zeros.scatter_add(0, y[1], g[0])[:-1], None, None


@opaque(_largest_rule, _largest_grad, name="largest_of_bags", grad_name="EmbeddingBagBackward0", halves=True)
def _largest(xp: Any, rows: Any, bag: Any, kept: Any, count: int) -> tuple:
    """The largest value of each column in each bag and the row it stands in; 0 and no row where a bag is empty."""
    values = xp.zeros((count, rows.shape[1]), rows.dtype)
    places = xp.full((count, rows.shape[1]), len(rows), bag.dtype)
    for i in range(len(rows)):
        if kept[i]:
            better = (rows[i] > values[bag[i]]) | (places[bag[i]] == len(rows))
            values[bag[i]] = xp.where(better, rows[i], values[bag[i]])
            places[bag[i]] = xp.where(better, i, places[bag[i]])
    return values, places


def _bags(offsets: np.ndarray, total: int, include_last_offset: bool) -> tuple[np.ndarray, int]:
    """For each index the bag it lies in, and how many bags there are."""
    if len(offsets) and offsets[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
            f"However, got {offsets[0]}\n[ torch.LongTensor{{}} ]"
        )
    if len(offsets) and offsets[-1] > total:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {total} but got offsets[-1] of {offsets[-1]}"
        )
    starts = offsets[:-1] if include_last_offset else offsets
    return np.searchsorted(starts, np.arange(total), side="right") - 1, len(starts)


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `indices` name, combined between every two offsets.

    >>> embedding_bag(torch.eye(3), torch.tensor([0, 1, 2]), torch.tensor([0, 2]), mode="sum")
    tensor([[1., 1., 0.],
            [0., 0., 1.]])
    """
    size = weight.shape[0]
    if padding_idx is not None:
        if not -size <= padding_idx < size:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, -{size} through {size - 1}, "
                f"but got {padding_idx}"
            )
        padding_idx %= size
    known = indices._array()
    wrong = np.flatnonzero((known < 0) | (known >= size))
    if len(wrong):
        raise RuntimeError(
            f"Index {wrong[0]} of input takes value {known[wrong[0]]} which is not in the valid range [0, {size})"
        )
    bag, count = _bags(offsets._array(), len(known), include_last_offset)
    kept = known != padding_idx if padding_idx is not None else np.ones(len(known), bool)
    rows: Any = embedding(weight, indices, -1 if padding_idx is None else padding_idx, scale_grad_by_freq, sparse)
    if weight.dtype in HALF and mode != "max":
        rows = rows.to(float32)
    if mode == "max":
        return _largest(rows, tensor(bag), tensor(kept), count=count)[0]
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    share = _share(bag, kept, count, mode, rows.dtype)
    if share is not None:
        rows = rows * share
    return rows.new_zeros((count, weight.shape[1])).index_add(0, tensor(bag), rows).to(weight.dtype)


def _share(bag: np.ndarray, kept: np.ndarray, count: int, mode: str, dtype: Dtype) -> Any:
    """What each row counts for in its bag; None where every row counts for itself."""
    if mode == "mean":
        sizes = np.bincount(bag[kept], minlength=count)
        return tensor((kept / np.maximum(sizes, 1)[bag])[:, None], dtype=dtype)
    return None if kept.all() else tensor(kept[:, None], dtype=dtype)
