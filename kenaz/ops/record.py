"""Applying operators: from tensors and numbers to a recorded node and a tensor over it; and writing in place.

Everything the families in `declare.py` have in common ends here: `apply` for a new value, `assign` for an in-place
write, `write_out` for `out=`.
"""

from __future__ import annotations

import functools
import sys
import warnings
import weakref
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor, make_tensor, new_tensor, wrap
from ..autograd import function as function_module
from ..autograd import nodes as backward_module
from ..autograd.modes import state
from ..autograd.nodes import AccumulateGrad, attach, refreshed
from ..core.dtype import FLOAT8, can_cast, dtype, scalar_name
from ..core.shape import extent
from ..core.spec import Spec, fresh
from ..execute import mode, pending
from ..graph.node import Call, Node, Op, held, make_node, pick_call
from ..graph.storage import Storage, make_storage
from .arguments import explained

REGISTRY: dict[str, Op] = {}
PUBLIC: dict[str, Callable] = {}  # the functions of the `torch` namespace
NUMBERS = frozenset((float, int, bool, complex))
PENDING = execute.config.PENDING


def register(op: Op) -> Op:
    """Enter an operator into the registry; incomplete or doubled records are refused."""
    assert op.name not in REGISTRY, f"operator {op.name} is defined twice"
    assert op.rule is not None and callable(op.kernel), f"operator {op.name} lacks a rule or a kernel"
    REGISTRY[op.name] = op
    return op


def public(function: Callable, name: str | None = None) -> Callable:
    """Make a function part of the `torch` namespace; usable as a decorator."""
    name = name or function.__name__
    PUBLIC[name] = function if hasattr(function, "op") else explained(function, name)
    return function


def method(name: str, function: Any) -> None:
    """Attach a method to Tensor."""
    plain = type(function) is FunctionType and not hasattr(function, "op") and not name.startswith("__")
    setattr(Tensor, name, explained(function, name, is_method=True) if plain else function)


def composite(*names: str) -> Callable:
    """Decorate a composition of operators: it becomes torch.name and Tensor.name (or only those said: "torch",
    "Tensor")."""

    def enter(function: Callable) -> Callable:
        where = names or ("torch", "Tensor")
        if "torch" in where:
            public(function)
        if "Tensor" in where:
            method(function.__name__, function)
        return function

    return enter


class Routing:
    """`active` once a subclass of Tensor is defined that operators must give back; `disabled` while they shall not."""

    __slots__ = ("active", "disabled", "rewrap")
    active: bool
    disabled: bool
    rewrap: Callable


routing = state.routing = Routing()
routing.active = routing.disabled = False


class Layouts:
    """Tensors whose spec is no view of memory: what their specs are, and who applies operators to them."""

    __slots__ = ("apply", "rows", "sparse_mask", "spec", "to_sparse")
    spec: type | None
    apply: Callable  # (op, inputs, attributes) -> result
    rows: Callable  # (indices, values, size) -> a tensor that has only these rows
    sparse_mask: Callable
    to_sparse: Callable


layouts = Layouts()
layouts.spec = None


# --------------------------------------------------------------------------------------------------------------- apply
def apply(op: Op, inputs: tuple, attributes: dict[str, Any] | None = None) -> Any:
    """Record an operator over tensors and Python numbers; the result is a tensor or a tuple of tensors."""
    specs = tuple([x._spec if isinstance(x, Tensor) else type(x) for x in inputs])
    key = specs + tuple(attributes.values()) if attributes else specs
    call = op.calls.get(key)
    if call is None:
        if layouts.spec in map(type, specs):
            return layouts.apply(op, inputs, attributes or {})
        call = op.calls[key] = new_call(op, specs, attributes or {})
    return apply_call(call, inputs)


def new_call(op: Op, specs: tuple, attributes: dict[str, Any]) -> Call:
    """Work out an operator's result for these specs: raises what a user got wrong."""
    assert op.rule is not None
    out, compute = op.rule(specs, attributes)
    return Call(op, specs, attributes, out, compute)


def apply_call(call: Call, inputs: tuple) -> Any:
    """Record a known call over its inputs."""
    sources, tracked = [], False
    for x in inputs:
        if isinstance(x, Tensor):
            sources.append(x._storage.node)
            tracked = tracked or x._grad_fn is not None
        else:
            sources.append(x)
    offsets = tuple([x._offset if isinstance(x, Tensor) else 0 for x in inputs]) if call.shifted else None
    if call.simple and not mode.slow:  # what almost all calls are
        out = result_of(call, tuple(sources), offsets)
    else:
        out = _recorded(call, tuple(sources), offsets, inputs)
    if not state.enabled:
        if state.inference:
            _mark_inference(out)
    elif tracked and call.differentiable:
        attach(call, out, inputs)
    if routing.active and not routing.disabled:
        return routing.rewrap(out, inputs)
    return out


