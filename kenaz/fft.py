"""`torch.fft`: the functions of ops/fft.py.

>>> import kenaz as torch
>>> torch.fft.rfft(torch.ones(4)).shape
torch.Size([3])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ops.fft import FFT

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the names below, which no type checker sees


globals().update(FFT)
__all__ = list(FFT)
