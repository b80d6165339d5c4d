"""Parametrizations: a parameter that is computed from others by modules.

Registering one moves the parameter (or buffer) `weight` of a module into `module.parametrizations.weight`, a list of
modules, and puts a property in its place that calls them. The property lives on a class made for this one module, a
subclass of its own class, so that the module still is an instance of that class.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ... import _api as torch
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "cached",
    "ParametrizationList",
    "register_parametrization",
    "is_parametrized",
    "remove_parametrizations",
    "type_before_parametrizations",
    "transfer_parametrizations_and_params",
]

_cache_enabled = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrized tensor is computed once, when it is first asked for."""
    global _cache, _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache = {}


def _register_parameter_or_buffer(module: Any, name: str, X: Any) -> None:
    if isinstance(X, Parameter):
        module.register_parameter(name, X)
    else:
        module.register_buffer(name, X)


def _maybe_set(dest: Any, src: Any) -> None:
    """Put the values of src into dest; dest stays the tensor it is."""
    dest.data = src.data


def _no_tensor(what: str, value: Any) -> str:
    return f"{what}. Got {type(value).__name__}"


class ParametrizationList(ModuleList):
    """The modules that compute one tensor, each from the result of the one before, and the tensors they start from.

    What they start from is `original`, or `original0`, `original1` ... if the first module takes several.
    """

    original: Any
    unsafe: bool

    def __init__(self, modules: Sequence[Any], original: Any, unsafe: bool = False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with torch.no_grad():
            new = self._inverted(original)
        if not isinstance(new, torch.Tensor) and not isinstance(new, Sequence):
            raise ValueError(
                _no_tensor("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...)", new)
            )
        self.is_tensor = isinstance(new, torch.Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._keep_one(original, new)
        else:
            self._keep_several(original, list(new))
        if not self.unsafe:
            self._check(shape, dtype)

    def _inverted(self, value: Any) -> Any:
        """value through the right inverses, as far as they exist, last module first."""
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                return value
            try:
                value = module.right_inverse(value)
            except NotImplementedError:
                return value
        return value

    def _keep_one(self, original: Any, new: Any) -> None:
        if original.dtype != new.dtype:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                f"original.dtype: {original.dtype}\n"
                f"right_inverse(original).dtype: {new.dtype}"
            )
        if original.device != new.device:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the device.\n"
                f"original.device: {original.device}\n"
                f"right_inverse(original).device: {new.device}"
            )
        with torch.no_grad():
            _maybe_set(original, new)
        _register_parameter_or_buffer(self, "original", original)

    def _keep_several(self, original: Any, new: Sequence) -> None:
        for i, part in enumerate(new):
            if not isinstance(part, torch.Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                    f"{i} of the sequence with type {type(part).__name__}."
                )
            if isinstance(original, Parameter):
                part = Parameter(part, original.requires_grad)
            _register_parameter_or_buffer(self, f"original{i}", part)

    def _check(self, shape: Any, dtype: Any) -> None:
        value = self()
        if not isinstance(value, torch.Tensor):
            raise ValueError(_no_tensor("A parametrization must return a tensor", value) + ".")
        for what, old, new in (("dtype", dtype, value.dtype), ("shape", shape, value.shape)):
            if old != new:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                    f"enabled.\nunparametrized {what}: {old}\nparametrized {what}: {new}"
                )

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the parametrized tensor becomes `value`."""
        with torch.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, torch.Tensor):
                    raise ValueError(_no_tensor("`right_inverse` should return a tensor", value))
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` has dtype "
                        f"{self.original.dtype}"
                    )
                _maybe_set(self.original, value)
                return
            if not isinstance(value, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}.")
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for i, part in enumerate(value):
                self._set_part(i, part)

    def _set_part(self, i: int, part: Any) -> None:
        original = getattr(self, f"original{i}")
        if not isinstance(part, torch.Tensor):
            raise ValueError(f"`right_inverse` must return a sequence of tensors. Got element {i} of type {type(part)}")
        if original.dtype != part.dtype:
            raise ValueError(
                f"Tensor {i} returned by `right_inverse` has dtype {part.dtype} while `original{i}` has dtype "
                f"{original.dtype}"
            )
        _maybe_set(original, part)

    def forward(self) -> Any:
        """The parametrized tensor."""
        first, *others = self
        if self.is_tensor:
            value = first(self.original)
        else:
            value = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in others:
            value = module(value)
        return value


def _refuse_pickling(self: Any) -> None:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _deepcopy(self: Any, memo: dict) -> Any:
    """A copy with a class of its own: the properties of one must not show up in the other."""
    if id(self) in memo:
        return memo[id(self)]
    parametrized = type(self)
    replica = self.__new__(parametrized)
    memo[id(self)] = replica
    replica.__setstate__(copy.deepcopy(Module.__getstate__(self), memo))
    replica.__class__ = parametrized.__bases__[0]
    _inject_new_class(replica)
    for name in self.parametrizations:
        _inject_property(replica, name)
    return replica


def _inject_new_class(module: Any) -> None:
    """Give a module a class of its own, derived from its class."""
    cls = type(module)
    members: dict[str, Any] = {"__getstate__": _refuse_pickling, "__module__": "torch.nn.utils.parametrize"}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module: Any, tensor_name: str) -> None:
    """Put the property that computes a tensor on a module's class."""
    if hasattr(type(module), tensor_name) and isinstance(getattr(type(module), tensor_name), property):
        raise AssertionError(f"{type(module).__name__} already has a property {tensor_name}")

    def get(self: Any) -> Any:
        if not _cache_enabled:
            return self.parametrizations[tensor_name]()
        key = (id(self), tensor_name)
        if key not in _cache:
            _cache[key] = self.parametrizations[tensor_name]()
        return _cache[key]

    def set(self: Any, value: Any) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get, set))


