"""PyTorch's file names for our layers: `torch.nn.modules.conv.Conv2d`, as files and some libraries say.

Nothing is defined here. Every name below is a module that looks its attributes up in ours; and the layers are told that
they come from there, which is what printing and pickling say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]

# our file: PyTorch's file, or several with the classes that are not in the first
_FILES: dict[str, str | dict[str, str]] = {
    "activation": "activation",
    "adaptive": "adaptive",
    "container": "container",
    "convolution": "conv",
    "distance": "distance",
    "dropout": "dropout",
    "flatten": "flatten",
    "fold": "fold",
    "lazy": "lazy",
    "linear": "linear",
    "loss": "loss",
    "module": "module",
    "normalization": {
        "batchnorm": "_NormBase _LazyNormBase _BatchNorm BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm "
        "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
        "instancenorm": "_InstanceNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d "
        "LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
        "normalization": "LayerNorm RMSNorm GroupNorm LocalResponseNorm CrossMapLRN2d",
    },
    "padding": "padding",
    "pooling": "pooling",
    "recurrent": "rnn",
    "shuffle": {"channelshuffle": "ChannelShuffle", "pixelshuffle": "PixelShuffle PixelUnshuffle"},
    "sparse": "sparse",
    "transformer": {
        "activation": "MultiheadAttention",
        "transformer": "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer "
        "TransformerDecoderLayer _generate_square_subsequent_mask _get_activation_fn _get_clones",
    },
    "upsampling": "upsampling",
    "_shapes": "utils",
}


class _Alias(ModuleType):
    """A module that has what others have."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self._homes: list[ModuleType] = []

    def __getattr__(self, name: str) -> Any:
        for home in self._homes if not name.startswith("__") else ():
            value = vars(home).get(name, self)
            if value is not self:
                return value
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def _alias(file: str) -> Any:
    name = f"{__name__}.{file}"
    if name not in sys.modules:
        sys.modules[name] = globals()[file] = _Alias(name)
    return sys.modules[name]


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    """The type behind an annotation; one that only the type checker understands stays text."""
    try:
        return eval(annotation, names) if isinstance(annotation, str) else annotation
    except NameError:
        return annotation


def _settle(classes: Iterable[type], names: dict[str, Any]) -> None:
    """Annotations become types, as in PyTorch: `typing` would look names up where a class says it comes from."""
    for cls in classes:
        if own := cls.__dict__.get("__annotations__"):
            cls.__annotations__ = {name: _evaluated(annotation, names) for name, annotation in own.items()}


def _enter() -> None:
    public = vars(sys.modules[_PACKAGE])
    _settle(public["Module"].__mro__, vars(sys.modules[f"{_PACKAGE}.module"]))
    for ours, files in _FILES.items():
        home = sys.modules[f"{_PACKAGE}.{ours}"]
        addresses = (home.__name__, f"torch.nn.modules.{files}")  # some have their public one already
        own = {name: value for name, value in vars(home).items() if getattr(value, "__module__", "") in addresses}
        classes = {name: value for name, value in own.items() if isinstance(value, type)}
        _settle(classes.values(), vars(home))
        split = {files: " ".join(classes)} if isinstance(files, str) else files
        for file, names in split.items():
            _alias(file)._homes.append(home)
            for name in names.split():
                if name in classes and public.get(name) is classes[name]:
                    classes[name].__module__ = f"torch.nn.modules.{file}"
        home.__test__ = classes  # type: ignore[attr-defined]  # doctest looks for classes by their __module__


_enter()


def __getattr__(name: str) -> Any:
    """The layers themselves, as `torch.nn.modules.Linear`."""
    value = vars(sys.modules[_PACKAGE]).get(name)
    if value is None or name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return value
