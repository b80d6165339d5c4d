"""What computes: switches of the libraries behind operators, under PyTorch's names."""

from __future__ import annotations

from . import cpu, cuda, cudnn, mkl, mps

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mps"]
