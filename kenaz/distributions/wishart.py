"""The Wishart distribution: covariances of normal vectors, not divided by their number."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import _api as torch
from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import _lower_of_inverse
from .utils import lazy_property

__all__ = ["Wishart"]

_LOG_2 = math.log(2)
_TRIES = 10


def digamma_of(x: torch.Tensor, p: int) -> torch.Tensor:
    """The derivative of the logarithm of the multivariate gamma function of p dimensions."""
    return torch.digamma(x.unsqueeze(-1) - torch.arange(p, dtype=x.dtype) / 2).sum(-1)


class Wishart(ExponentialFamily):
    """Positive definite matrices with `df` degrees of freedom and a scale, given as covariance, as its inverse or as
    its Cholesky factor `scale_tril`.

    >>> Wishart(torch.tensor(2.0), torch.eye(2)).log_prob(torch.eye(2))
    tensor(-3.5310)
    """

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }  # of `df` only what holds for every dimension
    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        given = {"scale_tril": scale_tril, "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix}
        given = {name: matrix for name, matrix in given.items() if matrix is not None}
        if len(given) != 1:
            raise AssertionError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        degrees = df if isinstance(df, torch.Tensor) else torch.tensor(df, dtype=matrix.dtype)
        batch, event = torch.broadcast_shapes(matrix.shape[:-2], degrees.shape), matrix.shape[-2:]
        self.df = degrees.expand(batch)
        if bool((self.df <= event[-1] - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {event[-1] - 1}.")
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.arg_constraints = {
            name: type(self).arg_constraints[name], "df": constraints.greater_than(event[-1] - 1),
        }  # fmt: skip
        if bool((self.df < event[-1]).any()):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch, event, validate_args=validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _lower_of_inverse(matrix)
        self._set_chi2()

    def _set_chi2(self) -> None:
        p = self._event_shape[-1]
        degrees = self.df.unsqueeze(-1) - torch.arange(p, dtype=self._unbroadcasted_scale_tril.dtype)
        self._dist_chi2 = Chi2(df=degrees.expand((*self._batch_shape, p)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Wishart:
        new = self._get_checked_instance(Wishart, _instance)
        batch = torch.Size(batch_shape)
        new.df = self.df.expand(batch)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(batch + self.event_shape)
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                setattr(new, name, getattr(self, name).expand(batch + self.event_shape))
        new.arg_constraints = self.arg_constraints
        super(ExponentialFamily, new).__init__(batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        new._set_chi2()
        return new

    # ---------------------------------------------------------------------------------------------------- parameters
    def _full(self, matrix: torch.Tensor) -> torch.Tensor:
        return matrix.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> torch.Tensor:
        """The Cholesky factor of the scale."""
        return self._full(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> torch.Tensor:
        """The scale."""
        return self._full(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> torch.Tensor:
        """The inverse of the scale."""
        identity = torch.eye(self._event_shape[-1], dtype=self._unbroadcasted_scale_tril.dtype)
        return self._full(torch.cholesky_solve(identity, self._unbroadcasted_scale_tril))

    def _degrees(self) -> torch.Tensor:
        return self.df.view((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> torch.Tensor:
        return self._degrees() * self.covariance_matrix

    @property
    def mode(self) -> torch.Tensor:
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = torch.where(factor <= 0, math.nan, factor)
        return factor.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> torch.Tensor:
        V = self.covariance_matrix
        diagonal = V.diagonal(dim1=-2, dim2=-1)
        return self._degrees() * (V.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    # ------------------------------------------------------------------------------------------------------- samples
    def _bartlett_sampling(self, sample_shape: Any = ()) -> torch.Tensor:
        """L A A^T L^T with roots of chi-squared values on the diagonal of A and normal ones below."""
        p = self._event_shape[-1]
        noise = self._dist_chi2.rsample(sample_shape).sqrt().diag_embed(dim1=-2, dim2=-1)
        rows, columns = torch.tril_indices(p, p, offset=-1)
        size = torch.Size((*sample_shape, *self._batch_shape, p * (p - 1) // 2))
        noise[..., rows, columns] = torch.randn(size, dtype=noise.dtype)
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> torch.Tensor:
        """Samples; those that rounding made singular are drawn anew, `max_try_correction` times at most.

        PyTorch takes a first sample that is *not* singular for one that is, warns, and draws it anew: so does this, for
        the same numbers.
        """
        tries = _TRIES if max_try_correction is None else max_try_correction
        size = torch.Size(sample_shape)
        sample = self._bartlett_sampling(size)
        again = self.support.check(sample)
        again = again.reshape(*size, -1).any(-1) if self._batch_shape else again
        if not bool(again.any()):
            return sample
        warnings.warn("Singular sample detected.", stacklevel=2)
        for _ in range(tries):
            drawn = self._bartlett_sampling(again[again].shape)
            sample[again] = drawn
            wrong = ~self.support.check(drawn)
            wrong = wrong.reshape(len(wrong), -1).any(-1) if self._batch_shape else wrong
            again = again.clone().masked_scatter(again, wrong)
            if not bool(again.any()):
                break
        return sample

    # ------------------------------------------------------------------------------------------------------- density
    def _half_log_det(self) -> torch.Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        inside = torch.cholesky_solve(value, self._unbroadcasted_scale_tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            -nu * (p * _LOG_2 / 2 + self._half_log_det())
            - torch.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - inside / 2
        )

    def entropy(self) -> torch.Tensor:
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * _LOG_2 / 2 + self._half_log_det())
            + torch.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * digamma_of(nu / 2, p)
            + nu * p / 2
        )

    @property
    def _natural_params(self) -> tuple[torch.Tensor, torch.Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return half * (-torch.linalg.slogdet(-2 * x).logabsdet + _LOG_2 * p) + torch.mvlgamma(half, p=p)
