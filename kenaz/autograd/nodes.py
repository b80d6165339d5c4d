"""Backward nodes: what an operator leaves behind so that its gradient can be recorded later.

`attach` is on the hot path of every operator whose inputs require gradients: it keeps the inputs that the derivative
rule reads (found once per operator from the rule's own code), the edges to earlier nodes, and versions to notice
in-place writes.
"""

from __future__ import annotations

import itertools
import os
import re
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from .._tensor import Tensor, make_tensor
from ..core.dtype import dtype, scalar_name
from ..core.handles import RemovableHandle
from ..core.spec import Spec
from ..graph.node import Call, Op
from .modes import state

_sequence = itertools.count()
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


class BackwardNode:
    """The base of everything that `grad_fn` can be: edges to earlier nodes, and hooks."""

    __slots__ = ("__dict__", "__weakref__", "edges", "marked", "sequence")
    edges: tuple  # per input: (backward node, output number) or None
    sequence: int
    marked: bool  # of nodes of operators: whether there are hooks or anything else of what follows
    specs: Any

    # hooks are kept in OrderedDicts, which handles can refer to weakly
    pre_hooks: OrderedDict | None = None  # grads -> grads, before the node runs
    post_hooks: OrderedDict | None = None
    tensor_hooks: dict | None = None  # output number -> hooks on that output's gradient
    retained: dict | None = None  # output number -> weak reference to the tensor that keeps its gradient
    packed: dict | None = None  # input number (or "y") -> what saved-tensor hooks made of a tensor that was to be kept

    def marks(self) -> dict:
        """Where hooks and the like are entered, by the names above; whoever does marks the node."""
        self.marked = True
        return self.__dict__

    def name(self) -> str:
        return type(self).__name__

    @property
    def next_functions(self) -> tuple:
        return tuple(edge or (None, 0) for edge in self.edges)

    @property
    def metadata(self) -> dict:
        return self.marks().setdefault("_metadata", {})

    def _sequence_nr(self) -> int:
        return self.sequence

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after the node has run."""
        return add_hook(self.marks(), "post_hooks", hook)

    def register_prehook(self, hook: Callable) -> Any:
        """Call `hook(grad_outputs)` before the node runs."""
        return add_hook(self.marks(), "pre_hooks", hook)

    @property
    def requires_grad(self) -> bool:
        return True

    def number_of_outputs(self) -> int:
        return 1

    def apply(self, grads: list) -> Any:
        """The gradients of the inputs, given those of the outputs."""
        raise AssertionError(f"{type(self).__name__} has no rule")

    def release(self) -> None:
        """Forget what was saved."""


def add_hook(owner: dict, key: Any, hook: Callable) -> RemovableHandle:
    """Enter a hook into the table `owner[key]`; the handle takes it out again."""
    hooks = owner.get(key)
    if hooks is None:
        hooks = owner[key] = OrderedDict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class AccumulateGrad(BackwardNode):
    """Where gradients of a leaf arrive."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor):
        self.tensor, self.edges, self.sequence, self.marked = weakref.ref(tensor), (), 1 << 62, False

    @property
    def variable(self) -> Tensor | None:
        return self.tensor()


AccumulateGrad.__module__ = "builtins"  # so that it prints as PyTorch's


