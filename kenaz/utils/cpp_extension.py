"""Building extensions in C++ against PyTorch's headers: Kenaz has none to build against. What is here says so, and
where compilers for GPUs are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

__all__ = [
    "CUDA_HOME", "HIP_HOME", "ROCM_HOME", "BuildExtension", "CUDAExtension", "CppExtension", "load", "load_inline",
]  # fmt: skip

CUDA_HOME = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
ROCM_HOME = os.environ.get("ROCM_HOME")
HIP_HOME = ROCM_HOME


def _unavailable(name: str) -> Callable:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"torch.utils.cpp_extension.{name} is not available: Kenaz has no C++ headers. Define operators in Python "
            "with torch.library.custom_op."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises RuntimeError: there are no C++ headers."
    return function


load, load_inline, CppExtension, CUDAExtension = map(
    _unavailable, ("load", "load_inline", "CppExtension", "CUDAExtension")
)  # fmt: skip


class BuildExtension:
    """The command of setuptools that would build extensions: making one raises RuntimeError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _unavailable("BuildExtension")()

    @classmethod
    def with_options(cls, **options: Any) -> type[BuildExtension]:
        """The command with options."""
        return cls
