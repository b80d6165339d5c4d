"""The command line: `kenaz demo`, `kenaz run`, `kenaz graph`, `kenaz stand-in`, `kenaz doctor`."""

import argparse
import sys
from collections.abc import Sequence


def demo(args: argparse.Namespace) -> int:
    """Trains a small convolutional network on pictures of clothes."""
    from .demo import Settings, train

    args.epochs = args.epochs or (2 if args.data else 5)  # the full set is eight times as large
    try:
        train(Settings(**{k: v for k, v in vars(args).items() if k != "command"}))
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from the last finished epoch.", file=sys.stderr)
        return 130
    return 0


def run(args: argparse.Namespace) -> int:
    """Runs a program written for PyTorch: what it imports as torch and torchvision is Kenaz."""
    import os
    import runpy

    from ._alias import alias

    alias()
    sys.argv = [args.script, *args.args]
    if args.module:
        sys.path[0] = os.getcwd()  # as `python -m` does
        runpy.run_module(args.script, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(args.script))
        runpy.run_path(os.path.abspath(args.script), run_name="__main__")  # as Python: `__file__` is absolute
    return 0


def graph(args: argparse.Namespace) -> int:
    """Runs a program and draws the largest graph that was compiled: one box for each fused loop or kernel."""
    from . import draw
    from .core import config

    config.DRAW = True
    try:
        run(args)
    finally:
        boxes = draw.largest()
        if boxes:
            with open(args.out, "w", encoding="utf-8") as file:
                file.write(draw.svg(boxes))
    if not boxes:
        print("kenaz: no graph came back often enough to be compiled; KENAZ_HOT=always compiles each", file=sys.stderr)
        return 1
    print(f"{args.out}: {len(boxes)} steps, {sum(b[3] for b in boxes)} of them compiled")
    return 0


def stand_in(args: argparse.Namespace) -> int:
    """Puts packages named torch and torchvision into this environment that are Kenaz: libraries that require PyTorch
    can then be installed without it."""
    from pathlib import Path

    from . import stand_in as packages

    folder = packages.site_packages()
    try:
        if args.wheels:
            print(*packages.write_wheels(Path(args.wheels)), sep="\n")
        elif args.remove:
            print(f"removed from {folder}: {', '.join(packages.remove(folder)) or 'nothing, there was none'}")
        else:
            print(f"in {folder}: {', '.join(packages.install(folder))}")
    except OSError as error:
        print(f"kenaz: {error}", file=sys.stderr)
        return 1
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Prints what Kenaz finds on this machine."""
    from .doctor import report

    print(report())
    return 0


def parser() -> argparse.ArgumentParser:
    from .version import kenaz

    top = argparse.ArgumentParser(prog="kenaz", description="PyTorch's interface, in Python, compiled.")
    top.add_argument("--version", action="version", version=f"kenaz {kenaz}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser(
        "demo", help="train a convolutional network on real pictures", description=demo.__doc__
    )
    command.set_defaults(command=demo)
    command.add_argument("--epochs", type=positive, help="passes over the training images (5; 2 with --data)")
    command.add_argument(
        "--data", metavar="DIR", help="a folder with FashionMNIST/raw (default: the images in the package)"
    )
    command.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    command.add_argument(
        "--out", metavar="DIR", default="runs/demo", help="where checkpoint and pictures go (%(default)s)"
    )
    command.add_argument("--batch-size", type=positive, default=64, metavar="N", help="images a step (%(default)s)")
    command.add_argument("--lr", type=float, default=4e-3, metavar="RATE", help="highest learning rate (%(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of every random number (%(default)s)")
    command.add_argument("--restart", action="store_true", help="do not go on from an interrupted run")

    command = commands.add_parser("run", help="run a PyTorch program on Kenaz", description=run.__doc__)
    command.set_defaults(command=run)
    command.add_argument("-m", dest="module", action="store_true", help="SCRIPT is the name of a module")
    command.add_argument("script", metavar="SCRIPT", help="the program")
    command.add_argument("args", nargs=argparse.REMAINDER, metavar="...", help="its arguments")

    command = commands.add_parser("graph", help="draw what a program's hot graph became", description=graph.__doc__)
    command.set_defaults(command=graph, module=False)
    command.add_argument("--out", metavar="FILE", default="graph.svg", help="the SVG file (%(default)s)")
    command.add_argument("script", metavar="SCRIPT", help="the program")
    command.add_argument("args", nargs=argparse.REMAINDER, metavar="...", help="its arguments")

    command = commands.add_parser(
        "stand-in", help="let libraries that require torch be installed without it", description=stand_in.__doc__
    )
    command.set_defaults(command=stand_in)
    command.add_argument("--remove", action="store_true", help="take them away again")
    command.add_argument("--wheels", metavar="DIR", help="write them as wheels instead, for pip install --find-links")

    command = commands.add_parser("doctor", help="what Kenaz finds on this machine", description=doctor.__doc__)
    command.set_defaults(command=doctor)
    return top


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Carries a command line out and returns its exit status."""
    args = parser().parse_args(argv)
    return args.command(args)