class OpBackward(BackwardNode):
    """The backward node of an operator; each operator has a subclass that only carries its name."""

    __slots__ = ("derivative", "inputs", "outputs", "versions")
    derivative: Derivative
    inputs: tuple | None  # per input: the tensor, its Spec where the rule looks no further, a number, or None
    versions: list | None  # of the tensors that are kept
    outputs: Any  # what the rule needs of the results: (storage, spec, offset, version), or their Specs

    @property
    def specs(self) -> tuple:
        return self.derivative.specs

    def number_of_outputs(self) -> int:
        return len(self.outputs) if type(self.outputs) is list else 1

    def apply(self, grads: list) -> Any:
        derivative, inputs = self.derivative, self.inputs
        if inputs is None:
            raise RuntimeError(FREED)
        if self.versions:
            self.check_versions()
        if self.packed:
            inputs = tuple([self._unpacked(i) if i in self.packed else x for i, x in enumerate(inputs)])
        g = tuple(grads) if type(self.outputs) is list else grads[0]  # of several results, some have no gradient: None
        y = self.saved_output() if derivative.y else None
        rule, attributes = derivative.op.grad, derivative.attributes
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
        if self.packed and ("y", number) in self.packed:
            tensor = unpack(self.packed["y", number])
        elif type(saved) is Spec:
            return saved
        else:
            storage, spec, offset, version = saved
            if storage.version != version:
                raise RuntimeError(_modified(spec, number, self, storage.version, version))
            tensor = make_tensor(storage, spec, offset)
        tensor._grad_fn = self
        if number:
            tensor._output_nr = number
        return tensor

    def _unpacked(self, number: int) -> Tensor:
        """A saved input that hooks packed, part of the graph again."""
        assert self.packed is not None
        tensor = unpack(self.packed[number])
        edge = self.edges[number]
        if edge is not None:
            tensor._grad_fn, tensor._output_nr = edge
        return tensor

    def check_versions(self) -> None:
        assert self.inputs is not None
        for i, version in zip(self.derivative.kept, self.versions or (), strict=True):
            tensor = self.inputs[i]
            if tensor._storage.version != version:
                fn = tensor._grad_fn
                raise RuntimeError(_modified(tensor._spec, tensor._output_nr, fn, tensor._storage.version, version))

    def release(self) -> None:
        if self.derivative.forgets:
            self.inputs = self.versions = None
            if self.derivative.y and type(self.outputs) is not list:
                self.outputs = None
            if self.packed:
                self.packed = None

    def __getattr__(self, name: str) -> Any:
        """`_saved_self`, `_saved_result` ...: what the node keeps, under PyTorch's names for the usual operators."""
        if not name.startswith("_saved_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return self._saved(name[7:])

    def _saved(self, name: str) -> Any:
        if self.inputs is None:
            raise RuntimeError(FREED)
        if name == "result" and self.derivative.y:
            return self.saved_output()
        attributes = self.derivative.call.attributes
        if name in attributes:
            return attributes[name]
        number = {"self": 0, "input": 0, "other": 1, "mat1": 0, "mat2": 1}.get(name)
        if number is None or number >= len(self.inputs) or type(self.inputs[number]) is Spec:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '_saved_{name}'")
        return self._unpacked(number) if self.packed and number in self.packed else self.inputs[number]


_NUMBERS = frozenset((float, int, complex, bool))


def _modified(spec: Spec, number: int, fn: Any, version: int, expected: int) -> str:
    made = ""
    if fn is not None and not isinstance(fn, AccumulateGrad):
        made = f", which is output {number} of {_plain_name(fn)},"
    return (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{scalar_name(spec.dtype)}Tensor {list(spec.size)}]{made} is at version {version}; expected version "
        f"{expected} instead. Hint: enable anomaly detection to find the operation that failed to compute its "
        "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def _plain_name(fn: BackwardNode) -> str:
    return re.sub(r"Backward\d+$", "", fn.name())


# ----------------------------------------------------------------------------------------------- hooks on saved tensors
def pack(tensor: Tensor) -> tuple:
    """What the innermost saved-tensor hooks make of a tensor, and the hook that takes it back."""
    packer, unpacker = state.saving[-1]
    before, state.enabled = state.enabled, False
    version = tensor._storage.version
    try:
        made = packer(tensor)
    finally:
        state.enabled = before
    if tensor._storage.version != version:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot "
            "be modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if "
            "you need to perform in-place operations on the input to a pack hook."
        )
    if made is tensor:  # keep the value, not the place in the graph
        made = make_tensor(tensor._storage, tensor._spec, tensor._offset)
    return unpacker, made


