"""gradcheck: derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor
from . import engine

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative differs from what finite differences say."""


GradcheckError.__module__ = "torch.autograd.gradcheck"


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(values: Any) -> list[Tensor]:
    return [t for t in _tuple(values) if isinstance(t, Tensor) and t.requires_grad]


def gradcheck(
    func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True,
    fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` at `inputs` are those that central differences give; raises GradcheckError if
    not."""
    inputs = _tuple(inputs)
    tensors = _differentiable(inputs)
    if not tensors:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    _warn_about_precision(inputs)
    try:
        with execute.eager():  # a graph that turns hot in between is rounded otherwise
            _check(func, inputs, tensors, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Callable, inputs: tuple, tensors: Sequence[Tensor], eps: float, atol: float, rtol: float, tol: float
) -> None:
    outputs = _differentiable(func(*inputs))
    if not outputs:
        _check_constant(func, inputs, tensors, eps, atol)
    for i, output in enumerate(outputs):
        for j, x in enumerate(tensors):
            _compare(func, inputs, output, x, i, j, eps, atol, rtol, tol)


def _warn_about_precision(inputs: tuple) -> None:
    import warnings

    for i, t in enumerate(inputs):
        if isinstance(t, Tensor) and t.requires_grad:
            if t.dtype.name not in ("float64", "complex128"):
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                    "will likely fail if all the inputs are not of double precision floating point or complex. ",
                    stacklevel=3,
                )
            if t.layout is not None and 0 in [q for q, n in zip(t.stride(), t.shape, strict=True) if n > 1]:
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                    "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                    ".contiguous on the input before passing it to gradcheck."
                )


def _check_constant(func: Callable, inputs: tuple, tensors: Sequence[Tensor], eps: float, atol: float) -> None:
    """An output that requires no gradient must not depend on the inputs."""
    for i, output in enumerate(t for t in _tuple(func(*inputs)) if isinstance(t, Tensor) and t.dtype.kind >= 2):
        for x in tensors:
            if np.abs(_numerical(func, inputs, x, i, eps, every=True, size=output.numel())).max(initial=0) > atol:
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _outputs(func: Callable, inputs: tuple, every: bool) -> list[Tensor]:
    results = _tuple(func(*inputs))
    if every:
        return [t for t in results if isinstance(t, Tensor) and t.dtype.kind >= 2]
    return _differentiable(results)


def _numerical(
    func: Callable, inputs: tuple, x: Tensor, number: int, eps: float, every: bool = False, size: int = 0
) -> np.ndarray:
    """The Jacobian of one output with respect to `x` by central differences: a row per element of x."""
    array = np.asarray(x.detach()._array())
    rows = []
    for index in np.ndindex(*array.shape):
        found = []
        steps = (eps, eps * 1j) if x.dtype.is_complex else (eps,)
        for step in steps:
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                shifted = Tensor._from_array(moved).requires_grad_()
                result = _outputs(func, tuple(shifted if t is x else t for t in inputs), every)[number]
                ends.append(
                    result.detach()
                    ._array()
                    .reshape(-1)
                    .astype(np.complex128 if result.dtype.is_complex else np.float64)
                )
            found.append((ends[0] - ends[1]) / (2 * eps))
        rows.append(found[0] if len(found) == 1 else np.stack(found, -1))
    return np.array(rows) if rows else np.zeros((0, size))


def _analytical(output: Tensor, x: Tensor, unit: complex) -> np.ndarray:
    """The Jacobian by backward: a column per element of the output."""
    columns = []
    for i in range(output.numel()):
        seed = np.zeros(output.numel(), output.dtype.np)
        seed[i] = unit
        g = engine.grad(
            output, x, Tensor._from_array(seed.reshape(output.shape)), retain_graph=True, allow_unused=True
        )[0]  # fmt: skip
        columns.append(np.zeros(x.numel(), x.dtype.np) if g is None else g.detach()._array().reshape(-1).copy())
    return np.array(columns).T.reshape(x.numel(), output.numel())


def _compare(
    func: Callable, inputs: tuple, output: Tensor, x: Tensor, i: int, j: int,
    eps: float, atol: float, rtol: float, tol: float,
) -> None:  # fmt: skip
    numerical = _numerical(func, inputs, x, i, eps)
    for unit in (1, 1j) if output.dtype.is_complex else (1,):
        analytical, again = _analytical(output, x, unit), _analytical(output, x, unit)
        if analytical.size and np.abs(analytical - again).max() > tol:
            raise GradcheckError(
                f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                f"gives different values, although analytical gradient matches numerical gradient.The tolerance for "
                f"nondeterminism was {tol}."
            )
        expected = _expected(numerical, x.dtype.is_complex, unit)
        if not np.allclose(analytical, expected, rtol=rtol, atol=atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian mismatch for output {i} with respect to input "
                f"{j},\nnumerical:{Tensor._from_array(expected)}\nanalytical:{Tensor._from_array(analytical)}\n"
            )


def _expected(numerical: np.ndarray, complex_input: bool, unit: complex) -> np.ndarray:
    """What backward should give for a cotangent: conj(v) . d(out), over the real and imaginary directions of the
    input."""
    if complex_input:
        along_real, along_imag = numerical[..., 0], numerical[..., 1]
        return (np.conj(unit) * along_real).real + 1j * (np.conj(unit) * along_imag).real
    return (np.conj(unit) * numerical).real


def gradgradcheck(
    func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """Whether the gradients of the gradients of `func` are right."""
    inputs = _tuple(inputs)
    if grad_outputs is None:
        source = np.random.default_rng(0)  # any direction will do
        grad_outputs = tuple(
            Tensor._from_array(
                (
                    source.standard_normal(o.shape)
                    + (1j * source.standard_normal(o.shape) if o.dtype.is_complex else 0)
                ).astype(o.dtype.np)
            ).requires_grad_()
            for o in _differentiable(func(*inputs))
        )
    seeds = _tuple(grad_outputs)

    def gradient(*args: Any) -> tuple:
        points, vectors = args[: -len(seeds)], args[-len(seeds) :]
        points = tuple(p.clone() if isinstance(p, Tensor) and p.requires_grad else p for p in points)
        outputs = _differentiable(func(*points))
        found = engine.grad(outputs, _differentiable(points), vectors, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradient, inputs + seeds, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol
    )
