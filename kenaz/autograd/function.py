"""User-defined operators: `Function` with a forward and a backward of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from ..core.shape import broadcast
from .modes import no_grad, state
from .nodes import FREED, AccumulateGrad, BackwardNode, _modified, _sequence, grad_edge, pack, unpack


class FunctionCtx:
    """What forward leaves for backward; the backward node itself, as in PyTorch."""

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward; they come back as `saved_tensors`."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
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
    saved_for_forward: tuple = ()
    pushing = False  # while jvp runs
    _released = False
    _output_specs: list
    _needs: tuple
    _is_tensor: list
    _saved: tuple

    def number_of_outputs(self) -> int:
        return len(self._output_specs)

    @property
    def saved_tensors(self) -> tuple:
        if self.pushing:
            return self.saved_for_forward
        if self._released:
            raise RuntimeError(FREED)
        found: list[Any] = []
        for x, version, number in self._saved:
            if type(x) is _Packed:
                found.append(self._unpacked(x))
                continue
            if isinstance(x, Tensor) and x._storage.version != version:
                raise RuntimeError(_modified(x._spec, x._output_nr, x._grad_fn, x._storage.version, version))
            if number is not None:  # an output: part of the graph again
                x = make_tensor(x._storage, x._spec, x._offset)
                x._grad_fn = self
                x._output_nr = number
            found.append(x)
        return tuple(found)

    saved_variables = saved_tensors  # its name of old

    def _unpacked(self, packed: _Packed) -> Tensor:
        tensor = unpack(packed.kept)
        if packed.edge is not None:
            tensor._grad_fn, tensor._output_nr = packed.edge
        elif packed.number is not None:
            tensor._grad_fn, tensor._output_nr = self, packed.number
        return tensor

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        return self._needs

    def apply(self, grads: list) -> Any:
        if self.materialize_grads:
            grads = [
                _zeros(spec) if g is None and spec is not None else g
                for g, spec in zip(grads, self._output_specs, strict=True)
            ]
        backward = getattr(self._function, "backward", None)
        vjp = getattr(self._function, "vjp", None)
        chosen: Any = backward if backward is not Function.backward else vjp
        results = chosen(self, *grads)
        return self._checked(results if isinstance(results, tuple) else (results,))

    def _checked(self, results: tuple) -> tuple:
        """What the user's backward gave, or PyTorch's error where it does not fit the inputs."""
        name, n = type(self).__name__, len(self._is_tensor)
        if len(results) < n or any(r is not None for r in results[n:]):
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {n}, got {len(results)})"
            )
        results = results[:n]
        for i, (g, is_tensor, spec) in enumerate(zip(results, self._is_tensor, self.specs, strict=True)):
            if g is None:
                continue
            if not is_tensor:
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position {i + 1}, but the "
                    "corresponding forward input was not a Variable"
                )
            if not isinstance(g, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
            if self.edges[i] is not None and g.shape != spec.size and not _sums_to(g.shape, spec.size):
                raise RuntimeError(
                    f"Function {name} returned an invalid gradient at index {i} - got {list(g.shape)} but expected "
                    f"shape compatible with {list(spec.size)}"
                )
        return results

    def release(self) -> None:
        if self._saved:
            self._saved, self._released = (), True


class _Packed:
    """A tensor that hooks took away, and where its gradient goes: an edge, or an output of the function itself."""

    __slots__ = ("edge", "kept", "number")

    def __init__(self, tensor: Tensor, edge: Any, number: int | None):
        self.kept, self.edge, self.number = pack(tensor), edge, number


def _sums_to(have: tuple, want: tuple) -> bool:
    """Whether a gradient of one size can be summed over broadcast axes to another."""
    try:
        return broadcast(have, want) == have
    except RuntimeError:
        return False


def _zeros(spec: Any) -> Tensor:
    import numpy as np

    return Tensor._from_array(np.zeros(spec.size, spec.dtype.np))


class _FunctionMeta(type):
    """Gives every Function a class of backward nodes named after it."""

    def __init__(cls, name: str, bases: tuple, attributes: dict):
        cls._backward_cls = type(
            name + "Backward", (_FunctionBackward,), {"_function": cls, "__module__": "torch.autograd.function"}
        )
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
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
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
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward on the arguments, and remember backward where gradients are needed."""
        ctx = cls._backward_cls()
        ctx._is_tensor = tuple(isinstance(a, Tensor) for a in args)
        edges = tuple(grad_edge(a) if isinstance(a, Tensor) else None for a in args)
        ctx._needs = tuple(edge is not None for edge in edges)
        ctx._inputs = args
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        del ctx._inputs
        ctx.edges, ctx.specs = edges, [a._spec if isinstance(a, Tensor) else None for a in args]
        outputs = _connect(
            ctx, args, result if isinstance(result, tuple) else (result,), any(ctx._needs) and state.enabled
        )
        if state.duals is not None and cls.jvp is not Function.jvp:
            ctx.pushing = True
            outputs = push_through(cls, ctx, args, outputs)  # noqa: F821  attached later
        return outputs if isinstance(result, tuple) else outputs[0]