def unpack(packed: tuple) -> Tensor:
    """The tensor that `pack` took away."""
    unpacker, made = packed
    tensor = unpacker(made)
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(tensor).__name__}"
        )
    return make_tensor(tensor._storage, tensor._spec, tensor._offset)


def _pack_all(fn: OpBackward, out: Any) -> None:
    packed: dict = {}
    inputs = list(fn.inputs or ())
    for i in fn.derivative.kept:
        packed[i] = pack(inputs[i])
        inputs[i] = inputs[i]._spec
    fn.inputs, fn.versions = tuple(inputs), None
    if fn.derivative.y:
        several = type(out) is tuple
        for i, o in enumerate(out if several else (out,)):
            if not several or is_read(fn.derivative.y, i):
                packed["y", i] = pack(o)
        fn.outputs = [o._spec for o in out] if several else out._spec
    if packed:
        fn.marks()["packed"] = packed


def _watch(fn: OpBackward, out: Any) -> None:
    """What saved-tensor hooks and anomaly detection add to attaching a node."""
    if state.anomaly:
        import traceback

        lines = [frame for frame in traceback.extract_stack() if not frame.filename.startswith(_HERE)]
        fn.metadata["traceback_"] = traceback.format_list(lines)
    if state.inferred and any(fn.inputs[i]._inference for i in fn.derivative.kept):  # type: ignore[index]  # recorded in this mode
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use "
            "it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
        )
    if state.saving:
        _pack_all(fn, out)


# ------------------------------------------------------------------------------------------------ what a rule reads
class Saves:
    """What a derivative rule reads: of its inputs (True: values, None: only the spec, False: nothing), the result (of
    several results the numbers, or True for all), ..."""

    __slots__ = ("attributes", "inputs", "keeps", "needs", "numbers", "variadic", "y")
    attributes: Any
    inputs: Any
    keeps: Any  # whether any input is kept
    needs: Any
    numbers: Any
    variadic: Any
    y: Any


def reads(rule: Any, attributes: dict, needed: tuple[bool, ...]) -> Saves:
    """What a rule reads, from its own bytecode: a parameter that is never loaded need not be kept alive.

    A parameter whose name begins with an underscore gets the input's Spec instead of its value. Where there is a rule
    per input, only those of the inputs that require gradients count.
    """
    if type(rule) is not tuple:
        return _reads_one(rule, attributes)
    found = [_reads_one(one, attributes) for one, need in zip(rule, needed, strict=True) if need and one]
    if not found:  # inputs that require gradients get none
        return _reads_one(lambda g, y, *_inputs: None, {})
    first, *others = found
    for other in others:
        first.y = True if True in (first.y, other.y) else first.y | other.y
        first.inputs = tuple(
            True if True in (a, b) else None if None in (a, b) else False
            for a, b in zip(first.inputs, other.inputs, strict=True)
        )
    first.numbers = True in first.inputs
    first.keeps = first.numbers or first.variadic
    return first


def _reads_one(rule: Callable, attributes: dict) -> Saves:
    code = rule.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    loaded = _loaded(code)
    found = Saves()
    found.y = _results_read(code, names[1]) if len(names) > 1 and names[1] in loaded else frozenset()
    found.needs = "needs" in names
    found.attributes = tuple(k for k in attributes if k in names or code.co_flags & 0x08)
    inputs = [n for n in names[2:] if n not in attributes and n != "needs"]
    found.inputs = tuple(None if n.startswith("_") else n in loaded for n in inputs)
    found.variadic = None
    if code.co_flags & 0x04:  # *tensors
        rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        found.variadic = None if rest.startswith("_") else rest in loaded
    found.numbers = True in found.inputs
    found.keeps = found.numbers or found.variadic
    return found


def _results_read(code: Any, name: str) -> Any:
    """The numbers n of all `name[n]` in a rule's code; True where the name stands alone."""
    import dis

    found = set()
    instructions = [*dis.get_instructions(code), None, None]
    for here, number, taken in zip(instructions, instructions[1:], instructions[2:]):
        if here is None or not here.opname.startswith("LOAD_FAST") or not _names(here.argval, name):
            continue
        is_last = here.argval == name or here.argval[-1] == name
        is_item = taken is not None and (taken.opname == "BINARY_SUBSCR" or taken.argrepr == "[]")
        if not (is_last and is_item and number is not None and type(number.argval) is int):
            return True
        found.add(number.argval)
    return True if name in code.co_cellvars else frozenset(found)


