"""Measure Kenaz's workloads, beside other frameworks where there are some, and write docs/benchmarks.md.

    python -m bench                                                     Kenaz alone
    python -m bench --env torch=/venv/bin/python --env compile=/venv/bin/python --env jax=... --env tinygrad=...
    python -m bench --workloads lenet,gpt --seconds 0.3 --rounds 3      a look at some

An environment is an interpreter that has the framework; `compile` is torch.compile. KENAZ_BENCH_TORCH and so on stand
for `--env`. Figures of earlier runs are kept (--results) as long as machine, commit and effort are the same, so that
the suite can be run in parts. The page is written when all workloads have figures, or where --page says.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import page
from .measure import ROOT, Contestant, Effort, compare, contestants, import_seconds
from .worker import KINDS
from .workloads import WORKLOADS


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--env", action="append", metavar="NAME=PYTHON", help=f"NAME: {', '.join(KINDS)}")
    found.add_argument("--workloads", default=",".join(WORKLOADS), help="some of: %(default)s")
    found.add_argument("--rounds", type=int, default=5)
    found.add_argument("--seconds", type=float, default=1.0, help="of a turn")
    found.add_argument("--threads", type=int, default=_cpus())
    found.add_argument("--small", action="store_true", help="tiny sizes: to see that everything runs")
    found.add_argument("--results", type=Path, default=ROOT / "runs/benchmarks.json", help="figures are kept here")
    found.add_argument("--page", type=Path, help="write the page here, whatever is measured")
    return found


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environments(given: list[str] | None) -> list[str]:
    """What --env says, else what the KENAZ_BENCH_* variables say."""
    if given is not None:
        return given
    variables = {kind: os.environ.get(f"KENAZ_BENCH_{kind.upper()}") for kind in KINDS}
    return [f"{kind}={python}" for kind, python in variables.items() if python]


def about(all_of_them: list[Contestant], effort: Effort) -> dict[str, Any]:
    """What has to be the same for figures to stand in one table."""
    return vars(effort) | {"names": [c.name for c in all_of_them], "machine": page.machine(), "commit": _commit()}


def _commit() -> str:
    """The commit that is checked out, with a plus where files differ from it; nothing outside of a repository."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def command(all_of_them: list[Contestant], effort: Effort) -> str:
    """The command line that measures the same, on whatever machine.

    >>> command(contestants(["torch=/venv/bin/python"]), Effort(1.0, 5, 2))
    'python -m bench --env torch=PYTHON --seconds 1 --rounds 5 --threads 2'
    """
    others = [f"--env {c.kind}=PYTHON" for c in all_of_them[1:]]
    limits = [f"--seconds {effort.seconds:g}", f"--rounds {effort.rounds}", f"--threads {effort.threads}"]
    return " ".join(["python -m bench", *others, *limits, *["--small"] * effort.small])


def kept(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """The figures of earlier runs under the same conditions."""
    try:
        found = json.loads(path.read_text())
        if found["about"] == wanted:
            return found
    except (OSError, ValueError, KeyError):
        pass
    return {"about": wanted, "rows": {}, "imports": {}}


def line(workload: str, row: dict[str, Any]) -> str:
    """A workload's figures, as they are printed on the way.

    >>> line("gan", {"kenaz": {"step": 0.002, "ratio": 1.0, "cold": 1.0, "mib": 99.6}, "jax": None, "torch": "no g++"})
    'gan                   kenaz 2.00 ms (cold 1.0 s, 100 MiB)   torch: no g++'
    """
    parts = []
    for name, f in row.items():
        if type(f) is str:
            parts.append(f"{name}: {f}")
        elif f is not None:
            ratio = f" x{f['ratio']:.2f}" if f["ratio"] and name != "kenaz" else ""
            parts.append(f"{name} {page.three(f['step'] * 1e3)} ms{ratio} (cold {f['cold']:.1f} s, {f['mib']:.0f} MiB)")
    return f"{workload:22s}" + "   ".join(parts)


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    effort = Effort(options.seconds, options.rounds, options.threads, options.small)
    chosen = options.workloads.split(",")
    if unknown := set(chosen) - set(WORKLOADS):
        sys.exit(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    try:
        all_of_them = contestants(environments(options.env))
    except ValueError as error:
        sys.exit(str(error))

    results = kept(options.results, about(all_of_them, effort))
    results["command"] = command(all_of_them, effort)
    results["date"] = datetime.date.today().isoformat()
    results["imports"] |= import_seconds(all_of_them, effort.rounds)
    for workload in chosen:
        row = results["rows"][workload] = compare(workload, all_of_them, effort)
        print(line(workload, row), flush=True)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1))
    results["rows"] = {w: results["rows"][w] for w in WORKLOADS if w in results["rows"]}
    write(results, options.page)


def write(results: dict[str, Any], path: Path | None) -> None:
    """The page, where it was asked for or everything has been measured."""
    if path is None and (len(results["rows"]) < len(WORKLOADS) or results["about"]["small"]):
        return
    path = path or ROOT / "docs/benchmarks.md"
    path.write_text(page.render(results))
    print(f"written: {path}")


if __name__ == "__main__":
    main()
