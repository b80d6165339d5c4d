"""Say how much of an inventory of PyTorch's names Kenaz has.

    python tools/api_coverage.py NAMES.csv                      all names
    python tools/api_coverage.py NAMES.csv --first 1000         the names that are used most
    python tools/api_coverage.py NAMES.csv --skip torch.cuda    without names that begin so; may be repeated

The file has a header and the columns `name` (`torch.nn.Linear`, `Tensor.view`, `Module.eval`, `Optimizer.step`),
`exists_in_torch` (rows that say "no" are left out) and, if there is one, `weight_pct`, the share of all uses.
"""

from __future__ import annotations

import argparse
import csv
import importlib
from pathlib import Path
from typing import Any

CLASSES = {
    "Tensor": "Tensor",
    "Module": "nn.Module",
    "Optimizer": "optim.Optimizer",
}  # rows that name a member of a class
PACKAGES = {"torch": "kenaz", "torchvision": "kenaz.vision"}


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of the names that PyTorch has, in the order of the file."""
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("exists_in_torch", "yes") == "yes"]


def resolves(name: str) -> bool:
    """Whether a name of PyTorch's leads to something in Kenaz."""
    head, *rest = name.split(".")
    if head in CLASSES:
        head, rest = "torch", [*CLASSES[head].split("."), *rest]
    if head not in PACKAGES:
        return False
    place: Any = importlib.import_module(PACKAGES[head])
    for i, part in enumerate(rest):
        if hasattr(place, part):
            place = getattr(place, part)
            continue
        if part in _made_per_instance(place):
            return i == len(rest) - 1
        try:
            place = importlib.import_module(f"{place.__name__}.{part}")
        except (ImportError, AttributeError):
            return False
    return True


def _made_per_instance(place: Any) -> tuple[str, ...]:
    """Attributes that objects of a class have, and the class itself has not."""
    return ("param_groups", "state", "defaults", "training") if isinstance(place, type) else ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", type=Path)
    parser.add_argument("--first", type=int)
    parser.add_argument("--skip", action="append", default=[], metavar="PREFIX")
    options = parser.parse_args()
    wanted = [r for r in rows(options.names) if not r["name"].startswith(tuple(options.skip))][: options.first]
    missing = [r for r in wanted if not resolves(r["name"])]
    weight = sum(float(r.get("weight_pct") or 0) for r in wanted)
    lost = sum(float(r.get("weight_pct") or 0) for r in missing)
    for r in missing:
        print(f"missing  {r['name']:50} {r.get('weight_pct', '')}")
    found = len(wanted) - len(missing)
    print(f"{found} of {len(wanted)} names ({found / max(len(wanted), 1):.1%})", end="")
    print(f", {1 - lost / weight:.2%} of their uses" if weight else "")


if __name__ == "__main__":
    main()
