"""Storages as PyTorch shows them: the flat memory under one or more tensors, as bytes or as elements of one dtype.

What comes in is a `graph.storage.Storage`; what goes out are windows on it. `memory` does the work, `classes` has the
windows, and `tensors` the Tensor methods that lead here.
"""

from __future__ import annotations

from . import tensors
from .classes import (
    LEGACY_STORAGES,
    STORAGE_NAMES,
    BFloat16Storage,
    BoolStorage,
    ByteStorage,
    CharStorage,
    ComplexDoubleStorage,
    ComplexFloatStorage,
    DoubleStorage,
    FloatStorage,
    HalfStorage,
    IntStorage,
    LongStorage,
    ShortStorage,
    TypedStorage,
    UntypedStorage,
    _LegacyStorage,
    is_storage,
    typed,
    untyped,
)

__all__ = [  # what the root has too
    "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage", "ComplexFloatStorage",
    "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage", "LongStorage", "ShortStorage", "TypedStorage",
    "UntypedStorage", "is_storage",
]  # fmt: skip
