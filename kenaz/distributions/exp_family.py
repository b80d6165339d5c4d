"""Distributions that form an exponential family."""

from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A mark: the density is an exponential of parameters times statistics of the value."""
