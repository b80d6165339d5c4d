"""`torch.special`: the functions of ops/special.py.

>>> import kenaz as torch
>>> torch.special.ndtr(torch.zeros(1)).item()
0.5
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ops.special import SPECIAL

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the names below, which no type checker sees


globals().update(SPECIAL)
__all__ = list(SPECIAL)
