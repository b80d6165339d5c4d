"""What happens when a compiled function is called: it is watched, captured after a while, replayed, or simply run.

Calls of one signature go through these stages:

    1   it runs with a profile: which code is it?           -> guards
    2   it runs watched                                      -> a trace
    3   it runs watched again: the same trace?               -> a capture, or once more
    4   it is replayed as long as the guards hold

Whatever stands against it sends the signature back to the first stage a few times, and then it just runs, for good.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .. import execute
from .._function_modes import _active as function_modes
from .._tensor import Tensor
from ..autograd.modes import state
from ..core import config
from ..nn import calling
from ..runtime import trace
from . import watching
from .capture import MISS, Capture
from .signature import Signature
from .trace import Trace
from .walking import Guards, Opaque, Unguardable, is_leaf, is_seen
from .watching import Watch

TRIES = 6  # watched calls of one signature that did not lead to a capture
FAULTS = 3  # calls of one signature that did what cannot be captured: the first one may only prepare something
LIMIT = 8  # captures of one function, as `torch._dynamo.config.recompile_limit`


class Unsupported(RuntimeError):
    """A function that was to be captured as a whole does something that cannot be."""


class Entry:
    """What is known of one signature."""

    __slots__ = ("captures", "codes", "fault", "faults", "guards", "objects", "trace", "tries")

    def __init__(self, objects: list):
        self.captures: list[Capture] = []
        self.objects = objects  # the key has their identities, so that they must stay
        self.codes: dict = {}
        self.guards: Guards | None = None
        self.trace: Trace | None = None
        self.tries = self.faults = 0
        self.fault: str | None = None  # why calls like these just run


class Compiled(Opaque):
    """A function with its captures."""

    def __init__(self, function: Callable, fullgraph: bool = False, limit: int | None = None):
        self.function, self.fullgraph, self.limit = function, fullgraph, limit
        self.entries: dict[tuple, Entry] = {}
        self.count = 0
        self._warned = False
        _all.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _is_unfit():
            return self.function(*args, **kwargs)
        signature = Signature(args, kwargs)
        try:
            entry = self.entries.get(signature.key)
        except TypeError:  # something in it has no hash
            return self.function(*args, **kwargs)
        if is_seen(signature.tensors):
            return self.function(*args, **kwargs)
        if entry is not None:
            for capture in entry.captures:
                result = capture.run(signature.tensors)
                if result is not MISS:
                    return result
            if entry.fault is not None:
                return self.function(*args, **kwargs)
        return self._look(signature, args, kwargs)

    # --------------------------------------------------------------------------------------------------------- watching
    def _look(self, signature: Signature, args: tuple, kwargs: dict) -> Any:
        """Run a call that is not captured, and learn from it, if nothing stands against it."""
        if stance.name == "fail_on_recompile":
            raise RuntimeError(f"Detected recompile when torch.compile stance is 'fail_on_recompile' ({self._name()})")
        if self._is_full() or stance.name == "eager_on_recompile" or not _one_at_a_time.acquire(blocking=False):
            return self.function(*args, **kwargs)
        try:
            if watching.active is not None or sys.getprofile() is not None:
                return self.function(*args, **kwargs)
            entry = self.entries.get(signature.key)
            if entry is None:
                entry = self.entries[signature.key] = Entry(signature.objects)
            return self._learn(entry, signature, args, kwargs)
        finally:
            _one_at_a_time.release()

    def _is_full(self) -> bool:
        limit = self.limit or _limit()
        if self.count < limit and len(self.entries) <= 4 * limit:
            return False
        if not self._warned:
            self._warned = True
            logging.getLogger("torch._dynamo").warning(
                "torch._dynamo hit config.recompile_limit (%s)\n   function: '%s'", limit, self._name()
            )
        return True

    def _learn(self, entry: Entry, signature: Signature, args: tuple, kwargs: dict) -> Any:
        guards = entry.guards
        if guards is not None and not guards.hold():
            _tell(f"{self._name()}: {guards.broken()} changed")
            guards = entry.guards = entry.trace = None
        watch = Watch(*_known(signature.tensors, guards), len(signature.tensors), guards is None)
        before = _ambient()
        result = watch.run(self.function, args, kwargs)
        if _ambient() != before:
            watch.accuse("it changes a mode that goes on after it")
        if not signature.is_same(Signature(args, kwargs)):
            watch.accuse("it changes its arguments")
        try:
            self._judge(entry, watch, signature, result)
        except Unguardable as fault:
            self._give_up(entry, str(fault), watch.reads)
        return result

    def _judge(self, entry: Entry, watch: Watch, signature: Signature, result: Any) -> None:
        """Take an entry to its next stage."""
        if watch.fault is not None:
            raise Unguardable(watch.fault)
        entry.tries += 1
        if entry.guards is None or not watch.codes.keys() <= entry.codes.keys():
            self._guard(entry, watch, signature)
        elif not entry.guards.hold():
            _tell(f"{self._name()} changes {entry.guards.broken()}")
            self._guard(entry, watch, signature)
        else:
            old = entry.guards.met() | set(map(id, signature.containers))
            trace = Trace(watch, result, len(signature.tensors), old)
            if entry.trace is not None and trace.told == entry.trace.told:
                if trace.shares_constants(entry.trace):
                    raise Unguardable("it reads a tensor that is not found again")
                entry.captures.append(Capture(trace, entry.guards))
                _tell(f"{self._name()} is captured: {len(trace.steps)} operators")
                entry.guards = entry.trace = None
                entry.tries = 0
                self.count += 1
                return
            entry.trace = trace
        if entry.tries >= TRIES:
            raise Unguardable("it does something else each time")

    def _guard(self, entry: Entry, watch: Watch, signature: Signature) -> None:
        """Guards for what a call was seen to run."""
        entry.codes |= watch.codes
        entry.guards, entry.trace = Guards(entry.codes, watch.closures, self._roots(signature)), None

    def _roots(self, signature: Signature) -> list[tuple[Any, str]]:
        return [(self.function, "self"), *[(x, "an argument") for x in signature.objects]]

    def _give_up(self, entry: Entry, why: str, reads: bool) -> None:
        entry.guards, entry.trace, entry.codes = None, None, {}
        entry.faults += 1
        if entry.faults >= FAULTS or entry.tries >= TRIES:
            entry.fault = why
        _tell(f"{self._name()} is not captured: {why}")
        if self.fullgraph and reads:
            raise Unsupported(f"{self._name()} cannot be captured as a whole: {why}")

    def _name(self) -> str:
        return getattr(self.function, "__qualname__", None) or type(self.function).__name__

    def __reduce__(self) -> tuple:
        return Compiled, (self.function, self.fullgraph, self.limit)

    def reset(self) -> None:
        """Forget what was captured."""
        self.entries, self.count, self._warned = {}, 0, False


class Stance:
    """What `torch.compiler.set_stance` has set."""

    name = "default"


stance = Stance()
_one_at_a_time = threading.Lock()  # held while a call is watched; those that come meanwhile just run
_all: weakref.WeakSet[Compiled] = weakref.WeakSet()


def _limit() -> int:
    config_module = sys.modules.get("kenaz._dynamo.config")
    return getattr(config_module, "recompile_limit", LIMIT) if config_module else LIMIT


def _tell(text: str) -> None:
    if config.EXPLAIN:
        print(f"kenaz: {text}", file=sys.stderr)


def _known(tensors: list[Tensor], guards: Guards | None) -> tuple[list[Tensor], list[int]]:
    """Everything that a call can read: arguments, what is reached from its code, and at the end the gradients of
    those that have one, which are said by their numbers too."""
    known = [*tensors, *(guards.tensors if guards is not None else ())]
    with_grad = [i for i, x in enumerate(known) if is_leaf(x) and x._grad is not None]
    return known + [known[i]._grad for i in with_grad], with_grad


def _ambient() -> tuple:
    """The modes that a call must leave as they are."""
    return state.enabled, state.inference, state.precision.on, state.anomaly, Signature((), {}).key


def _is_unfit() -> bool:
    """Whether calls just run for the time being."""
    return bool(
        execute.mode.eager or execute.observers or trace.state.on or state.anomaly or state.saving or state.inference
        or state.duals is not None or function_modes or watching.active is not None or stance.name == "force_eager"
        or calling._has_any_global_hook() or state.routing.active and state.routing.disabled
    )  # fmt: skip


def reset() -> None:
    """Forget all captures of all functions."""
    for compiled in _all:
        compiled.reset()
