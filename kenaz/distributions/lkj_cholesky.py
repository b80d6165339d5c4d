"""Random correlation matrices, by their Cholesky factors (Lewandowski, Kurowicka and Joe 2009)."""

from __future__ import annotations

import math
from typing import Any

from .. import _api as torch
from . import constraints
from .beta import Beta
from .distribution import Distribution

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors L of correlation matrices, whose density goes as det(L L^T)^(concentration - 1).

    Samples are made row by row ("onion method"): a row's length below the diagonal is beta distributed, its direction
    uniform.

    >>> LKJCholesky(3, 1.0).log_prob(torch.eye(3))
    tensor(-1.5963)
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        given = isinstance(concentration, torch.Tensor)
        self.concentration = concentration if given else torch.tensor(float(concentration))
        rows = torch.arange(dim - 1, dtype=self.concentration.dtype)
        before = torch.cat([rows.new_zeros(1), rows])
        last = self.concentration + 0.5 * (dim - 2)
        self._beta = Beta(before + 0.5, last.unsqueeze(-1) - 0.5 * before)
        super().__init__(self.concentration.size(), torch.Size((dim, dim)), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> LKJCholesky:
        new = self._get_checked_instance(LKJCholesky, _instance)
        batch_shape = torch.Size(batch_shape)
        new.dim = self.dim
        new.concentration = self.concentration.expand(batch_shape)
        new._beta = self._beta.expand((*batch_shape, self.dim))
        super(LKJCholesky, new).__init__(batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        squared = self._beta.sample(sample_shape).unsqueeze(-1)
        normal = torch.randn(self._extended_shape(sample_shape), dtype=squared.dtype).tril(-1)
        direction = normal / normal.norm(dim=-1, keepdim=True)
        direction[..., 0, :] = 0  # the first row has nothing before its diagonal
        below = squared.sqrt() * direction
        tiny = torch.finfo(below.dtype).tiny
        return below + torch.diag_embed((1 - below.pow(2).sum(-1)).clamp(min=tiny).sqrt())

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        rows = torch.arange(2, self.dim + 1, dtype=self.concentration.dtype)
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - rows
        return (powers * diagonal.log()).sum(-1) - self._log_normalizer()

    def _log_normalizer(self) -> torch.Tensor:
        n = self.dim - 1
        alpha = self.concentration + 0.5 * n
        return 0.5 * n * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, n) - n * torch.lgamma(alpha)
