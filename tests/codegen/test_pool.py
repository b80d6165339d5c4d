"""The native thread pool under stress: every chunk runs exactly once, whoever forks, sleeps, exits or runs beside.

What could hang or end the process runs in a process of its own, with a limit of time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen import jit, pool

# A job's block is an array of counters, one a chunk. `slow` takes longer for some chunks than for others.
CHUNKS = """
define void @mark(i64 %block, i64 %chunk) {
  %counters = inttoptr i64 %block to ptr
  %mine = getelementptr i64, ptr %counters, i64 %chunk
  %old = atomicrmw add ptr %mine, i64 1 monotonic
  ret void
}
define void @slow(i64 %block, i64 %chunk) {
start:
  %mixed = mul i64 %chunk, 40503
  %turns = and i64 %mixed, 16383
  %room = alloca i64
  br label %head
head:
  %i = phi i64 [0, %start], [%i1, %head]
  store volatile i64 %i, ptr %room
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %turns
  br i1 %more, label %head, label %done
done:
  call void @mark(i64 %block, i64 %chunk)
  ret void
}
"""


@pytest.fixture(scope="module")
def chunk() -> dict[str, int]:
    """The addresses of the chunk functions."""
    return jit.compile_module(CHUNKS, ["mark", "slow"])


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run_once(function: int, chunks: int) -> None:
    counters = np.zeros(max(chunks, 1) + 1, np.int64)
    pool.run(function, counters, chunks)
    assert (counters[:chunks] == 1).all() and not counters[chunks:].any()


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["mark", "slow"])
def test_each_chunk_runs_once(chunk: dict[str, int], threads: int, name: str):
    torch.set_num_threads(threads)
    for chunks in (0, 1, 2, threads, threads + 1, 64, 1000):
        run_once(chunk[name], chunks)


def test_many_tiny_jobs(chunk: dict[str, int]):
    """A hundred thousand jobs one after another: a late worker never takes a chunk of a newer job for its own."""
    torch.set_num_threads(3)
    jobs, chunks = 100_000, 3
    counters = np.zeros((jobs, chunks + 1), np.int64)
    table = np.empty((jobs, 3), np.int64)
    table[:, 0], table[:, 2] = chunk["mark"], chunks
    table[:, 1] = counters.ctypes.data + counters.strides[0] * np.arange(jobs)
    pool.native().run(table.ctypes.data, jobs)
    assert (counters[:, :chunks] == 1).all() and not counters[:, chunks].any()


def test_jobs_of_many_lengths(chunk: dict[str, int]):
    torch.set_num_threads(2)
    lengths = np.random.default_rng(0).integers(0, 40, 3000)
    counters = np.zeros((len(lengths), 40), np.int64)
    names = np.where(lengths % 3 == 0, chunk["slow"], chunk["mark"])
    table = np.stack([names, counters.ctypes.data + counters.strides[0] * np.arange(len(lengths)), lengths], 1)
    table = np.ascontiguousarray(table, np.int64)
    pool.native().run(table.ctypes.data, len(lengths))
    assert (counters == (np.arange(40) < lengths[:, None])).all()


def test_timed_jobs(chunk: dict[str, int]):
    """The clock is read before the first job and after each, and never goes back."""
    counters = np.zeros((5, 8), np.int64)
    table = np.array([[chunk["slow"], row.ctypes.data, 8] for row in counters], np.int64)
    times = np.zeros((6, 2), np.int64)
    pool.native().run_timed(table.ctypes.data, 5, times.ctypes.data)
    assert (counters == 1).all()
    assert (np.diff(times[:, 0] * 1_000_000_000 + times[:, 1]) > 0).all()


def test_number_of_threads_changes_between_jobs(chunk: dict[str, int]):
    for threads in [1, 5, 2, 4, 1, 3] * 20:
        torch.set_num_threads(threads)
        run_once(chunk["mark"], 50)


def test_workers_that_sleep_wake(chunk: dict[str, int]):
    """Jobs that come after the workers went to sleep, or just when they do."""
    torch.set_num_threads(4)
    for pause in [0.0, 1e-5, 1e-4, 2e-4, 3e-4, 1e-3, 5e-3] * 10:
        time.sleep(pause)
        run_once(chunk["slow"], 20)


@pytest.mark.skipif(pool._FUTEX is None, reason="there are no workers here")
def test_workers_that_were_woken_may_run_on_every_cpu(chunk: dict[str, int]):
    torch.set_num_threads(2)
    for _ in range(20):
        run_once(chunk["slow"], 20)
        time.sleep(0.002)  # the workers fall asleep, and the next job wakes them
    everywhere = os.sched_getaffinity(0)
    assert all(os.sched_getaffinity(int(task)) == everywhere for task in os.listdir("/proc/self/task"))


@pytest.mark.skipif(pool._FUTEX is None, reason="there are no workers here")
def test_workers_take_part(chunk: dict[str, int]):
    """Chunks of one job are seen by more than one thread: two that wait for each other both return."""
    both = """
    define void @meet(i64 %block, i64 %chunk) {
    start:
      %here = inttoptr i64 %block to ptr
      %old = atomicrmw add ptr %here, i64 1 seq_cst
      br label %wait
    wait:
      %now = load atomic i64, ptr %here seq_cst, align 8
      %met = icmp uge i64 %now, 2
      br i1 %met, label %out, label %wait
    out:
      ret void
    }
    """
    meet = jit.compile_module(both, ["meet"])["meet"]
    torch.set_num_threads(2)
    for pause in (0.0, 0.01):  # awake and asleep
        run_once(chunk["mark"], 2)
        time.sleep(pause)
        counter = np.zeros(1, np.int64)
        pool.run(meet, counter, 2)
        assert counter[0] == 2


def test_python_threads_run_plans_at_once():
    torch.set_num_threads(2)
    failures: list[BaseException] = []

    def work(scale: float) -> None:
        try:
            x = torch.full((300, 1000), scale)
            for _ in range(20):
                total = (x * 2 + 1).relu().sum().item()
                assert total == 300_000 * (2 * scale + 1)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(s,)) for s in (1.0, 2.0, 4.0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures[0]


# ---------------------------------------------------------------------------------------------- processes of their own
BEGIN = """
import os, sys, threading, time, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
import numpy as np
import kenaz as torch
from kenaz.codegen import jit, pool
torch.set_num_threads(3)
chunk = jit.compile_module(CHUNKS, ["mark", "slow"])

