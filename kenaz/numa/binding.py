"""What `torchrun` can be told about binding its workers to NUMA nodes: options only, since it starts none here."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["AffinityMode", "NumaOptions"]


class AffinityMode(str, Enum):  # noqa: UP042  # as PyTorch has it: its str() is that of Enum
    """To what a worker is bound."""

    NODE = "node"
    SOCKET = "socket"
    EXCLUSIVE = "exclusive"
    CORE_COMPLEX = "core-complex"


@dataclass(frozen=True)
class NumaOptions:
    """How to bind, and whether to go on where that fails.

    >>> NumaOptions(AffinityMode.NODE)
    NumaOptions(affinity_mode=<AffinityMode.NODE: 'node'>, should_fall_back_if_binding_fails=False)
    """

    affinity_mode: AffinityMode
    should_fall_back_if_binding_fails: bool = False
