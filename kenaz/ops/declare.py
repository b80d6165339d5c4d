"""The families of operators. A record says what is the operator's own; its family supplies the rest.

    pointwise   unary, binary, compare: a body over `xp`, elementwise with broadcasting and promotion
    reduction   a body over `xp` and axes
    view        a rule on (size, stride, offset)
    opaque      a rule for the result's spec and a kernel over whole arrays
    source      values out of nothing: no tensor goes in

Each declaration returns the public function and attaches the method, the in-place form and `out=`.
"""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor, new_tensor
from ..autograd.modes import state
from ..autograd.nodes import attach, call_of
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import COMPLEX, FLOAT, HALF, INT, dtype, result_dtype
from ..core.spec import Spec, fresh, spec
from ..execute import mode, pending
from ..graph.node import Call, Node, Op
from ..graph.storage import Storage
from ..runtime import xp
from ..runtime.blocks import LEAST, blockwise, is_one_pass
from .arguments import explained
from .record import (
    NUMBERS,
    apply,
    apply_call,
    apply_one,
    assign,
    is_free,
    layouts,
    method,
    new_call,
    number,
    overwrite_free,
    public,
    register,
    write_out,
)

# ---------------------------------------------------------------------------------------------------------------- kinds
# A kind says, from the promoted dtype of the inputs, which dtype is computed in and which one comes out.
Kind = Callable[[dtype], tuple[dtype, dtype]]


def SAME(d: dtype) -> tuple[dtype, dtype]:
    return d, d


def FLOATING(d: dtype) -> tuple[dtype, dtype]:
    """Integers become the default floating type."""
    d = dtypes.get_default_dtype() if d.kind < FLOAT else d
    return d, d


def TO_BOOL(d: dtype) -> tuple[dtype, dtype]:
    return d, dtypes.bool_


def TO_REAL(d: dtype) -> tuple[dtype, dtype]:
    return d, d.to_real()


_WIDE = frozenset((dtypes.uint16, dtypes.uint32, dtypes.uint64))


def unsupported(kernel: str, d: dtype) -> NotImplementedError:
    return NotImplementedError(f'"{kernel}" not implemented for \'{dtypes.scalar_name(d)}\'')


def only(
    kind: Kind, kernel: str, *refused: Any, words: str | None = None, refusal: type[Exception] = RuntimeError
) -> Kind:  # fmt: skip
    """A kind that refuses some dtypes, as the named PyTorch kernel does: kinds (INT, ...), dtypes, or "wide" unsigned types.

    `words` replaces the message for complex inputs, and `refusal` is its type.
    """
    wide = "wide" in refused

    def checked(d: dtype) -> tuple[dtype, dtype]:
        if d.kind in refused or d in refused or wide and d in _WIDE:
            if words and d.is_complex:
                raise refusal(words)
            raise unsupported(kernel, d)
        return kind(d)

    return checked


# ------------------------------------------------------------------------------------------------------------ pointwise
def _promoted(specs: Sequence) -> dtype:
    first = specs[0]
    if len(specs) == 1:
        return first.dtype
    full, zero, numbers = [], [], []
    for s in specs:
        if type(s) is Spec:
            (full if s.ndim else zero).append(s.dtype)
        else:
            numbers.append(s)
    return result_dtype(full, zero, numbers)


_KEPT = ("eq", "ne", "isnan", "isinf", "where", "masked_fill")  # what floats of eight bits can do


def pointwise_rule(name: str, kind: Kind) -> Callable:
    def rule(specs: tuple, attributes: dict) -> tuple:
        promoted = _promoted(specs)
        if promoted is dtypes.complex32 and name in ("eq", "ne"):
            promoted = dtypes.complex64
        elif promoted in dtypes.FLOAT8 and name not in _KEPT:
            raise unsupported("add_stub" if name in ("add", "sub") else f"{name}_cpu", promoted)
        elif promoted is dtypes.complex32:
            raise unsupported("pow" if name == "pow" else f"{name}_cpu", promoted)
        compute, out = kind(promoted)
        tensors = [s for s in specs if type(s) is Spec]
        size = tensors[0].size if len(tensors) == 1 else shapes.broadcast(*[s.size for s in tensors])
        for s in tensors:
            if s.size == size:
                return s.like(out), compute
        device = next((s.device for s in tensors if s.ndim), tensors[0].device)
        return fresh(size, out, device), compute

    return rule


