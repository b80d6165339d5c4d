"""The generalized Pareto distribution."""

from __future__ import annotations

from typing import Any

from .. import _api as torch
from . import constraints
from .distribution import Distribution
from .utils import are_numbers, broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """How far values go beyond `loc`: 1 - cdf = (1
    + concentration z)^(-1 / concentration) for z = (x - loc) / scale."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        shape = () if are_numbers(loc, scale, concentration) else self.loc.shape
        super().__init__(shape, validate_args=validate_args)

    def _is_exponential(self) -> torch.Tensor:
        return torch.isclose(self.concentration, torch.zeros_like(self.concentration))

    def _safe(self) -> torch.Tensor:
        return torch.where(self._is_exponential(), torch.ones_like(self.concentration), self.concentration)

    def rsample(self, sample_shape: Any = ()) -> torch.Tensor:
        return self.icdf(torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def _log_survival(self, value: torch.Tensor) -> torch.Tensor:
        z, k = (value - self.loc) / self.scale, self._safe()
        return torch.where(self._is_exponential(), -z, -torch.log1p(k * z) / k)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z, k = (value - self.loc) / self.scale, self._safe()
        return -self.scale.log() + torch.where(self._is_exponential(), -z, -(1 + 1 / k) * torch.log1p(k * z))

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return 1 - self._log_survival(value).exp()

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        k, log_rest = self._safe(), torch.log1p(-value)
        z = torch.where(self._is_exponential(), -log_rest, torch.expm1(-k * log_rest) / k)
        return self.loc + self.scale * z

    @property
    def mean(self) -> torch.Tensor:
        k = self.concentration
        return torch.where(k < 1, self.loc + self.scale / (1 - k), torch.nan)

    @property
    def variance(self) -> torch.Tensor:
        k = self.concentration
        return torch.where(k < 0.5, self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k)), torch.nan)

    @property
    def mode(self) -> torch.Tensor:
        return self.loc

    def entropy(self) -> torch.Tensor:
        return torch.log(self.scale) + self.concentration + 1

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        upper = torch.where(self.concentration < 0, self.loc - self.scale / self.concentration, torch.inf)
        return constraints.interval(self.loc, upper)
