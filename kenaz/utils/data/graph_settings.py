"""Settings for all pipes of a graph at once: shuffling, seeds, sharing samples out."""

from __future__ import annotations

from typing import Any

from ... import _api as torch
from .datapipes.iter.sharding import SHARDING_PRIORITIES
from .graph import traverse_dps

__all__ = [
    "apply_random_seed", "apply_sharding", "apply_shuffle_seed", "apply_shuffle_settings", "get_all_graph_pipes",
]  # fmt: skip


def get_all_graph_pipes(graph: dict) -> list:
    """Every pipe of what `traverse_dps` gives, once."""
    found: dict[int, Any] = {}

    def visit(graph: dict) -> None:
        for key, (pipe, inner) in graph.items():
            if key not in found:
                found[key] = pipe
                visit(inner)

    visit(graph)
    return list(found.values())


def _pipes(datapipe: Any) -> list:
    return get_all_graph_pipes(traverse_dps(datapipe))


def _has(pipe: Any, *names: str) -> bool:
    return all(callable(getattr(type(pipe), name, None)) for name in names)


def apply_sharding(
    datapipe: Any, num_of_instances: int, instance_id: int, sharding_group: Any = SHARDING_PRIORITIES.DEFAULT
) -> Any:  # fmt: skip
    """Let every `sharding_filter` of a graph give one part of several."""
    for pipe in _pipes(datapipe):
        if _has(pipe, "apply_sharding"):
            pipe.apply_sharding(num_of_instances, instance_id, sharding_group=sharding_group)
    return datapipe


def apply_shuffle_settings(datapipe: Any, shuffle: bool | None = None) -> Any:
    """Switch every shuffler of a graph on or off; where it has none and shall shuffle, one is put at its end.

    >>> from .datapipes.iter import IterableWrapper
    >>> list(apply_shuffle_settings(IterableWrapper(range(3)).shuffle(), False))
    [0, 1, 2]
    """
    if shuffle is None:
        return datapipe
    shufflers = [pipe for pipe in _pipes(datapipe) if _has(pipe, "set_shuffle", "set_seed")]
    if not shufflers and shuffle:
        import warnings

        warnings.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at the end. Be aware "
            "that the default buffer size might not be sufficient for your task.",
            stacklevel=2,
        )
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_shuffle_seed(datapipe: Any, rng: Any) -> Any:
    """As `apply_random_seed`."""
    return apply_random_seed(datapipe, rng)


def seed_pipes(datapipe: Any, seed: int) -> int:
    """`apply_random_seed` with a generator of a seed, which is given back."""
    apply_random_seed(datapipe, torch.Generator().manual_seed(seed))
    return seed


def share_pipes(datapipe: Any, seed: int, workers: int, worker: int) -> None:
    """Seed a worker's pipes as every worker's, and let them give its part of the samples."""
    seed_pipes(datapipe, seed)
    apply_sharding(datapipe, workers, worker, SHARDING_PRIORITIES.MULTIPROCESSING)


def apply_random_seed(datapipe: Any, rng: Any) -> Any:
    """Give every random pipe of a graph a seed drawn from a generator."""
    for pipe in _pipes(datapipe):
        if _has(pipe, "set_seed"):
            pipe.set_seed(int(torch.empty((), dtype=torch.int64).random_(generator=rng).item()))
    return datapipe
