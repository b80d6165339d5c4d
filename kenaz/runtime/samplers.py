"""Distributions, drawn from a `Generator` as PyTorch draws them on the CPU: the same values, and the same state after.

A sampler takes the generator, how many values (or an array with a parameter for each) and a NumPy dtype, and returns a
one-dimensional array; `multinomial` and `dirichlet`, which work on rows, keep the shape of their argument.

* PyTorch fills a tensor in the order of its *memory*. To `normal` alone the layout matters otherwise: from 16 values
  on, contiguous memory is filled in blocks of 16 (`is_contiguous=True`), any other one by one.
* A value takes one word from the stream (`uniform` and blocks of `normal` below float64, `integers` below a range of
  2**28) or two (all else). Half types are computed in float32 or float64 and rounded at the end.
* Wrong parameters raise here, in PyTorch's words. That a dtype cannot be sampled is the caller's business.

    torch.rand, uniform_                uniform                 torch.randint, random_      integers
    torch.randn, normal_                normal                  torch.randperm              permutation
    torch.normal(tensor, tensor)        normal, then * std, then + mean
    torch.randn(dtype=complex)          normal of std / sqrt(2), twice as many, real and imaginary parts in turn
    bernoulli_(p), dropout              bernoulli(n, p)         torch.bernoulli(p)          bernoulli_each(p)
    exponential_, geometric_, cauchy_, log_normal_, multinomial, poisson, binomial: their own names
    torch._standard_gamma               gamma                   torch._sample_dirichlet     dirichlet

`bernoulli`, `exponential`, `geometric`, `cauchy` and `log_normal` invert their distribution function: L. Devroye,
"Non-Uniform Random Variate Generation" (1986). `multinomial` without replacement keeps the largest w / exponential, a
race of exponential clocks: P. S. Efraimidis and P. G. Spirakis, Inf. Process. Lett. 97 (2006).
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np

from . import rejection
from .boxmuller import libm, normal32, normal64, scale32, scale64
from .random import Generator, compiled

SMALL = 16  # fewer normal values than this are drawn one by one
MANY = (1 << 32) // 20  # from so many on, a permutation takes 64 bits a place

#: dtype name -> (bits of precision, the C++ type in messages about bounds, PyTorch's name for it in other messages)
FLOATS = {
    "float32": (24, "float", "Float"),
    "float64": (53, "double", "Double"),
    "float16": (11, "c10::Half", "Half"),
    "bfloat16": (8, "c10::BFloat16", "BFloat16"),
}
INTEGERS = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long int",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long",
}

#: The functions for float64 results, where the last bit of the C library shows; any other result hides it.
LIBM = SimpleNamespace(**{f.__name__: partial(libm, f) for f in (math.log1p, math.exp, math.tan)})


def _functions(dtype: np.dtype):
    return LIBM if dtype == np.float64 else np


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in `dtype`; half types by way of float32, as C++ converts."""
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype.itemsize == 2 and dtype.name in FLOATS:
            values = values.astype(np.float32, copy=False)
        return values.astype(dtype, copy=False)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


# ---- continuous


def uniform(generator: Generator, n: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform numbers in [low, high).

    >>> uniform(Generator().manual_seed(0), 3, np.dtype("float32"))
    array([0.4962566 , 0.7682218 , 0.08847743], dtype=float32)
    """
    dtype = np.dtype(dtype)
    _check_uniform(dtype, low, high)
    if dtype == np.float64:
        values = generator.doubles(n)
        return values if (low, high) == (0, 1) else _closed(scale64(values, low, high - low), low, high)
    values = _floats_between(generator, n, low, high)
    return values if dtype == np.float32 else _closed(_cast(values, dtype), low, high)


def _closed(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rounding may reach the open end; PyTorch answers with the closed one."""
    low, high = _cast(np.array([low, high]), values.dtype)
    values[values >= high] = low
    return values


def _floats_between(generator: Generator, n: int, low: float, high: float) -> np.ndarray:
    if (low, high) == (0, 1):
        return generator.floats(n)
    first, last = np.float32(low), np.float32(high)
    extent = float(last - first)

    def slow(n: int) -> np.ndarray:
        return _closed(scale32(generator.floats(n), low, extent), low, high)

    return generator.filled("uniform", n, np.float32, slow, 1, 1, extent, float(first), float(last), weight=2)


def _check_uniform(dtype: np.dtype, low: float, high: float) -> None:
    _, c_name, name = FLOATS[dtype.name]
    largest = _largest(dtype)
    for bound, value in (("from", low), ("to", high)):
        _require(abs(value) <= largest, f"{bound} is out of bounds for {c_name}")
    _require(
        low <= high,
        f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}",
    )
    _require(
        high - low <= largest,
        f"uniform_ expects to-from <= std::numeric_limits<{name}>::max(), but found to={high:g} and from={low:g} "
        "which result in to-from to exceed the limit",
    )


