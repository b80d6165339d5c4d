"""Kenaz: PyTorch's API and semantics; recorded, interpreted while cold, compiled once hot. Use: `import kenaz as torch`."""

from __future__ import annotations

from typing import Any

from . import _api
from ._api import *  # noqa: F403  the names come from the operators' registry
from .version import __version__

globals().update({name: value for name, value in vars(_api).items() if not name.startswith("__")})

from . import backends, cuda, nn, optim, random, serialization, storage, utils  # noqa: E402  clients, which see the names above
from ._alias import alias  # noqa: E402
from .serialization import load, save  # noqa: E402
from .storage import *  # noqa: E402,F403


_LAZY = ("distributed", "multiprocessing", "return_types", "vision")  # loaded when first named


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
