"""Pipes that give each of several processes its part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from ..datapipe import IterDataPipe, functional_datapipe
from .callable import _length

__all__ = ["SHARDING_PRIORITIES", "ShardingFilterIterDataPipe"]


class SHARDING_PRIORITIES(IntEnum):
    """Among what samples are shared out, the outermost first."""

    DEFAULT = 1
    DISTRIBUTED = 2
    MULTIPROCESSING = 3


@functional_datapipe("sharding_filter")
class ShardingFilterIterDataPipe(IterDataPipe):
    """Every n-th sample, from a place on: `apply_sharding` says which."""

    def __init__(self, source_datapipe: Any, sharding_group_filter: Any = None) -> None:
        self.source_datapipe, self.sharding_group_filter = source_datapipe, sharding_group_filter
        self.groups: dict[int, tuple[int, int]] = {}
        self.num_of_instances, self.instance_id = 1, 0

    def is_shardable(self) -> bool:
        return True

    def apply_sharding(
        self, num_of_instances: int, instance_id: int, sharding_group: Any = SHARDING_PRIORITIES.DEFAULT
    ) -> None:  # fmt: skip
        """Give samples `instance_id`, `instance_id + num_of_instances`, ... of what the groups before leave."""
        if instance_id >= num_of_instances:
            raise ValueError(
                f"instance_id({instance_id}) should be smaller than num_of_instances({num_of_instances})"
            )
        default = SHARDING_PRIORITIES.DEFAULT
        if sharding_group == default and any(g != default for g in self.groups):
            raise RuntimeError("ShardingFilter cannot mix DEFAULT and non DEFAULT groups")
        self.groups[int(sharding_group)] = (num_of_instances, instance_id)
        self.num_of_instances, self.instance_id = 1, 0
        for _, (count, place) in sorted(self.groups.items()):
            self.instance_id += self.num_of_instances * place
            self.num_of_instances *= count

    def __iter__(self) -> Iterator:
        return itertools.islice(iter(self.source_datapipe), self.instance_id, None, self.num_of_instances)

    def __len__(self) -> int:
        count, left = divmod(_length(self, self.source_datapipe), self.num_of_instances)
        return count + (self.instance_id < left)
