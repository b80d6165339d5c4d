"""Numbers given once for all spatial dimensions, or once for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    """The function that makes a tuple of `n` out of a number, and of an iterable the tuple of its items.

    >>> ntuple(2, "pair")(3), ntuple(2, "pair")([1, 2])
    ((3, 3), (1, 2))
    """

    def spread(value: Any) -> tuple:
        return tuple(value) if isinstance(value, Iterable) else (value,) * n

    spread.__name__ = name
    return spread


single = ntuple(1, "_single")
pair = ntuple(2, "_pair")
triple = ntuple(3, "_triple")
quadruple = ntuple(4, "_quadruple")

# PyTorch's names, in torch.nn.modules.utils
_single, _pair, _triple, _quadruple, _ntuple = single, pair, triple, quadruple, ntuple