push_through: Callable[..., tuple]  # forward_ad.py, which is loaded when it is first used


def _connect(ctx: Any, args: tuple, outputs: tuple, tracked: bool) -> tuple:
    """Make outputs point at the context, and keep what it saves."""
    inputs = {id(a): a for a in args if isinstance(a, Tensor)}
    dirty = {id(t) for t in ctx.dirty_tensors}
    plain = {id(t) for t in ctx.non_differentiable}
    _check_dirty(ctx, tracked)
    final = tuple(_handed_on(o) if id(o) in inputs and id(o) not in dirty else o for o in outputs)
    ctx._output_specs = [o._spec if isinstance(o, Tensor) else None for o in final]
    numbers = {
        id(o): i for i, o in enumerate(outputs) if isinstance(o, Tensor) and (id(o) not in inputs or id(o) in dirty)
    }
    ctx._saved = tuple(_keep(t, numbers, tracked) for t in ctx.to_save)
    ctx.to_save = ()
    if tracked:
        ctx.sequence = next(_sequence)
        for i, (o, given) in enumerate(zip(final, outputs, strict=True)):
            if isinstance(o, Tensor) and id(given) not in plain and o.dtype.kind >= 2:
                _become_output(ctx, o, i, id(given) in dirty)
    return final


def _handed_on(x: Tensor) -> Tensor:
    """An input that forward returned as it was: a new view of it."""
    out = make_tensor(x._storage, x._spec, x._offset)
    out._base = x if x._base is None else x._base
    return out


def _become_output(ctx: Any, out: Tensor, number: int, written: bool) -> None:
    """Let the history of a tensor be the function, and that of a base that was written to through it as well."""
    if written and out._base is not None:
        history = make_tensor(out._storage, out._spec, out._offset)
        history._grad_fn, history._output_nr = ctx, number
        rewire(out, history)  # noqa: F821  attached later
        return
    if out._base is not None:
        out._creation = "function"
        out._view_version = out._base._grad_version
    out._grad_fn, out._output_nr = ctx, number


rewire: Callable[[Tensor, Tensor], None]  # ops/record.py knows how a write through a view becomes history


def _check_dirty(ctx: Any, tracked: bool) -> None:
    for t in ctx.dirty_tensors:
        if tracked and type(t._grad_fn) is AccumulateGrad:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        t._storage.version += 1


def _keep(t: Any, numbers: dict, tracked: bool) -> Any:
    """What is kept of a tensor that forward saved; an output is kept apart from its history, which is the context
    itself."""
    if not isinstance(t, Tensor):
        return t, None, None
    number = numbers.get(id(t))
    if state.saving and tracked:
        return _Packed(t, grad_edge(t) if number is None else None, number), None, None
    if number is None:
        return t, t._storage.version, None
    return t.detach(), t._storage.version, number if tracked else None


def once_differentiable(function: Callable) -> Callable:
    """Decorate a backward that cannot be differentiated again."""
    import functools

    @functools.wraps(function)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            results = function(ctx, *args)
        if not state.enabled or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return results
        return tuple(
            _refusing(r) if isinstance(r, Tensor) else r
            for r in (results if isinstance(results, tuple) else (results,))
        )

    return wrapper


class _Refusal(BackwardNode):
    """The history of a gradient that has no derivative."""

    specs: list = []

    def apply(self, grads: list) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


_Refusal.__name__ = "DelayedError"


def _refusing(tensor: Tensor) -> Tensor:
    out = make_tensor(tensor._storage, tensor._spec, tensor._offset)
    fn = _Refusal()
    fn.edges, fn.sequence = (), next(_sequence)
    out._grad_fn = fn
    return out


for _class in (Function, FunctionCtx):
    _class.__module__ = "torch.autograd.function"
InplaceFunction = Function
