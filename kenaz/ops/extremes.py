"""The largest or smallest eigenvalues of a symmetric matrix."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from .decompositions import cholesky, eigh
from .record import public
from .sampling import randn


@public
def lobpcg(
    A: Tensor, k: int | None = None, B: Tensor | None = None, X: Tensor | None = None, n: int | None = None,
    iK: Any = None, niter: int | None = None, tol: float | None = None, largest: bool | None = None,
    method: str | None = None, tracker: Any = None, ortho_iparams: Any = None, ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The k largest (or smallest) eigenvalues of A x = c B x and their vectors, for symmetric A and positive definite B.

    Unlike PyTorch's, which iterates, this decomposes the whole matrix: the values are as exact as those of `eigh`.

    >>> from .creation import tensor
    >>> lobpcg(tensor([3.0, 1.0, 2.0]).diag())[0]
    tensor([3.])
    """
    rows = A.shape[-2]
    if A.ndim < 2 or rows != A.shape[-1]:
        raise ValueError(f"A must be a batch of square matrices, got {list(A.shape)}")
    k = (X.shape[-1] if X is not None else 1) if k is None else k
    if rows < 3 * (n or k):
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={rows}) is smaller than 3 x the number of "
            f"requested eigenpairs (={n or k})"
        )
    if X is None:
        randn(*A.shape[:-1], n or k, dtype=A.dtype)  # PyTorch draws where it begins
    A = A.to_dense()
    if B is not None:
        lower: Any = cholesky(B.to_dense())
        back = lower.inverse()
        values, vectors = eigh(back @ A @ back.mT)
        vectors = back.mT @ vectors
    else:
        values, vectors = eigh(A)
    if largest is not False:
        return values.flip(-1)[..., :k], vectors.flip(-1)[..., :k]
    return values[..., :k], vectors[..., :k]
