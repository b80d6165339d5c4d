"""Runs every example at full length, and writes examples/README.md: what each says of itself, its results, its picture.

`python examples/run_all.py [NAME ...]` runs the given ones only; an example that misses its claim fails the whole run.
`--page` runs none and only writes the page, for docstrings that have changed.
Results are kept in examples/results.json, from which the page is made: no figure on it is typed by hand.
"""

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
HELPERS = {"common", "cart_pole", "run_all"}
ORDER = """
linear_regression_scratch linear_regression mlp lenet convolutional_networks resnet transfer_learning k_fold
semi_supervised unsupervised char_rnn seq2seq translation bert gpt mamba vae gan diffusion dqn reinforce actor_critic
ddpg gnn fusion custom_function custom_operator mixed_precision checkpointing
""".split()
HEAD = """# Examples

Short programs, each to be read in ten minutes; `python examples/NAME.py` runs one in minutes on two cores, `--quick`
in seconds, `make examples` runs all, checks what they claim and writes this page. Claims, pictures and results are of
the data that comes with Kenaz: a part of Fashion-MNIST, and, as text, what Python says of itself. `--data DIR` takes
full data sets: Fashion-MNIST (github.com/zalandoresearch/fashion-mnist) as `DIR/FashionMNIST/raw/*.gz`, Shakespeare
(github.com/karpathy/char-rnn) as `DIR/text/tiny-shakespeare.txt`, WikiText-2
(huggingface.co/datasets/Salesforce/wikitext) as `DIR/text/wikitext-2-*.txt`.

Seconds are those of the whole program, imports and picture included; CPU seconds add up all cores, so that they tell
what it costs where other programs run too.

| example | measured | claimed | reached | seconds | CPU seconds | cores |
|---|---|---|---|---|---|---|
"""
LINE = re.compile(r"(?P<what>[^:]+): (?P<reached>\S+), claimed (?P<claimed>at (?:least|most) \S+) +\(\d+ s\)")


def names() -> list[str]:
    """All examples, in the order in which they are best read."""
    found = {path.stem for path in FOLDER.glob("*.py")} - HELPERS
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


def results_so_far() -> dict[str, Any]:
    """What the examples reached when each was last run."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def cpu_seconds() -> float:
    """The processor time of all examples until now."""
    spent = os.times()
    return spent.children_user + spent.children_system


def run(name: str) -> dict[str, Any]:
    """What an example claims and reached, whether that is enough, and what it took."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--out", str(FOLDER / "pictures")]
    started, before = time.perf_counter(), cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KENAZ_DATA": ""})
    print(done.stderr[-2000:], end="")
    claims = [found.groupdict() for line in done.stdout.splitlines() if (found := LINE.fullmatch(line))]
    return {
        "ok": done.returncode == 0 and bool(claims),
        "claims": claims,
        "seconds": round(time.perf_counter() - started),
        "cpu": round(cpu_seconds() - before),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def rows(name: str, result: dict[str, Any]) -> str:
    """An example's rows of the table: one for each claim."""
    cost = "{seconds} | {cpu} | {cores}".format(**result)
    claims = [f"{c['what']} | {c['claimed']} | {c['reached']}" for c in result["claims"]]
    lines = [f"| [{name}](#{name}) | {claims[0]} | {cost} |", *(f"| | {claim} | | | |" for claim in claims[1:])]
    return "\n".join(lines)


def entry(name: str) -> str:
    """An example's part of the page."""
    doc = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))) or ""
    title, _, rest = doc.partition("\n\n")
    lines = [f"## [{name}]({name}.py)", "", " ".join(title.split()), "", " ".join(rest.split()), ""]
    return "\n".join([*lines, f"![{name}](pictures/{name}.png)", ""])


def page(results: dict[str, Any]) -> str:
    """The page of all examples that have run."""
    table = "\n".join(rows(name, results[name]) for name in names() if name in results)
    return "\n".join([HEAD + table + "\n", *(entry(name) for name in names())])


def keep(name: str, result: dict[str, Any]) -> None:
    """Adds a result to those in the file, and makes the page anew."""
    results = {**results_so_far(), name: result}
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
    write_page()


def write_page() -> None:
    (FOLDER / "README.md").write_text(page(results_so_far()), "utf-8")


def main() -> None:
    if sys.argv[1:] == ["--page"]:
        return write_page()
    failed = []
    for name in sys.argv[1:] or names():
        result = run(name)
        reached = "; ".join("{what} {reached} ({claimed})".format(**claim) for claim in result["claims"])
        print(f"{name:28} {'ok    ' if result['ok'] else 'FAILED'} {reached}, {result['seconds']} s", flush=True)
        if result.pop("ok"):
            keep(name, result)
        else:
            failed.append(name)
    if failed:
        sys.exit(f"missed what they claim: {', '.join(failed)}")


if __name__ == "__main__":
    main()
