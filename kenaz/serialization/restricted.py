"""A pickle machine that builds plain data and tensors, and nothing else.

It is a table from opcode to a short function. Everything that could reach code (a global, a call, a new object, a
state) goes through `allowed.Policy`. Opcodes that Python's pickler does not write today are not there.
"""

from __future__ import annotations

import _compat_pickle
import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from .allowed import Blocked, Policy, UnpicklingError, Unsupported, check_key, shown

_DICTS = (dict, OrderedDict, Counter)


class Source:
    """Reads a stream to a limit: a length that a file claims is compared with what is left before memory is taken."""

    def __init__(self, stream: Any):
        start = stream.tell()
        self._left = stream.seek(0, 2) - start
        stream.seek(start)
        self._stream = stream

    def read(self, n: int) -> bytes:
        if n > self._left or n < 0:
            raise EOFError("Ran out of input: the file is truncated or damaged")
        data = self._stream.read(n)
        if len(data) != n:
            raise EOFError("Ran out of input: the file is truncated or damaged")
        self._left -= n
        return data

    def readline(self) -> str:
        line = self._stream.readline(65536)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            raise EOFError("Ran out of input: the file is truncated or damaged")
        return line[:-1].decode("utf-8")


class RestrictedUnpickler:
    """Loads one object; `persistent_load` gets the storages that the pickle refers to."""

    def __init__(
        self, stream: Any, policy: Policy, persistent_load: Callable[[Any], Any] | None = None, encoding: str = "bytes"
    ):
        self.source, self.policy, self.encoding = Source(stream), policy, encoding
        self.persistent_load = persistent_load
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.protocol = 2
        self.is_outside = False  # in persistent_load: its errors are its own

    def load(self) -> Any:
        """The object; any damage is an UnpicklingError."""
        read = self.source.read
        try:
            while True:
                code = read(1)[0]
                if code == _STOP:
                    return self.stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise UnpicklingError(f"Unsupported operand {code}")
                step(self)
        except (UnpicklingError, EOFError):
            raise
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
            if self.is_outside:
                raise
            raise UnpicklingError(f"the pickle is damaged: {type(error).__name__}: {str(error)[:300]}") from error

    def pop_mark(self) -> list[Any]:
        """The values since the last mark."""
        values = self.stack
        self.stack = self.marks.pop()
        return values

    def unpack(self, layout: str) -> Any:
        """One number in a fixed layout."""
        return struct.unpack(layout, self.source.read(struct.calcsize(layout)))[0]


_STOP = pickle.STOP[0]
_STEPS: dict[int, Callable[[RestrictedUnpickler], None]] = {}


def _opcode(*codes: bytes) -> Callable:
    def register(step: Callable) -> Callable:
        _STEPS.update({code[0]: step for code in codes})
        return step

    return register


# ------------------------------------------------------------------------------------------------------- plain values
def _pushes(code: bytes, make: Callable[[RestrictedUnpickler], Any]) -> None:
    def step(machine: RestrictedUnpickler) -> None:
        machine.stack.append(make(machine))

    _STEPS[code[0]] = step


def _constant(code: bytes, value: Any) -> None:
    _pushes(code, lambda machine: value)


def _number(code: bytes, layout: str) -> None:
    _pushes(code, lambda machine: machine.unpack(layout))


def _sized(code: bytes, layout: str, convert: Callable[[RestrictedUnpickler, bytes], Any]) -> None:
    _pushes(code, lambda machine: convert(machine, machine.source.read(machine.unpack(layout))))


