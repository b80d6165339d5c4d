"""Graph: the nodes of a program in order, and the Python they are."""

from __future__ import annotations

import builtins
import contextlib
import keyword
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .. import _api as torch
from .node import OPERATIONS, Node, Target, map_arg, public_path

__all__ = ["CodeGen", "Graph", "PythonCode"]

# how calls of functions of `operator` are written
FORMATS: dict[Callable, str] = {
    getattr(operator, name): f"{{}} {sign} {{}}"
    for name, sign in {
        "add": "+", "mul": "*", "sub": "-", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
        "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^", "matmul": "@", "eq": "==", "ne": "!=",
        "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
    }.items()
} | {operator.pos: "+{}", operator.neg: "-{}", operator.invert: "~{}"}  # fmt: skip
IN_PLACE: dict[Callable, str] = {
    getattr(operator, f"i{name}"): sign
    for name, sign in {
        "add": "+=", "mul": "*=", "sub": "-=", "truediv": "/=", "floordiv": "//=", "mod": "%=", "pow": "**=",
        "lshift": "<<=", "rshift": ">>=", "and": "&=", "or": "|=", "xor": "^=", "matmul": "@=",
    }.items()
}  # fmt: skip
_FIXED = {"inf": math.inf, "nan": math.nan, "NoneType": type(None)}


class _Namespace:
    """Names that Python can have, each given once."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}
        self._owners: dict[Any, str] = {}

    def create_name(self, candidate: str, obj: Any) -> str:
        """A free name like the candidate, for an object that keeps it."""
        if obj is not None and obj in self._owners:
            return self._owners[obj]
        candidate = re.sub(r"[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        match = re.match(r"(.*)_(\d+)$", candidate)
        base, number = (match[1], int(match[2])) if match else (candidate, None)
        if number is None or candidate in self._used:
            number = self._counts.get(base, 0)
        name = candidate
        while name in self._used or self._is_illegal(name, obj):
            number += 1
            name = f"{base}_{number}"
        self._used.add(name)
        self._counts[base] = number
        if obj is not None:
            self._owners[obj] = name
        return name

    def _is_illegal(self, name: str, obj: Any) -> bool:
        if keyword.iskeyword(name) or name in ("inf", "nan", "device", "NoneType"):
            return True
        return name in vars(builtins) and obj is not vars(builtins)[name]


def snake_case(name: str) -> str:
    """How a class's or function's name becomes a variable's.

    >>> snake_case("BatchNorm2d")
    'batch_norm2d'
    """
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@dataclass
class PythonCode:
    """A program's text, and the objects its names mean."""

    src: str
    globals: dict[str, Any]
    _lineno_map: dict[int, int | None] | None = field(default_factory=dict)


