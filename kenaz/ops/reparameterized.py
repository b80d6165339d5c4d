"""Gamma and Dirichlet variables whose gradients go back to the parameters that they were drawn for."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.spec import Spec
from ..runtime import samplers
from ..runtime.implicit import beta_slope, gamma_slope
from .declare import opaque
from .record import public
from .sampling import _made, of


def _same(x: Spec, *_: Any) -> tuple:
    return x.size, x.dtype


@opaque(_same, name="standard_gamma_grad")
def _standard_gamma_grad(xp: Any, alpha: Any, x: Any) -> Any:
    return gamma_slope(alpha, x).astype(alpha.dtype)


@opaque(_same, name="dirichlet_grad")
def _dirichlet_grad(xp: Any, x: Any, alpha: Any, total: Any) -> Any:
    kind = x.dtype
    x, alpha, total = (np.asarray(v, np.float64) for v in (x, alpha, total))
    return (beta_slope(x, alpha, total - alpha) / (1 - x)).astype(kind)


def _dirichlet_rule(g: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
    total = alpha.sum(-1, True).expand_as(alpha)
    return _dirichlet_grad(y, alpha, total) * (g - (y * g).sum(-1, True))


@opaque(
    _same, name="standard_gamma", grad_name="StandardGammaBackward0",
    grad=(None, lambda g, y, _value, alpha: g * _standard_gamma_grad(alpha, y)),
)  # fmt: skip
def _drawn_gamma(xp: Any, value: Any, alpha: Any) -> Any:
    return value


@opaque(
    _same, name="sample_dirichlet", grad_name="_DirichletBackward",
    grad=(None, lambda g, y, _value, alpha: _dirichlet_rule(g, y, alpha)),
)  # fmt: skip
def _drawn_dirichlet(xp: Any, value: Any, alpha: Any) -> Any:
    return value


def _standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    """Gamma variables of scale 1, for each shape in `input`."""
    alpha = np.ascontiguousarray(input._array())
    value = _made(samplers.gamma(of(generator), alpha.reshape(-1)), input.shape, input.dtype)
    return value if input._grad_fn is None else _drawn_gamma(value, input)


def _sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    """Dirichlet variables, for the concentrations in the rows of `input`."""
    value = _made(samplers.dirichlet(of(generator), np.ascontiguousarray(input._array())), input.shape, input.dtype)
    return value if input._grad_fn is None else _drawn_dirichlet(value, input)


public(_standard_gamma)
public(_sample_dirichlet)
