"""Names for annotations of arguments."""

import os
from builtins import bool as _bool
from builtins import bytes as _bytes
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from builtins import str as _str
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from ._api import Generator, Size, Tensor, device, dtype, layout, memory_format
from .storage import TypedStorage as Storage

__all__ = ["Device", "FileLike", "IntLikeType", "Number", "Storage"]

Number: TypeAlias = _int | _float | _bool
PySymType: TypeAlias = _int | _float | _bool
IntLikeType: TypeAlias = _int
FloatLikeType: TypeAlias = _float
BoolLikeType: TypeAlias = _bool
Device: TypeAlias = device | _str | _int | None
FileLike: TypeAlias = _str | os.PathLike[_str] | IO[_bytes]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
_TensorOrTensorsOrGradEdge: TypeAlias = Any
_dtype, _device, _layout, _size, _qscheme = dtype, device, layout, Size | list[_int] | tuple[_int, ...], Any
_Number: TypeAlias = _int | _float | _bool | _complex
_memory_format, _Generator = memory_format, Generator
