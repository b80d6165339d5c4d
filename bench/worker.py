"""The process that measures one workload with one implementation; `measure.py` talks to it by pipes.

    python -m bench.worker '{"kind": "kenaz", "workload": "lenet", "threads": 2, "small": false}'

It takes three steps and answers with a line of JSON (version, result of the third step). Then, for each line with a
number of steps, it takes them and answers with their times and the peak memory so far.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from . import in_jax, in_tinygrad
from .workloads import WORKLOADS, Maker, Setting, Step, unchanged

_TORCH_PARTS = ("nn", "nn.functional", "nn.utils", "optim", "utils.data")


def _in_torch(module: str, compiling: bool = False) -> Callable[[str, int, bool], Step]:
    """How PyTorch's interface makes a step: by the module that has it, with or without `torch.compile`."""

    def make(workload: str, threads: int, small: bool) -> Step:
        torch: Any = importlib.import_module(module)
        for part in _TORCH_PARTS:
            importlib.import_module(f"{module}.{part}")
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        return WORKLOADS[workload](Setting(torch, torch.compile if compiling else unchanged, small))

    return make


def _in(makers: Mapping[str, Maker]) -> Callable[[str, int, bool], Step]:
    return lambda workload, threads, small: makers[workload](Setting(None, small=small))


# An implementation: the module whose import and version count, the workloads that it has, how it makes a step.
KINDS: dict[str, tuple[str, frozenset[str], Callable[[str, int, bool], Step]]] = {
    "kenaz": ("kenaz", frozenset(WORKLOADS), _in_torch("kenaz")),
    "torch": ("torch", frozenset(WORKLOADS), _in_torch("torch")),
    "compile": ("torch", frozenset(WORKLOADS), _in_torch("torch", compiling=True)),
    "jax": ("jax", frozenset(in_jax.WORKLOADS), _in(in_jax.WORKLOADS)),
    "tinygrad": ("tinygrad", frozenset(in_tinygrad.WORKLOADS), _in(in_tinygrad.WORKLOADS)),
}


def confine(threads: int) -> None:
    """Keep the process on as many CPUs: what every implementation obeys, whatever its own switch is called."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def version(module: str) -> str:
    """The version of a framework; Kenaz's own, where `__version__` is the PyTorch that it follows.

    >>> version("kenaz").startswith("0.")
    True
    """
    found = importlib.import_module(module)
    return getattr(getattr(found, "version", None), "kenaz", None) or metadata.version(module)


def timed(step: Step, count: int) -> dict[str, Any]:
    """Times of so many steps in seconds, and the process's peak memory in MiB.

    >>> sorted(timed(lambda: 1.0, 2))
    ['mib', 'times']
    """
    times = []
    for _ in range(count):
        start = time.perf_counter()
        value = step()
        times.append(time.perf_counter() - start)
        if not math.isfinite(value):
            raise FloatingPointError(f"a step gave {value}")
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return {"times": times, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")  # whatever an implementation prints goes where errors go
    os.dup2(2, 1)
    asked = json.loads(sys.argv[1])
    confine(asked["threads"])
    module, _, make = KINDS[asked["kind"]]
    step = make(asked["workload"], asked["threads"], asked["small"])
    value = [step() for _ in range(3)][-1]
    print(json.dumps({"version": version(module), "value": value}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(timed(step, int(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
