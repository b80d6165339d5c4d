"""Derivatives of functions: products with Jacobians and Hessians, and the matrices themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from . import engine
from .modes import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


# ---------------------------------------------------------------------------------------------- tuples in and out
def _as_tuple(value: Any, argument: str, function: str) -> tuple[bool, tuple]:
    """Whether a value came as a tuple, and the tuple; raises where something in it is no tensor."""
    is_tuple = isinstance(value, tuple)
    found = value if is_tuple else tuple(value) if isinstance(value, list) else (value,)
    for i, t in enumerate(found):
        if not isinstance(t, Tensor):
            if is_tuple:
                raise TypeError(
                    f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the value "
                    f"at index {i} has type {type(t)}."
                )
            raise TypeError(
                f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the given "
                f"{argument} has type {type(t)}."
            )
    return is_tuple, found


def _given_back(value: tuple, is_tuple: bool) -> Any:
    return value if is_tuple else value[0]


def _fresh(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs to differentiate with respect to, apart from (or, for a graph, over) what the user gave."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)
    return tuple(t.detach().requires_grad_() for t in inputs)


def _finished(value: Any, create_graph: bool) -> Any:
    """Results without a graph, where none was asked for."""
    if isinstance(value, tuple):
        return tuple(_finished(v, create_graph) for v in value)
    return value if create_graph else value.detach()


def _check_strict(outputs: tuple, strict: bool, what: str = "Output") -> None:
    if strict:
        for i, t in enumerate(outputs):
            if not t.requires_grad:
                raise RuntimeError(
                    f"{what} {i} of the user-provided function does not require gradients. The outputs must be "
                    "computed in a differentiable manner from the input when running in strict mode."
                )


def _check_v(v: tuple, other: tuple, is_other_tuple: bool) -> None:
    if len(v) != len(other):
        if is_other_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(other)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, other, strict=True)):
        if a.shape != b.shape:
            where = f"Entry {i} in " if is_other_tuple else ""
            raise RuntimeError(f"{where}v has invalid size: should be {b.shape} but got {a.shape}.")


def _grads(outputs: tuple, inputs: tuple, v: tuple | None, create_graph: bool, strict: bool = False) -> tuple:
    """Gradients with zeros where an output does not depend on an input (an error in strict mode)."""
    pairs = [(o, None if v is None else v[i]) for i, o in enumerate(outputs) if o.requires_grad]
    found: tuple = (None,) * len(inputs)
    if pairs:
        found = engine.grad(
            [o for o, _ in pairs],
            inputs,
            [g for _, g in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict and None in [g if g is None else 0 for g in found]:
        i = [g if g is None else 0 for g in found].index(None)
        raise RuntimeError(
            f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
        )
    return tuple(t.new_zeros(t.shape) if g is None else g for g, t in zip(found, inputs, strict=True))


def _ones_for(outputs: tuple) -> tuple:
    if len(outputs) != 1 or outputs[0].numel() != 1:
        raise RuntimeError(
            "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
        )
    return (outputs[0].new_ones(outputs[0].shape),)


# ------------------------------------------------------------------------------------------------------------ products
def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """`(func(inputs), v @ J)`: the product of a vector with the Jacobian of a function."""
    with enable_grad():
        is_inputs_tuple, given = _as_tuple(inputs, "inputs", "vjp")
        given = _fresh(given, create_graph)
        is_outputs_tuple, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "vjp")
        _check_strict(outputs, strict)
        vector = _ones_for(outputs) if v is None else _as_tuple(v, "v", "vjp")[1]
        _check_v(vector, outputs, is_outputs_tuple)
        found = _grads(outputs, given, vector, create_graph, strict)
    return (
        _given_back(_finished(outputs, create_graph), is_outputs_tuple), _given_back(_finished(found, create_graph),
        is_inputs_tuple)
    )  # fmt: skip


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """`(func(inputs), J @ v)`: the product of the Jacobian of a function with a vector, by differentiating twice."""
    with enable_grad():
        is_inputs_tuple, given = _as_tuple(inputs, "inputs", "jvp")
        given = _fresh(given, create_graph)
        if v is None:
            if len(given) != 1 or given[0].numel() != 1:
                raise RuntimeError(
                    "The vector v can only be None if the input to the user-provided function is a single Tensor with "
                    "a single element."
                )
            vector: tuple = (given[0].new_ones(given[0].shape),)
        else:
            vector = _as_tuple(v, "v", "jvp")[1]
        _check_v(vector, given, is_inputs_tuple)
        is_outputs_tuple, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "jvp")
        _check_strict(outputs, strict)
        found = push_forward(outputs, given, vector, create_graph, strict)
    return (
        _given_back(_finished(outputs, create_graph), is_outputs_tuple), _given_back(_finished(found, create_graph),
        is_outputs_tuple)
    )  # fmt: skip


def push_forward(outputs: tuple, inputs: tuple, vector: tuple, create_graph: bool, strict: bool = False) -> tuple:
    """J @ v: `u @ J` is linear in u, and the gradient of `(u @ J) @ v` with respect to u is J @ v."""
    dummies = tuple(o.new_zeros(o.shape).requires_grad_() for o in outputs)
    pulled = _grads(outputs, inputs, dummies, True, strict)
    return _grads(pulled, dummies, vector, create_graph)


def _scalar(func: Callable, inputs: tuple, name: str) -> Tensor:
    _, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", name)
    if len(outputs) != 1:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outputs[0]


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """`(func(inputs), v @ H)`: the product of a vector with the Hessian of a scalar function."""
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """`(func(inputs), H @ v)`: the product of the Hessian of a scalar function with a vector."""
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(name: str, func: Callable, inputs: Any, v: Any, create_graph: bool, strict: bool) -> tuple:
    with enable_grad():
        is_inputs_tuple, given = _as_tuple(inputs, "inputs", name)
        given = _fresh(given, create_graph)
        if v is None:
            if len(given) != 1 or given[0].numel() != 1:
                raise RuntimeError(
                    "The vector v can only be None if the input to the user-provided function is a single Tensor with "
                    "a single element."
                )
            vector: tuple = (given[0].new_ones(given[0].shape),)
        else:
            vector = _as_tuple(v, "v", name)[1]
        _check_v(vector, given, is_inputs_tuple)
        output = _scalar(func, given, name)
        _check_strict((output,), strict)
        first = _grads((output,), given, None, True, strict)
        found = _grads(first, given, vector, create_graph, strict)
    return _finished(output, create_graph), _given_back(_finished(found, create_graph), is_inputs_tuple)


# ------------------------------------------------------------------------------------------------------------ matrices
def jacobian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian of a function: for each output and input, a tensor of the output's size followed by the input's."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    with enable_grad():
        is_inputs_tuple, given = _as_tuple(inputs, "inputs", "jacobian")
        given = _fresh(given, create_graph)
        is_outputs_tuple, outputs = _as_tuple(func(*given), "outputs of the user-provided function", "jacobian")
        _check_strict(outputs, strict)
        rows = tuple(rows_of(o, given, create_graph, strict) for o in outputs)
    rows = _finished(rows, create_graph)
    return _given_back(tuple(_given_back(row, is_inputs_tuple) for row in rows), is_outputs_tuple)


def rows_of(output: Tensor, inputs: tuple, create_graph: bool, strict: bool = False) -> tuple:
    """The Jacobian of one output with respect to each input, a row at a time."""
    columns: list[list] = [[] for _ in inputs]
    flat = output.reshape(-1)
    for i in range(output.numel()):
        for column, g in zip(columns, _grads((flat[i],), inputs, None, create_graph, strict), strict=True):
            column.append(g)
    return tuple(
        stack(column).reshape(tuple(output.shape) + tuple(t.shape))
        if column
        else t.new_zeros(tuple(output.shape) + tuple(t.shape))
        for column, t in zip(columns, inputs, strict=True)
    )


stack: Callable = engine._stacked


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a scalar function: for each pair of inputs, a tensor of the first's size followed by the
    second's."""
    is_inputs_tuple, given = _as_tuple(inputs, "inputs", "hessian")

    def gradient(*points: Tensor) -> tuple:
        output = _scalar(func, points, "hessian")
        _check_strict((output,), strict)
        return _grads((output,), points, None, True, strict)

    rows = jacobian(gradient, given, create_graph, strict)
    return _given_back(tuple(_given_back(row, is_inputs_tuple) for row in rows), is_inputs_tuple)


for _function in (vjp, jvp, vhp, hvp, jacobian, hessian):
    _function.__module__ = "torch.autograd.functional"
