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

    >>> is_one_pass(lambda xp, x: xp.exp(x)), is_one_pass(lambda xp, x: x * xp.exp(x))
    (True, False)
    """
    import dis

    steps = ("CALL", "BINARY_OP", "COMPARE_OP", "UNARY")
    found = [i.opname for i in dis.get_instructions(body) if i.opname.startswith(steps) and "INTRINSIC" not in i.opname]
    return len(found) == 1 and all(type(getattr(np, name, None)) is np.ufunc for name in body.__code__.co_names)


def blockwise(body: Callable, arrays: Sequence[Any], outs: Sequence[np.ndarray]) -> None:
    """Fill `outs` with what `body(*arrays)` returns; arrays are row-major and of one size, other values are passed
    on."""
    flat = [a.reshape(-1) if type(a) is np.ndarray and a.ndim else a for a in arrays]
    is_array = [type(a) is np.ndarray and a.ndim > 0 for a in flat]
    into = [o.reshape(-1) for o in outs]
    for start in range(0, into[0].size, BLOCK):
        part = slice(start, start + BLOCK)
        values = body(*[a[part] if one else a for a, one in zip(flat, is_array, strict=True)])
        for o, value in zip(into, values, strict=True):
            o[part] = value


def by_rows(function: Callable, *arrays: Any) -> Any:
    """What `function` gives for arrays of the same length (an array or a tuple of them), a few rows at a time.

    >>> by_rows(lambda x: x + 1, np.zeros((2, 2)))
    array([[1., 1.],
           [1., 1.]])
    """
    length, elements = len(arrays[0]), arrays[0].size
    step = max(1, 2 * BLOCK * length // max(elements, 1))
    if step >= length:
        return function(*arrays)
    outs: list[Any] = []
    for start in range(0, length, step):
        part = slice(start, start + step)
        found = function(*[a[part] for a in arrays])
        several = type(found) is tuple
        results = found if several else (found,)
        if not outs:
            outs = [np.empty((length, *r.shape[1:]), r.dtype) for r in results]
        for out, result in zip(outs, results, strict=True):
            out[part] = result
    return tuple(outs) if several else outs[0]
