"""What a worker process does: seed its generators, then answer tasks with batches until the loader goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .... import _api as torch
from .fetch import _DatasetKind

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_worker_info: WorkerInfo | None = None


class WorkerInfo(NamedTuple):
    """Who a worker is; `seed` is what its `torch` and `random` generators started from."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


def get_worker_info() -> WorkerInfo | None:
    """The WorkerInfo of the worker that we are in, or None in the main process."""
    return _worker_info


class _IterableDatasetStopIteration:
    """A worker's answer when its copy of an IterableDataset has come to its end."""

    def __init__(self, worker_id: int) -> None:
        self.worker_id = worker_id


class _ResumeIteration:
    """The task of starting the next epoch, with the seed that random pipes share."""

    def __init__(self, shared_seed: int | None = None) -> None:
        self.shared_seed = shared_seed


class Job:
    """What a worker has to know; it is pickled where workers are not forked."""

    def __init__(self, iterator: Any, init_fn: Callable | None) -> None:
        self.kind = iterator._dataset_kind
        self.dataset = iterator._dataset
        self.auto_collation = iterator._auto_collation
        self.collate_fn = iterator._collate_fn
        self.drop_last = iterator._drop_last
        self.base_seed = iterator._base_seed
        self.num_workers = iterator._num_workers
        self.shared_seed = iterator._shared_seed
        self.init_fn = init_fn

    def fetcher(self) -> Any:
        return _DatasetKind.create_fetcher(
            self.kind, self.dataset, self.auto_collation, self.collate_fn, self.drop_last
        )


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """A seed for NumPy's global generator: four words that differ between workers in more than the last digit."""
    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(entropy).generate_state(4).tolist()


def _seed_generators(base_seed: int, worker_id: int) -> None:
    import random

    seed = base_seed + worker_id
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.seed(_generate_state(base_seed, worker_id))


def _worker_loop(sock: socket.socket, job: Job, worker_id: int, is_forked: bool) -> None:
    """The body of a worker process."""
    import signal

    from . import channel

    # Ctrl-C reaches the whole process group; the loader then goes away, and that ends us. SIG_IGN would be inherited by
    # programs that a dataset starts, a handler is not.
    signal.signal(signal.SIGINT, lambda *_: None)
    if is_forked:
        channel.close_inherited()
    end = channel.WorkerEnd(sock)
    torch.set_num_threads(1)
    try:
        _answer_tasks(end, job, worker_id)
    except (EOFError, ConnectionError):  # the loader has gone, or needs nothing more
        pass


def _answer_tasks(end: Any, job: Job, worker_id: int) -> None:
    global _worker_info
    from .errors import ExceptionWrapper

    where = f"in DataLoader worker process {worker_id}"
    seed = job.base_seed + worker_id
    _worker_info = WorkerInfo(worker_id, job.num_workers, seed, job.dataset)
    fetcher = failure = None
    has_ended = False
    try:
        _seed_generators(job.base_seed, worker_id)
        if job.shared_seed is not None:
            from ..graph_settings import share_pipes

            share_pipes(job.dataset, job.shared_seed, job.num_workers, worker_id)
        if job.init_fn is not None:
            job.init_fn(worker_id)
        fetcher = job.fetcher()
    except Exception:
        failure = ExceptionWrapper(where=where)

    while True:
        key, indices = end.receive()
        if isinstance(indices, _ResumeIteration):
            has_ended = False
            if indices.shared_seed is not None:
                from ..graph_settings import seed_pipes

                seed_pipes(job.dataset, indices.shared_seed)
            try:
                fetcher = job.fetcher()
            except Exception:
                fetcher, failure = None, ExceptionWrapper(where=where)
            continue
        if has_ended:
            continue
        try:
            answer = failure if fetcher is None else fetcher.fetch(indices)
        except Exception as error:
            has_ended = isinstance(error, StopIteration) and job.kind == _DatasetKind.Iterable
            answer = _IterableDatasetStopIteration(worker_id) if has_ended else ExceptionWrapper(where=where)
        _send(end, key, answer, where)
        del answer, indices  # free the batch before making the next


def _send(end: Any, key: Any, answer: Any, where: str) -> None:
    from .errors import ExceptionWrapper

    try:
        end.send(key, answer)
    except (EOFError, ConnectionError):
        raise
    except Exception:  # something in the batch, or the type of the exception, cannot be pickled
        if not isinstance(answer, ExceptionWrapper):
            return _send(end, key, ExceptionWrapper(where=where), where)
        answer.exc_type = RuntimeError
        end.send(key, answer)
