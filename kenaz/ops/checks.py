"""What the functions of linear algebra ask of their arguments, in PyTorch's words; and `linalg`, which publishes
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.dtype import FLOAT, HALF, scalar_name
from .factors import LinAlgError
from .record import write_out

LINALG: dict[str, Callable] = {"LinAlgError": LinAlgError}  # the `torch.linalg` namespace


def with_out(name: str, function: Callable) -> Callable:
    """A function that takes `out=` as well."""

    def named(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else write_out(result, out, name)

    named.__name__ = named.__qualname__ = name
    named.__doc__, named.__wrapped__ = function.__doc__, function
    return named


def linalg(function: Callable) -> Callable:
    """Make a function part of `torch.linalg`, and let it take `out=`; usable as a decorator."""
    named = LINALG[function.__name__] = with_out(function.__name__, function)
    return named


def matrices(name: str, A: Tensor, argument: str = "A") -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")


def square(name: str, A: Tensor, argument: str = "A") -> None:
    matrices(name, A, argument)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            f"matrices"
        )


def floating(name: str, A: Tensor, kernel: str | None = None, low: bool = True) -> None:
    """Refuse integers, and halves where `kernel` (the name PyTorch's kernel has) or `low` says so."""
    if A.dtype.kind < FLOAT:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_name(A.dtype)}")
    if A.dtype in HALF:
        if not low:
            raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {scalar_name(A.dtype)}")
        unsupported(A, kernel)


def unsupported(A: Tensor, kernel: str | None) -> None:
    """Refuse what PyTorch's kernel is not implemented for."""
    if kernel is not None and (A.dtype.kind < FLOAT or A.dtype in HALF):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(A.dtype)}'")


def refuse(info: Tensor, name: str, message: str, error: type[Exception] = LinAlgError) -> None:
    """Raise where a factorization stopped; `message` has places for the step at which it did."""
    if info.device.type == "meta":
        return
    found = info._array().reshape(-1)
    if not found.any():
        return
    i = int(np.flatnonzero(found)[0])
    batch = f"(Batch element {i}): " if info.ndim else ""
    raise error(f"{name}: {batch}" + message.replace("{}", str(int(found[i]))))


SINGULAR = "The diagonal element {} is zero, the inversion could not be completed because the input matrix is singular."
NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of "
    "order {} is not "
    "positive-definite)."
)
ZERO_PIVOT = (
    "U[{},{}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform "
    "the factorization, "
    "consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)
