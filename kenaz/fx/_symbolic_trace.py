"""Tracer: runs a module or function on proxies and gives the graph of what it did.

While it runs, public functions and methods of tensors are replaced by routers that let a proxy among their arguments
write a node; modules are asked whether they are leaves. Names that the program imported before are replaced in its
own modules too.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .. import _api as torch
from .._function_modes import _functions
from ..nn.module import Module
from ..nn.parameter import Parameter
from .graph import Graph
from .graph_module import GraphModule
from .node import base_types
from .proxy import ParameterProxy, Proxy, TracerBase, tracer_among

__all__ = ["Tracer", "symbolic_trace", "wrap"]

_wrapped: dict[tuple[int, str], dict] = {}  # (namespace, name): the namespace, where `wrap` asked for a router
# fmt: off
_METHODS = {  # operators of tensors that may have a proxy at their right, by the methods they are
    "__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div", "__pow__": "pow",
    "__matmul__": "matmul", "__mod__": "remainder", "__floordiv__": "floor_divide",
    "__and__": "bitwise_and", "__or__": "bitwise_or",
    "__xor__": "bitwise_xor", "__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt",
    "__ge__": "ge",
}
# fmt: on


def wrap(fn_or_name: Any) -> Any:
    """Make a function of the calling module a leaf: traced programs call it and do not look into it.

    Also a decorator. The function must be at the top level of its module.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    _wrapped[id(frame.f_globals), name] = frame.f_globals
    return fn_or_name


def _router(function: Callable, kind: str = "call_function", target: Any = None) -> Callable:
    """A function that becomes a node where a proxy is among its arguments."""

    @functools.wraps(function)
    def routed(*args: Any, **kwargs: Any) -> Any:
        tracer = tracer_among((args, kwargs))
        if tracer is None:
            return function(*args, **kwargs)
        return tracer.create_proxy(kind, function if target is None else target, args, kwargs)

    return routed


