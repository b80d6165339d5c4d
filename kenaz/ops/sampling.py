"""Random tensors: PyTorch's streams, drawn when the line runs, so that their order is the program's."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import config
from ..core import device as devices
from ..core import dtype as dtypes
from ..core.dtype import dtype
from ..core.shape import numel
from ..core.spec import Spec
from ..runtime import random as engines
from ..runtime import samplers
from .conversion import unmoved
from .creation import _size, empty, finish
from .declare import SAME, pointwise, rename_node
from .record import apply, method, public, write_out


# ------------------------------------------------------------------------------------------------------------ generators
class Generator(engines.Generator):
    """A stream of pseudo-random numbers.

    >>> Generator().manual_seed(3).initial_seed()
    3
    """

    def __init__(self, device: Any = "cpu"):
        super().__init__(devices.resolve(device))

    def get_state(self) -> Tensor:
        return Tensor._from_array(super().get_state())

    def set_state(self, new_state: Tensor) -> Generator:
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype is not dtypes.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        super().set_state(new_state._array())
        return self


Generator.__module__ = "torch"
default_generator = Generator()
default_generator.seed()


def manual_seed(seed: Any) -> Generator:
    """Restart the default stream; returns its generator."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Restart the default stream from the operating system's randomness; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    default_generator.set_state(new_state)


for _function in (manual_seed, seed, initial_seed, get_rng_state, set_rng_state):
    public(_function)


def _compiled_draws(now: bool) -> Any:
    """`codegen.draws`, if LLVM is loaded or shall be loaded now, and may be used at all."""
    if config.HOT == "never" or not now and "kenaz.codegen.jit" not in sys.modules:
        return None
    try:
        from ..codegen import draws
    except (ImportError, OSError, RuntimeError):  # no compiler for this machine
        return None
    return draws


engines.compiled.load = _compiled_draws


def of(generator: Any) -> Any:
    return default_generator if generator is None else generator


# ---------------------------------------------------------------------------------------------------- new random tensors
def is_meta(device: Any) -> bool:
    """Whether tensors there have no memory: nothing is drawn for them, and the stream stays where it is."""
    return devices.resolve(device).type == "meta"


def _made(values: np.ndarray, size: tuple, kind: dtype) -> Tensor:
    return Tensor._from_array(values.reshape(size).astype(kind.np, copy=False))


def _float_dtype(name: str, kind: Any) -> dtype:
    kind = dtypes.get_default_dtype() if kind is None else kind
    if kind.kind < 2:
        raise RuntimeError(f'"{name}" not implemented for \'{dtypes.scalar_name(kind)}\'')
    return kind


def _uniform(g: Any, n: int, kind: dtype) -> np.ndarray:
    if kind.is_complex:
        return samplers.uniform(g, 2 * n, kind.to_real().np).view(kind.np)
    return samplers.uniform(g, n, kind.np)


def _normal(g: Any, n: int, kind: dtype) -> np.ndarray:
    if kind.is_complex:
        return samplers.normal(g, 2 * n, kind.to_real().np, 0.0, 1 / math.sqrt(2)).view(kind.np)
    return samplers.normal(g, n, kind.np)