def apply_one(call: Call, x: Tensor) -> Any:
    """As `apply_call` to one tensor."""
    if not call.simple or mode.slow or routing.active or state.inference:
        return apply_call(call, (x,))
    out = result_of(call, (x._storage.node,), (x._offset,) if call.shifted else None)
    if x._grad_fn is not None and state.enabled and call.differentiable:
        attach(call, out, (x,))
    return out


def result_of(call: Call, sources: tuple, offsets: tuple | None) -> Tensor:
    """The tensor over a new node of a simple call: `execute.record` and `wrap` without what they ask for others."""
    node, storage, out = Node(), Storage(), new_tensor(Tensor)
    node.call, node.sources, node.offsets, node.value = call, sources, offsets, None
    storage.node, storage.version, storage.exposed = node, 0, False
    out._storage, out._spec, out._offset, out._grad_fn = storage, call.out, 0, None
    out._base, out._output_nr = None, 0
    pending.append(node)
    if len(pending) > PENDING:
        execute.flush()
    return out


def _recorded(call: Call, sources: tuple, offsets: tuple | None, inputs: tuple) -> Any:
    """The results of a call that has several, or errors to look for; or that is to run at once."""
    node = execute.record(call, sources, offsets)
    if mode.slow:
        execute.watch(node, tuple([x._storage for x in inputs if isinstance(x, Tensor)]))
    return wrap(node) if type(call.out) is Spec else _wrap_all(call, node)


def _mark_inference(out: Any) -> None:
    for o in out if type(out) is tuple else (out,):
        o._inference = True


def _wrap_all(call: Call, node: Node) -> tuple:
    return tuple([wrap(execute.record(pick_call(call, i), (node,))) for i in range(len(call.out))])


def requires_grad(inputs: Sequence) -> bool:
    for x in inputs:
        if isinstance(x, Tensor) and x._grad_fn is not None:
            return True
    return False


def number(value: Any) -> Any:
    """A Python number for a Python or NumPy number; everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


# ------------------------------------------------------------------------------------------------ the graph's own
# operators
def _copy_rule(specs: tuple, attributes: dict) -> tuple:
    return attributes["out"], None


def _native_copy(call: Call) -> Any:
    from ..codegen import moves

    return moves.copy(call)


def _native_write(call: Call) -> Any:
    from ..codegen import moves

    return moves.write(call)


COPY = register(
    Op(
        "copy", "pointwise", lambda call: lambda x: np.array(_cast(x, call.out.dtype), copy=True, order="K"),
        rule=_copy_rule, grad=lambda g, y, _x, out: g, grad_name="CloneBackward0", native=_native_copy,
    )
)  # fmt: skip


def _cast(x: np.ndarray, to: dtype) -> np.ndarray:
    """An array in another dtype, converting as C does (out-of-range values wrap, complex drops its imaginary part)."""
    if x.dtype == to.np:
        return x
    if x.dtype.kind == "c" and not to.is_complex:
        x = x.real
    if to in FLOAT8:
        return _to_float8(x, to)
    if to.kind == 1 and to.name.startswith("u") and x.dtype.kind in "fV":
        return x.astype(np.int64).astype(to.np)  # a negative float to unsigned wraps through a signed integer
    return x.astype(to.np)


def _to_float8(x: np.ndarray, to: dtype) -> np.ndarray:
    """An array in eight bits: `e4m3fn` has no infinity and keeps its largest number, `e8m0fnu` has no signs."""
    if to.name == "float8_e4m3fn":
        return np.clip(x.astype(np.float32), -448, 448).astype(to.np)
    if to.name == "float8_e8m0fnu":
        return np.abs(x.astype(np.float32)).astype(to.np)
    return x.astype(to.np)


def _write_kernel(call: Call) -> Callable:
    region: Spec = call.attributes["region"]
    order = None if call.specs[0].contiguous else call.specs[0].order()

    def write(base: np.ndarray, value: np.ndarray, offset: int) -> np.ndarray:
        if region.numel:
            memory = base if order is None else base.transpose(order)  # row-major again
            seen = np.ndarray(region.size, region.dtype.np, memory, offset * region.dtype.itemsize, region.numpy_stride)
            seen[...] = _cast(value, region.dtype)
        return base

    return write


WRITE = register(
    Op(
        "write", "indexed", _write_kernel, rule=lambda specs, attributes: (specs[0], None), overwrites=True,
        native=_native_write,
    )
)


# ------------------------------------------------------------------------------------------------------ writing in
# place
def is_whole(x: Tensor) -> bool:
    """Whether a tensor sees all of its storage, in order and in the storage's own dtype."""
    spec, memory = x._spec, x._storage.node.call.out
    return spec.contiguous and not spec.shifted and spec.numel == memory.numel and spec.dtype is memory.dtype and (
        memory.contiguous
    )  # fmt: skip


