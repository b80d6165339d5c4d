"""Guards: what a call's code can reach outside its arguments, and a quick look whether all of it is as it was.

`Guards` begins at the code that ran: the globals that it names, what its functions close over, and the objects among
the arguments. From there it goes through containers, modules and plain objects. Tensors that it meets are inputs of the
captured graph; everything else has to be the same object, or an equal constant, at every replay. What it cannot look
into raises `Unguardable`.
"""

from __future__ import annotations

import dis
import enum
import functools
import gc
import io
import re
import sys
import types
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter, contains, getitem, is_
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..autograd.nodes import AccumulateGrad
from ..core.device import device
from ..core.dtype import dtype
from ..core.spec import Spec
from ..execute import mode
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..runtime.random import Generator
from .signature import TENSORS


class Unguardable(Exception):
    """Why a function cannot be captured."""


class Opaque:
    """The base of what guards do not look into: compiled functions themselves."""


MOST = 50_000  # values that a function may depend on

EQUAL = frozenset((bool, int, float, complex, str, bytes, type(None), dtype, device, slice, range))  # told by value
_FIXED: Any = (
    *EQUAL, type(Ellipsis), type(NotImplemented), np.dtype, np.generic, enum.Enum, re.Pattern, Generator,
    types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.MethodWrapperType, types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
    property, staticmethod, classmethod, functools.cached_property, np.ufunc, Opaque,
)  # fmt: skip
HOOKS = ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks")
MEMBERS = ("_parameters", "_buffers", "_modules")
STEP_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
_OF_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE: classes that Python code defines have it
_OURS = __name__.partition(".")[0]


