"""DataLoader with worker processes: batches come through shared memory; nothing that happens to a worker is lost."""

import gc
import os
import random
import signal
import sys
import time
import warnings

import numpy as np
import pytest

import kenaz as torch
from kenaz.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are forked here")


class Calls(Dataset):
    """Sample i is function(i)."""

    def __init__(self, function, n=4):
        self.function, self.n = function, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.function(i)


class Parts(IterableDataset):
    """Worker w streams 10 w, 10 w + 1, ... with a length of its own."""

    def __iter__(self):
        info = get_worker_info()
        return iter(range(10 * info.id, 10 * info.id + (5 if info.id else 2)))


def load(function, n=4, **options):
    options = {"num_workers": 1, "batch_size": None} | options
    return DataLoader(Calls(function, n), **options)


def raising(error):
    def function(_):
        raise error

    return function


def open_descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


# ------------------------------------------------------------------------------------------------------------- batches
def test_structures_arrive():
    def sample(i):
        big = torch.full((100, 100), i)
        return {"big": big, "same": big, "view": big[:2, ::2], "array": np.full(3, i), "name": f"n{i}", "none": None}

    for i, got in enumerate(load(sample, num_workers=2)):
        assert got["big"].shape == (100, 100) and got["big"].sum().item() == 10000 * i
        assert got["same"] is got["big"] and got["view"].shape == (2, 50)
        assert got["array"].tolist() == [i, i, i] and got["name"] == f"n{i}" and got["none"] is None


def test_dtypes_and_strides_arrive():
    tensors = [
        torch.ones(50, 60).t(),
        torch.ones(3, dtype=torch.bfloat16),
        torch.ones(2, 2, dtype=torch.complex64),
        torch.tensor([True]),
        torch.ones(2).expand(4, 2),
        torch.tensor(5),
        torch.empty(0, 3),
        torch.arange(10)[3:5],
    ]
    (got,) = load(lambda _: tensors, 1)
    for a, b in zip(tensors, got, strict=True):
        assert a.dtype is b.dtype and a.shape == b.shape and a.stride() == b.stride() and a.tolist() == b.tolist()


