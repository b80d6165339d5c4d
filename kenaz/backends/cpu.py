"""The CPU: what it can do, and how convolutions are computed.

`winograd` (on unless KENAZ_WINOGRAD=0) lets 3x3 convolutions of 32 channels and more use Winograd's transforms: 2.25
times fewer multiplications, and errors up to twice those of the plain sum at 512 channels. Graphs that are compiled
already stay as they are.
"""

from __future__ import annotations

import sys
from types import ModuleType

from ..core import config


def get_cpu_capability() -> str:
    """The vector instructions that compiled code uses: "AVX512", "AVX2" or "DEFAULT"."""
    from ..codegen import jit

    return {64: "AVX512", 32: "AVX2"}.get(jit.vector_bytes(), "DEFAULT")


class _Switches(ModuleType):
    """The module, whose switches are those of `core.config`."""

    @property
    def winograd(self) -> bool:
        return config.WINOGRAD

    @winograd.setter
    def winograd(self, on: bool) -> None:
        config.WINOGRAD = bool(on)


sys.modules[__name__].__class__ = _Switches
