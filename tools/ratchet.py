"""Compare a run of the conformance set and of the notebook cells with the figures that tests/ratchet.json holds.

    python tools/ratchet.py CONFORMANCE.json CELLS.json           fails when a figure has fallen
    python tools/ratchet.py CONFORMANCE.json CELLS.json --raise   writes the better figures down

Figures only go up. `slack` is how many points a figure may fall by chance: a run with a time limit takes a sample of
the cases.
"""

import argparse
import json
import sys
from pathlib import Path

RATCHET = Path(__file__).parent.parent / "tests" / "ratchet.json"

Figures = dict[str, dict[str, float]]


def percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def conformance_figures(report: dict) -> dict[str, float]:
    """Percentage of cases passed, by part."""
    return {part: round(row["percent"], 2) for part, row in report["parts"].items()}


def cells_figures(report: dict) -> dict[str, float]:
    """Percentage of the cells that PyTorch runs, and of the outputs that PyTorch prints, by document."""
    figures = {}
    for document, row in report["summary"].items():
        figures[f"{document} run"] = percent(row["ok"], row["counted"])
        figures[f"{document} output"] = percent(row["match"], row["cmp"])
    return figures


READERS = {"conformance": conformance_figures, "cells": cells_figures}


def measure(files: dict[str, Path]) -> Figures:
    """The figures of a run; a report that was not written counts as nothing passed."""
    return {
        kind: READERS[kind](json.loads(path.read_text("utf-8"))) if path.exists() else {}
        for kind, path in files.items()
    }


def fallen(held: Figures, now: Figures, slack: float) -> list[str]:
    """A line for each figure below what is held.

    >>> fallen({"cells": {"002 run": 90.0}}, {"cells": {"002 run": 80.5}}, slack=1.0)
    ['cells 002 run: 80.5 %, was 90.0 %']
    """
    return [
        f"{kind} {name}: {now[kind].get(name, 0.0)} %, was {figure} %"
        for kind in READERS
        for name, figure in held.get(kind, {}).items()
        if now[kind].get(name, 0.0) < figure - slack
    ]


def raised(held: Figures, now: Figures) -> Figures:
    """Each figure at its best: what was held, or what this run reached.

    >>> raised({"cells": {"a": 2.0}}, {"cells": {"a": 1.0, "b": 3.0}, "conformance": {}})
    {'conformance': {}, 'cells': {'a': 2.0, 'b': 3.0}}
    """
    best = {}
    for kind in READERS:
        old, new = held.get(kind, {}), now[kind]
        best[kind] = {name: max(old.get(name, 0.0), new.get(name, 0.0)) for name in sorted({*old, *new})}
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conformance", type=Path, help="what conform.py --json wrote")
    parser.add_argument("cells", type=Path, help="what run_cells.py --json wrote")
    parser.add_argument("--raise", action="store_true", dest="keep", help="write down figures that have risen")
    args = parser.parse_args()
    held = json.loads(RATCHET.read_text("utf-8"))
    slack = held.pop("slack")
    now = measure({"conformance": args.conformance, "cells": args.cells})
    for kind, figures in now.items():
        for name, figure in figures.items():
            before = held.get(kind, {}).get(name)
            print(f"{kind:12s} {name:14s} {figure:7.2f} %" + ("" if before is None else f"   held {before:.2f} %"))
    if lines := fallen(held, now, slack):
        print("\nfallen below tests/ratchet.json:", *lines, sep="\n  ")
        return 1
    if args.keep:
        RATCHET.write_text(json.dumps({"slack": slack, **raised(held, now)}, indent=1) + "\n", "utf-8")
        print(f"raised {RATCHET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
