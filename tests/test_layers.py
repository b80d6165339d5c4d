"""Imports go one way: down the list of layers.

A module may import from layers above its own in LAYERS, or from its own layer's folder. Clients are written over the
public API and may use one another, without a cycle; so may programs. Imports inside functions count too, except for
those in ALLOWED.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "kenaz"

# A line is a layer; several names in a line stand side by side and do not know each other.
LAYERS = [
    ["core"],
    ["runtime"],
    ["graph"],
    ["interpret", "codegen"],
    ["execute"],
    ["_tensor"],
    ["autograd"],
    ["ops"],
    ["printing"],
    ["fft", "linalg", "sparse", "special"],  # namespaces: names of operators under one roof
    ["_api"],
    ["(clients)"],  # every other folder or file: nn, optim, utils, vision, serialization ...
    ["__init__"],
    ["cli", "demo", "doctor", "draw", "__main__", "_stand_in"],  # programs: they import kenaz as a user does
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
CLIENTS = RANK["(clients)"]

# (importing module, imported module): why it may stand inside a function
ALLOWED: dict[tuple[str, str], str] = {
    ("kenaz.nn.calling", "kenaz.compiler"): "`module.compile()` is a method, and what it calls is written over modules",
}


def unit(module: str) -> str:
    """The folder or file right under kenaz/ that a dotted name belongs to.

    >>> unit("kenaz.nn.modules.linear"), unit("kenaz")
    ('nn', '__init__')
    """
    return (module.split(".") + ["__init__"])[1]


def rank(module: str) -> int:
    return RANK.get(unit(module), CLIENTS)


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def imports(name: str, path: Path) -> Iterator[tuple[str, int, bool]]:
    """(imported module of ours, line, whether it stands inside a function) for every import statement of a file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]

    def visit(node: ast.AST, inside: bool) -> Iterator[tuple[str, int, bool]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, inside
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in MODULES else base, node.lineno, inside
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return  # names for annotations: nothing is imported when the program runs
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    for target, line, inside in visit(ast.parse(path.read_text("utf-8")), False):
        if target == "kenaz" or target.startswith("kenaz."):
            yield target, line, inside


def is_allowed(importer: str, imported: str) -> bool:
    above, below = rank(importer), rank(imported)
    return below < above or unit(importer) == unit(imported) or below == above >= CLIENTS


def find_cycle(edges: dict[str, set[str]]) -> list[str]:
    """Some cycle of a graph as a list of its nodes, or an empty list."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for following in sorted(edges.get(node, ())):
            if found := walk(following, [*trail, node]):
                return found
        done.add(node)
        return []

    return next((cycle for node in sorted(edges) if (cycle := walk(node, []))), [])


def test_imports_go_down() -> None:
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{line} imports {target}"
        for name, path in MODULES.items()
        for target, line, _ in imports(name, path)
        if not is_allowed(name, target) and (name, target) not in ALLOWED
    ]
    assert not wrong, "\n".join(["upward imports:", *wrong])


def test_no_cycle_among_modules() -> None:
    """Modules that import each other while they load cannot be read in any order."""
    edges = {
        name: {t for t, _, inside in imports(name, path) if not inside and t != name and t in MODULES}
        for name, path in MODULES.items()
    }
    for name in edges:  # a folder's __init__ gathers its modules: that way round is its purpose
        edges[name] = {t for t in edges[name] if not name.startswith(t + ".")}
    assert not (cycle := find_cycle(edges)), " -> ".join(cycle)


def test_no_cycle_among_clients() -> None:
    edges: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        for target, _, _ in imports(name, path):
            if rank(name) == rank(target) == CLIENTS and unit(name) != unit(target) and (name, target) not in ALLOWED:
                edges.setdefault(unit(name), set()).add(unit(target))
    assert not (cycle := find_cycle(edges)), " -> ".join(cycle)


def test_allowed_list_is_current() -> None:
    present = {(name, target) for name, path in MODULES.items() for target, _, _ in imports(name, path)}
    assert not (stale := set(ALLOWED) - present), f"no longer needed in ALLOWED: {sorted(stale)}"


def test_import_is_light() -> None:
    """`import kenaz` loads nothing that is heavy or optional: that is imported where it is used."""
    heavy = "llvmlite cupy scipy PIL matplotlib tqdm multiprocessing asyncio urllib inspect kenaz.codegen kenaz.vision"
    program = (
        "import sys, numpy; before = set(sys.modules); import kenaz; "
        f"print(*(set(sys.modules) - before) & set({heavy.split()}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT.parent, check=True)
    assert not done.stdout.split(), f"import kenaz loads {done.stdout}"
