"""The array namespace `xp` that kernels are written against, for NumPy: NumPy's own functions plus those it lacks.

A body written over `xp` is the cold kernel with this module, the GPU's with CuPy's twin of it, and becomes LLVM IR with the
emitter's.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def __getattr__(name: str) -> Any:
    found = getattr(np, name)
    globals()[name] = found  # the next look-up is a plain global
    return found
