"""Pointwise math over large arrays a block at a time, so that what lies between two steps of it stays in the cache.

Memory that was never used before costs more than arithmetic: a body of five steps over ten million numbers makes five
arrays that leave the cache; over blocks it makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BLOCK = 1 << 15  # elements: the few arrays of a body together fill a core's second-level cache
LEAST = 1 << 21  # elements from which it pays: smaller arrays come back from the allocator still in the cache


def is_one_pass(body: Callable) -> bool:
    """Whether a body over `xp` is a single NumPy loop, which nothing can improve.

    >>> is_one_pass(lambda xp, x: xp.exp(x)), is_one_pass(lambda xp, x: x * xp.exp(x)), is_one_pass(lambda xp, x: xp.erf(x))
    (True, False, False)
    """
    import dis

    steps = ("CALL", "BINARY_OP", "COMPARE_OP", "UNARY")
    found = [i.opname for i in dis.get_instructions(body) if i.opname.startswith(steps) and "INTRINSIC" not in i.opname]
    return len(found) == 1 and all(type(getattr(np, name, None)) is np.ufunc for name in body.__code__.co_names)


def blockwise(body: Callable, arrays: Sequence[Any], outs: Sequence[np.ndarray]) -> None:
    """Fill `outs` with what `body(*arrays)` returns; arrays are row-major and of one size, other values are passed on."""
    flat = [a.reshape(-1) if type(a) is np.ndarray and a.ndim else a for a in arrays]
    is_array = [type(a) is np.ndarray and a.ndim > 0 for a in flat]
    into = [o.reshape(-1) for o in outs]
    for start in range(0, into[0].size, BLOCK):
        part = slice(start, start + BLOCK)
        values = body(*[a[part] if one else a for a, one in zip(flat, is_array, strict=True)])
        for o, value in zip(into, values, strict=True):
            o[part] = value
