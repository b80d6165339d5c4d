"""Grad modes: whether operators note how to differentiate themselves.

Each thread has modes of its own. Operators read them at every call, so while only one thread uses Kenaz they are plain
slots of `state`; the first time that another thread switches a mode, makes a leaf or runs backward, `notice` gives
`state` a class that looks up whose modes are meant.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from typing import Any


class State:
    """`enabled`: operators build the backward graph. `inference`: inside inference_mode.

    `saving`: hooks on saved tensors, innermost last; `anomaly`: backward looks for the operator that went wrong;
    `watched`: either of them, so that recording asks once. `routing` and `precision` are the operators' own switches.
    """

    __slots__ = (
        "anomaly", "check_nan", "duals", "enabled", "inference", "inferred", "no_hooks", "outside_duals", "passes",
        "precision", "routing", "saving", "watched",
    )  # fmt: skip
    enabled: bool
    inference: bool
    anomaly: bool
    check_nan: bool
    duals: list | None  # inside forward_ad.dual_level: the nodes of tensors that have tangents
    outside_duals: bool  # whether gradients were enabled before
    inferred: bool  # whether there has been an inference mode: its tensors must not be saved for backward
    saving: list
    no_hooks: str | None  # why saved-tensor hooks are forbidden here
    watched: bool
    passes: list  # the backward passes that are running, innermost last
    precision: Any  # ops/precision.py: `on` inside autocast
    routing: Any  # ops/record.py: `active` once there are subclasses of Tensor that operators give back

    def watch(self) -> None:
        """Bring `watched` up to date."""
        self.watched = self.anomaly or self.inferred or bool(self.saving)


class _Modes(threading.local):
    """The modes of a thread other than the first, with which it starts."""

    def __init__(self) -> None:
        self.enabled, self.inference, self.no_hooks = True, False, None
        self.saving: list = []
        self.passes: list = []


_HOME = get_ident()
_others = _Modes()


def _per_thread(name: str) -> property:
    slot: Any = getattr(State, name)

    def get(self: State) -> Any:
        return slot.__get__(self) if get_ident() == _HOME else getattr(_others, name)

    def set(self: State, value: Any) -> None:
        if get_ident() == _HOME:
            slot.__set__(self, value)
        else:
            setattr(_others, name, value)

    return property(get, set)


class _SeveralStates(State):
    """What `state` is once several threads use it: the first one's modes stay where they are."""

    __slots__ = ()
    enabled, inference, no_hooks, saving, passes = map(
        _per_thread, ("enabled", "inference", "no_hooks", "saving", "passes")
    )
    watched = property(
        lambda self: self.anomaly or self.inferred or bool(self.saving), lambda self, value: None
    )


def notice() -> None:
    """Keep the modes of threads apart from now on, if this is not the first one."""
    if get_ident() != _HOME:
        state.__class__ = _SeveralStates


state = State()
state.enabled, state.inference = True, False
state.anomaly, state.check_nan, state.saving, state.no_hooks, state.watched = False, True, [], None, False
state.passes, state.inferred, state.duals, state.outside_duals = [], False, None, True


class _Mode:
    """A switch of `state.enabled` that works as a context, a decorator, and a call."""

    value = True

    def __new__(cls, function: Any = None, *args: Any) -> Any:
        self = object.__new__(cls)
        if callable(function):
            self.__init__()  # type: ignore[misc]  # decorating without parentheses
            return self(function)
        return self

    def __enter__(self) -> Any:
        notice()
        self._before = state.enabled
        state.enabled = self.value
        return self

    def __exit__(self, *_: object) -> None:
        state.enabled = self._before

    def clone(self) -> Any:
        return type(self)()

    def __call__(self, function: Any) -> Any:
        import functools

        if isinstance(function, type):
            for_init = function.__init__  # type: ignore[misc]  # a class's own
            function.__init__ = self(for_init)  # type: ignore[misc]  # a class's own
            return function

        if _is_generator(function):

            @functools.wraps(function)
            def generating(*args: Any, **kwargs: Any) -> Any:
                with self.clone():
                    iterator = function(*args, **kwargs)
                while True:
                    with self.clone():
                        try:
                            value = next(iterator)
                        except StopIteration:
                            return
                    yield value

            return generating

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped


def _is_generator(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & 0x20)


class no_grad(_Mode):
    """Operators inside do not record how to differentiate themselves.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """

    value = False


class enable_grad(_Mode):
    """Operators inside record how to differentiate themselves, also within `no_grad`."""


class set_grad_enabled(_Mode):
    """Switch gradients on or off, at once and, as a context, until it ends."""

    def __init__(self, mode: bool):
        notice()
        self._before = state.enabled
        self.value = bool(mode)
        state.enabled = self.value

    def __new__(cls, mode: Any) -> Any:
        return object.__new__(cls)

    def __enter__(self) -> Any:
        state.enabled = self.value
        return self

    def __call__(self, function: Any) -> Any:
        state.enabled = self._before
        return super().__call__(function)

    def clone(self) -> Any:
        return set_grad_enabled(self.value)


class inference_mode(_Mode):
    """No gradients inside, and tensors made inside can never take part in them."""

    value = False

    def __init__(self, mode: bool = True):
        self.mode = mode if not callable(mode) else True

    def __enter__(self) -> Any:
        notice()
        self._before, self._inference = state.enabled, state.inference
        if self.mode:
            state.enabled, state.inference = False, True
            state.inferred = state.watched = True
        else:
            state.enabled, state.inference = (True, False) if state.inference else (state.enabled, False)
        return self

    def __exit__(self, *_: object) -> None:
        state.enabled, state.inference = self._before, self._inference

    def clone(self) -> Any:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether operators record how to differentiate themselves."""
    notice()
    return state.enabled


def is_inference_mode_enabled() -> bool:
    notice()
    return state.inference


for _mode in (no_grad, enable_grad, set_grad_enabled, inference_mode):
    _mode.__module__ = "torch.autograd.grad_mode"