def pointwise_kernel(call: Call) -> Callable:
    """The body on arrays of the computing dtype; halves are computed in float32."""
    body, attributes = call.op.body, call.attributes
    work = dtypes.float32 if call.compute in HALF else call.compute
    fixes = [_converter(s, work) for s in call.specs]

    def converted(*arrays: Any) -> Any:
        return body(xp, *[f(a) if f else a for f, a in zip(fixes, arrays, strict=True)], **attributes)

    run = converted if any(fixes) else functools.partial(body, xp, **attributes)
    return _in_blocks(call, run) if call.out.numel >= LEAST and _is_flat(call) and not is_one_pass(body) else run


def _is_flat(call: Call) -> bool:
    """Whether all arrays are row-major and as large as the result, or have no axes."""
    return call.out.contiguous and all(
        s.contiguous and s.size == call.out.size or not s.ndim for s in call.specs if type(s) is Spec
    )


def _in_blocks(call: Call, run: Callable) -> Callable:
    size, kind = call.out.size, call.out.dtype.np

    def whole(*arrays: Any) -> np.ndarray:
        out = np.empty(size, kind)
        blockwise(lambda *parts: (run(*parts),), arrays, (out,))
        return out

    return whole


class MISSING:
    """The default of an argument that has to be given."""


def _converter(spec: Any, work: dtype) -> Callable | None:
    if type(spec) is Spec:
        if spec.dtype is work:
            return None
        return lambda a: a.astype(work.np)
    if work.kind <= INT:
        return lambda a: np.array(a).astype(work.np)[()]  # out-of-range numbers wrap, as in C
    return work.np.type


def _no_tensor(name: str, value: Any, argument: str = "input", position: int = 1) -> TypeError:
    if value is MISSING:
        return TypeError(f'{name}() missing 1 required positional arguments: "{argument}"')
    return TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}"
    )


def unary(name: str, kind: Kind, body: Callable, grad: Callable | None = None, **extra: Any) -> Callable:
    """Declare a pointwise operator of one tensor: torch.name, Tensor.name, Tensor.name_, and `out=`."""
    where = {k: extra.pop(k, True) for k in ("torch", "tensor", "inplace")}
    aliases = extra.pop("aliases", ())
    doc = extra.pop("doc", None)
    op = register(
        Op(name, "pointwise", pointwise_kernel, rule=pointwise_rule(name, kind), body=body, grad=grad, **extra)
    )

    calls = op.calls

    def function(input: Tensor = MISSING, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise _no_tensor(name, input)
        call = calls.get((input._spec,))
        result = apply(op, (input,)) if call is None else apply_one(call, input)
        return result if out is None else write_out(result, out, name)

    def inplace(self: Tensor) -> Tensor:
        return assign(self, function(self))

    function.op = inplace.op = op
    publish(name, function, inplace if where["inplace"] else None, where["torch"], where["tensor"], aliases, doc)
    return function


def publish(
    name: str, function: Callable, inplace: Callable | None, torch: bool = True, tensor: bool = True, aliases: Any = (),
    doc: str | None = None,
) -> None:  # fmt: skip
    """Enter a function as torch.name and Tensor.name, and its in-place form as name_, under all its names."""
    rename(function, name)
    if doc:
        function.__doc__ = doc
    if inplace is not None:
        rename(inplace, name + "_")
    for n in (name, *aliases):
        if torch:
            public(function, n)
        if tensor:
            method(n, function)
        if inplace is not None:
            method(n + "_", inplace)
            if torch:
                public(inplace, n + "_")


def rename(function: Any, name: str) -> None:
    """Give a function made by a family its own name, in tracebacks and in Python's messages about arguments too."""
    function.__name__ = function.__qualname__ = name
    if hasattr(function, "__wrapped__"):
        return
    function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)


