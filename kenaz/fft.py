"""`torch.fft`: the functions of ops/fft.py.

>>> import kenaz as torch
>>> torch.fft.rfft(torch.ones(4)).shape
torch.Size([3])
"""

from .ops.fft import FFT

globals().update(FFT)
__all__ = list(FFT)
