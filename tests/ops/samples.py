"""Arguments to call every public function with: generated where the registry says enough, from the tables below elsewhere.

A sample is a `Call` of NumPy arrays and plain values; `tensors` makes tensors of the arrays. Names are dotted paths under
`torch`. A new function without a sample fails `test_registry.py` until it gets one, or a reason in `ELSEWHERE`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_random = np.random.default_rng(7)


class Call:
    """One way to call a function."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.args, self.kwargs = args, kwargs

    def tensors(self, make: Callable) -> tuple[tuple, dict]:
        """Arguments with `make(array)` in the place of every array."""
        return tuple(_mapped(a, make) for a in self.args), {k: _mapped(v, make) for k, v in self.kwargs.items()}


def _mapped(value: Any, make: Callable) -> Any:
    if isinstance(value, np.ndarray):
        return make(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(v, make) for v in value)
    return value


def x(*size: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Floating-point numbers, all different, between two limits."""
    return np.asarray(_random.uniform(low, high, size))


def pos(*size: int) -> np.ndarray:
    return x(*size, low=0.3, high=1.9)


def unit(*size: int) -> np.ndarray:
    return x(*size, low=0.1, high=0.9)


FIXED: set[int] = set()  # the arrays, by id, for which PyTorch has no gradient


def fixed(array: np.ndarray) -> np.ndarray:
    """An array that stays without a gradient: weights of classes, targets of some losses."""
    FIXED.add(id(array))
    return array


def i(*size: int, high: int = 5, low: int = 0) -> np.ndarray:
    return np.asarray(_random.integers(low, high, size))


def b(*size: int) -> np.ndarray:
    return np.asarray(_random.random(size) < 0.5)


def c(*size: int) -> np.ndarray:
    return x(*size) + 1j * x(*size)


def spd(n: int) -> np.ndarray:
    """A symmetric positive definite matrix."""
    a = x(n, n)
    return a @ a.T + n * np.eye(n)


# fmt: off
# Where a pointwise operator is defined and smooth; everything else is sampled in (-2, 2).
DOMAINS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "digamma", "lgamma", "xlogy", "pow", "float_power_op"), (0.3, 2.0)),
    **dict.fromkeys(("asin", "acos", "atanh", "erfinv"), (-0.8, 0.8)), "logit": (0.1, 0.9), "log1p": (-0.7, 2.0),
    "acosh": (1.2, 3.0), "mvlgamma": (2.1, 4.0), "polygamma": (0.3, 2.0), "fmod": (0.6, 1.9), "remainder": (0.6, 1.9),
    "floor_divide": (0.6, 1.9), "div": (0.4, 2.0), "clamp": (-2.0, 2.0),
}
INTEGERS = {"bitwise_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm"}

TABLE: dict[str, list[Call]] = {
    # arithmetic whose functions take more than the operator does
    "add": [Call(x(2, 3), x(3)), Call(x(2, 3), 2.5), Call(x(2), x(2), alpha=3)],
    "sub": [Call(x(2, 3), x(3)), Call(x(2), x(2), alpha=3)], "subtract": [Call(x(2, 3), x(3))],
    "div": [Call(x(2, 3), pos(3)), Call(pos(2, 3), 2), Call(x(2, 3), pos(3), rounding_mode="floor"), Call(x(2, 3), pos(3), rounding_mode="trunc")],
    "divide": [Call(x(2, 3), pos(3))], "true_divide": [Call(x(2, 3), pos(3))],
    "pow": [Call(pos(2, 3), x(3)), Call(x(2, 3), 2), Call(x(2, 3), 3)], "float_power": [Call(pos(2, 3), x(3))],
    "rsub": [Call(x(2, 3), x(3)), Call(x(3), x(3), alpha=2)], "polygamma": [Call(1, pos(2, 3)), Call(0, pos(3))],
    "clamp": [Call(x(4, 5), -1, 1), Call(x(4, 5), x(4, 5) - 1, x(4, 5) + 1), Call(x(4), min=0), Call(x(4), max=0)],
    "clip": [Call(x(4, 5), -1, 1)], "lerp": [Call(x(2, 3), x(2, 3), 0.3), Call(x(2, 3), x(2, 3), x(3))],
    "addcmul": [Call(x(2, 3), x(3), x(2, 1), value=2)], "addcdiv": [Call(x(2, 3), x(3), pos(2, 1), value=2)],
    "isclose": [Call(x(3), x(3))], "allclose": [Call(x(3), x(3))], "equal": [Call(x(3), x(3))],
    "where": [Call(b(2, 3), x(2, 3), x(3)), Call(b(2, 3))], "complex": [Call(x(3), x(3))], "polar": [Call(pos(3), x(3))],
    "heaviside": [Call(x(2, 3), x(3))], "ldexp": [Call(x(2, 3), x(3))], "nextafter": [Call(x(3), x(3))],
    "copysign": [Call(x(3), x(3))],
    # reductions with arguments
    **{n: [Call(x(2, 3)), Call(x(2, 3), 1), Call(x(2, 3, 2), (0, 2), True)] for n in ("sum", "mean", "amax", "amin", "nansum", "nanmean")},
    **{n: [Call(x(2, 3)), Call(x(2, 3), 1), Call(x(2, 3, 2), (0, 2), keepdim=True), Call(x(2, 3), 0, correction=0)] for n in ("var", "std", "var_mean", "std_mean")},
    "prod": [Call(x(2, 3)), Call(x(2, 3), 1), Call(x(2, 3), 0, True)], "logsumexp": [Call(x(2, 3), 1), Call(x(2, 3), (0, 1), True)],
    "all": [Call(b(2, 3)), Call(b(2, 3), 1)], "any": [Call(b(2, 3)), Call(b(2, 3), 1)],
    "max": [Call(x(2, 3)), Call(x(2, 3), 1), Call(x(2, 3), x(3))], "min": [Call(x(2, 3)), Call(x(2, 3), 1, True), Call(x(2, 3), x(3))],
    **{n: [Call(x(2, 3)), Call(x(2, 3), 1), Call(x(2, 3), 0, True)] for n in ("argmax", "argmin")},
    **{n: [Call(x(2, 3)), Call(x(2, 3), 1)] for n in ("median", "nanmedian")}, "mode": [Call(x(2, 3)), Call(i(3, 4), 0)],
    "aminmax": [Call(x(2, 3)), Call(x(2, 3), dim=1)], "norm": [Call(x(2, 3)), Call(x(2, 3), 3, 1), Call(x(2, 3), 1, 0, True), Call(x(2, 3), float("inf"))],
    "dist": [Call(x(2, 3), x(2, 3)), Call(x(2, 3), x(3), 3)], "count_nonzero": [Call(x(2, 3)), Call(i(2, 3, high=2), 1)],
    **{n: [Call(x(3, 4), 1), Call(x(4), 0)] for n in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")},
    "diff": [Call(x(2, 5)), Call(x(2, 5), 2, 1), Call(x(2, 3), prepend=x(2, 1))], "trace": [Call(x(3, 3))],
    "trapezoid": [Call(x(2, 5)), Call(x(5), x(5))], "trapz": [Call(x(2, 5))], "cumulative_trapezoid": [Call(x(2, 5)), Call(x(2, 5), x(5))],
    "quantile": [Call(x(2, 5), 0.3), Call(x(2, 5), 0.3, 1)], "nanquantile": [Call(x(2, 5), 0.3, 1)],
    # products
    "matmul": [Call(x(2, 3), x(3, 4)), Call(x(3), x(3)), Call(x(2, 3), x(3)), Call(x(3), x(3, 2)), Call(x(2, 2, 3), x(3, 4)), Call(x(2, 1, 2, 3), x(3, 3, 1))],
    "mm": [Call(x(2, 3), x(3, 4))], "bmm": [Call(x(2, 2, 3), x(2, 3, 2))], "mv": [Call(x(2, 3), x(3))], "dot": [Call(x(3), x(3))],
    "vdot": [Call(x(3), x(3)), Call(c(3), c(3))], "inner": [Call(x(2, 3), x(4, 3)), Call(x(3), x(3))], "outer": [Call(x(3), x(2))], "ger": [Call(x(3), x(2))],
    "addmm": [Call(x(2, 4), x(2, 3), x(3, 4)), Call(x(4), x(2, 3), x(3, 4), beta=0.5, alpha=2)], "addmv": [Call(x(2), x(2, 3), x(3), alpha=2)],
    "addbmm": [Call(x(2, 4), x(3, 2, 3), x(3, 3, 4), beta=0.5)], "baddbmm": [Call(x(3, 2, 4), x(3, 2, 3), x(3, 3, 4), alpha=2)],
    "addr": [Call(x(3, 2), x(3), x(2), beta=2)], "chain_matmul": [Call(x(2, 3), x(3, 4), x(4, 2))], "tensordot": [Call(x(2, 3, 4), x(4, 3, 2), ([1, 2], [1, 0])), Call(x(2, 3), x(3, 2), 1)],
    "cdist": [Call(x(3, 2), x(4, 2))], "pdist": [Call(x(4, 3))], "bilinear": [Call(x(2, 3), x(2, 4), x(2, 3, 4), x(2))], "kron": [Call(x(2, 2), x(3, 1))],
    "einsum": [Call("ij,jk->ik", x(2, 3), x(3, 4)), Call("bij->b", x(2, 3, 2))],
    # linear algebra
    "cholesky": [Call(spd(3))], "cholesky_inverse": [Call(np.linalg.cholesky(spd(3)))], "cholesky_solve": [Call(x(3, 2), np.linalg.cholesky(spd(3)))], "det": [Call(x(3, 3))], "logdet": [Call(spd(3))],
    "slogdet": [Call(x(3, 3))], "inverse": [Call(spd(3))], "pinverse": [Call(x(3, 2))], "matrix_exp": [Call(x(2, 2))], "matrix_power": [Call(x(2, 2), 3)], "qr": [Call(x(3, 3))], "svd": [Call(x(3, 2))],
    "geqrf": [Call(x(3, 2))], "orgqr": [Call(x(3, 2), x(2))], "ormqr": [Call(x(3, 2), x(2), x(3, 2))], "triangular_solve": [Call(x(3, 2), spd(3))], "lu": [Call(spd(3))],
    "lu_solve": [Call(x(3, 2), spd(3), np.array([1, 2, 3], np.int32))], "lu_unpack": [Call(spd(3), np.array([1, 3, 3], np.int32))],
    # shapes and views
    "reshape": [Call(x(2, 3), (3, 2)), Call(x(2, 3), (-1,))], "flatten": [Call(x(2, 3, 2)), Call(x(2, 3, 2), 1)], "unflatten": [Call(x(2, 6), 1, (2, 3))],
    "transpose": [Call(x(2, 3), 0, 1)], "swapaxes": [Call(x(2, 3), 0, 1)], "swapdims": [Call(x(2, 3), 0, 1)], "t": [Call(x(2, 3)), Call(x(3))],
    "permute": [Call(x(2, 3, 4), (2, 0, 1))], "movedim": [Call(x(2, 3, 4), 0, 2)], "moveaxis": [Call(x(2, 3, 4), 0, 2)], "adjoint": [Call(x(2, 3)), Call(c(2, 3))],
    "squeeze": [Call(x(2, 1, 3)), Call(x(2, 1, 3), 1), Call(x(1, 2, 1), (0, 2))], "unsqueeze": [Call(x(2, 3), 1)], "select": [Call(x(2, 3), 1, -1)], "narrow": [Call(x(4, 3), 0, 1, 2)],
    "split": [Call(x(5, 2), 2), Call(x(5, 2), [1, 4])], "split_with_sizes": [Call(x(5, 2), [2, 3])], "chunk": [Call(x(5, 2), 2)], "tensor_split": [Call(x(5, 2), 3), Call(x(5, 2), (1, 3))], "unbind": [Call(x(2, 3))],
    "hsplit": [Call(x(2, 4), 2)], "vsplit": [Call(x(4, 2), 2)], "dsplit": [Call(x(2, 2, 4), 2)], "diagonal": [Call(x(3, 4), 1)], "as_strided": [Call(x(6), (2, 2), (3, 1), 1)],
    "broadcast_to": [Call(x(3), (2, 3))], "broadcast_tensors": [Call(x(3), x(2, 1))], "atleast_1d": [Call(x())], "atleast_2d": [Call(x(3))], "atleast_3d": [Call(x(2, 3))],
    "real": [Call(c(3))], "imag": [Call(c(3))], "view_as_real": [Call(c(3))], "view_as_complex": [Call(x(3, 2))], "ravel": [Call(x(2, 3))], "detach": [Call(x(3))], "clone": [Call(x(2, 3))],
    "conj": [Call(c(3)), Call(x(3))], "conj_physical": [Call(c(3))], "resolve_conj": [Call(x(3))], "resolve_neg": [Call(x(3))], "unfold_copy": [Call(x(6), 0, 2, 2)],
    # joining and arranging
    "cat": [Call([x(2, 3), x(1, 3)]), Call([x(2, 1), x(2, 3)], 1)], "concat": [Call([x(2, 3), x(1, 3)])], "concatenate": [Call([x(2, 3), x(1, 3)])], "stack": [Call([x(2, 3), x(2, 3)], 1)],
    **{n: [Call([x(2, 3), x(2, 3)])] for n in ("hstack", "vstack", "dstack", "row_stack", "column_stack")}, "block_diag": [Call(x(2, 2), x(1, 3))],
    "flip": [Call(x(2, 3), (0, 1))], "fliplr": [Call(x(2, 3))], "flipud": [Call(x(2, 3))], "roll": [Call(x(2, 3), 1), Call(x(2, 3), (1, 2), (0, 1))], "rot90": [Call(x(2, 3), 1, (0, 1))],
    "tile": [Call(x(2, 3), (2, 1))], "repeat_interleave": [Call(x(2, 3), 2, 1), Call(x(3), i(3, high=3))], "meshgrid": [Call(x(2), x(3), indexing="ij")], "cartesian_prod": [Call(x(2), x(3))], "combinations": [Call(x(4), 2)],
    "tril": [Call(x(3, 4)), Call(x(3, 3), -1)], "triu": [Call(x(3, 4), 1)], "diag": [Call(x(3)), Call(x(3, 4), 1)], "diagflat": [Call(x(3))], "diag_embed": [Call(x(2, 3))], "constant_pad_nd": [Call(x(2, 3), (1, 2), 0.5)],
    # indexing
    "gather": [Call(x(3, 4), 1, i(3, 2, high=4))], "take": [Call(x(3, 4), i(5, high=12))], "take_along_dim": [Call(x(3, 4), i(3, 2, high=4), 1)], "index_select": [Call(x(3, 4), 1, i(3, high=4))],
    "masked_select": [Call(x(2, 3), b(2, 3))], "masked_fill": [Call(x(2, 3), b(3), 0.5), Call(x(2, 3), b(2, 3), x())], "masked_scatter": [Call(x(2, 3), b(2, 3), x(6))],
    "scatter": [Call(x(3, 4), 1, i(3, 1, high=4), x(3, 1)), Call(x(3, 4), 0, i(1, 2, high=3), 0.5)], "scatter_add": [Call(x(3, 4), 1, i(3, 6, high=4), x(3, 6))],
    "scatter_reduce": [Call(x(3, 4), 1, i(3, 6, high=4), x(3, 6), m) for m in ("sum", "prod", "mean", "amax", "amin")],
    "index_add": [Call(x(3, 4), 1, i(5, high=4), x(3, 5), alpha=2)], "index_copy": [Call(x(3, 4), 1, np.array([2, 0]), x(3, 2))], "index_fill": [Call(x(3, 4), 1, np.array([2, 0]), 0.5)],
    "index_put": [Call(x(3, 4), (i(2, high=3), np.array([0, 3])), x(2)), Call(x(3, 4), (i(5, high=3),), x(4), accumulate=True)], "index_reduce": [Call(x(3, 4), 1, i(5, high=4), x(3, 5), "prod")],
    "put": [Call(x(3, 4), np.array([1, 7]), x(2)), Call(x(3, 4), np.array([1, 1]), x(2), True)], "select_scatter": [Call(x(3, 4), x(3), 1, 2)], "slice_scatter": [Call(x(3, 4), x(3, 2), 1, 1, 3)],
    "diagonal_scatter": [Call(x(3, 4), x(3))], "as_strided_scatter": [Call(x(6), x(2, 2), (2, 2), (3, 1), 1)], "nonzero": [Call(x(2, 3))], "argwhere": [Call(b(2, 3))], "unravel_index": [Call(i(3, high=6), (2, 3))],
    # sorting and counting
    "sort": [Call(x(3, 4)), Call(x(3, 4), 0, True)], "argsort": [Call(x(3, 4))], "msort": [Call(x(3, 4))], "topk": [Call(x(3, 4), 2), Call(x(3, 4), 2, 0, False)], "kthvalue": [Call(x(3, 4), 2)], "isin": [Call(i(3), i(2))],
    "unique": [Call(i(6))], "unique_consecutive": [Call(i(6))], "searchsorted": [Call(np.sort(x(5)), x(3))], "bucketize": [Call(x(3), np.sort(x(5)))], "bincount": [Call(i(6))], "histc": [Call(x(9), 4, -2, 2)], "histogram": [Call(x(9), 4)],
    # creation
    **{n: [Call(2, 3), Call((2,))] for n in ("zeros", "ones")}, "full": [Call((2, 3), 1.5)], "arange": [Call(5), Call(1, 9, 2)], "linspace": [Call(0, 1, 5)], "logspace": [Call(0, 1, 5)], "eye": [Call(3), Call(2, 3)], "range": [Call(1, 4)],
    **{n: [Call(x(2, 3))] for n in ("zeros_like", "ones_like")}, "full_like": [Call(x(2, 3), 2)], "tril_indices": [Call(3, 3)], "triu_indices": [Call(3, 3)], "tensor": [Call([1.0, 2.0])], "scalar_tensor": [Call(2.0)],
    "fill": [Call(x(2, 3), 2.0), Call(x(2, 3), x())], "vander": [Call(x(3))],
    "igamma": [Call(fixed(pos(2, 3)), pos(3))], "igammac": [Call(fixed(pos(2, 3)), pos(3))],
    "histogramdd": [Call(x(9, 2), 3), Call(x(9, 2), [2, 3], density=True)],
    **{n: [Call([x(2, 3), x(2)])] for n in ("_foreach_abs", "_foreach_sin", "_foreach_neg", "_foreach_norm", "_foreach_max", "_foreach_clone")},
    **{f"_foreach_{n}": [Call([pos(2, 3), pos(2)], [pos(2, 3), pos(2)]), Call([pos(2, 3), pos(2)], 2.0)] for n in ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "clamp_min", "clamp_max")},
    **{f"_foreach_{n}": [Call([x(2, 3), x(2)], [x(2, 3), x(2)], [pos(2, 3), pos(2)], 0.5)] for n in ("addcmul", "addcdiv")}, "_foreach_lerp": [Call([x(2)], [x(2)], 0.3)],
    # signals
    **{f"{n}_window": [Call(6), Call(6, periodic=False)] for n in ("bartlett", "blackman", "hamming", "hann", "kaiser")},
    "stft": [Call(x(16), 8, 4, window=fixed(pos(8)), return_complex=True)], "istft": [Call(np.fft.rfft(x(5, 8)).T, 8, 4, window=fixed(pos(8)))],
    # statistics
    "frexp": [Call(x(2, 3))],
    "cov": [Call(x(3, 5)), Call(x(3, 5), correction=0)], "corrcoef": [Call(x(3, 5))], "gradient": [Call(x(5)), Call(x(4, 5), spacing=2.0)], "renorm": [Call(x(3, 4), 2, 0, 1.0)], "cross": [Call(x(2, 3), x(2, 3))],
    # networks: torch.
    "softmax": [Call(x(2, 3), 1)], "log_softmax": [Call(x(2, 3), 1)], "relu": [Call(x(2, 3))], "celu": [Call(x(2, 3), 1.5)], "selu": [Call(x(2, 3))], "prelu": [Call(x(2, 3), x(3)), Call(x(2, 3), x(1))], "threshold": [Call(x(2, 3), 0.1, 20)],
    "hardshrink": [Call(x(2, 3))], "relu6": [Call(x(2, 3))], "glu": [Call(x(2, 4), 1)], "embedding": [Call(x(5, 3), i(2, 2))], "cosine_similarity": [Call(x(2, 3), x(2, 3))], "pairwise_distance": [Call(x(2, 3), x(2, 3))],
    "layer_norm": [Call(x(2, 3), (3,), x(3), x(3))], "group_norm": [Call(x(2, 4, 3), 2, x(4), x(4))], "rms_norm": [Call(x(2, 3), (3,), x(3))],
    "batch_norm": [Call(x(4, 3), x(3), x(3), None, None, True, 0.1, 1e-5, True)], "instance_norm": [Call(x(2, 3, 4), x(3), x(3), None, None, True, 0.1, 1e-5, True)],
    **{f"conv{n}d": [Call(x(2, 2, *(5,) * n), x(3, 2, *(2,) * n), x(3), 2, 1)] for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": [Call(x(2, 2, *(3,) * n), x(2, 3, *(2,) * n), x(3), 2)] for n in (1, 2, 3)},
    "conv_tbc": [Call(x(4, 2, 3), x(2, 3, 2), x(2))], "max_pool1d": [Call(x(1, 2, 6), 2)], "max_pool2d": [Call(x(1, 2, 4, 4), 2)], "max_pool3d": [Call(x(1, 1, 4, 4, 4), 2)], "avg_pool1d": [Call(x(1, 2, 6), 2)],
    "adaptive_avg_pool1d": [Call(x(1, 2, 5), 2)], "max_pool1d_with_indices": [Call(x(1, 2, 6), 2)], "adaptive_max_pool1d": [Call(x(1, 2, 5), 2)],
    "pixel_shuffle": [Call(x(1, 4, 2, 2), 2)], "pixel_unshuffle": [Call(x(1, 1, 4, 4), 2)], "channel_shuffle": [Call(x(1, 4, 2, 2), 2)], "native_channel_shuffle": [Call(x(1, 4, 2, 2), 2)],
    "grid_sampler": [Call(x(1, 2, 4, 4), unit(1, 3, 3, 2), 0, 0, False)], "grid_sampler_2d": [Call(x(1, 2, 4, 4), unit(1, 3, 3, 2), 0, 0, False)], "grid_sampler_3d": [Call(x(1, 1, 3, 3, 3), unit(1, 2, 2, 2, 3), 0, 0, False)],
    "affine_grid_generator": [Call(x(1, 2, 3), (1, 1, 3, 3), False)],
    "ctc_loss": [Call(x(5, 2, 4) - 3, i(2, 2, low=1, high=4), np.array([5, 5]), np.array([2, 2]))],
    "gru": [Call(x(3, 2, 4), x(1, 2, 3), [x(9, 4), x(9, 3), x(9), x(9)], True, 1, 0.0, True, False, False)],
    "gru_cell": [Call(x(2, 3), x(2, 2), x(6, 3), x(6, 2))], "rnn_relu_cell": [Call(x(2, 3), x(2, 2), x(2, 3), x(2, 2))], "rnn_tanh_cell": [Call(x(2, 3), x(2, 2), x(2, 3), x(2, 2))], "lstm_cell": [Call(x(2, 3), (x(2, 2), x(2, 2)), x(8, 3), x(8, 2))],
    # views that are copied, and parts that may be written to
    "alias_copy": [Call(x(2, 3))], "detach_copy": [Call(x(2, 3))], "t_copy": [Call(x(2, 3)), Call(x(3))], "transpose_copy": [Call(x(2, 3), 0, 1)], "permute_copy": [Call(x(2, 3, 4), (2, 0, 1))],
    "as_strided_copy": [Call(x(6), (2, 2), (3, 1), 1)], "diagonal_copy": [Call(x(3, 4)), Call(x(2, 3, 4), 1, 0, 2)], "expand_copy": [Call(x(3), (2, 3))], "view_copy": [Call(x(2, 3), (3, 2))],
    "narrow_copy": [Call(x(4, 3), 0, 1, 2)], "select_copy": [Call(x(2, 3), 1, -1)], "slice_copy": [Call(x(2, 6), 1, 1, None, 2), Call(x(4, 3), -2, -3, -1)], "slice_inverse": [Call(x(2, 3), x(2, 3)), Call(x(6), x(2), 0, 1, 3)],
    "squeeze_copy": [Call(x(2, 1, 3)), Call(x(2, 1, 3), 1)], "unsqueeze_copy": [Call(x(2, 3), 1)], "view_as_complex_copy": [Call(x(3, 2))], "view_as_real_copy": [Call(c(3))],
    **{n: [Call(x(5, 2), 2), Call(x(2, 5), 3, 1)] for n in ("split_copy", "unsafe_split", "unsafe_chunk")}, **{n: [Call(x(5, 2), [2, 3])] for n in ("split_with_sizes_copy", "unsafe_split_with_sizes")}, "unbind_copy": [Call(x(2, 3)), Call(x(2, 3), 1)],
    # norms under their names of old, segments, and what is found in tensors
    "frobenius_norm": [Call(x(2, 3), (0, 1)), Call(x(2, 3), 1, True)], "nuclear_norm": [Call(x(3, 2)), Call(x(2, 3, 2), (0, 2), True)], "norm_except_dim": [Call(x(2, 3)), Call(x(2, 3, 2), 1, 1), Call(x(2, 3), 2, -1)],
    "segment_reduce": [*[Call(x(5, 2), m, lengths=np.array([2, 3])) for m in ("sum", "mean", "prod", "max", "min")], Call(x(2, 4), "sum", lengths=np.array([[1, 3], [2, 2]]), axis=1), Call(x(5), "mean", offsets=np.array([0, 2, 2, 5]), initial=0.5)],
    "lobpcg": [Call(spd(4), 1), Call(spd(6), 2, spd(6), largest=False)], "hash_tensor": [Call(x(2, 3)), Call(i(2, 3), 1, keepdim=True)], "nonzero_static": [Call(b(2, 3), size=4), Call(i(2, 3, high=2), size=2, fill_value=7)],
    "dequantize": [Call(fixed(x(2, 3)))], "get_device": [Call(x(2, 3))], "is_distributed": [Call(x(2, 3))], "_shape_as_tensor": [Call(x(2, 3)), Call(x())],
}

NETWORK: dict[str, list[Call]] = {
    **{n: [Call(x(3, 4))] for n in ("gelu", "elu", "silu", "mish", "softplus", "hardtanh", "leaky_relu", "hardsigmoid", "hardswish", "softshrink", "logsigmoid", "softsign", "tanhshrink", "tanh", "sigmoid", "sigmoid", "relu", "celu", "selu", "relu6", "hardshrink")},
    **{n: [Call(x(2, 3), 1)] for n in ("softmax", "softmin", "log_softmax")}, "threshold": [Call(x(2, 3), 0.1, 20)], "glu": [Call(x(2, 4))], "normalize": [Call(x(2, 3))], "linear": [Call(x(2, 3), x(4, 3), x(4)), Call(x(3), x(4, 3)), Call(x(2, 2, 3), x(4, 3), x(4))],
    "layer_norm": [Call(x(2, 3), (3,), x(3), x(3))], "rms_norm": [Call(x(2, 3), (3,), x(3))], "group_norm": [Call(x(2, 4, 3), 2, x(4), x(4))], "batch_norm": [Call(x(4, 3), None, None, x(3), x(3), training=True)], "instance_norm": [Call(x(2, 3, 4))], "local_response_norm": [Call(x(2, 4, 3), 2)],
    "avg_pool1d": [Call(x(1, 2, 6), 2)], "avg_pool2d": [Call(x(1, 2, 5, 5), 3, 2, 1)], "avg_pool3d": [Call(x(1, 1, 4, 4, 4), 2)], "max_pool1d": [Call(x(1, 2, 6), 2)], "max_pool2d": [Call(x(1, 2, 5, 5), 3, 2, 1)], "max_pool3d": [Call(x(1, 1, 4, 4, 4), 2)],
    **{f"max_pool{n}d_with_indices": [Call(x(1, 1, *(4,) * n), 2)] for n in (1, 2, 3)}, **{f"adaptive_avg_pool{n}d": [Call(x(1, 1, *(5,) * n), 2)] for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": [Call(x(1, 1, *(5,) * n), 2)] for n in (1, 2, 3)}, **{f"adaptive_max_pool{n}d_with_indices": [Call(x(1, 1, *(5,) * n), 2)] for n in (1, 2, 3)},
    "max_unpool1d": [Call(x(1, 1, 2), np.array([[[0, 3]]]), 2)], "max_unpool2d": [Call(x(1, 1, 1, 2), np.array([[[[0, 6]]]]), 2)], "max_unpool3d": [Call(x(1, 1, 1, 1, 2), np.array([[[[[0, 6]]]]]), 2)],
    **{f"lp_pool{n}d": [Call(pos(1, 1, *(4,) * n), 2, 2)] for n in (1, 2, 3)},
    "fractional_max_pool2d": [Call(x(1, 2, 5, 5), 2, output_size=3, _random_samples=unit(1, 2, 2))], "fractional_max_pool3d": [Call(x(1, 1, 5, 5, 5), 2, output_size=3, _random_samples=unit(1, 1, 3))],
    "fractional_max_pool2d_with_indices": [Call(x(1, 2, 5, 5), 2, output_size=3, _random_samples=unit(1, 2, 2))], "fractional_max_pool3d_with_indices": [Call(x(1, 1, 5, 5, 5), 2, output_size=3, _random_samples=unit(1, 1, 3))],
    "pad": [Call(x(1, 2, 4), (1, 2)), *[Call(x(1, 2, 4), (1, 2), m) for m in ("reflect", "replicate", "circular")]], "unfold": [Call(x(1, 2, 4, 4), 2)], "fold": [Call(x(1, 4, 9), (4, 4), 2)],
    "interpolate": [*[Call(x(1, 2, *(3,) * n), size=(4,) * n, mode=m) for n, m in ((1, "nearest"), (2, "nearest"), (3, "nearest"), (1, "nearest-exact"), (2, "nearest-exact"), (3, "nearest-exact"), (1, "linear"), (2, "bilinear"), (3, "trilinear"), (2, "bicubic"))],
                    *[Call(x(1, 2, 5, 5), size=(3, 4), mode=m, antialias=True) for m in ("bilinear", "bicubic")], Call(x(1, 1, 4, 4), scale_factor=0.5, mode="area")],
    "upsample_nearest": [Call(x(1, 1, 2, 2), 4)], "upsample_bilinear": [Call(x(1, 1, 2, 2), 4)], "upsample": [Call(x(1, 1, 2, 2), 4)],
    "grid_sample": [Call(x(1, 2, 4, 4), unit(1, 3, 3, 2) * 1.2 - 0.6, m, p, a) for m, p, a in (("bilinear", "zeros", False), ("bilinear", "border", True), ("bicubic", "reflection", False), ("nearest", "zeros", False))], "affine_grid": [Call(x(1, 2, 3), (1, 1, 3, 3), False), Call(x(1, 3, 4), (1, 1, 2, 2, 2), True)],
    **{n: [Call(x(2, 3), x(2, 3))] for n in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "pairwise_distance", "cosine_similarity")}, "kl_div": [Call(x(2, 3), pos(2, 3))],
    "binary_cross_entropy": [Call(unit(2, 3), unit(2, 3)), Call(unit(2, 3), unit(2, 3), fixed(pos(3)))], "binary_cross_entropy_with_logits": [Call(x(2, 3), unit(2, 3)), Call(x(2, 3), unit(2, 3), fixed(pos(3)), pos_weight=fixed(pos(3)))], "gaussian_nll_loss": [Call(x(2, 3), x(2, 3), pos(2, 3))],
    "cross_entropy": [Call(x(4, 5), i(4)), Call(x(2, 5, 3), i(2, 3), label_smoothing=0.1), Call(x(4, 5), unit(4, 5)), Call(x(4, 5), i(4), fixed(pos(5)), reduction="sum")], "nll_loss": [Call(x(4, 5), i(4)), Call(x(2, 5, 3, 2), i(2, 3, 2), fixed(pos(5)))],
    "soft_margin_loss": [Call(x(3), fixed(np.sign(x(3))))], "hinge_embedding_loss": [Call(x(3), fixed(np.sign(x(3))))], "margin_ranking_loss": [Call(x(3), x(3), fixed(np.sign(x(3))))], "multi_margin_loss": [Call(x(2, 3), i(2, high=3))], "multilabel_margin_loss": [Call(x(1, 3), np.array([[1, -1, 0]]))],
    "multilabel_soft_margin_loss": [Call(x(2, 3), unit(2, 3))], "cosine_embedding_loss": [Call(x(2, 3), x(2, 3), np.array([1, -1]))], "triplet_margin_loss": [Call(x(2, 3), x(2, 3), x(2, 3))], "triplet_margin_with_distance_loss": [Call(x(2, 3), x(2, 3), x(2, 3))],
    "ctc_loss": [Call(x(5, 2, 4) - 3, i(2, 2, low=1, high=4), np.array([5, 5]), np.array([2, 2]))], "linear_cross_entropy": [Call(x(4, 3), x(5, 3), i(4))],
    "embedding": [Call(i(2, 2), x(5, 3))], "embedding_bag": [Call(i(2, 3), x(5, 3)), Call(i(2, 3), x(5, 3), mode="sum"), Call(i(2, 3), x(5, 3), mode="max")], "one_hot": [Call(i(4), 6)], "bilinear": [Call(x(2, 3), x(2, 4), x(2, 3, 4), x(2))], "prelu": [Call(x(2, 3), x(1))],
    **{f"conv{n}d": [Call(x(2, 2, *(5,) * n), x(2, 1, *(2,) * n), None, groups=2, dilation=2)] for n in (1, 2, 3)}, **{f"conv_transpose{n}d": [Call(x(1, 2, *(3,) * n), x(2, 1, *(2,) * n), groups=2, padding=1)] for n in (1, 2, 3)},
    "conv_tbc": [Call(x(4, 2, 3), x(2, 3, 2), x(2))], "pixel_shuffle": [Call(x(1, 4, 2, 2), 2)], "pixel_unshuffle": [Call(x(1, 1, 4, 4), 2)], "channel_shuffle": [Call(x(1, 4, 2, 2), 2)], "native_channel_shuffle": [Call(x(1, 4, 2, 2), 2)], "pdist": [Call(x(4, 3))],
    "scaled_dot_product_attention": [Call(x(1, 2, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4)), Call(x(1, 2, 3, 4), x(1, 2, 3, 4), x(1, 2, 3, 4), is_causal=True), Call(x(1, 2, 3, 4), x(1, 2, 3, 4), x(1, 2, 3, 4), x(3, 3))],
}

# Methods and properties that no function of torch has.
METHODS: dict[str, list[Call]] = {
    "view": [Call(x(2, 3), 3, 2), Call(x(2, 3), -1)], "expand": [Call(x(3), 2, 3)], "unfold": [Call(x(6), 0, 3, 2)], "repeat": [Call(x(2, 3), 2, 1)], "expand_as": [Call(x(3), x(2, 3))], "view_as": [Call(x(6), x(2, 3))], "reshape_as": [Call(x(6), x(2, 3))],
    "to": [Call(x(3), "cpu")], "__getitem__": [Call(x(3, 4), 1), Call(x(3, 4), (slice(None), slice(0, 4, 2))), Call(x(3, 4), (Ellipsis, None, 2)), Call(x(3, 4), (i(2, high=3),)), Call(x(3, 4), (b(3, 4),))], "type_as": [Call(x(3), x(2))], "sum_to_size": [Call(x(2, 3), 1, 3)],
    "contiguous": [Call(x(3))],
}
# fmt: on

# Public functions that are tested where their reason says.
_RANDOM = "random numbers: tests/runtime/test_random.py and the conformance of streams"
_QUERY = "says something about a tensor or sets a state: tests/test_amp.py, tests/ops/test_properties.py or the conformance"
_CHECKS = "checks a condition"
_RARE = "tests/ops/test_rare.py"
_PRECISION = "a state: tests of autocast"
_MEMORY = "memory without defined contents"
ELSEWHERE: dict[str, str] = {
    "_assert": _CHECKS, "_check": _CHECKS,
    **dict.fromkeys("_assert_async _check_tensor_all _check_tensor_all_with _check_with sym_constrain_range sym_constrain_range_for_size".split(), f"{_CHECKS}: {_RARE}"),
    **dict.fromkeys("sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum".split(), f"numbers, not tensors: {_RARE}"),
    **dict.fromkeys("cond while_loop".split(), f"functions are what it is called with: {_RARE}"),
    **dict.fromkeys("eig lstsq matrix_rank solve symeig".split(), f"only raises, as PyTorch's: {_RARE}"),
    **dict.fromkeys("int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point".split(), f"for quantized tensors, raises for all others: {_RARE}"),
    **dict.fromkeys(
        "batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats native_norm".split(),
        f"for other devices, raises on the CPU: {_RARE}"),
    **dict.fromkeys("classproperty get_file_path init_num_threads set_anomaly_enabled".split(), f"no tensors go in or out: {_RARE}"),
    **{f"_foreach_{n}": "the operator of that name on each tensor" for n in
       "acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 reciprocal round rsqrt sigmoid sign sinh sqrt tan tanh trunc".split()},
    **dict.fromkeys(
        "pca_lowrank svd_lowrank _sample_dirichlet _standard_gamma alpha_dropout bernoulli binomial dropout feature_alpha_dropout feature_dropout get_rng_state initial_seed manual_seed "
        "multinomial normal poisson rand rand_like randint randint_like randn randn_like randperm rrelu seed set_rng_state".split(), _RANDOM),
    **dict.fromkeys(
        "broadcast_shapes is_complex is_conj is_floating_point is_inference is_neg is_nonzero is_same_size is_signed is_storage is_tensor numel result_type typename "
        "are_deterministic_algorithms_enabled compiled_with_cxx11_abi get_deterministic_debug_mode get_float32_matmul_precision "
        "is_deterministic_algorithms_warn_only_enabled is_warn_always_enabled set_deterministic_debug_mode set_float32_matmul_precision "
        "set_flush_denormal set_warn_always use_deterministic_algorithms".split(), _QUERY),
    **dict.fromkeys("empty empty_like empty_permuted empty_strided".split(), _MEMORY),
    **dict.fromkeys("as_tensor asarray from_file from_numpy frombuffer from_dlpack to_dlpack".split(), "memory shared with others: tests/ops/test_interop.py"),
    **dict.fromkeys("lstm rnn_relu rnn_tanh".split(), "layers: tests/nn"),
    **dict.fromkeys("nn.functional.dropout nn.functional.dropout1d nn.functional.dropout2d nn.functional.dropout3d nn.functional.alpha_dropout nn.functional.feature_alpha_dropout nn.functional.rrelu nn.functional.gumbel_softmax".split(), _RANDOM),
    **dict.fromkeys(
        "autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype "
        "is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled "
        "set_autocast_dtype set_autocast_enabled set_autocast_gpu_dtype".split(), _PRECISION),
    "nn.functional.multi_head_attention_forward": "tests/nn",
    "convolution": "every conv1d, conv2d and conv3d goes through it",
}  # fmt: skip
