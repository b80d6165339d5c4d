"""A scan with any associative function, in a logarithmic number of rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _api as torch
from ..func import vmap
from ..utils._pytree import tree_flatten, tree_unflatten

__all__ = ["associative_scan"]

Leaves = list[torch.Tensor]


def associative_scan(
    combine_fn: Callable[[Any, Any], Any], xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise"
) -> Any:
    """Each place holds what `combine_fn` makes of all elements up to there, along `dim` of the tensors in `xs`.

    `combine_fn` takes two structures of tensors without that dimension, and gives one. It has to be associative.

    >>> associative_scan(lambda a, b: a * b, torch.arange(1.0, 6), dim=0, combine_mode="generic")
    tensor([  1.,   2.,   6.,  24., 120.])
    """
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    leaves, structure = tree_flatten(xs)
    if combine_mode == "pointwise" and not all(leaf.is_cuda for leaf in leaves):
        raise ValueError("For combine_mode='pointwise', all input tensors need to be on CUDA or XPU")
    many = vmap(combine_fn)

    def combine(a: Leaves, b: Leaves) -> Leaves:
        return tree_flatten(many(tree_unflatten(a, structure), tree_unflatten(b, structure)))[0]

    first = [leaf.movedim(dim, 0) for leaf in leaves]
    ordered = [leaf.flip([0]) for leaf in first] if reverse else first
    scanned = _scan(combine, ordered)
    back = [leaf.flip([0]) for leaf in scanned] if reverse else scanned
    return tree_unflatten([leaf.movedim(0, dim) for leaf in back], structure)


def _scan(combine: Callable[[Leaves, Leaves], Leaves], leaves: Leaves) -> Leaves:
    """Pairs are combined, the half as long sequence is scanned, and what lies between follows from it."""
    length = leaves[0].shape[0]
    if length < 2:
        return leaves
    odd = _scan(combine, combine([x[:-1:2] for x in leaves], [x[1::2] for x in leaves]))
    if length == 2:
        return [torch.cat([x[:1], o]) for x, o in zip(leaves, odd)]
    before = [o[:-1] for o in odd] if length % 2 == 0 else odd
    even = combine(before, [x[2::2] for x in leaves])
    return [_interleave(torch.cat([x[:1], e]), o) for x, e, o in zip(leaves, even, odd)]


def _interleave(even: torch.Tensor, odd: torch.Tensor) -> torch.Tensor:
    pairs = torch.stack([even[: len(odd)], odd], dim=1).flatten(0, 1)
    return torch.cat([pairs, even[len(odd) :]])