class CodeGen:
    """Writes the nodes of a graph as a function `forward`."""

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The first line of the function."""
        names = free_vars if free_vars[:1] == ["self"] else ["self", *free_vars]
        return f"def forward({', '.join(names)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any) -> str:
        """The line that returns."""
        return f"return {_source(output_args, repr)}"

    def process_inputs(self, *args: Any) -> tuple:
        return args

    def process_outputs(self, outputs: Any) -> Any:
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        return []


def _source(a: Any, name_of: Callable) -> str:
    """An argument as Python."""
    if isinstance(a, Node):
        return a.name
    if isinstance(a, tuple) and hasattr(a, "_fields"):
        return f"{name_of(type(a))}({', '.join(_source(x, name_of) for x in a)})"
    if isinstance(a, tuple):
        return "(" + ", ".join(_source(x, name_of) for x in a) + ("," if len(a) == 1 else "") + ")"
    if isinstance(a, list):
        return "[" + ", ".join(_source(x, name_of) for x in a) + "]"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k!r}: {_source(v, name_of)}" for k, v in a.items()) + "}"
    if isinstance(a, slice):
        return f"slice({', '.join(_source(x, name_of) for x in (a.start, a.stop, a.step))})"
    if isinstance(a, torch.device):
        return f"torch.{a!r}"
    return name_of(a) if isinstance(a, type) or callable(a) else repr(a)


class _Writer:
    """One run of the code generator over a graph."""

    def __init__(self, graph: Graph, root: str) -> None:
        import importlib

        self.graph, self.root = graph, root
        self.globals: dict[str, Any] = {**_FIXED, "torch": importlib.import_module(__package__.partition(".")[0])}
        self.globals["device"] = torch.device
        self.wrapped: list[str] = []
        self.free: list[str] = []
        self.body: list[str] = []
        self.last_uses = self._last_uses()

    def _last_uses(self) -> dict[Node, list[Node]]:
        """After which node nobody reads a value any more."""
        seen: set[Node] = set()
        found: dict[Node, list[Node]] = {}
        for node in reversed(self.graph.nodes):
            for used in node.all_input_nodes:
                if used not in seen:
                    seen.add(used)
                    found.setdefault(node, []).append(used)
        return found

    def name_of(self, obj: Any) -> str:
        """How the program reaches a function or class."""
        path = public_path(obj)
        if path.startswith("torch.") or "." not in path:
            if "." not in path and path not in vars(builtins):
                self.globals[path] = obj
            return path
        if getattr(obj, "__module__", "") in ("_operator", "math"):
            path = f"{'_operator' if obj.__module__ == '_operator' else 'math'}.{obj.__name__}"
        name = re.sub(r"[^0-9a-zA-Z_]", "_", path)
        self.globals[name] = obj
        return name

    def source(self, a: Any) -> str:
        return _source(a, self.name_of)

    def arguments(self, args: Any, kwargs: dict) -> str:
        return ", ".join([*map(self.source, args), *(f"{k} = {self.source(v)}" for k, v in kwargs.items())])

    def write(self, node: Node) -> None:
        getattr(self, node.op)(node)
        if node.op in ("placeholder", "output"):
            return
        dead = self.last_uses.get(node, []) if node.users else [*self.last_uses.get(node, []), node]
        self.body[-1] += f";  {' = '.join([d.name for d in dead] + ['None'])}\n" if dead else "\n"

    def placeholder(self, node: Node) -> None:
        default = f" = {self.source(node.args[0])}" if node.args else ""
        self.free.append(f"{node.target}{default}")
        plain = str(node.target).replace("*", "")
        if plain != node.name:
            self.body.append(f"{node.name} = {plain}\n")

    def call_method(self, node: Node) -> None:
        self.body.append(
            f"{node.name} = {self.source(node.args[0])}.{node.target}({self.arguments(node.args[1:], node.kwargs)})"
        )

    def call_function(self, node: Node) -> None:
        target: Any = node.target
        if target in FORMATS and not node.kwargs:
            value = FORMATS[target].format(*map(self.source, node.args))
        elif target in IN_PLACE and not node.kwargs:
            left, right = map(self.source, node.args)
            self.body.append(f"{left} {IN_PLACE[target]} {right};  {node.name} = {left}")
            return
        elif target is operator.getitem and len(node.args) == 2:
            value = f"{self.source(node.args[0])}[{self.source(node.args[1])}]"
        elif target is getattr and len(node.args) == 2 and str(node.args[1]).isidentifier():
            value = f"{self.source(node.args[0])}.{node.args[1]}"
        else:
            name = self.name_of(target)
            if getattr(target, "_fx_wrapped", False) and name not in self.wrapped:
                self.wrapped.append(name)
            value = f"{name}({self.arguments(node.args, node.kwargs)})"
        self.body.append(f"{node.name} = {value}")

    def call_module(self, node: Node) -> None:
        self.body.append(
            f"{node.name} = {_attribute(self.root, node.target)}({self.arguments(node.args, node.kwargs)})"
        )

    def get_attr(self, node: Node) -> None:
        self.body.append(f"{node.name} = {_attribute(self.root, node.target)}")

    def output(self, node: Node) -> None:
        self.body.append(self.graph._codegen.generate_output(node.args[0]) + "\n")

    def code(self) -> PythonCode:
        for node in self.graph.nodes:
            self.write(node)
        head = self.graph._codegen.gen_fn_def(self.free, "")
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped)
        body = "".join(self.body) or "pass\n"
        lines = "\n".join("    " + line for line in body.split("\n"))
        self.globals.update(self.graph._codegen.additional_globals())
        return PythonCode(f"\n{wraps}\n\n{head}\n{lines}", self.globals)


def _attribute(root: Any, path: Any) -> str:
    """`self.a.b`, with getattr where a part is no name."""
    found = str(root)
    for part in str(path).split("."):
        found = f"{found}.{part}" if part.isidentifier() else f'getattr({found}, "{part}")'
    return found


class _NodeList:
    """The nodes of a graph, in order or in reverse."""

    def __init__(self, graph: Graph, direction: str = "_next") -> None:
        self.graph, self.direction = graph, direction

    def __len__(self) -> int:
        return self.graph._length

    def __iter__(self) -> Iterator[Node]:
        root, node = self.graph._root, getattr(self.graph._root, self.direction)
        while node is not root:
            following = getattr(node, self.direction)
            if not node._erased:
                yield node
                following = getattr(node, self.direction)
            node = following

    def __reversed__(self) -> _NodeList:
        return _NodeList(self.graph, "_prev" if self.direction == "_next" else "_next")


class Graph:
    """A list of nodes that reads from inputs to the output.

    >>> graph = Graph()
    >>> x = graph.placeholder("x")
    >>> _ = graph.output(graph.call_function(torch.relu, (x,)))
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    """

    def __init__(self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: dict | None = None) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._length = 0
        self._insert: Callable[[Node], None] = self._root.prepend
        self._namespace = _Namespace()
        self._codegen = CodeGen()
        self.owning_module, self._tracer_cls, self._tracer_extras = owning_module, tracer_cls, tracer_extras
        self.meta: dict[str, Any] = {}

    @property
    def nodes(self) -> _NodeList:
        """The nodes in order; `reversed` works."""
        return _NodeList(self)

    def output_node(self) -> Node:
        """The node that returns."""
        return next(n for n in reversed(self.nodes) if n.op == "output")

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind, and with a target if one is given."""
        if op == "call_function" and target is None:
            raise AssertionError("Must specify a target for call_function")
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    # ------------------------------------------------------------------------------------------------------- making
    def create_node(
        self, op: str, target: Target, args: tuple | None = None, kwargs: dict | None = None, name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """A node at the place where nodes are inserted."""
        if op not in OPERATIONS:
            raise AssertionError(f"op '{op}' is not one of the supported opcodes")
        if args is not None and not isinstance(args, tuple):
            raise AssertionError(f"args must be a tuple, got {type(args)}")
        if kwargs is not None and not isinstance(kwargs, dict):
            raise AssertionError(f"kwargs must be a dict, got {type(kwargs)}")
        candidate = name if name is not None else self._target_to_str(target)
        node = Node(self, self._namespace.create_name(candidate, None), op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        self._length += 1
        return node

    def _target_to_str(self, target: Any) -> str:
        name = target if isinstance(target, str) else target.__name__
        if not isinstance(target, str) and name.startswith("__") and name.endswith("__"):
            name = name[2:-2]
        return snake_case(name)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An input."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or constant of the owning module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None
    ) -> Node:  # fmt: skip
        """A call of a module."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None
    ) -> Node:  # fmt: skip
        """A call of a method of args[0]."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self, the_function: Callable, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None,
        name: str | None = None,
    ) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name=name, type_expr=type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """What the program returns."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """A copy of another graph's node, its inputs replaced."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        copy = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = dict(node.meta)
        return copy

    def graph_copy(self, g: Graph, val_map: dict[Node, Any], return_output_node: bool = False) -> Any:
        """Copy another graph's nodes to here; gives what that graph returns."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                found = map_arg(node.args[0], lambda n: val_map[n])
                return (found, node) if return_output_node else found
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    # ----------------------------------------------------------------------------------------------------- changing
    def inserting_before(self, n: Node | None = None) -> Any:
        """A place for new nodes, for good or inside a `with`."""
        return self._inserting_at((self._root._next if n is None else n).prepend, n)

    def inserting_after(self, n: Node | None = None) -> Any:
        """A place for new nodes, for good or inside a `with`."""
        return self._inserting_at((self._root if n is None else n).append, n)

    def _inserting_at(self, insert: Callable, n: Node | None) -> Any:
        if n is not None and n.graph is not self:
            raise AssertionError("Node to insert before/after is not in graph.")
        before, self._insert = self._insert, insert
        return _InsertPoint(self, before)

    def erase_node(self, to_erase: Node) -> None:
        """Take away a node that nobody reads."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                f"{to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        to_erase._unlink()
        to_erase._erased = True
        to_erase._update((), {})
        self._length -= 1

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Erase what nobody reads; gives whether there was something."""
        self.lint()
        impure = is_impure_node or Node.is_impure
        dead = False
        for node in reversed(self.nodes):
            if not node.users and not impure(node) and node.op not in ("placeholder", "output"):
                self.erase_node(node)
                dead = True
        return dead

    def lint(self) -> None:
        """Raise where a node is read before it is there, stands twice, or reads what the module has not."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.op not in OPERATIONS:
                raise RuntimeError(f"Node {node} had unknown opcode {node.op}!")
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            for used in node.all_input_nodes:
                if used.graph is not self:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' does not belong to this Graph, but was used as an "
                        "argument! If you are copying nodes from another graph, make sure to use ``arg_transform`` on "
                        f"node_copy() to remap values\n{self}"
                    )
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check that "
                        f"Nodes in the graph are topologically ordered\n{self}"
                    )
            self._check_target(node)
            seen.add(node)
            names.add(node.name)

    def _check_target(self, node: Node) -> None:
        if self.owning_module is None or node.op not in ("get_attr", "call_module"):
            return
        place = self.owning_module
        for part in str(node.target).split("."):
            if not hasattr(place, part):
                raise RuntimeError(
                    f"Node {node} target {node.target} references nonexistent attribute {part} of {node.target}"
                )
            place = getattr(place, part)

    # -------------------------------------------------------------------------------------------------------- output
    def set_codegen(self, codegen: CodeGen) -> None:
        """Let another object write the code."""
        self._codegen = codegen

    def process_inputs(self, *args: Any) -> tuple:
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        return self._codegen.process_outputs(out)

    def python_code(self, root_module: str, **_: Any) -> PythonCode:
        """The graph as a Python function, with `root_module` for the owning module."""
        return _Writer(self, root_module).code()

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        rows: list[tuple[str, ...]] = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self.nodes]
        widths = [max(len(r[i]) for r in rows) for i in range(5)]
        rows.insert(1, tuple("-" * w for w in widths))
        print("\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip() for r in rows))

    def __str__(self) -> str:
        return "graph():" + "".join(f"\n    {n.format_node()}" for n in self.nodes)

    __repr__ = object.__repr__

    def __deepcopy__(self, memo: dict | None = None) -> Graph:
        copy = Graph(tracer_cls=self._tracer_cls)
        found, node = copy.graph_copy(self, val_map={}, return_output_node=True) or (None, None)
        copy._codegen = self._codegen
        if node is not None:
            copy.output(found, node.type).meta = dict(node.meta)
        return copy


class _InsertPoint(contextlib.AbstractContextManager):
    def __init__(self, graph: Graph, before: Callable) -> None:
        self.graph, self.before = graph, before

    def __exit__(self, *_: Any) -> None:
        self.graph._insert = self.before
