"""Reductions: operators that fold axes, and scans, which keep what they fold on the way."""

from __future__ import annotations

import builtins
from typing import Any

from .._tensor import Tensor
from ..autograd.modes import state as modes
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import COMPLEX, FLOAT, dtype, scalar_name
from ..core.spec import Spec
from .declare import (
    FLOATING,
    SAME,
    TO_BOOL,
    WIDEN_INTS,
    compiled,
    numpy_names,
    only,
    opaque,
    reduction,
    rename_node,
    unsupported,
)
from .pointwise import complex_logaddexp, conj
from .record import composite, method, public, write_out
from .rowwise import native_kernel


def spread(g: Tensor, x: Spec, dim: tuple, keepdim: bool) -> Tensor:
    """The gradient of a fold, repeated along the axes that were folded."""
    return restored(g, x, dim, keepdim).expand(x.size)


def restored(g: Tensor, x: Any, dim: tuple, keepdim: bool) -> Tensor:
    """A folded tensor with axes of one element where axes were folded."""
    if not keepdim and x.ndim:
        for d in sorted(dim):
            g = g.unsqueeze(d)
    return g


def count(x: Any, dim: tuple) -> int:
    """How many elements are folded into one."""
    n = 1
    for d in dim if x.ndim else ():
        n *= x.shape[d] if isinstance(x, Tensor) else x.size[d]
    return n


def _float_only(d: dtype) -> tuple[dtype, dtype]:
    if d.kind < FLOAT:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            + scalar_name(d)
        )
    return d, d


