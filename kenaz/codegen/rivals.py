"""Generated code or NumPy's BLAS: which one computes a large product sooner on this machine.

With AVX-512 generated products were measured level with OpenBLAS, and they spare what BLAS needs around them (copies of
strided operands, a second pass for the bias, a pause in the plan), so nothing is measured there. On other machines the
first product of a size is timed both ways. The verdict is kept beside the kernels: the next run of a program asks the
disk, and gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.shape import extent
from ..core.spec import Spec
from ..graph.node import Call
from ..runtime import cache, threads
from . import jit
from .routine import Routine

LARGE = 1 << 21  # multiplications: for fewer of them the pause in the plan costs more than BLAS can gain
AHEAD = 1.2  # how much sooner BLAS has to be there
ROUNDS = 3


def chosen(call: Call, routine: Routine | None) -> Routine | None:
    """The routine of a product, or None where NumPy is better asked."""
    if routine is None or jit.has_avx512() or _multiplications(call) < LARGE:
        return routine
    return routine if _verdict(call, routine, threads.get_num_threads()) else None


def _multiplications(call: Call) -> int:
    """How many multiplications a product takes at least: the elements of the result times the depth."""
    factors = [s for s in call.specs if type(s) is Spec and s.ndim]
    return call.out.numel * max(s.size[-1] for s in factors)


def _verdict(call: Call, routine: Routine, count: int) -> bool:
    """Whether generated code stays: as it was found for a product of such a size, or as it is found now."""
    key = cache.key("rival", _class(call), count, *jit.host())
    if key not in _known:
        kept = cache.load(key)
        if kept is None:
            kept = b"kernel" if stays(call, routine) else b"blas"
            cache.store(key, kept)
        _known[key] = kept == b"kernel"
    return _known[key]


_known: dict[str, bool] = {}


def _class(call: Call) -> tuple:
    """What products of a kind have in common: operator, dtype, order in memory, sizes up to a power of two."""
    sizes = [(s.contiguous, [n.bit_length() for n in s.size]) for s in call.specs if type(s) is Spec]
    return call.op.name, call.out.dtype.name, sizes


def stays(call: Call, routine: Routine) -> bool:
    """Whether generated code is quicker than NumPy, or hardly slower; measured, in turns."""
    random = np.random.default_rng(0)
    inputs = [_filled(s, random) for s in call.specs]
    out = np.empty(call.out.size, call.out.dtype.np)
    ways: list[Callable] = [lambda: routine.run(inputs, [out]), lambda: call.run(*inputs)]
    best = [min(times) for times in zip(*[[_seconds(way) for way in ways] for _ in range(ROUNDS)], strict=True)]
    return best[0] < AHEAD * best[1]


def _filled(s: Any, random: np.random.Generator) -> Any:
    """An array as a spec says, or a number for a type."""
    if type(s) is not Spec:
        return s(1)
    memory = random.random(extent(s.size, s.stride), np.float32).astype(s.dtype.np)
    return np.lib.stride_tricks.as_strided(memory, s.size, [n * memory.itemsize for n in s.stride])


def _seconds(way: Callable) -> float:
    begin = time.perf_counter()
    way()
    return time.perf_counter() - begin
