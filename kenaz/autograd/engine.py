"""The backward pass: gradients flow from results to leaves, newest node first, and are recorded like everything
else."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from .._tensor import Tensor, make_tensor
from ..core.dtype import scalar_name
from ..core.spec import Spec
from ..graph.node import Node
from ..graph.storage import make_storage
from . import replay
from .modes import notice, state
from .nodes import AccumulateGrad, BackwardNode, grad_edge


class Pass:
    """A backward pass that is running: which nodes it can reach, and whether it was asked for some inputs only."""

    __slots__ = ("__weakref__", "needed", "reachable", "wanted")

    def __init__(self, reachable: dict, needed: set | None, wanted: set):
        self.reachable, self.needed, self.wanted = frozenset(reachable), needed, wanted

    def reaches(self, fn: BackwardNode) -> bool:
        """Whether a gradient arrives at a node."""
        return fn in self.reachable and (self.needed is None or fn in self.needed or fn in self.wanted)


def is_checkpoint_valid() -> bool:
    """Whether the running backward pass goes to all leaves, as re-entrant checkpointing needs."""
    return not state.passes or state.passes[-1].needed is None


def run(
    roots: Sequence[tuple[BackwardNode, int]],
    grads: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[tuple[BackwardNode, int]] | None = None,
    accumulate: bool = True,
) -> list:
    """Send gradients from `roots` towards the leaves; returns those of `inputs` where they are given.

    Where `inputs` are given, only what leads to them runs. Hooks on tensors see a gradient before it is returned.
    """
    waiting = _count_edges(roots)
    wanted = {fn for fn, _ in inputs or ()}
    needed = None if inputs is None else _leading_to(wanted, waiting)
    captured: dict = dict.fromkeys(inputs or ())
    buffers: dict[BackwardNode, list] = {}
    before, state.enabled = state.enabled, create_graph
    state.passes.append(Pass(waiting, needed, wanted))
    try:
        for (fn, number), grad in zip(roots, grads, strict=True):
            _add(buffers, fn, number, grad)
        ready = [(-fn.sequence, id(fn), fn) for fn in buffers if waiting.get(fn, 0) == 0]
        heapq.heapify(ready)
        while ready:
            fn = heapq.heappop(ready)[2]
            arrived = buffers.pop(fn, None)
            results = None
            if arrived is not None:
                if fn.tensor_hooks or fn.retained:
                    _tensor_hooks(fn, arrived)
                if fn in wanted:
                    for number, grad in enumerate(arrived):
                        if (fn, number) in captured:
                            captured[fn, number] = grad
                if type(fn) is AccumulateGrad:
                    if accumulate and (needed is None or fn in wanted):
                        _accumulate(fn, arrived, create_graph)
                elif needed is None or fn in needed:
                    results = _call(fn, arrived)
                    if not retain_graph:
                        fn.release()
            for i, edge in enumerate(fn.edges):
                if edge is None:
                    continue
                target, number = edge
                if results is not None and results[i] is not None:
                    _add(buffers, target, number, results[i])
                waiting[target] -= 1
                if not waiting[target]:
                    heapq.heappush(ready, (-target.sequence, id(target), target))
    finally:
        state.enabled = before
        state.passes.pop()
    return [captured[edge] for edge in inputs or ()]


def _count_edges(roots: Sequence[tuple[BackwardNode, int]]) -> dict[BackwardNode, int]:
    """How many edges lead to each reachable node."""
    counts: dict[BackwardNode, int] = {}
    stack = list({fn for fn, _ in roots})
    seen = set(stack)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None:
                fn = edge[0]
                counts[fn] = counts.get(fn, 0) + 1
                if fn not in seen:
                    seen.add(fn)
                    stack.append(fn)
    for fn in seen:
        counts.setdefault(fn, 0)
    return counts


def _leading_to(targets: set, reachable: dict) -> set:
    """The nodes from which a target can be reached, so that they have to run."""
    readers: dict = {}
    for fn in reachable:
        for edge in fn.edges:
            if edge is not None:
                readers.setdefault(edge[0], []).append(fn)
    found: set = set()
    stack = list(targets)
    while stack:
        for reader in readers.get(stack.pop(), ()):
            if reader not in found:
                found.add(reader)
                stack.append(reader)
    return found


def _add(buffers: dict, fn: BackwardNode, number: int, grad: Tensor) -> None:
    arrived = buffers.get(fn)
    if arrived is None:
        arrived = buffers[fn] = [None] * fn.number_of_outputs()
    before = arrived[number]
    arrived[number] = grad if before is None else _sum(before, grad)


def _sum(before: Tensor, grad: Tensor) -> Tensor:
    """Two gradients added. What is zero but for a few places is added there alone, so that a tensor of which each of n
    steps reads a part costs n parts and not n wholes."""
    if before.is_sparse:
        return grad + before
    for total, part in ((before, grad), (grad, before)):
        found = _added_onto(total, part)
        if found is not None:
            return found
    return before + grad


def _added_onto(total: Tensor, part: Tensor) -> Tensor | None:
    """The sum as the operator that has just made `part` can add it; None where it cannot."""
    if total._spec is not part._spec or type(total) is not Tensor or type(part) is not Tensor:
        return None
    node, fn = part._storage.node, part._grad_fn
    call = node.call
    if call.op.onto is None or node.value is not None or part._spec is not call.out or state.duals is not None:
        return None
    if fn is not None and fn.marked:
        return None
    edges = (None,) * len(node.sources) if fn is None else fn.edges
    offsets = node.offsets or (0,) * len(node.sources)
    inputs = map(_input_of, node.sources, call.specs, offsets, edges)
    return call.op.onto(total, *inputs, **call.attributes)


def _input_of(source: Any, spec: Any, offset: int, edge: Any) -> Any:
    """What a recorded node was given: a tensor with its history, or a number."""
    if type(source) is not Node:
        return source
    x = make_tensor(make_storage(source), spec, offset)
    if edge is not None:
        x._grad_fn, x._output_nr = edge
    return x


def _tensor_hooks(fn: BackwardNode, grads: list) -> None:
    """Run the hooks on the tensors that this node made, then keep the gradients that tensors retain."""
    for number, hooks in (fn.tensor_hooks or {}).items():
        for hook in list(hooks.values()):
            if grads[number] is not None:
                grads[number] = _same_kind(hook, grads[number], hook(grads[number]))
    for number, reference in (fn.retained or {}).items():
        tensor, grad = reference(), grads[number]
        if tensor is not None and grad is not None:
            if tensor._grad is not None:
                tensor._grad = tensor._grad + grad
            else:
                tensor._grad = grad if state.enabled else own(grad)


def _same_kind(hook: Any, old: Tensor, new: Any) -> Tensor:
    """What a hook made of a gradient, or the gradient itself; raises where it changed its size or type."""
    if new is None:
        return old
    if not isinstance(new, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    name = getattr(hook, "__name__", type(hook).__name__)
    if new.dtype is not old.dtype:
        kinds = [scalar_name(t.dtype) for t in (old, new)]
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was torch.{kinds[0]}Tensor got torch.{kinds[1]}Tensor)"
        )
    if new.shape != old.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    return new


def _all_same_kind(hook: Any, old: Sequence, new: Any) -> list:
    """What a hook on a node made of several gradients; raises where it changed their number, sizes or types."""
    if new is None:
        return list(old)
    new = (new,) if isinstance(new, Tensor) else new
    if not isinstance(new, (tuple, list)):
        raise TypeError(f"expected tuple, but hook returned '{type(new).__name__}'")
    if len(new) != len(old):
        name = getattr(hook, "__name__", type(hook).__name__)
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(new)}, but expected {len(old)})"
        )
    return [n if o is None or n is None else _same_kind(hook, o, n) for o, n in zip(old, new, strict=True)]


def _call(fn: BackwardNode, grads: list) -> list:
    """The gradients of a node's inputs, with its hooks run before and after."""
    if fn.pre_hooks:
        for hook in list(fn.pre_hooks.values()):
            grads = _all_same_kind(hook, grads, hook(tuple(grads)))
    for g in grads:
        if g is not None:
            found = _apply(fn, grads)
            break
    else:
        found = _apply(fn, grads) if getattr(fn, "takes_none", False) else [None] * len(fn.edges)
    if fn.post_hooks:
        for hook in list(fn.post_hooks.values()):
            found = _all_same_kind(hook, found, hook(tuple(found), tuple(grads)))
    return found


