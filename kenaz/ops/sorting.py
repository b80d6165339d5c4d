"""Order: sort, top-k, medians, unique values, searching, histograms."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.spec import Spec
from .declare import compiled, numpy_names, opaque, rename_node, unsupported
from .record import NUMBERS, composite, method, public, write_out
from .reduction import _squeezed, return_type
from .views import contiguous


@opaque(
    lambda x, dim, descending: (x.size, dtypes.int64), name="argsort_along", native=compiled("lines", "order"),
)  # fmt: skip
def _order(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    return _in_order(xp, x, dim, descending)


def _in_order(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    """The indices of the elements along an axis, in order."""
    if not x.ndim:
        return xp.zeros((), "int64")
    if not descending:
        return xp.argsort(x, dim, kind="stable")
    # from the back, so that equal elements keep their order and nan comes first
    flipped = xp.flip(x, dim)
    return xp.flip(x.shape[dim] - 1 - xp.argsort(flipped, dim, kind="stable"), dim)


@opaque(
    lambda x, dim, k, largest: ((*x.size[:dim], k, *x.size[dim + 1 :]), dtypes.int64), name="topk_index",
    native=compiled("lines", "first"),
)  # fmt: skip
def _best(xp: Any, x: Any, dim: int, k: int, largest: bool) -> Any:
    """The indices of the first k elements in the order of an axis."""
    return xp.take(_in_order(xp, x, dim, largest), xp.arange(k), dim)


@composite()
def sort(input: Tensor, dim: Any = -1, descending: bool = False, stable: bool = False, *, out: Any = None) -> Any:
    """(values, indices) in ascending order along an axis; equal elements keep their order."""
    if isinstance(dim, bool):
        dim, descending = -1, dim
    d = shapes.axis(dim, input.ndim)
    index = _order(input, dim=d, descending=bool(descending))
    values = rename_node(input.gather(d, index), "SortBackward0")
    result = return_type("sort", ("values", "indices"), (values, index))
    return result if out is None else write_out(result, out, "sort")


@composite()
def argsort(input: Tensor, dim: Any = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort an axis."""
    if isinstance(dim, bool):
        dim, descending = -1, dim
    return _order(input, dim=shapes.axis(dim, input.ndim), descending=bool(descending))


@composite("torch")
def msort(input: Tensor, *, out: Any = None) -> Tensor:
    """Sorted along the first axis."""
    result = sort(input, 0)[0]
    return result if out is None else write_out(result, out, "msort")


method("msort", msort)


@composite()
def topk(input: Tensor, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Any = None) -> Any:
    """(values, indices) of the k largest (or smallest) elements along an axis, in order."""
    d = shapes.axis(dim, input.ndim)
    k = int(k)
    n = input.shape[d] if input.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError("selected index k out of range")
    if input.ndim:
        index = _best(contiguous(input), dim=d, k=k, largest=bool(largest))
    else:
        index = _order(input, dim=d, descending=bool(largest))
    values = rename_node(input.gather(d, index), "TopkBackward0")
    result = return_type("topk", ("values", "indices"), (values, index))
    return result if out is None else write_out(result, out, "topk")


def _ranked(name: str, position: Any, grad_name: str) -> Any:
    """An element by its rank along an axis, with its index."""

    def pick(input: Tensor, dim: int, keepdim: bool, *args: Any) -> Any:
        d = shapes.axis(dim, input.ndim)
        index = position(input, d, *args)
        values = rename_node(input.gather(d, index), grad_name)
        if not keepdim and input.ndim:
            values, index = _squeezed(values, d), index.squeeze(d)
        return return_type(name, ("values", "indices"), (values, index))

    return pick


def _at(input: Tensor, d: int, k: int) -> Tensor:
    index = _order(input, dim=d, descending=False)
    return index.narrow(d, k, 1) if input.ndim else index


_kth = _ranked("kthvalue", lambda x, d, k: _at(x, d, k - 1), "KthvalueBackward0")


@composite()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """(value, index) of the k-th smallest element along an axis."""
    n = input.shape[shapes.axis(dim, input.ndim)] if input.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {shapes.axis(dim, input.ndim)}")
    result = _kth(input, dim, keepdim, k)
    return result if out is None else write_out(result, out, "kthvalue")