def _text(machine: RestrictedUnpickler, data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _old_string(machine: RestrictedUnpickler, data: bytes) -> Any:
    """A `str` of Python 2."""
    return data if machine.encoding == "bytes" else data.decode(machine.encoding)


def _raw(machine: RestrictedUnpickler, data: bytes) -> bytes:
    return data


def _integer(machine: RestrictedUnpickler, data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


# fmt: off
for _code, _value in {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}.items():
    _constant(_code, _value)
for _code, _layout in {
    pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d",
}.items():
    _number(_code, _layout)
for _code, (_layout, _convert) in {
    pickle.SHORT_BINUNICODE: ("<B", _text), pickle.BINUNICODE: ("<I", _text), pickle.BINUNICODE8: ("<Q", _text),
    pickle.SHORT_BINSTRING: ("<B", _old_string), pickle.BINSTRING: ("<i", _old_string),
    pickle.SHORT_BINBYTES: ("<B", _raw), pickle.BINBYTES: ("<I", _raw), pickle.BINBYTES8: ("<Q", _raw),
    pickle.BYTEARRAY8: ("<Q", lambda machine, data: bytearray(data)),
    pickle.LONG1: ("<B", _integer), pickle.LONG4: ("<i", _integer),
}.items():
    _sized(_code, _layout, _convert)
_pushes(pickle.EMPTY_LIST, lambda machine: [])
_pushes(pickle.EMPTY_DICT, lambda machine: {})
_pushes(pickle.EMPTY_SET, lambda machine: set())
# fmt: on


# ----------------------------------------------------------------------------------------------------- stack and memo
@_opcode(pickle.PROTO)
def _proto(machine: RestrictedUnpickler) -> None:
    machine.protocol = machine.source.read(1)[0]
    if machine.protocol > pickle.HIGHEST_PROTOCOL:
        raise UnpicklingError(f"unsupported pickle protocol: {machine.protocol}")


@_opcode(pickle.FRAME)
def _frame(machine: RestrictedUnpickler) -> None:
    machine.source.read(8)  # a hint for readers that buffer


@_opcode(pickle.MARK)
def _mark(machine: RestrictedUnpickler) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


@_opcode(pickle.POP)
def _pop(machine: RestrictedUnpickler) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


@_opcode(pickle.POP_MARK)
def _pop_to_mark(machine: RestrictedUnpickler) -> None:
    machine.pop_mark()


def _puts(code: bytes, layout: str) -> None:
    def step(machine: RestrictedUnpickler) -> None:
        machine.memo[machine.unpack(layout)] = machine.stack[-1]

    _STEPS[code[0]] = step


def _gets(code: bytes, layout: str) -> None:
    def step(machine: RestrictedUnpickler) -> None:
        index = machine.unpack(layout)
        if index not in machine.memo:
            raise UnpicklingError(f"Memo value not found at index {index}")
        machine.stack.append(machine.memo[index])

    _STEPS[code[0]] = step


_puts(pickle.BINPUT, "<B")
_puts(pickle.LONG_BINPUT, "<I")
_gets(pickle.BINGET, "<B")
_gets(pickle.LONG_BINGET, "<I")


@_opcode(pickle.MEMOIZE)
def _memoize(machine: RestrictedUnpickler) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


# --------------------------------------------------------------------------------------------------------- containers
def _ends_in_tuple(code: bytes, n: int) -> None:
    def step(machine: RestrictedUnpickler) -> None:
        values = machine.stack[-n:]
        if len(values) != n:
            raise IndexError("tuple")
        machine.stack[-n:] = [tuple(values)]

    _STEPS[code[0]] = step


for _n, _code in enumerate((pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), 1):
    _ends_in_tuple(_code, _n)


@_opcode(pickle.TUPLE)
def _tuple(machine: RestrictedUnpickler) -> None:
    values = machine.pop_mark()
    machine.stack.append(tuple(values))


@_opcode(pickle.FROZENSET)
def _frozenset(machine: RestrictedUnpickler) -> None:
    values = machine.pop_mark()
    machine.stack.append(frozenset(map(check_key, values)))


@_opcode(pickle.APPEND)
def _append(machine: RestrictedUnpickler) -> None:
    value = machine.stack.pop()
    _extend(machine, [value])


@_opcode(pickle.APPENDS)
def _appends(machine: RestrictedUnpickler) -> None:
    _extend(machine, machine.pop_mark())


def _extend(machine: RestrictedUnpickler, values: list) -> None:
    target = machine.stack[-1]
    if not (type(target) is list or (isinstance(target, list) and machine.policy.trusts(type(target)))):
        raise UnpicklingError(f"Can only append to lists, but got {type(target)}")
    target.extend(values)


@_opcode(pickle.SETITEM)
def _setitem(machine: RestrictedUnpickler) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine, [key, value], "SETITEM")


@_opcode(pickle.SETITEMS)
def _setitems(machine: RestrictedUnpickler) -> None:
    _update(machine, machine.pop_mark(), "SETITEMS")


def _update(machine: RestrictedUnpickler, items: list, what: str) -> None:
    target = machine.stack[-1]
    if not (type(target) in _DICTS or (isinstance(target, dict) and machine.policy.trusts(type(target)))):
        raise UnpicklingError(
            f"Can only {what} for dict, collections.OrderedDict, collections.Counter, but got {type(target)}"
        )
    if len(items) % 2:
        raise UnpicklingError("odd number of items for a dict")
    for key, value in zip(items[::2], items[1::2]):
        target[check_key(key)] = value


@_opcode(pickle.ADDITEMS)
def _additems(machine: RestrictedUnpickler) -> None:
    values = machine.pop_mark()
    target = machine.stack[-1]
    if type(target) is not set:
        raise UnpicklingError(f"Can only add to sets, but got {type(target)}")
    target.update(map(check_key, values))


# -------------------------------------------------------------------------------------------- what the policy decides
@_opcode(pickle.GLOBAL)
def _global(machine: RestrictedUnpickler) -> None:
    module, name = machine.source.readline(), machine.source.readline()
    if machine.protocol < 3:  # Python 2's names of the standard library
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    machine.stack.append(machine.policy.find(module, name))


@_opcode(pickle.STACK_GLOBAL)
def _stack_global(machine: RestrictedUnpickler) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise UnpicklingError("STACK_GLOBAL requires str")
    machine.stack.append(machine.policy.find(module, name))


@_opcode(pickle.REDUCE)
def _reduce(machine: RestrictedUnpickler) -> None:
    args, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.policy.call(function, args))


