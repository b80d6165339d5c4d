"""What a file may name when it is loaded with `weights_only=True`, and what calling it may do.

Nothing outside these tables can be reached from a file. Each callable has a guard of its own, which checks arguments:
`bytearray(10**12)` from a file of a hundred bytes would otherwise take the machine's memory.
"""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import _api, _utils
from .._tensor import Tensor
from ..core.dtype import BY_NAME
from ..nn.parameter import Parameter
from ..ops.inquiry import CONSTANTS, memory_format
from ..storage import LEGACY_STORAGES, TypedStorage, UntypedStorage
from . import names

UnpicklingError = pickle.UnpicklingError
_BLOCKED = ("os", "posix", "nt", "sys")  # adding these to the safe globals would not make them so
_KEY_PARTS = 10_000  # of a tuple used as a dictionary key: more would take time without end to hash


# -------------------------------------------------------------------------------------------------- guarded callables
def check_key(key: Any) -> Any:
    """A dictionary key whose hash is harmless to compute: nested tuples can take exponential time, or the C stack."""
    if isinstance(key, tuple | frozenset):
        stack, parts = [(key, 0)], 0
        while stack:
            part, depth = stack.pop()
            parts += len(part)
            if parts > _KEY_PARTS or depth > 50:
                raise UnpicklingError("a dictionary key or set element in the file is nested too deeply")
            stack.extend((p, depth + 1) for p in part if isinstance(p, tuple | frozenset))
    return key


def _plain_set(elements: Any = ()) -> set:
    return set(map(check_key, _sequence(elements)))


def _ordered_dict(pairs: Any = ()) -> OrderedDict:
    return OrderedDict((check_key(key), value) for key, value in map(_pair, _sequence(pairs)))


def _counter(counts: Any = None) -> Counter:
    if counts is not None and type(counts) is not dict:
        raise UnpicklingError(f"a Counter can only be made from a dict, but got {type(counts)}")
    return Counter(counts)


def _complex(real: float, imaginary: float) -> complex:
    return complex(float(real), float(imaginary))


def _byte_array(content: Any = b"", encoding: str = "latin-1") -> bytearray:
    if isinstance(content, str):
        content = _encode(content, encoding)
    if not isinstance(content, bytes | bytearray):  # a number would be a size
        raise UnpicklingError(f"a bytearray can only be made from bytes, but got {type(content)}")
    return bytearray(content)


