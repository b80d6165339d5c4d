"""A region as a loop: which arrays go in and come out, how each is walked, and the IR of the whole.

The loop runs over rows and columns. An input is walked in full, along columns only ("row": the same for each row),
along rows
only ("column"), or not at all ("scalar"). Lengths and addresses are arguments, so that one kernel serves every batch
size.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir

from ..core.dtype import HALF
from ..core.spec import Spec
from ..graph.node import Node
from . import jit
from .emit import FLAGS, I8, I64, TYPES, Namespace, Unsupported, Value


class Kernel:
    """Compiled code of a loop, called with addresses: `run(pointers, first row, last row, columns)`."""

    __slots__ = ("run",)

    def __init__(self, address: int):
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self.run = kind(address)


_kernels: dict[str, Kernel] = {}


def compile_loop(expressions: Any, inputs: list, outputs: list) -> Kernel:
    """The kernel of a loop; equal IR is compiled once.

    inputs: (dtype, walk) of each array, or the type of a Python number. outputs: (dtype, kind), where kind is "store"
    or a fold ("all", "inner", "outer"). `expressions(builder, values)` gives the values of the outputs.
    """
    text = _module(expressions, inputs, outputs)
    found = _kernels.get(text)
    if found is None:
        found = _kernels[text] = Kernel(jit.compile_ir(text, "entry"))
    return found


def _module(expressions: Any, inputs: list, outputs: list) -> str:
    module = ir.Module("kenaz")
    pointers = [_pointer(i) for i in inputs] + [_pointer(o) for o in outputs]
    loop = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, I64, I64, I64]), "loop")
    loop.attributes.add("noinline")
    for argument in loop.args[: len(pointers)]:
        argument.add_attribute("noalias")
    _Loop(loop, expressions, inputs, outputs).emit()
    _entry(module, loop, pointers)
    text = str(module)
    # vectors as wide as the machine has; LLVM prefers half of that on some hosts
    return text.replace(" noinline", ' noinline "prefer-vector-width"="512"')


def _pointer(operand: Any) -> Any:
    if isinstance(operand, type):
        return TYPES["int64" if operand in (int, bool) else "float64"][1].as_pointer()
    if operand[1] == "all":
        return ir.DoubleType().as_pointer()  # every chunk leaves a partial sum in double precision
    return TYPES[operand[0].name][1].as_pointer()


def _entry(module: ir.Module, loop: ir.Function, pointers: list) -> None:
    """`entry(block, first, last, columns)` takes the addresses from a block of memory: one argument for ctypes."""
    entry = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, I64, I64]), "entry")
    b = ir.IRBuilder(entry.append_basic_block())
    block, *bounds = entry.args
    addresses = [b.inttoptr(b.load(b.gep(block, [ir.Constant(I64, i)])), p) for i, p in enumerate(pointers)]
    b.call(loop, [*addresses, *bounds])
    b.ret_void()


class _Loop:
    """Writes the function: rows, columns, loads, the expressions, stores and folds."""

    def __init__(self, function: ir.Function, expressions: Any, inputs: list, outputs: list):
        self.function, self.expressions, self.inputs, self.outputs = function, expressions, inputs, outputs
        self.b = ir.IRBuilder(function.append_basic_block("start"))
        n = len(inputs)
        self.sources, self.targets = function.args[:n], function.args[n : n + len(outputs)]
        self.first, self.last, self.columns = function.args[n + len(outputs) :]

    def emit(self) -> None:
        b = self.b
        fixed = {
            i: self._load(i, ir.Constant(I64, 0))
            for i, x in enumerate(self.inputs)
            if isinstance(x, type) or x[1] == "scalar"
        }
        totals = {o: b.alloca(ir.DoubleType()) for o, (_, kind) in enumerate(self.outputs) if kind == "all"}
        for cell in totals.values():
            b.store(ir.Constant(ir.DoubleType(), 0.0), cell)
        with self._counted(self.first, self.last) as row:
            at_row = {
                i: self._load(i, row) for i, x in enumerate(self.inputs) if not isinstance(x, type) and x[1] == "column"
            }
            base = b.mul(row, self.columns)
            sums = self._columns(base, fixed | at_row)
            for o, value in sums.items():
                self._finish_row(o, value, row, totals)
        for o, cell in totals.items():
            b.store(b.load(cell), self.targets[o])
        b.ret_void()

    def _columns(self, base: Any, known: dict[int, Value]) -> dict[int, Any]:
        """One row; returns the sums along it of outputs that fold it."""
        b = self.b
        folding = [o for o, (_, kind) in enumerate(self.outputs) if kind in ("inner", "all")]
        before = b.block
        head, body, after = (b.append_basic_block(n) for n in ("columns", "element", "row_done"))
        b.branch(head)
        b.position_at_end(head)
        column = b.phi(I64)
        column.add_incoming(ir.Constant(I64, 0), before)
        sums = {o: b.phi(TYPES[self.outputs[o][0].name][0]) for o in folding}
        for phi in sums.values():
            phi.add_incoming(ir.Constant(phi.type, 0.0), before)
        b.cbranch(b.icmp_signed("<", column, self.columns), body, after)
        b.position_at_end(body)
        element = b.add(base, column)
        values = [
            known[i] if i in known else self._load(i, element if x[1] == "full" else column)
            for i, x in enumerate(self.inputs)
        ]
        results = self.expressions(b, values)
        for o, value in enumerate(results):
            kind = self.outputs[o][1]
            if kind == "store":
                self._store(o, value, element)
            elif kind == "outer":
                self._add_to(o, value, column)
        nexts = {o: b.fadd(sums[o], results[o].ir, flags=("reassoc", *FLAGS)) for o in folding}
        step = b.add(column, ir.Constant(I64, 1), flags=["nsw"])
        column.add_incoming(step, b.block)
        for o, value in nexts.items():
            sums[o].add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return dict(sums)

    def _finish_row(self, o: int, value: Any, row: Any, totals: dict) -> None:
        b = self.b
        if o in totals:
            wide = value if isinstance(value.type, ir.DoubleType) else b.fpext(value, ir.DoubleType())
            b.store(b.fadd(b.load(totals[o]), wide), totals[o])
        else:
            b.store(value, b.gep(self.targets[o], [row]))

    def _load(self, i: int, index: Any) -> Value:
        b, operand = self.b, self.inputs[i]
        loaded = b.load(b.gep(self.sources[i], [index]))
        if isinstance(operand, type):
            return Value(b, loaded, np.int64 if operand in (int, bool) else np.float64)
        kind = operand[0]
        if kind.name == "bool":
            loaded = b.trunc(loaded, ir.IntType(1))
        return Value(b, loaded, kind.np)

    def _store(self, o: int, value: Value, index: Any) -> None:
        b, kind = self.b, self.outputs[o][0]
        value = value.cast(kind.np)
        stored = b.zext(value.ir, I8) if kind.name == "bool" else value.ir
        b.store(stored, b.gep(self.targets[o], [index]))

    def _add_to(self, o: int, value: Value, column: Any) -> None:
        cell = self.b.gep(self.targets[o], [column])
        self.b.store(self.b.fadd(self.b.load(cell), value.ir, flags=FLAGS), cell)

    def _counted(self, first: Any, last: Any) -> Any:
        return _counted(self.b, first, last)


class _counted:
    """A loop over [first, last) as a context that gives the counter."""

    def __init__(self, b: ir.IRBuilder, first: Any, last: Any):
        self.b, self.first, self.last = b, first, last

    def __enter__(self) -> Any:
        b = self.b
        before, self.head, body, self.done = b.block, *(b.append_basic_block(n) for n in ("rows", "row", "done"))
        b.branch(self.head)
        b.position_at_end(self.head)
        self.counter = b.phi(I64)
        self.counter.add_incoming(self.first, before)
        b.cbranch(b.icmp_signed("<", self.counter, self.last), body, self.done)
        b.position_at_end(body)
        return self.counter

    def __exit__(self, *error: Any) -> None:
        b = self.b
        step = b.add(self.counter, ir.Constant(I64, 1), flags=["nsw"])
        self.counter.add_incoming(step, b.block)
        b.branch(self.head)
        b.position_at_end(self.done)


# --------------------------------------------------------------------------------------------- nodes as expressions
def apply_body(node: Node, b: ir.IRBuilder, values: list[Value]) -> Value:
    """A pointwise node's value: inputs in the computing dtype, the body, the result in its own dtype."""
    call = node.call
    compute = call.compute
    assert compute is not None and call.op.body is not None
    if compute in HALF:
        raise Unsupported("half types")
    xp = Namespace(b)
    given = [v.cast(compute.np) for v in values]
    result = xp.lift(call.op.body(xp, *given, **call.attributes))
    return result.cast(call.out.dtype.np)


def walk(spec: Spec, size: tuple[int, ...], rows: int, columns: int) -> str | None:
    """How an input is walked in a loop of rows x columns over `size`; None where it needs a copy first."""
    if spec.numel == 1:
        return "scalar"
    if spec.size == size and spec.contiguous:
        return "full"
    if not spec.contiguous:
        return None
    padded = (1,) * (len(size) - spec.ndim) + tuple(spec.size)
    filled = [i for i, s in enumerate(padded) if s != 1]
    if spec.numel == columns and _is_tail(size, padded, filled):
        return "row"
    if spec.numel == rows and all(padded[i] == size[i] for i in range(filled[-1] + 1)):
        return "column"
    return None


def _is_tail(size: tuple, padded: tuple, filled: list[int]) -> bool:
    return all(padded[i] == size[i] for i in range(filled[0], len(size)))
