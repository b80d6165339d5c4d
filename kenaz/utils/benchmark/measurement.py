"""The times of a statement."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Measurement"]

_UNITS = ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"))


def select_unit(seconds: float) -> tuple[str, float]:
    """The unit in which a time is a readable number, and its size.

    >>> select_unit(0.002)
    ('ms', 0.001)
    """
    return next(((name, size) for size, name in reversed(_UNITS) if seconds >= size), ("ns", 1e-9))


@dataclass
class Measurement:
    """Times of `number_per_run` runs each.

    >>> m = Measurement(2, [0.002, 0.004, 0.006], "f(x)")
    >>> m.median, m.iqr
    (0.002, 0.001)
    """

    number_per_run: int
    raw_times: list[float]
    stmt: str = "pass"
    title: str = field(default="")
    num_threads: int = 1

    @property
    def times(self) -> list[float]:
        """Seconds of one run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        return float(np.mean(self.times))

    @property
    def median(self) -> float:
        return float(np.median(self.times))

    @property
    def iqr(self) -> float:
        """The range that holds the middle half of the times."""
        low, high = np.quantile(self.times, (0.25, 0.75))
        return float(high - low)

    def __repr__(self) -> str:
        name, size = select_unit(self.median)
        count = len(self.raw_times)
        lines = [f"{object.__repr__(self)}", self.title or self.stmt]
        if count > 1:
            lines += [f"  Median: {self.median / size:.2f} {name}", f"  IQR:    {self.iqr / size:.2f} {name}"]
        else:
            lines.append(f"  {self.median / size:.2f} {name}")
        lines.append(f"  {count} measurement{'s' if count > 1 else ''}, {self.number_per_run} runs per measurement, ")
        return "\n".join([*lines[:-1], lines[-1] + f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"])
