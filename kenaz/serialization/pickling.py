"""Picklers that write PyTorch's names and unpicklers that read them, and the storages set aside on the way.

Inside the pickle a storage is only a persistent id, ("storage", class, key, location, number of elements); its bytes
follow elsewhere in the file. `Saved` collects them on saving: views of one storage find the same key.
"""

from __future__ import annotations

import copyreg
import pickle
import types
from typing import Any

from ..core.dtype import dtype, uint8
from ..graph.storage import Storage
from ..nn.members import Members
from ..nn.module import Module
from ..ops.inquiry import layout, memory_format
from ..ops.reduction import return_type
from ..storage import LEGACY_STORAGES, STORAGE_NAMES, TypedStorage, UntypedStorage, is_storage
from . import names


class Saved:
    """The storages that an object needs, in the order in which pickling has met them."""

    def __init__(self, *suffix: None) -> None:
        self._suffix = suffix  # the old format has a place for a view's metadata, which nobody has
        self.storages: dict[str, Storage] = {}
        self.dtypes: dict[str, dtype] = {}
        self._keys: dict[int, str] = {}

    def persistent_id(self, obj: Any) -> tuple | None:
        """What a pickle says instead of a storage; None for every other object."""
        return self.reference(obj) if is_storage(obj) else None

    def reference(self, obj: TypedStorage | UntypedStorage) -> tuple:
        """The persistent id of a storage."""
        name = STORAGE_NAMES.get(obj.dtype) if isinstance(obj, TypedStorage) else None
        kind, cls = (obj.dtype, LEGACY_STORAGES[name]) if name else (uint8, UntypedStorage)
        storage = obj._storage
        key = self._keys.setdefault(id(storage), str(len(self._keys)))
        if self.dtypes.setdefault(key, kind) is not kind:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        self.storages[key] = storage  # held, so that no other storage gets its id
        return "storage", cls, key, str(obj.device), storage.nbytes // kind.itemsize, *self._suffix


_PicklerInPython: Any = pickle._Pickler


class TorchPickler(_PicklerInPython):
    """Python's pickler in Python: the one in C writes a global's own name only."""

    dispatch: dict = _PicklerInPython.dispatch.copy()

    def __init__(self, stream: Any, protocol: int, saved: Saved):
        super().__init__(stream, protocol)
        self._saved = saved
        self.dispatch_table = {cls: reduce for cls, reduce in copyreg.dispatch_table.items() if not _is_ours(cls)}
        if protocol > 2:
            self.reducer_override = _as_protocol_2

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a class or function by the name that PyTorch knows it by."""
        home = names.torch_name(obj, name)
        if home is None:
            super().save_global(obj, name)
            return
        if names.resolve(*home) is not obj:
            raise pickle.PicklingError(f"Can't pickle {obj!r}: it's not the same object as {'.'.join(home)}")
        if self.proto >= 4:
            self.save(home[0])
            self.save(home[1])
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{home[0]}\n{home[1]}\n".encode())
        self.memoize(obj)

    def save_reduce(self, func: Any, args: Any, *more: Any, **kw: Any) -> None:
        """Write how an object is rebuilt; named results are rebuilt by their type, as PyTorch has it."""
        if func is return_type:
            func, args = type(kw["obj"]), (args[-1], {})
        super().save_reduce(func, args, *more, **kw)

    def _save_storage(self, obj: Any) -> None:
        self.save_pers(self._saved.reference(obj))

    def _save_layout(self, obj: layout) -> None:
        self.save_reduce(names.get_layout, (repr(obj),), obj=obj)

    dispatch[layout] = _save_layout
    dispatch[types.FunctionType] = save_global
    dispatch[dtype] = dispatch[memory_format] = save_global
    dispatch[Members] = dispatch[dict]  # a module's dictionaries are plain ones in PyTorch
    dispatch[TypedStorage] = dispatch[UntypedStorage] = _save_storage


def _is_ours(cls: type) -> bool:
    return names.is_pytorchs(cls.__module__)


def _as_protocol_2(obj: Any) -> Any:
    """Modules in newer protocols: for those, plain pickles of our layers name what only Kenaz has."""
    return obj.__reduce_ex__(2) if isinstance(obj, Module) else NotImplemented


def dump(obj: Any, stream: Any, pickle_module: Any, protocol: int, saved: Saved) -> None:
    """Pickle an object; a pickle module of the user's own writes its own names."""
    if pickle_module is pickle:
        TorchPickler(stream, protocol, saved).dump(obj)
        return

    class Pickler(pickle_module.Pickler):
        def persistent_id(self, obj: Any) -> tuple | None:
            return saved.persistent_id(obj)

    Pickler(stream, protocol=protocol).dump(obj)


def unpickler(stream: Any, pickle_module: Any, persistent_load: Any, **options: Any) -> Any:
    """An unpickler of everything that Python can unpickle, which finds our classes behind PyTorch's names."""

    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if not names.is_pytorchs(module):
                return super().find_class(module, name)
            found = names.resolve(module, name)
            if found is None:
                raise AttributeError(f"Can't get attribute '{name}' on <module '{module}'>: Kenaz has no such thing")
            if module == "torch.return_types":  # PyTorch makes them from their values and a dict
                return lambda values, more: found(*values)
            return found

        def persistent_load(self, pid: Any) -> Any:
            return persistent_load(pid) if persistent_load else super().persistent_load(pid)

    return Unpickler(stream, **options)
