"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

from .. import _api as torch
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, standard_normal

__all__ = ["MultivariateNormal"]


def _through(matrix: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """A batch of matrices times a batch of vectors."""
    return torch.matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


def _squared_length(lower: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """x (L L^T)^-1 x."""
    return torch.linalg.solve_triangular(lower, x.unsqueeze(-1), upper=False).squeeze(-1).pow(2).sum(-1)


def _lower_of_inverse(precision: torch.Tensor) -> torch.Tensor:
    """The Cholesky factor of the inverse of a matrix: the factor of the matrix in reverse order has it."""
    lower = torch.linalg.cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    identity = torch.eye(precision.shape[-1], dtype=precision.dtype)
    return torch.linalg.solve_triangular(lower, identity, upper=False)


class MultivariateNormal(Distribution):
    """Normal vectors around `loc`, with a covariance, its inverse, or its Cholesky factor `scale_tril`.

    >>> MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: torch.Tensor,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {"scale_tril": scale_tril, "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix}
        given = {name: matrix for name, matrix in given.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _lower_of_inverse(matrix)

    @lazy_property
    def scale_tril(self) -> torch.Tensor:
        """The Cholesky factor of the covariance."""
        n = self._event_shape[0]
        return self._unbroadcasted_scale_tril.expand((*self._batch_shape, n, n))

    @lazy_property
    def covariance_matrix(self) -> torch.Tensor:
        """The covariance."""
        n, lower = self._event_shape[0], self._unbroadcasted_scale_tril
        return torch.matmul(lower, lower.mT).expand((*self._batch_shape, n, n))

    @lazy_property
    def precision_matrix(self) -> torch.Tensor:
        """The inverse of the covariance."""
        n = self._event_shape[0]
        return torch.cholesky_inverse(self._unbroadcasted_scale_tril).expand((*self._batch_shape, n, n))

    @property
    def mean(self) -> torch.Tensor:
        return self.loc

    @property
    def mode(self) -> torch.Tensor:
        return self.loc

    @property
    def variance(self) -> torch.Tensor:
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = ()) -> torch.Tensor:
        eps = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + _through(self._unbroadcasted_scale_tril, eps)

    def _half_log_det(self) -> torch.Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        length = _squared_length(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + length) - self._half_log_det()

    def entropy(self) -> torch.Tensor:
        h = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return h if len(self._batch_shape) == 0 else h.expand(self._batch_shape)