class Guards:
    """Everything that has to be as it was, in lists that built-in functions compare."""

    def __init__(self, codes: dict, closures: dict, roots: Iterable[tuple[Any, str]]):
        """`codes` are the globals of each code that ran, and `closures` what the functions of some closed over."""
        self.views: list[Any] = []  # of whole containers: lists, and the values of dictionaries
        self.view_names: list[str] = []
        self.places: list[tuple[Any, Any]] = []  # (dictionary, key)
        self.cells: list[Any] = []
        self.slots: list[tuple[Any, str]] = []
        self.absent: list[tuple[dict, str]] = []  # globals that are builtins
        self.sets: list[tuple[set, set]] = []
        self.empty: list[Any] = []
        self.tensors: list[Tensor] = []
        self.optimizers: list[Optimizer] = []
        self._seen: dict[int, Any] = {}
        self._names = set(chain.from_iterable(map(_names, codes)))
        self._waiting: list[tuple[Any, str]] = list(roots)
        for code, scope in codes.items():
            self._add_globals(code, scope)
        self._add_functions(codes, closures)
        self._walk()
        self.note()

    # -------------------------------------------------------------------------------------------------- where to begin
    def _add_globals(self, code: Any, scope: dict) -> None:
        for name in _globals_of(code):
            if name in scope:
                self._add_place(scope, name, name)
            else:
                self.absent.append((scope, name))

    def _add_functions(self, codes: dict, closures: dict) -> None:
        """What the functions that ran close over, and their defaults; those made by other code that ran aside."""
        inner = {c for code in codes for c in _nested(code)}
        wanted = [code for code in codes if code not in inner]
        for f in gc.get_referrers(*wanted) if wanted else ():
            if type(f) is not types.FunctionType or f.__code__ not in codes or not _ran(f, closures):
                continue
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                if cell not in self.cells:
                    self.cells.append(cell)
                    self._waiting.append((_contents(cell), name))
            self._waiting.append((f.__defaults__, f"{f.__qualname__}'s defaults"))
            self._waiting.append((f.__kwdefaults__, f"{f.__qualname__}'s defaults"))

    # -------------------------------------------------------------------------------------------------------- walking
    def _walk(self) -> None:
        while self._waiting:
            value, name = self._waiting.pop()
            if id(value) not in self._seen:
                self._seen[id(value)] = value
                self._look(value, name)
                if len(self._seen) > MOST:
                    raise Unguardable(f"it depends on more than {MOST} values, the last being {name}")

    def _look(self, value: Any, name: str) -> None:
        kind = type(value)
        if kind in TENSORS:
            if type(value._spec) is not Spec:
                raise Unguardable(f"{name} is a tensor in a layout of its own")
            self.tensors.append(value)
        elif isinstance(value, _FIXED):
            pass
        elif isinstance(value, Tensor):
            raise Unguardable(f"{name} is of {kind.__name__}, a subclass of Tensor")
        elif isinstance(value, type):
            self._look_into_class(value, name)
        elif isinstance(value, types.ModuleType):
            if not _is_ours(value.__name__):
                self._add_named(vars(value), name)
        elif isinstance(value, (tuple, frozenset)):
            self._waiting += [(v, f"{name}[{i}]") for i, v in enumerate(value)]
        elif kind is functools.partial:
            self._waiting.append(((value.func, value.args, value.keywords), name))
        elif kind is types.MethodType:
            self._waiting.append((value.__self__, name))
        elif isinstance(value, Optimizer):
            self._look_into_optimizer(value, name)
        else:
            self._look_into_object(value, kind, name)

    def _look_into_object(self, value: Any, kind: type, name: str) -> None:
        is_container = self._look_into_container(value, name)
        is_plain = kind.__flags__ & _OF_PYTHON and not isinstance(value, io.IOBase)
        if isinstance(value, Module):
            self._look_into_module(value, name)
        elif is_plain:
            if hasattr(value, "__dict__"):
                self._add_view(vars(value), name, ".")
            self._look_into_slots(value, kind, name)
        elif not is_container and kind is not object:
            raise Unguardable(f"{name} is of type {kind.__name__}, which cannot be looked into")
        self._look_into_class(kind, name)

    def _look_into_slots(self, value: Any, kind: type, name: str) -> None:
        for slot in [s for c in kind.__mro__ for s in _slots(c) if hasattr(value, s)]:
            self.slots.append((value, slot))
            self._waiting.append((getattr(value, slot), f"{name}.{slot}"))

    def _look_into_container(self, value: Any, name: str) -> bool:
        if isinstance(value, dict):
            self._add_view(value, name, "")
            self._waiting += [(key, f"a key of {name}") for key in value]
        elif isinstance(value, types.MappingProxyType):
            self._add_view(value, name, "")
        elif isinstance(value, list):
            self._add_view(value, name, "")
        elif isinstance(value, set):
            self.sets.append((value, set(value)))
            self._waiting += [(v, f"an element of {name}") for v in value]
        else:
            return False
        return True

    def _look_into_module(self, module: Module, name: str) -> None:
        own = vars(module)
        for hooks in HOOKS:
            if own[hooks]:
                raise Unguardable(f"{name} has hooks")
            self.empty.append(own[hooks])
        for kind in MEMBERS:
            members = own[kind]
            if any(member not in own for member in members) or any(own[m] is not members[m] for m in members):
                self._add_view(members, name, ".")
        self._seen.update((id(own[key]), own[key]) for key in (*HOOKS, *MEMBERS))
        self._add_view(own, name, ".")

    def _look_into_class(self, kind: type, name: str) -> None:
        for base in kind.__mro__:
            if base.__module__ != "builtins" and not _is_ours(base.__module__) and id(base) not in self._seen:
                self._seen[id(base)] = base
                self._add_named(vars(base), base.__name__)
            elif base is kind and id(base) not in self._seen:
                self._seen[id(base)] = base

    def _look_into_optimizer(self, optimizer: Optimizer, name: str) -> None:
        self.optimizers.append(optimizer)
        if "param_groups" in self._names:
            raise Unguardable(f"the groups of {name} are looked at")
        for hooks in STEP_HOOKS:
            self.empty.append(getattr(optimizer, hooks))
        self._seen.update((id(v), v) for v in (optimizer.state, optimizer.defaults))
        self._add_view(vars(optimizer), name, ".", follow=False)
        self._add_view(optimizer.state, f"{name}.state", "")
        self._add_view(optimizer.param_groups, f"{name}.param_groups", "", follow=False)
        for group in optimizer.param_groups:
            self._add_view(group["params"], f"{name}.params", "")
            for key, value in group.items():  # numbers are read at every step
                if type(value) in (bool, type(None)) or key == "params":
                    self.places.append((group, key))

    def _add_named(self, table: Any, name: str) -> None:
        """What a class or a module of the user has under the names that the code says."""
        for key in self._names & table.keys():
            self._add_place(table, key, f"{name}.{key}")

    def _add_place(self, table: Any, key: str, name: str) -> None:
        self.places.append((table, key))
        self._waiting.append((table[key], name))

    def _add_view(self, container: Any, name: str, dot: str, follow: bool = True) -> None:
        """Guard all values of a dictionary or a list."""
        is_list = isinstance(container, list)
        self.views.append(container if is_list else container.values())
        self.view_names.append(name)
        if follow:
            pairs = enumerate(container) if is_list else container.items()
            self._waiting += [(v, f"{name}{dot}{key}" if dot else f"{name}[{key!r}]") for key, v in pairs]

    def met(self) -> set[int]:
        """The identities of everything that was met."""
        return set(self._seen)

    # --------------------------------------------------------------------------------------------------- looking again
    def note(self) -> None:
        """Take what is there now for what has to be there."""
        self.tables = [table for table, _ in self.places]
        self.keys = [key for _, key in self.places]
        self.scopes = [scope for scope, _ in self.absent]
        self.builtins = [name for _, name in self.absent]
        self.in_places = list(map(getitem, self.tables, self.keys))
        self.in_views = list(chain.from_iterable(self.views))
        self.sizes = list(map(len, self.views))
        self.in_cells = list(map(_contents, self.cells))
        self.in_slots = [getattr(o, s) for o, s in self.slots]
        self.storages = list(map(_storage_of, self.tensors))
        self.specs = list(map(_spec_of, self.tensors))
        self.offsets = [t._offset for t in self.tensors]
        self.edges = list(map(_edge_of, self.tensors))
        self.storage_ids = set(map(id, self.storages))

    def hold(self) -> bool:
        """Whether everything is as it was."""
        try:
            return (
                (not self.views or self._views_hold())
                and (not self.keys or all(map(is_, map(getitem, self.tables, self.keys), self.in_places)))
                and (not self.tensors or self._tensors_hold())
                and (not self.cells or all(map(is_, map(_contents, self.cells), self.in_cells)))
                and (not self.slots or all([getattr(o, s) is v for (o, s), v in zip(self.slots, self.in_slots)]))  # noqa: C419
                and (not self.sets or all([a == b for a, b in self.sets]))  # noqa: C419  a generator costs more
                and not (self.empty and any(self.empty) or any(map(contains, self.scopes, self.builtins)))
                or self._settled()
            )
        except (KeyError, IndexError, AttributeError, RuntimeError):
            return False

    def _views_hold(self) -> bool:
        return all(map(is_, chain.from_iterable(self.views), self.in_views)) and (
            list(map(len, self.views)) == self.sizes
        )

    def _tensors_hold(self) -> bool:
        tensors = self.tensors
        return (
            (all(map(is_, map(_storage_of, tensors), self.storages)) or self._moved())
            and all(map(is_, map(_spec_of, tensors), self.specs))
            and all(map(is_, map(_edge_of, tensors), self.edges))
            and list(map(_offset_of, tensors)) == self.offsets
        )

    def _moved(self) -> bool:
        """Whether tensors only got other memory, `p.data = x`, and share it as before; it is expected from then on."""
        storages = list(map(_storage_of, self.tensors))
        if _sharing(storages) != _sharing(self.storages):
            return False
        self.storages, self.storage_ids = storages, set(map(id, storages))
        return True

    def _settled(self) -> bool:
        """Whether only constants became others that are equal; they are expected from then on."""
        if self.broken() is not None:
            return False
        self.note()
        return True

    def broken(self) -> str | None:
        """The name of something that is no longer what it was."""
        try:
            return next(self._differences(), None)
        except (KeyError, IndexError, AttributeError, RuntimeError) as error:
            return str(error)

    def _differences(self) -> Iterator[str]:
        for view, size, name in zip(self.views, self.sizes, self.view_names, strict=True):
            if len(view) != size:
                yield f"the length of {name}"
        at = 0
        for view, size, name in zip(self.views, self.sizes, self.view_names, strict=True):
            if not all(map(_is_same, view, self.in_views[at : at + size])):
                yield f"something in {name}"
            at += size
        for table, key, value in zip(self.tables, self.keys, self.in_places, strict=True):
            if not _is_same(table[key], value):
                yield str(key)
        for cell, value in zip(self.cells, self.in_cells, strict=True):
            if not _is_same(_contents(cell), value):
                yield "something that is closed over"
        for (o, slot), value in zip(self.slots, self.in_slots, strict=True):
            if not _is_same(getattr(o, slot), value):
                yield slot
        yield from (name for scope, name in self.absent if name in scope)
        yield from ("a set" for a, b in self.sets if a != b)
        yield from ("a hook" for hooks in self.empty if hooks)
        if not self._moved():
            yield "which tensors share memory"
        was = zip(self.specs, self.edges, self.offsets, strict=True)
        for t, before in zip(self.tensors, was, strict=True):
            if any(a is not b and a != b for a, b in zip((t._spec, t._grad_fn, t._offset), before, strict=True)):
                yield f"a tensor of size {list(t.shape)}"


