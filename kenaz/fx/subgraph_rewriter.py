"""Finding a small graph in a large one, and putting another in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule, _copy_attr
from .node import Node, map_arg

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """Where a pattern was found: the last node, and for each of the pattern's nodes the one that it is."""

    anchor: Node
    nodes_map: dict[Node, Node]


def _fits(pattern: Any, value: Any, found: dict[Node, Any]) -> bool:
    """Whether a value is what a pattern says; what the pattern's nodes are is entered into `found`."""
    if isinstance(pattern, Node):
        if pattern in found:
            return found[pattern] is value or not isinstance(value, Node) and found[pattern] == value
        if pattern.op == "placeholder":
            found[pattern] = value
            return True
        if not isinstance(value, Node) or (pattern.op, pattern.target) != (value.op, value.target):
            return False
        found[pattern] = value
        return _fits(pattern.args, value.args, found) and _fits(pattern.kwargs, value.kwargs, found)
    if isinstance(pattern, (tuple, list)):
        return (
            isinstance(value, (tuple, list)) and len(pattern) == len(value)
            and all(_fits(p, v, found) for p, v in zip(pattern, value))
        )  # fmt: skip
    if isinstance(pattern, dict):
        return (
            isinstance(value, dict) and pattern.keys() == value.keys()
            and all(_fits(p, value[k], found) for k, p in pattern.items())
        )  # fmt: skip
    return type(pattern) is type(value) and pattern == value


def _is_closed(found: dict[Node, Any], anchor: Node) -> bool:
    """Whether nobody outside reads what is inside: it will be gone."""
    inside = {v for k, v in found.items() if k.op != "placeholder"}
    return all(user in inside for node in inside if node is not anchor for user in node.users)


def _matches(pattern: Graph, graph: Graph) -> list[Match]:
    """The places where a pattern stands, without overlap."""
    last = pattern.output_node().args[0]
    found: list[Match] = []
    taken: set[Node] = set()
    for node in graph.nodes:
        nodes: dict[Node, Any] = {}
        if not _fits(last, node, nodes) or not _is_closed(nodes, node):
            continue
        inside = {v for k, v in nodes.items() if k.op != "placeholder"}
        if not inside & taken:
            taken |= inside
            found.append(Match(node, nodes))
    return found


def replace_pattern(gm: GraphModule, pattern: Any, replacement: Any) -> list[Match]:
    """Replace every place of a pattern, a function or GraphModule, in a module's graph; gives where it was found.

    >>> import kenaz as torch
    >>> module = symbolic_trace(lambda x: torch.relu(x) * 2)
    >>> len(replace_pattern(module, lambda x: torch.relu(x), lambda x: torch.sigmoid(x)))
    1
    >>> module(torch.zeros(1))
    tensor([1.])
    """
    graphs = [_graph_of(g) for g in (pattern, replacement)]
    found = _matches(graphs[0], gm.graph)
    replaced: dict[Node, Any] = {}  # anchors of earlier places that later ones read
    for match in found:
        _replace(gm, match, graphs[0], graphs[1], replaced)
    for made in (replacement,):
        if isinstance(made, GraphModule):
            for node in made.graph.nodes:
                if node.op in ("get_attr", "call_module") and not _has(gm, str(node.target)):
                    _copy_attr(made, gm, str(node.target))
    gm.recompile()
    return found


def _graph_of(program: Any) -> Graph:
    if isinstance(program, Graph):
        return program
    traced: Callable = lambda p: p if isinstance(p, GraphModule) else symbolic_trace(p)
    return traced(program).graph


def _has(module: Any, target: str) -> bool:
    for part in target.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


def _replace(gm: GraphModule, match: Match, pattern: Graph, replacement: Graph, replaced: dict[Node, Any]) -> None:
    inputs = [match.nodes_map[n] for n in pattern.nodes if n.op == "placeholder"]
    inputs = [replaced.get(n, n) if isinstance(n, Node) else n for n in inputs]
    values = dict(zip((n for n in replacement.nodes if n.op == "placeholder"), inputs))
    with gm.graph.inserting_before(match.anchor):
        result = gm.graph.graph_copy(replacement, values)
    if isinstance(result, Node):
        match.anchor.replace_all_uses_with(result)
    else:
        for user in list(match.anchor.users):
            user._update(*(map_arg(a, lambda n: result if n is match.anchor else n) for a in (user.args, user.kwargs)))
    replaced[match.anchor] = result
    for node in reversed([v for k, v in match.nodes_map.items() if k.op != "placeholder"]):
        if not node.users:
            gm.graph.erase_node(node)
    for node in [v for k, v in match.nodes_map.items() if k.op not in ("placeholder",)]:
        if not node._erased and not node.users:
            gm.graph.erase_node(node)