@_opcode(pickle.NEWOBJ)
def _newobj(machine: RestrictedUnpickler) -> None:
    args, cls = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.policy.new(cls, args))


@_opcode(pickle.BUILD)
def _build(machine: RestrictedUnpickler) -> None:
    state = machine.stack.pop()
    machine.policy.build(machine.stack[-1], state)


@_opcode(pickle.BINPERSID)
def _binpersid(machine: RestrictedUnpickler) -> None:
    pid = machine.stack.pop()
    if machine.persistent_load is None:
        raise UnpicklingError(
            "A load persistent id instruction was encountered, but no persistent_load function was specified."
        )
    if type(pid) is not tuple or not pid or pid[0] not in ("storage", b"storage"):
        kind = pid[0] if type(pid) is tuple and pid else pid
        what = shown(kind) if isinstance(kind, str) else type(kind)
        raise UnpicklingError(f"Only persistent_load of storage is allowed, but got {what}")
    machine.is_outside = True
    machine.stack.append(machine.persistent_load(pid))
    machine.is_outside = False


# ---------------------------------------------------------------------------------------------------------- the error
CHANGED = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` from `False` to "
    "`True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result in "
    "arbitrary code execution. Do it only if you got the file from a trusted source."
)
_DOCUMENTATION = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with weights_only "
    "https://pytorch.org/docs/stable/generated/torch.load.html."
)


def explained(error: UnpicklingError) -> UnpicklingError:
    """The error as PyTorch words it, with what the user can do."""
    if isinstance(error, Unsupported):
        text = (
            "This file can still be loaded, to do so you have two options, \033[1mdo those steps only if you trust the "
            f"source of the checkpoint\033[0m. \n\t(1) {CHANGED}\n\t(2) Alternatively, to load with "
            "`weights_only=True` please check the recommended steps in the following error message.\n"
            f"\tWeightsUnpickler error: {error}"
        )
    elif isinstance(error, Blocked):
        text = f"{CHANGED}\n\n\n{error}"
    else:
        text = (
            f"{CHANGED}\nPlease file an issue with the following so that we can make `weights_only=True` compatible "
            f"with your use case: WeightsUnpickler error: \n\n{error}"
        )
    return UnpicklingError(f"Weights only load failed. {text}{_DOCUMENTATION}")