def _apply(fn: BackwardNode, grads: list) -> list:
    if state.anomaly:
        results = _explained(fn, grads)
    else:
        results = fn.apply(grads)
    if type(results) is not tuple:
        results = (results,)
    found = [
        None if edge is None or g is None else g if g._spec is spec else fit(g, spec)
        for g, edge, spec in zip(results, fn.edges, fn.specs, strict=False)
    ]
    if len(found) < len(fn.edges):
        found += [None] * (len(fn.edges) - len(found))
    return found


def _explained(fn: BackwardNode, grads: list) -> Any:
    """Run a node; where it fails or gives nan, warn with the lines that recorded it."""
    import warnings

    try:
        results = fn.apply(grads)
        for i, g in enumerate(results if isinstance(results, tuple) else (results,)):
            if state.check_nan and isinstance(g, Tensor) and g.dtype.kind >= 2 and bool((g != g).any()):
                raise RuntimeError(f"Function '{fn.name()}' returned nan values in its {i}th output.")
    except Exception:
        lines = fn.metadata.get("traceback_")
        where = (
            f"Traceback of forward call that caused the error:\n{''.join(lines)}"
            if lines
            else "No forward pass information available. Enable detect anomaly during forward pass for more "
            "information."
        )
        warnings.warn(f"Error detected in {fn.name()}. {where}", stacklevel=5)
        raise
    return results


