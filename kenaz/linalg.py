"""`torch.linalg`: the functions of ops/decompositions.py, ops/norms.py and ops/linalg.py, under one roof.

>>> import kenaz as torch
>>> torch.linalg.norm(torch.tensor([3.0, 4.0])).item()
5.0
"""

from .ops import decompositions, linalg, norms  # noqa: F401  they fill the table
from .ops.checks import LINALG

globals().update(LINALG)
__all__ = list(LINALG)
