"""The base of every distribution: sizes, validation, and what follows from the rest."""

from __future__ import annotations

import warnings
from typing import Any

from .. import _api as torch
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution"]


class Distribution:
    """A batch of distributions over events.

    A subclass lists its parameters in `arg_constraints`,
    broadcasts them in `__init__` and calls `super().__init__` with the
    sizes of a batch and of an event; it supplies `log_prob` and `sample` or `rsample`.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    arg_constraints: Any = {}
    support: Any = None

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Check parameters and values, or not, where a distribution is not told."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = torch.Size(batch_shape), torch.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in (self.arg_constraints or {}).items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property | property):
                continue  # it follows from another parameter
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution over a larger batch, with no memory for it."""
        new = self._get_checked_instance(type(self), _instance)
        batch_shape = torch.Size(batch_shape)
        for name, value in self.__dict__.items():
            if name in self._batched:
                setattr(new, name, value.expand(batch_shape + value.shape[len(self._batch_shape) :]))
            elif isinstance(value, Distribution):
                setattr(new, name, value.expand(batch_shape))
            elif name not in ("_batch_shape", "_event_shape", "_validate_args") and not name.startswith("_lazy"):
                setattr(new, name, value)
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _batched(self) -> Any:
        """The tensors with the axes of the batch in front."""
        return {name for name in self.arg_constraints if isinstance(self.__dict__.get(name), torch.Tensor)}

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ != cls.__init__:  # type: ignore[misc]  # of the class
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also "
                f"define a custom "
                ".expand() method."
            )
        return type(self).__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> torch.Size:
        """The size of the batch."""
        return self._batch_shape

    @property
    def event_shape(self) -> torch.Size:
        """The size of an event."""
        return self._event_shape

    @property
    def mean(self) -> torch.Tensor:
        raise NotImplementedError

    @property
    def mode(self) -> torch.Tensor:
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> torch.Tensor:
        raise NotImplementedError

    @property
    def stddev(self) -> torch.Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        """Values drawn, without a gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> torch.Tensor:
        """Values drawn so that they move with the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> torch.Tensor:
        """n values drawn."""
        warnings.warn("sample_n(n) will be deprecated. Use .sample((n,)) instead.", UserWarning, stacklevel=2)
        return self.sample(torch.Size((n,)))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The logarithm of the density, or of the probability."""
        raise NotImplementedError

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """The probability of what is not larger."""
        raise NotImplementedError

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """All values, along a new first axis."""
        raise NotImplementedError

    def _enumerated(self, values: torch.Tensor, expand: bool) -> torch.Tensor:
        """`values` along a new first axis, and over the batch if asked for."""
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values

    def entropy(self) -> torch.Tensor:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> torch.Tensor:
        """exp(entropy)."""
        return torch.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> torch.Size:
        """The size of samples."""
        return torch.Size(sample_shape) + self._batch_shape + self._event_shape

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, torch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        size, ours = value.shape, self._batch_shape + self._event_shape
        start = len(size) - len(self._event_shape)
        if size[start:] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {size} vs {self._event_shape}.")
        for i, j in zip(reversed(size), reversed(ours), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {size} vs {ours}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                f"distribution with "
                "`validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        assert support is not None
        if not bool(support.check(value).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(size)}) to be within the support "
                f"({support!r}) of "
                f"the distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        names = [name for name in self.arg_constraints if name in self.__dict__]
        shown = {name: self.__dict__[name] for name in names}
        parts = [f"{name}: {value if value.numel() == 1 else value.size()}" for name, value in shown.items()]
        return f"{type(self).__name__}({', '.join(parts)})"
