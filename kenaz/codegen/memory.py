"""Where a plan's values are: one arena for all plans, which run one after another, laid out by who lives when."""

from __future__ import annotations

import numpy as np

ALIGN = 64  # bytes


class Layout:
    """Places in an arena: `take` and `give` in the order of the steps, best fit first."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # (start, length), in order of start

    def take(self, nbytes: int) -> int:
        """The start of a free place of so many bytes."""
        length = -(-max(nbytes, 1) // ALIGN) * ALIGN
        fits = [k for k, (_, n) in enumerate(self._free) if n >= length]
        if fits:
            k = min(fits, key=lambda k: self._free[k][1])
            start, n = self._free[k]
            self._free[k : k + 1] = [(start + length, n - length)] if n > length else []
            return start
        start = self.size
        if self._free and sum(self._free[-1]) == self.size:  # what is free at the end is made longer
            start = self._free.pop()[0]
        self.size = start + length
        return start

    def give(self, start: int, nbytes: int) -> None:
        """Free a place."""
        length = -(-max(nbytes, 1) // ALIGN) * ALIGN
        free = sorted([*self._free, (start, length)])
        merged = [free[0]]
        for s, n in free[1:]:
            if sum(merged[-1]) == s:
                merged[-1] = merged[-1][0], merged[-1][1] + n
            else:
                merged.append((s, n))
        self._free = merged


class Arena:
    """Memory that grows to what the largest plan needs. `base` changes when it grows."""

    def __init__(self) -> None:
        self.size = self.base = 0
        self._memory: np.ndarray | None = None

    def reserve(self, nbytes: int) -> int:
        """The address of at least so many bytes."""
        if nbytes > self.size:
            self._memory = None  # free the old memory first
            self._memory = np.empty(nbytes + ALIGN, np.uint8)
            self.size = nbytes
            self.base = -(-self._memory.__array_interface__["data"][0] // ALIGN) * ALIGN
        return self.base


arena = Arena()
