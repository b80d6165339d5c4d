"""Functions of numbers that may be symbols in a traced graph (here they are numbers), and control flow as functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .._tensor import Tensor
from ..core.dtype import int64
from .record import public


@public
def sym_float(a: Any) -> float:
    """The number as a float."""
    return float(a)


@public
def sym_int(a: Any) -> int:
    """The number without its fraction.

    >>> sym_int(-3.7)
    -3
    """
    return math.trunc(a)


@public
def sym_not(a: Any) -> bool:
    """Whether a condition does not hold."""
    return not a


def _wider(found: Any, *given: Any) -> Any:
    return float(found) if any(isinstance(x, float) for x in given) else found


@public
def sym_max(a: Any, b: Any) -> Any:
    """The larger number; a float where one of them is.

    >>> sym_max(3, 2.0)
    3.0
    """
    return _wider(max(a, b), a, b)


@public
def sym_min(a: Any, b: Any) -> Any:
    """The smaller number; a float where one of them is."""
    return _wider(min(a, b), a, b)


@public
def sym_sum(args: Sequence) -> Any:
    """The sum of numbers."""
    return sum(args)


@public
def sym_sqrt(a: Any) -> float:
    """The square root of a number."""
    return math.sqrt(a)


@public
def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """`t` if a condition holds, else `f`, which must be of the same type."""
    if not isinstance(b, bool):
        raise AssertionError(f"expected SymBool or bool, got {type(b)}")
    if type(t) is not type(f):
        raise AssertionError(f"type mismatch: {type(t)} != {type(f)}")
    return t if b else f


@public
def sym_constrain_range(size: Any, *, min: int | None = None, max: int | None = None) -> None:
    """Raise where a number is not between two others."""
    if min is not None and size < min or max is not None and size > max:
        raise RuntimeError(f"Invalid value range for {size} between [{min}, {max}].")


@public
def sym_constrain_range_for_size(size: Any, *, min: int | None = None, max: int | None = None) -> None:
    """Raise where a size is not between two numbers."""
    if min is not None and max is not None and max <= 2:
        raise RuntimeError(f"Max value to constrain_range_for_size must be greater than 2. got: {max}")
    sym_constrain_range(size, min=min, max=max)


# ---------------------------------------------------------------------------------------------------------- control flow
@public
def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Any = ()) -> Any:
    """`true_fn(*operands)` where a condition holds, else `false_fn(*operands)`.

    >>> cond(True, lambda x: x + 1, lambda x: x - 1, (1,))
    2
    """
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    return true_fn(*operands) if pred else false_fn(*operands)


@public
def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Any) -> Any:
    """The values that are left when a condition on them no longer holds: `body_fn` makes new ones of them.

    >>> while_loop(lambda i: i < 3, lambda i: (i + 1,), (0,))
    (3,)
    """
    values = tuple(carried_inputs)
    while cond_fn(*values):
        values = body_fn(*values)
        values = values if isinstance(values, tuple) else (values,)
    return values


# ---------------------------------------------------------------------------------------------------------- assertions
@public
def _check_with(error_type: type[Exception], cond: Any, message: Callable | None = None) -> None:
    """Raise an error of a type unless a condition holds."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if not cond:
        raise error_type(_FALSE if message is None else str(message()))


@public
def _check_tensor_all_with(error_type: type[Exception], cond: Any, message: Callable | None = None) -> None:
    """Raise an error of a type unless all elements are true."""
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if not cond.dtype.name == "bool":
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(error_type, bool(cond.all()), message)


@public
def _check_tensor_all(cond: Any, message: Callable | None = None) -> None:
    """Raise RuntimeError unless all elements are true."""
    _check_tensor_all_with(RuntimeError, cond, message)


_FALSE = (
    "Expected cond to be True, but got False. (Could this error message be improved? If so, please report an "
    "enhancement request to PyTorch.)"
)


@public
def _assert_async(input: Tensor, assert_msg: str | None = None) -> None:
    """Raise where the single element is zero."""
    if not bool(input):
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


@public
def _shape_as_tensor(input: Tensor) -> Any:
    """The size as a tensor."""
    from .creation import tensor

    return tensor(list(input.shape), dtype=int64)
