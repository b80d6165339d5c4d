"""Time what a program pays for: the import, recording an operation, a training step.

    python -m bench                            Kenaz alone
    python -m bench --torch /venv/bin/python   Kenaz and PyTorch, which that interpreter has
    python -m bench --only record              the tasks whose name contains a word

Each implementation has a process of its own with the same number of threads. They take turns, so that a drifting
machine is fair. Figures are medians over the rounds; a ratio above 1 says that Kenaz is faster.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .tasks import TASKS, measure

ROOT = Path(__file__).parent.parent


class Worker:
    """A process that measures tasks with one implementation."""

    def __init__(self, python: str, module: str, threads: int) -> None:
        self.import_command = [python, "-c", f"import {module}"]
        self.env = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
        command = [python, "-m", "bench", "--serve", module, "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=self.env
        )

    def seconds(self, task: str) -> float:
        """One measurement."""
        if task == "import":
            start = time.perf_counter()
            subprocess.run(self.import_command, check=True, cwd=ROOT, env=self.env)
            return time.perf_counter() - start
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(task + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(module: str, threads: int) -> None:
    """Measures the tasks named on standard input, one a line."""
    import importlib

    torch: Any = importlib.import_module(module)
    importlib.import_module(f"{module}.nn")
    importlib.import_module(f"{module}.optim")
    torch.set_num_threads(threads)
    steps: dict[str, Any] = {}
    for line in sys.stdin:
        print(json.dumps(measure(torch, line.strip(), steps)), flush=True)


def readable(seconds: float) -> str:
    """
    >>> readable(2.5e-6), readable(0.0123), readable(1.5)
    ('2.50 us', '12.3 ms', '1.50 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds / size >= 10 else f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.2f} us"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch, to compare with")
    parser.add_argument("--only", default="", metavar="WORD", help="the tasks whose name contains it")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--serve", metavar="MODULE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.threads)

    workers = {"kenaz": Worker(sys.executable, "kenaz", args.threads)}
    if args.torch:
        workers["torch"] = Worker(args.torch, "torch", args.threads)
    print(f"{'':32s}" + "".join(f"{name:>12s}" for name in workers) + ("       ratio" if args.torch else ""))
    for task in [t for t in ("import", *TASKS) if args.only in t]:
        rounds = [[worker.seconds(task) for worker in workers.values()] for _ in range(args.rounds)]
        medians = [statistics.median(column) for column in zip(*rounds)]
        ratio = f"{medians[-1] / medians[0]:12.2f}" if args.torch else ""
        print(f"{task:32s}" + "".join(f"{readable(m):>12s}" for m in medians) + ratio, flush=True)
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    main()
