"""The methods that make and ask matrices in compressed layouts; what they do is in `kenaz/sparse/compressed.py`, loaded
when a program calls one."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .._tensor import Tensor
from .inquiry import CONSTANTS
from .layouts import _HOME
from .record import method


def _compressing(name: str) -> Callable:
    def function(self: Tensor, dense_dim: int | None = None) -> Tensor:
        if self.ndim != 2:
            raise RuntimeError(f"{name} expects a matrix here, got {self.ndim} dimensions")
        return import_module(f"{_HOME}.compressed").compressed(self, CONSTANTS[name.removeprefix("to_")])

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "A matrix in a compressed layout."
    return function


def _refused(name: str, line: str) -> Callable:
    def function(self: Tensor) -> Any:
        kind = "Sparse" if self.is_sparse else "Strided"
        raise RuntimeError(f"{name} expected sparse {line} compressed tensor layout but got {kind}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises RuntimeError: only matrices in a compressed layout have it."
    return function


for _name in ("to_sparse_csr", "to_sparse_csc"):
    method(_name, _compressing(_name))
_LINES = {"crow_indices": "row", "col_indices": "row", "ccol_indices": "column", "row_indices": "column"}
for _name, _line in _LINES.items():
    method(_name, _refused(_name, _line))
