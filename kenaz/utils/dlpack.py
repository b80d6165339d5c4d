"""DLPack capsules: memory shared with other libraries."""

from ..ops.interop import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
