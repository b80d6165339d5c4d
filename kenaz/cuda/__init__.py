"""CUDA devices as PyTorch asks about them. This build has none, and says so the way a CPU build of PyTorch does."""

from __future__ import annotations

from typing import Any

from .graphs import CUDAGraph, graph, graph_pool_handle, is_current_stream_capturing
from .streams import Event, ExternalStream, Stream


def is_available() -> bool:
    """Whether a CUDA device can be used: never in this build.

    >>> is_available()
    False
    """
    return False


def device_count() -> int:
    """How many CUDA devices there are."""
    return 0


def is_initialized() -> bool:
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return False


def manual_seed(seed: int) -> None:
    """Seed the current device's stream; without a device this does nothing, as in PyTorch."""


def manual_seed_all(seed: int) -> None:
    """Seed every device's stream; without devices this does nothing, as in PyTorch."""


def empty_cache() -> None:
    """Give cached memory back; without a device there is none."""


def memory_allocated(device: Any = None) -> int:
    return 0


def max_memory_allocated(device: Any = None) -> int:
    return 0


def memory_reserved(device: Any = None) -> int:
    return 0


def max_memory_reserved(device: Any = None) -> int:
    return 0


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("Torch not compiled with CUDA enabled")


current_device = get_device_name = get_device_properties = get_device_capability = set_device = synchronize = _refuse
current_stream = default_stream = set_stream = init = mem_get_info = reset_peak_memory_stats = _refuse
cudart = get_rng_state = set_rng_state = initial_seed = ipc_collect = _refuse

default_generators: tuple = ()  # of every device


class OutOfMemoryError(RuntimeError):
    """A device had no memory left: for `except` clauses, nothing here raises it."""


OutOfMemoryError.__module__ = "torch"


class _Nowhere:
    """A context that does nothing: no device is current."""

    def __init__(self, device: Any = None) -> None:
        self.device = device

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


device = device_of = stream = StreamContext = _Nowhere


def seed() -> None:
    """Seed the current device's stream from chance; without a device this does nothing."""


seed_all = seed


def get_rng_state_all() -> list:
    """The states of all devices' streams."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Restore the states of all devices' streams."""


def get_arch_list() -> list[str]:
    """The architectures that were compiled for."""
    return []


def reset_max_memory_allocated(device: Any = None) -> None:
    """Forget the largest figure so far."""


def memory_stats(device: Any = None) -> dict[str, int]:
    """Figures about memory; without a device there are none."""
    return {}


def __getattr__(name: str) -> Any:
    if name in ("amp", "memory", "random"):
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    if name.endswith("Tensor"):
        from .tensor_types import CUDA_TYPES

        if name in CUDA_TYPES:
            return CUDA_TYPES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
