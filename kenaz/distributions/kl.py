"""Kullback-Leibler divergences, by pairs of classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _api as torch
from ..nn import functional as F
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import EULER, Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import sum_rightmost
from .wishart import Wishart, digamma_of

__all__ = ["kl_divergence", "register_kl"]

_rules: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable], Callable]:
    """Decorate a function of (p, q) that gives their divergence, for these classes and those derived from them."""
    for kind in (type_p, type_q):  # any class will do: libraries have distributions that are not derived from these
        if not isinstance(kind, type):
            raise TypeError("issubclass() arg 1 must be a class")

    def enter(function: Callable) -> Callable:
        _rules[type_p, type_q] = function
        return function

    return enter


def _rule(p: type, q: type) -> Callable | None:
    """The rule for the nearest classes, p's first."""
    for a in p.__mro__:
        for b in q.__mro__:
            if (a, b) in _rules:
                return _rules[a, b]
    return None


def kl_divergence(p: Distribution, q: Distribution) -> torch.Tensor:
    """The mean of log p(x) - log q(x) under p.

    >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000)
    """
    rule = _rule(type(p), type(q))
    if rule is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return rule(p, q)


def _infinite(like: torch.Tensor) -> torch.Tensor:
    return torch.full_like(like, torch.inf)


@register_kl(Bernoulli, Bernoulli)
def _(p: Any, q: Any) -> torch.Tensor:
    t1 = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    t1 = t1.masked_fill(q.probs == 0, torch.inf).masked_fill(p.probs == 0, 0)
    t2 = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    return t1 + t2.masked_fill(q.probs == 1, torch.inf).masked_fill(p.probs == 1, 0)


@register_kl(Bernoulli, Poisson)
def _(p: Any, q: Any) -> torch.Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, Beta)
def _(p: Any, q: Any) -> torch.Tensor:
    sum_p, sum_q = p.concentration1 + p.concentration0, q.concentration1 + q.concentration0
    t1 = q.concentration1.lgamma() + q.concentration0.lgamma() + sum_p.lgamma()
    t2 = p.concentration1.lgamma() + p.concentration0.lgamma() + sum_q.lgamma()
    t3 = (p.concentration1 - q.concentration1) * torch.digamma(p.concentration1)
    t4 = (p.concentration0 - q.concentration0) * torch.digamma(p.concentration0)
    return t1 - t2 + t3 + t4 + (sum_q - sum_p) * torch.digamma(sum_p)


@register_kl(Binomial, Binomial)
def _(p: Any, q: Any) -> torch.Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return kl.masked_fill(p.total_count > q.total_count, torch.inf)


@register_kl(Categorical, Categorical)
def _(p: Any, q: Any) -> torch.Tensor:
    t = p.probs * (p.logits - q.logits)
    t = t.masked_fill((q.probs == 0).expand_as(t), torch.inf)
    return t.masked_fill((p.probs == 0).expand_as(t), 0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p: Any, q: Any) -> torch.Tensor:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Cauchy, Cauchy)
def _(p: Any, q: Any) -> torch.Tensor:
    apart = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return apart - (4 * p.scale * q.scale).log()


@register_kl(Dirichlet, Dirichlet)
def _(p: Any, q: Any) -> torch.Tensor:
    sum_p, sum_q = p.concentration.sum(-1), q.concentration.sum(-1)
    t1 = sum_p.lgamma() - sum_q.lgamma()
    t2 = (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
    t3 = p.concentration - q.concentration
    return t1 - t2 + (t3 * (p.concentration.digamma() - sum_p.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _(p: Any, q: Any) -> torch.Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _(p: Any, q: Any) -> torch.Tensor:
    t1 = q.concentration * (p.rate / q.rate).log()
    t2 = torch.lgamma(q.concentration) - torch.lgamma(p.concentration)
    t3 = (p.concentration - q.concentration) * torch.digamma(p.concentration)
    return t1 + t2 + t3 + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Exponential, Gamma)
def _(p: Any, q: Any) -> torch.Tensor:
    ratio = q.rate / p.rate
    t1 = -q.concentration * torch.log(ratio)
    return t1 + ratio + q.concentration.lgamma() + q.concentration * EULER - (1 + EULER)


@register_kl(Geometric, Geometric)
def _(p: Any, q: Any) -> torch.Tensor:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _(p: Any, q: Any) -> torch.Tensor:
    t1 = p.scale / q.scale
    t2, t3 = q.loc / q.scale, p.loc / q.scale
    return -t1.log() - t2 + t3 + t1 * EULER + torch.exp(t2 + (1 + t1).lgamma() - t3) - (1 + EULER)


@register_kl(HalfNormal, HalfNormal)
def _(p: Any, q: Any) -> torch.Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _(p: Any, q: Any) -> torch.Tensor:
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * torch.exp(-apart / p.scale) - 1


@register_kl(Normal, Normal)
def _(p: Any, q: Any) -> torch.Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Normal, Gumbel)
def _(p: Any, q: Any) -> torch.Tensor:
    mean, var = p.loc / q.scale, (p.scale / q.scale).pow(2)
    at = q.loc / q.scale
    return -p.entropy() + mean - at + torch.exp(-mean + 0.5 * var + at) + q.scale.log()


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p: Any, q: Any) -> torch.Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    n = p.event_shape[0]
    batch = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    lower_q, lower_p = (d._unbroadcasted_scale_tril.expand((*batch, n, n)) for d in (q, p))
    spread = torch.linalg.solve_triangular(lower_q, lower_p, upper=False).pow(2).sum((-2, -1))
    apart = torch.linalg.solve_triangular(lower_q, (q.loc - p.loc).expand((*batch, n)).unsqueeze(-1), upper=False)
    return q._half_log_det() - p._half_log_det() + 0.5 * (spread + apart.pow(2).sum((-2, -1)) - n)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _(p: Any, q: Any) -> torch.Tensor:
    t1 = p.mean * (p.logits - q.logits)
    t2 = p._log_norm() + torch.log1p(-p.probs)
    return t1 + t2 - q._log_norm() - torch.log1p(-q.probs)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _(p: Any, q: Any) -> torch.Tensor:
    full = [MultivariateNormal(d.loc, scale_tril=d.scale_tril, validate_args=False) for d in (p, q)]
    return kl_divergence(*full)


