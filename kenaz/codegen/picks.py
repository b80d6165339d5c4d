"""The negative log likelihood: of every row of log probabilities the element that a target names.

Targets were checked when they were recorded. A target that is to be ignored counts as nothing. What is picked lies far
apart in memory, so that there is nothing for vectors to do; one pass of a few thousand steps is one chunk.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from ..core.spec import Spec
from ..graph.node import Call
from . import jit
from .routine import Routine
from .vectors import ELEMENTS, I64, Writer, module_text, new_function

F64 = ir.DoubleType()


def nll_routine(call: Call) -> Routine | None:
    """What computes `nll_loss` without weights: (losses or their mean or sum, how many count)."""
    x, target, weight = call.specs
    kinds = x.dtype.name, target.dtype.name
    if type(weight) is Spec or kinds[0] not in ("float32", "float64") or kinds[1] not in ("int32", "int64"):
        return None
    rest = list(range(min(x.ndim - 1, 1) + 1, x.ndim))
    inner = math.prod(x.size[d] for d in rest)
    if not target.contiguous or not x.numel or any(x.stride[d] != math.prod(x.size[d + 1 :]) for d in rest):
        return None
    batch, by_batch, by_class = (1, 0, x.stride[0]) if x.ndim == 1 else (x.size[0], x.stride[0], x.stride[1])
    reduction = call.attributes["reduction"]
    constants = [batch, inner, by_batch, by_class, call.attributes["ignore_index"]]
    return Routine([(_compiled(*kinds, reduction), 1)], constants)


_functions: dict[tuple, int] = {}


def _compiled(kind: str, index: str, reduction: str) -> int:
    key = kind, index, reduction
    if key not in _functions:
        module = ir.Module("picks")
        _emit(Writer(new_function(module, "nll"), kind), index, reduction)
        _functions[key] = jit.compile_module(module_text(module), ["nll"])["nll"]
    return _functions[key]


def _emit(w: Writer, index: str, reduction: str) -> None:
    """Words of the block: x, target, (no weight), result, total, scratch; sizes and strides; the target to ignore."""
    b, block = w.b, w.function.args[0]
    x, targets = w.word(block, 0, w.element), w.word(block, 1, ELEMENTS[index])
    result, total = w.word(block, 3, w.element), w.word(block, 4, w.element)
    batch, inner, by_batch, by_class, ignored = w.words(block, 6, 5)
    nothing, one = ir.Constant(F64, 0.0), ir.Constant(F64, 1.0)
    with w.folding(0, w.mul(batch, inner), 1, [nothing, nothing]) as (i, (lost, counted), after):
        target = b.load(w.at(targets, i))
        target = target if index == "int64" else b.sext(target, I64)
        counts = w.test(target, "!=", ignored)
        at = w.add(
            w.mul(w.div(i, inner), by_batch), w.mul(b.select(counts, target, w.int(0)), by_class), w.rem(i, inner)
        )
        picked = _wide(w, b.load(w.at(x, at)))
        loss = b.select(counts, b.fneg(picked), nothing)
        if reduction == "none":
            b.store(_narrow(w, loss), w.at(result, i))
        after += [b.fadd(lost, loss), b.fadd(counted, b.select(counts, one, nothing))]
    if reduction != "none":
        b.store(_narrow(w, b.fdiv(lost, counted) if reduction == "mean" else lost), result)
    b.store(_narrow(w, counted), total)
    b.ret_void()


def _wide(w: Writer, x: Any) -> Any:
    return x if w.name == "float64" else w.b.fpext(x, F64)


def _narrow(w: Writer, x: Any) -> Any:
    return x if w.name == "float64" else w.b.fptrunc(x, w.element)
