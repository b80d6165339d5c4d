"""Operators, one definition each. `record.py` applies them, `declare.py` has the families, and every other file is a
subject: open the one that names what you look for."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`torch.ops.aten`, `torch.ops.mylib`: operators by namespace (`namespaces.py`)."""
    import sys

    namespaces = sys.modules.get(f"{__name__}.namespaces")
    if namespaces is None and name in ("aten", "prims", "profiler", "torchvision", "load_library"):
        import importlib

        namespaces = importlib.import_module(f"{__name__}.namespaces")
    if namespaces is not None and name in namespaces.NAMESPACES:
        return namespaces.NAMESPACES[name]
    if namespaces is not None and name == "load_library":
        return namespaces.load_library
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
