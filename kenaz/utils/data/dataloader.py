"""DataLoader: batches of a dataset in a sampler's order, fetched here or by worker processes.

sampler -> indices of a batch -> fetcher (dataset[i], collate) -> batch
                    |                    ^
                    +-- with workers: the fetcher runs in them, see _utils/worker.py and _utils/channel.py
"""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ... import _api as torch
from ...execute import drop_unseen, flush
from .._naming import reduce_ex, show_as_torch
from . import _utils
from ._utils.collate import default_collate, default_convert
from ._utils.fetch import _DatasetKind
from ._utils.worker import _IterableDatasetStopIteration, get_worker_info
from .datapipes.datapipe import IterDataPipe
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

__all__ = ["DataLoader", "get_worker_info", "default_collate", "default_convert"]

_T_co = TypeVar("_T_co", covariant=True)


class _InfiniteConstantSampler(Sampler):
    """None, forever: an IterableDataset is not asked for indices."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[_T_co]):
    """Iterates over a dataset in batches.

    >>> list(DataLoader(torch.arange(5), batch_size=2))
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler | Iterable
    pin_memory_device: str
    prefetch_factor: int | None
    _iterator: Any
    __initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: torch.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        if isinstance(dataset, IterDataPipe):
            from .graph_settings import apply_shuffle_settings

            apply_shuffle_settings(dataset, shuffle)  # of those it has, as PyTorch's loader does
        is_iterable = isinstance(dataset, IterableDataset)
        if isinstance(dataset, IterDataPipe):
            shuffle = None  # its shufflers do it
        self._dataset_kind = _DatasetKind.Iterable if is_iterable else _DatasetKind.Map
        if is_iterable:
            _check_iterable(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")

        if sampler is None:
            if is_iterable:
                sampler = _InfiniteConstantSampler()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self) -> Any:
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            context = _check_context(context, self.num_workers)
        self.__multiprocessing_context = context

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    __reduce_ex__ = reduce_ex

    def __iter__(self) -> _BaseDataLoaderIter:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None or not self._iterator._crew.is_usable():
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        # The length that a stream claims may be wrong; the iterator warns once it has seen more.
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn if there are more workers than processors."""
        if not self.num_workers:
            return
        known = hasattr(os, "sched_getaffinity")
        processors = len(os.sched_getaffinity(0)) if known else os.cpu_count()
        if processors is not None and self.num_workers <= processors:
            return
        suggestion = (
            f"Our suggested max number of worker in current system is {processors}"
            f"{'' if known else ' (`cpuset` is not taken into account)'}, which is smaller than what this DataLoader "
            "is going to create."
            if processors is not None
            else "DataLoader is not able to compute a suggested max number of worker in current system."
        )
        warnings.warn(
            f"This DataLoader will create {self.num_workers} worker processes in total. {suggestion} Please be aware "
            "that excessive worker creation might get DataLoader running slow or even freeze, lower the worker number "
            "to avoid potential slowness/freeze if necessary.",
            stacklevel=2,
        )


_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


def _check_context(context: Any, num_workers: int) -> Any:
    """The context that the multiprocessing_context option stands for."""
    import multiprocessing
    from multiprocessing.context import BaseContext

    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {methods!r}, "
                f"but got multiprocessing_context={context!r}"
            )
        context = multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the start method, "
            f"but got multiprocessing_context={context}"
        )
    return context


# ---------------------------------------------------------------------------------------- iterators
def _seed_pipes(loader: DataLoader) -> int | None:
    """Give the random pipes of a graph seeds for a pass, the same in every worker: drawn where there are pipes."""
    if not isinstance(loader.dataset, IterDataPipe):
        return None
    from .graph_settings import seed_pipes

    return seed_pipes(loader.dataset, draw_seed(loader.generator))


class _BaseDataLoaderIter:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader) -> None:
        self._dataset = loader.dataset
        self._shared_seed = _seed_pipes(loader)
        self._pg = None
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._world_size, self._rank = 1, 0
        self._pin_memory = loader.pin_memory and _can_pin_memory(loader)
        self._pin_memory_device = None
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._sampler_iter = iter(self._index_sampler)
        # The order of the draws is PyTorch's: this one when iteration begins, the sampler's at its first index.
        self._base_seed = draw_seed(loader.generator)
        self._persistent_workers = loader.persistent_workers
        self._num_yielded = 0

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        self._shared_seed = _seed_pipes(loader)
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        flush()  # the training step that was recorded since the last batch runs here
        data = self._next_data()
        self._num_yielded += 1
        claimed = self._IterableDataset_len_called
        if claimed is not None and self._num_yielded > claimed and self._dataset_kind == _DatasetKind.Iterable:
            self._warn_length(claimed)
        return data

    def _warn_length(self, claimed: int) -> None:
        message = (
            f"Length of IterableDataset {self._dataset} was reported to be {claimed}(when accessing len(dataloader)), "
            f"but {self._num_yielded} samples have been fetched. "
        )
        if self._num_workers > 0:
            message += (
                "For multiprocessing data-loading, this could be caused by not properly configuring the "
                "IterableDataset replica at each worker. Please see "
                "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
            )
        warnings.warn(message, stacklevel=3)

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


def _can_pin_memory(loader: DataLoader) -> bool:
    from ... import cuda

    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=4,
        )
    if cuda.is_available():
        return True
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
        stacklevel=4,
    )
    return False


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        assert self._timeout == 0, "_SingleProcessDataLoaderIter requires timeout == 0"
        assert self._num_workers == 0, "_SingleProcessDataLoaderIter requires num_workers == 0"
        self._dataset_fetcher = _DatasetKind.create_fetcher(
            self._dataset_kind, self._dataset, self._auto_collation, self._collate_fn, self._drop_last
        )

    def _next_data(self) -> Any:
        data = self._dataset_fetcher.fetch(self._next_index())
        drop_unseen()  # of samples that were stacked without running what made them
        flush()  # so that what made this batch is not part of the training step's graph
        return _utils.pin_memory.pin_memory(data) if self._pin_memory else data


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Tasks are numbered; task n goes to the workers in turn, and its batch is handed out n-th (`in_order`).

    Each worker has `prefetch_factor` tasks at a time. A worker that meets the end of its IterableDataset answers so and
    gets no further tasks.
    """

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._prefetch_factor = loader.prefetch_factor or 0
        self._in_order = loader.in_order
        assert self._num_workers > 0
        assert self._prefetch_factor > 0
        self._crew = _Crew(self, loader)
        self._workers = self._crew.processes
        self._finalizer = weakref.finalize(self, self._crew.dismiss)
        self._epoch = -1
        self._reset(loader, first_iter=True)

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        self._epoch += 1
        self._send_idx = self._rcvd_idx = 0  # the next task to send, the next batch to hand out
        self._task_worker: dict[int, int] = {}  # which worker has which task
        self._arrived: dict[int, Any] = {}
        self._is_active = [True] * self._num_workers
        self._turn = 0
        if not first_iter:
            self._crew.post_all((None, _utils.worker._ResumeIteration(self._shared_seed)))
        for _ in range(self._prefetch_factor * self._num_workers):
            self._try_put_index()

    def _next_data(self) -> Any:
        self._accept(self._crew.collect(0))
        while True:
            number = self._number_to_hand_out() if self._crew.ends or self._arrived else None
            if number is None:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if number in self._arrived:
                break
            self._accept(self._crew.collect(self._timeout or None))
        data = self._arrived.pop(number)
        self._try_put_index()
        if isinstance(data, _utils.errors.ExceptionWrapper):
            data.reraise()
        return _utils.pin_memory.pin_memory(data) if self._pin_memory else data

    def _number_to_hand_out(self) -> int | None:
        """The task whose batch is due, or None at the end of the epoch."""
        if not self._in_order and self._arrived:
            return next(iter(self._arrived))
        while self._rcvd_idx < self._send_idx:
            number = self._rcvd_idx
            if number in self._arrived:
                self._rcvd_idx += 1
                return number
            if number in self._task_worker:
                return number
            self._rcvd_idx += 1  # its worker had come to the end, or it was handed out before its turn
        return None

    def _accept(self, answers: list) -> None:
        """Note the batches that have arrived, with the worker each came from."""
        for worker_id, (epoch, number), data in answers:
            if epoch != self._epoch:
                continue  # left over from an epoch that was broken off
            del self._task_worker[number]
            if isinstance(data, _IterableDatasetStopIteration):
                self._is_active[worker_id] = False
                for n in [n for n, w in self._task_worker.items() if w == worker_id]:
                    del self._task_worker[n]
                self._try_put_index()
            else:
                self._arrived[number] = data

    def _try_put_index(self) -> None:
        """Give the next indices to the next worker."""
        worker_id = self._next_worker()
        if worker_id is None:
            return
        try:
            index = self._next_index()
        except StopIteration:
            return
        self._task_worker[self._send_idx] = worker_id
        self._crew.post(worker_id, ((self._epoch, self._send_idx), index))
        self._send_idx += 1

    def _next_worker(self) -> int | None:
        active = [w for w, is_active in enumerate(self._is_active) if is_active]
        if not active:
            return None
        if not self._in_order:  # whoever has least to do
            busy = list(self._task_worker.values())
            return min(active, key=busy.count)
        following = [w for w in active if w >= self._turn] or active
        self._turn = following[0] + 1
        return following[0]

    def _shutdown_workers(self) -> None:
        self._finalizer()