def is_free(x: Tensor) -> bool:
    """Whether writing to a tensor is nothing but to give its storage another node: it is whole, and on its own."""
    spec = x._spec
    return (
        x._storage.node.call.out is spec and spec.contiguous and x._base is None
        and (x._grad_fn is None or not state.enabled) and not (mode.slow or x._silent or x._inference)
    )  # fmt: skip


def overwrite_free(x: Tensor, call: Call, sources: tuple) -> Tensor:
    """Give a free tensor the values of a simple call without offsets that has the tensor's spec."""
    node, storage = Node(), x._storage
    node.call, node.sources, node.offsets, node.value = call, sources, None, None
    pending.append(node)
    storage.node = node
    storage.version += 1
    if len(pending) > PENDING:
        execute.flush()
    return x


def check_writable(x: Tensor, tracked: bool = False) -> None:
    """Raise what PyTorch raises where writing to a tensor in place would break a gradient.

    `tracked` says that what is written requires gradients.
    """
    s = x._spec
    if not s.contiguous and 0 in s.stride:
        check_overlap(s)
    base, fn = x._base, x._grad_fn
    if (x._inference or base is not None and base._inference) and not state.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if not state.enabled or fn is None and not tracked and (base is None or base._grad_fn is None):
        return
    if base is not None and x._creation is not None:
        raise RuntimeError(_refusal(x))
    if fn is None:
        return
    if fn.name() in _SEVERAL_VIEWS:
        raise RuntimeError(f"Output {x._output_nr} of {_SEVERAL_VIEWS[fn.name()]} {_FROM_SEVERAL}")
    if base is None:
        if type(fn) is AccumulateGrad:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    elif type(base._grad_fn) is AccumulateGrad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def _refusal(x: Tensor) -> str:
    """Why a view may not be written to, from how it was made."""
    if x._creation == "function":
        name = x._grad_fn.name().removesuffix("Backward")
        return (
            f"Output {x._output_nr} of {name} is a view and is being modified inplace. This view was created inside a "
            "custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace "
            "would override the custom backward associated with the custom Function, leading to incorrect gradients. "
            "This behavior is forbidden. You can fix this by cloning the output of the custom Function."
        )
    return (
        "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use "
        "case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the "
        "inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside "
        "(if you want the inplace to be tracked)."
    )


_FROM_SEVERAL = (
    "is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such "
    "functions do not allow the output views to be modified inplace. You should replace the inplace operation by an "
    "out-of-place one."
)
_SEVERAL_VIEWS = {"SplitBackward0": "Split", "SplitWithSizesBackward0": "SplitWithSizes", "UnbindBackward0": "Unbind"}


