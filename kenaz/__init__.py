"""Kenaz: PyTorch's API and semantics; recorded, interpreted while cold, compiled once hot. Use: `import kenaz as torch`."""

from __future__ import annotations

from . import _api
from ._api import *  # noqa: F403  the names come from the operators' registry
from .version import __version__

globals().update({name: value for name, value in vars(_api).items() if not name.startswith("__")})

from . import nn, optim, serialization, utils  # noqa: E402  clients, which see the names above
from .serialization import load, save  # noqa: E402
