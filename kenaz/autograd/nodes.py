"""Backward nodes: what an operator leaves behind so that its gradient can be recorded later.

`attach` is on the hot path of every operator whose inputs require gradients: it keeps the inputs that the derivative rule
reads (found once per operator from the rule's own code), the edges to earlier nodes, and versions to notice in-place writes.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from ..core.dtype import scalar_name
from ..core.spec import Spec
from ..graph.node import Op

_sequence = itertools.count()

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after "
    "calling backward."
)


class BackwardNode:
    """The base of everything that `grad_fn` can be: edges to earlier nodes, and hooks."""

    __slots__ = ("__dict__", "__weakref__", "edges", "sequence")
    edges: tuple  # per input: (backward node, output number) or None

    pre_hooks: dict | None = None  # grads -> grads, before the node runs
    post_hooks: dict | None = None
    tensor_hooks: dict | None = None  # output number -> hooks on that output's gradient
    retained: dict | None = None  # output number -> weak reference to the tensor that keeps its gradient

    def name(self) -> str:
        return type(self).__name__

    @property
    def next_functions(self) -> tuple:
        return tuple(edge or (None, 0) for edge in self.edges)

    @property
    def metadata(self) -> dict:
        return self.__dict__.setdefault("_metadata", {})

    def _sequence_nr(self) -> int:
        return self.sequence

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after the node has run."""
        return _register(self.__dict__.setdefault("post_hooks", {}), hook)

    def register_prehook(self, hook: Callable) -> Any:
        """Call `hook(grad_outputs)` before the node runs."""
        return _register(self.__dict__.setdefault("pre_hooks", {}), hook)

    def number_of_outputs(self) -> int:
        return 1

    def apply(self, grads: list) -> Any:
        """The gradients of the inputs, given those of the outputs."""
        raise AssertionError(f"{type(self).__name__} has no rule")

    def release(self) -> None:
        """Forget what was saved."""


def _register(hooks: dict, hook: Callable) -> Any:
    from ..utils.hooks import RemovableHandle

    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class AccumulateGrad(BackwardNode):
    """Where gradients of a leaf arrive."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor):
        self.tensor, self.edges, self.sequence = weakref.ref(tensor), (), 1 << 62

    @property
    def variable(self) -> Tensor | None:
        return self.tensor()


class OpBackward(BackwardNode):
    """The backward node of an operator; each operator has a subclass that only carries its name."""

    __slots__ = ("attributes", "inputs", "outputs", "saves", "specs", "versions")
    op: Op
    saves: Saves
    inputs: tuple | None  # per input: the tensor, its Spec where the rule looks no further, a number, or None
    outputs: Any  # what the rule needs of the results: (storage, spec, version), or their Specs

    def number_of_outputs(self) -> int:
        return len(self.outputs) if type(self.outputs) is list else 1

    def apply(self, grads: list) -> Any:
        saves = self.saves
        inputs = self.inputs
        if inputs is None:
            raise RuntimeError(FREED)
        if self.versions:
            self.check_versions()
        several = type(self.outputs) is list
        g = tuple(grads) if several else grads[0]  # of several results, those without a gradient are None
        y = self.saved_output() if saves.y else None
        attributes = {k: self.attributes[k] for k in saves.attributes} if saves.attributes else {}
        if saves.needs:
            attributes["needs"] = tuple(e is not None for e in self.edges)
        rule = self.op.grad
        if type(rule) is tuple:
            return tuple([
                None if edge is None or one is None else one(g, y, *inputs, **attributes)
                for one, edge in zip(rule, self.edges, strict=True)
            ])  # fmt: skip
        return rule(g, y, *inputs, **attributes)

    def saved_output(self) -> Any:
        """The result as a tensor again, part of the graph where gradients are recorded."""
        if type(self.outputs) is list:
            return tuple(self._output(o, i) for i, o in enumerate(self.outputs))
        return self._output(self.outputs, 0)

    def _output(self, saved: Any, number: int) -> Any:
        if type(saved) is Spec:
            return saved
        storage, spec, offset, version = saved
        if storage.version != version:
            raise RuntimeError(_modified(spec, number, self, storage.version, version))
        tensor = make_tensor(storage, spec, offset)
        tensor._grad_fn = self
        if number:
            tensor._output_nr = number
        return tensor

    def check_versions(self) -> None:
        for tensor, version in zip(self.inputs or (), self.versions, strict=True):
            if version is not None and tensor._storage.version != version:
                fn = tensor._grad_fn
                raise RuntimeError(_modified(tensor._spec, tensor._output_nr, fn, tensor._storage.version, version))

    def release(self) -> None:
        if self.versions or self.saves.y:
            self.inputs = self.versions = None
            if self.saves.y and type(self.outputs) is not list:
                self.outputs = None


def _modified(spec: Spec, number: int, fn: Any, version: int, expected: int) -> str:
    made = f", which is output {number} of {fn.name()}," if fn is not None and not isinstance(fn, AccumulateGrad) else ""
    kind = scalar_name(spec.dtype)
    return (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{kind}Tensor {list(spec.size)}]{made or ''} is at version {version}; expected version {expected} instead. "
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True)."
    )


# ------------------------------------------------------------------------------------------------ what a rule reads
class Saves:
    """What a derivative rule reads: of its inputs (True: values, None: only the spec, False: nothing), the result, ..."""

    __slots__ = ("attributes", "inputs", "needs", "variadic", "y")


def reads(rule: Any, attributes: dict, needed: tuple[bool, ...]) -> Saves:
    """What a rule reads, from its own bytecode: a parameter that is never loaded need not be kept alive.

    A parameter whose name begins with an underscore gets the input's Spec instead of its value. Where there is a rule per
    input, only those of the inputs that require gradients count.
    """
    if type(rule) is not tuple:
        return _reads_one(rule, attributes)
    found = [_reads_one(one, attributes) for one, need in zip(rule, needed, strict=True) if need]
    first = found[0]
    for other in found[1:]:
        first.y = first.y or other.y
        first.inputs = tuple(
            True if True in (a, b) else None if None in (a, b) else False
            for a, b in zip(first.inputs, other.inputs, strict=True)
        )
    return first


def _reads_one(rule: Callable, attributes: dict) -> Saves:
    code = rule.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    loaded = _loaded(code)
    found = Saves()
    found.y = len(names) > 1 and names[1] in loaded
    found.needs = "needs" in names
    found.attributes = tuple(k for k in attributes if k in names or code.co_flags & 0x08)
    inputs = [n for n in names[2:] if n not in attributes and n != "needs"]
    found.inputs = tuple(None if n.startswith("_") else n in loaded for n in inputs)
    found.variadic = None
    if code.co_flags & 0x04:  # *tensors
        rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        found.variadic = None if rest.startswith("_") else rest in loaded
    return found


def _loaded(code: Any) -> set[str]:
    import dis

    names = set(code.co_cellvars)
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD_FAST"):
            value = instruction.argval
            names.update(value if isinstance(value, tuple) else (value,))
    return names


# ------------------------------------------------------------------------------------------------------------- attach
def backward_class(op: Op) -> type:
    """The class of an operator's backward nodes, made at its first use."""
    op.saves = {}
    op.backward_class = type(op.grad_name, (OpBackward,), {"__slots__": (), "op": op, "__module__": "builtins"})
    return op.backward_class


