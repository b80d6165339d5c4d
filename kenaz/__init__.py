"""Kenaz: PyTorch's API and semantics; recorded, interpreted while cold, compiled once hot. Use: `import kenaz as torch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _api
from ._api import *  # noqa: F403  the names come from the operators' registry
from .version import __version__

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the operators, which no type checker sees


globals().update({name: value for name, value in vars(_api).items() if not name.startswith("__")})

from . import backends, cuda, nn, optim, random, serialization, storage, utils  # noqa: E402  clients, which see the names above
from ._alias import alias  # noqa: E402
from .serialization import load, save  # noqa: E402


_LAZY = ("distributed", "multiprocessing", "vision")  # loaded when first named


def __getattr__(name: str) -> object:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
