"""The negative log likelihood: of every row of log probabilities the element that a target names.

A target that is to be ignored counts as nothing, and so does one that is no class, which rings an alarm. What is picked
lies far apart in memory, so that there is nothing for vectors to do; one pass of a few thousand steps is one chunk.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from llvmlite import ir

from ..core.spec import Spec
from ..graph.node import Call
from . import jit
from .alarms import cells, ring
from .routine import Routine
from .vectors import ELEMENTS, I64, Writer, module_text, new_function

F64 = ir.DoubleType()


def nll_routine(call: Call) -> Routine | None:
    """What computes `nll_loss`: (losses or their mean or sum, how many count, or what they weigh)."""
    x, target, weight = call.specs
    kinds = x.dtype.name, target.dtype.name
    if kinds[0] not in ("float32", "float64") or kinds[1] not in ("int32", "int64"):
        return None
    weighted = type(weight) is Spec
    if weighted and not (weight.contiguous and weight.dtype is x.dtype):
        return None
    rest = list(range(min(x.ndim - 1, 1) + 1, x.ndim))
    inner = math.prod(x.size[d] for d in rest)
    if not target.contiguous or not x.numel or any(x.stride[d] != math.prod(x.size[d + 1 :]) for d in rest):
        return None
    batch, by_batch, by_class = (1, 0, x.stride[0]) if x.ndim == 1 else (x.size[0], x.stride[0], x.stride[1])
    reduction = call.attributes["reduction"]
    classes = x.size[min(x.ndim - 1, 1)]
    constants = [batch, inner, by_batch, by_class, call.attributes["ignore_index"], classes, cells]
    return Routine([(_compiled(*kinds, reduction, weighted), 1)], constants)


_functions: dict[tuple, int] = {}


def _compiled(kind: str, index: str, reduction: str, weighted: bool) -> int:
    key = kind, index, reduction, weighted
    if key not in _functions:
        _functions[key] = jit.load(("picks", *key), ["nll"], lambda: _text(*key))["nll"]
    return _functions[key]


def _text(kind: str, index: str, reduction: str, weighted: bool) -> str:
    module = ir.Module("picks")
    _emit(Writer(new_function(module, "nll"), kind), index, reduction, weighted)
    return module_text(module)


def _emit(w: Writer, index: str, reduction: str, weighted: bool) -> None:
    """Words of the block: x, target, weight or none, result, total, scratch; sizes and strides; the target to ignore,
    how many classes there are, the cells of alarms."""
    b, block = w.b, w.function.args[0]
    x, targets = w.word(block, 0, w.element), w.word(block, 1, ELEMENTS[index])
    result, total = w.word(block, 3, w.element), w.word(block, 4, w.element)
    batch, inner, by_batch, by_class, ignored, classes = w.words(block, 6, 6)
    nothing, one = ir.Constant(F64, 0.0), ir.Constant(F64, 1.0)
    with w.folding(0, w.mul(batch, inner), 1, [nothing, nothing]) as (i, (lost, counted), after):
        target = b.load(w.at(targets, i))
        target = target if index == "int64" else b.sext(target, I64)
        is_class, wanted = b.icmp_unsigned("<", target, classes), w.test(target, "!=", ignored)
        with b.if_then(b.and_(wanted, b.not_(is_class)), likely=False):
            ring(w, 12, 1, target)
        counts = b.and_(wanted, is_class)
        chosen = b.select(counts, target, w.int(0))
        at = w.add(w.mul(w.div(i, inner), by_batch), w.mul(chosen, by_class), w.rem(i, inner))
        picked = _wide(w, b.load(w.at(x, at)))
        weight = _wide(w, b.load(w.at(w.word(block, 2, w.element), chosen))) if weighted else one
        # PyTorch gives 0, and not nan, where a weight of 0 meets an infinite loss
        lossy = b.and_(counts, b.fcmp_unordered("!=", weight, nothing)) if weighted else counts
        loss = b.select(lossy, b.fmul(b.fneg(picked), weight) if weighted else b.fneg(picked), nothing)
        if reduction == "none":
            b.store(_narrow(w, loss), w.at(result, i))
        after += [b.fadd(lost, loss), b.fadd(counted, b.select(counts, weight, nothing))]
    if reduction != "none":
        b.store(_narrow(w, b.fdiv(lost, counted) if reduction == "mean" else lost), result)
    b.store(_narrow(w, counted), total)
    b.ret_void()


def _wide(w: Writer, x: Any) -> Any:
    return x if w.name == "float64" else w.b.fpext(x, F64)


def _narrow(w: Writer, x: Any) -> Any:
    return x if w.name == "float64" else w.b.fptrunc(x, w.element)


# ------------------------------------------------------------------------------------------------------- the derivative
def nll_back(call: Call) -> Routine | None:
    """Zeros, but for the places that targets name: from (gradient, target, weight, total weight)."""
    g, target, weight, total = call.specs
    size, out = call.attributes["size"], call.out
    kinds = g.dtype.name, target.dtype.name
    if kinds[0] not in ("float32", "float64") or kinds[1] not in ("int32", "int64") or not out.contiguous:
        return None
    weighted, reduction = type(weight) is Spec, call.attributes["reduction"]
    given = [target, total] + [weight] * weighted + [g] * (reduction == "none")
    if not all(s.contiguous for s in given) or weighted and weight.dtype is not g.dtype:
        return None
    batch, classes = (1, size[0]) if len(size) == 1 else size[:2]
    constants = [batch, classes, math.prod(size[2:]), call.attributes["ignore_index"]]
    return Routine([(_compiled_back(*kinds, reduction, weighted), 1)], constants)


@functools.cache
def _compiled_back(kind: str, index: str, reduction: str, weighted: bool) -> int:
    def build() -> str:
        module = ir.Module("picks back")
        _emit_back(Writer(new_function(module, "nll"), kind), index, reduction, weighted)
        return module_text(module)

    return jit.load(("picks back", kind, index, reduction, weighted), ["nll"], build)["nll"]


def _emit_back(w: Writer, index: str, reduction: str, weighted: bool) -> None:
    """Words of the block: g, target, weight or none, total, result, scratch; images, classes, places in each; the
    target to ignore."""
    b, block = w.b, w.function.args[0]
    g, weights, total, out = (w.word(block, i, w.element) for i in (0, 2, 3, 4))
    targets = w.word(block, 1, ELEMENTS[index])
    batch, classes, inner, ignored = w.words(block, 6, 4)
    size = w.mul(batch, classes, inner)
    with w.loop(0, size, w.lanes) as i:
        w.store(w.zero, w.at(out, i), w.first_lanes(w.sub(size, i)))
    with w.loop(0, w.mul(batch, inner)) as i:
        target = b.load(w.at(targets, i))
        target = target if index == "int64" else b.sext(target, I64)
        with b.if_then(b.and_(w.test(target, "!=", ignored), b.icmp_unsigned("<", target, classes))):
            slope = b.load(w.at(g, i if reduction == "none" else 0))
            slope = b.fdiv(slope, b.load(total)) if reduction == "mean" else slope
            slope = b.fmul(slope, b.load(w.at(weights, target))) if weighted else slope
            place = w.add(w.mul(w.add(w.mul(w.div(i, inner), classes), target), inner), w.rem(i, inner))
            b.store(b.fneg(slope), w.at(out, place))
    b.ret_void()
