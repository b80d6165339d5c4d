"""Modules that spread a batch over devices. On one device they pass it on."""

from .data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
