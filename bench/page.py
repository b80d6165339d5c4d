"""docs/benchmarks.md out of the figures: tables in the places of `page.md`."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template
from typing import Any

TITLES = {"kenaz": "Kenaz", "torch": "PyTorch", "compile": "torch.compile", "jax": "JAX", "tinygrad": "tinygrad"}
_TEMPLATE = Path(__file__).with_name("page.md")
Cell = Callable[[dict[str, Any]], str]


def title(name: str) -> str:
    """
    >>> title("compile"), title("kenaz 2")
    ('torch.compile', 'Kenaz 2')
    """
    kind, _, again = name.partition(" ")
    return f"{TITLES[kind]} {again}".strip()


def three(x: float) -> str:
    """A positive number with three digits that matter.

    >>> three(0.01234), three(1.5), three(123.456), three(12345.6)
    ('0.0123', '1.50', '123', '12346')
    """
    return f"{x:.{max(0, 2 - math.floor(math.log10(x)))}f}" if x > 0 else "0"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, numbers to the right.

    >>> print(table(["a", "b"], [["x", "1"]]))
    | a | b |
    |---|---:|
    | x | 1 |
    """
    rule = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def cell(figures: Any, show: Cell) -> str:
    """A figure; what is not there is a dash."""
    return "–" if figures is None else "failed" if type(figures) is str else show(figures)


def _by_name(rows: dict[str, dict], names: Sequence[str], columns: Sequence[tuple[str, Cell, bool]]) -> str:
    """A line per workload; each contestant has these columns: (suffix of the head, what is shown, the first's too)."""
    wanted = [(n, c) for n in names for c in columns if c[2] or n != names[0]]
    head = ["workload", *(f"{title(n)}{suffix}" for n, (suffix, _, _) in wanted)]
    return table(head, [[w, *(cell(row.get(n), show) for n, (_, show, _) in wanted)] for w, row in rows.items()])


def _ratio(figures: dict[str, Any]) -> str:
    return "–" if figures["ratio"] is None else f"**{figures['ratio']:.2f}**"


def steady(rows: dict[str, dict], names: Sequence[str]) -> str:
    return _by_name(rows, names, [("", lambda f: three(f["step"] * 1e3), True), (" ×", _ratio, False)])


def cold(rows: dict[str, dict], names: Sequence[str]) -> str:
    columns: list[tuple[str, Cell, bool]] = [(" first", lambda f: f"{f['cold']:.2f}", True)]
    return _by_name(rows, names, [*columns, (" again", lambda f: f"{f['warm']:.2f}", True)])


def memory(rows: dict[str, dict], names: Sequence[str]) -> str:
    return _by_name(rows, names, [("", lambda f: f"{f['mib']:.0f}", True)])


def geometric_mean(values: Sequence[float]) -> float:
    """
    >>> round(geometric_mean([1.0, 4.0]), 3)
    2.0
    """
    return math.exp(sum(map(math.log, values)) / len(values))


def means(rows: dict[str, dict], names: Sequence[str]) -> str:
    """A line about the ratios of each contestant but the first."""
    lines = []
    for name in names[1:]:
        found = {w: row[name]["ratio"] for w, row in rows.items() if type(row.get(name)) is dict and row[name]["ratio"]}
        if found:
            lowest = min(found, key=lambda w: found[w])
            lines.append(
                f"* {title(name)}: geometric mean **{geometric_mean(list(found.values())):.2f}** over {len(found)} "
                f"workloads, lowest {found[lowest]:.2f} ({lowest})"
            )
    return "\n".join(lines)


def agreement(rows: dict[str, dict], names: Sequence[str]) -> str:
    """How far the results of the third step are apart between implementations of PyTorch's interface.

    They start from the same seed, so that they compute the same; torch.compile draws other random numbers.
    """
    lines = []
    for name in names[1:]:
        if name.partition(" ")[0] not in ("torch", "kenaz"):
            continue
        apart = {
            w: abs(row[name]["value"] - row[names[0]]["value"]) / max(abs(row[name]["value"]), 1e-12)
            for w, row in rows.items() if type(row.get(name)) is dict and type(row.get(names[0])) is dict
        }  # fmt: skip
        if apart:
            worst = max(apart, key=lambda w: apart[w])
            lines.append(
                f"* {title(names[0])} and {title(name)} start from the same seed: what the third step gives differs "
                f"by at most {apart[worst]:.1e} of its size ({worst})."
            )
    return "\n".join(lines) or "One implementation was measured: there was nothing to compare with."


def machine() -> str:
    """This computer in a line."""
    system = f"{platform.system()} {platform.release()}"
    return f"{_processor()}, {os.cpu_count()} CPUs; {system}; Python {platform.python_version()}."


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.partition(":")[2].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def render(results: dict[str, Any]) -> str:
    """The page of what `__main__` keeps: {"about": ..., "rows": ..., "imports": ...}."""
    about, rows = results["about"], results["rows"]
    names = about["names"]
    found: dict[str, str] = {}
    for row in rows.values():
        found |= {n: f["version"] for n, f in row.items() if type(f) is dict}
    imports = {n: s if type(s) is str else f"{s:.2f} s" for n, s in results["imports"].items()}
    return Template(_TEMPLATE.read_text()).substitute(
        command=results["command"],
        machine=f"{about['machine']} Measured on {results['date']}{about['commit'] and ', commit ' + about['commit']}.",
        versions="\n".join(f"| {title(n)} | {found.get(n, '–')} | {imports.get(n, '–')} |" for n in names),
        threads="one CPU" if about["threads"] == 1 else f"{about['threads']} CPUs",
        rounds=about["rounds"], seconds=about["seconds"],
        steady=steady(rows, names), means=means(rows, names), cold=cold(rows, names), memory=memory(rows, names),
        agreement=agreement(rows, names),
    )  # fmt: skip