class Tracer(TracerBase):
    """Makes graphs of programs; override `is_leaf_module` to look into other modules than by default.

    >>> print(Tracer().trace(lambda x: torch.relu(x) + 1))
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        %add : [num_users=1] = call_function[target=operator.add](args = (%relu, 1), kwargs = {})
        return add
    """

    def __init__(
        self, autowrap_modules: tuple[ModuleType, ...] = (math,), autowrap_functions: tuple[Callable, ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:  # fmt: skip
        self._autowrap_modules, self._autowrap_functions = autowrap_modules, autowrap_functions
        self.param_shapes_constant = param_shapes_constant
        self.root: Module = Module()
        self.module_stack: dict[str, Any] = {}

    # ---------------------------------------------------------------------------------------------- to be overridden
    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a module is called as a whole: those of `torch.nn` are, except Sequential."""
        ours = type(m).__module__.startswith(("kenaz.nn", "torch.nn"))
        return ours and type(m).__name__ not in ("Sequential", "ModuleList", "ModuleDict")

    def path_of_module(self, mod: Module) -> str:
        """The qualified name of a submodule of the traced module."""
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        """What a call of a module becomes: a node for a leaf, else what its forward does."""
        name = self.path_of_module(m)
        if self.is_leaf_module(m, name):
            return self.create_proxy("call_module", name, args, kwargs)
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What a parameter of a module is for the program: a proxy."""
        if not isinstance(attr_val, Parameter):
            return attr_val
        name = next((n for n, p in self.root.named_parameters() if p is attr_val), None)
        if name is None:
            return attr_val
        if name not in parameter_proxy_cache:
            factory = (lambda node: ParameterProxy(self, node, name, attr_val)) if self.param_shapes_constant else None
            parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {}, proxy_factory_fn=factory)
        return parameter_proxy_cache[name]

    def get_fresh_qualname(self, prefix: str) -> str:
        """A name that the traced module has not used."""
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        return f"{prefix}{number}"

    def create_arg(self, a: Any) -> Any:
        """As in TracerBase; tensors and modules become attributes of the traced module."""
        if isinstance(a, Parameter):
            for name, parameter in self.root.named_parameters():
                if parameter is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, torch.Tensor):
            for name, buffer in self.root.named_buffers():
                if buffer is a:
                    return self.create_node("get_attr", name, (), {})
            return self.create_node("get_attr", self._constant(a), (), {})
        return super().create_arg(a)

    def _leaf(self, a: Any) -> Any:
        if isinstance(a, torch.Tensor):
            return self.create_arg(a)
        if not isinstance(a, (Proxy, *base_types)) and isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super()._leaf(a)

    def _constant(self, value: Any) -> str:
        found = next((k for k, v in vars(self.root).items() if v is value), None)
        if found is None:
            found = self.get_fresh_qualname("_tensor_constant")
            setattr(self.root, found, value)
        return found

    # ------------------------------------------------------------------------------------------------------- tracing
    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module's forward, or of a function.

        `concrete_args` gives values to some arguments, so that the program can branch on them.
        """
        if isinstance(root, Module):
            self.root, function = root, type(root).forward
        else:
            self.root, function = Module(), root
        self.graph = Graph(tracer_cls=type(self))
        self.root_module_name = type(self.root).__name__
        function, args = self.create_args_for_root(function, isinstance(root, Module), concrete_args)
        with self._patched(function):
            result = function(*args)
        self.create_node("output", "output", (self.create_arg(result),), {})
        return self.graph

    def create_args_for_root(
        self, root_fn: Callable, is_module: bool, concrete_args: dict[str, Any] | None = None
    ) -> tuple[Callable, list]:  # fmt: skip
        """Placeholders for the arguments of the traced function."""
        import inspect

        if concrete_args is not None and not isinstance(concrete_args, dict):
            names = list(inspect.signature(root_fn).parameters)[int(is_module) :]
            concrete_args = dict(zip(names, concrete_args))
        code = inspect.unwrap(root_fn).__code__
        total = code.co_argcount + code.co_kwonlyargcount
        parameters = inspect.signature(inspect.unwrap(root_fn)).parameters
        names = list(code.co_varnames[:total])
        args: list = [self.root] if is_module else []
        if is_module:
            if not names:
                raise RuntimeError("``self`` argument cannot be part of *args expansion!")
            names = names[1:]
        for name in names:
            args.append(self._placeholder(name, parameters[name].default, concrete_args or {}))
        extra = iter(code.co_varnames[total:])
        if code.co_flags & 0x04:
            args.append(self._placeholder(f"*{next(extra)}", inspect.Parameter.empty, {}))
        if code.co_flags & 0x08:
            args.append(self._placeholder(f"**{next(extra)}", inspect.Parameter.empty, {}))
        if code.co_kwonlyargcount or code.co_flags & 0x0C:
            return _all_positional(root_fn, code), args
        return root_fn, args

    def _placeholder(self, name: str, default: Any, concrete: dict[str, Any]) -> Any:
        import inspect

        if name in concrete:
            value = concrete[name]
            proxy = self.create_proxy("placeholder", f"{name}_1", (), {})
            if isinstance(value, (str, int, float, bool)):
                message = f"{name} has been specialized to have value {value} but got another value"
                self.create_proxy("call_function", torch._assert, (proxy == value, message), {})
            return value
        args = () if default is inspect.Parameter.empty else (default,)
        return self.create_proxy("placeholder", name, args, {})

    @contextlib.contextmanager
    def _patched(self, function: Callable) -> Iterator[None]:
        """Routers in the place of public functions, methods of tensors, and calls of modules."""
        undo: list[tuple[Any, str, Any]] = []
        routers: dict[int, tuple[Any, Any]] = {}

        def replace(place: Any, name: str, value: Any) -> None:
            held = place if isinstance(place, dict) else vars(place)
            undo.append((place, name, held[name]))
            _set(place, name, value)

        for place, name, original in list(_functions()):
            if place is torch.Tensor:
                replace(place, name, _router(original, "call_method", name))
                continue
            router = routers.setdefault(id(original), (original, _router(original)))[1]
            replace(place, name, router)
        for name, target in _METHODS.items():
            if name in vars(torch.Tensor):
                replace(torch.Tensor, name, _router(vars(torch.Tensor)[name], "call_method", target))
        for module in self._autowrap_modules:
            for name, original in list(vars(module).items()):
                if callable(original) and name[0] != "_":
                    replace(module, name, routers.setdefault(id(original), (original, _router(original)))[1])
        for original in self._autowrap_functions:
            routers.setdefault(id(original), (original, _router(original)))
        for namespace in self._namespaces(function):
            for name, value in list(namespace.items()):
                if id(value) in routers and routers[id(value)][0] is value:
                    replace(namespace, name, routers[id(value)][1])
        for (_, name), namespace in list(_wrapped.items()):
            wanted: Any = namespace.get(name, getattr(builtins, name, None))
            router = _router(wanted)
            if name in namespace:
                wanted._fx_wrapped = True
                replace(namespace, name, router)
            else:
                undo.append((namespace, name, _MISSING))
                namespace[name] = router
        for name, routed in (("__call__", self._called), ("__getattr__", self._looked_up)):
            replace(next(c for c in Module.__mro__ if name in vars(c)), name, routed(getattr(Module, name)))
        try:
            yield
        finally:
            for place, name, value in reversed(undo):
                _set(place, name, value)

    def _namespaces(self, function: Callable) -> list[dict]:
        """The global names of the program: of its function and of its modules' classes."""
        found = {id(g): g for g in [getattr(function, "__globals__", {})]}
        for module in self.root.modules():
            g = getattr(type(module).forward, "__globals__", {})
            if not g.get("__name__", "").startswith("kenaz."):
                found[id(g)] = g
        return list(found.values())

    def _called(self, call: Callable) -> Callable:
        @functools.wraps(call)
        def called(module: Module, *args: Any, **kwargs: Any) -> Any:
            if tracer_among((args, kwargs)) is None and not self._is_ours(module):
                return call(module, *args, **kwargs)
            return self.call_module(module, lambda *a, **k: call(module, *a, **k), args, kwargs)

        return called

    def _is_ours(self, module: Module) -> bool:
        return any(m is module for m in self.root.modules())

    def _looked_up(self, look_up: Callable) -> Callable:
        cache: dict[str, Any] = {}

        @functools.wraps(look_up)
        def looked_up(module: Module, name: str) -> Any:
            return self.getattr(name, look_up(module, name), cache)

        return looked_up