def test_batches_may_be_kept_and_changed():
    """The memory of a batch is reused only after the batch is gone."""
    kept = list(load(lambda i: torch.full((100, 100), i), 60, num_workers=2))
    assert [int(t[50, 50]) for t in kept] == list(range(60))
    for t in kept:
        t += 1
    assert [int(t.sum()) // 10000 for t in kept] == list(range(1, 61))
    part = None
    for i, t in enumerate(load(lambda i: torch.full((100, 100), i), 60)):
        assert t.sum().item() == 10000 * i
        part = t[3] if i == 5 else part
    assert part.tolist() == [5] * 100


def test_batches_of_growing_size():
    sizes = [10, 5000, 100, 50000, 20, 200000]
    assert [len(t) for t in load(lambda i: torch.zeros(sizes[i]), 6)] == sizes


def test_without_shared_files(monkeypatch):
    from kenaz.utils.data._utils import transport

    def refuse(size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transport, "anonymous_file", refuse)
    assert [t.sum().item() for t in load(lambda i: torch.full((100, 100), i))] == [0, 10000, 20000, 30000]


def test_requires_grad_travels():
    assert all(t.requires_grad and t.is_leaf for t in load(lambda _: torch.ones(2, requires_grad=True)))
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor which requires_grad"):
        list(load(lambda _: torch.ones(2, requires_grad=True) * 2))


def test_huge_index_lists():
    """Tasks that do not fit into the socket must not block either side."""
    n = 200_000
    batches = [list(range(n))] * 6
    loader = DataLoader(range(n), batch_sampler=batches, collate_fn=lambda b: (len(b), "x" * n), num_workers=2)
    assert [length for length, _ in loader] == [n] * 6


def test_nothing_is_left_behind():
    segments = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    list(load(lambda i: torch.zeros(100, 100)))
    before = open_descriptors()
    for _ in range(3):
        next(iter(load(lambda i: torch.zeros(100, 100), num_workers=2)))
        list(load(lambda i: torch.zeros(100, 100)))
    assert open_descriptors() == before
    assert not segments or set(os.listdir("/dev/shm")) <= segments


# --------------------------------------------------------------------------------------------------------------- order
def test_order():
    assert list(load(lambda i: i, 9, num_workers=2)) == list(range(9))
    slow_zero = load(lambda i: time.sleep(0.3 * (i == 0)) or i, 6, num_workers=2, in_order=False)
    got = list(slow_zero)
    assert sorted(got) == list(range(6)) and got[0] != 0


def test_streams():
    want = [0, 10, 1, 11, 12, 13, 14]
    assert list(DataLoader(Parts(), batch_size=None, num_workers=2)) == want
    loader = DataLoader(Parts(), batch_size=None, num_workers=2, persistent_workers=True)
    assert list(loader) == want == list(loader)
    assert [b.tolist() for b in DataLoader(Parts(), batch_size=2, num_workers=2)] == [[0, 1], [10, 11], [12, 13], [14]]


def test_length_warning_speaks_of_workers():
    class Claimed(Parts):
        def __len__(self):
            return 6

    loader = DataLoader(Claimed(), batch_size=None, num_workers=2)
    assert len(loader) == 6
    with pytest.warns(UserWarning, match="not properly configuring the IterableDataset replica at each worker"):
        for _ in loader:
            pass


def test_seeds():
    def sample(_):
        return (
            torch.randint(10**6, (1,)).item(), random.randrange(10**6), int(np.random.randint(10**6)),
            torch.initial_seed(), get_worker_info().seed,
        )  # fmt: skip

    torch.manual_seed(3)
    first, second = 937055941807507096, 937055941807507097
    assert list(map(tuple, load(sample, num_workers=2))) == [
        (708967, 228525, 394058, first, first),
        (310091, 94893, 208785, second, second),
        (354628, 220189, 492114, first, first),
        (812933, 699115, 540335, second, second),
    ]


def test_worker_info():
    assert get_worker_info() is None
    names = [
        (*numbers, threads)
        for numbers, threads in load(lambda _: (get_worker_info()[:2], torch.get_num_threads()), 2, num_workers=2)
    ]
    assert names == [(0, 2, 1), (1, 2, 1)]


def test_worker_init_fn():
    seen = []
    assert list(load(lambda i: seen[0], 3, num_workers=2, worker_init_fn=seen.append)) == [0, 1, 0] and not seen


def test_persistent_workers():
    loader = load(lambda _: os.getpid(), num_workers=2, persistent_workers=True)
    first = list(loader)
    assert list(loader) == first and iter(loader) is iter(loader)
    for _ in loader:  # broken off: what is under way belongs to no later epoch
        break
    assert list(loader) == first
    assert len(set(load(lambda _: os.getpid(), num_workers=2))) == 2


def test_persistent_order():
    torch.manual_seed(7)
    loader = DataLoader(range(6), batch_size=2, num_workers=2, persistent_workers=True, shuffle=True)
    epochs = [[b.tolist() for b in loader] for _ in range(2)]
    assert epochs == [[[5, 1], [3, 0], [4, 2]], [[3, 5], [1, 0], [4, 2]]]
    assert torch.randint(10**6, (1,)).item() == 259287


# -------------------------------------------------------------------------------------------------------------- errors
class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


class WithMessage(Exception):
    message = "x"

    def __init__(self, message):
        super().__init__(message)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("bad"), ValueError),
        (KeyError("bad\nkey"), KeyError),
        (FileNotFoundError(2, "No such file"), OSError),
        (WithMessage("hi"), WithMessage),
        (TwoArguments(1, 2), RuntimeError),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), RuntimeError),
    ],
)
def test_exceptions_keep_their_type(error, kind):
    with pytest.raises(kind) as caught:
        list(load(raising(error)))
    text = str(caught.value)
    assert text.startswith(f"Caught {type(error).__name__} in DataLoader worker process 0.\nOriginal Traceback (most")
    assert "in function" in text and "raise error" in text


def test_unpicklable_exception_type():
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match="Caught RuntimeError in DataLoader worker process 0") as caught:
        list(load(raising(Local("deep"))))
    assert "Local: deep" in str(caught.value)


def test_unpicklable_batch():
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="in DataLoader worker process 0"):
        list(load(lambda _: lambda: None))


