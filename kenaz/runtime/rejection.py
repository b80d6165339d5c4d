"""Samplers that draw until a candidate is accepted: one value at a time, in the order and arithmetic of PyTorch's.

* `poisson`, `binomial`: transformed rejection with squeeze (PTRS, BTRS) from a mean of 10 on: W. Hoermann, "The
  transformed rejection method for generating Poisson random variables", Insurance: Math. and Economics 12 (1993), and
  "The generation of binomial random variates", J. Stat. Comput. Simul. 46 (1993). Below 10 the Poisson sampler
  multiplies uniform numbers, the binomial one adds up geometric waiting times: L. Devroye, "Non-Uniform Random Variate
  Generation" (1986).
* `gamma`: G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000).

How many words a value takes is not known beforehand, so these are loops: two or three microseconds a value.
"""

from __future__ import annotations

import math

import numpy as np

from .random import Generator

TAIL = [  # of Stirling's series for log(k!), k = 0 ... 9
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
]  # fmt: skip


def poisson(generator: Generator, rate: float) -> float:
    """The number of events in a time that expects `rate` of them."""
    if rate >= 10:
        return _poisson_by_rejection(generator, rate)
    if rate == 0:
        return 0.0
    limit, product, count = math.exp(-rate), generator.double(), 0
    while product > limit:
        product *= generator.double()
        count += 1
    return float(count)


def _poisson_by_rejection(generator: Generator, rate: float) -> float:
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    squeeze = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = generator.double() - 0.5
        v = generator.double()
        us = 0.5 - abs(u)
        k = _floor((2 * a / us + b) * u + rate + 0.43) if us else -math.inf
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if _log(v) + log_inverse_alpha - math.log(a / (us * us) + b) <= -rate + k * log_rate - math.lgamma(k + 1):
            return k


def binomial(generator: Generator, count: float, prob: float, precision: type = np.float64) -> float:
    """The number of successes in `count` trials that succeed with probability `prob`.

    What PyTorch computes from the two parameters alone, it computes in their own `precision`.
    """
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if prob != prob:
        return math.nan
    if prob > 0.5:
        return count - _rarer(generator, precision(count), precision(1) - precision(prob))
    return _rarer(generator, precision(count), precision(prob))


def _rarer(generator: Generator, count: np.floating, prob: np.floating) -> float:
    sample = _binomial_by_rejection if count * prob >= 10 else _binomial_by_waiting
    return sample(generator, count, prob)


def _binomial_by_waiting(generator: Generator, count: np.floating, prob: np.floating) -> float:
    log_failure = float(type(prob)(math.log1p(-float(prob))))
    trials, successes, limit = 0.0, 0, float(count)
    while True:
        trials += math.ceil(_log(generator.double()) / log_failure)
        if trials > limit:
            return float(successes)
        successes += 1


def _binomial_by_rejection(generator: Generator, trials: np.floating, chance: np.floating) -> float:
    one = type(chance)(1)
    mean, odds = float(trials * chance), float(chance / (one - chance))
    deviation = float(np.sqrt(trials * chance * (one - chance)))
    mode = math.floor((trials + one) * chance)
    count, prob = float(trials), float(chance)
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    squeeze = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * deviation
    while True:
        u = generator.double() - 0.5
        v = generator.double()
        us = 0.5 - abs(u)
        k = _floor((2 * a / us + b) * u + (mean + 0.5)) if us else -math.inf
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or k > count:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _tail(mode) + _tail(count - mode) - _tail(k) - _tail(count - k)
        )  # fmt: skip
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _tail(k: float) -> float:
    if k <= 9:
        return TAIL[int(k)]
    square = (k + 1) ** 2
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def gamma(generator: Generator, alpha: float, precision: type = np.float64) -> float:
    """A gamma variable of shape `alpha` and scale 1, where the arithmetic on `alpha` itself is done in `precision`."""
    alpha, scale = precision(alpha), 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale = math.pow(1 - generator.double(), float(precision(1) / alpha))
        alpha = alpha + precision(1)
    # PyTorch writes 1.0f / 3.0f, so a third is a float32 even here.
    d = float(alpha - precision(np.float32(1) / np.float32(3)))
    if not d > 0:
        return math.nan
    c = 1 / math.sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = _normal(generator)
            y = 1 + c * x
        v = y * y * y
        u = 1 - generator.double()
        square = x * x
        if u < 1 - 0.0331 * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
            return scale * d * v


def _normal(generator: Generator) -> float:
    spare, generator.next_normal = generator.next_normal, None
    if spare is not None:
        return spare
    theta = 2 * math.pi * generator.double()
    radius = math.sqrt(-2 * math.log1p(-generator.double()))
    generator.next_normal = radius * math.sin(theta)
    return radius * math.cos(theta)


def _floor(x: float) -> float:
    return float(math.floor(x))


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
