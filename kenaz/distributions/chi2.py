"""The chi-squared distribution."""

from __future__ import annotations

from typing import Any

from .. import _api as torch
from . import constraints
from .gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of df squared standard normal variables."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Chi2, _instance)
        Gamma.__init__(new, self.concentration.expand(batch_shape), self.rate.expand(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def df(self) -> torch.Tensor:
        """The degrees of freedom."""
        return self.concentration * 2
