"""Tensors that processes share, and functions started on several processes."""

import os
import signal
import sys
import time

import pytest

import kenaz as torch
import kenaz.multiprocessing as mp
from kenaz.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked here")


def fork(function, *args, nprocs=2, **options):
    return mp.start_processes(function, args, nprocs, start_method="fork", **options)


def test_names():
    import multiprocessing

    assert all(getattr(mp, name) is getattr(multiprocessing, name) for name in multiprocessing.__all__)
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    with pytest.raises(AssertionError, match="invalid sharing strategy 'x', expected one of"):
        mp.set_sharing_strategy("x")


def test_queue_shares_memory():
    context = mp.get_context("fork")
    there, back = context.Queue(), context.Queue()

    def child():
        t = there.get()
        back.put(t.tolist())
        t += 1
        back.put("done")

    process = context.Process(target=child, daemon=True)
    process.start()
    x = torch.arange(4.0)
    there.put(x)
    assert back.get(timeout=20) == [0, 1, 2, 3] and back.get(timeout=20) == "done"
    process.join()
    assert x.tolist() == [1, 2, 3, 4]


def test_what_comes_back_is_the_same_memory():
    queue = mp.SimpleQueue()
    x = torch.arange(6).reshape(2, 3)
    queue.put((x, x[0], x.t()))
    a, b, c = queue.get()
    a.fill_(9)
    assert x.tolist() == [[9] * 3] * 2 and b.tolist() == [9] * 3 and c.stride() == (1, 3)
    queue.put((torch.empty(0, 3), torch.tensor(True), torch.ones(2, dtype=torch.bfloat16)))
    empty, flag, half = queue.get()
    assert empty.shape == (0, 3) and flag.item() is True and half.dtype is torch.bfloat16


def test_parameters_and_gradients():
    queue = mp.SimpleQueue()
    p = torch.nn.Parameter(torch.ones(2))
    queue.put(p)
    again = queue.get()
    assert type(again) is torch.nn.Parameter and again.requires_grad
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor which requires_grad"):
        queue.put(p * 2)


def test_sending_does_not_disturb_what_was_recorded():
    queue = mp.SimpleQueue()
    x = torch.ones(3)
    y = x * 2
    queue.put(y)
    x += 1
    assert queue.get().tolist() == [2, 2, 2] and (y + x).tolist() == [4, 4, 4]


def add_index(i, t):
    t[i] += 1 + i


def test_start_processes():
    t = torch.zeros(2).share_memory_()
    fork(add_index, t)
    assert t.tolist() == [1, 2] and t.is_shared()


def fail(i):
    if i == 1:
        raise ValueError(f"boo {i}")
    time.sleep(60)


def leave(i, how):
    if i == 0:
        os.kill(os.getpid(), signal.SIGKILL) if how == "kill" else sys.exit(how)
    time.sleep(60)


def test_first_error_is_raised_and_the_others_are_stopped():
    start = time.monotonic()
    with pytest.raises(ProcessRaisedException, match="Process 1 terminated with the following error:\nTrace") as caught:
        fork(fail)
    assert "ValueError: boo 1" in str(caught.value) and caught.value.error_index == 1
    with pytest.raises(ProcessExitedException, match="^process 0 terminated with signal SIGKILL$") as caught:
        fork(leave, "kill")
    assert caught.value.signal_name == "SIGKILL" and caught.value.exit_code == -9
    with pytest.raises(ProcessExitedException, match="^process 0 terminated with exit code 3$"):
        fork(leave, 3)
    assert time.monotonic() - start < 20


def test_without_join():
    running = fork(time.sleep, join=False)
    assert len(running.pids()) == 2
    while not running.join(timeout=5):
        pass


def test_spawn_warns_of_other_methods():
    with pytest.warns(FutureWarning, match=r"This method only supports start_method=spawn \(got: fork\)"):
        mp.spawn(abs, nprocs=1, start_method="fork")


def test_spawned_process_shares_memory():
    t = torch.zeros(3)
    mp.spawn(_Fill(), (t,), nprocs=1)
    assert t.tolist() == [7, 7, 7]


class _Fill:
    """Pickled by value where a function of a test module could not be imported."""

    def __reduce__(self):
        return eval, ("lambda i, t: t.fill_(7)",)

    def __call__(self, i, t):
        raise AssertionError("runs in the other process")
