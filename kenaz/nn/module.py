"""Module: the base of every layer and model.

A module holds parameters, buffers and submodules in three dictionaries (`members.py` says how they are read quickly).
Here are registration, attributes, walking the tree, training switches and printing. Three parts have files of their
own: `calling.py` (hooks, and what a call does), `conversion.py` (to, cuda, half ...), `state.py` (state dictionaries).
"""

from __future__ import annotations

import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, TypeVar

from .. import _api as torch
from .calling import (  # noqa: F401  PyTorch has all of these in one file, and libraries look for them there
    Called,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    _has_any_global_hook,
    _registered,
    _WrappedHook,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from .conversion import Convertible
from .members import KINDS, Members, adopt, without_mirror
from .parameter import Buffer, Parameter
from .state import _EXTRA_STATE_KEY_SUFFIX, Stateful, _IncompatibleKeys  # noqa: F401  likewise

__all__ = [
    "register_module_forward_pre_hook",
    "register_module_forward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_backward_hook",
    "register_module_full_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "Module",
]


def _addindent(text: str, num_spaces: int) -> str:
    """text with every line but the first indented."""
    return text.replace("\n", "\n" + num_spaces * " ")


def _type_name(value: Any) -> str:
    """How an error names a value: a tensor's type string, a class with its module, or the class of an instance."""
    if isinstance(value, torch.Tensor):
        return value.type()
    cls = value if isinstance(value, type) else type(value)
    return cls.__qualname__ if cls.__module__ in ("builtins", "__builtin__") else f"{cls.__module__}.{cls.__qualname__}"


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """Compute the module's result; every subclass defines its own."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(Called, Convertible, Stateful):
    """Base of all layers and models: assigning parameters, buffers and modules as attributes registers them.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = Parameter(torch.tensor(2.0))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> [name for name, _ in Scale().named_parameters()]
    ['factor']
    """

    T_destination = TypeVar("T_destination", bound=dict[str, Any])
    dump_patches: bool = False
    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, torch.Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    call_super_init: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        attributes = self.__dict__
        for kind in KINDS:  # a second __init__ starts over
            for name in attributes.get(kind, ()):
                attributes.pop(name, None)
        attributes["training"] = True
        attributes["_parameters"] = Members(self)
        attributes["_buffers"] = Members(self)
        attributes["_non_persistent_buffers_set"] = set()
        for hooks in _HOOKS:
            attributes[hooks] = None if hooks == "_is_full_backward_hook" else OrderedDict()
        attributes["_modules"] = Members(self)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    # ----------------------------------------------------------------------------------------------------- registration
    def register_buffer(self, name: str, tensor: torch.Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the module's state and not a parameter, such as BatchNorm's running mean."""
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = _registered(_global_buffer_registration_hooks, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or the place of one that is absent."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name("parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type_name(param)}' object to parameter '{name}' (torch.nn.Parameter or None "
                "required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To "
                f"express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        if param is not None:
            param = _registered(_global_parameter_registration_hooks, self, name, param)
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule, or the place of one that is absent."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name("module", name, self._modules)
        self._modules[name] = _registered(_global_module_registration_hooks, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a submodule: another name of add_module."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: Any, members: Mapping) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_type_name(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in members and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # -------------------------------------------------------------------------------------------------- members by path
    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path below this one; the module itself at "".

        >>> Module().get_submodule("encoder")
        Traceback (most recent call last):
        AttributeError: Module has no attribute `encoder`
        """
        module: Any = self
        for name in target.split(".") if target != "" else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path; with strict, only in the place of one that is there."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        prefix, _, name = target.rpartition(".")
        parent = self.get_submodule(prefix)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _get_member(self, target: str) -> tuple[Module, str, Any]:
        prefix, _, name = target.rpartition(".")
        module = self.get_submodule(prefix)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        _, name, param = self._get_member(target)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> torch.Tensor:
        """The buffer at a dotted path."""
        module, name, buffer = self._get_member(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    # ------------------------------------------------------------------------------------------------------- attributes
    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for kind in KINDS:  # a shallow copy's members are not mirrored
            members = own.get(kind)
            if members is not None and name in members:
                return members[name]
        error = AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)
        found = getattr(type(self), name, None)
        if not isinstance(found, property) or found.fget is None:
            raise error
        try:  # Python comes here with an AttributeError from inside a property, and forgets it: ask again for the cause
            return found.fget(self)
        except AttributeError as cause:
            raise error from cause

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            self._set_tensor(name, value)
        elif isinstance(value, Module):
            self._set_module(name, value)
        else:
            own = self.__dict__
            params = own.get("_parameters")
            is_member = params is not None and (name in params or name in own["_buffers"] or name in own["_modules"])
            if is_member or name in KINDS:
                self._set_other(name, value)
            else:
                super().__setattr__(name, value)

    def _set_tensor(self, name: str, value: Any) -> None:
        own = self.__dict__
        params, buffers, modules = own.get("_parameters"), own.get("_buffers"), own.get("_modules")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif params is not None and name in params:
            self._refuse(name, value, "as parameter", "torch.nn.Parameter or None")
        elif modules is not None and name in modules:
            self._refuse(name, value, "as child module", "torch.nn.Module or None")
        elif isinstance(value, Buffer):
            if buffers is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif buffers is not None and name in buffers:
            buffers[name] = _registered(_global_buffer_registration_hooks, self, name, value)
        else:
            super().__setattr__(name, value)

    def _set_module(self, name: str, value: Module) -> None:
        own = self.__dict__
        params, modules = own.get("_parameters"), own.get("_modules")
        if params is not None and name in params:
            self._refuse(name, value, "as parameter", "torch.nn.Parameter or None")
        if modules is None:
            raise AttributeError("cannot assign module before Module.__init__() call")
        self._forget(name, "_modules")
        modules[name] = _registered(_global_module_registration_hooks, self, name, value)

    def _set_other(self, name: str, value: Any) -> None:
        own = self.__dict__
        for kind, what, wanted in _PLACES:
            members = own.get(kind)
            if members is None or name not in members:
                continue
            if value is not None:
                self._refuse(name, value, what, wanted)
            if kind == "_parameters":
                self.register_parameter(name, None)
            else:
                hooks = _global_module_registration_hooks if kind == "_modules" else _global_buffer_registration_hooks
                members[name] = _registered(hooks, self, name, None)
            return
        if name in KINDS and name in own:  # a whole new dictionary: it is read as it is, without a mirror
            for member in own[name]:
                own.pop(member, None)
        super().__setattr__(name, value)

    def _refuse(self, name: str, value: Any, what: str, wanted: str) -> None:
        raise TypeError(f"cannot assign '{_type_name(value)}' {what} '{name}' ({wanted} expected)")

    def _forget(self, name: str, kept: str) -> None:
        """Remove a name from everywhere but the one kind of members that it belongs to now."""
        own = self.__dict__
        own.pop(name, None)
        for kind in KINDS:
            if kind != kept and kind in own:
                own[kind].pop(name, None)
        if kept != "_buffers":
            own["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name: str) -> None:
        own = self.__dict__
        for kind in KINDS:
            if name in self._member_dict(kind):
                del own[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        if name not in own and not hasattr(type(self), name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)
        super().__delattr__(name)

    def _member_dict(self, kind: str) -> dict:
        try:
            return self.__dict__[kind]
        except KeyError:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{kind}'") from None

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        return sorted(name for name in names if not name[0].isdigit())  # "0" cannot be written after a dot

    # --------------------------------------------------------------------------------------------------------- pickling
    def __getstate__(self) -> dict:
        state = without_mirror(self.__dict__)
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in _HOOKS:  # files of older versions lack some
            if name not in self.__dict__:
                self.__dict__[name] = None if name == "_is_full_backward_hook" else OrderedDict()
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        adopt(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Our classes carry PyTorch's addresses, where plain pickle finds nothing unless Kenaz stands in for torch.
        # `torch.save`, whose protocol is 2, knows that and writes the addresses.
        name = type(self).__qualname__
        if protocol > 2 and getattr(sys.modules[__package__], name, None) is type(self):
            return _new_module, (name,), self.__getstate__()
        return super().__reduce_ex__(protocol)

    def _replicate_for_data_parallel(self) -> Any:
        """A copy whose parameters a data-parallel wrapper will set."""
        replica = self.__new__(type(self))
        replica.__dict__.update(without_mirror(self.__dict__))
        replica.__dict__["_parameters"] = {}
        replica.__dict__["_buffers"] = Members(replica, self._buffers)
        replica.__dict__["_modules"] = Members(replica, self._modules)
        replica.__dict__["_is_replica"] = True
        return replica

    # ---------------------------------------------------------------------------------------------------------- walking
    def _named_members(
        self, get_members_fn: Callable, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """(path, member) of everything that get_members_fn(module) yields, for this module or all below it too."""
        seen = set()
        modules: Any = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for module_prefix, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield (f"{module_prefix}.{name}" if module_prefix else name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer is given."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) of all parameters."""
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate=remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[torch.Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """(path, buffer) of all buffers."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate=remove_duplicate
        )

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct submodules, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and all below it."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, prefix + ("." if prefix else "") + name, remove_duplicate)

    # --------------------------------------------------------------------------------------------------------- training
    def train(self, mode: bool = True) -> Any:
        """Set training mode, which Dropout and BatchNorm look at, here and in all submodules."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Set evaluation mode: train(False)."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Say of all parameters whether they get gradients."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters."""
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The parameters are "
                "copied (in a differentiable manner) from the original module. This means they are not leaf nodes in "
                "autograd and so don't accumulate gradients. If you need gradients in your forward method, consider "
                "using autograd.grad instead.",
                stacklevel=2,
            )
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
                continue
            if param.grad.grad_fn is not None:
                param.grad.detach_()
            else:
                param.grad.requires_grad_(False)
            param.grad.zero_()

    # --------------------------------------------------------------------------------------------------------- printing
    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What repr says of the module besides its submodules; lines of it stand on lines of their own."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        own = extra.split("\n") if extra else []
        below = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(own) == 1 and not below:
            return f"{self._get_name()}({own[0]})"
        if not own and not below:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(own + below) + "\n)"


_HOOKS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)

# where a name may stand, and what an assignment of something else is told
_PLACES = (
    ("_parameters", "as parameter", "torch.nn.Parameter or None"),
    ("_modules", "as child module", "torch.nn.Module or None"),
    ("_buffers", "as buffer", "torch.nn.Buffer, torch.Tensor or None"),
)


def _new_module(name: str) -> Any:
    """An empty instance of one of our public module classes."""
    cls = getattr(sys.modules[__package__], name)
    return cls.__new__(cls)


for _part in (Called, Convertible, Stateful):
    for _member in vars(_part).values():
        if isinstance(_member, FunctionType):  # errors and reprs say Module.to, as in PyTorch
            _member.__qualname__ = f"Module.{_member.__name__}"
Module.__module__ = "torch.nn.modules.module"
__test__ = {"Module": Module}  # doctest looks for classes by their __module__
