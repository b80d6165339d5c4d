"""Runs every example at full length, and writes examples/README.md: what each says of itself, its result, its picture.

`python examples/run_all.py [NAME ...]` runs the given ones only; an example that misses its claim fails the whole run.
"""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
HELPERS = {"common", "cart_pole", "run_all"}
ORDER = """
linear_regression_scratch linear_regression mlp lenet convolutional_networks resnet transfer_learning k_fold
semi_supervised char_rnn seq2seq translation gpt mamba vae gan diffusion dqn reinforce actor_critic ddpg gnn
fusion custom_function custom_operator mixed_precision checkpointing
""".split()
HEAD = """# Examples

Short programs, each to be read in ten minutes; `python examples/NAME.py` runs one in minutes on two cores, `--quick`
in seconds, `make examples` runs all and writes this page. Pictures and results are of the data that comes with Kenaz:
a part of Fashion-MNIST, and Python's documentation as text. `--data DIR` takes full data sets: Fashion-MNIST
(github.com/zalandoresearch/fashion-mnist) as `DIR/FashionMNIST/raw/*.gz`, text as `DIR/text/tiny-shakespeare.txt`
(github.com/karpathy/char-rnn).
"""


def names() -> list[str]:
    """All examples, in the order in which they are best read."""
    found = {path.stem for path in FOLDER.glob("*.py")} - HELPERS
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


def entry(name: str, result: str) -> str:
    """An example's part of the page."""
    doc = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))) or ""
    title, _, rest = doc.partition("\n\n")
    lines = [f"## [{name}]({name}.py)", "", " ".join(title.split()), "", " ".join(rest.split()), ""]
    return "\n".join([*lines, f"Result: {result}", "", f"![{name}](pictures/{name}.png)", ""])


def results_so_far() -> dict[str, str]:
    """The results on the page as it is, for those that do not run now."""
    page = FOLDER / "README.md"
    known, name = {}, ""
    for line in page.read_text("utf-8").splitlines() if page.exists() else []:
        if line.startswith("## ["):
            name = line[4:].partition("]")[0]
        if line.startswith("Result: "):
            known[name] = line.removeprefix("Result: ")
    return known


def run(name: str) -> tuple[bool, str]:
    """Whether an example reached its claim, and its last line."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--out", str(FOLDER / "pictures")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KENAZ_DATA": ""})
    lines = [line for line in done.stdout.splitlines() if line]
    print(done.stderr[-2000:], end="")
    return done.returncode == 0, lines[-1] if lines else "nothing printed"


def main() -> None:
    known, failed = results_so_far(), []
    for name in sys.argv[1:] or names():
        started = time.perf_counter()
        reached, known[name] = run(name)
        print(f"{name:28} {'ok    ' if reached else 'FAILED'} {known[name]}", flush=True)
        if not reached:
            failed.append(name)
        known[name] = known[name].rpartition("   (")[0] + f", {time.perf_counter() - started:.0f} s in all"
    page = [HEAD, *(entry(name, known.get(name, "not run yet")) for name in names())]
    (FOLDER / "README.md").write_text("\n".join(page), "utf-8")
    if failed:
        sys.exit(f"missed what they claim: {', '.join(failed)}")


if __name__ == "__main__":
    main()