def binary(name: str, kind: Kind, body: Callable, grad: Callable | None = None, **extra: Any) -> Callable:
    """Declare a pointwise operator of two tensors, or a tensor and a number.

    `numbers` says where PyTorch takes numbers: "other" (the second argument), "either" (but not both), "both", or "none".
    """
    where = {k: extra.pop(k, True) for k in ("torch", "tensor", "inplace")}
    aliases = extra.pop("aliases", ())
    doc = extra.pop("doc", None)
    numbers = extra.pop("numbers", "other")
    op = register(
        Op(name, "pointwise", pointwise_kernel, rule=pointwise_rule(name, kind), body=body, grad=grad, **extra)
    )

    calls = op.calls
    second = NUMBERS if numbers != "none" else frozenset()  # what may stand for the second tensor

    def function(input: Tensor = MISSING, other: Any = MISSING, *, out: Tensor | None = None) -> Tensor:
        if isinstance(input, Tensor) and type(other) in second:
            call = calls.get((input._spec, type(other)))
        elif isinstance(input, Tensor) and isinstance(other, Tensor):
            call = calls.get((input._spec, other._spec))
        else:
            call = None
            input, other = with_number(name, numbers, input, other)
        result = apply(op, (input, other)) if call is None else apply_call(call, (input, other))
        return result if out is None else write_out(result, out, name)

    def inplace(self: Tensor, other: Any) -> Tensor:
        return assign(self, same_size(self, function(self, other)))

    function.op = inplace.op = op
    publish(name, function, inplace if where["inplace"] else None, where["torch"], where["tensor"], aliases, doc)
    return function


_ACCEPTED = {"other": (False, True), "either": (True, True), "both": (True, True), "none": (False, False)}


def with_number(name: str, numbers: str, input: Any, other: Any) -> tuple:
    """The arguments of a binary operator, at most one of them a Python number; or PyTorch's error."""
    values = number(input), number(other)
    is_tensor = [isinstance(v, Tensor) for v in values]
    fits = [t or accepted and type(v) in NUMBERS for t, v, accepted in zip(is_tensor, values, _ACCEPTED[numbers], strict=True)]
    if all(fits) and any(is_tensor):
        return values
    if all(fits) and numbers == "both":
        kind = dtypes.of_python(type(values[0]))
        return Tensor._from_array(np.asarray(values[0], kind.np)), values[1]
    if MISSING in values or numbers in ("both", "none"):
        first = fits.index(False)
        raise _no_tensor(name, values[first], ("input", "other")[first], first + 1)
    got = ", ".join(type(v).__name__ for v in values)
    ways = ["Tensor input, Tensor other", "Tensor input, Number other"] + ["Number self, Tensor other"] * (numbers == "either")
    expected = "\n".join(f" * ({w}, *, Tensor out = None)" for w in ways)
    raise TypeError(f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:\n{expected}\n")


def operand(name: str, value: Any, argument: str, position: int) -> Any:
    """A tensor or a Python number, or PyTorch's error."""
    if isinstance(value, Tensor) or type(value) in NUMBERS:
        return value
    value = number(value)
    if type(value) in NUMBERS:
        return value
    raise _no_tensor(name, value, argument, position)


def same_size(x: Tensor, result: Tensor) -> Tensor:
    """`result`, or PyTorch's error where writing it to `x` would have to broadcast `x`."""
    if result._spec.size != x._spec.size:
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(result.shape)}"
        )
    return result