def _no_bytes() -> bytes:
    """Protocol 2 writes `b""` as a call."""
    return b""


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    """Pickles of protocol 2 write bytes as text in this encoding; other codecs are not wanted."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnpicklingError(f"only text in latin1 can be made bytes, but got {type(text).__name__} in {encoding!r}")
    return text.encode("latin1")


def _size(values: Any = ()) -> Any:
    return _api.Size(_sequence(values))


def _device(kind: Any, index: Any = None) -> Any:
    return _api.device(kind) if index is None else _api.device(kind, index)


def _empty_tensor() -> Tensor:
    return Tensor._from_array(np.empty(0, np.float32))


def _parameter(data: Any = None, requires_grad: bool = True) -> Any:
    return Parameter(_empty_tensor() if data is None else data, requires_grad)


def _parameter_with_state(data: Any, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    return _utils._rebuild_parameter_with_state(data, requires_grad, backward_hooks, _tensor_state(state))


def _sparse_tensor(layout: Any, data: Any) -> Any:
    many = 1 + len(_utils.INDICES.get(str(layout), ()))
    tensors, size = _sequence(data)[:many], _sequence(_sequence(data)[many])
    if not all(isinstance(t, Tensor) for t in tensors) or not all(type(n) is int for n in size):
        raise UnpicklingError("a sparse tensor is made of tensors and a size")
    if many == 3 and (len(size) != 2 or tensors[2].dim() != 1):
        raise UnpicklingError("a compressed tensor is a matrix")
    return _utils._rebuild_sparse_tensor(layout, data)


def _sequence(values: Any) -> Any:
    if not isinstance(values, list | tuple | set | frozenset):
        raise UnpicklingError(f"expected a list or tuple in the file, but got {type(values)}")
    return values


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise UnpicklingError(f"expected a pair in the file, but got {type(value)}")
    return value


# name in the file -> (the object, what calling it does; None where it is only a value)
_CALLABLE: dict[str, tuple[Any, Callable]] = {
    "collections.OrderedDict": (OrderedDict, _ordered_dict),
    "collections.Counter": (Counter, _counter),
    "set": (set, _plain_set),
    "complex": (complex, _complex),
    "bytearray": (bytearray, _byte_array),
    "bytes": (bytes, _no_bytes),
    "_codecs.encode": (_encode, _encode),
    "torch.Size": (_api.Size, _size),
    "torch.device": (_api.device, _device),
    "torch.Tensor": (Tensor, _empty_tensor),
    "torch.nn.parameter.Parameter": (Parameter, _parameter),
    "torch.serialization._get_layout": (names.get_layout, names.get_layout),
    **{
        f"torch._utils.{function.__name__}": (function, function)
        for function in (
            _utils._rebuild_tensor, _utils._rebuild_tensor_v2, _utils._rebuild_tensor_v3, _utils._rebuild_parameter,
            _utils._rebuild_meta_tensor_no_storage,
        )
    },
    "torch._utils._rebuild_sparse_tensor": (_utils._rebuild_sparse_tensor, _sparse_tensor),
    "torch._utils._rebuild_parameter_with_state": (_utils._rebuild_parameter_with_state, _parameter_with_state),
}  # fmt: skip
_VALUES: dict[str, Any] = {
    "torch.storage.UntypedStorage": UntypedStorage,
    "torch.storage.TypedStorage": TypedStorage,
    "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
    **{f"torch.{name}": found for name, found in LEGACY_STORAGES.items()},
    **{f"torch.cuda.{name}": found for name, found in LEGACY_STORAGES.items()},
    **{f"torch.{name}": found for name, found in BY_NAME.items()},
    **{f"torch.{name}": found for name, found in CONSTANTS.items() if isinstance(found, memory_format)},
}
_GLOBALS: dict[str, Any] = {**{name: found for name, (found, _) in _CALLABLE.items()}, **_VALUES}
_GUARDS: dict[int, Callable] = {id(found): guard for found, guard in _CALLABLE.values()}
# Tensors of kinds that Kenaz lacks: allowing these names would not help.
_NOT_HERE = ("torch._utils._rebuild_", "torch.float8", "torch.float4", "torch.q", "torch.bits")
BUILDABLE = (OrderedDict, Counter)  # their attributes may be set, and those of tensors


# ----------------------------------------------------------------------------------------------------- the user's own
_added: dict[Any, None] = {}


def add_safe_globals(safe_globals: list) -> None:
    """Let files loaded with `weights_only=True` name these classes and functions too.

    An element may be a pair `(object, "name.in.the.file")`.
    """
    for each in safe_globals:
        _added[each] = None


def get_safe_globals() -> list:
    """What has been added by `add_safe_globals`."""
    return list(_added)


def clear_safe_globals() -> None:
    """Take back everything that has been added."""
    _added.clear()


@contextmanager
def safe_globals(safe_globals: list) -> Iterator[None]:
    """`add_safe_globals` for the length of a block.

    >>> import fractions
    >>> with safe_globals([fractions.Fraction]):
    ...     get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> get_safe_globals()
    []
    """
    before = dict(_added)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _added.clear()
        _added.update(before)


def _users() -> dict[str, Any]:
    """The user's objects by the names that files have for them."""
    found = {}
    for each in _added:
        if isinstance(each, tuple):
            if len(each) != 2 or not isinstance(each[1], str):
                raise ValueError(f"Expected tuple of (global, str of callable full path), but got {each}")
            found[each[1]] = each[0]
        else:
            home = names.torch_name(each)
            found[full_name(*home) if home else full_name(each.__module__, each.__qualname__)] = each
    return found


def full_name(module: str, name: str) -> str:
    """How messages name a global: builtins without their module.

    >>> full_name("builtins", "eval"), full_name("os", "system")
    ('eval', 'os.system')
    """
    return name if module == "builtins" else f"{module}.{name}"


