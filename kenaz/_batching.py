"""Batches instead of loops: `vmap` records what a function does to one example, and repeats it for all at once.

The function runs once, on stand-ins for the first example. What it recorded is a graph that begins at the stand-ins;
every node of it is recorded again with the batch as a first axis: pointwise operators broadcast, reductions move their
axes by one, products become batched products, and what has no rule is recorded once per example and stacked. Views
need no rule, since a view is only how a source is looked at.

Nothing may have been computed meanwhile: a function that looks at values (`item`, `if x > 0`) decides for each example
by itself, and the caller loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _api as torch
from . import execute
from ._tensor import Tensor, wrap
from .core.shape import dense_order
from .core.spec import Spec
from .graph.node import Call, Node
from .ops.record import apply

__all__ = ["CannotBatch", "Recording"]


class CannotBatch(Exception):
    """The graph of an example does not say what happens to a batch."""


class Recording:
    """The stand-ins of an example, and what a function records over them."""

    def __init__(self, leaves: list, dims: list) -> None:
        """`dims` says along which axis each leaf is a batch (None: it is not)."""
        self.count = next(t.size(d) for t, d in zip(leaves, dims) if d is not None)
        self.memory: dict[Node, Tensor] = {}  # of the nodes that differ between examples: (count, elements) as they lie
        self.example: list = []
        self.stand_ins: list[tuple[Tensor, Node]] = []
        for leaf, dim in zip(leaves, dims):
            self.example.append(leaf if dim is None else self._stand_in(leaf.movedim(dim, 0)))
        self.first_memory = dict(self.memory)

    def _stand_in(self, batch: Tensor) -> Tensor:
        found: Any = batch[0].detach().clone(memory_format=torch.contiguous_format)
        node = found._storage.node
        self.memory[node] = batch.reshape(self.count, -1)
        self.stand_ins.append((found, node))
        return found

    def was_computed(self) -> bool:
        """Whether something ran while the function recorded, or a stand-in was written to."""
        return any(node.value is not None or t._storage.node is not node for t, node in self.stand_ins)

    def varies(self, result: Tensor) -> bool:
        """Whether a result differs between examples."""
        return bool(_from(result._storage.node, self.first_memory)) or result._storage.node in self.first_memory

    def batch(self, result: Tensor) -> Tensor:
        """A result of the function for all examples, with the batch as the first axis."""
        if result.requires_grad:
            raise CannotBatch("its history is that of one example")
        node = result._storage.node
        execute.open_blocks()
        for n in _from(node, self.memory):
            self._record_again(n)
        if node not in self.memory:
            return result.expand(self.count, *result.shape)
        return self.look(node, result._spec, result._offset)

    # ------------------------------------------------------------------------------------------------ nodes once more
    def look(self, node: Node, spec: Spec, offset: int) -> Tensor:
        """A source of an operator for all examples."""
        memory: Any = self.memory[node]
        if spec.dtype is not memory.dtype:
            raise CannotBatch("bytes seen as another dtype")
        if spec.contiguous and spec.numel == memory.shape[1] and not offset:
            return memory.view(self.count, *spec.size)
        return memory.as_strided((self.count, *spec.size), (memory.shape[1], *spec.stride), offset)

    def _record_again(self, node: Node) -> None:
        call = node.call
        inputs: list[Any] = []
        varies: list[bool] = []
        for i, source in enumerate(node.sources):
            if type(source) is not Node:
                inputs.append(source)
                varies.append(False)
                continue
            spec = call.specs[i]
            if type(spec) is not Spec:  # `pick` takes a whole tuple
                inputs.append(source)
                varies.append(source in self.memory)
                continue
            offset = node.offsets[i] if node.offsets else 0
            varies.append(source in self.memory)
            inputs.append(self.look(source, spec, offset) if varies[-1] else _constant(source, spec, offset))
        rule = RULES.get(call.op.name) or FAMILIES.get(call.op.family, _one_by_one)
        found = rule(self, call, inputs, varies)
        if found is None:
            found = _one_by_one(self, call, inputs, varies)
        self.memory[node] = found if type(call.out) is tuple else self._as_memory(found, call.out)

    def _as_memory(self, value: Any, out: Spec) -> Tensor:
        """A batch of results as their elements lie in memory."""
        if value.dtype is not out.dtype:
            value = value.to(out.dtype)
        if not out.contiguous:
            order = dense_order(out.size, out.stride)
            if order is None:
                raise CannotBatch("memory with gaps")
            value = value.permute(0, *(d + 1 for d in order))
        return value.reshape(self.count, out.numel)


def _from(node: Node, known: dict[Node, Tensor]) -> list[Node]:
    """The nodes between what is known and a node, sources first."""
    varies: dict[Node, bool] = {}
    order: list[Node] = []
    stack: list[tuple[Node, bool]] = [(node, False)]
    while stack:
        n, done = stack.pop()
        sources = [s for s in n.sources if type(s) is Node]
        if done:
            varies[n] = any(s in known or varies.get(s, False) for s in sources)
            if varies[n]:
                order.append(n)
        elif n not in varies and n not in known:
            varies[n] = False
            stack.append((n, True))
            stack += [(s, False) for s in sources]
    return order


def _constant(node: Node, spec: Spec, offset: int) -> Tensor:
    """A source that is the same for all examples."""
    whole: Any = wrap(node)
    if whole._spec is spec and not offset:
        return whole
    if spec.dtype is not whole.dtype:
        raise CannotBatch("bytes seen as another dtype")
    return whole.as_strided(spec.size, spec.stride, offset)


# ---------------------------------------------------------------------------------------------------------------- rules
# A rule gives the result for all examples, the batch first, or None where it does not know this case.
Rule = Callable[[Recording, Call, list, list[bool]], Any]


def _one_by_one(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """The operator once per example."""
    rows = []
    for i in range(self.count):
        one = tuple(x[i] if v else x for x, v in zip(inputs, varies))
        rows.append(apply(call.op, tuple(_like(x, s) for x, s in zip(one, call.specs)), call.attributes))
    if type(call.out) is tuple:
        return tuple(torch.stack(parts) for parts in zip(*rows))
    return torch.stack(rows)


def _like(x: Any, spec: Any) -> Any:
    """An example as the operator was called with it: some operators ask for the order in memory."""
    if type(spec) is Spec and not spec.contiguous and x.stride() != spec.stride:
        return x.contiguous()
    return x


def _pointwise(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    if any(isinstance(v, Spec) for v in call.attributes.values()):
        return None
    ndim = call.out.ndim
    ready = []
    for x, v, spec in zip(inputs, varies, call.specs):
        if v:
            if not spec.ndim and call.compute is not None and x.dtype is not call.compute and call.compute.kind >= 1:
                x = x.to(call.compute)  # with an axis it would count for more in promotion
            x = x.reshape(self.count, *(1,) * (ndim - spec.ndim), *spec.size)
        ready.append(x)
    return apply(call.op, tuple(ready), call.attributes)


def _copy(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    return inputs[0]


def _reduction(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """The axes move by one; without axes there is nothing to reduce."""
    if len(inputs) != 1 or "dim" not in call.attributes:
        return None
    dim = call.attributes["dim"]
    dims = tuple(d + 1 for d in dim) if isinstance(dim, tuple) else (dim + 1,) if isinstance(dim, int) else None
    if not dims or not call.specs[0].ndim:
        return None
    moved = dims if isinstance(dim, tuple) else dims[0]
    return apply(call.op, tuple(inputs), {**call.attributes, "dim": moved})


def _expanded(self: Recording, inputs: list, varies: list[bool]) -> list:
    return [
        x.expand(self.count, *x.shape) if isinstance(x, Tensor) and not v else x for x, v in zip(inputs, varies)
    ]  # fmt: skip


def _along(*names: str) -> Rule:
    """A rule for operators along axes that the named attributes hold."""

    def rule(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
        attributes = dict(call.attributes)
        for name in names:
            value = attributes[name]
            attributes[name] = tuple(d + 1 for d in value) if isinstance(value, tuple) else value + 1
        if any(type(s) is Spec and not s.ndim for s in call.specs):
            return None
        return apply(call.op, tuple(_expanded(self, inputs, varies)), attributes)

    return rule


def _product(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """A product of vectors, matrices or batches of them, as one of batches of matrices."""
    left, right = call.specs
    a, b = (x if v else x.unsqueeze(0) for x, v in zip(inputs, varies))
    a = a.unsqueeze(-2) if left.ndim == 1 else a
    b = b.unsqueeze(-1) if right.ndim == 1 else b
    wide = max(a.ndim, b.ndim)
    a, b = (x.reshape(x.shape[0], *(1,) * (wide - x.ndim), *x.shape[1:]) for x in (a, b))
    return torch.matmul(a, b).reshape(self.count, *call.out.size)


def _linear(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    x, w, *bias = inputs
    if varies[0] and not any(varies[1:]):
        return apply(call.op, tuple(inputs), call.attributes)
    if len(bias) > 1:
        return None
    rows = call.specs[0].numel // max(call.specs[0].size[-1], 1)
    a = x.reshape(self.count if varies[0] else 1, rows, -1)
    w = w if varies[1] else w.unsqueeze(0)
    found = torch.matmul(a, w.mT)
    if bias and isinstance(bias[0], Tensor):
        found = found + (bias[0].unsqueeze(1) if varies[2] else bias[0])
    return found.expand(self.count, *found.shape[1:]).reshape(self.count, *call.out.size)


def _addmm(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    x, a, b, beta, alpha = inputs
    spec = call.specs[0]
    a, b = (m if v else m.unsqueeze(0) for m, v in zip((a, b), varies[1:3]))
    x = x.reshape(self.count, *(1,) * (2 - spec.ndim), *spec.size) if varies[0] else x
    found = beta * x + alpha * torch.matmul(a, b)
    return found.expand(self.count, *found.shape[1:])


def _write(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """A region of memory written to: inputs are the memory, the value and the offset."""
    region: Spec = call.attributes["region"]
    base, value, offset = inputs
    base = (base if varies[0] else base.expand(self.count, *base.shape)).reshape(self.count, -1).clone()
    seen = base.as_strided((self.count, *region.size), (base.shape[1], *region.stride), offset)
    if varies[1]:
        value = value.reshape(self.count, *(1,) * (region.ndim - call.specs[1].ndim), *call.specs[1].size)
    seen.copy_(value)
    order = dense_order(call.out.size, call.out.stride)
    if call.out.contiguous or order is None:
        return base.view(self.count, *call.out.size)
    back = sorted(range(len(order)), key=order.__getitem__)
    return base.view(self.count, *(call.out.size[d] for d in order)).permute(0, *(d + 1 for d in back))


def _pick(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    found: Any = self.memory[inputs[0]]
    return found[call.attributes["index"]]


def _joined(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    attributes = {**call.attributes, "dim": call.attributes["dim"] + 1}
    return apply(call.op, tuple(_expanded(self, inputs, varies)), attributes)


def _layer_norm(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    if any(varies[1:]):
        return None
    return apply(call.op, tuple(inputs), {**call.attributes, "dims": tuple(d + 1 for d in call.attributes["dims"])})


def _rows_first(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """An operator over a batch of its own, as its first axis: the two batches become one."""
    if not varies[0] or any(varies[1:]):
        return None
    size = call.specs[0].size
    found = apply(call.op, (inputs[0].reshape(self.count * size[0], *size[1:]), *inputs[1:]), call.attributes)
    parts = found if type(found) is tuple else (found,)
    apart = tuple(p.reshape(self.count, size[0], *p.shape[1:]) for p in parts)
    return apart if type(found) is tuple else apart[0]


def _looked_up(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """Rows of one table that differ between examples only in their numbers."""
    return None if varies[0] else apply(call.op, tuple(inputs), call.attributes)


# ------------------------------------------------------------------------------------------------- negative likelihoods
def _nll_loss(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    """Without weights of classes: the losses of all rows of all examples, added up for each example."""
    x, target = _expanded(self, inputs[:2], varies[:2])
    if isinstance(inputs[2], Tensor) or call.specs[0].ndim != 2:
        return None
    rows, classes = call.specs[0].size
    together = (x.reshape(self.count * rows, classes), target.reshape(-1), inputs[2])
    losses = apply(call.op, together, {**call.attributes, "reduction": "none"})[0].reshape(self.count, rows)
    total = (target != call.attributes["ignore_index"]).sum(1).to(x.dtype)
    kind = call.attributes["reduction"]
    return losses if kind == "none" else losses.sum(1) / total if kind == "mean" else losses.sum(1), total


def _nll_loss_backward(self: Recording, call: Call, inputs: list, varies: list[bool]) -> Any:
    g, target, weight, total = _expanded(self, inputs, varies)
    size = call.attributes["size"]
    if isinstance(weight, Tensor) or len(size) != 2:
        return None
    rows, classes = size
    if call.attributes["reduction"] == "mean":
        g = g / total
    g = (g if g.ndim == 2 else g.unsqueeze(1)).expand(self.count, rows).reshape(-1)
    attributes = {**call.attributes, "size": torch.Size((self.count * rows, classes)), "reduction": "none"}
    found = apply(call.op, (g, target.reshape(-1), weight, total.sum()), attributes)
    return found.reshape(self.count, rows, classes)


_dim, _dims = _along("dim"), _along("dims")
RULES: dict[str, Rule] = {
    "copy": _copy, "write": _write, "pick": _pick, "matmul": _product, "mm": _product, "mv": _product, "dot": _product,
    "bmm": _product, "linear": _linear, "addmm": _addmm, "cat": _joined, "stack": _joined, "layer_norm": _layer_norm,
    "embedding": _looked_up, "nll_loss": _nll_loss, "nll_loss_backward": _nll_loss_backward, "flip": _dims,
    **dict.fromkeys(
        ("softmax", "log_softmax", "softmax_backward", "log_softmax_backward", "cumsum", "cumprod", "logcumsumexp",
         "gather", "late_gather", "argmax_along", "argmin_along", "argsort_along"), _dim),
    **dict.fromkeys(("max_pool2d", "avg_pool2d", "convolution", "conv1d", "conv2d", "conv3d"), _rows_first),
}  # fmt: skip
FAMILIES: dict[str, Rule] = {"pointwise": _pointwise, "reduction": _reduction}