def _largest(dtype: np.dtype) -> float:
    if dtype.name == "bfloat16":
        return float(np.float32(3.3895314e38))
    return float(np.finfo(dtype).max)


def normal(
    generator: Generator, n: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0, is_contiguous: bool = True
) -> np.ndarray:
    """Normal numbers.

    >>> normal(Generator().manual_seed(0), 3, np.dtype("float32"))
    array([ 1.5409961, -0.2934289, -2.1787894], dtype=float32)
    """
    dtype = np.dtype(dtype)
    _require(std >= 0, f"normal expects std >= 0.0, but found std {std:g}")
    if n < SMALL or not is_contiguous:
        return _cast(scale64(_serial_normal(generator, n), mean, std), dtype)
    draw = _doubles_normal if dtype == np.float64 else _floats_normal
    if n % 16 == 0:
        return _cast(draw(generator, n, mean, std), dtype)
    # The last 16 places are filled twice. Only the half types know better than to draw the rest that goes to waste.
    values = draw(generator, n - n % 16, mean, std)
    if dtype.itemsize > 2:
        generator.words(n % 16 * dtype.itemsize // 4)
    return _cast(np.concatenate((values[: n - 16], draw(generator, 16, mean, std))), dtype)


def _floats_normal(generator: Generator, n: int, mean: float, std: float) -> np.ndarray:
    """`n` normal numbers in blocks of 16, as float32."""

    def slow(n: int) -> np.ndarray:
        return normal32(generator.floats(n), mean, std)

    return generator.filled("normal", n, np.float32, slow, 16, 16, float(std), float(mean), weight=8)


def _doubles_normal(generator: Generator, n: int, mean: float, std: float) -> np.ndarray:
    return normal64(generator.doubles(n), mean, std)


def _serial_normal(generator: Generator, n: int) -> np.ndarray:
    """Standard normal numbers one by one, in float64: the second of a pair waits in the generator for the next call."""
    values = np.empty(n)
    start = 0
    if n and generator.next_normal is not None:
        values[0], generator.next_normal = generator.next_normal, None
        start = 1
    missing = n - start
    angle, height = generator.doubles(missing + missing % 2).reshape(-1, 2).T
    radius = np.sqrt(-2 * LIBM.log1p(-height))
    theta = 2 * math.pi * angle
    pairs = np.stack((radius * np.cos(theta), radius * np.sin(theta)), axis=1).reshape(-1)
    values[start:] = pairs[:missing]
    if missing % 2:
        generator.next_normal = float(pairs[-1])
    return values


def log_normal(generator: Generator, n: int, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """exp of normal numbers."""
    dtype = np.dtype(dtype)
    _require(std > 0, f"log_normal_ expects std > 0.0, but found std={std:g}")
    return _cast(_functions(dtype).exp(scale64(_serial_normal(generator, n), mean, std)), dtype)


def exponential(generator: Generator, n: int, dtype: np.dtype, rate: float = 1.0) -> np.ndarray:
    """Waiting times between events that come at `rate` (PyTorch's `lambd`)."""
    dtype = np.dtype(dtype)
    _require(rate > 0, f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    return _cast(_functions(dtype).log1p(-generator.doubles(n)) * (-1.0 / rate), dtype)


def cauchy(generator: Generator, n: int, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Cauchy numbers: `sigma` times the tangent of a uniform angle, around `median`."""
    dtype = np.dtype(dtype)
    _require(sigma > 0, f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    return _cast(scale64(_functions(dtype).tan(math.pi * (generator.doubles(n) - 0.5)), median, sigma), dtype)


# ---- discrete


def integers(
    generator: Generator, n: int, dtype: np.dtype, low: int | None = None, high: int | None = None
) -> np.ndarray:
    """Integers in [low, high), or in all that `dtype` holds from `low` (0) on when `high` is None.

    >>> integers(Generator().manual_seed(0), 5, np.dtype("int64"), 0, 10)
    array([4, 9, 3, 0, 3])
    """
    dtype = np.dtype(dtype)
    if low is None and high is None:
        return _cast(_words_below(generator, n, _count_from(dtype, 0), wide=dtype.itemsize == 8), dtype)
    low = low or 0
    if high is None:
        _check_bound(dtype, "from", low)
        size = _count_from(dtype, low)
    else:
        _require(low < high, f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        if dtype.name in FLOATS:
            low, high = _rounded_inwards(dtype, low, high)
            _require(
                low < high,
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}",
            )
        _check_bound(dtype, "from", low)
        _check_bound(dtype, "to - 1", high - 1)
        size = high - low
    return _cast(_integers_from(generator, n, size, low), dtype)


def _integers_from(generator: Generator, n: int, size: int, low: int) -> np.ndarray:
    """Integers in [low, low + size)."""

    def slow(n: int) -> np.ndarray:
        values = _words_below(generator, n, size, wide=size >= 1 << 28).astype(np.int64)
        values += low  # wraps where the range needs all 64 bits, as it should
        return values

    return slow(n) if size >= 1 << 28 else generator.filled("integers", n, np.int64, slow, 1, 1, size, low)


def _count_from(dtype: np.dtype, low: int) -> int:
    """How many integers, starting at `low`, the dtype holds without a gap."""
    if dtype.name in FLOATS:
        return (1 << FLOATS[dtype.name][0]) + 1 - low
    return (2 if dtype == np.bool_ else int(np.iinfo(dtype).max) + 1) - low


def _words_below(generator: Generator, n: int, size: int, wide: bool) -> np.ndarray:
    """Words modulo `size`."""
    words = generator.doublewords(n) if wide else generator.words(n)
    if size >> 8 * words.itemsize:
        return words.copy()
    size = words.dtype.type(size)
    # NumPy vectorises the division of unsigned integers by a scalar but not the remainder.
    return words - words // size * size


def _rounded_inwards(dtype: np.dtype, low: int, high: int) -> tuple[int, int]:
    """Bounds that stay inside when the ends are rounded to a floating dtype."""
    digits = FLOATS[dtype.name][0]

    def rounded(value: int) -> int:
        image = float(_cast(np.array(float(value)), dtype))
        return int(image) if image < 2.0**63 else -(1 << 63)  # what the processor makes of a cast that overflows

    first, last = rounded(low + 1), rounded(high - 1)
    if first < low:
        low = first + (1 << max(0, abs(low + 1).bit_length() - digits))
    if last >= high:
        high = last - (1 << max(0, (high - 1).bit_length() - digits))
    return low, high


def _check_bound(dtype: np.dtype, word: str, value: int) -> None:
    if dtype.name in FLOATS:
        digits, name, _ = FLOATS[dtype.name]
        _require(abs(value) <= _largest(dtype), f"{word} is out of bounds for {name}")
        if abs(value) > 1 << digits:
            warnings.warn(
                f"{word} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {name} can support "
                "discrete uniform distribution only within this range. This warning will become an error in version "
                "1.7 release, please fix the code in advance",
                stacklevel=4,
            )
        return
    smallest, largest = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    _require(smallest <= value <= largest, f"{word} is out of bounds for {INTEGERS[dtype.name]}")


def permutation(generator: Generator, n: int, dtype: type | np.dtype = np.int64) -> np.ndarray:
    """The integers 0 ... n - 1 in random order: R. Durstenfeld, "Algorithm 235: Random permutation", CACM 7 (1964).

    >>> permutation(Generator().manual_seed(0), 5)
    array([4, 0, 1, 3, 2])
    """
    dtype = np.dtype(dtype)
    _check_places(dtype, n)
    return _cast(_shuffled(generator, n) if n < MANY else _shuffled_many(generator, n), dtype)


def _check_places(dtype: np.dtype, n: int) -> None:
    if dtype.name in FLOATS:
        digits, _, name = FLOATS[dtype.name]
        most = f"2^{digits}+1" if dtype.itemsize > 2 else (1 << digits) + 1
        _require(n <= (1 << digits) + 1 or name == "BFloat16", f"n cannot be greater than {most} for {name} type.")
    else:
        _require(
            n == 0 or n - 1 <= np.iinfo(dtype).max,
            f"value cannot be converted to type {dtype.name}_t without overflow",
        )


def _shuffled(generator: Generator, n: int) -> np.ndarray:
    swaps = max(n - 1, 0)
    draws = compiled.draws(n, weight=30)
    if draws is not None:
        order = np.arange(n)
        draws.shuffle(order, generator.words(swaps))
        return order
    partners = (generator.words(swaps) % np.arange(n, n - swaps, -1, dtype=np.uint32)).astype(np.int64)
    partners += np.arange(swaps)
    order = np.arange(n)
    # A tenth of a microsecond a swap, and each depends on the ones before. (A list is slower once it leaves the cache.)
    cells = order.data
    for place, partner in enumerate(partners.tolist()):
        cells[place], cells[partner] = cells[partner], cells[place]
    return order


def _shuffled_many(generator: Generator, n: int) -> np.ndarray:
    # With 32 bits small numbers would be favoured. PyTorch then also shuffles from the other end.
    order = np.empty(n, np.int64)
    cells = order.data
    for start in range(0, n, 1 << 20):
        places = np.arange(start, min(start + (1 << 20), n), dtype=np.uint64)
        partners = generator.doublewords(places.size) % (places + np.uint64(1))
        for place, partner in enumerate(partners.tolist(), start):
            cells[place] = cells[partner]
            cells[partner] = place
    return order


def bernoulli(generator: Generator, n: int, p: float, dtype: type | np.dtype = np.bool_) -> np.ndarray:
    """Ones with probability `p`. Dropout multiplies by such a mask of 1 - p, divided by 1 - p in its input's dtype.

    >>> bernoulli(Generator().manual_seed(0), 4, 0.5)
    array([False, False,  True, False])
    """
    _require(0 <= p <= 1, f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    return generator.below(n, p).astype(dtype, copy=False)


def bernoulli_each(generator: Generator, p: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """Ones with the probability that stands in the same place of `p`, whose dtype decides on the stream."""
    p = p.reshape(-1)
    _require(
        bool(np.all((p >= 0) & (p <= 1))),
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  "
        "(Could this error message be improved?  If so, please report an enhancement request to PyTorch.)",
    )
    draw = generator.doubles if p.dtype == np.float64 else generator.floats
    numbers = draw(p.size)
    return (numbers < p.astype(numbers.dtype)).astype(p.dtype if dtype is None else dtype)


def geometric(generator: Generator, n: int, dtype: np.dtype, p: float) -> np.ndarray:
    """The number of trials up to the first success, which has probability `p`."""
    _require(0 < p < 1, f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    with np.errstate(divide="ignore"):
        return _cast(np.ceil(np.log(generator.doubles(n)) / math.log1p(-p)), np.dtype(dtype))


def multinomial(generator: Generator, weights: np.ndarray, num_samples: int, replacement: bool = False) -> np.ndarray:
    """Indices drawn with probabilities proportional to `weights`, for each row of a matrix.

    >>> multinomial(Generator().manual_seed(0), np.array([0.0, 3.0, 1.0]), 2)
    array([1, 2])
    """
    rows = weights.reshape(-1, weights.shape[-1])
    with np.errstate(invalid="ignore"):
        is_fine = bool(np.all((rows >= 0) & (rows < math.inf)))
    _require(is_fine or replacement, "probability tensor contains either `inf`, `nan` or element < 0")
    has_infinity = bool((rows == math.inf).any())
    reason = "= infinity or NaN" if has_infinity else "< 0"
    _require(is_fine, f"invalid multinomial distribution (encountering probability entry {reason})")
    draw = _look_up if replacement and num_samples > 1 else _race
    return draw(generator, rows, num_samples).reshape(*weights.shape[:-1], num_samples)


def _race(generator: Generator, rows: np.ndarray, num_samples: int) -> np.ndarray:
    _require_weight(rows.sum(axis=-1, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        keys = rows / exponential(generator, rows.size, rows.dtype).reshape(rows.shape)
    if num_samples == 1:
        return keys.argmax(axis=-1)[:, None]
    return np.argsort(-keys.astype(np.float64), axis=-1, kind="stable")[:, :num_samples]


def _look_up(generator: Generator, rows: np.ndarray, num_samples: int) -> np.ndarray:
    totals = np.cumsum(rows.astype(rows.dtype if rows.dtype == np.float64 else np.float32), axis=-1)
    _require_weight(totals[:, -1])
    totals /= totals[:, -1:].copy()
    totals[:, -1:] = 1
    numbers = generator.doubles(len(rows) * num_samples).reshape(len(rows), num_samples)
    indices = np.empty(numbers.shape, np.int64)
    for row, number, index in zip(totals, numbers, indices):
        index[:] = row.astype(np.float64).searchsorted(number)
    return indices


def _require_weight(totals: np.ndarray) -> None:
    _require(bool(np.all(totals > 0)), "invalid multinomial distribution (sum of probabilities <= 0)")


# ---- by rejection


def poisson(generator: Generator, rates: np.ndarray) -> np.ndarray:
    """Counts of events, for each expected number in `rates`."""
    _require(bool(np.all(rates >= 0)), "invalid Poisson rate, expected rate to be non-negative")
    return _each(rates.dtype, [rejection.poisson(generator, rate) for rate in _numbers(rates)])


def binomial(generator: Generator, counts: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Counts of successes, for each pair of a number of trials and a probability."""
    pairs = zip(_numbers(counts), _numbers(probs))
    precision = counts.dtype.type
    return _each(counts.dtype, [rejection.binomial(generator, count, prob, precision) for count, prob in pairs])


def gamma(generator: Generator, alphas: np.ndarray) -> np.ndarray:
    """Gamma variables of scale 1, for each shape in `alphas`; never less than the smallest normal number."""
    precision = alphas.dtype.type
    values = [rejection.gamma(generator, alpha, precision) for alpha in _numbers(alphas)]
    return _each(alphas.dtype, np.fmax(values, np.finfo(alphas.dtype).tiny))


def dirichlet(generator: Generator, alphas: np.ndarray) -> np.ndarray:
    """Dirichlet variables of the rows of `alphas`: gamma variables divided by their sum."""
    info = np.finfo(alphas.dtype)
    values = np.array([rejection.gamma(generator, alpha) for alpha in _numbers(alphas)]).reshape(alphas.shape)
    values = np.fmax(values, np.finfo(np.float64).tiny)
    values /= values.sum(axis=-1, keepdims=True)  # in another order than PyTorch: the last bit of a float64 may differ
    return np.clip(_cast(values, alphas.dtype), info.tiny, 1 - info.epsneg)


def _numbers(parameters: np.ndarray) -> list[float]:
    return parameters.reshape(-1).astype(np.float64).tolist()


def _each(dtype: np.dtype, values) -> np.ndarray:
    return _cast(np.asarray(values, np.float64), dtype)