def run_once(name="slow", chunks=40):
    counters = np.zeros(chunks, np.int64)
    pool.run(chunk[name], counters, chunks)
    assert (counters == 1).all()

def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid

def wait(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""

FORKS = """
def grandchild():
    for _ in range(50):
        run_once()

def work():
    for _ in range(50):
        run_once("mark", 7)
    torch.set_num_threads(2)
    wait(child(grandchild))
    run_once()

run_once()
for round in range(10):
    pids = [child(work) for _ in range(2)]
    run_once()  # the parent's workers are still there
    for pid in pids:
        wait(pid)
"""

FORK_WHILE_RUNNING = """
stop = False
x = torch.rand(200, 1000)
want = (x * 2).sum().item()

def busy():
    while not stop:
        assert abs((x * 2).sum().item() / want - 1) < 1e-5

def work():
    for _ in range(5):
        y = (torch.ones(300, 1000) * 3 + 1).sum().item()
        assert y == 1_200_000, y

for _ in range(5):
    work()
thread = threading.Thread(target=busy)
thread.start()
try:
    for _ in range(20):
        wait(child(work))
finally:
    stop = True
    thread.join()
"""

LOADER = """
from kenaz.utils.data import DataLoader, Dataset

class Computed(Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, i):
        run_once("mark", 5)
        x = torch.full((200, 1000), float(i))
        return (x * 2 + 1).relu().mean(0)[:2]

run_once()
for epoch in range(2):
    got = torch.cat(list(DataLoader(Computed(), batch_size=3, num_workers=2)))
    assert got.tolist() == [[2 * i + 1] * 2 for i in range(24)]
    run_once()
"""

EXIT_WHILE_SPINNING = """
for _ in range(100):
    run_once("mark", 4)
print("done")
"""

EXIT_WHILE_RUNNING = """
def busy():
    while True:
        run_once("slow", 400)

threading.Thread(target=busy, daemon=True).start()
time.sleep(0.05)
print("done")
"""


def in_a_process(program: str) -> subprocess.CompletedProcess:
    program = f"CHUNKS = {CHUNKS!r}" + BEGIN + program
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
@pytest.mark.parametrize("program", [FORKS, FORK_WHILE_RUNNING, LOADER], ids=["forks", "fork while running", "loader"])
def test_forks(program: str):
    done = in_a_process(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", [EXIT_WHILE_SPINNING, EXIT_WHILE_RUNNING], ids=["spinning", "running"])
def test_exit(program: str):
    for _ in range(3):
        done = in_a_process(program)
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
