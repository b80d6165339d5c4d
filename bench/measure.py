"""Workers are started, warmed up and asked in turn: what comes out is a row of figures per workload."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .worker import KINDS

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Contestant:
    """An implementation and the interpreter that has it; `name` tells two of a kind apart."""

    name: str
    kind: str
    python: str


@dataclass(frozen=True)
class Effort:
    """How long a turn lasts, how many turns there are, on how many CPUs."""

    seconds: float = 1.0
    rounds: int = 5
    threads: int = 1
    small: bool = False


@dataclass
class Figures:
    """What a workload costs: seconds a step and from process start to the end of the third step, peak memory in MiB.

    `ratio` is the step's time by that of the first contestant, in the same round; above 1 the first is faster. `value`
    is what the third step gave.
    """

    step: float
    ratio: float | None
    cold: float
    warm: float
    mib: float
    value: float


def contestants(environments: Sequence[str]) -> list[Contestant]:
    """Kenaz here, and whatever `NAME=PYTHON` says; a NAME is one of `KINDS`.

    >>> [c.name for c in contestants(["torch=/venv/bin/python", "kenaz=python3.14"])]
    ['kenaz', 'torch', 'kenaz 2']
    """
    found = [Contestant("kenaz", "kenaz", sys.executable)]
    for environment in environments:
        kind, _, python = environment.partition("=")
        if kind not in KINDS or not python:
            raise ValueError(f"--env wants NAME=PYTHON with a NAME of {', '.join(KINDS)}, but got {environment!r}")
        again = sum(c.kind == kind for c in found)
        found.append(Contestant(f"{kind} {again + 1}" if again else kind, kind, python))
    return found


def surroundings(caches: str) -> dict[str, str]:
    """A worker's environment: everybody's compiled kernels go to a folder of this workload's own."""
    return os.environ | {
        "PYTHONPATH": str(ROOT), "KENAZ_CACHE": f"{caches}/kenaz", "TORCHINDUCTOR_CACHE_DIR": f"{caches}/inductor",
        "CACHEDB": f"{caches}/tinygrad.db", "DEV": os.environ.get("DEV", "CPU"), "JAX_PLATFORMS": "cpu",
    }  # fmt: skip


class Worker:
    """A process that has taken three steps: `cold` seconds after it was started."""

    def __init__(self, contestant: Contestant, workload: str, effort: Effort, caches: str) -> None:
        asked = {"kind": contestant.kind, "workload": workload, "threads": effort.threads, "small": effort.small}
        with ExitStack() as stack:
            self.errors = stack.enter_context(tempfile.TemporaryFile("w+"))
            start = time.perf_counter()
            self.process = stack.enter_context(subprocess.Popen(
                [contestant.python, "-m", "bench.worker", json.dumps(asked)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                cwd=ROOT, env=surroundings(caches),
            ))  # fmt: skip
            ready = self._answer()
            self.cold = time.perf_counter() - start
            self.close = stack.pop_all().close  # ends standard input, and waits
        self.value: float = ready["value"]
        self.version: str = ready["version"]

    def run(self, count: int) -> dict[str, Any]:
        """Times of `count` steps and peak memory."""
        assert self.process.stdin
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise RuntimeError((self.errors.read().strip().splitlines() or ["no message"])[-1])
        return json.loads(line)


def compare(workload: str, all_of_them: Sequence[Contestant], effort: Effort) -> dict[str, Any]:
    """Figures of every contestant by its name; a message where one failed; None where it has no such workload."""
    found: dict[str, Any] = dict.fromkeys(c.name for c in all_of_them)
    with ExitStack() as stack:
        workers: dict[str, tuple[Worker, float]] = {}
        for contestant in all_of_them:
            if workload not in KINDS[contestant.kind][1]:
                continue
            try:
                workers[contestant.name] = _second_start(contestant, workload, effort, stack)
            except (RuntimeError, OSError) as error:
                found[contestant.name] = str(error)
        rounds, memory = _take_turns({name: worker for name, (worker, _) in workers.items()}, effort, found)
    base = rounds.get(all_of_them[0].name)
    for name, times in rounds.items():
        worker, first = workers[name]
        ratio = statistics.median(t / b for t, b in zip(times, base, strict=True)) if base else None
        figures = Figures(statistics.median(times), ratio, first, worker.cold, memory[name], worker.value)
        found[name] = asdict(figures) | {"version": worker.version}
    return found


def _second_start(contestant: Contestant, workload: str, effort: Effort, stack: ExitStack) -> tuple[Worker, float]:
    """A worker that found what an earlier one had compiled, and the seconds that the earlier one took to start."""
    caches = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
    first = Worker(contestant, workload, effort, caches)
    first.close()
    worker = Worker(contestant, workload, effort, caches)
    stack.callback(worker.close)
    return worker, first.cold


def _take_turns(workers: dict[str, Worker], effort: Effort, found: dict[str, Any]) -> tuple[dict, dict]:
    """The median time of a step in each round, and the peak memory, by name; who fails is left out from then on."""
    counts: dict[str, int] = {}
    rounds: dict[str, list[float]] = {name: [] for name in workers}
    memory: dict[str, float] = {}
    for turn in range(effort.rounds + 1):  # the first warms up, and tells how many steps fill a turn
        for name in list(rounds):
            try:
                if not turn:
                    counts[name] = max(1, int(effort.seconds / statistics.median(workers[name].run(3)["times"])))
                answer = workers[name].run(counts[name])
            except (RuntimeError, OSError) as error:
                found[name] = str(error)
                del rounds[name]
                continue
            memory[name] = answer["mib"]
            if turn:
                rounds[name].append(statistics.median(answer["times"]))
    return rounds, memory


_IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def import_seconds(all_of_them: Sequence[Contestant], rounds: int) -> dict[str, float | str]:
    """Seconds that `import` takes in a new process, the median after one to warm up, by name; a message if it fails."""
    found: dict[tuple[str, str], float | str] = {}
    for c in all_of_them:
        package = c.python, KINDS[c.kind][0]
        if package not in found:
            found[package] = _import_seconds(*package, rounds)
    return {c.name: found[c.python, KINDS[c.kind][0]] for c in all_of_them}


def _import_seconds(python: str, module: str, rounds: int) -> float | str:
    command, env = [python, "-c", _IMPORT.format(module)], os.environ | {"PYTHONPATH": str(ROOT)}
    times = []
    for _ in range(rounds + 1):
        try:
            times.append(float(subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout))
        except OSError as error:
            return str(error)
        except subprocess.CalledProcessError as error:
            return (error.stderr.strip().splitlines() or ["no message"])[-1]
    return statistics.median(times[1:])
