"""`save` and `load`: which format a file has or gets, and who may see what."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import legacy, settings, tarred, zipped
from .allowed import Policy, UnpicklingError
from .archive import ArchiveReader
from .atomic import replacing
from .locations import Restore, restorer
from .pickling import unpickler
from .restricted import CHANGED, RestrictedUnpickler, explained

DEFAULT_PROTOCOL = 2
_CANNOT = "Cannot use ``weights_only=True`` with {}. " + CHANGED


# ------------------------------------------------------------------------------------------------------------- saving
def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file that PyTorch can read too; a path gets the complete file or keeps the one it has.

    >>> import io
    >>> stream = io.BytesIO()
    >>> save({"weight": torch.ones(2)}, stream)
    >>> load(io.BytesIO(stream.getvalue()))
    {'weight': tensor([1., 1.])}
    """
    is_path = isinstance(f, str | os.PathLike)
    if not is_path and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    if is_path and _use_new_zipfile_serialization:
        parent = os.path.dirname(os.path.realpath(f))
        if not os.path.isdir(parent):
            raise RuntimeError(f"Parent directory {os.path.dirname(os.fsdecode(f))} does not exist.")
        if os.path.isdir(f):
            raise RuntimeError("open file failed with strerror: Is a directory")
    with replacing(f) if is_path else _as_it_is(f) as stream:
        if _use_new_zipfile_serialization:
            folder = zipped.folder_of(f) if is_path else "archive"
            zipped.write(obj, stream, folder, pickle_module, pickle_protocol, not _disable_byteorder_record)
        else:
            legacy.write(obj, stream, pickle_module, pickle_protocol)


@contextmanager
def _as_it_is(stream: Any) -> Iterator[Any]:
    yield stream


# ------------------------------------------------------------------------------------------------------------ loading
def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """The object in a file written by `save`, here or in PyTorch.

    With `weights_only`, the default, the file can only hold tensors and plain data, and nothing in it can run code.
    """
    weights_only = _wants_weights_only(weights_only, pickle_module)
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only and pickle_load_args:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    is_path = isinstance(f, str | os.PathLike)
    if mmap and not is_path:
        raise ValueError("f must be a file path in order to use the mmap argument")
    load_one = _loader_of_one(weights_only, pickle_module or pickle, {"encoding": "utf-8", **pickle_load_args})
    with open(f, "rb") if is_path else _as_it_is(_checked_stream(f)) as stream:
        return _read(stream, load_one, map_location, weights_only, f if mmap else None)


def _read(stream: Any, load_one: Callable, map_location: Any, weights_only: bool, mapped_path: Any) -> Any:
    """The object of an open file, whatever its format."""
    start = stream.tell()
    magic = stream.read(4)
    if isinstance(magic, str):
        raise TypeError(f"expected a file opened in binary mode, but reading it gave {type(magic).__name__}")
    stream.seek(start)
    restore = restorer(map_location)
    if magic == zipped.MAGIC:
        return _read_archive(stream, load_one, restore, map_location, weights_only, mapped_path)
    if mapped_path is not None:
        raise RuntimeError(
            f"mmap can only be used with files saved with `torch.save({mapped_path}, "
            "_use_new_zipfile_serialization=True), please torch.save your checkpoint with this option in order to use "
            "mmap."
        )
    if tarred.is_tar(stream):
        if weights_only:
            raise RuntimeError(_CANNOT.format("files saved in the legacy .tar format"))
        return tarred.read(stream, load_one, restore)
    return legacy.read(stream, load_one, restore)


def _read_archive(
    stream: Any, load_one: Callable, restore: Restore, map_location: Any, weights_only: bool, mapped_path: Any
) -> Any:
    archive = ArchiveReader(stream)
    if zipped.is_torchscript(archive):
        if weights_only:
            raise RuntimeError(_CANNOT.format("TorchScript archives passed to ``torch.load``"))
        raise RuntimeError("the file is a TorchScript archive, a compiled program that only PyTorch's torch.jit runs")
    mapped = None
    if mapped_path is not None:
        shared = settings.get_default_mmap_options() == settings.MAP_SHARED
        mapped = np.asarray(np.memmap(mapped_path, np.uint8, "r+" if shared else "c"))
    records = zipped.StorageRecords(archive, restore, map_location, mapped)
    return load_one(archive.pickle(), records.load)


def _loader_of_one(weights_only: bool, pickle_module: Any, options: dict[str, Any]) -> Callable[..., Any]:
    """A function that unpickles the next object of a stream."""
    if not weights_only:
        return lambda stream, persistent_load: unpickler(stream, pickle_module, persistent_load, **options).load()
    policy = Policy()

    def load_one(stream: Any, persistent_load: Any) -> Any:
        try:
            return RestrictedUnpickler(stream, policy, persistent_load, **options).load()
        except UnpicklingError as error:
            raise explained(error) from error.__cause__

    return load_one


def _wants_weights_only(weights_only: bool | None, pickle_module: Any) -> bool:
    """The argument, or what the environment says in its place; a pickle module of one's own cannot be restricted."""
    force, force_not = (_flag(f"TORCH_FORCE_{name}WEIGHTS_ONLY_LOAD") for name in ("", "NO_"))
    if force and force_not:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both "
            "were set."
        )
    if force:
        return True
    if weights_only is None and force_not:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the`weights_only` argument was not "
            "explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return pickle_module is None if weights_only is None else weights_only


def _flag(name: str) -> bool:
    return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")


def _checked_stream(f: Any) -> Any:
    for method in ("seek", "tell", "read", "readline"):
        if not hasattr(f, method):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{method}'. You can only torch.load from a file that is "
                "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
            )
    return f


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names in a file that `weights_only=True` would refuse, to decide about before loading it."""
    with open(f, "rb") if isinstance(f, str | os.PathLike) else _as_it_is(_checked_stream(f)) as stream:
        return Policy().unknown(ArchiveReader(stream).pickle())