def _names(loaded: Any, name: str) -> bool:
    """Whether an instruction that loads one or two variables loads this one."""
    return name in loaded if isinstance(loaded, tuple) else loaded == name


def is_read(y: Any, number: int) -> bool:
    """Whether a rule reads this one of several results."""
    return y is True or number in y


def _loaded(code: Any) -> set[str]:
    import dis

    names = set(code.co_cellvars)
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD_FAST"):
            value = instruction.argval
            names.update(value if isinstance(value, tuple) else (value,))
    return names


# ------------------------------------------------------------------------------------------------------------- attach
class Derivative:
    """What is known of an operator's backward node from its call and from which inputs require gradients: made once."""

    __slots__ = (
        "attributes", "backward_class", "call", "forgets", "kept", "numbers", "op", "replaced", "specs", "y",
    )  # fmt: skip
    attributes: dict  # what the rule takes beside tensors
    kept: tuple[int, ...]  # the inputs whose values the rule reads
    replaced: tuple[int, ...]  # the inputs of which it only reads the Spec
    numbers: tuple[int, ...]  # the inputs that are no tensors
    forgets: bool  # whether anything is let go after the node has run
    y: Any  # whether the rule reads the result; of several results the numbers of those, or True for all
    whole: Any = None  # of the one node of a captured function: tells `replay` what it has saved

    def __init__(self, call: Call, inputs: tuple, needed: tuple[bool, ...]):
        op = call.op
        saves = op.saves.get(needed)
        if saves is None:
            saves = op.saves[needed] = reads(op.grad, call.attributes, needed)
        name = op.grad_name(*inputs) if callable(op.grad_name) else op.grad_name
        if name not in op.backward_classes:
            op.backward_classes[name] = type(name, (OpBackward,), {"__slots__": (), "op": op, "__module__": "builtins"})
        self.backward_class = op.backward_classes[name]
        self.call, self.op = call, op
        self.y = saves.y if type(call.out) is tuple else bool(saves.y)
        self.specs = tuple([x._spec if isinstance(x, Tensor) else None for x in inputs])
        self.attributes = {k: call.attributes[k] for k in saves.attributes}
        if saves.needs:
            self.attributes["needs"] = needed
        self._divide(inputs, saves)

    def _divide(self, inputs: tuple, saves: Saves) -> None:
        """Which inputs are kept, replaced by their Specs, and numbers."""
        reads = saves.inputs + (saves.variadic,) * (len(inputs) - len(saves.inputs))
        tensors = [isinstance(x, Tensor) for x in inputs]
        self.kept = tuple([i for i, t in enumerate(tensors) if t and reads[i]])
        self.replaced = tuple([i for i, t in enumerate(tensors) if t and not reads[i]])
        self.numbers = tuple([i for i, t in enumerate(tensors) if not t])
        # PyTorch keeps the number of `x * 2` as a tensor, and lets go of it like any other
        held = any(reads[i] and type(inputs[i]) in _NUMBERS for i in self.numbers)
        self.forgets = bool(self.kept or self.y or held)


