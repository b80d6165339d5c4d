"""`torch.linalg`: the functions of ops/decompositions.py, ops/norms.py and ops/linalg.py, under one roof.

>>> import kenaz as torch
>>> torch.linalg.norm(torch.tensor([3.0, 4.0])).item()
5.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ops import decompositions, linalg, norms  # noqa: F401  they fill the table
from .ops.checks import LINALG

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the names below, which no type checker sees


globals().update(LINALG)
__all__ = list(LINALG)