@register_kl(Pareto, Pareto)
def _(p: Any, q: Any) -> torch.Tensor:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return result.masked_fill(p.support.lower_bound < q.support.lower_bound, torch.inf)


@register_kl(Poisson, Poisson)
def _(p: Any, q: Any) -> torch.Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _(p: Any, q: Any) -> torch.Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), torch.inf)


@register_kl(Independent, Independent)
def _(p: Any, q: Any) -> torch.Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p: Any, q: Any) -> torch.Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


def _to_normal(p: Any, q: Any) -> torch.Tensor:
    """Needs no more of p than its entropy, mean and variance."""
    square = p.variance + (p.mean - q.loc).pow(2)
    return -p.entropy() + 0.5 * (square / q.scale.pow(2) + math.log(2 * math.pi)) + q.scale.log()


def _to_exponential(p: Any, q: Any) -> torch.Tensor:
    result = -p.entropy() - q.rate.log() + q.rate * p.mean
    return result.masked_fill(p.low < 0, torch.inf) if isinstance(p, Uniform) else result


def _to_uniform(p: Any, q: Any) -> torch.Tensor:
    """For p over [0, 1]."""
    return (-p.entropy() + (q.high - q.low).log()).masked_fill((q.low > 0) | (q.high < 1), torch.inf)


for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform):
    register_kl(_p, Normal)(_to_normal)
for _p in (Beta, ContinuousBernoulli, Gamma, Pareto, Uniform):
    register_kl(_p, Exponential)(_to_exponential)
for _p in (Beta, ContinuousBernoulli):
    register_kl(_p, Uniform)(_to_uniform)


@register_kl(Normal, Laplace)
def _(p: Any, q: Any) -> torch.Tensor:
    z = (p.loc - q.loc) / p.scale
    apart = p.scale * (math.sqrt(2 / math.pi) * torch.exp(-0.5 * z.pow(2)) + z * torch.erf(z / math.sqrt(2)))
    return -p.entropy() + (2 * q.scale).log() + apart / q.scale


@register_kl(Beta, Gamma)
def _(p: Any, q: Any) -> torch.Tensor:
    mean_log = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    log_norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    return -p.entropy() + log_norm - (q.concentration - 1) * mean_log + q.rate * p.mean


