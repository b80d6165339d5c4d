"""`rearrange`: the axes of a tensor in another order, joined and taken apart, as a pattern of names says."""

from __future__ import annotations

import math
import re
from typing import Any

from . import _api as torch

__all__ = ["rearrange"]

Side = list[list[str]]  # a group of names for each axis


def _parsed(text: str) -> Side:
    """The groups of one side of a pattern.

    >>> _parsed("a (b c) ... 1")
    [['a'], ['b', 'c'], ['...'], []]
    """
    groups: Side = []
    for part in re.findall(r"\([^()]*\)|\.\.\.|[^\s()]+", text):
        names = part.strip("()").split() if part.startswith("(") else [part]
        groups.append([n for n in names if n != "1"])
    names = [n for g in groups for n in g]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Indexing expression contains duplicate dimension {name!r}")
        if name != "..." and not name.isidentifier():
            raise ValueError(f"Unknown character in rearrange expression: {name!r}")
    return groups


def _sizes(groups: Side, shape: tuple, given: dict[str, int]) -> dict[str, int]:
    """The size of each name; one of a group may be unknown before."""
    found: dict[str, int] = {}
    for group, n in zip(groups, shape, strict=True):
        unknown = [name for name in group if name not in given]
        product = math.prod(given[name] for name in group if name in given)
        if len(unknown) > 1:
            raise ValueError(f"cannot infer the sizes of {unknown} in an axis of size {n}")
        if n % product or not unknown and product != n:
            sizes = tuple("?" if name in unknown else given[name] for name in group)
            raise ValueError(f"inferred dimension does not evenly fit into larger dimension: {n} vs {sizes}")
        found |= {name: given[name] if name in given else n // product for name in group}
    return found


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """The axes in another order, joined by parentheses on the right, taken apart by parentheses on the left; `...`
    stands for axes without a name. Several tensors are stacked first.

    >>> rearrange(torch.arange(6).reshape(2, 3), "a b -> (b a)")
    tensor([0, 3, 1, 4, 2, 5])
    """
    if isinstance(tensor, (list, tuple)):
        tensor = torch.stack(list(tensor))
    if pattern.count("->") != 1:
        raise ValueError("pattern must contain '->' once")
    left, right = (_parsed(side) for side in pattern.split("->"))
    named = [n for g in left for n in g]
    rest = tensor.dim() - len(left) + 1 if ["..."] in left else 0
    if rest < 0 or ["..."] not in left and len(left) != tensor.dim():
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of dimensions in the tensor "
            f"({tensor.dim()})"
        )
    one_sided = set(named) ^ {n for g in right for n in g}
    if one_sided:
        raise ValueError(f"Identifiers only on one side of rearrange expression (should be on both): {one_sided}")
    if extra := set(axes_lengths) - set(named):
        raise ValueError(f"Identifiers only in axes_lengths: {extra}")
    hidden = [f"...{i}" for i in range(rest)]
    left, right = (_shown(side, hidden) for side in (left, right))
    sizes = _sizes(left, tuple(tensor.shape), axes_lengths)
    apart = [n for g in left for n in g]
    order = [apart.index(n) for g in right for n in g]
    moved = tensor.reshape([sizes[n] for n in apart]).permute(order)
    return moved.reshape([math.prod(sizes[n] for n in g) for g in right])


def _shown(side: Side, hidden: list[str]) -> Side:
    """A side with names for the axes that `...` stands for; inside parentheses they are joined too."""
    found: Side = []
    for group in side:
        if group == ["..."]:
            found += [[n] for n in hidden]
        else:
            found.append([m for n in group for m in (hidden if n == "..." else [n])])
    return found