def dunder(op: Op, reverse: bool = False) -> Callable:
    """The fast form of a binary operator for `a + b`: a table look-up and three small objects.

    Anything that is not plain (new specs, offsets, other types of numbers, slow mode) goes the general way.
    """
    calls = op.calls
    append = pending.append
    new_node, new_storage = Node, Storage
    limit = execute.config.PENDING

    def general(a: Tensor, b: Any) -> Tensor:
        b = number(b)
        if not isinstance(b, Tensor) and type(b) not in NUMBERS:
            return NotImplemented
        return apply(op, (b, a) if reverse else (a, b))

    def fast(self: Tensor, other: Any) -> Tensor:
        kind = type(other)
        if kind in NUMBERS:
            call = calls.get((kind, self._spec) if reverse else (self._spec, kind))
            if call is None or not call.simple or mode.slow:
                return general(self, other)
            if reverse:
                sources, offsets = (other, self._storage.node), (0, self._offset)
            else:
                sources, offsets = (self._storage.node, other), (self._offset, 0)
            tracked = self._grad_fn is not None
        else:
            try:
                call = calls.get((self._spec, other._spec))
            except AttributeError:
                return general(self, other)
            if call is None or not call.simple or mode.slow or reverse:
                return general(self, other)
            sources, offsets = (self._storage.node, other._storage.node), (self._offset, other._offset)
            tracked = self._grad_fn is not None or other._grad_fn is not None
        node = new_node()
        node.call, node.sources, node.offsets, node.value = call, sources, offsets if call.shifted else None, None
        storage = new_storage()
        storage.node, storage.version, storage.exposed = node, 0, False
        out = new_tensor(Tensor)
        out._storage, out._spec, out._offset, out._grad_fn = storage, call.out, 0, None
        out._base, out._output_nr = None, 0
        append(node)
        if len(pending) > limit:
            execute.flush()
        if tracked and state.enabled and call.differentiable:
            attach(call, out, (other, self) if reverse else (self, other))
        return out

    chosen = general if op.late_errors else fast
    rename(chosen, f"__{'r' * reverse}{op.name}__")
    return chosen


def writer(op: Op, general: Callable) -> Callable:
    """The fast form of `a += b` for a tensor on its own and a known call: the storage gets another node.

    What is tracked, a view, exposed or of another dtype goes the general way.
    """
    calls = op.calls

    def fast(self: Tensor, other: Any) -> Tensor:
        kind = type(other)
        if kind in NUMBERS:
            call = calls.get((self._spec, kind))
        elif isinstance(other, Tensor) and (other._grad_fn is None or not state.enabled):
            call = calls.get((self._spec, other._spec))
        else:
            return general(self, other)
        if call is None or not call.simple or call.shifted or call.out is not self._spec or not is_free(self):
            return general(self, other)
        source = other if kind in NUMBERS else other._storage.node
        return overwrite_free(self, call, (self._storage.node, source))

    rename(fast, f"__i{op.name}__")
    return fast