# where p lies, q does not: the divergence is infinite
_ELSEWHERE: dict[type, tuple[str, tuple[type, ...]]] = {
    Beta: ("concentration1", (Pareto,)),
    ContinuousBernoulli: ("probs", (Pareto,)),
    Exponential: ("rate", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    Gamma: ("concentration", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    Gumbel: ("loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    Laplace: ("loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    Normal: ("loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    Pareto: ("scale", (Beta, ContinuousBernoulli, Uniform)),
    Poisson: ("rate", (Bernoulli, Binomial)),
}
for _p, (_name, _qs) in _ELSEWHERE.items():
    for _q in _qs:
        register_kl(_p, _q)(lambda p, q, name=_name: _infinite(getattr(p, name)))


@register_kl(Wishart, Wishart)
def _(p: Wishart, q: Wishart) -> Any:
    nu, n = p.df, p._event_shape[-1]
    inside = torch.cholesky_solve(p.covariance_matrix, q._unbroadcasted_scale_tril).diagonal(dim1=-2, dim2=-1).sum(-1)
    return (
        q.df * (q._half_log_det() - p._half_log_det())
        + nu / 2 * (inside - n)
        + torch.mvlgamma(q.df / 2, n)
        - torch.mvlgamma(nu / 2, n)
        + (nu - q.df) / 2 * digamma_of(nu / 2, n)
    )


# ------------------------------------------------------------------------------- cross entropies over parts of the line
def _where_outside(found: Any, outside: Any) -> Any:
    """A divergence, infinite where p has values that q has not."""
    return torch.where(outside, math.inf, found)


def _log_x(p: Uniform) -> Any:
    """The mean of log x over an interval."""
    return (torch.special.xlogy(p.high, p.high) - torch.special.xlogy(p.low, p.low)) / (p.high - p.low) - 1


def _log_one_minus_x(p: Uniform) -> Any:
    """The mean of log(1 - x) over an interval."""
    low, high = 1 - p.low, 1 - p.high
    return (torch.special.xlogy(low, low) - torch.special.xlogy(high, high)) / (p.high - p.low) - 1


def _bernoulli_cross_entropy(mean: Any, q: ContinuousBernoulli) -> Any:
    return -mean * q.logits - torch.log1p(-q.probs) - q._log_norm()


@register_kl(Beta, ContinuousBernoulli)
def _(p: Beta, q: ContinuousBernoulli) -> Any:
    return -p.entropy() + _bernoulli_cross_entropy(p.mean, q)


@register_kl(Exponential, Gumbel)
def _(p: Exponential, q: Gumbel) -> Any:
    rate = p.rate * q.scale
    shift = q.loc / q.scale
    return torch.log(rate) - 1 + 1 / rate - shift + torch.exp(shift) * rate / (rate + 1)


@register_kl(Gamma, Gumbel)
def _(p: Gamma, q: Gumbel) -> Any:
    rate = p.rate * q.scale
    shift = q.loc / q.scale
    laplace = torch.exp(shift) * (1 + 1 / rate).pow(-p.concentration)
    return -p.entropy() + torch.log(q.scale) + p.concentration / rate - shift + laplace


@register_kl(Pareto, Gamma)
def _(p: Pareto, q: Gamma) -> Any:
    log_x = p.scale.log() + 1 / p.alpha
    log_q = q.concentration * q.rate.log() - torch.lgamma(q.concentration) + (q.concentration - 1) * log_x
    entropy = torch.log(p.scale / p.alpha) + 1 / p.alpha + 1
    return _where_outside(-entropy - log_q + q.rate * p.mean, p.alpha <= 1)


@register_kl(Uniform, Beta)
def _(p: Uniform, q: Beta) -> Any:
    a, b = q.concentration1, q.concentration0
    log_q = (a - 1) * _log_x(p) + (b - 1) * _log_one_minus_x(p)
    normalizer = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    return _where_outside(normalizer - p.entropy() - log_q, (p.high > 1) | (p.low < 0))


@register_kl(Uniform, ContinuousBernoulli)
def _(p: Uniform, q: ContinuousBernoulli) -> Any:
    return _where_outside(-p.entropy() + _bernoulli_cross_entropy(p.mean, q), (p.high >= 1) | (p.low <= 0))


@register_kl(Uniform, Gamma)
def _(p: Uniform, q: Gamma) -> Any:
    a, b = q.concentration, q.rate
    log_q = a * b.log() - torch.lgamma(a) + (a - 1) * _log_x(p) - b * p.mean
    return _where_outside(-p.entropy() - log_q, p.low < 0)


@register_kl(Uniform, Gumbel)
def _(p: Uniform, q: Gumbel) -> Any:
    low, high = ((x - q.loc) / q.scale for x in (p.low, p.high))
    laplace = (torch.exp(-low) - torch.exp(-high)) / (high - low)
    return -p.entropy() + torch.log(q.scale) + (low + high) / 2 + laplace


@register_kl(Uniform, Pareto)
def _(p: Uniform, q: Pareto) -> Any:
    log_q = q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _log_x(p)
    return _where_outside(-p.entropy() - log_q, p.low < q.scale)


@register_kl(ExponentialFamily, ExponentialFamily)
def _(p: ExponentialFamily, q: ExponentialFamily) -> Any:
    """The Bregman divergence of the log normalizer, between the natural parameters."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot                             be "
            "computed using Bregman divergences"
        )
    given = [x.detach().requires_grad_() for x in p._natural_params]
    normalizer = p._log_normalizer(*given)
    gradients = torch.autograd.grad(normalizer.sum(), given, create_graph=True)
    found = q._log_normalizer(*q._natural_params) - normalizer
    for ours, theirs, g in zip(given, q._natural_params, gradients):
        found = found - sum_rightmost((theirs - ours) * g, len(q.event_shape))
    return found
