"""Python numbers in compiled code; and numbers a step apart."""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir

from ..graph.node import Call
from . import jit
from .routine import Routine
from .vectors import ELEMENTS, I64, Writer, module_text, new_function


def steps(call: Call) -> Routine | None:
    """`start + i * step`, in float64 or int64, then in the dtype of the result."""
    kinds, out = call.specs, call.out
    name, is_whole = out.dtype.name, all(k in (int, bool) for k in kinds)
    if name not in ("float32", "float64") and not (is_whole and name in ("int32", "int64")):
        return None
    if any(k not in (int, bool, float) for k in kinds) or not out.contiguous:
        return None
    numbers = tuple("float" if k is float else "int" for k in kinds)
    return Routine([(_compiled(name, numbers), 1)], [out.numel])


@functools.cache
def _compiled(element: str, numbers: tuple[str, str]) -> int:
    def build() -> str:
        module = ir.Module("ranges")
        _write(Writer(new_function(module, "steps"), element), numbers)
        return module_text(module)

    return jit.load(("ranges", element, numbers), ["steps"], build, vectorize=True)["steps"]


def _write(w: Writer, numbers: tuple[str, str]) -> None:
    """Words of the block: start, step, result, scratch; how many."""
    b, block = w.b, w.function.args[0]
    floats = w.name.startswith("float")
    wide = ELEMENTS["float64"] if floats else I64
    start, step = (given_number(w, i, kind, wide) for i, kind in enumerate(numbers))
    with w.loop(0, w.word(block, 4)) as i:
        if floats:
            value: Any = b.fadd(b.fmul(b.sitofp(i, wide), step), start)
            value = value if w.element == wide else b.fptrunc(value, w.element)
        else:
            value = b.add(b.mul(i, step), start)
            value = value if w.element == wide else b.trunc(value, w.element)
        b.store(value, w.at(w.word(block, 2, w.element), i))
    b.ret_void()


def given_number(w: Writer, place: int, kind: str, to: Any) -> Any:
    """The Python number of a word, an "int" or a "float", in a type that can hold it."""
    found = w.b.load(w.word(w.function.args[0], place, I64 if kind == "int" else ELEMENTS["float64"]))
    if found.type == to:
        return found
    if kind == "float":
        return w.b.fptrunc(found, to)
    return w.b.trunc(found, to) if isinstance(to, ir.IntType) else w.b.sitofp(found, to)