def _sampled(name: str, draw: Callable, kernel: str) -> tuple:
    def function(*args: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False, names: Any = None) -> Tensor:  # fmt: skip
        kind = _float_dtype(kernel, out.dtype if out is not None and dtype is None else dtype)
        shape = _size(args if size is None else (size,))
        if out is None and is_meta(device):
            return empty(shape, dtype=kind, device="meta", requires_grad=requires_grad)
        result = _made(draw(of(generator), numel(shape), kind), shape, kind)
        return finish(result, requires_grad) if out is None else write_out(result, out, name)

    def like(input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
        spec = input._spec.like(_float_dtype(kernel, dtype or input.dtype))
        if is_meta(device or input.device):
            return empty(spec.size, dtype=spec.dtype, device="meta", requires_grad=requires_grad)
        return finish(in_memory_order(draw(of(generator), spec.numel, spec.dtype), spec), requires_grad)

    function.__name__, like.__name__ = name, name + "_like"
    public(function)
    public(like)
    return function, like


def in_memory_order(values: np.ndarray, spec: Spec) -> Tensor:
    """A dense tensor of `spec` whose memory is `values`: samplers fill memory, not logical order."""
    base = Tensor._from_array(values)
    return Tensor._from_storage(base._storage, spec.size, spec.stride, 0, spec.dtype)


rand, rand_like = _sampled("rand", _uniform, "check_uniform_bounds")
randn, randn_like = _sampled("randn", _normal, "normal_kernel_cpu")


def randint(*args: Any, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False, low: Any = None, high: Any = None, size: Any = None) -> Tensor:  # fmt: skip
    """Integers from `low` (0) up to and without `high`.

    >>> manual_seed(0) and randint(10, (3,)).tolist()
    [4, 9, 3]
    """
    args = [*args]
    if size is None:
        size = args.pop()
    if high is None:
        high = args.pop()
    if low is None:
        low = args.pop() if args else 0
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    kind = dtype or (out.dtype if out is not None else dtypes.int64)
    shape = _size((size,))
    if out is None and is_meta(device):
        return empty(shape, dtype=kind, device="meta", requires_grad=requires_grad)
    values = samplers.integers(of(generator), numel(shape), kind.np, int(low), int(high))
    result = _made(values, shape, kind)
    return finish(result, requires_grad) if out is None else write_out(result, out, "randint")


def randint_like(input: Tensor, *args: Any, dtype: Any = None, low: Any = None, high: Any = None, **rest: Any) -> Tensor:
    """Integers in the size of another tensor."""
    args = [*args]
    high = args.pop() if high is None else high
    low = (args.pop() if args else 0) if low is None else low
    rest.pop("memory_format", None)
    rest["device"] = rest.get("device") or input.device
    return randint(low, high, input.shape, dtype=dtype or input.dtype, **rest)


def randperm(n: int, *, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """The integers below n in random order.

    >>> manual_seed(0) and sorted(randperm(4).tolist())
    [0, 1, 2, 3]
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got{n}")
    kind = dtype or dtypes.int64
    if out is None and is_meta(device):
        return empty(n, dtype=kind, device="meta", requires_grad=requires_grad)
    result = _made(samplers.permutation(of(generator), n, kind.np), (n,), kind)
    return finish(result, requires_grad) if out is None else write_out(result, out, "randperm")


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Zeros and ones, one with the probability that `input` gives (or p everywhere)."""
    if p is not None:
        return bernoulli_(input.clone(), p, generator=generator)
    if input.dtype.kind < 2:
        raise RuntimeError("expected a floating-point tensor of probabilities, but got " + str(input.dtype))
    if is_meta(input.device):
        return empty(input.shape, dtype=input.dtype, device="meta")
    spec = input._spec.like(input.dtype)
    probabilities = input.contiguous()._array() if spec.contiguous else _memory(input, spec)
    result = in_memory_order(samplers.bernoulli_each(of(generator), probabilities.reshape(-1), input.dtype.np), spec)
    result = unmoved(result, input) if input._grad_fn is not None else result
    return result if out is None else write_out(result, out, "bernoulli")




def _memory(x: Tensor, spec: Spec) -> np.ndarray:
    order = spec.order()
    return np.ascontiguousarray(x._array().transpose(order)).reshape(-1)


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None) -> Tensor:
    """Indices drawn with the weights in each row of `input`."""
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if input.dtype.kind != 2:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {dtypes.scalar_name(input.dtype)}")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if is_meta(input.device):
        return empty(*input.shape[:-1], num_samples, dtype=dtypes.int64, device="meta")
    values = samplers.multinomial(of(generator), np.ascontiguousarray(input._array()), num_samples, replacement)
    result = Tensor._from_array(np.asarray(values))
    return result if out is None else write_out(result, out, "multinomial")


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Normal values with means and standard deviations given by numbers or tensors."""
    if size is not None:
        shape = _size((size,))
        kind = _float_dtype("normal_kernel_cpu", dtype)
        if is_meta(device):
            return empty(shape, dtype=kind, device="meta", requires_grad=requires_grad)
        return finish(_made(samplers.normal(of(generator), numel(shape), kind.np, float(mean), float(std)), shape, kind), requires_grad)
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    shape = tensors[0].shape if len(tensors) == 1 else np.broadcast_shapes(mean.shape, std.shape)
    kind = tensors[0].dtype
    if is_meta(tensors[0].device):
        return empty(shape, dtype=kind, device="meta")
    scale = 1.0 if isinstance(std, Tensor) else float(std)
    result = _made(samplers.normal(of(generator), numel(shape), kind.np, 0.0, scale), shape, kind)
    with _no_grad():
        result = (result * std if isinstance(std, Tensor) else result) + mean
    for t in tensors:
        if t._grad_fn is not None:  # what was drawn does not change with it
            which = 3 if len(tensors) == 2 else 1 if t is mean else 2
            result = rename_node(unmoved(result, t), f"NormalBackward{which}")
    return result if out is None else write_out(result, out, "normal")


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Counts with the rates that `input` gives."""
    values = samplers.poisson(of(generator), np.ascontiguousarray(input._array()).reshape(-1))
    return _made(values, input.shape, input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Successes in `count` trials of probability `prob`."""
    values = samplers.binomial(of(generator), count._array().reshape(-1), prob._array().reshape(-1))
    return _made(values, count.shape, count.dtype)


def _no_grad() -> Any:
    from ..autograd.modes import no_grad

    return no_grad()


for _function in (randint, randint_like, randperm, bernoulli, multinomial, normal, poisson, binomial):
    public(_function)
for _name in ("multinomial", "bernoulli"):
    method(_name, globals()[_name])


# ------------------------------------------------------------------------------------------------------- filling in place
def _fill(self: Tensor, draw: Callable[[np.dtype, int], np.ndarray]) -> Tensor:
    """Fill a tensor in the order of its memory with what `draw` gives."""
    from .conversion import overwrite

    spec = self._spec
    like = spec.like(spec.dtype)
    if is_meta(spec.device):
        return overwrite(self, empty(self.shape, dtype=spec.dtype, device="meta"), "NormalBackward0")
    values = draw(spec.dtype.np, spec.numel)
    value = in_memory_order(np.ascontiguousarray(values).astype(spec.dtype.np, copy=False), like)
    return overwrite(self, value, "NormalBackward0")


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **rest: Any) -> Tensor:
    """Fill with values drawn evenly from [from, to)."""
    from_ = rest.pop("from", from_)
    _float_dtype("check_uniform_bounds", self.dtype)

    def draw(d: Any, n: int) -> np.ndarray:
        if self.dtype.is_complex:  # both parts, one after the other
            d = d.type(0).real.dtype
            return samplers.uniform(of(generator), 2 * n, d, float(from_), float(to)).view(self.dtype.np)
        return samplers.uniform(of(generator), n, d, float(from_), float(to))

    return _fill(self, draw)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal values."""
    _float_dtype("normal_kernel_cpu", self.dtype)
    if self.dtype.is_complex:
        return _fill(self, lambda d, n: _normal(of(generator), n, self.dtype) * std + mean)
    dense = self._spec.contiguous
    return _fill(self, lambda d, n: samplers.normal(of(generator), n, d, float(mean), float(std), is_contiguous=dense))


def _simple(name: str, sampler: Callable, *defaults: float) -> None:
    def function(self: Tensor, *parameters: Any, generator: Any = None, **named: Any) -> Tensor:
        values = [*parameters, *named.values()]
        values += defaults[len(values) :]
        return _fill(self, lambda d, n: sampler(of(generator), n, d, *map(float, values)))

    function.__name__ = name
    method(name, function)


_simple("exponential_", samplers.exponential, 1.0)
_simple("cauchy_", samplers.cauchy, 0.0, 1.0)
_simple("log_normal_", samplers.log_normal, 1.0, 2.0)
_simple("geometric_", samplers.geometric)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with zeros and ones, one with probability p (a number, or a tensor of them)."""
    if isinstance(p, Tensor) and not is_meta(self.device):
        each = np.ascontiguousarray(np.broadcast_to(p._array(), self.shape)).reshape(-1)
        return _fill(self, lambda d, n: samplers.bernoulli_each(of(generator), each, d))
    return _fill(self, lambda d, n: samplers.bernoulli(of(generator), n, float(p), d))


def random_(self: Tensor, *bounds: Any, generator: Any = None, **named: Any) -> Tensor:
    """Fill with integers from [low, high), or over the whole range that the dtype holds exactly."""
    bounds = (*bounds, *[named[k] for k in ("from", "to") if k in named])
    low, high = (None, None) if not bounds else (0, bounds[0]) if len(bounds) == 1 else bounds
    if low is not None and high is not None and low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return _fill(self, lambda d, n: samplers.integers(of(generator), n, d, low, high))


for _function in (uniform_, normal_, bernoulli_, random_):
    method(_function.__name__, _function)


# --------------------------------------------------------------------------------------------------------------- dropout
# One node that keeps a byte for each element, where a product with a mask would keep as much as the input.
DROPPED = pointwise(SAME, name="dropped", torch=False, tensor=False, inplace=False, grad_name="MulBackward0", grad=(
    lambda g, y, _x, keep, scale: apply(DROPPED, (g, keep, scale)), None, None)
)(lambda xp, x, keep, scale: x * (keep * scale)).op  # fmt: skip


def dropout_mask(size: tuple, p: float, kind: dtype) -> Tensor:
    """Zeros with probability p, and 1 / (1 - p) elsewhere: what dropout multiplies by."""
    keep = samplers.bernoulli(default_generator, numel(size), 1 - p)
    return Tensor._from_array((keep * _scale(p, kind)).reshape(size))


def _scale(p: float, kind: dtype) -> Any:
    """1 / (1 - p), rounded as PyTorch rounds it: halves by way of float32."""
    if kind.kind < 2:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {dtypes.scalar_name(kind)}")
    kind = kind.to_real()
    wide = np.float32 if kind.itemsize == 2 else kind.np.type
    return kind.np.type(wide(1) / wide(1 - p))


def dropout(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """Zero elements with probability p and scale the rest by 1 / (1 - p); nothing at all outside training.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014).
    """
    _check_probability("dropout", p)
    if p == 0 or not train or not input.numel():
        return input
    if p == 1 or is_meta(input.device):
        return input * 0.0
    scale = float(_scale(p, input.dtype))
    keep = Tensor._from_array(samplers.bernoulli(default_generator, input.numel(), 1 - p).reshape(input.shape))
    return apply(DROPPED, (input, keep, scale))


def _check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name} probability has to be between 0 and 1, but got {p}")


def feature_dropout(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """Zero whole channels with probability p and scale the rest by 1 / (1 - p)."""
    _check_probability("dropout", p)
    if p == 0 or not train or not input.numel():
        return input
    if p == 1 or is_meta(input.device):
        return input * 0.0
    return input * dropout_mask(_channels(input), p, input.dtype)


def _channels(x: Tensor) -> tuple:
    if x.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*x.shape[:2], *[1] * (x.ndim - 2))


_ALPHA = 1.7580993408473766  # the value that SELU saturates at: scale * alpha


def _alpha(name: str, channels: bool) -> Callable:
    def function(input: Tensor, p: float = 0.5, train: bool = False) -> Tensor:
        _check_probability("dropout", p)
        if p == 0 or not train or not input.numel():
            return input
        if p == 1 or is_meta(input.device):
            return input * 0.0
        size = _channels(input) if channels else input.shape
        keep = samplers.bernoulli(default_generator, numel(size), 1 - p, np.bool_).astype(input.dtype.np).reshape(size)
        a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
        mask = Tensor._from_array(keep)
        return input * (mask * a) + ((mask - 1) * (_ALPHA * a) + _ALPHA * a * p)

    function.__name__ = name
    function.__doc__ = "Dropout that keeps mean and variance of self-normalising networks: Klambauer et al. (2017)."
    return function


alpha_dropout, feature_alpha_dropout = _alpha("alpha_dropout", False), _alpha("feature_alpha_dropout", True)
for _function in (dropout, feature_dropout, alpha_dropout, feature_alpha_dropout):
    public(_function)
    name = _function.__name__
    public((lambda f: lambda input, p, train: input.copy_(f(input, p, train)))(_function), name + "_")
