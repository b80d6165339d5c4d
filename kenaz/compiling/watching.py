"""Watching a call: what it records, draws and steps, which code it runs, and why it cannot be captured, if so.

The call runs as usual. A profile function sees every function that is entered: those of the user are noted, for their
code tells what to guard; those of Kenaz are known to be harmless or not; of Python's own library only what does nothing
but compute is allowed. Nodes are noted when they are about to run, by the numbers of their sources.

The tensors among the arguments are replaced by pending copies of themselves for the time of the watched call, so that
no operator decides by their values, as it may where they are there already.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor
from ..autograd import engine
from ..autograd import nodes as backward_nodes
from ..core.spec import Spec
from ..graph.node import HELD, Call, Node
from ..graph.storage import Storage
from ..ops import sampling, updates
from ..ops.record import COPY, new_call
from ..optim.optimizer import Optimizer
from ..optim.pointwise import PointwiseOptimizer
from ..runtime import random, samplers
from .walking import catches, standard_library

KNOWN, STEP, ARRAY, NUMBER, UNKNOWN = "known", "step", "array", "number", "unknown"  # what a source can be

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_OPTIMIZERS = os.path.join(_HERE, "optim", "")
_TRUSTED = (
    "core/", "graph/", "codegen/", "interpret.py", "execute.py", "_tensor.py", "runtime/", "autograd/engine.py",
    "autograd/replay.py", "autograd/nodes.py", "autograd/forward_ad.py", "autograd/modes.py", "autograd/methods.py",
    "ops/", "nn/", "_api.py",
    "fft.py", "linalg.py", "special.py", "_rearranging.py", "utils/_pytree.py", "amp/", "optim/optimizer.py",
    "optim/pointwise.py", "optim/counters.py", "optim/sgd.py", "optim/ad", "optim/rmsprop.py", "optim/rprop.py",
    "optim/radam.py", "optim/lr_scheduler/base.py", "vision/models/", "vision/ops/", "compiling/", "__init__.py",
    "types.py", "return_types.py", "overrides.py", "compiler.py",
)  # fmt: skip
_SUSPECT = (
    "ops/interop.py", "nn/state.py", "nn/conversion.py", "nn/lazy.py", "nn/utils/_", "nn/utils/p",
    "nn/utils/s", "nn/utils/w", "amp/grad_",
)  # fmt: skip

_PURE = frozenset((
    abs, all, any, bin, callable, chr, divmod, format, getattr, hasattr, hash, hex, isinstance, issubclass, iter, len,
    max, min, next, oct, ord, pow, repr, round, setattr, sorted, sum, delattr,
))  # fmt: skip
_PURE_MODULES = frozenset(("math", "_operator", "operator", "cmath", "itertools"))
_PURE_TYPES: tuple = (
    list, dict, tuple, set, frozenset, str, bytes, int, float, complex, range, slice, np.ndarray, type({}.items()),
)  # fmt: skip
_LIBRARIES = (
    "functools", "contextlib", "typing", "collections", "enum", "dataclasses", "operator", "abc", "types", "copyreg",
)  # fmt: skip
_SLOTS = ("__init__", "__new__", "__init_subclass__", "__setattr__", "__enter__", "__exit__")  # of Python's objects
_PACKAGES = ("numpy", "llvmlite", "ml_dtypes")  # what Kenaz itself calls


class Step:
    """A node that was recorded: its call, what its sources are, and their offsets."""

    __slots__ = ("call", "offsets", "refs")

    def __init__(self, call: Call, refs: tuple, offsets: Any):
        self.call, self.refs, self.offsets = call, refs, offsets


class Draw:
    """Random numbers that were drawn: by which sampler, with what arguments."""

    __slots__ = ("arguments", "array", "name")

    def __init__(self, name: str, arguments: dict, array: np.ndarray):
        self.name, self.arguments, self.array = name, arguments, array


class Update:
    """An update of many tensors at once: an optimizer's of a group, or somebody else's (None) with constants."""

    __slots__ = ("body", "group", "groups", "optimizer", "scalars")

    def __init__(self, optimizer: Optimizer | None, group: dict, body: Any, groups: Any, scalars: dict):
        self.optimizer, self.group, self.body, self.groups, self.scalars = optimizer, group, body, groups, scalars


class Watch:
    """A call under observation. `fault` is why it cannot be captured; `reads` whether that is a value that it reads."""

    def __init__(self, known: list[Tensor], grads_at: list[int], arguments: int, is_first: bool):
        self.is_first = is_first  # nothing is known yet of what the code can reach: only which code it is matters
        self.codes: dict[Any, dict] = {}  # the user's code that ran, with its globals
        self.closures: dict[Any, list[list]] = {}  # what it closed over, for each function of that code
        self.fault: str | None = None
        self.reads = False
        self.steps: list[Step] = []
        self.arrays: list[tuple[Node, np.ndarray]] = []  # constants that the call made, and copies of them
        self.draws: list[Draw] = []
        self.updates: list[Update] = []
        self.ran_backward = self.read_grads = False
        self.known, self.grads_at = known, grads_at  # the last are the gradients of these
        self.storages: list[Storage] = []
        self.start: list[Node] = []
        self._arguments = arguments
        self._stand_ins: dict[int, Node] = {}
        self._places: dict[int, tuple] = {}
        self._sampling: Any = None
        self._stepping: Any = None

    # ------------------------------------------------------------------------------------------------------- the call
    def run(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """What the function gives, with everything noted."""
        global active
        execute.flush()
        self._begin()
        active = self
        execute.watchers.append(self._note)
        sys.setprofile(self._event)
        try:
            result = function(*args, **kwargs)
        finally:
            sys.setprofile(None)
            active = None
            try:
                execute.flush()
            finally:
                execute.watchers.pop()
                self._end()
        return result

    def _begin(self) -> None:
        self.sequence = next(backward_nodes._sequence)
        self.generator = _position(sampling.default_generator)
        places: dict[int, int] = {}
        for i, tensor in enumerate(self.known):
            storage = tensor._storage
            at = places.setdefault(id(storage), i)
            self.storages.append(storage)
            self.start.append(storage.node)
            if at == i:
                self._places[id(storage.node)] = self._places.get(id(storage.node), (KNOWN, i))
        self.grads = [t._grad for t in self.known]
        self.before = [state_of(t) for t in self.known]
        self.versions = [s.version for s in self.storages]
        if not self.is_first:
            for i in [i for i in places.values() if self._is_decisive(i)]:
                self._stand_in(i)

    def _is_decisive(self, i: int) -> bool:
        return i < self._arguments or self.known[i]._spec.dtype.kind < 2

    def _stand_in(self, i: int) -> None:
        """Put a pending copy in the place of a computed value."""
        storage = self.storages[i]
        memory = storage.node.call.out
        if type(memory) is not Spec or not isinstance(storage.node.value, np.ndarray) or memory.device.type != "cpu":
            return
        key = (memory, memory)
        call = COPY.calls.get(key)
        if call is None:
            call = COPY.calls[key] = new_call(COPY, (memory,), {"out": memory})
        node = execute.record(call, (storage.node,))
        self._stand_ins[i] = node
        self._places[id(node)] = self._places[id(storage.node)]
        storage.node = node

    def _end(self) -> None:
        """Put the values back where nothing else was written; note what the call changed."""
        for i, node in self._stand_ins.items():
            if self.storages[i].node is node:
                self.storages[i].node = self.start[i]
        if _position(sampling.default_generator) != self.generator and not self.draws:
            self.accuse("random numbers are drawn in a way that cannot be repeated")

    def accuse(self, why: str, reads: bool = False) -> None:
        """Note why the call cannot be captured: the first reason, but a value that is read before all others."""
        if self.fault is None or reads and not self.reads:
            self.fault, self.reads = why, reads

    # ---------------------------------------------------------------------------------------------------------- nodes
    def _note(self, nodes: list[Node]) -> None:
        """Note nodes that are about to run."""
        if self.is_first:
            return
        for node in nodes:
            if self._places.get(id(node), ("",))[0] == KNOWN and node in self._stand_ins.values():
                continue
            refs = tuple([self._ref(s) for s in node.sources])
            self._places[id(node)] = STEP, len(self.steps)
            self.steps.append(Step(node.call, refs, node.offsets))

    def _ref(self, source: Any) -> tuple:
        if type(source) is not Node:
            return NUMBER, type(source), repr(source), source
        return self.place(source)

    def place(self, node: Node) -> tuple:
        """What a node is to the call: known before, one of its steps, or a constant that it made."""
        found = self._places.get(id(node))
        if found is not None and (found[0] != STEP or self.steps[found[1]].call is node.call):
            return found
        if type(node.value) is not np.ndarray or node.call.op is not HELD:
            return UNKNOWN, id(node)
        self._places[id(node)] = found = ARRAY, len(self.arrays)
        self.arrays.append((node, node.value.copy()))
        return found

    def draw_of(self, node: Node) -> int | None:
        """The number of the draw that a constant is, in whatever shape."""
        for k, draw in enumerate(self.draws):
            ours, base = (node.value, node.value.base), draw.array.base
            if any(a is draw.array or a is not None and a is base for a in ours):
                return k
        return None

    # ---------------------------------------------------------------------------------------------------------- frames
    def _event(self, frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            verdict = _verdict(frame.f_code)
            if verdict is None:
                return
            if verdict is USER:
                self._enter(frame)
            elif callable(verdict):
                verdict(self, frame)
            elif type(verdict) is not _Library or frame.f_back and _verdict(frame.f_back.f_code) is USER:
                self.accuse(verdict)
        elif event == "c_call":
            if _verdict(frame.f_code) is USER and not _is_harmless(arg):
                self.accuse(f"it calls {getattr(arg, '__qualname__', arg)}", arg is print)
        elif event == "return":
            if frame is self._sampling:
                self._drawn(frame, arg)
            elif self._stepping is not None and frame is self._stepping[0]:
                self._stepping = None

    def _enter(self, frame: Any) -> None:
        """Note code of the user that runs."""
        code = frame.f_code
        if code not in self.codes:
            self.codes[code] = frame.f_globals
            if code.co_flags & _UNUSUAL:
                self.accuse("it runs a coroutine")
            if catches(code):
                self.accuse(f"{code.co_qualname} handles errors")
        if code.co_freevars:
            seen, here = self.closures.setdefault(code, []), frame.f_locals
            closed = [here.get(name) for name in code.co_freevars]
            if len(seen) < _MANY and not any(all(map(is_, closed, other)) for other in seen):
                seen.append(closed)

    def _draw(self, frame: Any) -> None:
        if self._sampling is None and "generator" in frame.f_code.co_varnames[:1]:
            code = frame.f_code
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            self._sampling, self._drawing = frame, {n: frame.f_locals[n] for n in names}

    def _drawn(self, frame: Any, array: Any) -> None:
        self._sampling = None
        if any(isinstance(v, np.ndarray) for v in self._drawing.values()) or type(array) is not np.ndarray:
            self.accuse("random numbers are drawn by values", True)
        else:
            self.draws.append(Draw(frame.f_code.co_name, self._drawing, array))

    def _step(self, frame: Any) -> None:
        self._stepping = frame, frame.f_locals["self"], frame.f_locals["group"]

    def _update(self, frame: Any) -> None:
        here = frame.f_locals
        if self._stepping is None and frame.f_back.f_code.co_filename.startswith(_OPTIMIZERS):
            self.accuse("it steps an optimizer in a way that cannot be repeated")
        if here["groups"]:
            _, optimizer, group = self._stepping or (None, None, {})
            self.updates.append(Update(optimizer, group, here["body"], list(here["groups"]), dict(here["scalars"])))

    def _read(self, frame: Any) -> None:
        """A value is read: a fault unless it is a constant, which will be the same."""
        if self.is_first:
            return
        value = frame.f_locals[frame.f_code.co_varnames[0]]  # a tensor, a storage or a node
        storage = getattr(value, "_storage", value)
        node: Node = getattr(storage, "node", storage)
        if node.value is not None and self.place(node)[0] == ARRAY and self.draw_of(node) is None:
            return
        self.accuse(f"it reads a value ({frame.f_code.co_qualname})", True)

    def _backward(self, frame: Any) -> None:
        self.ran_backward = True

    def _read_grad(self, frame: Any) -> None:
        self.read_grads = True

    def _reseed(self, frame: Any) -> None:
        self.accuse("it sets the state of a random generator")


_MANY = 100  # functions of one code
active: Watch | None = None  # at most one call is watched at a time
USER = "user"
_UNUSUAL = 0x80 | 0x200  # coroutines and asynchronous generators


def _position(generator: Any) -> tuple:
    """Where a generator stands."""
    return id(generator._block), generator._next, generator._seed, id(generator._state), generator._is_seeded


def state_of(x: Tensor) -> tuple:
    """What a call must leave as it is, but for its gradient."""
    return x._storage, x._spec, x._offset, x._grad_fn, x._base, x._output_nr


def _is_harmless(function: Any) -> bool:
    """Whether a function written in C only computes, or changes nothing but what guards look at."""
    try:
        if function in _PURE:
            return True
    except TypeError:  # bound to what has no hash
        pass
    owner = getattr(function, "__self__", None)
    if getattr(owner, "__name__", None) in _PURE_MODULES or getattr(function, "__module__", None) in _PURE_MODULES:
        return True
    if owner is type or isinstance(owner, type) and issubclass(owner, _PURE_TYPES):
        return True
    if isinstance(owner, _PURE_TYPES) or getattr(function, "__objclass__", None) in _PURE_TYPES:
        return True
    return getattr(function, "__name__", "") in _SLOTS and owner is not None


@functools.cache
def _verdict(code: Any) -> Any:
    """None for harmless code, USER for that of the user, a method of Watch that has to see it, or why it is a fault."""
    found = _special().get(code)
    if found is not None:
        return found
    path = code.co_filename
    if path.startswith(_HERE):
        inner = path[len(_HERE) :].replace(os.sep, "/")
        if not inner.startswith(_TRUSTED) or inner.startswith(_SUSPECT):
            return f"it calls {code.co_qualname} of kenaz.{inner.removesuffix('.py').replace('/', '.')}"
        return None
    name = os.path.basename(path).removesuffix(".py")
    if path.startswith("<frozen") or standard_library(path) and name in _LIBRARIES:
        return None
    if standard_library(path) or any(f"{os.sep}{package}{os.sep}" in path for package in _PACKAGES):
        return _Library(f"it calls {code.co_qualname} of {name}")
    return USER


class _Library(str):
    """A fault if the user's code makes the call; Kenaz's own may."""


@functools.cache
def _special() -> dict[Any, Callable]:
    """The functions that a watch has to see, by their code."""
    reads = (Tensor.item, Tensor._array, Tensor.numpy, execute.memory, execute.array, execute.expose, execute.run_now)
    seeds = (sampling.manual_seed, sampling.seed, sampling.set_rng_state, sampling.get_rng_state, random.Generator.seed,
             random.Generator.manual_seed, sampling.Generator.get_state, sampling.Generator.set_state)  # fmt: skip
    samples = [f for f in vars(samplers).values() if getattr(f, "__module__", "") == samplers.__name__]
    found = dict.fromkeys([f.__code__ for f in reads], Watch._read)
    found |= dict.fromkeys([_code_of(f) for f in seeds], Watch._reseed)
    found |= dict.fromkeys([f.__code__ for f in samples if hasattr(f, "__code__")], Watch._draw)
    found |= dict.fromkeys([engine.backward.__code__, engine.grad.__code__], Watch._backward)
    found |= dict.fromkeys([f.__code__ for f in (Tensor.grad.fget, Tensor.grad.fset)], Watch._read_grad)  # type: ignore[attr-defined]
    return found | {updates.update.__code__: Watch._update, PointwiseOptimizer._update.__code__: Watch._step}


def _code_of(function: Any) -> Any:
    """The code of a function, under whatever wraps it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function.__code__
