"""Called: what happens when a module is called.

`Called.__call__` is the fast path: no hooks, then just `forward`. Otherwise `_call_impl` runs, in this order: the hooks
before forward, forward, the hooks after it; around them stand the marks that tell full backward hooks their gradients.
"""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .. import _api as torch
from .. import execute
from ..autograd.modes import state as grad_state
from ..utils.hooks import BackwardHook, RemovableHandle
from .notes import explain

_global_forward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks_with_kwargs: dict[int, bool] = OrderedDict()
_global_forward_hooks_always_called: dict[int, bool] = OrderedDict()
_global_backward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_backward_hooks: dict[int, Callable] = OrderedDict()
_global_is_full_backward_hook: bool | None = None
_global_buffer_registration_hooks: dict[int, Callable] = OrderedDict()
_global_module_registration_hooks: dict[int, Callable] = OrderedDict()
_global_parameter_registration_hooks: dict[int, Callable] = OrderedDict()


def _has_any_global_hook() -> bool:
    """Whether some hook would be called with every module."""
    return bool(
        _global_backward_pre_hooks or _global_backward_hooks or _global_forward_hooks or _global_forward_pre_hooks
    )


def _add_hook(hooks: dict[int, Any], hook: Any, *flags: dict[int, bool], prepend: bool = False) -> RemovableHandle:
    """Add a hook, and mark it in each of `flags`; the handle takes all of that back."""
    handle = RemovableHandle(hooks, extra_dict=list(flags) if flags else None)
    hooks[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]  # an OrderedDict
    return handle


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, buffer) whenever a buffer is registered; what it returns takes its place."""
    return _add_hook(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, submodule) whenever a module is registered; what it returns takes its place."""
    return _add_hook(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, name, param) whenever a parameter is registered; what it returns takes its place."""
    return _add_hook(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, args) before the forward of every module."""
    return _add_hook(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call hook(module, args, output) after the forward of every module."""
    flags = [_global_forward_hooks_with_kwargs] * with_kwargs + [_global_forward_hooks_always_called] * always_call
    return _add_hook(_global_forward_hooks, hook, *flags)


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) with the last operator of every module; see the full variant."""
    return _add_global_backward_hook(hook, False)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) when the gradients of a module's inputs have been computed."""
    return _add_global_backward_hook(hook, True)


