"""Subclasses of Tensor: operators on them go through `__torch_function__`, and give the subclass back.

Plain tensors pay nothing. A subclass gets routed forms of Tensor's methods in its own namespace when it is defined;
and from the first such definition on, `apply` looks at the classes of its inputs, so that functions give the subclass
too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from ..core.handles import RemovableHandle
from .record import method, routing

# Methods that say what a tensor is; their answers are no tensors, or must be what they are.
_UNROUTED = {
    "__new__", "__init__", "__init_subclass__", "__torch_function__", "__getattribute__", "__getattr__", "__setattr__",
    "__delattr__",
    "__class__", "__dir__", "__hash__", "__len__", "__bool__", "__float__", "__int__", "__index__", "__complex__",
    "__array__",
    "__array_wrap__", "__reduce__", "__reduce_ex__", "__setstate__", "__deepcopy__", "__format__", "__repr__",
    "__str__", "as_subclass",
    "size", "stride", "dim", "ndimension", "numel", "nelement", "element_size", "storage_offset", "item", "tolist",
    "numpy",
    "data_ptr", "backward", "register_hook", "retain_grad", "is_contiguous", "__dlpack__", "__dlpack_device__",
    "_array", "_is_view",
    "_from_storage", "_from_array", "_make_subclass", "untyped_storage", "storage", "is_floating_point", "is_complex",
    "requires_grad_",
    "register_post_accumulate_grad_hook",
}  # fmt: skip
_SAME = {
    "__add__": "add",
    "__radd__": "add",
    "__mul__": "mul",
    "__rmul__": "mul",
    "__sub__": "sub",
    "__truediv__": "div",
}
_ROUTED_PROPERTIES = ("T", "mT", "H", "mH", "data", "real", "imag")


class DisableTorchFunctionSubclass:
    """Inside, subclasses of Tensor are treated as tensors."""

    def __enter__(self) -> None:
        self._before, routing.disabled = routing.disabled, True

    def __exit__(self, *_: object) -> None:
        routing.disabled = self._before


def convert(value: Any, cls: type) -> Any:
    """A result with its tensors as members of a subclass."""
    if isinstance(value, Tensor):
        return value if cls is Tensor or isinstance(value, cls) else as_subclass(value, cls)
    if isinstance(value, (tuple, list)):
        parts = [convert(v, cls) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def as_subclass(self: Tensor, cls: type) -> Any:
    """The same tensor, in the graph where it is, as a member of a subclass."""
    if not isinstance(cls, type) or not issubclass(cls, Tensor):
        raise TypeError(f"as_subclass(): argument 'cls' must be a subclass of Tensor, but got {cls!r}")
    out = make_tensor(self._storage, self._spec, self._offset)
    out.__class__ = cls
    for name in ("_grad_fn", "_output_nr", "_base", "_view_version", "_creation"):
        value = getattr(self, name)
        if value is not getattr(Tensor, name, None):
            setattr(out, name, value)
    return out


method("as_subclass", as_subclass)


@classmethod
def __torch_function__(cls: Any, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """Call the function as for plain tensors, and make the results members of the subclass."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        found = func(*args, **(kwargs or {}))
    return convert(found, cls)


Tensor.__torch_function__ = __torch_function__


def _is_routed(cls: type) -> bool:
    """Whether operators on a class of tensors go through `__torch_function__`: not for those of Kenaz, such as
    Parameter."""
    for base in cls.__mro__:
        if base is Tensor:
            return True
        if "__torch_function__" in vars(base):
            return True
        if issubclass(base, Tensor) and base.__module__.startswith(("kenaz.", "torch.")):
            return False
    return False


def types_of(args: Any) -> list[type]:
    """The subclasses among arguments, most derived first."""
    found: list[type] = []
    for a in args:
        if isinstance(a, (tuple, list)):
            found += [t for t in types_of(a) if t not in found]
        elif type(a) in _routed_classes and type(a) not in found:
            found.append(type(a))
    return sorted(found, key=lambda t: -len(t.__mro__))


_routed_classes: set[type] = set()


def dispatch(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Ask each subclass among the arguments what a function of tensors gives."""
    types = types_of((*args, *kwargs.values()))
    for t in types:
        answer = t.__torch_function__(func, tuple(types), args, kwargs)
        if answer is not NotImplemented:
            return answer
    name = getattr(func, "__name__", str(func))
    listed = "".join(f"  - tensor subclass {t}\n" for t in types)
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{name}'; all __torch_function__ handlers returned "
        f"NotImplemented:\n\n{listed}\nFor more information, try re-running with TORCH_LOGS=not_implemented"
    )


def _routed_method(function: Callable) -> Callable:
    @functools.wraps(function)
    def routed(self: Any, *args: Any, **kwargs: Any) -> Any:
        if routing.disabled:
            return function(self, *args, **kwargs)
        return dispatch(function, (self, *args), kwargs)

    return routed


def _routed_property(original: property) -> property:
    def get(self: Any) -> Any:
        if routing.disabled:
            return original.fget(self)
        return dispatch(original.fget, (self,), {})

    return property(get, original.fset)


@classmethod
def __init_subclass__(cls: Any, **kwargs: Any) -> None:
    super(Tensor, cls).__init_subclass__(**kwargs)
    if not _is_routed(cls):
        return
    routing.active = True
    _routed_classes.add(cls)
    if any(base in _routed_classes for base in cls.__mro__[1:]):
        return  # inherits the routed forms
    own = vars(cls)
    for name, member in list(vars(Tensor).items()):
        if name in own or name in _UNROUTED or name.startswith("_") and not name.startswith("__"):
            continue
        if any(name in vars(base) for base in cls.__mro__[1 : cls.__mro__.index(Tensor)]):
            continue
        if isinstance(member, property):
            if name in _ROUTED_PROPERTIES:
                setattr(cls, name, _routed_property(member))
        elif callable(member) and not isinstance(member, type):
            setattr(cls, name, _routed_method(vars(Tensor).get(_SAME.get(name, ""), member)))


Tensor.__init_subclass__ = __init_subclass__


# ------------------------------------------------------------------------------------------------- read-only properties
def _unwritable(name: str) -> Callable:
    def refuse(self: Tensor, value: Any = None) -> None:
        raise AttributeError(f"attribute '{name}' of 'torch._C.TensorBase' objects is not writable")

    return refuse


def seal() -> None:
    """Let assignments to properties that cannot be set say so in PyTorch's words; called once all are there."""
    for name, member in list(vars(Tensor).items()):
        if type(member) is property and member.fset is None:
            setattr(Tensor, name, property(member.fget, _unwritable(name), _unwritable(name), member.__doc__))


def rewrapped(out: Any, inputs: tuple) -> Any:
    """The result of a function, as what the subclasses among its inputs ask for."""
    types = types_of(inputs)
    return convert(out, types[0]) if types else out


routing.rewrap = rewrapped
__all__ = ["DisableTorchFunctionSubclass", "RemovableHandle", "as_subclass", "convert", "dispatch"]