# ------------------------------------------------------------------------------------------------------------------ sums
sum = reduction(
    "sum", WIDEN_INTS, lambda xp, x, axes, keepdims: xp.sum(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, _x, dim, keepdim: spread(g, _x, dim, keepdim), grad_name="SumBackward1", whole_name="SumBackward0",
)  # fmt: skip
mean = reduction(
    "mean", _float_only, lambda xp, x, axes, keepdims: xp.mean(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, _x, dim, keepdim: spread(g / count(_x, dim), _x, dim, keepdim), grad_name="MeanBackward1", whole_name="MeanBackward0",
)  # fmt: skip
nansum = reduction(
    "nansum", WIDEN_INTS, lambda xp, x, axes, keepdims: xp.nansum(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, x, dim, keepdim: restored(g, x, dim, keepdim) * (x == x),
)  # fmt: skip
_all = reduction("all", TO_BOOL, lambda xp, x, axes, keepdims: xp.all(x, axes, keepdims=keepdims))
_any = reduction("any", TO_BOOL, lambda xp, x, axes, keepdims: xp.any(x, axes, keepdims=keepdims))


def _share(g: Tensor, y: Tensor, x: Tensor, dim: tuple, keepdim: bool) -> Tensor:
    """The gradient of an extreme goes in equal parts to all elements that are equal to it."""
    mask = x == restored(y, x, dim, keepdim)
    return restored(g, x, dim, keepdim) / mask.sum(dim, True) * mask


def _extreme(name: str, body: Any) -> Any:
    kind = only(SAME, f"{name[1:]}_values_cpu", COMPLEX, "wide")
    return reduction(name, kind, body, grad=lambda g, y, x, dim, keepdim: _share(g, y, x, dim, keepdim), empty=False)


amax = _extreme("amax", lambda xp, x, axes, keepdims: xp.max(x, axes, keepdims=keepdims))
amin = _extreme("amin", lambda xp, x, axes, keepdims: xp.min(x, axes, keepdims=keepdims))


def _one_or_all(kernel: Any, name: str) -> Any:
    def function(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Tensor:
        result = kernel(input, dim, keepdim)
        if input.dtype is dtypes.uint8:  # PyTorch keeps uint8 here
            result = result.to(dtypes.uint8)
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


all, any = _one_or_all(_all, "all"), _one_or_all(_any, "any")


# ---------------------------------------------------------------------------------------------------------- with indices
class _Named(tuple):
    """A result of several tensors that also go by name, as `torch.return_types` are."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __new__(cls, *values: Tensor) -> Any:
        return tuple.__new__(cls, values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values)

    def __repr__(self) -> str:
        rows = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{rows})"

    def __reduce__(self) -> tuple:
        return return_type, (type(self).__name__, self._fields, tuple(self))


_types: dict[str, type] = {}


def return_type(name: str, fields: tuple[str, ...], values: Any) -> Any:
    """A named tuple of tensors, of the type `torch.return_types.name`."""
    if name not in _types:
        attributes: dict = {"__slots__": (), "_fields": fields, "__module__": "torch.return_types"}
        for i, f in enumerate(fields):
            attributes[f] = property(lambda self, i=i: tuple.__getitem__(self, i))
        _types[name] = type(name, (_Named,), attributes)
    return _types[name](*values)


def _index_rule(x: Spec, dim: int, keepdim: bool) -> tuple:
    size = tuple(1 if i == dim else s for i, s in enumerate(x.size)) if keepdim else x.size[:dim] + x.size[dim + 1 :]
    return tuple(size), dtypes.int64


@opaque(_index_rule, name="argmax_along")
def _argmax(xp: Any, x: Any, dim: int, keepdim: bool) -> Any:
    return xp.argmax(x, dim, keepdims=keepdim) if x.ndim else xp.zeros((), "int64")


@opaque(_index_rule, name="argmin_along")
def _argmin(xp: Any, x: Any, dim: int, keepdim: bool) -> Any:
    return xp.argmin(x, dim, keepdims=keepdim) if x.ndim else xp.zeros((), "int64")


def _arg(kernel: Any, name: str) -> Any:
    def function(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Tensor:
        if input.dtype.is_complex:
            raise RuntimeError(f"{name}(): does not support complex input")
        if dim is None:
            if not input.numel():
                raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
            result = kernel(input.reshape(-1), dim=0, keepdim=False)
            result = result.reshape([1] * input.ndim) if keepdim else result
        else:
            d = shapes.axis(dim, input.ndim)
            if input.ndim and not input.shape[d]:
                raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
            result = kernel(input, dim=d, keepdim=bool(keepdim))
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


argmax, argmin = _arg(_argmax, "argmax"), _arg(_argmin, "argmin")


def _along(name: str, index_of: Any, fold: Any) -> Any:
    """max and min: of everything, along an axis with indices, or of two tensors."""

    def function(input: Tensor, *args: Any, dim: Any = None, keepdim: bool = False, other: Any = None, out: Any = None) -> Any:
        if args and isinstance(args[0], Tensor):
            other, args = args[0], args[1:]
        if other is not None:
            from . import pointwise

            return getattr(pointwise, name + "imum")(input, other, out=out)
        if args:
            dim, keepdim = args[0], args[1] if len(args) > 1 else keepdim
        if dim is None:
            if not input.numel():
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
                    "'dim' argument."
                )
            if input.dtype.is_complex:
                raise unsupported(f"{name}_all", input.dtype)
            result = rename_node(fold(input), "MaxBackward1" if name == "max" else "MinBackward1")
            return result if out is None else write_out(result, out, name)
        d = shapes.axis(dim, input.ndim)
        if input.ndim and not input.shape[d]:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        if input.dtype.is_complex:
            raise RuntimeError(f"{name}(): does not support complex input")
        index = index_of(input, dim=d, keepdim=True)
        values = rename_node(input.gather(d, index), "MaxBackward0" if name == "max" else "MinBackward0")
        if not keepdim and input.ndim:
            values, index = _squeezed(values, d), index.squeeze(d)
        result = return_type(name, ("values", "indices"), (values, index))
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


def _squeezed(values: Tensor, d: int) -> Tensor:
    name = type(values._grad_fn).__name__ if values._grad_fn is not None else None
    values = values.squeeze(d)
    return rename_node(values, name) if name else values


max, min = _along("max", _argmax, amax), _along("min", _argmin, amin)


@composite()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The smallest and the largest element, of all or along an axis."""
    if not input.numel() and dim is None:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
    return return_type("aminmax", ("min", "max"), [rename_node(f(input, dim, keepdim), "AminmaxBackward0") for f in (amin, amax)])


# ------------------------------------------------------------------------------------------------------ mean and spread
def _correction(unbiased: Any, correction: Any) -> Any:
    if correction is not None:
        return correction
    return 1 if unbiased is None or unbiased else 0


_variance = reduction(
    "var", lambda d: (_checked("var", d), d.to_real()), lambda xp, x, axes, keepdims, correction: _var(xp, x, axes, keepdims, correction),
    torch=False, tensor=False, extra={"correction": 1},
    grad=lambda g, y, x, dim, keepdim, correction: restored(g, x, dim, keepdim)
    * (x - x.mean(dim, True)) * _slope(count(x, dim) - correction),
)  # fmt: skip


def _slope(freedom: Any) -> float:
    """2 / n of the variance's derivative; there is none without degrees of freedom."""
    return 2 / freedom if freedom > 0 else float("nan")


def _checked(name: str, d: dtype) -> dtype:
    if d.kind < FLOAT:
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    return d


def _var(xp: Any, x: Any, axes: tuple, keepdims: bool, correction: Any) -> Any:
    centred = x - x.mean(axes, keepdims=True) if x.ndim else x * 0
    squares = (centred.real**2 + centred.imag**2) if x.dtype.kind == "c" else centred * centred
    n = 1
    for d in axes:
        n *= x.shape[d]
    total = squares.sum(axes, keepdims=keepdims)
    with xp.errstate(all="ignore"):
        return total / xp.asarray(n - correction if n > correction else 0).astype(total.dtype)


def _with_correction(name: str, finish: Any) -> Any:
    def function(
        input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
    ) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        result = finish(input, dim, _correction(unbiased, correction), keepdim)
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


def _std(input: Tensor, dim: Any, correction: Any, keepdim: bool) -> Tensor:
    return rename_node(_variance(input, dim, keepdim, correction=correction).sqrt(), "StdBackward0")


var = _with_correction("var", lambda x, dim, c, keepdim: _variance(x, dim, keepdim, correction=c))
std = _with_correction("std", _std)
var_mean = _with_correction("var_mean", lambda x, dim, c, k: (
    rename_node(_variance(x, dim, k, correction=c), "VarMeanBackward0"), rename_node(mean(x, dim, k), "VarMeanBackward0")))  # fmt: skip
std_mean = _with_correction("std_mean", lambda x, dim, c, k: (
    rename_node(_std(x, dim, c, k), "StdMeanBackward0"), rename_node(mean(x, dim, k), "StdMeanBackward0")))  # fmt: skip
del Tensor.var_mean, Tensor.std_mean  # PyTorch has them as functions only


# ------------------------------------------------------------------------------------------------------ products, powers
def _prod_grad(g: Tensor, y: Tensor, x: Tensor, dim: tuple, keepdim: bool) -> Tensor:
    """y / x where nothing is zero; else the product of the others, from the left and from the right."""
    if len(dim) > 1 or not x.ndim:
        flat = x.reshape(-1)
        return (restored(g, x, dim, keepdim) * _others(flat, 0).reshape(x.shape)) if x.ndim else g
    return restored(g, x, dim, keepdim) * _others(x, dim[0])


def _others(x: Tensor, d: int) -> Tensor:
    n = x.shape[d]
    one = ones_like(x.narrow(d, 0, 1)) if n else x
    from .joining import cat

    if not n:
        return x
    left = cat([one, x.narrow(d, 0, n - 1)], d).cumprod(d)
    right = cat([one, x.flip(d).narrow(d, 0, n - 1)], d).cumprod(d).flip(d)
    return conj(left * right)


def ones_like(x: Tensor) -> Tensor:
    return x.new_ones(x.shape)


prod = reduction(
    "prod", WIDEN_INTS, lambda xp, x, axes, keepdims: xp.prod(x, axes, keepdims=keepdims), has_dtype=True,
    grad=lambda g, y, x, dim, keepdim: _prod_grad(g, y, x, dim, keepdim), grad_name="ProdBackward1", whole_name="ProdBackward0",
)  # fmt: skip


def _logsumexp(xp: Any, x: Any, axes: tuple, keepdims: bool) -> Any:
    top = xp.max(x.real, axes, keepdims=True) if x.size else xp.zeros_like(x.real.sum(axes, keepdims=True))
    top = xp.where(xp.isfinite(top), top, 0)
    total = xp.log(xp.exp(x - top).sum(axes, keepdims=True)) + top
    return total if keepdims else total.reshape(total.sum(axes).shape)


logsumexp = reduction(
    "logsumexp", FLOATING, _logsumexp,
    grad=lambda g, y, x, dim, keepdim: restored(g, x, dim, keepdim) * (x - restored(y, x, dim, keepdim)).exp(),
)  # fmt: skip


@composite()
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Tensor:
    """The p-norm of all elements, or along axes."""
    if input.dtype.kind < FLOAT:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got " + scalar_name(input.dtype)
        )
    if dtype is not None:
        from .norms import typed

        input = typed("linalg.matrix_norm" if p == "nuc" else "linalg.vector_norm", input, dtype)
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
    if p == "nuc":
        from .norms import matrix_norm

        result = matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)
    else:
        result = vector_norm(input, 2.0 if p in ("fro", None) else float(p), dim, keepdim)
    return result if out is None else write_out(result, out, "norm")


def vector_norm(x: Tensor, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Tensor:
    """(sum |x|^p)^(1/p) over axes, with its limits for 0 and infinity."""
    if p == 2.0:
        return _norm2(x, dim, keepdim)
    return _norm_p(x, dim, keepdim, p=p)


_norm2 = reduction(
    "norm2", lambda d: (d, d.to_real()), lambda xp, x, axes, keepdims: xp.sqrt(
        (xp.square(x) if x.dtype.kind != "c" else x.real**2 + x.imag**2).sum(axes, keepdims=keepdims)
    ), torch=False, tensor=False, grad_name="LinalgVectorNormBackward0",
    grad=lambda g, y, x, dim, keepdim: _norm2_grad(restored(g, x, dim, keepdim), restored(y, x, dim, keepdim), x),
)  # fmt: skip


def _norm_body(xp: Any, x: Any, axes: tuple, keepdims: bool, p: float) -> Any:
    a = xp.abs(x)
    if p == 0:
        return (a != 0).sum(axes, keepdims=keepdims).astype(a.dtype)
    if p == float("inf"):
        return xp.max(a, axes, keepdims=keepdims, initial=0)
    if p == float("-inf"):
        return xp.min(a, axes, keepdims=keepdims, initial=float("inf"))
    return a.sum(axes, keepdims=keepdims) if p == 1 else (a**p).sum(axes, keepdims=keepdims) ** (1 / p)


def _norm_p_grad(g: Tensor, y: Tensor, x: Tensor, p: float) -> Tensor:
    """g x/|x| (|x|/y)^(p-1); an extreme's goes in equal parts to the elements that are it."""
    direction = x.sgn()
    if p == 0:
        return x * 0
    if p == 1:
        return direction * g
    a = x.abs()
    if p in (float("inf"), float("-inf")):
        mask = a == y
        return direction * (g / mask.sum() if y.numel() == 1 else g / mask.sum([d for d in range(x.ndim) if y.shape[d] == 1], True)) * mask
    return direction * (g * (a / y) ** (p - 1)).masked_fill((y == 0) | (a == 0), 0)


_norm_p = reduction(
    "norm_p", lambda d: (d, d.to_real()), _norm_body, torch=False, tensor=False, grad_name="LinalgVectorNormBackward0", extra={"p": 2.0},
    grad=lambda g, y, x, dim, keepdim, p: _norm_p_grad(restored(g, x, dim, keepdim), restored(y, x, dim, keepdim), x, p),
)  # fmt: skip


def _norm2_grad(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    return x * (g / y).masked_fill(y == 0, 0)


def _folded_in_code(function: Any, body: Any, cost: int = 1) -> None:
    """Give a reduction compiled code, where it computes in the dtype of its input: a body over rows (`rowwise.py`)."""
    native = native_kernel(function.op.name, body, "element", "row", cost)
    whole = function.op.native  # of whole numbers, if there is such code
    function.op.native = lambda call: (
        native(call) if call.out.dtype is call.specs[0].dtype and call.out.dtype.kind >= FLOAT else whole and whole(call)
    )


def _counted_in_code(*functions: Any) -> None:
    """Give reductions compiled code for whole numbers and truth values."""

    def native(call: Any) -> Any:
        from ..codegen import counts

        return counts.fold(call)

    for function in functions:
        function.op.native = native


def _var_of_rows(xp: Any, x: Any, correction: Any) -> tuple:
    centred = x - xp.mean(x)
    return (xp.sum(centred * centred) / xp.maximum(xp.count - correction, 0.0),)


def _logsumexp_of_rows(xp: Any, x: Any) -> tuple:
    top = xp.peak(x)
    top = xp.where(xp.abs(top) == float("inf"), 0.0, top)
    return (xp.log(xp.sum(xp.exp(x - top))) + top,)


def _first_place(xp: Any, x: Any, best: Any) -> tuple:
    """Where the first element is that is the best of its row, or the first nan; exact as a float up to 2^24."""
    places = xp.cast(xp.position(), x)
    return (xp.min(xp.where((x == best) | (x != x), places, float("inf"))),)


def _native_place(name: str, best: Any) -> Any:
    native = native_kernel(name, lambda xp, x: _first_place(xp, x, best(xp, x)), "element", "row", 2)
    return lambda call: native(call) if call.specs[0].size[call.attributes["dim"]] < 1 << 24 else None


_counted_in_code(sum, amax, amin, _all, _any)
_folded_in_code(sum, lambda xp, x: (xp.sum(x),))  # where no loop over elements takes the sum along
_folded_in_code(mean, lambda xp, x: (xp.mean(x),))
_folded_in_code(amax, lambda xp, x: (xp.max(x),))
_folded_in_code(amin, lambda xp, x: (xp.min(x),))
_folded_in_code(_norm2, lambda xp, x: (xp.sqrt(xp.sum(x * x)),))
_folded_in_code(_variance, _var_of_rows, 2)
_folded_in_code(logsumexp, _logsumexp_of_rows, 8)
_argmax.op.native = _native_place("argmax", lambda xp, x: xp.max(x))
_argmin.op.native = _native_place("argmin", lambda xp, x: xp.min(x))


@composite()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return rename_node(norm(input - other, p), "DistBackward0")


def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the axes along which a tensor of `size` would have to be expanded to this one's size."""
    wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    lead = self.ndim - len(wanted)
    if lead < 0 or builtins.any(w not in (1, s) for w, s in zip(wanted, self.shape[builtins.max(lead, 0) :])):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(self.shape)}}}.")
    dims = [*range(lead), *[i + lead for i, w in enumerate(wanted) if w == 1 != self.shape[i + lead]]]
    return sum(self, dims, True).reshape(wanted) if dims else self


method("sum_to_size", _sum_to_size)


@composite()
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not zero."""
    return sum(input != 0, dim)


@composite()
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Tensor:
    """The mean of the elements that are not nan."""
    result = nansum(input, dim, keepdim, dtype=dtype) / sum(~input.isnan(), dim, keepdim)
    return result if out is None else write_out(result, out, "nanmean")


# ----------------------------------------------------------------------------------------------------------------- scans
def _scan(name: str, body: Any, grad: Any) -> Any:
    @opaque(lambda x, dim, dtype: (x.size, dtype), name=name, grad=grad, native=compiled("lines", "scan", what=name[3:]))
    def kernel(xp: Any, x: Any, dim: int, dtype: dtype) -> Any:
        return body(xp, x.astype(dtype.np) if dtype not in dtypes.HALF else x, dim) if x.ndim else x

    def function(input: Tensor, dim: int, *, dtype: Any = None, out: Any = None) -> Tensor:
        kind = dtype or (dtypes.int64 if input.dtype.kind < FLOAT else input.dtype)
        result = kernel(input, dim=shapes.axis(dim, input.ndim), dtype=kind)
        return result if out is None else write_out(result, out, name)

    def inplace(self: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        from .record import assign

        return assign(self, function(self, dim, dtype=dtype))

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    method(name + "_", inplace)
    return function


def reversed_cumsum(g: Tensor, dim: int) -> Tensor:
    return g.flip(dim).cumsum(dim).flip(dim)


cumsum = _scan("cumsum", lambda xp, x, dim: xp.cumsum(x, dim, dtype=x.dtype), lambda g, y, _x, dim, dtype: reversed_cumsum(g, dim))
cumprod = _scan("cumprod", lambda xp, x, dim: xp.cumprod(x, dim, dtype=x.dtype), lambda g, y, x, dim, dtype: _cumprod_grad(g, y, x, dim))


@opaque(lambda g, x, dim: (x.size, x.dtype), name="cumprod_backward", native=compiled("lines", "cumprod_back"))
def _cumprod_back(xp: Any, g: Any, x: Any, dim: int) -> Any:
    """What comes before i times s_i = g_i + x_(i+1) s_(i+1)."""
    g, x = xp.moveaxis(g, dim, 0), xp.moveaxis(x, dim, 0)
    rest, before = xp.array(g), xp.ones_like(x)
    for i in range(len(x) - 1):
        rest[-2 - i] += x[-1 - i] * rest[-1 - i]
        before[i + 1] = before[i] * x[i]
    return xp.moveaxis(rest * before, 0, dim)


def _cumprod_grad(g: Tensor, y: Tensor, x: Tensor, dim: int) -> Tensor:
    """sum over k >= i of g_k (product of all x_j, j <= k, j != i), without dividing by x."""
    from .joining import stack
    from .views import contiguous

    n = x.shape[dim] if x.ndim else 1
    if not x.ndim:
        return g
    if not modes.enabled and x.dtype is g.dtype and not x.dtype.is_complex:
        return _cumprod_back(contiguous(g), x, dim=dim)
    parts = []
    for i in range(n):
        before = y.select(dim, i - 1) if i else ones_like(x.select(dim, 0))
        if i + 1 < n:
            after = x.narrow(dim, i + 1, n - i - 1).cumprod(dim)
            rest = g.select(dim, i) + (g.narrow(dim, i + 1, n - i - 1) * conj(after)).sum(dim)
        else:
            rest = g.select(dim, i)
        parts.append(rest * conj(before))
    return stack(parts, dim)


@opaque(lambda x, dim: (x.size, x.dtype), name="logcumsumexp", grad=lambda g, y, x, dim: _logcumsumexp_grad(g, y, x, dim))
def _logcumsumexp(xp: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return x
    if x.dtype.kind != "c":
        return xp.logaddexp.accumulate(x, dim)
    found = xp.moveaxis(x.copy(), dim, 0)
    for i in range(1, len(found)):
        found[i] = complex_logaddexp(xp, found[i - 1], found[i])
    return xp.moveaxis(found, 0, dim)


def _logcumsumexp_grad(g: Tensor, y: Tensor, x: Tensor, dim: int) -> Tensor:
    """sum over j >= i of g_j exp(x_i - y_j), through logarithms of the positive and the negative part of g."""
    if not x.ndim:
        return g
    if x.dtype.is_complex:
        return conj(x.exp()) * reversed_cumsum(g * conj((-y).exp()), dim)
    least = dtypes.finfo(x.dtype).min
    parts = []
    for sign in (1, -1):
        shown = g * sign > 0
        logs = (g * sign).masked_fill(~shown, 1).log().masked_fill(~shown, least)
        parts.append((x + _logcumsumexp((logs - y).flip(dim), dim=dim).flip(dim)).exp())
    return parts[0] - parts[1]


@composite()
def logcumsumexp(input: Tensor, dim: int, *, out: Any = None) -> Tensor:
    """log of the running sums of exp(input)."""
    result = _logcumsumexp(input, dim=shapes.axis(dim, input.ndim))
    return result if out is None else write_out(result, out, "logcumsumexp")


def _running(name: str, better: str) -> Any:
    @opaque(lambda x, dim: (x.size, dtypes.int64), name=name + "_index")
    def index_of(xp: Any, x: Any, dim: int) -> Any:
        if not x.ndim:
            return xp.zeros((), "int64")
        best = getattr(xp, better).accumulate(x, dim)
        place = xp.expand_dims(xp.arange(x.shape[dim]), [i for i in range(x.ndim) if i != dim])
        hit = (x == best) | (x != x)
        return xp.maximum.accumulate(xp.where(hit, place, -1), dim)

    def function(input: Tensor, dim: int, *, out: Any = None) -> Any:
        d = shapes.axis(dim, input.ndim)
        index = index_of(input, dim=d)
        result = return_type(name, ("values", "indices"), (rename_node(input.gather(d, index), f"{name.capitalize()}Backward0"), index))
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(numpy_names(function), name)
    method(name, numpy_names(function))
    return function


cummax, cummin = _running("cummax", "maximum"), _running("cummin", "minimum")


@composite()
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """Differences of neighbours, n times."""
    from .joining import cat

    if not n:
        return input.clone()
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    parts = [t for t in (prepend, input, append) if t is not None]
    x = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        m = x.shape[dim]
        x = x.narrow(dim, 1, m - 1) - x.narrow(dim, 0, m - 1) if x.dtype is not dtypes.bool_ else x.narrow(dim, 1, m - 1) ^ x.narrow(dim, 0, m - 1)
    return x


@composite()
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal."""
    if input.ndim != 2:
        raise RuntimeError("trace: expected a matrix, but got tensor with dim " + str(input.ndim))
    return rename_node(sum(input.diagonal()), "TraceBackward0")


