"""The default random stream, as `torch.random`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _api as torch

default_generator = torch.default_generator
get_rng_state: Any = torch.get_rng_state
set_rng_state: Any = torch.set_rng_state
manual_seed, seed, initial_seed = torch.manual_seed, torch.seed, torch.initial_seed


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, *args: Any, **kwargs: Any) -> Iterator[None]:
    """Put the default stream back where it was when the block ends.

    >>> before = get_rng_state()
    >>> with fork_rng():
    ...     _ = torch.rand(3)
    >>> torch.equal(before, get_rng_state())
    True
    """
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)


def thread_safe_generator() -> Any:
    """The generator of a loader's worker thread: workers are processes, whose default stream is their own, so None."""
    return None
