"""How this library was built, as far as that means something for Kenaz: the libraries it computes with."""

from __future__ import annotations

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The versions of what computes.

    >>> show().splitlines()[0]
    'Kenaz built with:'
    """
    import platform
    from importlib.metadata import version

    rows = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in ("numpy", "llvmlite"))]
    return "Kenaz built with:\n" + "".join(f"  - {row}\n" for row in rows)


def parallel_info() -> str:
    """How many threads compute."""
    from ._api import get_num_interop_threads, get_num_threads

    return (
        f"ATen/Parallel:\n\tat::get_num_threads() : {get_num_threads()}\n"
        f"\tat::get_num_interop_threads() : {get_num_interop_threads()}\n"
    )
