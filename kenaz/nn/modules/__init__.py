"""PyTorch's file names for our layers: `torch.nn.modules.conv.Conv2d`, as old files and some libraries say.

Nothing is defined here. Every name below is a module that looks its attributes up in ours.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# PyTorch's file: ours that hold what it has
_HOMES = {
    "activation": ("activation", "transformer"),
    "adaptive": ("adaptive",),
    "batchnorm": ("normalization",),
    "channelshuffle": ("shuffle",),
    "container": ("container",),
    "conv": ("convolution",),
    "distance": ("distance",),
    "dropout": ("dropout",),
    "flatten": ("flatten",),
    "fold": ("fold",),
    "instancenorm": ("normalization",),
    "lazy": ("lazy",),
    "linear": ("linear",),
    "loss": ("loss",),
    "module": ("module", "calling", "conversion", "state"),
    "normalization": ("normalization",),
    "padding": ("padding",),
    "pixelshuffle": ("shuffle",),
    "pooling": ("pooling",),
    "rnn": ("recurrent",),
    "sparse": ("sparse",),
    "transformer": ("transformer",),
    "upsampling": ("upsampling",),
    "utils": ("_shapes",),
}
_PACKAGE = __name__.rpartition(".")[0]


class _Alias(ModuleType):
    """A module that has what others have."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for home in _HOMES[self.__name__.rpartition(".")[2]]:
                value = getattr(import_module(f"{_PACKAGE}.{home}"), name, self)
                if value is not self:
                    return value
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def _enter() -> None:
    for name in _HOMES:
        alias = _Alias(f"{__name__}.{name}")
        alias.__spec__ = ModuleSpec(alias.__name__, None)
        sys.modules[alias.__name__] = globals()[name] = alias


_enter()


def __getattr__(name: str) -> Any:
    """The layers themselves, as `torch.nn.modules.Linear`."""
    value = getattr(sys.modules[_PACKAGE], name, None)
    if value is None or name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return value