_MISSING = object()


def _set(place: Any, name: str, value: Any) -> None:
    if not isinstance(place, dict):
        setattr(place, name, value)
    elif value is _MISSING:
        del place[name]
    else:
        place[name] = value


def _all_positional(function: Callable, code: Any) -> Callable:
    """A function that takes its keyword-only, starred and double-starred arguments by position."""
    plain, named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[plain:named]
    starred, doubled = bool(code.co_flags & 0x04), bool(code.co_flags & 0x08)

    def call(*args: Any) -> Any:
        rest = list(args[named:])
        bound = dict(zip(code.co_varnames, args[:plain])) | dict(zip(names, args[plain:named]))
        if starred:
            bound[code.co_varnames[named]] = rest.pop(0)
        if doubled:
            bound[code.co_varnames[named + starred]] = rest.pop(0)
        return _without_stars(function)(**bound)

    call.__globals__.setdefault("__name__", __name__)
    return functools.wraps(function)(call)


def _without_stars(function: Any) -> Callable:
    """The function with `*args` and `**kwargs` as plain arguments, so that proxies can stand for them."""
    import types

    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    plain = code.replace(co_argcount=count, co_kwonlyargcount=0, co_flags=code.co_flags & ~0x0C)
    return types.FunctionType(plain, function.__globals__, function.__name__, None, function.__closure__)


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A module or function as a GraphModule: the calls it makes, written down without computing anything.

    >>> print(symbolic_trace(lambda x: torch.relu(x) + 1).code.strip())
    def forward(self, x):
        relu = torch.relu(x);  x = None
        add = relu + 1;  relu = None
        return add
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
