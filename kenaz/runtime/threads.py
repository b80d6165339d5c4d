"""How many threads compute: the CPUs that this process may really use, and the number that was asked for.

Containers have fewer CPUs than `os.cpu_count()` says: the scheduler's affinity and the cgroup's quota both count.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

from .blas import use_threads

_asked: list[int] = []
changed: list[Callable[[], None]] = []  # what is to be done when another number is asked for


def usable_cpus() -> int:
    """The number of CPUs that this process may use, by affinity and cgroup quota.

    >>> usable_cpus() >= 1
    True
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        count = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, math.ceil(quota)) if quota else count)


def _cgroup_quota() -> float | None:
    """CPUs that the control group grants: version 2 keeps "quota period" in one file, version 1 in two."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as f:
            quota, period = f.read().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        with open("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") as q, open("/sys/fs/cgroup/cpu/cpu.cfs_period_us") as p:
            quota_us, period_us = int(q.read()), int(p.read())
        return quota_us / period_us if quota_us > 0 else None
    except (OSError, ValueError):
        return None


def get_num_threads() -> int:
    """The number of threads that operators use: what was asked for, else the CPUs that were usable at the first call.

    >>> get_num_threads() >= 1
    True
    """
    if not _asked:
        _asked.append(usable_cpus())
    return _asked[0]


def set_num_threads(num: int) -> None:
    """Let operators use `num` threads, NumPy's BLAS included.

    Raises RuntimeError for numbers below 1.
    """
    if isinstance(num, bool) or not isinstance(num, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    before = get_num_threads()
    _asked[:] = [num]
    use_threads(num)
    if num != before:
        for then in changed:
            then()


_interop: list[int] = []


def get_num_interop_threads() -> int:
    """The number of threads between operators; Kenaz runs operators one after another."""
    return _interop[0] if _interop else 1


def set_num_interop_threads(num: int) -> None:
    """Kept for programs that set it; Kenaz runs operators one after another."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _interop[:] = [num]