class _Crew:
    """The worker processes of an iterator, and the loader's ends of their sockets."""

    def __init__(self, iterator: _MultiProcessingDataLoaderIter, loader: DataLoader) -> None:
        import multiprocessing
        import selectors
        import socket

        import numpy.random  # noqa: F401  here once, instead of in every worker

        from ._utils import channel, errors  # noqa: F401  likewise

        context = loader.multiprocessing_context or multiprocessing.get_context()
        is_forked = context.get_start_method() == "fork"
        job = _utils.worker.Job(iterator, loader.worker_init_fn)
        self.owner = os.getpid()
        self.processes: list = []
        self.ends: list = []
        self.failure: str | None = None
        self.timeout = loader.timeout
        # poll rather than epoll: one descriptor less, and forked workers cannot share it by accident
        self.selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        flush()  # what is pending must not run again in every worker
        try:
            for i in range(loader.num_workers):
                ours, theirs = socket.socketpair()
                end = channel.LoaderEnd(ours)
                self.ends.append(end)
                self.selector.register(end, selectors.EVENT_READ, i)
                process = context.Process(
                    target=_utils.worker._worker_loop, args=(theirs, job, i, is_forked), daemon=True
                )
                with theirs, warnings.catch_warnings():
                    # Python warns about forking while native threads exist; ours do not outlive a fork
                    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
                    process.start()
                self.processes.append(process)
        except BaseException:
            self.dismiss()
            raise

    def post(self, worker_id: int, task: Any) -> None:
        self.ends[worker_id].post(task)

    def post_all(self, task: Any) -> None:
        for end in self.ends:
            end.post(task)

    def is_usable(self) -> bool:
        return bool(self.ends) and not any(end.is_broken for end in self.ends)

    def collect(self, timeout: float | None) -> list[tuple[int, Any, Any]]:
        """(worker, head, batch) of what has arrived; waits for something unless `timeout` is 0.

        Workers that have died are reported at once, whoever is waited for.
        """
        import selectors
        import time

        if self.failure:
            raise RuntimeError(self.failure)
        if not self.ends:
            return []
        deadline = None if timeout is None else time.monotonic() + timeout
        answers: list = []
        while True:
            for end in self.ends:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if end.has_outgoing else 0)
                key = self.selector.get_key(end)
                if key.events != wanted:
                    self.selector.modify(end, wanted, key.data)
            left = _utils.MP_STATUS_CHECK_INTERVAL if deadline is None else deadline - time.monotonic()
            for key, events in self.selector.select(max(0, min(left, _utils.MP_STATUS_CHECK_INTERVAL))):
                ready: Any = key.fileobj
                if events & selectors.EVENT_WRITE:
                    ready.pump()
                if events & selectors.EVENT_READ:
                    try:
                        answers += [(key.data, *answer) for answer in ready.collect()]
                    except EOFError:
                        self._report(key.data)
            if answers or timeout == 0:
                return answers
            if any(not p.is_alive() for p in self.processes):  # a child of the worker may still hold its socket
                self._report(next(i for i, p in enumerate(self.processes) if not p.is_alive()))
            if left <= 0:
                raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds")

    def _report(self, worker_id: int) -> None:
        """Raise PyTorch's error about workers that are no more."""
        self.processes[worker_id].join(1)
        dead = [p for p in self.processes if not p.is_alive()] or [self.processes[worker_id]]
        cause = _describe_exit(dead[0])
        self.failure = f"DataLoader worker (pid(s) {', '.join(str(p.pid) for p in dead)}) exited unexpectedly"
        self.dismiss()
        raise RuntimeError(self.failure) from cause

    def dismiss(self) -> None:
        """Close the sockets, which makes the workers go; those that do not are stopped."""
        import time

        if os.getpid() != self.owner:
            return  # a forked child that inherited us
        for end in self.ends:
            end.close()
        self.ends = []
        self.selector.close()
        deadline = time.monotonic() + _utils.MP_STATUS_CHECK_INTERVAL
        for process in self.processes:
            process.join(max(0, deadline - time.monotonic()))
            if process.is_alive():
                process.terminate()
                process.join()


def _describe_exit(process: Any) -> RuntimeError | None:
    """What is known about why a process ended."""
    import signal

    code = process.exitcode
    if not code:
        return None
    if code < 0:
        return RuntimeError(f"DataLoader worker (pid {process.pid}) is killed by signal: {signal.strsignal(-code)}. ")
    return RuntimeError(
        f"DataLoader worker (pid {process.pid}) exited unexpectedly with exit code {code}. Details are lost due to "
        "multiprocessing. Rerunning with num_workers=0 may give better error trace."
    )


__test__ = show_as_torch(
    globals(),
    (
        *__all__,
        "_InfiniteConstantSampler",
        "_BaseDataLoaderIter",
        "_SingleProcessDataLoaderIter",
        "_MultiProcessingDataLoaderIter",
    ),
)
