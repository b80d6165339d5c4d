"""Windows of M samples, symmetric unless `sym=False`, where they are periods.

>>> hann(5).tolist()
[0.0, 0.5, 1.0, 0.5, 0.0]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import _api as torch
from .._api import Tensor
from ..ops import spectra


def _window(name: str, M: int, sym: bool, values: Callable, options: dict) -> Tensor:
    """The samples `values(place)`, where place counts from 0 and its middle is `(n - 1) / 2`."""
    dtype = options.pop("dtype") or torch.get_default_dtype()
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if options["layout"] not in (None, torch.strided):
        raise ValueError(f"{name} is implemented for strided tensors only, got: {options['layout']}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    value = np.ones(M) if M <= 1 else values(M, not sym)
    return torch.tensor(value, dtype=dtype, device=options["device"], requires_grad=options["requires_grad"])


def _places(n: int, periodic: bool) -> Any:
    """Distances from the middle of the window."""
    return np.arange(n) - (n if periodic else n - 1) / 2


def _options(dtype: Any, layout: Any, device: Any, requires_grad: bool) -> dict:
    return {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-|n - center| / tau)."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def values(n: int, periodic: bool) -> Any:
        middle = (n if periodic else n - 1) / 2 if center is None else center
        return np.exp(-np.abs(np.arange(n) - middle) / tau)

    return _window("exponential", M, sym, values, _options(dtype, layout, device, requires_grad))


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Half a period of a sine: sin(pi (n + 1/2) / M)."""

    def values(n: int, periodic: bool) -> Any:
        return np.sin(np.pi / (n + periodic) * (np.arange(n) + 0.5))

    return _window("cosine", M, sym, values, _options(dtype, layout, device, requires_grad))


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-(n / std)^2 / 2), n counted from the middle."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    values = lambda n, periodic: np.exp(-((_places(n, periodic) / std) ** 2) / 2)
    return _window("gaussian", M, sym, values, _options(dtype, layout, device, requires_grad))


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    values = lambda n, periodic: spectra.kaiser(n, periodic, beta)
    return _window("kaiser", M, sym, values, _options(dtype, layout, device, requires_grad))


def general_cosine(
    M: int, *, a: Iterable, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """sum (-1)^k a[k] cos(2 pi k n / (M - 1))."""
    return _cosines("general_cosine", M, a, sym, _options(dtype, layout, device, requires_grad))


def _cosines(name: str, M: int, a: Iterable, sym: bool, options: dict) -> Tensor:
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    weights = list(a)
    if not weights:
        raise ValueError("Coefficients cannot be empty")
    return _window(name, M, sym, lambda n, periodic: spectra.cosines(weights, n, periodic), options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.54 - 0.46 cos(2 pi n / (M - 1))."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A period of a raised cosine: (1 - cos(2 pi n / (M - 1))) / 2."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Blackman's sum of three cosines."""
    return _cosines("blackman", M, [0.42, 0.5, 0.08], sym, _options(dtype, layout, device, requires_grad))


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Nuttall's sum of four cosines, of minimal side lobes."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle that is zero at both ends."""
    return _window("bartlett", M, sym, spectra.triangle, _options(dtype, layout, device, requires_grad))


__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming",
    "hann", "kaiser",
    "nuttall",
]  # fmt: skip
