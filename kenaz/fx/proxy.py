"""Proxy: stands for a value while a program is traced, and writes down what is done with it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..nn.parameter import Parameter
from .graph import FORMATS, IN_PLACE, Graph
from .node import Node, base_types, map_aggregate

__all__ = ["Attribute", "GraphAppendingTracer", "Proxy", "TraceError", "TracerBase"]


class TraceError(ValueError):
    """A program does something that a graph cannot say."""


class TracerBase:
    """What makes nodes of calls: `create_proxy` enters a call, `create_arg` makes an argument of a value."""

    graph: Graph
    record_stack_traces = False
    trace_asserts = False
    proxy_buffer_attributes = False

    def create_node(
        self, kind: str, target: Any, args: tuple, kwargs: dict, name: str | None = None, type_expr: Any = None
    ) -> Node:  # fmt: skip
        """A node for a call."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """What the program gets for a node."""
        return Proxy(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: Any, kwargs: dict, name: str | None = None, type_expr: Any = None,
        proxy_factory_fn: Callable | None = None,
    ) -> Any:  # fmt: skip
        """A node for a call with proxies among its arguments, as a proxy."""
        node = self.create_node(kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """A value as an argument of a node; raises NotImplementedError for one that code cannot say."""
        if isinstance(a, dict) and any(isinstance(k, Proxy) for k in a):
            raise RuntimeError("Keys for dictionaries used as an argument cannot contain a Node. Got key")
        if isinstance(a, range):
            return range(*map(self.create_arg, (a.start, a.stop, a.step)))
        return map_aggregate(a, self._leaf)

    def _leaf(self, a: Any) -> Any:
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, (Node, *base_types)) or callable(a) or type(a).__name__ in ("layout", "memory_format"):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """What happens when a program branches on a traced value."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Any:
        """What happens when a program iterates over a traced value: unpacking works where the code says how many."""
        count = _unpacked_to()
        if count:
            return iter([obj[i] for i in range(count)])
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
            "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what "
            "types of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy "
            "iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """What `**proxy` asks for."""
        return Attribute(obj, "keys")()


def _unpacked_to() -> int:
    """How many names the line that iterates unpacks to, or 0: `a, b = proxy`."""
    import dis
    import sys

    frame = sys._getframe(3)  # iter, Proxy.__iter__, the program
    at = frame.f_lasti
    code = [i for i in dis.get_instructions(frame.f_code) if i.offset == at]
    return int(code[0].arg or 0) if code and code[0].opname == "UNPACK_SEQUENCE" else 0


class GraphAppendingTracer(TracerBase):
    """A tracer that puts what is done with proxies at the end of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.module_stack: dict[str, Any] = {}
        self.node_name_to_scope: dict[str, Any] = {}


class Proxy:
    """Stands for the value of a node. Operators, methods and functions of it become nodes.

    >>> graph = Graph()
    >>> x = Proxy(graph.placeholder("x"))
    >>> (x + 1).relu()
    Proxy(relu)
    """

    node: Node
    tracer: TracerBase

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.node, self.tracer = node, tracer or GraphAppendingTracer(node.graph)

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    if TYPE_CHECKING:  # the operators below are set from tables

        def __getitem__(self, key: Any) -> Proxy: ...
        def __add__(self, other: Any) -> Proxy: ...

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Any:
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    def __contains__(self, _: Any) -> bool:
        raise RuntimeError(
            "'in' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('in') at module scope"
        )

    def __deepcopy__(self, memo: dict) -> Proxy:
        return Proxy(self.node, self.tracer)

    def keys(self) -> Any:
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, orig_method: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """A function of tensors that a proxy was given to, as a node."""
        kwargs = kwargs or {}
        return tracer_among((args, kwargs)).create_proxy("call_function", orig_method, args, kwargs)


def tracer_among(values: Any) -> Any:
    """The tracer of the first proxy among nested values, or None."""
    if isinstance(values, Proxy):
        return values.tracer
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, (tuple, list)) else ()
    return next((t for t in map(tracer_among, parts) if t is not None), None)


class Attribute(Proxy):
    """`proxy.name`: a method when it is called, else the attribute."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]  # made when it is asked for
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A parameter of the traced module: its shape is known."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Parameter) -> None:
        super().__init__(node, tracer)
        self.name, self.param = name, param

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        return self.param.shape

    def size(self, *args: Any) -> Any:
        return self.param.size(*args)

    def dim(self) -> int:
        return self.param.dim()

    @property
    def ndim(self) -> int:
        return self.param.ndim

    def numel(self) -> int:
        return self.param.numel()

    def nelement(self) -> int:
        return self.param.nelement()


def _operator(function: Callable) -> Callable:
    def method(self: Proxy, *args: Any) -> Any:
        return (tracer_among(args) or self.tracer).create_proxy("call_function", function, (self, *args), {})

    return method


def _reflected(function: Callable) -> Callable:
    return lambda self, other: self.tracer.create_proxy("call_function", function, (other, self), {})


_function: Any
for _function in (*FORMATS, operator.getitem, operator.abs):
    _name = _function.__name__.rstrip("_")
    setattr(Proxy, f"__{_name}__", _operator(_function))
    if FORMATS.get(_function, "").startswith("{} ") and _name not in ("eq", "ne", "lt", "gt", "le", "ge"):
        setattr(Proxy, f"__r{_name}__", _reflected(_function))
for _function in IN_PLACE:  # `x += y` on a proxy is an addition: the name is bound anew
    _plain = getattr(operator, _function.__name__[1:], None) or getattr(operator, _function.__name__[1:] + "_")
    setattr(Proxy, f"__{_function.__name__}__", _operator(_plain))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]  # __eq__ records, identity hashes
setattr(Proxy, "__setitem__", _operator(operator.setitem))  # noqa: B010  as for the others
