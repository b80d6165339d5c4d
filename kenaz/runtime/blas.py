"""Products of matrices through NumPy's BLAS, kept from waiting for a CPU that another program uses.

OpenBLAS gives each of its threads an equal part and spins until all are done. Where a CPU is busy with something else,
a product of 70 us then takes the 10 ms of a scheduler's time slice. So products are timed: after one that stalled, one
thread computes for a while, and longer each time that it happens again.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import os
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

THREADED = 1 << 18  # multiplications from which OpenBLAS uses several threads
SHORTEST, LONGEST = 0.02, 1.0  # seconds for which one thread computes after a stall

_hold = SHORTEST
_until = 0.0  # while above zero, one thread computes until then
_before = 1  # threads that compute otherwise
_best = 1e10  # multiplications a second, the most that was seen


def matmul(a: Any, b: Any, out: Any = None) -> Any:
    """a @ b, as `numpy.matmul`.

    >>> matmul(np.eye(2), np.ones(2))
    array([1., 1.])
    """
    if a.ndim < 2 or b.ndim < 2 or a.size * b.shape[-1] < THREADED:
        return np.matmul(a, b, out=out)
    begin = time.perf_counter()
    if _until and begin > _until:
        _resume()
    result = np.matmul(a, b, out=out)
    if not _until:
        _judge(begin, a.size * b.shape[-1], a.shape[-2:] + b.shape[-1:])
    return result


def _judge(begin: float, work: int, sizes: tuple) -> None:
    """Learn from how long a product took; a narrow one waits for memory and teaches no speed."""
    global _before, _best, _hold, _until
    end = time.perf_counter()
    narrow = max(1, 32 // max(1, min(sizes)))
    if end - begin > 1e-3 + 8 * narrow * work / _best:
        _before = _threads().get()
        _threads().set(1)
        _until, _hold = end + _hold, min(2 * _hold, LONGEST)
        return
    _hold = max(_hold * 0.999, SHORTEST)
    if narrow == 1:
        _best = max(_best, work / (end - begin))


def _resume() -> None:
    global _until
    _until = 0.0
    _threads().set(_before)


def use_threads(count: int) -> None:
    """Let NumPy's BLAS compute with so many threads."""
    global _until
    _until = 0.0
    _threads().set(count)


@functools.cache
def _threads() -> Any:
    """What sets and gets the number of threads of the OpenBLAS inside NumPy's wheel; idle functions for another
    BLAS."""
    folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas*")):
        library = ctypes.CDLL(path)
        for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads"):
            if hasattr(library, name.format("set")):
                return SimpleNamespace(**{word: getattr(library, name.format(word)) for word in ("set", "get")})
    return SimpleNamespace(set=int, get=lambda: 1)
