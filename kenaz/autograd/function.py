"""User-defined operators: `Function` with a forward and a backward of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from .nodes import FREED, BackwardNode, _modified, _sequence, grad_edge
from .modes import no_grad, state


class FunctionCtx:
    """What forward leaves for backward; the backward node itself, as in PyTorch."""

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward; they come back as `saved_tensors`."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which inputs forward wrote to in place."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which outputs have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients that do not exist reach backward as zeros (default) or as None."""
        self.materialize_grads = value


class _FunctionBackward(BackwardNode, FunctionCtx):
    """The base of the backward nodes of user-defined functions; `_function` is the user's class."""

    _function: Any = None
    specs: list
    takes_none = True
    materialize_grads = True
    non_differentiable: tuple = ()
    dirty_tensors: tuple = ()
    to_save: tuple = ()
    _released = False
    _output_specs: list
    _needs: tuple
    _is_tensor: list
    _saved: tuple

    def number_of_outputs(self) -> int:
        return len(self._output_specs)

    @property
    def saved_tensors(self) -> tuple:
        if self._released:
            raise RuntimeError(FREED)
        found: list[Any] = []
        for x, version, number in self._saved:
            if isinstance(x, Tensor) and x._storage.version != version:
                raise RuntimeError(_modified(x._spec, x._output_nr, x._grad_fn, x._storage.version, version))
            if number is not None:  # an output: part of the graph again
                x = make_tensor(x._storage, x._spec, x._offset)
                x._grad_fn = self
                x._output_nr = number
            found.append(x)
        return tuple(found)

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        return self._needs

    def apply(self, grads: list) -> Any:
        if self.materialize_grads:
            grads = [_zeros(spec) if g is None and spec is not None else g for g, spec in zip(grads, self._output_specs, strict=True)]
        backward = getattr(self._function, "backward", None)
        vjp = getattr(self._function, "vjp", None)
        chosen = backward if backward is not Function.backward else vjp
        results = chosen(self, *grads)  # type: ignore[misc]
        results = results if isinstance(results, tuple) else (results,)
        return self._checked(results)

    def _checked(self, results: tuple) -> tuple:
        n = len(self._is_tensor)
        extra = [r for r in results[n:] if r is not None]
        if len(results) > n and extra or len(results) < n:
            raise RuntimeError(f"function {type(self).__name__} returned an incorrect number of gradients (expected {n}, got {len(results)})")
        kept = []
        for i, (g, is_tensor) in enumerate(zip(results, self._is_tensor, strict=False)):
            if not is_tensor and g is not None:
                raise RuntimeError(
                    f"function {type(self).__name__} returned a gradient different from None at position {i + 1}, but the "
                    "corresponding forward input was not a Variable"
                )
            kept.append(g)
        return tuple(kept)

    def release(self) -> None:
        if self._saved:
            self._saved, self._released = (), True


def _zeros(spec: Any) -> Tensor:
    import numpy as np

    return Tensor._from_array(np.zeros(spec.size, spec.dtype.np))


class _FunctionMeta(type):
    """Gives every Function a class of backward nodes named after it."""

    def __init__(cls, name: str, bases: tuple, attributes: dict):
        cls._backward_cls = type(name + "Backward", (_FunctionBackward,), {"_function": cls, "__module__": "torch.autograd.function"})
        super().__init__(name, bases, attributes)


class Function(metaclass=_FunctionMeta):
    """An operator with its own derivative: subclass it, write `forward` and `backward`, and call `apply`.

    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any):
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them "
            "on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function "
            "with static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
            "mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward on the arguments, and remember backward where gradients are needed."""
        ctx = cls._backward_cls()
        ctx._is_tensor = tuple(isinstance(a, Tensor) for a in args)
        ctx._needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        outputs = _connect(ctx, args, outputs, any(ctx._needs) and state.enabled)
        return outputs if isinstance(result, tuple) else outputs[0]


def _connect(ctx: Any, args: tuple, outputs: tuple, tracked: bool) -> tuple:
    """Make outputs point at the context, and keep what it saves."""
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    dirty = {id(t) for t in ctx.dirty_tensors}
    final = []
    for o in outputs:
        if isinstance(o, Tensor) and id(o) in inputs and id(o) not in dirty:
            o = o.view(o.shape) if False else make_tensor(o._storage, o._spec, o._offset)  # an input handed on is a new view of it
        final.append(o)
    if tracked:
        ctx.edges = tuple(grad_edge(a) if isinstance(a, Tensor) else None for a in args)
        ctx.specs = [a._spec if isinstance(a, Tensor) else None for a in args]
        ctx.sequence = next(_sequence)
        plain = {id(t) for t in ctx.non_differentiable}
        for i, (o, given) in enumerate(zip(final, outputs, strict=True)):
            if isinstance(o, Tensor) and id(given) not in plain and o.dtype.kind >= 2:
                o._grad_fn = ctx
                o._output_nr = i
    ctx._output_specs = [o._spec if isinstance(o, Tensor) else None for o in final]
    numbers = {id(o): i for i, o in enumerate(outputs) if isinstance(o, Tensor) and id(o) not in inputs}
    ctx._saved = tuple(_keep(t, numbers, final, tracked) for t in ctx.to_save)
    ctx.to_save = ()
    return tuple(final)


def _keep(t: Any, numbers: dict, final: list, tracked: bool) -> tuple:
    if not isinstance(t, Tensor):
        return t, None, None
    number = numbers.get(id(t))
    if number is None:
        return t, t._storage.version, None
    return t.detach(), t._storage.version, number if tracked else None


def once_differentiable(function: Callable) -> Callable:
    """Decorate a backward that cannot be differentiated again."""
    import functools

    @functools.wraps(function)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            return function(ctx, *args)

    return wrapper


for _class in (Function, FunctionCtx):
    _class.__module__ = "torch.autograd.function"
InplaceFunction = Function