def test_iteration_goes_on_after_an_error():
    it = iter(load(lambda i: 1 // i, 4))
    with pytest.raises(ZeroDivisionError):
        next(it)
    assert list(it) == [1, 0, 0]


def test_error_in_worker_init_fn_and_in_iter():
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker process 0"):
        list(load(lambda i: i, worker_init_fn=lambda _: 1 / 0))

    class Bad(IterableDataset):
        def __iter__(self):
            raise ValueError("no stream")

    with pytest.raises(ValueError, match="no stream"):
        list(DataLoader(Bad(), num_workers=1))


def dead(loader):
    start = time.monotonic()
    message = r"^DataLoader worker \(pid\(s\) \d+(, \d+)*\) exited unexpectedly$"
    with pytest.raises(RuntimeError, match=message) as caught:
        list(loader)
    assert time.monotonic() - start < 4
    return str(caught.value.__cause__)


def test_killed_worker():
    assert "is killed by signal: Killed. " in dead(load(lambda _: os.kill(os.getpid(), signal.SIGKILL)))
    assert "exited unexpectedly with exit code 7. Details are lost" in dead(load(lambda _: os._exit(7)))
    assert "with exit code 3" in dead(load(raising(SystemExit(3))))


def test_worker_killed_while_another_works():
    def function(i):
        if i == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.5)

    assert "Killed" in dead(load(function, 8, num_workers=2))


def test_worker_killed_from_outside():
    loader = load(lambda i: torch.zeros(1000) + i, 1000, num_workers=2)
    it = iter(loader)
    next(it)
    os.kill(it._workers[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        for _ in it:
            time.sleep(0.001)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(it)
    assert not any(p.is_alive() for p in it._workers)


def test_persistent_loader_recovers_from_a_killed_worker():
    loader = load(lambda i: i, 4, persistent_workers=True)
    assert list(loader) == [0, 1, 2, 3]
    os.kill(loader._iterator._workers[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    assert list(loader) == [0, 1, 2, 3]


def test_timeout():
    with pytest.raises(RuntimeError, match="^DataLoader timed out after 0.2 seconds$"):
        list(load(lambda _: time.sleep(1), timeout=0.2))
    with pytest.raises(AssertionError, match="requires timeout == 0"):
        iter(DataLoader([1], timeout=3))


def test_interrupt_ends_the_workers():
    """Ctrl-C reaches the loader and its workers alike; the workers go quietly when the loader goes."""
    it = iter(load(lambda i: time.sleep(0.05) or i, 100, num_workers=2))
    next(it)
    workers = list(it._workers)
    for p in workers:
        os.kill(p.pid, signal.SIGINT)
    assert next(it) == 1  # by itself it does not harm them
    signal.signal(signal.SIGALRM, raise_interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.12)
    with pytest.raises(KeyboardInterrupt):
        for _ in it:
            pass
    del it
    gc.collect()
    for p in workers:
        p.join(2)
        assert p.exitcode == 0


def raise_interrupt(*_):
    raise KeyboardInterrupt


def test_workers_end_with_the_iterator():
    it = iter(load(lambda i: i, 100, num_workers=2))
    next(it)
    workers = list(it._workers)
    del it
    gc.collect()
    assert [p.exitcode for p in workers] == [0, 0]


def test_workers_end_when_their_parent_is_killed():
    script = (
        "import os, sys, kenaz as torch\n"
        "from kenaz.utils.data import DataLoader\n"
        "it = iter(DataLoader(range(100), num_workers=2)); next(it)\n"
        "print(*[p.pid for p in it._workers], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    import subprocess

    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60).stdout
    pids = [int(p) for p in out.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 8
    while any(is_running(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(p) for p in pids)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_program_that_ends_inside_the_loop_is_quiet():
    import subprocess

    script = (
        "import kenaz as torch\n"
        "from kenaz.utils.data import DataLoader\n"
        "loader = DataLoader(torch.zeros(1000, 9000), num_workers=2, persistent_workers=True)\n"
        "for x in loader: break\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_spawned_workers():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = TensorDataset(torch.arange(9).reshape(3, 3), torch.ones(3, 5000))
        loader = DataLoader(data, num_workers=1, multiprocessing_context="spawn")
        want = [([[3 * i, 3 * i + 1, 3 * i + 2]], 5000) for i in range(3)]
        assert [(a.tolist(), b.sum().item()) for a, b in loader] == want
    with pytest.raises(ValueError, match="should specify a valid start method in"):
        load(abs, multiprocessing_context="xfork")
