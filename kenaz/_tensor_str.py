"""Printing of tensors under the names that libraries take from PyTorch: see `printing.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from . import printing
from .printing import get_printoptions, printoptions, set_printoptions
from .printing import tensor_str as _str_intern

__all__ = ["PRINT_OPTS", "get_printoptions", "printoptions", "set_printoptions"]


class _Options(SimpleNamespace):
    """The options of printing, as attributes that are always the current ones."""

    def __getattribute__(self, name: str) -> Any:
        return printing.get_printoptions().get(name) if name[0] != "_" else super().__getattribute__(name)


PRINT_OPTS = _Options()


def _tensor_str(self: Any, indent: int) -> str:
    """The elements of a tensor as text.

    >>> from kenaz import _api as torch
    >>> _tensor_str(torch.ones(2), 0)
    '[1., 1.]'
    """
    return printing.array_str(printing.values(self), indent)


def _str(self: Any, *, tensor_contents: str | None = None) -> str:
    """A tensor as text."""
    return _str_intern(self, tensor_contents=tensor_contents)


def _add_suffixes(tensor_str: str, suffixes: list[str], indent: int, force_newline: bool) -> str:
    """Elements with facts after them, on a line of its own what does not fit.

    >>> _add_suffixes("tensor([1.]", ["dtype=torch.float64"], 7, False)
    'tensor([1.], dtype=torch.float64)'
    """
    parts = [tensor_str]
    length = len(tensor_str) - tensor_str.rfind("\n") + 1
    for suffix in suffixes:
        if force_newline or length + len(suffix) + 2 > printing.get_printoptions()["linewidth"]:
            parts.append(",\n" + " " * indent + suffix)
            length, force_newline = indent + len(suffix), False
        else:
            parts.append(", " + suffix)
            length += len(suffix) + 2
    return "".join(parts) + ")"