@opaque(lambda x, dim, skip: (x.size[:dim] + (1,) + x.size[dim + 1 :] if x.ndim else (), dtypes.int64), name="median_index")
def _median_index(xp: Any, x: Any, dim: int, skip: bool) -> Any:
    """The place of the lower median; a nan is the median of all that contain one (or skipped)."""
    if not x.ndim:
        return xp.zeros((), "int64")
    order = xp.argsort(x, dim, kind="stable")
    nans = (x != x).sum(dim, keepdims=True)
    n = x.shape[dim]
    k = xp.maximum(n - nans - 1, 0) // 2 if skip else xp.where(nans > 0, n - nans, (n - 1) // 2)
    return xp.take_along_axis(order, k, dim)


def _median(name: str, skip: bool) -> Any:
    along = _ranked(name, lambda x, d: _median_index(x, dim=d, skip=skip), "MedianBackward1" if not skip else "NanmedianBackward1")

    def function(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
        if dim is None:
            if not input.numel():
                return input.new_full((), float("nan"))
            flat = input.reshape(-1)
            index = _median_index(flat, dim=0, skip=skip)
            result = rename_node(flat.gather(0, index).squeeze(0), f"{name.capitalize()}Backward0")
            return result if out is None else write_out(result, out, name)
        result = along(input, dim, keepdim)
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


median, nanmedian = _median("median", False), _median("nanmedian", True)


@opaque(lambda x, dim: (x.size[:dim] + (1,) + x.size[dim + 1 :] if x.ndim else (), dtypes.int64), name="mode_index")
def _mode_index(xp: Any, x: Any, dim: int) -> Any:
    """The last place of the most frequent value, the smallest of those that are equally frequent."""
    if not x.ndim:
        return xp.zeros((), "int64")
    rows = xp.moveaxis(x, dim, -1)
    found = xp.empty(rows.shape[:-1], "int64")
    for i in xp.ndindex(found.shape):
        values, counts = xp.unique(rows[i], return_counts=True)
        found[i] = xp.flatnonzero(rows[i] == values[counts.argmax()])[-1]
    return xp.expand_dims(found, dim)


_mode = _ranked("mode", lambda x, d: _mode_index(x, dim=d), "ModeBackward0")


@composite()
def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """(value, index) of the most frequent element along an axis."""
    result = _mode(input, dim, keepdim)
    return result if out is None else write_out(result, out, "mode")


# ----------------------------------------------------------------------------------------------------------- unique values
def _wrapped(values: Any) -> Tensor:
    return Tensor._from_array(np.ascontiguousarray(values))


def _scalar(values: Any) -> Tensor:
    return _wrapped(values).reshape(())


def _answer(parts: list, wanted: tuple) -> Any:
    found = [p for p, w in zip(parts, (True, *wanted), strict=True) if w]
    return found[0] if len(found) == 1 else tuple(found)


@composite()
def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The different elements (or slices along `dim`), sorted; and where each came from, and how often."""
    a = input._array()
    d = None if dim is None else shapes.axis(dim, input.ndim)
    values, inverse, counts = np.unique(a, return_inverse=True, return_counts=True, axis=d, equal_nan=False)
    inverse = inverse.reshape(a.shape if d is None else -1).astype(np.int64)
    return _answer([_wrapped(values), _wrapped(inverse) if a.ndim else _scalar(inverse), _wrapped(counts.astype(np.int64))], (return_inverse, return_counts))


@composite()
def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """Runs of equal elements (or slices along `dim`), each as one."""
    a = input._array()
    rows = a.reshape(-1) if dim is None else np.moveaxis(a, dim, 0)
    n = len(rows)
    fresh = np.ones(n, bool)
    if n > 1:
        fresh[1:] = (rows[1:] != rows[:-1]).reshape(n - 1, -1).any(1)
    starts = np.flatnonzero(fresh)
    values = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
    inverse = (np.cumsum(fresh) - 1).astype(np.int64).reshape(a.shape if dim is None else -1)
    counts = np.diff(np.append(starts, n)).astype(np.int64)
    return _answer([_wrapped(values), _wrapped(inverse) if a.ndim else _scalar(inverse), _wrapped(counts)], (return_inverse, return_counts))


# -------------------------------------------------------------------------------------------------------------- searching
def _search_rule(sequence: Spec, values: Any, right: bool, int32: bool) -> tuple:
    size = values.size if type(values) is Spec else ()
    return size, dtypes.int32 if int32 else dtypes.int64


@opaque(_search_rule, name="searchsorted_along")
def _search(xp: Any, sequence: Any, values: Any, right: bool, int32: bool) -> Any:
    side = "right" if right else "left"
    if sequence.ndim == 1:
        return xp.searchsorted(sequence, values, side)
    if not values.size:
        return xp.zeros(values.shape, "int64")
    rows, wanted = sequence.reshape(-1, sequence.shape[-1]), values.reshape(-1, values.shape[-1])
    found = [xp.searchsorted(r, w, side) for r, w in zip(rows, wanted, strict=True)]
    return xp.stack(found).reshape(values.shape)


@composite("torch")
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Tensor | None = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """Where each value would have to be inserted to keep the last axis sorted."""
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True")
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    if isinstance(input, Tensor) and sorted_sequence.ndim != 1 and sorted_sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(sorted_sequence.shape)} and input value tensor "
            f"{list(input.shape)}"
        )
    result = _search(sorted_sequence, input, right=bool(right or side == "right"), int32=bool(out_int32))
    return result if out is None else write_out(result, out, "searchsorted")


@composite("torch")
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Tensor:
    """The bucket between sorted boundaries that each value falls into."""
    if not isinstance(input, Tensor | np.number) and type(input) not in NUMBERS:
        raise TypeError(f"bucketize(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@composite("torch")
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None) -> Tensor:
    """Whether each element is one of `test_elements`."""
    for position, (word, value) in enumerate((("elements", elements), ("test_elements", test_elements)), 1):
        if not isinstance(value, Tensor) and type(value) not in NUMBERS:
            raise TypeError(f"isin(): argument '{word}' (position {position}) must be Tensor, not {type(value).__name__}")
    arrays = [t._array() if isinstance(t, Tensor) else np.asarray(t) for t in (elements, test_elements)]
    result = _wrapped(np.isin(*arrays, invert=invert))
    return result if out is None else write_out(result, out, "isin")


# -------------------------------------------------------------------------------------------------------------- counting
@composite()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often (or with which total weight) each integer from 0 on occurs."""
    if input.ndim != 1 or input.dtype.kind != 1:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    a = input._array()
    if a.size and a.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return _wrapped(np.bincount(a.astype(np.int64), minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    kind = np.float32 if weights.dtype is dtypes.float32 else np.float64
    return _wrapped(np.bincount(a.astype(np.int64), weights._array(), minlength).astype(kind))


@composite()
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Any = None) -> Tensor:
    """How many elements fall into each of `bins` equal parts of [min, max] (of all values where both are 0)."""
    a = input._array().reshape(-1)
    low, high = (float(a.min()), float(a.max())) if min == max == 0 and a.size else (float(min), float(max))
    if low == high:
        low, high = low - 1, high + 1
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    counts, _ = np.histogram(a, bins, (low, high))
    result = _wrapped(counts.astype(input.dtype.np))
    return result if out is None else write_out(result, out, "histc")


@composite()
def histogram(input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False, out: Any = None) -> Any:
    """(counts, edges) of a histogram."""
    edges = bins._array() if isinstance(bins, Tensor) else bins
    w = None if weight is None else weight._array().reshape(-1)
    hist, edges = np.histogram(input._array().reshape(-1), edges, range, density, w)
    return return_type("histogram", ("hist", "bin_edges"), [_wrapped(v.astype(input.dtype.np)) for v in (hist, edges)])


@composite("torch")
def histogramdd(input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False) -> Any:
    """(counts, edges of each axis) of a histogram of points, whose coordinates lie along the last axis."""
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    n = input.shape[-1]
    if not isinstance(bins, int) and len(bins) != n:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise unsupported("histogramdd", input.dtype)
    points = input._array().reshape(-1, n)
    edges = bins if isinstance(bins, int) else [b._array() if isinstance(b, Tensor) else b for b in bins]
    weights = None if weight is None else weight._array().reshape(-1)
    if not isinstance(bins, int) and isinstance(bins[0], Tensor):
        return _between_edges(points, edges, weights, density)
    limits = None if range is None else [(range[2 * i], range[2 * i + 1]) for i in builtins.range(n)]
    hist, edges = np.histogramdd(points.astype(np.float64), edges, limits, density, weights)
    found = [_wrapped(v.astype(input.dtype.np)) for v in (hist, *edges)]
    return return_type("histogramdd", ("hist", "bin_edges"), (found[0], tuple(found[1:])))


def _between_edges(points: np.ndarray, edges: list, weights: Any, density: bool) -> Any:
    """The histogram between given edges, which nobody checks to be in order: a binary search finds the place anyway."""
    inside, places = np.ones(len(points), bool), []
    for x, edge in zip(points.T, edges, strict=True):
        inside &= (x >= edge[0]) & (x <= edge[-1])
        places.append(np.minimum(_upper_bound(edge, x) - 1, len(edge) - 2))
    hist = np.zeros([len(edge) - 1 for edge in edges], points.dtype)
    where = tuple(place[inside] for place in places)
    np.add.at(hist, where, 1 if weights is None else weights[inside])
    if density:
        hist = hist / hist.sum()
        for d, edge in enumerate(edges):
            hist /= np.diff(edge).reshape([-1 if i == d else 1 for i in builtins.range(len(edges))])
    return return_type("histogramdd", ("hist", "bin_edges"), (_wrapped(hist), tuple(_wrapped(e.copy()) for e in edges)))


def _upper_bound(edge: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Where a binary search for the first edge above x ends, for each x."""
    first, length = np.zeros(len(x), np.int64), np.full(len(x), len(edge))
    while (length > 0).any():
        half = length >> 1
        middle = np.minimum(first + half, len(edge) - 1)
        right = (length > 0) & ~(x < edge[middle])
        first, length = np.where(right, middle + 1, first), np.where(right, length - half - 1, half)
    return first


# ------------------------------------------------------------------------------------------------------------- quantiles
_BETWEEN = {
    "linear": lambda low, high, w: low + (high - low) * w, "lower": lambda low, high, w: low, "higher": lambda low, high, w: high,
    "midpoint": lambda low, high, w: low + (high - low) * 0.5,
}  # fmt: skip


def _quantile(name: str, skip: bool) -> Any:
    def function(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None) -> Tensor:
        if input.dtype not in (dtypes.float32, dtypes.float64):
            raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
        if not input.numel():
            raise RuntimeError(f"{name}() input tensor must be non-empty")
        qs = q if isinstance(q, Tensor) else input.new_tensor(q)
        if qs.dtype is not input.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
            raise RuntimeError(
                f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
            )
        if isinstance(q, (int, float)) and not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        if bool(((qs < 0) | (qs > 1))._array().any()):
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
        x = input.reshape(-1) if dim is None or not input.ndim else input
        d = shapes.axis(0 if dim is None else dim, x.ndim)
        ordered = sort(x, d)[0].movedim(d, -1)
        count = (~ordered.isnan()).sum(-1, True) if skip else None
        rows = [_interpolated(ordered, v, interpolation, count) for v in qs.reshape(-1).unbind(0)]
        from .joining import stack

        found = stack(rows, 0)  # (q, rest of the axes)
        if keepdim:
            found = found.unsqueeze(d + 1) if dim is not None and input.ndim else found.reshape([-1] + [1] * input.ndim)
        result = found if qs.ndim else found.squeeze(0)
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


def _interpolated(ordered: Tensor, q: Tensor, how: str, count: Any) -> Tensor:
    last = (ordered.shape[-1] - 1) if count is None else (count - 1).clamp(min=0)
    rank = q * last if count is None else q * last.to(ordered.dtype)
    if how == "nearest":
        rank = rank.round()
    below = rank.floor()
    w = rank - below.detach()
    size = (*ordered.shape[:-1], 1)
    low = ordered.gather(-1, below.to(dtypes.int64).expand(size)).squeeze(-1)
    high = ordered.gather(-1, rank.ceil().to(dtypes.int64).expand(size)).squeeze(-1)
    found = _BETWEEN.get(how, _BETWEEN["lower"])(low, high, w if not w.ndim else w.squeeze(-1))
    if count is None:
        return found.masked_fill(ordered.isnan().any(-1), float("nan"))
    return found


quantile, nanquantile = _quantile("quantile", False), _quantile("nanquantile", True)
