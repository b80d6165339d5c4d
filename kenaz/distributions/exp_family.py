"""Distributions that form an exponential family."""

from __future__ import annotations

from typing import Any

from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """The density is an exponential of natural parameters times statistics of the value, less a log normalizer.

    A subclass says both; the divergence between two of a family follows from them (`kl.py`).
    """

    _mean_carrier_measure: Any = 0

    @property
    def _natural_params(self) -> tuple:
        """The natural parameters."""
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Any:
        """The log normalizer of natural parameters."""
        raise NotImplementedError
