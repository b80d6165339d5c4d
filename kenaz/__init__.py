"""Kenaz: PyTorch's API and semantics; recorded, interpreted while cold, compiled once hot. Use: `import kenaz as torch`."""

from __future__ import annotations

from . import _api
from ._api import *  # noqa: F403  the names come from the operators' registry

globals().update({name: value for name, value in vars(_api).items() if not name.startswith("_")})
