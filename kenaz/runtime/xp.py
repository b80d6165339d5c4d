"""The array namespace `xp` that kernels are written against, for NumPy: NumPy's own functions plus those it lacks.

A body written over `xp` is the cold kernel with this module, the GPU's with CuPy's twin of it, and becomes LLVM IR
with the emitter's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .blas import matmul as matmul

_OURS = frozenset(("i0",))  # NumPy has it too, only slower and less exact


def __getattr__(name: str) -> Any:
    home: Any
    if name in _OURS or not hasattr(np, name):
        from . import special as home  # its tables are read when the first special function is needed
    else:
        home = np
    found = getattr(home, name)
    globals()[name] = found  # the next look-up is a plain global
    return found


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow for large negative x."""
    with np.errstate(over="ignore"):
        y = np.exp(-x)
    y += 1
    return 1 / y


def where(condition: Any, *values: Any) -> Any:
    """As `numpy.where`; for large float arrays by arithmetic on their bits.

    NumPy jumps at each element, and where the condition is random the CPU guesses half of the jumps wrong: 10 times
    slower.

    >>> where(np.array([True, False]), np.array([1.0, 2.0]), 3.0)
    array([1., 3.])
    """
    if len(values) != 2 or getattr(condition, "size", 0) < 1024 or condition.dtype != np.bool_:
        return np.where(condition, *values)
    floats = [v.dtype for v in values if isinstance(v, (np.ndarray, np.generic))]
    bits = _BITS.get(floats[0]) if floats and floats[0] == floats[-1] else None
    if bits is None or any(type(v) is complex for v in values):
        return np.where(condition, *values)
    a, b = [np.asarray(v, floats[0]).view(bits) for v in values]
    if not b.ndim and not b:
        return (condition * a).view(floats[0])
    chosen = condition * (a - b)
    chosen += b
    return chosen.view(floats[0])


_BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def scatter_rows(out: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    """out[index[i]] += rows[i], where an index may come several times: sorted runs are summed at once."""
    if not len(index):
        return
    order = np.argsort(index, kind="stable")
    sorted_index = index[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_index[1:] != sorted_index[:-1])))
    out[sorted_index[starts]] += np.add.reduceat(rows[order], starts, axis=0)


def power_as_c(a: Any, b: Any) -> Any:
    """a ** b; integers wrap, and a negative integer exponent gives 0 but for a base of 1 or -1."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind in "iu" and b.dtype.kind == "i" and (b < 0).any():
        whole = np.power(a, np.maximum(b, 0))
        odd = np.where(b % 2 == 0, 1, -1)
        return np.where(b >= 0, whole, np.where(a == 1, 1, np.where(a == -1, odd, 0))).astype(a.dtype)
    if a.dtype.kind == "b":
        return np.where(b, a, True)
    return np.square(a) if b.ndim == 0 and b == 2 else np.power(a, b)


def _no_zero(a: Any, b: Any) -> None:
    if np.asarray(a).dtype.kind in "iub" and not np.all(b):
        raise RuntimeError("ZeroDivisionError")


def floor_quotient(a: Any, b: Any) -> Any:
    """a / b rounded down."""
    _no_zero(a, b)
    return np.floor_divide(a, b)


def trunc_quotient(a: Any, b: Any) -> Any:
    """a / b rounded towards zero."""
    _no_zero(a, b)
    if np.asarray(a).dtype.kind == "f":
        return np.trunc(np.true_divide(a, b))
    q = np.floor_divide(a, b)
    return q + ((q < 0) & (q * b != a))


def remainder_as_c(a: Any, b: Any) -> Any:
    """a - b floor(a / b), with the sign of b."""
    _no_zero(a, b)
    return np.remainder(a, b)
