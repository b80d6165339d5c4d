"""Where loaded storages go: what `map_location` means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.device import META, device
from ..graph.storage import Storage
from ..storage import UntypedStorage, is_storage, untyped
from ..storage.memory import move

_NO_CUDA = (
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a "
    "CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
)
Restore = Callable[[Storage, str], Storage]
MapLocation = Callable[[UntypedStorage, str], UntypedStorage] | device | str | dict[str, str] | None


def restorer(map_location: Any) -> Restore:
    """`restore(storage, location)`: the storage on the device where it belongs."""
    if map_location is None:
        return _restore
    if isinstance(map_location, dict):
        return lambda storage, location: _restore(storage, map_location.get(location, location))
    if isinstance(map_location, str | device):
        return lambda storage, location: _restore(storage, str(map_location))
    return lambda storage, location: _chosen(map_location(untyped(storage), location), storage, location)


def wants_meta(map_location: Any) -> bool:
    """Whether every storage goes to the meta device, so that no data needs to be read."""
    return isinstance(map_location, str | device) and str(map_location) == "meta"


def _chosen(result: Any, storage: Storage, location: str) -> Storage:
    if result is None:
        return _restore(storage, location)
    if not is_storage(result):
        raise TypeError(f"map_location must return a storage or None, but returned {type(result)}")
    return result._storage


def _restore(storage: Storage, location: Any) -> Storage:
    kind = location.partition(":")[0] if isinstance(location, str) else str(getattr(location, "type", ""))
    if kind == "cpu":
        return storage
    if kind == "meta":
        return move(storage, META)
    if kind == "cuda":
        return _to_cuda(storage, str(location))
    raise RuntimeError(
        f"don't know how to restore data location of torch.storage.{UntypedStorage.__name__} (tagged with {location})"
    )


def _to_cuda(storage: Storage, location: str) -> Storage:
    from .. import _api

    cuda = getattr(_api, "cuda", None)
    if cuda is None or not cuda.is_available():
        raise RuntimeError(_NO_CUDA)
    return move(storage, device(location))


def default_restore_location(storage: UntypedStorage, location: str) -> UntypedStorage:
    """The storage on the device that a location names."""
    return untyped(_restore(storage._storage, location))


def location_tag(storage: UntypedStorage) -> str:
    """How files name the device of a storage."""
    return str(storage.device)