class Policy:
    """What one loading may do: the tables above, and the user's additions as they were when it began."""

    def __init__(self) -> None:
        self._users = _users()
        self._trusted = {id(found) for found in self._users.values()}

    def find(self, module: str, name: str) -> Any:
        """The object of a global name, or the error that says what to do about it."""
        if module.partition(".")[0] in _BLOCKED:
            raise Blocked(f"Trying to load unsupported GLOBAL {module}.{name} whose module {module} is blocked.")
        full = full_name(module, name)
        for table in (self._users, _GLOBALS):
            if full in table:
                return table[full]
        if full.startswith(_NOT_HERE):
            raise UnpicklingError(f"the file needs {full}, and Kenaz has nothing like it")
        raise Unsupported(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{full}])` or the `torch.serialization.safe_globals([{full}])` "
            "context manager to allowlist this global if you trust this class/function."
        )

    def unknown(self, stream: Any) -> list[str]:
        """The names in a pickle that `find` would refuse."""
        found = {full_name(module, name): None for module, name in _globals_in(stream)}
        return [full for full in found if full not in self._users and full not in _GLOBALS]

    def trusts(self, found: Any) -> bool:
        """Whether the user has allowed this object."""
        return id(found) in self._trusted

    def call(self, function: Any, args: Any) -> Any:
        """The result of a call that a file asks for."""
        if not isinstance(args, tuple):
            raise UnpicklingError(f"the arguments of a call must be a tuple, but got {type(args)}")
        if self.trusts(function):
            return function(*args)
        if function is _utils._rebuild_from_type_v2:
            return self._rebuild_from_type(*args)
        guard = _GUARDS.get(id(function))
        if guard is None:
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {shown(function)}")
        return guard(*args)

    def _rebuild_from_type(self, function: Any, new_type: Any, args: Any, state: Any) -> Any:
        """A tensor of a subclass: the inner call is checked like any other, and so is the class."""
        if new_type not in (Tensor, Parameter) and not self.trusts(new_type):
            raise UnpicklingError(f"Trying to rebuild a tensor as {shown(new_type)}, which is not an allowed class")
        result = self.call(function, args)
        if not isinstance(result, Tensor):
            raise UnpicklingError(f"expected a tensor in the file, but got {type(result)}")
        return _utils._rebuild_from_type_v2(lambda: result, new_type, (), _tensor_state(state))

    def new(self, cls: Any, args: Any) -> Any:
        """A new instance of a class, as `cls.__new__(cls, *args)`."""
        if self.trusts(cls):
            return cls.__new__(cls, *args)
        if id(cls) not in _GUARDS or not isinstance(cls, type):
            raise UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals` but got "
                + shown(cls)
            )
        return self.call(cls, args)

    def build(self, instance: Any, state: Any) -> None:
        """Give an instance its state."""
        if self.trusts(type(instance)):
            _set_state(instance, state)
        elif isinstance(instance, Tensor):
            _utils._set_obj_state(instance, _tensor_state(state))
        elif type(instance) in BUILDABLE and type(state) is dict:
            instance.__dict__.update(state)
        elif not (type(instance) is set and not state):
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got "
                f"{type(instance)}"
            )


def _tensor_state(state: Any) -> Any:
    """Attributes for a tensor, none of which reaches what a tensor is made of."""
    for part in state if isinstance(state, tuple) else (state,):
        if part is not None and type(part) is not dict:
            raise UnpicklingError(f"the state of a tensor must be a dict, but got {type(part)}")
        for name in part or ():
            if not isinstance(name, str) or name.startswith("__") or hasattr(Tensor, name):
                raise UnpicklingError(f"a file cannot set the attribute {str(name)[:100]!r} of a tensor")
    return state


def _globals_in(stream: Any) -> Iterator[tuple[str, str]]:
    """Every (module, name) that a pickle refers to, without unpickling it."""
    import pickletools

    memo: dict[int, Any] = {}
    recent: list[Any] = [None, None]  # the last two values pushed: strings, or None
    for code, argument, _ in pickletools.genops(stream):
        value: Any = argument
        if code.name == "GLOBAL":
            module, name = value.split(" ", 1)
            yield ("builtins" if module == "__builtin__" else module), name
        elif code.name == "STACK_GLOBAL":
            yield str(recent[0]), str(recent[1])
        if "PUT" in code.name or code.name == "MEMOIZE":
            memo[len(memo) if value is None else value] = recent[1]
        else:
            pushed = memo.get(value) if "GET" in code.name else value if "UNICODE" in code.name else None
            recent = [recent[1], pushed]


def _set_state(instance: Any, state: Any) -> None:
    setstate = getattr(instance, "__setstate__", None)
    if setstate is not None:
        setstate(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes:
        instance.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)


def shown(value: Any) -> str:
    """A value from a file for a message: in full only where that is short, since a nested one may be endless.

    >>> shown(5), shown([]), shown(10**5000)
    ('5', "an object of <class 'list'>", "an object of <class 'int'>")
    """
    is_short = isinstance(value, type | float) or callable(value) or (isinstance(value, int) and abs(value) < 1 << 200)
    if isinstance(value, str):
        return repr(value[:100])
    return str(value) if is_short else f"an object of {type(value)}"


class Unsupported(UnpicklingError):
    """A global that the user may allow."""


class Blocked(UnpicklingError):
    """A global that no one should allow."""