def _add_global_backward_hook(hook: Callable, is_full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not is_full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only "
            "one of them."
        )
    _global_is_full_backward_hook = is_full
    return _add_hook(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call hook(module, grad_output) before the gradients of a module are computed."""
    return _add_hook(_global_backward_pre_hooks, hook)


def _registered(hooks: dict[int, Callable], module: Any, name: str, value: Any) -> Any:
    """The value as the global registration hooks want it."""
    for hook in hooks.values():
        output = hook(module, name, value)
        if output is not None:
            value = output
    return value


class _WrappedHook:
    """A hook that also gets the module it belongs to, without keeping it alive."""

    def __init__(self, hook: Callable, module: Any = None):
        self.hook = hook
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            if hasattr(hook, attribute):
                setattr(self, attribute, getattr(hook, attribute))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        return {
            "hook": self.hook,
            "with_module": self.with_module,
            **({"module": self.module()} if self.with_module else {}),
        }

    def __setstate__(self, state: dict) -> None:
        self.hook, self.with_module = state["hook"], state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


# Whether some module is being called: what it calls in turn is not outermost. Threads may see each other's value; then
# the flush on leaving is skipped, and the values are computed when they are read.
_inside = False


class Called:
    """The part of Module that knows hooks and calls forward between them."""

    forward: Callable[..., Any]
    _backward_pre_hooks: dict[int, Callable]
    _backward_hooks: dict[int, Callable]
    _is_full_backward_hook: bool | None
    _forward_hooks: dict[int, Callable]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: dict[int, Callable]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _compiled_call_impl: Callable | None = None

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) before the module's gradients are computed; it may return others."""
        return _add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) with the module's last operator; see the full variant."""
        self._set_full_backward_hook(False)
        return _add_hook(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the inputs' gradients are there; it may return others."""
        self._set_full_backward_hook(True)
        return _add_hook(self._backward_hooks, hook, prepend=prepend)

    def _set_full_backward_hook(self, is_full: bool) -> None:
        if self._is_full_backward_hook is (not is_full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
                "one of them."
            )
        self._is_full_backward_hook = is_full

    def _get_backward_hooks(self) -> tuple[list, list]:
        """The full and the other backward hooks that apply, global ones first."""
        full: list[Callable] = []
        other: list[Callable] = []
        (full if _global_is_full_backward_hook else other).extend(_global_backward_hooks.values())
        (full if self._is_full_backward_hook else other).extend(self._backward_hooks.values())
        return full, other

    def _get_backward_pre_hooks(self) -> list:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _maybe_warn_non_full_backward_hook(self, inputs: Any, result: Any, grad_fn: Any) -> None:
        """Warn where an old-style backward hook does not see what its documentation promises."""
        results = (result,) if isinstance(result, torch.Tensor) else result
        args = (inputs,) if isinstance(inputs, torch.Tensor) else inputs
        if not (isinstance(results, tuple) and all(isinstance(r, torch.Tensor) for r in results)):
            what = "s on a Module that does not return a single Tensor or a tuple of Tensors"
            lost = "some of the grad_output"
        elif not (isinstance(args, tuple) and all(isinstance(a, torch.Tensor) for a in args)):
            what = "s on a Module that does not take as input a single Tensor or a tuple of Tensors"
            lost = "some of the grad_input"
        elif len({r.grad_fn for r in results if r.grad_fn is not None} | {grad_fn}) > 1:
            what, lost = " when outputs are generated by different autograd Nodes", "some grad_output"
        elif {a.grad_fn for a in args if a.grad_fn is not None} != {n[0] for n in grad_fn.next_functions}:
            what, lost = " when the forward contains multiple autograd Nodes", "some grad_input"
        else:
            return
        subject = f"non-full backward hook{what}" if what.startswith("s") else f"a non-full backward hook{what}"
        warnings.warn(
            f"Using {subject} is deprecated and will be removed in future versions. This hook will be missing {lost}. "
            "Please use register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=2,
        )

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; it may return other arguments."""
        flags = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return _add_hook(self._forward_pre_hooks, hook, *flags, prepend=prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, output) after forward; it may return another output."""
        hooks = self._forward_hooks
        flags = [self._forward_hooks_with_kwargs] * with_kwargs + [self._forward_hooks_always_called] * always_call
        return _add_hook(hooks, hook, *flags, prepend=prepend)

    # ---------------------------------------------------------------------------------------------------------- calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of forward, with hooks, if any.

        Leaving the outermost call without gradients runs what is pending: the result of a prediction is wanted. An
        error that passes is told which module it came through.
        """
        global _inside
        own = self.__dict__
        try:
            hooked = (
                own["_backward_hooks"]
                or own["_backward_pre_hooks"]
                or own["_forward_hooks"]
                or own["_forward_pre_hooks"]
                or _global_backward_hooks
                or _global_backward_pre_hooks
                or _global_forward_hooks
                or _global_forward_pre_hooks
            )
        except KeyError as missing:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute {missing}") from None
        run = self._compiled_call_impl or (self._call_impl if hooked else self.forward)
        if _inside:
            try:
                return run(*args, **kwargs)
            except Exception as error:
                explain(error, self, args)
                raise
        _inside = True
        try:
            result = run(*args, **kwargs)
        except Exception as error:
            explain(error, self, args)
            raise
        finally:
            _inside = False
        if not grad_state.enabled:
            execute.flush()
        return result

    _wrapped_call_impl = __call__

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """forward between all its hooks."""
        full, other = self._get_backward_hooks()
        pre = self._get_backward_pre_hooks()
        marks = BackwardHook(self, full, pre) if full or pre else None
        result: Any = None
        called: set[int] = set()  # the always-called hooks that have had their turn
        try:
            args, kwargs = self._call_forward_pre_hooks(args, kwargs)
            if marks is not None:
                args = marks.setup_input_hook(args)
            result = self.forward(*args, **kwargs)
            for id, hook, with_kwargs, always, _ in self._forward_hook_records():
                if always:
                    called.add(id)
                output = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if output is not None:
                    result = output
            if marks is not None:
                if not isinstance(result, torch.Tensor | tuple):
                    warnings.warn(
                        "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                        f"received {type(result)}"
                    )
                result = marks.setup_output_hook(result)
            if other:
                self._set_up_other_backward_hooks(other, args, result)
            return result
        except Exception:
            self._call_forgotten_hooks(called, args, kwargs, result)
            raise

    def _call_forward_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """The arguments as the hooks before forward want them."""
        for hook in _global_forward_pre_hooks.values():
            output = hook(self, args)
            if output is not None:
                args = output if isinstance(output, tuple) else (output,)
        for id, hook in self._forward_pre_hooks.items():
            if id not in self._forward_pre_hooks_with_kwargs:
                output = hook(self, args)
                if output is not None:
                    args = output if isinstance(output, tuple) else (output,)
                continue
            output = hook(self, args, kwargs)
            if output is not None:
                if not isinstance(output, tuple) or len(output) != 2:
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {output}."
                    )
                args, kwargs = output
        return args, kwargs

    def _forward_hook_records(self) -> list[tuple[int, Callable, bool, bool, str]]:
        """(id, hook, wants kwargs, is always called, how a warning names it) of the hooks after forward, in order."""
        return [
            *(
                (
                    id,
                    hook,
                    id in _global_forward_hooks_with_kwargs,
                    id in _global_forward_hooks_always_called,
                    "global module",
                )
                for id, hook in _global_forward_hooks.items()
            ),
            *(
                (id, hook, id in self._forward_hooks_with_kwargs, id in self._forward_hooks_always_called, "module")
                for id, hook in self._forward_hooks.items()
            ),
        ]

    def _call_forgotten_hooks(self, called: set[int], args: tuple, kwargs: dict, result: Any) -> None:
        """After an error: the always-called hooks that did not come to their turn."""
        for id, hook, with_kwargs, always, what in self._forward_hook_records():
            if not always or id in called:
                continue
            try:
                output = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if output is not None:
                    result = output
            except Exception as error:
                warnings.warn(
                    f"{what} forward hook with ``always_call=True`` raised an exception that was silenced as another "
                    f"error was raised in forward: {error}"
                )

    def _set_up_other_backward_hooks(self, hooks: list, args: tuple, result: Any) -> None:
        """Old-style backward hooks: they watch the operator that made the (first) result."""
        first = result
        while not isinstance(first, torch.Tensor):
            if isinstance(first, dict):
                first = next(v for v in first.values() if isinstance(v, torch.Tensor))
            else:
                first = first[0]
        grad_fn = first.grad_fn
        if grad_fn is not None:
            for hook in hooks:
                grad_fn.register_hook(_WrappedHook(hook, self))
            self._maybe_warn_non_full_backward_hook(args, result, grad_fn)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile what a call of this module does, in place; options as `torch.compile` takes them."""
        from ..compiler import compile

        self._compiled_call_impl = compile(self._call_impl, *args, **kwargs)


_WrappedHook.__module__ = Called.__module__ = "torch.nn.modules.module"
