"""Running statements and taking the time; what they record runs before the clock is read."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

from ... import _api as torch
from ... import execute
from .measurement import Measurement

__all__ = ["Timer", "timer"]


def timer() -> float:
    """The time, after everything that is recorded has run."""
    execute.flush()
    return timeit.default_timer()


class Timer:
    """Takes the time of a statement; `setup` and `global_setup` run before.

    >>> Timer("x + 1", globals={"x": torch.ones(2)}).timeit(10).number_per_run
    10
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
        description: str | None = None, env: str | None = None, num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if str(language).lower() not in ("python", "language.python", "0"):
            raise ValueError("statements in C++ cannot be built: there are no headers")
        names = dict(globals or {})
        names.setdefault("torch", torch)
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self.stmt, self.num_threads = stmt, num_threads
        self.title = ": ".join(p for p in (label, sub_label, description) if p)

    def _measurement(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self.stmt, self.title, self.num_threads)

    def _run(self, number: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(self.num_threads)
        try:
            return self._timer.timeit(max(number, 1))
        finally:
            torch.set_num_threads(before)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """The time of so many runs, after a few for warming up."""
        self._run(max(number // 100, 2))
        return self._measurement(number, [self._run(number)])

    def _block_size(self, min_run_time: float) -> int:
        """How many runs take a thousandth of the time: their clock readings do not count any more."""
        number = 1
        while (seconds := self._run(number)) < min_run_time / 1000 and number < 10**9:
            number = max(2 * number, int(number * min_run_time / 1000 / max(seconds, 1e-9) / 2))
        return number

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:  # fmt: skip
        """Blocks of runs, until they have taken `min_run_time` seconds."""
        number = self._block_size(min_run_time)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
        return self._measurement(number, times)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:  # fmt: skip
        """Blocks of runs, until the middle half of them differs by less than a share of the median."""
        number = self._block_size(min_run_time)
        times: list[float] = []
        while sum(times) < max_run_time:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
            found = self._measurement(number, times)
            if len(times) > 3 and sum(times) > min_run_time and found.iqr < threshold * found.median:
                break
        return self._measurement(number, times)
