"""The graph of gradients itself: edges, hooks over several tensors, hooks on what is saved, versions."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._tensor import Tensor
from ..core.handles import RemovableHandle
from .modes import state
from .nodes import BackwardNode, grad_edge

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip

Node = BackwardNode


class GradientEdge(NamedTuple):
    """One output of a backward node: stands for a tensor in `grad` and `backward`."""

    node: BackwardNode
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor arrives."""
    edge = grad_edge(tensor)
    if edge is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(*edge)


def increment_version(tensor: Any) -> None:
    """Count a write that autograd has not seen to one tensor or to several."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        t._storage.version += 1


# ----------------------------------------------------------------------------------------------------- saved tensors
class saved_tensors_hooks:
    """Inside, every tensor saved for backward is kept as `pack_hook(tensor)`, and comes back through `unpack_hook`."""

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if state.no_hooks is not None:
            raise RuntimeError(state.no_hooks)
        state.saving.append((self.pack_hook, self.unpack_hook))
        state.watch()

    def __exit__(self, *_: object) -> None:
        state.saving.pop()
        state.watch()


class save_on_cpu(saved_tensors_hooks):
    """Inside, tensors saved for backward wait in main memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(
            lambda tensor: (tensor.device, tensor.cpu()),
            lambda packed: packed[1].to(packed[0]),
        )


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, hooks on saved tensors are refused with this message."""
    if state.saving:
        raise RuntimeError(error_message)
    before, state.no_hooks = state.no_hooks, error_message
    try:
        yield
    finally:
        state.no_hooks = before


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[None]:
    """Inside, tensors saved for backward may be written to: backward sees what they were."""
    with saved_tensors_hooks(lambda tensor: tensor.clone(), lambda kept: kept):
        yield


# ------------------------------------------------------------------------------------------------ hooks over several
class _Handles:
    """Removes several hooks at once."""

    def __init__(self, handles: Sequence[RemovableHandle]):
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> _Handles:
    """Call `fn` once the gradients of all the tensors that take part in a backward pass are known.

    With mode "all" it gets a list with None for tensors that take no part; with "any", the gradient that came first.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    passes: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def enter(number: int) -> Callable:
        def hook(grad: Tensor) -> None:
            running = state.passes[-1]
            seen = passes.get(running)
            if seen is None:
                seen = passes[running] = {}
                seen["grads"] = [None] * len(tensors)
                seen["left"] = sum(running.reaches(edge[0]) for edge in map(grad_edge, tensors) if edge is not None)
            if mode == "any":
                if not seen.get("done"):
                    seen["done"] = True
                    fn(grad)
                return
            seen["grads"][number] = grad
            seen["left"] -= 1
            if not seen["left"]:
                del passes[running]
                fn(seen["grads"])

        return hook

    return _Handles([t.register_hook(enter(i)) for i, t in enumerate(tensors)])


for _class in (GradientEdge, saved_tensors_hooks, save_on_cpu):
    _class.__module__ = "torch.autograd.graph"