def _ran(f: Any, closures: dict) -> bool:
    """Whether a function closes over what one of those that ran did."""
    cells = [_contents(cell) if _is_full(cell) else None for cell in f.__closure__ or ()]
    return not cells or any(all(map(is_, cells, seen)) for seen in closures.get(f.__code__, ()))


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:
        return False


def catches(code: Any) -> bool:
    """Whether code handles errors: which ones there are may depend on when operators run."""
    names = [i.opname for i in dis.get_instructions(code)]
    return names.count("PUSH_EXC_INFO") > names.count("WITH_EXCEPT_START")


def _is_same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    return type(a) is type(b) and type(a) in EQUAL and (repr(a) == repr(b))


_contents = attrgetter("cell_contents")
_storage_of: Any = attrgetter("_storage")
_spec_of = attrgetter("_spec")
_edge_of = attrgetter("_grad_fn")
_offset_of = attrgetter("_offset")


def _sharing(storages: list) -> list[int]:
    """For each storage the first place where it stands."""
    first: dict[int, int] = {}
    return [first.setdefault(id(storage), i) for i, storage in enumerate(storages)]


def is_seen(tensors: Iterable[Tensor]) -> bool:
    """Whether others, NumPy above all, see the memory of a tensor, so that operators on it run at once."""
    return mode.slow and any(t._storage.exposed and t._storage.is_exposed() for t in tensors)


def is_leaf(x: Tensor) -> bool:
    """Whether gradients arrive at a tensor itself."""
    return type(x._grad_fn) is AccumulateGrad


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in (_OURS, "torch", "torchvision")


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


@functools.cache
def _names(code: Any) -> frozenset[str]:
    """The names of attributes and globals that code says, or may ask for with getattr."""
    return frozenset((*code.co_names, *[c for c in code.co_consts if type(c) is str and c.isidentifier()]))


@functools.cache
def _globals_of(code: Any) -> tuple[str, ...]:
    """The globals that code reads or writes, but for Python's own functions."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname.endswith(("_GLOBAL", "_NAME")) and i.argval}
    return tuple(sorted(name for name in found if type(name) is str))


@functools.cache
def _nested(code: Any) -> tuple:
    """The code of functions that are defined inside other code."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return (*inner, *[d for c in inner for d in _nested(c)])


def standard_library(path: str) -> bool:
    """Whether a file belongs to Python itself."""
    return path.startswith("<frozen") or path.startswith(_LIBRARY) and "site-packages" not in path


_LIBRARY = sys.modules["os"].__file__.rpartition("os.py")[0]  # type: ignore[union-attr]  # it has one
