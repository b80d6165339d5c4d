"""Page-locked copies of batches, for quick copies to an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .... import _api as torch
from .collate import _like_mapping, _like_sequence


def pin_memory(data: Any, device: Any = None) -> Any:
    """data with every tensor inside in page-locked memory; objects with a `pin_memory` method decide themselves."""
    if isinstance(data, torch.Tensor):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _like_mapping(data, {k: pin_memory(v, device) for k, v in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(v, device) for v in data))
    if isinstance(data, tuple):
        return [pin_memory(v, device) for v in data]
    if isinstance(data, Sequence):
        return _like_sequence(data, [pin_memory(v, device) for v in data])
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    return data