def fit(grad: Tensor, spec: Spec) -> Tensor:
    """A gradient in the size and dtype of the input it belongs to: broadcast axes are summed."""
    have = grad._spec
    if have.size != spec.size:
        lead = have.ndim - spec.ndim
        dims = tuple(range(lead)) + tuple(
            i + lead for i, s in enumerate(spec.size) if s == 1 and have.size[i + lead] != 1
        )
        if dims:
            grad = grad.sum(dims, True)
        if grad._spec.size != spec.size:
            grad = grad.reshape(spec.size) if lead > 0 else grad.expand(spec.size)
    if have.dtype is not spec.dtype:
        if have.dtype.is_complex and not spec.dtype.is_complex:
            grad = grad.real
        grad = grad.to(spec.dtype)
    return grad


def _accumulate(fn: AccumulateGrad, arrived: list, create_graph: bool) -> None:
    """Add a gradient to the `grad` of its leaf, with all hooks of the leaf and of its node."""
    if fn.pre_hooks:
        for hook in list(fn.pre_hooks.values()):
            arrived = _all_same_kind(hook, arrived, hook(tuple(arrived)))
    tensor, grad = fn.tensor(), arrived[0]
    if tensor is None or grad is None:
        return
    grad = fit(grad, tensor._spec)
    if tensor._grad is None:
        tensor._grad = grad if create_graph else own(grad)
    elif create_graph or tensor._grad._grad_fn is not None or tensor._grad.is_sparse and not grad.is_sparse:
        tensor._grad = grad + tensor._grad if tensor._grad.is_sparse else tensor._grad + grad
    else:
        tensor._grad.add_(grad)
    for hook in list(tensor.__dict__.get("_post_accumulate_grad_hooks", {}).values()):
        answer = hook(tensor)
        if answer is not None:
            raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    if fn.post_hooks:
        for hook in list(fn.post_hooks.values()):
            hook((), tuple(arrived))


def own(grad: Tensor) -> Tensor:
    """A gradient with a storage of its own; the recorded value is shared, so nothing is copied.

    Two leaves may receive the same tensor, and writing to one `grad` must not change the other.
    """
    spec = grad._spec
    if spec.contiguous and not spec.shifted and grad._storage.spec.numel == spec.numel and not grad._storage.exposed:
        storage = make_storage(grad._storage.node)
        return make_tensor(storage, spec, 0)
    return grad.detach().clone()


# ------------------------------------------------------------------------------------------------------ entry points
def _tuple(value: Any) -> tuple:
    return tuple(value) if _is_several(value) else (value,)


def _each(value: Any) -> tuple:
    """One tensor, or all of an iterable: `model.parameters()` will do."""
    return (value,) if isinstance(value, Tensor) or hasattr(value, "output_nr") else tuple(value)


def _roots(tensors: tuple, grads: tuple) -> tuple[list, list]:
    notice()
    roots, values = [], []
    for i, (tensor, grad) in enumerate(zip(tensors, grads, strict=True)):
        if not isinstance(tensor, Tensor):  # a GradientEdge
            if grad is None:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            roots.append((tensor.node, tensor.output_nr))
            values.append(grad)
            continue
        edge = grad_edge(tensor)
        if edge is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        if grad is None:
            if tensor._spec.numel != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if not tensor.dtype.is_floating_point:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {tensor.dtype}"
                )
            grad = _ones_like(tensor)
        elif not isinstance(grad, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(grad).__name__}")
        elif grad.shape != tensor.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {grad.shape} and output[{i}] has a shape of "
                f"{tensor.shape}."
            )
        elif grad.dtype.is_complex != tensor.dtype.is_complex:
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in "
                f"dtype: grad_output[{i}] has a dtype of {grad.dtype} and output[{i}] has a dtype of {tensor.dtype}."
            )
        roots.append(edge)
        values.append(grad)
    return roots, values


