"""Work shared between threads: into how many chunks it is cut, and which part of it a chunk does."""

from __future__ import annotations

from typing import Any

from ..runtime import threads
from .vectors import Writer

LEAST = 1 << 15  # elements moved in about the time that waking a thread takes
EACH = 4  # chunks a thread: whoever is interrupted leaves the rest to the others


def chunks_for(elements: int, units: int, each: int = EACH) -> int:
    """Into how many chunks to cut `units` that cannot be cut themselves and move so many elements in all.

    >>> chunks_for(100, 10)
    1
    """
    several = min(each * threads.get_num_threads(), elements // LEAST, units)
    return max(several, 1) if threads.get_num_threads() > 1 else 1


def part(w: Writer, units: Any, chunk: Any, chunks: Any) -> tuple[Any, Any]:
    """Which units, from the first up to the last, are the chunk's."""
    return w.div(w.mul(units, chunk), chunks), w.div(w.mul(units, w.add(chunk, 1)), chunks)
