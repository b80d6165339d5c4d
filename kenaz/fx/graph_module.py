"""GraphModule: a module whose forward is written from a graph."""

from __future__ import annotations

import copy
import itertools
import linecache
from typing import Any

from .. import _api as torch
from ..nn.module import Module
from .graph import Graph, PythonCode

__all__ = ["GraphModule", "reduce_graph_module"]

_numbers = itertools.count()
_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


def _compiled(code: PythonCode) -> Any:
    """The function `forward` of a program's text; tracebacks show its lines."""
    name = f"<eval_with_key>.{next(_numbers)}"
    linecache.cache[name] = (len(code.src), None, code.src.splitlines(True), name)
    namespace = dict(code.globals)
    exec(compile(code.src, name, "exec"), namespace)
    return namespace["forward"]


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Copy an attribute and the modules on the way to it; what is there already stays."""
    *way, last = target.split(".")
    for part in way:
        source, found = getattr(from_module, part), getattr(to_module, part, None)
        if source is found:
            return
        if found is None:
            found = Module()
            setattr(to_module, part, found)
        from_module, to_module = source, found
    _assign_attr(getattr(from_module, last), to_module, last)


def _assign_attr(value: Any, to_module: Module, target: str) -> None:
    """Give a module an attribute by its qualified name; tensors become buffers."""
    *way, last = target.split(".")
    for part in way:
        if not hasattr(to_module, part):
            setattr(to_module, part, Module())
        to_module = getattr(to_module, part)
    if isinstance(value, torch.Tensor) and type(value).__name__ != "Parameter":
        to_module.register_buffer(last, value)
    else:
        setattr(to_module, last, value)


class GraphModule(Module):
    """A module whose `forward` is the Python of a graph; assigning to `graph`, or `recompile()`, writes it anew.

    `root` is a module, or a dict of qualified names, that holds what the graph names.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        own = next((c for c in cls.__mro__ if c.__dict__.get("_is_single")), cls)  # copies do not nest classes
        base = own.__bases__[0] if own.__dict__.get("_is_single") else cls
        single = type("GraphModuleImpl", (base,), {"_is_single": True, "__module__": __name__})
        return object.__new__(single)  # forward belongs to the class, so every module has its own

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        if isinstance(root, Module):
            self.training = getattr(root, "training", True)
            for node in graph.nodes:
                if node.op in ("get_attr", "call_module"):
                    _copy_attr(root, self, str(node.target))
        elif isinstance(root, dict):
            self._take(root, graph)
        else:
            raise RuntimeError(f"Unsupported type {root} passed for root!")
        self.graph = graph
        self.meta: dict[str, Any] = {}

    def _take(self, root: dict[str, Any], graph: Graph) -> None:
        wanted = {str(n.target) for n in graph.nodes if n.op in ("get_attr", "call_module")}
        for target in sorted(wanted, key=lambda t: t.count(".")):
            if target not in root:
                raise RuntimeError(
                    f"Node {target} referenced target {target} but that target was not provided in ``root``!"
                )
            _assign_attr(root[target], self, target)

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        object.__setattr__(self, "_graph", g)
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The Python text of forward."""
        return self._code

    def recompile(self) -> PythonCode:
        """Write forward anew, after the graph has changed."""
        written = self._graph.python_code("self")
        object.__setattr__(self, "_code", written.src)
        type(self).forward = _compiled(written)
        return written

    # ------------------------------------------------------------------------------------------------------- modules
    def add_submodule(self, target: str, m: Module) -> bool:
        """Put a module at a qualified name, making modules on the way; false where something else stands there."""
        *way, last = target.split(".")
        place: Module = self
        for part in way:
            if not hasattr(place, part):
                setattr(place, part, Module())
            place = getattr(place, part)
            if not isinstance(place, Module):
                return False
        place.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take away the module of a qualified name; false where there is none."""
        *way, last = target.split(".")
        place: Any = self
        for part in way:
            place = getattr(place, part, None)
        if not isinstance(place, Module) or not isinstance(getattr(place, last, None), Module):
            return False
        delattr(place, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take away every module that the graph does not name."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                parts = str(node.target).split(".")
                used |= {".".join(parts[: i + 1]) for i in range(len(parts))}
                if node.op == "call_module":
                    inner = self.get_submodule(str(node.target))
                    used |= {f"{node.target}.{name}" for name, _ in inner.named_modules() if name}
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    # -------------------------------------------------------------------------------------------------------- output
    def print_readable(self, print_output: bool = True, **_: Any) -> str:
        """The module as the text of a class."""
        body = self._code.strip("\n").rstrip(" ").replace("\n", "\n    ")
        text = f"class {type(self).__name__}(torch.nn.Module):\n    {body}"
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, hint])

    # ------------------------------------------------------------------------------------------------ copies, pickles
    def __deepcopy__(self, memo: dict) -> GraphModule:
        parts = Module()
        parts.__dict__ = copy.deepcopy({k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}, memo)
        return self._again(parts, copy.deepcopy(self._graph, memo))

    def __copy__(self) -> GraphModule:
        return self._again(self, self._graph)

    def _again(self, parts: Module, graph: Graph) -> GraphModule:
        base: Any = type(self).__bases__[0]
        made = base.__new__(base)
        GraphModule.__init__(made, parts, graph, type(self).__name__)
        made.training, made.meta = self.training, dict(self.meta)
        return made

    def __reduce__(self) -> tuple:
        state = {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}
        written = self._graph.python_code("self")
        names = {k: v for k, v in written.globals.items() if k not in ("torch", "device", "inf", "nan", "NoneType")}
        return reduce_graph_module, (state, written.src, names, type(self).__name__)


def reduce_graph_module(state: dict, source: str, names: dict, class_name: str) -> GraphModule:
    """The module that was pickled: its text is traced again, with every module a leaf."""
    from ._symbolic_trace import Tracer  # which makes GraphModules

    class Whole(Tracer):
        def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
            return True

    parts = type(class_name, (Module,), {})()
    parts.__dict__.update(state)
    globals_ = Graph().python_code("self").globals | names
    type(parts).forward = _compiled(PythonCode(source, globals_))
    return GraphModule(parts, Whole().trace(parts), class_name)
