"""Forward mode: tangents of tensors, carried through whatever is computed with them outside `no_grad`.

A dual tensor is a primal with a backward node of its own, at which its tangent is kept. No operator has a second rule:
`u -> u @ J`, which the backward graph computes, is linear in u, and the gradient of (u @ J) @ v with respect to u is
J @ v. For complex tensors it holds as it is: gradients are those of the real and imaginary parts.

>>> import kenaz as torch
>>> with dual_level():
...     x = make_dual(torch.tensor(3.0), torch.tensor(1.0))
...     unpack_dual(x * x).tangent
tensor(6.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .._tensor import Tensor, make_tensor
from . import engine
from . import function as functions
from .modes import enable_grad, state
from .nodes import AccumulateGrad, BackwardNode, _sequence, grad_edge

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """A tensor, and its tangent or None."""

    primal: Tensor
    tangent: Tensor | None


class Dual(BackwardNode):
    """Where a tangent is kept: the history of a dual tensor, which goes on to that of its primal."""

    __slots__ = ("specs", "tangent")
    tangent: Tensor

    def apply(self, grads: list) -> Any:
        return grads[0]


# --------------------------------------------------------------------------------------------------------------- levels
def enter_dual_level() -> int:
    """Begin to carry tangents; gradients are on until `exit_dual_level`. There is one level, number 0."""
    if state.duals is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    state.duals, state.outside_duals = [], state.enabled
    state.enabled = True
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Forget all tangents."""
    if state.duals is None:
        raise RuntimeError("Dual level must be a positive number.")
    state.duals, state.enabled = None, state.outside_duals


class dual_level:
    """A context inside which tensors can have tangents."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: object) -> None:
        exit_dual_level()


# -------------------------------------------------------------------------------------------------------- dual tensors
def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor that shares memory with `tensor` and carries `tangent`, which has its size."""
    if state.duals is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    if tangent.shape != tensor.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    if reached([tensor]):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not "
            "supported."
        )
    return _dual(tensor, tangent)


def _dual(tensor: Tensor, tangent: Tensor) -> Tensor:
    fn = Dual()
    fn.edges, fn.specs, fn.tangent = (grad_edge(tensor),), [tensor._spec], tangent.to(tensor.dtype)
    fn.sequence = next(_sequence)
    out = make_tensor(tensor._storage, tensor._spec, tensor._offset)
    out._grad_fn = fn
    state.duals.append(fn)  # type: ignore[union-attr]  # a level is entered
    return out


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A tensor without its tangent, and the tangent; None where it depends on no dual tensor."""
    if not isinstance(tensor, Tensor):
        raise RuntimeError(f"unpack_dual(): Expected a Tensor, but got {type(tensor).__name__}")
    tangent = tangents_of([tensor])[0]
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    tangent._is_tangent = True
    return UnpackedDualTensor(tensor if leads_to_leaf(tensor._grad_fn) else tensor.detach(), tangent)


# ------------------------------------------------------------------------------------------------------------- tangents
def reached(tensors: Sequence[Tensor]) -> list[Dual]:
    """The dual tensors that tensors depend on, as their nodes."""
    found = [t._grad_fn for t in tensors if t._grad_fn is not None]
    seen = _walk(found, through=False)
    return [fn for fn in state.duals or () if fn in seen]


def leads_to_leaf(fn: BackwardNode | None) -> bool:
    """Whether backward from a node would reach a leaf; a tensor that only has a tangent requires no gradient."""
    return fn is not None and any(type(node) is AccumulateGrad for node in _walk([fn], through=True))


def _walk(stack: list, through: bool) -> set:
    """All nodes behind some, with what is behind dual tensors or without."""
    seen = set(stack)
    while stack:
        fn = stack.pop()
        for edge in fn.edges if through or not isinstance(fn, Dual) else ():
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])
    return seen


def tangents_of(tensors: Sequence[Tensor]) -> list[Tensor | None]:
    """The tangent of each tensor, or None where it depends on no dual tensor. Tangents have none themselves."""
    return [
        None if t.__dict__.get("_is_tangent") or not (duals := reached([t])) else _tangent(t, duals) for t in tensors
    ]


def _tangent(x: Tensor, duals: list[Dual]) -> Tensor:
    """J @ v, where J is how x depends on the dual tensors and v are their tangents."""
    edges = [(fn, 0) for fn in duals]
    behind = [fn.edges for fn in duals]
    root: Any = grad_edge(x)
    with enable_grad():
        u = x.new_zeros(x.shape).requires_grad_()
        for fn in duals:  # a dual tensor made inside a Function hides those that it was made of
            fn.edges = (None,)
        try:
            pulled = engine.run([root], [u], True, True, edges, accumulate=False)
        finally:
            for fn, rest in zip(duals, behind, strict=True):
                fn.edges = rest
    pairs = [(g, fn.tangent) for g, fn in zip(pulled, duals, strict=True) if g is not None and g._grad_fn is not None]
    if not pairs:
        return x.new_zeros(x.shape)
    keep = any(leads_to_leaf(fn) or fn.tangent.requires_grad for fn in duals)
    edge: Any = grad_edge(u)
    roots: list[Any] = [grad_edge(g) for g, _ in pairs]
    found = engine.run(roots, [v for _, v in pairs], True, keep, [edge], accumulate=False)[0]
    return x.new_zeros(x.shape) if found is None else engine.fit(found, x._spec)


def push_through(function: Any, ctx: Any, args: tuple, outputs: tuple) -> tuple:
    """The outputs of a user-defined Function as dual tensors, with the tangents that its `jvp` gives."""
    tensors = [a if isinstance(a, Tensor) else None for a in args]
    if not reached([t for t in tensors if t is not None]):
        return outputs
    tangents = [None if t is None else tangents_of([t])[0] for t in tensors]
    if ctx.materialize_grads:
        pairs = zip(tensors, tangents, strict=True)
        tangents = [t.new_zeros(t.shape) if v is None and t is not None else v for t, v in pairs]
    found = function.jvp(ctx, *tangents)
    found = found if isinstance(found, tuple) else (found,)
    return tuple(o if v is None else _dual(o, v) for o, v in zip(outputs, found, strict=True))


# ------------------------------------------------------------------------------------------- what is seen of tensors
def _requires_grad(self: Tensor) -> bool:
    return _plainly_requires_grad(self) and leads_to_leaf(self._grad_fn)


def _grad_fn(self: Tensor) -> BackwardNode | None:
    fn = _plain_grad_fn(self)
    return fn if fn is not None and leads_to_leaf(fn) else None


def _is_leaf(self: Tensor) -> bool:
    return _plain_is_leaf(self) or not leads_to_leaf(self._grad_fn)


_plain: dict[str, Any] = {name: vars(Tensor)[name] for name in ("requires_grad", "grad_fn", "is_leaf")}
_plainly_requires_grad, _plain_grad_fn, _plain_is_leaf = (member.fget for member in _plain.values())
# Programs that never name this module keep the simpler properties.
for _name, _get in zip(_plain, (_requires_grad, _grad_fn, _is_leaf), strict=True):
    setattr(Tensor, _name, property(_get, _plain[_name].fset))
functions.push_through = push_through
