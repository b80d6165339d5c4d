"""Every switch, with its default and a line of help. Each is read once from its KENAZ_* variable."""

from __future__ import annotations

import os


def _int(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise ValueError(f"{name} must be an integer, got {text!r}") from None


def _flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


EAGER = _flag("KENAZ_EAGER")  # run each op as it is recorded
DEBUG = _int("KENAZ_DEBUG", 0)  # 1: each graph that runs, 2: its steps, 3: their operators, 4: their times, 5: LLVM
CHECK = _flag("KENAZ_CHECK")  # compare every compiled plan with the interpreter
EXPLAIN = _flag("KENAZ_EXPLAIN")  # say why a graph is compiled, and which line asked for it
DRAW = False  # keep a drawing of every plan, for `kenaz graph`
HOT = os.environ.get("KENAZ_HOT", "auto")  # "always" compiles what it can at once, "never" only interprets
PENDING = _int("KENAZ_PENDING", 2000)  # run what is recorded when so many nodes wait
VECTOR = _int("KENAZ_VECTOR", 64)  # the widest vector registers to use, in bytes: 64, 32 or 16
WINOGRAD = os.environ.get("KENAZ_WINOGRAD", "1") != "0"  # fewer multiplications in 3x3 convolutions, a bit less exact