def attach(call: Call, out: Any, inputs: tuple) -> None:
    """Make `out` (a tensor or a tuple of them) remember how it was made; some input requires gradients."""
    edges, mask, bit = [], 0, 1
    for x in inputs:
        edge = None
        if isinstance(x, Tensor):
            source = x._grad_fn
            if source is not None:
                base = x._base
                if base is not None and base._grad_version != x._view_version:
                    source = refreshed(x)
                edge = source, x._output_nr
                mask |= bit
        edges.append(edge)
        bit += bit
    derivative = call.derivatives.get(mask)
    if derivative is None:
        needed = tuple([e is not None for e in edges])
        derivative = call.derivatives[mask] = Derivative(call, inputs, needed)
    fn = derivative.backward_class()
    fn.derivative, fn.edges, fn.sequence, fn.marked = derivative, tuple(edges), next(_sequence), False
    fn.versions = None
    if derivative.kept or derivative.numbers:
        fn.inputs = inputs
        if derivative.replaced:
            saved = list(inputs)
            for i in derivative.replaced:
                saved[i] = derivative.specs[i]
            fn.inputs = tuple(saved)
        if derivative.kept:
            fn.versions = versions = []
            for i in derivative.kept:
                versions.append(inputs[i]._storage.version)
    else:
        fn.inputs = derivative.specs
    if type(out) is tuple:
        read = derivative.y
        fn.outputs = [_remember(o) if read and is_read(read, i) else o._spec for i, o in enumerate(out)]
        for i, o in enumerate(out):
            if o._spec.dtype.kind >= 2:
                o._grad_fn = fn
                if i:
                    o._output_nr = i
    else:
        fn.outputs = (out._storage, out._spec, out._offset, out._storage.version) if derivative.y else out._spec
        out._grad_fn = fn
    if state.watched:
        _watch(fn, out)


MANY = 4096


def call_of(op: Op, out: Any, inputs: tuple, attributes: dict) -> Call:
    """The call of an operator that records no node: a view, or a composition of others.

    What is the same whenever it is equal is looked up again. The table is bounded: `x[i]` has a call for each i.
    """
    found = out._spec if isinstance(out, Tensor) else tuple([o._spec for o in out])
    specs = tuple([x._spec if isinstance(x, Tensor) else type(x) for x in inputs])
    key = frozen((specs, found, *attributes.values()))
    call = op.calls.get(key) if key is not None else None
    if call is None:
        call = Call(op, specs, attributes, found)
        if len(op.calls) >= MANY:
            op.calls.clear()
        if key is not None:
            op.calls[key] = call
    return call


_PLAIN = frozenset((int, float, bool, str, type(None), Spec, type, dtype))


def frozen(values: tuple) -> tuple | None:
    """A tuple that can be looked up, with slices as tuples; None where something in it may change or be a tensor."""
    found: list[Any] = []
    for v in values:
        kind = type(v)
        if kind in _PLAIN:
            found.append(v)
        elif kind is slice:
            found.append((slice, v.start, v.stop, v.step))
        elif isinstance(v, (tuple, list)):
            part = frozen(tuple(v))
            if part is None:
                return None
            found.append((kind, part))
        elif v is Ellipsis:
            found.append(v)
        else:
            return None
    return tuple(found)


def grad_edge(x: Tensor) -> tuple | None:
    """Where the gradient of a tensor goes: a backward node and the number of its output."""
    fn = x._grad_fn
    if fn is None:
        return None
    if x._base is not None:
        fn = refreshed(x)
    return fn, x._output_nr


def _remember(out: Tensor) -> tuple:
    return out._storage, out._spec, out._offset, out._storage.version


def kept_outputs(fn: OpBackward) -> list[tuple[Any, Spec, int, int]]:
    """What a node keeps of its results: (storage, spec, offset, version) of each that its rule reads."""
    return [o for o in (fn.outputs if type(fn.outputs) is list else (fn.outputs,)) if type(o) is tuple]


def with_outputs(fn: OpBackward, others: Iterable) -> Any:
    """The `outputs` of a node with others in the places of what it keeps."""
    rest = iter(others)
    if type(fn.outputs) is list:
        return [next(rest) if type(o) is tuple else o for o in fn.outputs]
    return next(rest)


def refreshed(view: Tensor) -> Any:
    """The grad_fn of a view, made anew from its base when the base was written to in place since."""
    base = view._base
    if base is not None and view._view_version != base._grad_version:
        regenerate(view)  # noqa: F821  attached later
    return view._grad_fn


regenerate: Callable[[Tensor], None]  # ops/views.py knows how to look at a base through a spec
