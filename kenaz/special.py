"""`torch.special`: the functions of ops/special.py.

>>> import kenaz as torch
>>> torch.special.ndtr(torch.zeros(1)).item()
0.5
"""

from .ops.special import SPECIAL

globals().update(SPECIAL)
__all__ = list(SPECIAL)