def check_overlap(s: Spec) -> None:
    """Raise where several elements of a tensor to be written to are one place in memory."""
    if any(q == 0 and n > 1 for n, q in zip(s.size, s.stride, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


def assign(x: Tensor, value: Tensor) -> Tensor:
    """Write `value` (of x's size, any castable dtype) to `x` in place; x's gradient becomes the value's.

    Where x is a view, its base is recorded as "the base with this region replaced".
    """
    check_writable(x, value._grad_fn is not None)
    differentiable = state.enabled and value._grad_fn is not None and x._spec.dtype.kind >= 2
    if value._spec.dtype is not x._spec.dtype:
        if not can_cast(value._spec.dtype, x._spec.dtype):
            raise RuntimeError(
                f"result type {scalar_name(value.dtype)} can't be cast to the desired output type "
                f"{scalar_name(x.dtype)}"
            )
    if differentiable:
        _keep_old_value(x, value._grad_fn)
    put(x, value)
    if differentiable or x._grad_fn is not None and state.enabled:
        _rewire(x, value)
    return x


def _keep_old_value(x: Tensor, fn: Any) -> None:
    """Let a backward node that saved `x` read what x was before the write that follows: `x *= y` is no mistake."""
    versions = getattr(fn, "versions", None)
    if not versions or not any(saved is x for saved in fn.inputs):
        return
    old = x.clone() if x._storage.exposed else make_tensor(make_storage(x._storage.node), x._spec, x._offset)
    old._grad_fn, old._output_nr = x._grad_fn, x._output_nr
    fn.inputs = tuple([old if saved is x else saved for saved in fn.inputs])
    fn.versions = [
        old._storage.version if fn.inputs[i] is old else version
        for i, version in zip(fn.derivative.kept, versions, strict=True)
    ]


def put(x: Tensor, value: Tensor) -> None:
    """Replace the elements of `x` by those of `value`, with nothing said about gradients."""
    storage = x._storage
    if x._silent or x._base is not None and x._base._silent:
        storage.version -= 1  # what is written to `x.data` does not count
    if is_whole(x):
        execute.replace(storage, _as_memory(value, x._spec))
        return
    with_region = {"region": x._spec}
    memory = make_tensor(storage, storage.node.call.out, 0)
    specs = (memory._spec, value._spec, int)
    key = (*specs, x._spec)
    call = WRITE.calls.get(key)
    if call is None:
        call = WRITE.calls[key] = new_call(WRITE, specs, with_region)
    offsets = (0, value._offset, 0) if call.shifted else None
    node = execute.record(call, (storage.node, value._storage.node, x._offset), offsets)
    execute.replace(storage, node)
    if mode.slow:
        execute.watch(node, (value._storage,))


def _as_memory(value: Tensor, spec: Spec) -> Node:
    """A node whose memory is `value` in a dense tensor of `spec`."""
    if (
        value._spec.dtype is spec.dtype and value._spec.size == spec.size and is_whole(value)
        and sys.getrefcount(value._storage) <= 3 and not value._storage.exposed
    ):  # fmt: skip
        return value._storage.node  # a fresh result that nobody else sees: its node is the new value
    out = fresh(spec.size, spec.dtype, spec.device)
    key = (value._spec, out)
    call = COPY.calls.get(key)
    if call is None:
        call = COPY.calls[key] = new_call(COPY, (value._spec,), {"out": out})
    node = execute.record(call, (value._storage.node,), (value._offset,) if call.shifted else None)
    if mode.slow:
        execute.watch(node, (value._storage,))
    return node


def _rewire(x: Tensor, value: Tensor) -> None:
    """After an in-place write: x's history is that of the value, and a base's history contains the write."""
    base = x._base
    changed = x if base is None else base
    views = _live_views(changed, x) if changed._grad_fn is None else ()
    if base is None:
        _move_retained(x, value._grad_fn, value._output_nr)
        x._grad_fn = value._grad_fn
        x._output_nr = value._output_nr
    else:
        fn = _CopySlices()
        fn.edges = (backward_module.grad_edge(base), backward_module.grad_edge(value))
        fn.derivative = _written(base._spec, x._spec, x._offset - base._offset)
        fn.inputs, fn.outputs, fn.versions, fn.marked = (), None, None, False
        fn.sequence = next(backward_module._sequence)
        _move_retained(base, fn, 0)
        base._grad_fn = fn
        base._output_nr = 0
    changed._grad_version += 1
    if base is not None:
        regenerate(x)
    for view in views:
        if view is not x:
            regenerate(view)


def _move_retained(x: Tensor, fn: Any, number: int) -> None:
    """A tensor that keeps its gradient keeps that of what it is now; its hooks stay with what it was."""
    if x._retains_grad:
        (x._grad_fn.retained or {}).pop(x._output_nr, None)
        fn.marks().setdefault("retained", {})[number] = weakref.ref(x)


def _live_views(base: Tensor, written: Tensor) -> list[Tensor]:
    """The views of a base that had no history until now. Views know their base and not the other way round, so that
    making one stays cheap; here, where a plain buffer becomes part of the graph, they are searched for if there can
    be any."""
    # the storage is known to the base, to the view that was written through, and to getrefcount as its argument
    if sys.getrefcount(base._storage) <= (2 if written is base else 3):
        return []
    import gc

    return [o for o in gc.get_objects() if isinstance(o, Tensor) and getattr(o, "_base", None) is base]


class _CopySlices(backward_module.BackwardNode):
    """The history of a base after a view of it was written to."""

    __slots__ = ("derivative", "inputs", "outputs", "versions")  # as those of an operator's node, for `replay`
    derivative: _Written

    @property
    def specs(self) -> tuple:
        return self.derivative.specs

    def apply(self, grads: list) -> tuple:
        """The gradients of the rest of the base, and of what was written."""
        d = self.derivative
        dense = apply(COPY, (grads[0],), {"out": fresh(grads[0].shape, grads[0].dtype, stride=d.dense_stride())})
        where = (d.region.size, d.region.stride, d.offset)
        value = rest = None
        if self.edges[1] is not None:  # first, so that the rest may be where the whole was
            value = dense.as_strided(*where)
            value = value if state.enabled or value._spec.contiguous else value.contiguous()
        if self.edges[0] is not None:
            rest = dense.clone() if state.enabled else make_tensor(make_storage(dense._storage.node), dense._spec)
            rest.as_strided(*where).zero_()
        return rest, value


class _Written:
    """What tells the history of one write from that of another; what `replay` asks of an operator's `Derivative`."""

    __slots__ = ("base", "offset", "region", "specs")
    kept = replaced = numbers = ()
    forgets = y = False
    whole = None
    backward_class = _CopySlices

    def __init__(self, base: Spec, region: Spec, offset: int):
        self.base, self.region, self.offset, self.specs = base, region, offset, (base, region)

    def dense_stride(self) -> tuple:
        return self.base.stride if self.base.order() is not None else fresh(self.base.size, self.base.dtype).stride


_written = functools.lru_cache(4096)(_Written)  # one for all writes of a kind: it is compared by identity


_CopySlices.__name__ = _CopySlices.__qualname__ = "CopySlices"
_CopySlices.__module__ = "builtins"


class _AsStrided(backward_module.BackwardNode):
    """The history of a view whose base was written to since: the base, seen through the view's spec."""

    __slots__ = ("base_spec", "offset", "region", "specs")

    def apply(self, grads: list) -> Any:
        size, stride, grad = self.region.size, self.region.stride, grads[0]
        repeated = tuple(d for d, q in enumerate(stride) if q == 0 and size[d] > 1)
        if repeated:  # an expanded view: each place gets the sum
            grad = grad.sum(repeated, True)
            size = tuple(1 if d in repeated else n for d, n in enumerate(size))
        memory = grad.new_zeros((extent(self.base_spec.size, self.base_spec.stride),))
        memory.as_strided(size, stride, self.offset).copy_(grad)
        return memory.as_strided(self.base_spec.size, self.base_spec.stride, 0)


_AsStrided.__name__ = _AsStrided.__qualname__ = "AsStridedBackward0"
_AsStrided.__module__ = "builtins"


def regenerate(view: Tensor) -> None:
    """Give a view the history of its base as it is now."""
    base = view._base
    assert base is not None
    view._view_version = base._grad_version
    if base._grad_fn is None:
        return
    fn = _AsStrided()
    fn.edges, fn.specs = (backward_module.grad_edge(base),), [base._spec]
    fn.base_spec, fn.region, fn.offset = base._spec, view._spec, view._offset - base._offset
    fn.sequence = next(backward_module._sequence)
    if view._retains_grad and view._grad_fn is not None:
        _move_retained(view, fn, 0)
    view._grad_fn = fn
    view._output_nr = 0


backward_module.regenerate = regenerate
function_module.rewire = _rewire


# ---------------------------------------------------------------------------------------------------------------- out=
def write_out(result: Any, out: Any, name: str = "") -> Any:
    """Write results to the tensors given as `out=`, resizing them where they have another size."""
    if type(result) is tuple or isinstance(result, tuple):
        for r, o in zip(result, out, strict=True):
            write_out(r, o, name)
        return type(result)(*out) if hasattr(result, "_fields") else tuple(out)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.enabled and (requires_grad((result,)) or out._grad_fn is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if not can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"result type {scalar_name(result.dtype)} can't be cast to the desired output type {scalar_name(out.dtype)}"
        )
    if out.shape != result.shape:
        resize(out, result.shape)
    check_overlap(out._spec)
    put(out, result)
    return out


def resize(out: Tensor, size: tuple) -> None:
    """Give a tensor new memory of another size, warning where it held something."""
    if out.numel():
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not "
            f"match the required output shape {list(size)}. This behavior is deprecated, and in a future PyTorch "
            "release outputs will not be resized unless they have zero elements. You can explicitly reuse an out "
            "tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            stacklevel=4,
        )
    spec = fresh(size, out.dtype, out.device)
    array = np.empty(spec.size, spec.dtype.np)
    version = out._storage.version
    out._storage = make_storage(make_node(held(spec), (), None, array))
    out._storage.version = version + 1
    out._spec, out._offset = spec, 0


__all__ = [
    "apply",
    "apply_call",
    "assign",
    "composite",
    "method",
    "public",
    "put",
    "refreshed",
    "register",
    "write_out",
]
