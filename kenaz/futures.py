"""Futures: values that somebody will set, with functions to run on them then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import GenericAlias
from typing import Any

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A value that is set once, by `set_result` or `set_exception`.

    >>> future = Future()
    >>> following = future.then(lambda done: done.value() + 1)
    >>> future.set_result(1)
    >>> following.wait()
    2
    """

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, *, devices: list | None = None) -> None:
        self._finished = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: Exception | None = None
        self._callbacks: list[Callable[[], None]] = []

    def done(self) -> bool:
        """Whether there is a value or an error."""
        return self._done

    def wait(self) -> Any:
        """The value, as soon as there is one; raises the error that was set instead."""
        with self._finished:
            self._finished.wait_for(lambda: self._done)
        return self.value()

    def value(self) -> Any:
        """The value of a future that is done."""
        if not self._done:
            raise RuntimeError("value() of a Future that is not done; wait() for it first")
        if self._error is not None:
            raise self._error
        return self._value

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """The future of `callback(self)`, which runs when this one is done."""
        following = Future()

        def run() -> None:
            try:
                following.set_result(callback(self))
            except Exception as error:
                following.set_exception(
                    RuntimeError(
                        f"Got the following error when running the callback: {type(error).__name__}: {error}"
                    )
                )

        self._when_done(run)
        return following

    def add_done_callback(self, callback: Callable[[Future], None]) -> None:
        """Run `callback(self)` when this future is done; an error in it is printed."""

        def run() -> None:
            import traceback

            try:
                callback(self)
            except Exception:
                traceback.print_exc()

        self._when_done(run)

    def set_result(self, result: Any) -> None:
        """Set the value, and run what waits for it."""
        self._complete(result, None)

    def set_exception(self, result: Exception) -> None:
        """Set an error, which waiting raises."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._complete(None, result)

    def _complete(self, value: Any, error: Exception | None) -> None:
        with self._finished:
            if self._done:
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future can only be marked "
                    "completed once."
                )
            self._value, self._error, self._done = value, error, True
            waiting, self._callbacks = self._callbacks, []
            self._finished.notify_all()
        for run in waiting:
            run()

    def _when_done(self, run: Callable[[], None]) -> None:
        with self._finished:
            if not self._done:
                self._callbacks.append(run)
                return
        run()


def collect_all(futures: list[Future]) -> Future:
    """A future of the list of futures, done when all of them are; the first error becomes its own."""
    everything = Future()
    lock, left = threading.Lock(), [len(futures)]

    def one_done(_: Future) -> None:
        with lock:
            left[0] -= 1
            finished = not left[0]
        if finished:
            error = next((f._error for f in futures if f._error is not None), None)
            everything._complete(list(futures), error)

    if not futures:
        everything.set_result([])
    for future in futures:
        future.add_done_callback(one_done)
    return everything


def wait_all(futures: list[Future]) -> list:
    """The values of all futures; raises the first error.

    >>> first, second = Future(), Future()
    >>> first.set_result(1), second.set_result(2)
    (None, None)
    >>> wait_all([first, second])
    [1, 2]
    """
    return [future.wait() for future in collect_all(futures).wait()]


Future.__module__ = "torch.jit"