def attach(op: Op, out: Any, inputs: tuple, attributes: dict) -> None:
    """Make `out` (a tensor or a tuple of them) remember how it was made; some input requires gradients."""
    fn = (op.backward_class or backward_class(op))()
    fn.attributes = attributes
    edges = tuple([grad_edge(x) if isinstance(x, Tensor) else None for x in inputs])
    mask = tuple([e is not None for e in edges])
    saves = op.saves.get(mask)
    if saves is None:
        saves = op.saves[mask] = reads(op.grad, attributes, mask)
    keep = saves.inputs
    if len(keep) < len(inputs):
        keep = keep + (saves.variadic,) * (len(inputs) - len(keep))
    saved: list = []
    versions: list | None = None
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            saved.append(x)
        elif keep[i]:
            saved.append(x)
            if versions is None:
                versions = [None] * len(inputs)
            versions[i] = x._storage.version
        else:
            saved.append(x._spec)
    fn.inputs, fn.edges, fn.versions, fn.saves = tuple(saved), edges, versions, saves
    fn.specs = [x._spec if isinstance(x, Tensor) else None for x in inputs]
    fn.sequence = next(_sequence)
    if type(out) is tuple:
        fn.outputs = [_remember(o, saves.y) for o in out]
        for i, o in enumerate(out):
            if o._spec.dtype.kind >= 2:
                o._grad_fn = fn
                if i:
                    o._output_nr = i
    else:
        fn.outputs = _remember(out, saves.y)
        out._grad_fn = fn


def grad_edge(x: Tensor) -> tuple | None:
    """Where the gradient of a tensor goes: a backward node and the number of its output."""
    fn = x._grad_fn
    if fn is None:
        return None
    if x._base is not None:
        fn = refreshed(x)
    return fn, x._output_nr


def _remember(out: Tensor, value: bool) -> Any:
    return (out._storage, out._spec, out._offset, out._storage.version) if value else out._spec


def refreshed(view: Tensor) -> Any:
    """The grad_fn of a view, made anew from its base when the base was written to in place since."""
    base = view._base
    if base is not None and view._view_version != base.__dict__.get("_grad_version", 0):
        regenerate(view)
    return view._grad_fn


regenerate: Callable[[Tensor], None]  # ops/views.py knows how to look at a base through a spec
