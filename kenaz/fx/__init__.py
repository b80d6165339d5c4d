"""Programs as graphs: `symbolic_trace` runs a function on proxies and writes down what it calls; the graph can be
changed and is Python again. Start at `node.py`, then `graph.py`; `_symbolic_trace.py` makes graphs of programs.

These graphs are for programs that transform programs. What Kenaz itself records and compiles is in `kenaz/graph`.
"""

from . import immutable_collections, node, proxy
from ._symbolic_trace import Tracer, symbolic_trace, wrap
from .graph import CodeGen, Graph, PythonCode
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .proxy import Proxy
from .subgraph_rewriter import replace_pattern

__all__ = [
    "CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "PythonCode", "Tracer", "Transformer",
    "has_side_effect", "map_arg", "replace_pattern", "symbolic_trace", "wrap",
]  # fmt: skip
