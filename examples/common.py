"""What the examples share: options, data, pictures, and the check that an example reached what it claims.

Every example is a program: `python examples/lenet.py --quick`. `--data` (or KENAZ_DATA) names a folder with full data:
`FashionMNIST/raw/*.gz` and `text/*.txt`. Without it Fashion-MNIST is the subset that comes with Kenaz, and the text is
Python's own documentation.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kenaz as torch
from kenaz.vision import datasets

STARTED = time.perf_counter()


def options(doc: str | None, **extra: Any) -> argparse.Namespace:
    """The command line, with the seed set; `extra` gives the defaults of an example's own options."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seconds in place of minutes, and worse results")
    parser.add_argument("--data", default=os.environ.get("KENAZ_DATA"), help="folder with full data sets")
    parser.add_argument("--out", default="runs/examples", help="folder for the picture")
    parser.add_argument("--seed", type=int, default=0)
    for name, value in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    return chosen


def fashion(chosen: argparse.Namespace, train: int, test: int) -> tuple[torch.Tensor, ...]:
    """Fashion-MNIST's first pictures [N, 1, 28, 28] from 0 to 1, and classes [N]: to train with, and to test with."""
    full = chosen.data and os.path.isdir(os.path.join(chosen.data, "FashionMNIST"))
    root = chosen.data if full else datasets.packaged_root()
    parts = []
    for is_train, count in ((True, train), (False, test)):
        data = datasets.FashionMNIST(root, train=is_train)
        parts += [data.data[:count].unsqueeze(1).float() / 255, data.targets[:count]]
    return tuple(parts)


CLASSES = datasets.FashionMNIST.classes


def text(chosen: argparse.Namespace, characters: int) -> str:
    """English to learn from: Shakespeare from the data folder, or what Python says about itself."""
    file = Path(chosen.data or "") / "text" / "tiny-shakespeare.txt"
    if chosen.data and file.exists():
        return file.read_text("utf-8")[:characters]
    return "\n".join(articles_on_python())[:characters]


def articles(chosen: argparse.Namespace) -> list[str]:
    """English by subject: WikiText-2 from the data folder, or what Python says about itself and its library."""
    files = sorted(Path(chosen.data or "").glob("text/wikitext-2-*.txt")) if chosen.data else []
    if files:
        joined = "".join(file.read_text("utf-8") for file in files)
        return re.split(r"\n = [^=\n]+ = \n", joined)[1:]
    return articles_on_python() + [docstrings(name) for name in MODULES.split()]


# modules of the standard library that say much about themselves
MODULES = """
email turtle asyncio logging http unittest typing difflib doctest statistics ipaddress importlib urllib json inspect
threading multiprocessing smtplib configparser pdb tarfile collections pickletools shutil codecs subprocess optparse
zipfile ftplib socketserver datetime xmlrpc wsgiref imaplib
"""


def docstrings(module: str) -> str:
    """What a module of the standard library says about itself, from its source."""
    place = Path(os.__file__).parent / module
    files = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    sources = [file.read_text("utf-8", "ignore") for file in files if file.exists()]
    return "\n".join(text for source in sources for text in re.findall(r'"""(.+?)"""', source, re.DOTALL))


def articles_on_python() -> list[str]:
    from pydoc_data.topics import topics

    # only plain characters, so that the alphabet stays small
    return [article.encode("ascii", "ignore").decode() for article in topics.values()]


def batches(count: int, size: int) -> list[torch.Tensor]:
    """All numbers up to `count`, in random order and pieces of `size`."""
    return list(torch.randperm(count).split(size))


@torch.no_grad()
def accuracy(model: Callable, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of the images that the model names right."""
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return right / len(labels)


def figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6, 3.5)) -> tuple[Any, Any]:
    """A figure that needs no screen, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn, drawn.subplots(rows, columns)


def show_images(axis: Any, images: torch.Tensor, columns: int, title: str = "") -> None:
    """Pictures [N, 1, H, W] from 0 to 1, side by side."""
    from kenaz.vision.utils import make_grid

    axis.imshow(make_grid(images.clamp(0, 1), nrow=columns, padding=1, pad_value=1.0)[0].numpy(), cmap="gray")
    axis.set_title(title, fontsize=9)
    axis.axis("off")


def save(drawn: Any, chosen: argparse.Namespace) -> None:
    """The picture as OUT/NAME.png, in few colors so that it is small."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    drawn.savefig(buffer, dpi=80)
    path = Path(chosen.out) / f"{Path(sys.argv[0]).stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(buffer).convert("RGB")
    for colors in (48, 24, 12, 6):
        picture.quantize(colors).save(path, optimize=True)
        if path.stat().st_size < 55_000:
            break
    print(f"picture: {path}")


def report(
    chosen: argparse.Namespace, what: str, value: float, at_least: float | None = None, at_most: float | None = None
) -> None:
    """The last lines of an example: what it reached and claimed; a full run that misses its claim fails."""
    claim = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    print(f"{what}: {value:.4g}, claimed {claim}   ({time.perf_counter() - STARTED:.0f} s)")
    missed = (at_least is not None and value < at_least) or (at_most is not None and value > at_most)
    if missed and not chosen.quick:
        sys.exit(f"{sys.argv[0]}: {claim} was claimed")
