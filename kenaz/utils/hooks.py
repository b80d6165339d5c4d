"""Handles of registered hooks, and the pair of markers behind a module's full backward hooks."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ..core.handles import RemovableHandle

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks", "BackwardHook"]

RemovableHandle.__module__ = "torch.utils.hooks"  # where users know it


def unserializable_hook(f: Callable) -> Callable:
    """f, marked: a tensor carrying it is saved with a warning that the hook stays behind."""
    f.__torch_unserializable__ = True  # type: ignore[attr-defined]  # a mark
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warn about every backward hook of `tensor` that a file cannot carry."""
    for hook in (getattr(tensor, "_backward_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )


class BackwardHook:
    """Calls a module's hooks with the gradients of its inputs and outputs.

    Inputs and outputs each pass through an identity in the autograd graph; what flows back through the two
    identities are the module's `grad_output` and `grad_input`, whatever the module does in between.
    """

    def __init__(self, module: Any, user_hooks: Any, user_pre_hooks: Any) -> None:
        self.module = module
        self.user_hooks = list(user_hooks)
        self.user_pre_hooks = list(user_pre_hooks)
        self.grad_outputs: tuple | None = None
        self.n_inputs = self.n_outputs = -1
        self.input_tensors_index: Any = None  # where the tensors stand, once some input wants a gradient
        self.output_tensors_index: Any = None

    def setup_input_hook(self, args: tuple) -> tuple:
        args, self.input_tensors_index = self._mark(args, lambda node: node.register_hook(self._on_grad_input))
        self.n_inputs = len(args)
        return args

    def setup_output_hook(self, args: Any) -> Any:
        is_tuple = isinstance(args, tuple)
        if not is_tuple:
            args = (args,)
        args, self.output_tensors_index = self._mark(args, lambda node: node.register_prehook(self._on_grad_output))
        self.n_outputs = len(args)
        return args if is_tuple else args[0]

    @staticmethod
    def _mark(args: tuple, on_node: Callable) -> tuple[tuple, list[int] | None]:
        """args with every tensor replaced by its marked self, and where the tensors stand."""
        from .. import _api as torch

        index = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        needs_grad = torch.is_grad_enabled() and any(args[i].requires_grad for i in index)
        if not needs_grad:
            return args, None
        marked = _identity().apply(*(args[i] for i in index))
        nodes = [t.grad_fn for t in marked if t.grad_fn is not None]
        if not nodes:
            raise RuntimeError(
                "Error while setting up backward hooks: no tensor of the module carries a gradient function."
            )
        on_node(nodes[0])
        new = list(args)
        for i, tensor in zip(index, marked):
            new[i] = tensor
        if type(args) is not tuple and hasattr(args, "_fields"):
            return type(args)(*new), index
        return tuple(new), index

    @staticmethod
    def _spread(grads: tuple, index: list[int], length: int) -> tuple:
        """One entry an argument: None where no tensor stands."""
        full: list = [None] * length
        for i, g in zip(index, grads):
            full[i] = g
        return tuple(full)

    def _call_hooks(self, grad_input: tuple) -> tuple:
        for hook in self.user_hooks:
            out = hook(self.module, grad_input, self.grad_outputs)
            if out is None:
                continue
            if not isinstance(out, tuple):
                out = (out,)
            if len(out) != len(grad_input):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(out)}, but expected {len(grad_input)}"
                )
            grad_input = out
        return grad_input

    def _on_grad_input(self, grad_input: tuple, _: tuple) -> tuple | None:
        if self.grad_outputs is None:  # the gradient came past the module's output, as in a double backward
            return None
        result = self._call_hooks(self._spread(grad_input, self.input_tensors_index, self.n_inputs))
        self.grad_outputs = None
        return tuple(result[i] for i in self.input_tensors_index)

    def _on_grad_output(self, grad_output: tuple) -> tuple | None:
        self.grad_outputs = self._spread(grad_output, self.output_tensors_index, self.n_outputs)
        for hook in self.user_pre_hooks:
            out = hook(self.module, self.grad_outputs)
            if out is None:
                continue
            if not isinstance(out, tuple):
                out = (out,)
            if len(out) != len(self.grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(out)}, but expected {len(self.grad_outputs)}"
                )
            self.grad_outputs = out
        local = self.grad_outputs  # _call_hooks below may be the last to need the field
        if self.input_tensors_index is None:  # no input wants a gradient: there is no second marker to wait for
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                "inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details.",
                stacklevel=5,
            )
            if any(g is not None for g in self._call_hooks((None,) * self.n_inputs)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None "
                    "for all gradients."
                )
            self.grad_outputs = None
        return tuple(local[i] for i in self.output_tensors_index)


@functools.cache
def _identity() -> Any:
    """The autograd Function that passes tensors and their gradients through unchanged."""
    from .. import autograd

    class BackwardHookFunction(autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            ctx.mark_non_differentiable(*(a for a in args if not a.requires_grad))
            return args

        @staticmethod
        def backward(ctx, *grads):
            return grads

    return BackwardHookFunction