def _ones_like(tensor: Tensor) -> Tensor:
    """The gradient of a loss: nodes are immutable, so one node serves every loss of a kind."""
    node = _ones.get(tensor._spec)
    if node is None:
        import numpy as np

        node = Tensor._from_array(np.ones(tensor.shape, tensor.dtype.np))._storage.node
        _ones[tensor._spec] = node
    return make_tensor(make_storage(node), node.call.out)


_ones: dict[Spec, Node] = {}


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Sum the gradients of `tensors` into the leaves of the graph."""
    tensors, create_graph = _tuple(tensors), create_graph or state.duals is not None  # tangents go through gradients
    grad_tensors = _tuple(grad_tensors) if grad_tensors is not None else (None,) * len(tensors)
    if inputs is not None:
        inputs = _tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if len(grad_tensors) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(grad_tensors)} gradients")
    roots, grads = _roots(tensors, grad_tensors)
    edges = None
    if inputs is not None:
        edges = _input_edges(inputs)
        for tensor in inputs:
            if isinstance(tensor, Tensor) and type(tensor._grad_fn) is not AccumulateGrad:
                tensor.retain_grad()
    keep = create_graph if retain_graph is None else retain_graph
    if not (create_graph or edges) and len(roots) == 1:
        found = replay.gradients(roots[0], grads[0], None, keep, run)
        if found is not None:
            _accumulate_all(found)
            return
    run(roots, grads, keep, create_graph, edges)


def _accumulate_all(found: list[tuple[AccumulateGrad, Tensor | None]]) -> None:
    before, state.enabled = state.enabled, False
    try:
        for fn, grad in found:
            tensor = fn.tensor()
            if grad is None or tensor is None:
                continue
            spec = grad._spec
            if (
                tensor._grad is None and spec is tensor._spec and spec.contiguous
                and grad._storage.node.call.out is spec and "_post_accumulate_grad_hooks" not in tensor.__dict__
            ):  # fmt: skip
                tensor._grad = grad  # it has a storage of its own already
            else:
                _accumulate(fn, [grad], False)
    finally:
        state.enabled = before


def _input_edges(inputs: Sequence) -> list:
    edges = [grad_edge(t) if isinstance(t, Tensor) else (t.node, t.output_nr) for t in inputs]
    if any(e is None for e in edges):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edges


def _is_several(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and not hasattr(value, "output_nr")


def _rows(grads: Any) -> list:
    """Batched gradients apart: one set per element of the first axis."""
    several = _tuple(grads)
    n = next(g.shape[0] for g in several if g is not None)
    return [tuple(None if g is None else g[i] for g in several) for i in range(n)]


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of `outputs` with respect to `inputs`, summed over the outputs.

    Raises RuntimeError where an input took no part in the outputs, unless `allow_unused` (then None stands for it).
    """
    outputs, inputs = _each(outputs), _each(inputs)
    create_graph = create_graph or state.duals is not None
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    grad_outputs = _tuple(grad_outputs) if grad_outputs is not None else (None,) * len(outputs)
    if not inputs:
        raise ValueError("grad requires non-empty inputs.")
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        rows = [
            grad(
                outputs, inputs, row, True, create_graph, allow_unused=allow_unused, materialize_grads=materialize_grads
            )
            for row in _rows(grad_outputs)
        ]
        return tuple(None if column[0] is None else _stacked(column) for column in zip(*rows, strict=True))
    edges = _input_edges(inputs)
    roots, grads = _roots(outputs, grad_outputs)
    pairs = None
    if not create_graph and len(roots) == 1:
        pairs = replay.gradients(roots[0], grads[0], edges, keep, run)
    if pairs is None:
        found = run(roots, grads, keep, create_graph, edges, accumulate=False)
    else:
        found = [g for _, g in pairs]
    found = [
        fit(g, t._spec) if g is not None and isinstance(t, Tensor) else g for g, t in zip(found, inputs, strict=True)
    ]
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
    if materialize_grads:
        found = [t.new_zeros(t.shape) if g is None else g for g, t in zip(found, inputs, strict=True)]
    return tuple(found)


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    rows = [t.unsqueeze(0) for t in tensors]
    out = tensors[0].new_zeros((len(rows), *tensors[0].shape))
    for i, row in enumerate(rows):
        out[i : i + 1] = row
    return out
