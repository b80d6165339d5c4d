"""The few names that libraries reach for in PyTorch's native module."""

from __future__ import annotations

from os import PathLike
from types import SimpleNamespace
from typing import Any

from . import _api as torch
from ._api import Generator, device, dtype
from .nn import conversion

__all__ = ["Generator", "device", "dtype"]

_TensorMeta = type(torch.Tensor)
TensorBase = _TensorBase = torch.Tensor


def _log_api_usage_once(event: str) -> None:
    """Count a use of a library: nobody listens."""


def _get_privateuse1_backend_name() -> str:
    return "privateuseone"


def _parse_to(*args: Any, **kwargs: Any) -> tuple:
    """What `module.to` was asked for: device, dtype, non_blocking, memory_format.

    >>> _parse_to("cpu", torch.float16)
    (device(type='cpu'), torch.float16, False, None)
    """
    return conversion._parse_to(args, kwargs)


_nn = SimpleNamespace(_parse_to=_parse_to)


class PyTorchFileReader:
    """A file that `torch.save` wrote, record by record."""

    def __init__(self, name_or_buffer: Any) -> None:
        from .serialization.archive import ArchiveReader

        path = isinstance(name_or_buffer, str | PathLike)
        self._archive = ArchiveReader(open(name_or_buffer, "rb") if path else name_or_buffer)  # the archive closes it

    def has_record(self, name: str) -> bool:
        return name in self._archive

    def get_record(self, name: str) -> bytes:
        return self._archive.read(name).tobytes()
