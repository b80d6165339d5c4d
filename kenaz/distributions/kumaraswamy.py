"""The Kumaraswamy distribution."""

from __future__ import annotations

from typing import Any

from .. import _api as torch
from . import constraints
from .gumbel import EULER
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import broadcast_all

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """(1 - u^(1 / concentration0))^(1 / concentration1) of a uniform u: much like `Beta`."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(torch.full_like(self.concentration0, 0), torch.full_like(self.concentration0, 1))
        transforms = [
            PowerTransform(exponent=self.concentration0.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=self.concentration1.reciprocal()),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Kumaraswamy, _instance)
        new.concentration1 = self.concentration1.expand(batch_shape)
        new.concentration0 = self.concentration0.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    def _moment(self, n: int) -> torch.Tensor:
        """E[x^n] = concentration0 B(1 + n / concentration1, concentration0)."""
        a, b = self.concentration1, self.concentration0
        part = 1 + n / a
        return torch.exp(b.log() + torch.lgamma(part) + torch.lgamma(b) - torch.lgamma(part + b))

    @property
    def mean(self) -> torch.Tensor:
        return self._moment(1)

    @property
    def mode(self) -> torch.Tensor:
        a, b = self.concentration1, self.concentration0
        log_mode = a.reciprocal() * ((-a.reciprocal()).log1p() - (-(a * b).reciprocal()).log1p())
        return log_mode.exp().masked_fill((a < 1) | (b < 1), torch.nan)

    @property
    def variance(self) -> torch.Tensor:
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> torch.Tensor:
        t1, t0 = 1 - self.concentration1.reciprocal(), 1 - self.concentration0.reciprocal()
        h0 = torch.digamma(self.concentration0 + 1) + EULER
        return t0 + t1 * h0 - torch.log(self.concentration1) - torch.log(self.concentration0)
