"""Packages named torch and torchvision that hold Kenaz: what an installer finds when a library requires PyTorch.

`kenaz stand-in` writes two modules of a few lines and what describes them into the environment's site-packages. Then
`pip install lightning` finds its requirement `torch` met and does not fetch the real one, `import torch` is Kenaz
without `kenaz run`, and `pip uninstall torch torchvision` takes them away again. Users read docs/libraries.md.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import sysconfig
import zipfile
from pathlib import Path

from ._alias import PACKAGES

MARK = "+kenaz"  # a local version: `torch>=2.1` and `torch==2.13.0` both accept it, and `pip list` tells whose it is

METADATA = """Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: Kenaz under the name of {name}; `kenaz stand-in` made this, `kenaz stand-in --remove` removes it
"""  # it does not require kenaz: an installer would look for that in the index when Kenaz runs from a checkout
WHEEL = "Wheel-Version: 1.0\nGenerator: kenaz\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def version(name: str) -> str:
    """The version of the stand-in: the one that Kenaz follows, marked.

    >>> version("torchvision")
    '0.29.2+kenaz'
    """
    return f"{PACKAGES[name][1]}{MARK}"


def _digest(content: str) -> str:
    """A file's hash as RECORD has it (https://packaging.python.org/specifications/recording-installed-packages)."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()


def files(name: str) -> dict[str, str]:
    """Path and content of every file of a stand-in, RECORD last: what a wheel holds.

    >>> list(files("torch"))[:2]
    ['torch.py', 'torch-2.13.0+kenaz.dist-info/METADATA']
    """
    info = f"{name}-{version(name)}.dist-info"
    found = {
        f"{name}.py": (Path(__file__).parent / "_stand_in" / f"{name}.py").read_text("utf-8"),
        f"{info}/METADATA": METADATA.format(name=name, version=version(name)),
        f"{info}/WHEEL": WHEEL,
    }
    rows = [f"{path},{_digest(content)},{len(content.encode())}" for path, content in found.items()]
    return found | {f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,", ""])}


def real(name: str, folder: Path) -> str | None:
    """The version of a package of this name in `folder` that is not ours."""
    for found in importlib.metadata.distributions(name=name, path=[str(folder)]):
        if not found.version.endswith(MARK):
            return found.version
    return None


def site_packages() -> Path:
    """Where the environment keeps its packages."""
    return Path(sysconfig.get_path("purelib"))


def install(folder: Path) -> list[str]:
    """Puts both stand-ins into `folder` and returns their names with versions; a real package there is left alone."""
    for name in PACKAGES:
        if found := real(name, folder):
            raise FileExistsError(
                f"{folder} has the real {name} {found}. Uninstall it first, or use `kenaz run`, which leaves it alone."
            )
    remove(folder)
    for name in PACKAGES:
        for path, content in files(name).items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(content, "utf-8")
    return [f"{name} {version(name)}" for name in PACKAGES]


def remove(folder: Path) -> list[str]:
    """Takes the stand-ins of any version of Kenaz out of `folder` and returns their names."""
    gone = []
    for name in PACKAGES:
        for info in folder.glob(f"{name}-*{MARK}.dist-info"):
            for path in (folder / f"{name}.py", *info.iterdir()):
                path.unlink(missing_ok=True)
            info.rmdir()
            gone.append(name)
    return gone


def write_wheels(folder: Path) -> list[Path]:
    """Writes the stand-ins as wheels, for `pip install --find-links`, and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}-{version(name)}-py3-none-any.whl" for name in PACKAGES]
    for name, path in zip(PACKAGES, paths):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for inner, content in files(name).items():
                wheel.writestr(inner, content)
    return paths
