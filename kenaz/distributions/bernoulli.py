"""The Bernoulli distribution."""

from __future__ import annotations

from typing import Any

from .. import _api as torch
from ..nn import functional as F
from . import constraints
from .exp_family import ExponentialFamily
from .utils import are_numbers, broadcast_all, lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Bernoulli"]


class Bernoulli(ExponentialFamily):
    """1 with probability `probs`, else 0; `logits` are log-odds.

    >>> Bernoulli(torch.tensor([0.3])).log_prob(torch.tensor([1.0])).exp()
    tensor([0.3000])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = logits if probs is None else probs
        (self._param,) = broadcast_all(given)
        if probs is None:
            self.logits = self._param
        else:
            self.probs = self._param
        super().__init__(() if are_numbers(given) else self._param.shape, validate_args=validate_args)

    @property
    def _batched(self) -> Any:
        return super()._batched | {"_param"}

    @lazy_property
    def logits(self) -> torch.Tensor:
        """The log-odds of 1."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> torch.Tensor:
        """The probability of 1."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def mean(self) -> torch.Tensor:
        return self.probs

    @property
    def mode(self) -> torch.Tensor:
        mode = (self.probs >= 0.5).to(self.probs)
        return mode.masked_fill(self.probs == 0.5, torch.nan)

    @property
    def variance(self) -> torch.Tensor:
        return self.probs * (1 - self.probs)

    @property
    def param_shape(self) -> torch.Size:
        """The size of the parameter."""
        return self._param.shape

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        return self._enumerated(torch.arange(2, dtype=self._param.dtype), expand)

    @property
    def _natural_params(self) -> tuple[torch.Tensor]:
        return (self.logits,)

    def _log_normalizer(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log1p(torch.exp(x))
