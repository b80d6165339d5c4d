"""The sampler that gives every process of a distributed training its own share of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from ... import _api as torch
from .._naming import show_as_torch
from .sampler import Sampler

__all__ = ["DistributedSampler"]

_T_co = TypeVar("_T_co", covariant=True)


class DistributedSampler(Sampler[_T_co]):
    """Every `num_replicas`-th index, starting at `rank`; `set_epoch` before each epoch changes the shuffle.

    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = _process_group().get_world_size()
        if rank is None:
            rank = _process_group().get_rank()
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        # Shares are equally long: the remainder is dropped, or filled up from the start.
        round_ = math.floor if drop_last else math.ceil
        self.num_samples = round_(len(self.dataset) / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[_T_co]:
        n = len(self.dataset)
        if self.shuffle:
            generator = torch.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = torch.randperm(n, generator=generator).tolist()
        else:
            indices = list(range(n))
        if not self.drop_last and indices:
            indices *= math.ceil(self.total_size / n)
        indices = indices[: self.total_size]
        assert len(indices) == self.total_size, f"{len(indices)} indices, but the shares sum to {self.total_size}"
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration use the shuffle of this epoch (the same in all processes)."""
        self.epoch = epoch


def _process_group():
    """kenaz.distributed, with its default process group present."""
    from ... import distributed

    if not distributed.is_available():
        raise RuntimeError("Requires distributed package to be available")
    return distributed


__test__ = show_as_torch(globals(), __all__)
