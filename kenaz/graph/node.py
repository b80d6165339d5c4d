"""Op, Call and Node: an operator, one way of using it, and one use.

A `Call` is interned by operator, input specs and attributes, so that everything which depends on shapes and dtypes
(the result's
spec, casts, the prepared kernel) is worked out once; a `Node` is little more than a call and its sources, and the
structure
of a graph is the tuple of its calls. What changes from use to use (Python numbers, storage offsets) is not in the call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..core.dtype import FLOAT
from ..core.spec import Spec


class Op:
    """The record of an operator.

    rule: `rule(specs, attributes) -> (out, compute)`: the spec(s) of the result, and the dtype to compute in (or None).
    kernel: `kernel(call) -> run`, where `run(*arrays)` computes the value; called once per Call.
    grad: `grad(g, y, *inputs, **attributes)` -> gradients of the inputs, in terms of operators; or a tuple with a
    rule per
        input, so that only what is asked for is saved and recorded; None where there is no gradient.
    grad_name: the name of the backward node, or a function of the inputs that gives it.
    native: `native(call)` -> the `codegen.routine.Routine` that computes it in compiled code, or None.
    onto: `onto(total, *inputs, **attributes)` adds to a tensor what the operator gives, where that is less work than to
        make it (None where it cannot): autograd adds up gradients so.
    depths: of a product, the axis of each factor (by its number among the inputs) that is summed over: compiled code
        may read bfloat16s that are adjacent along it.
    cost: about how many simple operations an element takes, where there is a body.
    late_errors: whether a user's mistake may show only in the values. A function `check(call, *arrays)` raises it
    when the line
        is recorded, where the arrays that decide are there already (None for those that are not).
    """

    __slots__ = (
        "backward_classes", "body", "calls", "cost", "depths", "family", "grad", "grad_name", "kernel", "late_errors",
        "name", "native", "onto", "overwrites", "rule", "saves",
    )  # fmt: skip

    def __init__(self, name: str, family: str, kernel: Callable[[Call], Callable], **extra: Any):
        self.name, self.family, self.kernel = name, family, kernel
        self.rule = extra.pop("rule", None)
        self.body = extra.pop("body", None)  # a pointwise body over xp, for the compiler
        self.cost = extra.pop("cost", 1)
        self.native = extra.pop("native", None)
        self.depths = extra.pop("depths", None)
        self.onto = extra.pop("onto", None)
        self.grad = extra.pop("grad", None)
        self.grad_name = extra.pop("grad_name", None) or grad_fn_name(name)
        self.overwrites = extra.pop("overwrites", False)  # the kernel writes into its first array, which it owns
        self.late_errors = extra.pop("late_errors", False)
        self.saves: dict[tuple[bool, ...], Any] = {}
        self.backward_classes: dict[str, type] = {}  # autograd fills these at first use
        self.calls: dict[Any, Call] = {}
        assert not extra, f"{name}: unknown fields {list(extra)}"

    def __repr__(self) -> str:
        return f"<Op {self.name}>"


def grad_fn_name(name: str) -> str:
    """PyTorch's name of an operator's backward node.

    >>> grad_fn_name("log_softmax")
    'LogSoftmaxBackward0'
    """
    return "".join(w[:1].upper() + w[1:] for w in name.strip("_").split("_")) + "Backward0"


SMALL = 64  # loops over fewer elements are not worth compiling


class Call:
    """An operator with the specs of its inputs (a type for a number), its attributes, and the spec of its result.

    `out` is a tuple of specs where the operator gives several results; then the node's value is a tuple of arrays, and
    one `pick` node per result follows.
    """

    __slots__ = (
        "attributes", "compute", "derivatives", "differentiable", "is_loop", "op", "out", "plain", "prepared",
        "shifted", "simple", "specs",
    )  # fmt: skip

    def __init__(self, op: Op, specs: tuple, attributes: dict[str, Any], out: Any, compute: Any = None):
        self.compute = compute
        self.op, self.specs, self.attributes, self.out = op, specs, attributes, out
        self.shifted = any(type(s) is Spec and s.shifted for s in specs)
        is_meta = type(out) is Spec and out.device.type == "meta"
        self.plain = not is_meta and not op.late_errors  # recording it is nothing but a node
        self.simple = self.plain and type(out) is Spec  # ... of one result
        self.prepared: Callable | None = None
        self.derivatives: dict[int, Any] = {}  # autograd's: what is known of the backward node, by who needs gradients
        self.differentiable = op.grad is not None and any(s.dtype.kind >= FLOAT for s in results(out))
        # whether compiling it could pay: a loop over enough elements, or a whole optimizer's step
        sizes = [s.numel for s in (*specs, out) if type(s) is Spec]
        self.is_loop = op.family == "update" or (
            (op.family in ("pointwise", "reduction") or op.native is not None) and max(sizes, default=0) >= SMALL
        )

    def run(self, *arrays: Any) -> Any:
        """The value on these arrays; the kernel is prepared at the first use."""
        if self.prepared is None:
            self.prepared = self.op.kernel(self)
        return self.prepared(*arrays)

    def __repr__(self) -> str:
        return f"{self.op.name}({', '.join(map(str, self.specs))}, {self.attributes}) -> {self.out}"


def results(out: Any) -> tuple:
    """The specs of a call's results, of which there may be one or several."""
    return out if type(out) is tuple else (out,)


class Node:
    """One use of a call: `sources` are nodes and numbers, `offsets` (or None) says where in each source the view
    begins.

    `value` is None until it has run; then the memory of the result, row-major in memory order. `refs` is for liveness;
    `address` is where the value lies, once a plan has asked; `line` is the user's, where it was noted.
    """

    __slots__ = ("address", "call", "line", "offsets", "refs", "sources", "value")
    address: int
    call: Call
    sources: tuple
    offsets: tuple[int, ...] | None
    value: Any
    line: Any
    refs: int

    def __repr__(self) -> str:
        return f"<Node {self.call.op.name} {'pending' if self.value is None else 'done'}>"


def make_node(call: Call, sources: tuple, offsets: tuple[int, ...] | None = None, value: Any = None) -> Node:
    node = Node()
    node.call, node.sources, node.offsets, node.value = call, sources, offsets, value
    return node


class Unplanned(Exception):
    """A graph cannot run as planned this time: it has to be interpreted."""


class Failure:
    """The value of a node whose kernel raised: every reader raises it again."""

    __slots__ = ("error",)

    def __init__(self, error: Exception):
        self.error = error


# --------------------------------------------------------------------------- the two operators that the graph itself
# needs
HELD = Op("held", "source", lambda call: _nothing)  # memory that is simply there
PICK = Op("pick", "pick", lambda call: operator.itemgetter(call.attributes["index"]))  # one of several results


def _nothing() -> Any:
    raise AssertionError("held memory has its value from the start")


def held(spec: Spec) -> Call:
    """The call of memory that is there already."""
    call = HELD.calls.get(spec)
    if call is None:
        call = HELD.calls[spec] = Call(HELD, (), {}, spec)
    return call


def pick_call(of: Call, index: int) -> Call:
    """The call that takes result `index` of a call with several results."""
    key = (of, index)
    call = PICK.calls.get(key)
    if call is None:
        call = PICK.calls[key] = Call(PICK, (None,), {"index": index}, of.out[index])
    return call
