"""Statistics over observations, and what is built out of them: covariance, norms kept small, powers of a vector."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import FLOAT, INT, scalar_name
from ..core.spec import Spec
from .declare import opaque
from .pointwise import conj
from .record import assign, composite, method, write_out
from .reduction import rename_node, return_type, vector_norm


def _weights(name: str, w: Tensor | None, n: int, wanted: str) -> None:
    """Refuse weights of observations that are not a vector of the right kind and length."""
    if w is None:
        return
    if w.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} dimensions"
        )
    if (w.dtype.kind == INT) != (wanted == "integral") or w.dtype.kind > FLOAT:
        raise RuntimeError(
            f"cov(): expected {name} to have {wanted} dtype but got {name} with {scalar_name(w.dtype)} dtype"
        )
    if w.numel() != n:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got {w.numel()} != {n}"
        )
    if n and bool((w < 0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite()
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariance matrix of the rows, whose columns are observations.

    >>> from .creation import tensor
    >>> cov(tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.ndim == 2 else input.reshape(1, -1)
    n = x.shape[1]
    _weights("fweights", fweights, n, "integral")
    _weights("aweights", aweights, n, "floating point")
    w = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    total: Any = n if w is None else w.sum()
    mean = (
        x.to(x.dtype if x.dtype.kind >= FLOAT else dtypes.get_default_dtype()).sum(1, True) / total
        if w is None
        else (x * w).sum(1, True) / total
    )
    if w is not None and aweights is not None and correction:
        norm: Any = total - correction * (w * aweights).sum() / total
    else:
        norm = total - correction
    norm = norm.clamp(min=0) if isinstance(norm, Tensor) else max(norm, 0)
    centred = x - mean
    product = centred @ conj(centred if w is None else centred * w).transpose(0, 1)
    return (product / norm).squeeze()


@composite()
def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows, whose columns are observations."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    c = cov(input)
    if not c.ndim:
        return c / c
    deviation = (c.diagonal().real if c.dtype.is_complex else c.diagonal()).sqrt()
    found = c / deviation.unsqueeze(1) / deviation
    if found.dtype.is_complex:
        from .pointwise import complex

        return complex(found.real.clamp(-1, 1), found.imag.clamp(-1, 1))
    return found.clamp(-1, 1)


@composite()
def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """The tensor whose slices along `dim` have a p-norm of at most `maxnorm`: those above it are scaled down."""
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.dtype.kind < FLOAT:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {scalar_name(input.dtype)}"
        )
    d = shapes.axis(dim, input.ndim)
    wide = input.float() if input.dtype in dtypes.HALF else input
    norm = vector_norm(wide, float(p), [i for i in range(input.ndim) if i != d], True)
    factor = (maxnorm / (norm + 1e-7)).masked_fill(norm <= maxnorm, 1)
    result = rename_node(input * factor.to(input.dtype.to_real()), "RenormBackward0")
    return result if out is None else write_out(result, out, "renorm")


method("renorm_", lambda self, p, dim, maxnorm: assign(self, renorm(self, p, dim, maxnorm)))


@composite("torch")
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix of the powers of a vector's elements, from the highest down unless `increasing`.

    >>> from .creation import tensor
    >>> vander(tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    from .joining import cat

    x = x if x.dtype.kind >= FLOAT else x.long()
    ones = x.new_ones((x.shape[0], min(n, 1)))
    powers = cat([ones, x.unsqueeze(1).expand(-1, n - 1).cumprod(1)], 1) if n > 1 else ones
    return powers if increasing else powers.flip(1)


def _frexp_rule(x: Spec) -> list:
    if x.dtype.kind != FLOAT:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return [(x.size, x.dtype), (x.size, dtypes.int32)]


@opaque(_frexp_rule, name="frexp", grad=lambda g, y, _x: None if g[0] is None else g[0] / y[1].to(g[0].dtype).exp2())
def _frexp(xp: Any, x: Any) -> Any:
    return xp.frexp(x)


@composite()
def frexp(input: Tensor, *, out: Any = None) -> Any:
    """(mantissa, exponent): input = mantissa * 2 ** exponent, with 0.5 <= |mantissa| < 1."""
    result = return_type("frexp", ("mantissa", "exponent"), _frexp(input))
    return result if out is None else write_out(result, out, "frexp")
