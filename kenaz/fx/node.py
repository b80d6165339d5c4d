"""Node: one line of a traced program."""

from __future__ import annotations

import builtins
import operator
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Union

from .. import _api as torch
from .immutable_collections import immutable_dict, immutable_list

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["Argument", "Node", "Target", "base_types", "has_side_effect", "map_aggregate", "map_arg"]

BaseArgumentTypes = Union[str, int, float, bool, complex, "torch.dtype", "torch.Tensor", "torch.device"]
base_types = (str, int, float, bool, complex, torch.dtype, torch.Tensor, torch.device, types.EllipsisType, type(None))
Target = Union[Callable[..., Any], str]  # noqa: UP007  # what PyTorch exports is a typing.Union
Argument = Any
OPERATIONS = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root")
_side_effectful_functions: set[Callable] = {torch._assert, operator.setitem}


def has_side_effect(fn: Callable) -> Callable:
    """Decorate a function whose calls stay in a graph though nobody uses what they give."""
    _side_effectful_functions.add(fn)
    return fn


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """`fn` of every leaf of nested tuples, lists, dicts and slices.

    >>> map_aggregate((1, [2, slice(3)]), lambda x: x and x + 1)
    (2, [3, slice(None, 4, None)])
    """
    if isinstance(a, tuple):
        parts = [map_aggregate(x, fn) for x in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return immutable_list([map_aggregate(x, fn) for x in a])
    if isinstance(a, dict):
        return immutable_dict({k: map_aggregate(v, fn) for k, v in a.items()})
    if isinstance(a, slice):
        return slice(*(map_aggregate(x, fn) for x in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """`fn` of every node among nested arguments; everything else stays."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


class Node:
    """One call, input or output: `op` says which, `target` what is called, `args` and `kwargs` with what.

    | op | target |
    |---|---|
    | placeholder | the name of an input; a default in args |
    | get_attr | the qualified name of a parameter, buffer or constant |
    | call_function | a function |
    | call_module | the qualified name of a module |
    | call_method | the name of a method; args[0] is the object |
    | output | "output"; args[0] is what the program returns |
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Target, args: tuple, kwargs: dict, return_type: Any = None
    ) -> None:  # fmt: skip
        if op == "call_function" and not callable(target):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a Callable is "
                "expected"
            )
        if op != "call_function" and not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a str is expected"
            )
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._erased = False
        self._prev = self._next = self
        self._args: tuple = ()
        self._kwargs: dict = {}
        self._update(args, kwargs)

    # ------------------------------------------------------------------------------------------------------- inputs
    def _update(self, args: Any, kwargs: Any) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes = {}
        self._args, self._kwargs = map_arg(tuple(args), self._use), map_arg(dict(kwargs), self._use)

    def _use(self, node: Node) -> Node:
        self._input_nodes[node] = node.users[self] = None
        return node

    @property
    def args(self) -> tuple:
        return self._args

    @args.setter
    def args(self, value: tuple) -> None:
        self._update(value, self._kwargs)

    @property
    def kwargs(self) -> dict:
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: dict) -> None:
        self._update(self._args, value)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes that this one reads, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Replace a positional argument."""
        self.args = (*self.args[:idx], arg, *self.args[idx + 1 :])

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Insert a positional argument."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Replace an argument given by name."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Read another node instead of `old_input`."""
        swap = lambda n: new_input if n is old_input else n
        self._update(map_arg(self.args, swap), map_arg(self.kwargs, swap))

    def replace_all_uses_with(
        self, replace_with: Node, delete_user_cb: Callable[[Node], bool] = lambda user: True, *,
        propagate_meta: bool = False,
    ) -> list[Node]:  # fmt: skip
        """Let every user that the callback admits read another node; gives the users there were."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        users = list(self.users)
        for user in users:
            if delete_user_cb(user):
                user.replace_input_with(self, replace_with)
        return users

    # -------------------------------------------------------------------------------------------------------- order
    @property
    def next(self) -> Node:
        return self._next

    @property
    def prev(self) -> Node:
        return self._prev

    def prepend(self, x: Node) -> None:
        """Move a node to the place before this one."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._unlink()
        x._prev, x._next = self._prev, self
        self._prev._next = self._prev = x

    def append(self, x: Node) -> None:
        """Move a node to the place after this one."""
        self._next.prepend(x)

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    # -------------------------------------------------------------------------------------------------- what it is
    @property
    def stack_trace(self) -> str | None:
        return self.meta.get("stack_trace")

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the node does more than to give a value."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _side_effectful_functions
        if self.op == "call_module":
            owner = self.graph.owning_module
            if owner is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            return bool(getattr(owner.get_submodule(self.target), "_is_impure", False))
        return False

    def format_node(
        self, placeholder_names: list[str] | None = None, maybe_return_typename: list[str] | None = None, **_: Any
    ) -> str | None:  # fmt: skip
        """The node as a line of a printed graph."""
        if self.op == "output":
            return f"return {self.args[0]}"
        head = f"%{self.name} : [num_users={len(self.users)}] = {self.op}[target={pretty_target(self.target)}]"
        if self.op == "placeholder":
            return head + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return head
        return head + f"(args = {_format(self.args)}, kwargs = {_format(self.kwargs)})"

    def __repr__(self) -> str:
        return self.name

    def __lt__(self, other: Node) -> bool:
        order = {node: i for i, node in enumerate(self.graph.nodes)}
        return order[self] < order[other]


def _format(a: Any) -> str:
    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k}: {_format(v)}" for k, v in a.items()) + "}"
    if isinstance(a, tuple):
        return "(" + ", ".join(map(_format, a)) + ("," if len(a) == 1 else "") + ")"
    return "[" + ", ".join(map(_format, a)) + "]" if isinstance(a, list) else str(a)


def pretty_target(target: Any) -> str:
    """The name of a target in a printed graph."""
    if isinstance(target, str):
        return target
    module = getattr(target, "__module__", None)
    if module == "builtins":
        return f"builtins.{target.__name__}"
    return f"operator.{target.__name__}" if module == "_operator" else public_path(target)


_paths: dict[int, tuple[Any, str]] = {}
_PLACES = ("", "nn.functional", "linalg", "fft", "special", "nn.init")


def public_path(function: Any) -> str:
    """Where a program finds a function: "torch.relu", "torch.nn.functional.linear", "mymodule.f"."""
    if not _paths:
        import importlib

        for place in _PLACES:
            module: Any = importlib.import_module(f"{__package__.partition('.')[0]}.{place}".rstrip("."))
            for name, value in vars(module).items():
                if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type) and name[0] != "_":
                    _paths.setdefault(id(value), (value, f"torch.{place}.{name}".replace("..", ".")))
        _paths[id(torch._assert)] = (torch._assert, "torch._assert")
    if id(function) in _paths and _paths[id(function)][0] is function:
        return _paths[id(function)][1]
    module, name = getattr(function, "__module__", None), getattr(function, "__name__", repr(function))
    if getattr(builtins, name, None) is function:
        return name
    return f"{module or '__main__'}.{name}"
