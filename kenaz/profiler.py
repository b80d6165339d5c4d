"""`torch.profiler`: a schedule of steps around the profiles of `autograd/profiler.py`."""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from .autograd import profiler
from .autograd.profiler import record_function

__all__ = ["ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler"]


class ProfilerActivity(enum.Enum):
    """What to profile; `supported_activities` says what can be."""

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What to do in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def kineto_available() -> bool:
    """Whether PyTorch's tracing library is there: profiles here work without."""
    return False


def supported_activities() -> set[ProfilerActivity]:
    """What can be profiled."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What to do in each step: skip some, wait, warm up, record; and again.

    >>> [schedule(wait=1, warmup=1, active=2)(i).name for i in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, active - 1, repeat, skip_first) < 0:
        raise AssertionError("Invalid profiler schedule arguments")

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if skip_first_wait:
            step += wait
        length = wait + warmup + active
        if step < 0 or repeat and step // length >= repeat:
            return ProfilerAction.NONE
        at = step % length
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable:
    """A function that writes the profile it gets into a folder, as a timeline."""

    def write(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = f"{worker_name or os.getpid()}.{time.time_ns()}.pt.trace.json"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return write


class profile:
    """Collects what runs in the steps that the schedule records: operators and the parts named by `record_function`.

    >>> from kenaz import ones
    >>> with profile() as p, record_function("work"):
    ...     x = ones(4).cumsum(0)
    >>> sorted(e.key for e in p.key_averages())
    ['cumsum', 'full', 'work']
    """

    def __init__(
        self,
        *,
        activities: Iterable | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable | None = None,
        **options: Any,
    ) -> None:
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self._collected = profiler.profile()

    def start(self) -> None:
        self._act(ProfilerAction.NONE, self.schedule(self.step_num))

    def stop(self) -> None:
        recording = self.schedule(self.step_num) in _RECORDING
        self._collected.__exit__()
        if recording and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """The end of a step."""
        before = self.schedule(self.step_num)
        self.step_num += 1
        self._act(before, self.schedule(self.step_num))

    def _act(self, before: ProfilerAction, after: ProfilerAction) -> None:
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._collected.__exit__()
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if after in _RECORDING and before is not ProfilerAction.RECORD:
            self._collected = profiler.profile()
            self._collected.__enter__()

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def events(self) -> profiler.EventList:
        return self._collected.function_events

    def key_averages(self, *args: Any, **kwargs: Any) -> profiler.EventList:
        """One event for every name."""
        return self._collected.key_averages(*args, **kwargs)

    def export_chrome_trace(self, path: Any) -> None:
        """Write the events as a timeline for chrome://tracing."""
        self._collected.export_chrome_trace(path)


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
