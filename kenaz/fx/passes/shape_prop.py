"""ShapeProp: what shape and dtype each node of a graph has, found by running it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ... import _api as torch
from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a node's tensor."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Any, include_contiguity: bool = True) -> TensorMetadata:
    order = torch.contiguous_format if include_contiguity and result.is_contiguous() else None
    return TensorMetadata(result.shape, result.dtype, result.requires_grad, result.stride(), order, False, {})


class ShapeProp(Interpreter):
    """An interpreter that leaves `node.meta["tensor_meta"]` and `node.meta["type"]` behind.

    >>> from kenaz.fx import symbolic_trace
    >>> traced = symbolic_trace(lambda x: x.sum(0))
    >>> _ = ShapeProp(traced).propagate(torch.ones(2, 3))
    >>> [n.meta["tensor_meta"].shape for n in traced.graph.nodes]
    [torch.Size([2, 3]), torch.Size([3]), torch.Size([3])]
    """

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        found = []

        def look(a: Any) -> Any:
            if not isinstance(a, torch.Tensor):
                return a
            found.append(a)
            return _extract_tensor_metadata(a)

        meta = map_aggregate(result, look)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph on example arguments."""
        return super().run(*args)
