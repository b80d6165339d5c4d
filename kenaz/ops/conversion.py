"""Tensors written to and converted: `copy_`, `fill_`, `to` and its short forms."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..autograd import nodes as backward_module
from ..autograd.modes import state
from ..core import device as devices
from ..core import dtype as dtypes
from ..core.dtype import dtype
from ..core.shape import broadcast
from ..core.spec import fresh
from ..graph.node import Op
from .creation import _full
from .declare import SAME, pointwise, rename_node
from .record import (
    COPY,
    NUMBERS,
    _rewire,
    apply,
    apply_one,
    assign,
    check_writable,
    composite,
    is_free,
    method,
    number,
    overwrite_free,
    public,
    put,
    register,
)
from .views import in_format, is_contiguous


class _Overwritten(backward_module.BackwardNode):
    """The history of a tensor whose values were replaced by ones that need no gradient: nothing flows further."""

    __slots__ = ("specs",)

    def apply(self, grads: list) -> Any:
        return (None,)


_Overwritten.__name__ = "FillBackward0"


def overwrite(x: Tensor, value: Tensor, name: str) -> Tensor:
    """Write a value without gradient to `x`, broadcasting it; x stays part of the graph where it was."""
    check_writable(x)
    tracked = x._grad_fn is not None and state.enabled
    if value._spec.size != x._spec.size:
        value = value.expand(x._spec.size)
    put(x, value)
    if tracked:
        fn = _Overwritten()
        fn.__class__ = _named(name)
        fn.edges, fn.specs = (backward_module.grad_edge(x),), [x._spec]
        fn.sequence = next(backward_module._sequence)
        history = x.detach()
        history._grad_fn = fn
        _rewire(x, history)
    return x


_classes: dict[str, type] = {}


def _named(name: str) -> type:
    if name not in _classes:
        _classes[name] = type(name, (_Overwritten,), {"__slots__": (), "__module__": "builtins"})
    return _classes[name]


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write the elements of `src`, broadcast and converted, to this tensor."""
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    if src.is_sparse:
        raise RuntimeError(
            "copy_() between dense and sparse Tensors is not implemented! Found self type = "
            f"{self.type()} and src type = {src.type()}"
        )
    if src._spec.size != self._spec.size:
        size = broadcast(self._spec.size, src._spec.size)
        if size != self._spec.size:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(size)}"
            )
        src = src.expand(size)
    if src._grad_fn is None or not state.enabled or self._spec.dtype.kind < 2:
        return overwrite(self, src, "CopyBackwards")
    return assign(self, apply(COPY, (src,), {"out": fresh(self._spec.size, self._spec.dtype)}))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to a number or to a 0-d tensor's."""
    value = number(value)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            )
        return copy_(self, value) if value._grad_fn is not None else overwrite(self, value, "FillBackward1")
    if type(value) not in NUMBERS:
        raise TypeError(f"fill_(): argument 'value' (position 1) must be Number, not {type(value).__name__}")
    return overwrite(self, _full(value, out=fresh(self._spec.size, self._spec.dtype)), "FillBackward0")


def zero_(self: Tensor) -> Tensor:
    """Set every element to zero."""
    call = _full.op.calls.get((int, self._spec))
    if call is not None and call.simple and is_free(self):
        return overwrite_free(self, call, (0,))
    return overwrite(self, _full(0, out=fresh(self._spec.size, self._spec.dtype)), "ZeroBackward0")


# A value that was made in the size of x and does not change with it; x has a gradient, which is zero.
unmoved = pointwise(SAME, name="unmoved", torch=False, tensor=False, grad_name="BernoulliBackward0", grad=(
    lambda g, y, _value, _x: g, lambda g, y, _value, _x: g * 0))(lambda xp, value, x: value)  # fmt: skip


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the same size filled with a number or a 0-d tensor's."""
    value = number(value)
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    result = fill_(input.detach().clone(), value)
    return rename_node(unmoved(result, input), f"FillBackward{int(isinstance(value, Tensor))}")


public(fill)
for _function in (copy_, fill_, zero_):
    method(_function.__name__, _function)
public(fill_)
public(zero_)


# ------------------------------------------------------------------------------------------------------------ conversion
CAST_GRAD = "ToCopyBackward0"


def cast(x: Tensor, to: dtype) -> Tensor:
    """The tensor in another dtype; itself where it has that already."""
    s = x._spec
    if s.dtype is to:
        return x
    call = _TO.calls.get((s, to))
    return apply(_TO, (x,), {"to": to}) if call is None else apply_one(call, x)


# The same kernel as a copy's; in a compiled loop it is the value itself, computed in the dtype that it shall have.
_TO = register(
    Op(
        "to_copy", "pointwise", COPY.kernel, rule=lambda specs, attributes: (specs[0].like(attributes["to"]), attributes["to"]),
        body=lambda xp, x, to: x, grad=lambda g, y, _x, to: g, grad_name=CAST_GRAD,
    )
)  # fmt: skip


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype or device, or those of another tensor; itself where nothing changes."""
    kind, place, copy = _to_arguments(*args, **kwargs)
    if place is not None and devices.resolve(place) is not self._spec.device:
        return _moved(self, kind or self._spec.dtype, devices.resolve(place))
    result = cast(self, kind) if kind is not None else self
    memory_format = kwargs.get("memory_format")
    if memory_format is not None and memory_format.name != "preserve_format" and not is_contiguous(result, memory_format):
        return in_format(result, memory_format)
    return result.clone() if copy and result is self else result


def _moved(self: Tensor, kind: dtype, place: Any) -> Tensor:
    """A tensor on another device: to "meta" only its size goes, and nothing comes back from there."""
    if self._spec.device.type == "meta":
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    return _full(0, out=fresh(self._spec.size, kind, place))


def _to_arguments(*args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **rest: Any) -> tuple:
    for i, a in enumerate(args):
        if isinstance(a, dtypes.dtype):
            dtype = a
        elif isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, bool):
            copy = a if i == len(args) - 1 and i > 1 else copy
        elif isinstance(a, (str, int, devices.device)):
            device = a
        elif a is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got ({type(a).__name__})")
    return dtype, device, copy


method("to", to)


def _short(name: str, kind: dtype) -> None:
    def function(self: Tensor, memory_format: Any = None) -> Tensor:
        return cast(self, kind)

    function.__name__ = name
    function.__doc__ = f"The tensor as {kind}."
    method(name, function)


for _name, _kind in {
    **dtypes.ALIASES, "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "bfloat16": dtypes.bfloat16,
}.items():  # fmt: skip
    _short(_name, _kind)


@composite("Tensor")
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU."""
    return self


@composite("Tensor")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of another."""
    return cast(self, other.dtype)
