"""Stubs that mark where a network would be quantized, and fusing modules. Nothing is quantized here."""

from .fusing import fuse_modules, fuse_modules_qat
from .stubs import DeQuantStub, QuantStub, QuantWrapper

__all__ = ["DeQuantStub", "QuantStub", "QuantWrapper", "fuse_modules", "fuse_modules_qat"]
