"""Nanoseconds to record one operation on a few numbers; with `--torch PYTHON`, against PyTorch's time to run it.

    python bench/record.py                            Kenaz alone
    python bench/record.py --torch /venv/bin/python   and PyTorch, which that interpreter has; they take turns
    python bench/record.py --only exp                 the operations that contain a word

Figures are the fastest of the rounds: what the operation costs where nothing disturbs it. A ratio above 1 says that
Kenaz is faster. What is recorded and never read is dropped in bulk every few thousand operations, which is part of the
figure; so is computing what was recorded in place.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPEAT = 4000  # operations a round


# Expressions over vectors a, b and a matrix m; p, q, n the same with gradients, c and d made of them.
OPERATIONS = (
    "a + b", "a + 1", "a.exp()", "a.sum()", "m.sum(1)", "m @ m", "a.add_(b)",
    "m.t()", "m.view(16)", "m.unsqueeze(0)", "m[0]", "m[1:, 2]",
    "p + b", "p + q", "c + d", "c * d", "c.exp()", "c.sum()", "n.t()", "(c + d).sum().backward(retain_graph=True)",
)  # fmt: skip


def tensors(torch: Any) -> dict[str, Any]:
    """What the names in OPERATIONS stand for."""
    p, q = torch.ones(4, requires_grad=True), torch.ones(4, requires_grad=True)
    return {
        "a": torch.ones(4), "b": torch.ones(4), "m": torch.ones(4, 4),
        "p": p, "q": q, "c": p * 2, "d": q * 2, "n": torch.ones(4, 4, requires_grad=True),
    }  # fmt: skip


def serve(module: str) -> None:
    """Measures the operations on standard input, one a line; answers in nanoseconds."""
    torch: Any = importlib.import_module(module)
    torch.set_num_threads(1)
    names = tensors(torch)
    for line in sys.stdin:
        operation = eval("lambda: " + line.strip(), names)
        repeat = REPEAT // 20 if "backward" in line else REPEAT
        begin = time.perf_counter()
        for _ in range(repeat):
            operation()
        print(json.dumps((time.perf_counter() - begin) / repeat * 1e9), flush=True)


class Worker:
    """A process that measures with one implementation."""

    def __init__(self, python: str, module: str) -> None:
        command = [python, str(Path(__file__).resolve()), "--serve", module]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self, name: str) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch, to compare with")
    parser.add_argument("--only", default="", metavar="WORD", help="the operations that contain it")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", metavar="MODULE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        return serve(args.serve)

    workers = {"kenaz": Worker(sys.executable, "kenaz")}
    if args.torch:
        workers["torch"] = Worker(args.torch, "torch")
    print(f"{'ns each':24s}" + "".join(f"{name:>10s}" for name in workers) + ("     ratio" if args.torch else ""))
    for name in [o for o in OPERATIONS if args.only in o]:
        rounds = [[worker.measure(name) for worker in workers.values()] for _ in range(args.rounds)]
        best = [min(column) for column in zip(*rounds)]
        ratio = f"{best[-1] / best[0]:10.2f}" if args.torch else ""
        print(f"{name[:24]:24s}" + "".join(f"{ns:10.0f}" for ns in best) + ratio, flush=True)
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    main()