def pointwise(kind: Kind, grad: Callable | None = None, **extra: Any) -> Callable:
    """Decorate a pointwise body: parameters without a default are tensors (or numbers), those with one are attributes.

    The docstring of the body becomes that of the function.
    """

    def enter(body: Callable) -> Callable:
        name = extra.pop("name", body.__name__)
        where = {k: extra.pop(k, True) for k in ("torch", "tensor", "inplace")}
        aliases = extra.pop("aliases", ())
        op = register(
            Op(name, "pointwise", pointwise_kernel, rule=pointwise_rule(name, kind), body=body, grad=grad, **extra)
        )
        tensors, defaults = signature(body, skip=1)

        def function(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Tensor:
            inputs, attributes = bind(name, tensors, defaults, args, kwargs)
            result = apply(op, tuple([operand(name, v, t, i + 1) for i, (t, v) in enumerate(zip(tensors, inputs, strict=True))]), attributes)
            return result if out is None else write_out(result, out, name)

        def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            return assign(self, same_size(self, function(self, *args, **kwargs)))

        function.op, function.inplace = op, inplace
        publish(name, function, inplace if where["inplace"] else None, where["torch"], where["tensor"], aliases, body.__doc__)
        return function

    return enter


def signature(body: Callable, skip: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names of a kernel's arrays, and its attributes with their defaults (the first array is called `input`)."""
    code = body.__code__
    names = code.co_varnames[skip : code.co_argcount]
    values = body.__defaults__ or ()
    n = len(names) - len(values)
    tensors = ("input", *names[1:n]) if n else ()
    return tensors, dict(zip(names[n:], values, strict=True)) | (body.__kwdefaults__ or {})


def bind(name: str, tensors: Sequence[str], defaults: dict, args: tuple, kwargs: dict) -> tuple[list, dict]:
    """Split a call's arguments into tensors and attributes, in the order of the signature."""
    names = (*tensors, *defaults)
    if len(args) > len(names):
        raise TypeError(f"{name}() takes {len(names)} positional arguments but {len(args)} were given")
    given = dict(zip(names, args, strict=False))
    if kwargs:
        for k in kwargs:
            if k in given:
                raise TypeError(f"{name}() got multiple values for argument '{k}'")
            if k not in names:
                raise TypeError(f"{name}() got an unexpected keyword argument '{k}'")
        given |= kwargs
    for t in tensors:
        if t not in given:
            raise TypeError(f'{name}() missing 1 required positional arguments: "{t}"')
    return [given[t] for t in tensors], {k: given.get(k, v) for k, v in defaults.items()}


# ------------------------------------------------------------------------------------------------------------ reductions
def WIDEN_INTS(d: dtype) -> tuple[dtype, dtype]:
    """Integers and booleans are summed in int64."""
    d = dtypes.int64 if d.kind < FLOAT else d
    return d, d


def reduction(
    name: str,
    kind: Kind,
    body: Callable,
    grad: Callable | None = None,
    *,
    has_dtype: bool = False,
    empty: bool = True,
    torch: bool = True,
    tensor: bool = True,
    grad_name: str | None = None,
    whole_name: str | None = None,
    doc: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Callable:
    """Declare an operator that folds axes: `body(xp, x, axes, keepdims, **attributes)`.

    `grad` gets (g, y, x, dim, keepdim) where `dim` is a tuple of axes. Where an empty fold has no value, `empty` is
    whether to raise. `whole_name` names the backward node where no axes are given.
    """

    def rule(specs: tuple, attributes: dict) -> tuple:
        x = specs[0]
        if x.dtype in dtypes.FLOAT8:
            raise unsupported(f"{name}_cpu", x.dtype)
        asked = attributes.get("dtype")
        compute, out = (asked, asked) if asked is not None and asked.kind < FLOAT else kind(asked or x.dtype)
        dims = attributes["dim"]
        if not empty and x.ndim:
            _check_folded(name, x, dims)
        return fresh(folded(x.size, dims, attributes["keepdim"]), out, x.device), compute

    op = register(Op(name, "reduction", reduction_kernel, rule=rule, body=body, grad=grad, grad_name=grad_name))

    def function(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, **more: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise _no_tensor(name, input)
        for k in more:
            if k not in (extra or ()):
                raise TypeError(f"{name}() got an unexpected keyword argument '{k}'")
        attributes = {"dim": shapes.axes(dim, input._spec.ndim), "keepdim": bool(keepdim)}
        if has_dtype:
            attributes["dtype"] = dtype
        if extra:
            attributes |= extra | more
        if dim is None and not empty and not input._spec.numel:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
                "'dim' argument."
            )
        result = apply(op, (input,), attributes)
        if dim is None and whole_name and result._grad_fn is not None:
            rename_node(result, whole_name)
        return result if out is None else write_out(result, out, name)

    rename(function, name)
    function = _of_all(op, explained(numpy_names(function), name), whole_name)
    publish(name, function, None, torch, tensor, (), doc)
    return function


def _of_all(op: Op, general: Callable, whole_name: str | None) -> Callable:
    """A reduction that knows its call where it is given nothing but a tensor, and that tensor's kind came before."""
    calls: dict[Spec, Call] = {}  # these, and only these, are for all axes

    @functools.wraps(general)
    def function(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs or len(args) != 1:
            return general(*args, **kwargs)
        x = args[0]
        call = calls.get(x._spec) if isinstance(x, Tensor) else None
        if call is None:
            result = general(x)
            if isinstance(x, Tensor) and type(x._spec) is Spec and type(result) is Tensor:
                calls[x._spec] = result._storage.node.call
            return result
        result = apply_one(call, x)
        return rename_node(result, whole_name) if whole_name and result._grad_fn is not None else result

    function.op = op
    return function


def _check_folded(name: str, x: Spec, dims: Sequence[int]) -> None:
    for d in dims:
        if x.size[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def rename_node(y: Tensor, name: str) -> Tensor:
    """A result whose backward node goes by another name, as PyTorch prints it."""
    fn = y._grad_fn
    if fn is not None:
        renamed = _renamed_classes.get((type(fn), name))
        if renamed is None:
            base = type(fn).__mro__[1] if "_renamed" in type(fn).__dict__ else type(fn)
            renamed = type(name, (base,), {"__slots__": (), "_renamed": True, "__module__": "builtins"})
            _renamed_classes[type(fn), name] = renamed
        fn.__class__ = renamed
    return y


_renamed_classes: dict[tuple, type] = {}


def folded(size: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """A size after axes were folded."""
    if keepdim:
        return tuple(1 if i in dims else s for i, s in enumerate(size))
    return tuple(s for i, s in enumerate(size) if i not in dims)


def reduction_kernel(call: Call) -> Callable:
    body, attributes = call.op.body, call.attributes
    rest = {k: v for k, v in attributes.items() if k not in ("dim", "keepdim", "dtype")}
    x = call.specs[0]
    dims = attributes["dim"] if x.ndim else ()
    work = dtypes.float32 if call.compute in HALF else call.compute
    convert = x.dtype is not work

    def run(a: np.ndarray) -> Any:
        return body(xp, a.astype(work.np) if convert else a, dims, attributes["keepdim"], **rest)

    return run


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


def numpy_names(function: Callable) -> Callable:
    """Let a function take NumPy's words for its arguments too (`axis`, `keepdims`), as PyTorch's functions do."""

    @functools.wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:
        for k in kwargs:
            if k in _NUMPY_NAMES:
                kwargs = {_NUMPY_NAMES.get(k, k): v for k, v in kwargs.items()}
                break
        return function(*args, **kwargs)

    return named


# ----------------------------------------------------------------------------------------------------------------- views
class View:
    """What a view rule works on: the size, stride and offset of a tensor, and ways to derive new ones."""

    __slots__ = ("dtype", "offset", "size", "stride")

    def __init__(self, size: Sequence[int], stride: Sequence[int], offset: int = 0, dtype: dtype | None = None):
        self.size, self.stride, self.offset, self.dtype = tuple(size), tuple(stride), offset, dtype

    @property
    def ndim(self) -> int:
        return len(self.size)

    def axis(self, dim: int, extra: int = 0) -> int:
        return shapes.axis(operator.index(dim), len(self.size) + extra)

    def permute(self, order: Sequence[int]) -> View:
        return View([self.size[d] for d in order], [self.stride[d] for d in order], self.offset, self.dtype)

    def swap(self, a: int, b: int) -> View:
        order = list(range(len(self.size)))
        if order:
            order[a], order[b] = order[b], order[a]
        return self.permute(order)

    def drop(self, dim: int) -> View:
        return View(self.size[:dim] + self.size[dim + 1 :], self.stride[:dim] + self.stride[dim + 1 :], self.offset, self.dtype)

    def insert(self, dim: int, size: int, stride: int) -> View:
        return View((*self.size[:dim], size, *self.size[dim:]), (*self.stride[:dim], stride, *self.stride[dim:]), self.offset, self.dtype)

    def change(self, dim: int, size: int, stride: int, shift: int = 0) -> View:
        return View(
            (*self.size[:dim], size, *self.size[dim + 1 :]), (*self.stride[:dim], stride, *self.stride[dim + 1 :]),
            self.offset + shift, self.dtype,
        )  # fmt: skip


def view(grad: Callable | None, *, grad_name: str | None = None, torch: bool = True, tensor: bool = True, name: str | None = None) -> Callable:
    """Decorate a rule on views, `rule(v, *arguments) -> View`.

    `grad(g, y, _x, *arguments)` gets the input's Spec. The decorated name is the function of (tensor, *arguments), which other
    functions wrap where PyTorch accepts its arguments in several ways.
    """

    def enter(rule: Callable) -> Callable:
        n = name or rule.__name__.strip("_")
        op = register(Op(n, "view", _view_kernel, rule=rule, grad=grad, grad_name=grad_name))
        names, defaults = signature(rule, skip=1)
        parameters = rule.__code__.co_varnames[1 : rule.__code__.co_argcount]

        def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if kwargs or len(args) < len(parameters):
                args = _positional(n, parameters, rule.__defaults__ or (), args, kwargs)
            if not isinstance(input, Tensor):
                raise _no_tensor(n, input)
            s = input._spec
            key = (op, args)
            try:
                seen = s.variants.get(key)
            except TypeError:  # an argument that cannot be hashed
                seen = key = None
            if seen is not None:
                return look(input, op, seen.out, input._offset, seen.attributes, seen)
            if type(s) is layouts.spec:
                return layouts.apply(op, (input,), dict(zip(parameters, args, strict=True)))
            v = rule(View(s.size, s.stride, 0, s.dtype), *args)
            out = make_view(input, op, v, dict(zip(parameters, args, strict=True)))
            # what moves the offset differs from index to index: remembering it would grow without bound
            if key is not None and not v.offset and out._spec.dtype is s.dtype and plain(args):
                s.variants[key] = call_of(op, out, (input,), dict(zip(parameters, args, strict=True)))
            return out

        publish(n, function, None, torch, tensor, (), rule.__doc__)
        function.op = op
        return function

    return enter


def plain(args: tuple) -> bool:
    """Whether arguments are only integers and tuples of them, which mean the same whenever they are equal."""
    return all(type(a) is int or (type(a) is tuple and plain(a)) for a in args)


def _positional(name: str, parameters: Sequence[str], defaults: tuple, args: tuple, kwargs: dict) -> tuple:
    values = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True)) | dict(zip(parameters, args, strict=False))
    kwargs = {_NUMPY_NAMES.get(k, k): v for k, v in kwargs.items()}
    for k in kwargs:
        if k not in parameters:
            raise TypeError(f"{name}() got an unexpected keyword argument '{k}'")
    values |= kwargs
    missing = [p for p in parameters if p not in values]
    if missing:
        raise TypeError(f'{name}() missing {len(missing)} required positional arguments: "{", ".join(missing)}"')
    return tuple(values[p] for p in parameters)


def _view_kernel(call: Call) -> Callable:
    raise AssertionError("a view is never run")


def make_view(x: Tensor, op: Op, v: View, attributes: dict[str, Any]) -> Tensor:
    """A tensor that looks at the storage of `x` through `v`, whose offset counts from that of `x`."""
    s = x._spec
    start = x._offset if v.dtype is None or v.dtype is s.dtype else x._offset * s.dtype.itemsize // v.dtype.itemsize
    offset = start + v.offset
    return look(x, op, spec(v.size, v.stride, v.dtype or s.dtype, s.device, offset != 0), offset, attributes)


def look(x: Tensor, op: Op, seen: Spec, offset: int, attributes: dict[str, Any], call: Call | None = None) -> Tensor:
    """A tensor of a known spec that looks at the storage of `x`, and remembers how it was taken from `x`."""
    out = new_tensor(Tensor)  # as make_tensor
    out._storage, out._spec, out._offset, out._grad_fn, out._output_nr = x._storage, seen, offset, None, 0
    base = x._base
    out._base = base = x if base is None else base
    if not state.enabled:
        out._creation = "no_grad"
        if x._inference:
            out._inference = True
    elif x._grad_fn is not None and op.grad is not None:
        attach(call or call_of(op, out, (x,), attributes), out, (x,))
    if base._grad_version:
        out._view_version = base._grad_version
    return out


# -------------------------------------------------------------------------------------------------------- opaque, source
def opaque(rule: Callable, grad: Callable | None = None, *, name: str | None = None, **extra: Any) -> Callable:
    """Decorate a kernel over whole arrays, `kernel(xp, *arrays, **attributes)`; gives a function of (inputs, attributes).

    `rule(*specs, **attributes)` returns the result's (size, dtype), or a list of such pairs where there are several results;
    it raises what a user got wrong. Inputs may be tensors and numbers. Halves are handed over as float32 unless `halves`.
    """
    halves = extra.pop("halves", False)

    def enter(kernel: Callable) -> Callable:
        n = name or kernel.__name__.strip("_")

        def spec_rule(specs: tuple, attributes: dict) -> tuple:
            found = rule(*specs, **attributes)
            device = next((s.device for s in specs if type(s) is Spec), None)
            if isinstance(found, list):
                return tuple(_out_spec(f, device) for f in found), None
            return _out_spec(found, device), None

        op = register(Op(n, "opaque", functools.partial(_opaque_kernel, kernel, halves), rule=spec_rule, grad=grad, **extra))

        def function(*inputs: Any, **attributes: Any) -> Any:
            return apply(op, inputs, attributes)

        function.__name__ = function.__qualname__ = n
        function.__doc__ = kernel.__doc__
        function.op = op
        return function

    return enter


def _out_spec(found: Any, device: Any) -> Spec:
    if isinstance(found, Spec):
        return found
    return fresh(found[0], found[1], device) if device is not None else fresh(found[0], found[1])


def _opaque_kernel(kernel: Callable, halves: bool, call: Call) -> Callable:
    attributes = call.attributes
    widen = [not halves and type(s) is Spec and s.dtype in HALF for s in call.specs]
    if not any(widen):
        return functools.partial(kernel, xp, **attributes)

    def run(*arrays: Any) -> Any:
        return kernel(xp, *[a.astype(np.float32) if w else a for a, w in zip(arrays, widen, strict=True)], **attributes)

    return run


def compiled(module: str, name: str, **given: Any) -> Callable:
    """The field `native` of an operator: a function of a module in `codegen`, which is loaded with the first graph that
    is compiled."""

    def offer(call: Call) -> Any:
        return getattr(importlib.import_module(f"...codegen.{module}", __name__), name)(call, **given)

    return offer


def source(rule: Callable, **extra: Any) -> Callable:
    """Decorate a kernel that makes values out of attributes and numbers: `kernel(xp, *numbers, **attributes)`.

    `rule(*types, **attributes)` returns the Spec of the result.
    """

    def enter(kernel: Callable) -> Callable:
        n = kernel.__name__.strip("_")
        op = register(
            Op(n, "source", lambda call: functools.partial(kernel, xp, **call.attributes),
               rule=lambda specs, attributes: (rule(*specs, **attributes), None), **extra)
        )  # fmt: skip

        def function(*numbers: Any, **attributes: Any) -> Tensor:
            return apply(op, numbers, attributes)

        function.op = op
        return function

    return enter


__all__ = [
    "COMPLEX", "FLOAT", "FLOATING", "INT", "NUMBERS", "SAME", "TO_BOOL", "TO_REAL", "WIDEN_INTS", "Spec", "Tensor", "View",
    "apply", "apply_call", "assign", "binary", "bind", "dunder", "fresh", "look", "make_view", "new_call", "only", "opaque", "pointwise",
    "public", "reduction", "source", "unary", "view", "write_out", "writer",
]  # fmt: skip