def register_parametrization(module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False) -> Any:
    """Let a module compute one of a module's parameters or buffers.

    The parametrization's forward takes what is learned and returns the tensor that is used; its `right_inverse`, if it
    has one, says what to learn for a given tensor.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_further(module, tensor_name, parametrization)
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        modules = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = modules
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def _check_further(module: Any, tensor_name: str, parametrization: Any) -> None:
    """Check that one more parametrization keeps dtype and shape, and that its inverse does too."""
    value = getattr(module, tensor_name)
    new = parametrization(value)
    if not isinstance(new, torch.Tensor):
        raise ValueError(_no_tensor("A parametrization must return a tensor", new) + ".")
    for what in ("dtype", "shape"):
        if getattr(new, what) != getattr(value, what):
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` flag is "
                f"enabled.\nmodule.{tensor_name}.{what}: {getattr(value, what)}\n"
                f"parametrization(module.{tensor_name}).{what}: {getattr(new, what)}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverse = parametrization.right_inverse(new)
    except NotImplementedError:
        return
    if not isinstance(inverse, torch.Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}")
    for what in ("shape", "dtype"):
        if getattr(inverse, what) != getattr(value, what):
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} as "
                f"module.{tensor_name}.\n"
                f"module.{tensor_name}.{what}: {getattr(value, what)}\n"
                f"returned {what}: {getattr(inverse, what)}"
            )


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether a module, or one of its tensors, has a parametrization."""
    parametrizations = getattr(module, "parametrizations", None)
    if parametrizations is None or not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a tensor ordinary again, with the value it has, or with the value it started from."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with torch.no_grad():
                _maybe_set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register_parameter_or_buffer(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Any) -> type:
    """The class that a module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Any, to_module: Any, tensor_name: str | None = None) -> Any:
    """Give a module the parametrizations of another, and what they start from."""
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in from_module.parametrizations[name]:
            register_parametrization(to_module, name, parametrization)
        source, target = from_module.parametrizations[name], to_module.parametrizations[name]
        for key in ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]:
            setattr(target, key, getattr(source, key))
    return to_module


ParametrizationList.__module__ = "torch.nn.utils.parametrize"
