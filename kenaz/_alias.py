"""`import torch` and `import torchvision` mean Kenaz, for the rest of this process.

The two names and what is under them resolve to the very modules of Kenaz: `torch.nn.functional is kenaz.nn.functional`.
Importing goes through a finder at the head of `sys.meta_path`. It also answers `importlib.metadata.version("torch")`:
libraries ask both before they believe that PyTorch is there.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import FunctionType, ModuleType
from typing import Any

from . import version

# public package: the package of ours behind it, and the version that it stands for
PACKAGES = {"torch": ("kenaz", version.__version__), "torchvision": ("kenaz.vision", version.torchvision)}


def our_name(name: str) -> str | None:
    """The module of ours behind a public name.

    >>> our_name("torch.nn.functional"), our_name("torchvision"), our_name("torchmetrics")
    ('kenaz.nn.functional', 'kenaz.vision', None)
    """
    package, dot, rest = name.partition(".")
    return PACKAGES[package][0] + dot + rest if package in PACKAGES else None


def public_name(ours: str) -> str:
    """The public name of a module of ours.

    >>> public_name("kenaz.utils.data"), public_name("kenaz.vision.io")
    ('torch.utils.data', 'torchvision.io')
    """
    package = "torchvision" if (ours + ".").startswith("kenaz.vision.") else "torch"
    return package + ours.removeprefix(PACKAGES[package][0])


class Loader:
    """Gives the import system a module that is loaded under its own name already."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.name)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own_spec  # the import system has put the alias's there
        rename_classes()


RENAMED: set[str] = set()  # modules whose classes and functions have their public address


def rename_classes() -> None:
    """Lets classes and functions say the public name of their module: `type(loader)` is torch.utils.data...DataLoader.

    Only under the alias: pickle looks an object up where it says that it is.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "kenaz" and name not in RENAMED]:
        if not getattr(sys.modules[name].__spec__, "_initializing", False):  # else its turn comes when it is complete
            rename_module(name)


def rename_module(name: str) -> None:
    """Gives one module, its classes and functions their public address: libraries compare `torch.__name__`."""
    RENAMED.add(name)
    sys.modules[name].__name__ = public_name(name)
    for value in vars(sys.modules[name]).values():
        if isinstance(value, type | FunctionType) and getattr(value, "__module__", None) == name:
            value.__module__ = public_name(name)


class Renaming(SourceFileLoader):
    """Loads a module of ours that is named late, and renames what it holds."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        rename_module(module.__name__)


def renaming(spec: ModuleSpec | None) -> ModuleSpec | None:
    if spec is not None and type(spec.loader) is SourceFileLoader:
        spec.loader = Renaming(spec.loader.name, spec.loader.path)
    return spec


class Finder:
    """Finds `torch...` and `torchvision...` for the import system and for importlib.metadata."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.startswith("kenaz."):
            return renaming(PathFinder.find_spec(name, path))
        ours = our_name(name)
        found = importlib.util.find_spec(ours) if ours else None
        if found is None:
            return None
        loader: Any = Loader(found.name)
        spec = ModuleSpec(name, loader, origin=found.origin)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def find_distributions(self, context: Any) -> Iterator[Any]:
        for name in PACKAGES if context.name is None else {context.name} & set(PACKAGES):
            yield distribution(name)


def distribution(name: str) -> Any:
    """What importlib.metadata knows about an installed package, for one that is not."""
    from importlib.metadata import Distribution  # it has been imported: it is the only one that asks

    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {PACKAGES[name][1]}\n",
        "top_level.txt": f"{name}\n",
    }

    class Alias(Distribution):
        def read_text(self, filename: Any) -> str | None:
            return files.get(str(filename))

        def locate_file(self, path: Any) -> Any:
            return path

    return Alias()


def alias() -> None:
    """Makes `import torch` and `import torchvision` mean Kenaz, from here on in this process; again does nothing.

    To be called before anything imports the real ones.
    """
    for name, (ours, _) in PACKAGES.items():
        present = sys.modules.get(name)
        if present is not None and present is not sys.modules.get(ours):
            where = getattr(present, "__file__", None) or "somewhere"
            raise ImportError(
                f"kenaz.alias(): the real {name} is imported already (from {where}). "
                f"Call kenaz.alias() before the first import of {name}, or start the program with 'kenaz run'."
            )
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
        # multiprocessing hands sys.path to the processes that it spawns, and nothing else that would tell them
        sys.path.insert(1, os.path.join(os.path.dirname(__file__), "_stand_in"))
    importlib.import_module("torch")
    importlib.import_module("multiprocessing.connection")  # PyTorch loads it, and programs name it without an import
