"""`torch.classes`: classes of shared libraries made for PyTorch. None can register here."""

from __future__ import annotations

from .ops.namespaces import load_library

__all__ = ["load_library", "loaded_libraries"]

loaded_libraries: set[str] = set()
