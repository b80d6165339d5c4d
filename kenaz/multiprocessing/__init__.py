"""Python's multiprocessing, with tensors that travel between processes as shared memory.

Everything `multiprocessing` offers is here under the same name. Importing this module is what makes queues, pipes and
process arguments share the memory of tensors (`reductions.py`); `spawn` starts a function on several processes.
"""

import multiprocessing
import sys
from multiprocessing import *

from .reductions import init_reductions
from .spawn import (
    ENV_VAR_PARALLEL_START,
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = ["set_sharing_strategy", "get_sharing_strategy", "get_all_sharing_strategies", *multiprocessing.__all__]

# Both names stand for the same thing here: a nameless file whose descriptor is sent. No receiver keeps the descriptor
# open, which is what makes people turn to "file_system" in PyTorch.
_all_sharing_strategies = {"file_system"} if sys.platform in ("darwin", "win32") else {"file_descriptor", "file_system"}
_sharing_strategy = "file_system" if sys.platform in ("darwin", "win32") else "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Note the strategy by which tensors are shared."""
    global _sharing_strategy
    assert new_strategy in _all_sharing_strategies, (
        f"invalid sharing strategy {new_strategy!r}, expected one of {_all_sharing_strategies}"
    )
    _sharing_strategy = new_strategy


def get_sharing_strategy() -> str:
    return _sharing_strategy


def get_all_sharing_strategies() -> set[str]:
    return _all_sharing_strategies


init_reductions()
