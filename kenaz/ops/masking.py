"""Choosing by conditions: where, masked_fill, masked_select, nonzero and what counts or cuts by position."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import scalar_name
from ..core.spec import Spec, fresh
from ..graph.node import Call, Op
from ..runtime import xp
from .declare import _converter, _promoted, compiled, opaque, same_size
from .record import NUMBERS, apply, assign, composite, method, number, public, register, write_out


# ---------------------------------------------------------------------------------------------------------------- where
def _selection_kernel(call: Call) -> Any:
    """The body on values of the computing dtype, and the condition (the boolean input) as it is."""
    condition = 0 if call.op.name == "where" else 1
    fixes = [None if i == condition else _converter(s, call.compute) for i, s in enumerate(call.specs)]
    body = call.op.body
    if not any(fixes):
        return functools.partial(body, xp)
    return lambda *arrays: body(xp, *[f(a) if f else a for f, a in zip(fixes, arrays, strict=True)])


def _where_rule(specs: tuple, attributes: dict) -> tuple:
    values = [s for s in specs[1:] if type(s) is Spec]
    kind = _promoted(specs[1:])
    size = shapes.broadcast(specs[0].size, *[s.size for s in values])
    for s in (*values, specs[0]):
        if s.size == size:
            return s.like(kind), kind
    return fresh(size, kind, specs[0].device), kind


WHERE = register(
    Op(
        "where", "pointwise", _selection_kernel, rule=_where_rule, body=lambda xp, c, a, b: xp.where(c, a, b),
        grad=(None, lambda g, y, c, _a, _b: where(c, g, 0), lambda g, y, c, _a, _b: where(c, 0, g)),
    )
)  # fmt: skip


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """`input` where the condition holds, `other` elsewhere; with a condition alone, the places where it holds.

    >>> from .creation import tensor
    >>> where(tensor([True, False]), 1, 2).tolist()
    [1, 2]
    """
    if input is None and other is None and isinstance(condition, Tensor):
        return nonzero(condition, as_tuple=True)
    input, other = number(input), number(other)
    if not isinstance(condition, Tensor) or not all(
        isinstance(v, Tensor) or type(v) in NUMBERS for v in (input, other)
    ):
        got = ", ".join(type(v).__name__ for v in (condition, input, other))
        raise TypeError(
            f"where() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            " * (Tensor condition)\n * (Tensor condition, Tensor input, Tensor other, *, Tensor out = None)\n"
            " * (Tensor condition, Number self, Tensor other)\n * (Tensor condition, Tensor input, Number other)\n"
            " * (Tensor condition, Number self, Number other)\n"
        )
    kind = condition._spec.dtype
    if kind is dtypes.uint8:
        import warnings

        warnings.warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
            "version of "
            "PyTorch. Use a boolean condition instead.",
            stacklevel=2,
        )
        condition = condition != 0
    elif kind is not dtypes.bool_:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {scalar_name(kind)}"
        )
    result = apply(WHERE, (condition, input, other))
    return result if out is None else write_out(result, out, "where")


public(where)


method("where", lambda self, condition, other: where(condition, self, other))


# ---------------------------------------------------------------------------------------------------------- masked_fill
def _fill_rule(specs: tuple, attributes: dict) -> tuple:
    x, mask, _ = specs
    size = shapes.broadcast(mask.size, x.size)
    return (x.like(x.dtype) if size == x.size else fresh(size, x.dtype, x.device)), x.dtype


def _filler(name: str, grad_name: str) -> Op:
    """x, and a value where the mask holds."""

    return register(
        Op(
            name, "pointwise", _selection_kernel, rule=_fill_rule, grad_name=grad_name,
            body=lambda xp, x, mask, value: xp.where(mask, value, x),
            grad=(
                lambda g, y, _x, mask, _value: masked_fill(g, mask, 0), None,
                lambda g, y, _x, mask, _value: where(mask, g, 0).sum(),
            ),
        )
    )  # fmt: skip


FILL, FILL_TENSOR = _filler("masked_fill", "MaskedFillBackward0"), _filler("masked_fill_tensor", "MaskedFillBackward1")
PUT = _filler("masked_put", "IndexPutBackward0")


def masked_put(x: Tensor, value: Any, mask: Tensor) -> Tensor:
    """What `x[mask] = value` makes of x, for a value of one element."""
    return apply(PUT, (x, mask, value))


@composite()
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """The tensor with a value where the mask is true."""
    value = number(value)
    if mask._spec.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {_lower(mask.dtype)}")
    if isinstance(value, Tensor):
        if value._spec.ndim:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value._spec.ndim} "
                "dimension(s)."
            )
        return apply(FILL_TENSOR, (input, mask, value))
    return apply(FILL, (input, mask, checked_number(value, input._spec.dtype)))


def _lower(kind: Any) -> str:
    from ..core.dtype import scalar_name

    return {"float32": "float"}.get(kind.name, scalar_name(kind).lower())


def checked_number(value: Any, kind: Any) -> Any:
    """A Python number as a tensor of `kind` holds it."""
    if type(value) is complex and not kind.is_complex:
        if value.imag:
            raise RuntimeError(
                f"value cannot be converted to type {_C_NAMES.get(kind.name, kind.name)} without overflow"
            )
        value = value.real
    if kind.kind == 0:
        return bool(value)
    if kind.kind == 1:
        top = np.iinfo(kind.np).max
        if value != value or not -top - 1 <= value <= top:
            raise RuntimeError(
                f"value cannot be converted to type {_C_NAMES.get(kind.name, kind.name)} without overflow"
            )
        return int(np.array(int(value)).astype(kind.np))
    if kind in dtypes.HALF and abs(value) != float("inf") and abs(value) > dtypes.finfo(kind).max:
        raise RuntimeError(f"value cannot be converted to type {_C_NAMES.get(kind.name, kind.name)} without overflow")
    return value


_C_NAMES = {
    "int64": "int64_t", "int32": "int", "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t", "bool": "bool",
    "float32": "float", "float64": "double", "float16": "at::Half", "bfloat16": "at::BFloat16",
}  # fmt: skip


@composite("Tensor")
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Write a value where the mask is true."""
    return assign(self, same_size(self, masked_fill(self, mask, value)))


# ----------------------------------------------------------------------------------------------- masked_select, nonzero
@opaque(
    lambda x, mask, count: ((count,), x.dtype), name="masked_select", halves=True,
    grad=lambda g, y, _x, mask, count: _unselect(g, mask, size=_x.size),
)  # fmt: skip
def _masked_select(xp: Any, x: Any, mask: Any, count: int) -> Any:
    return x[mask]


@opaque(
    lambda g, mask, size: (size, g.dtype), name="masked_unselect", halves=True,
    grad=lambda g, y, _g, mask, size: _masked_select(g, mask, count=_g.size[0]),
)  # fmt: skip
def _unselect(xp: Any, g: Any, mask: Any, size: tuple) -> Any:
    out = xp.zeros(size, g.dtype)
    out[mask] = g
    return out


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where the mask is true, in a row."""
    if mask._spec.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    size = shapes.broadcast(input._spec.size, mask._spec.size)
    input = input if input._spec.size == size else input.expand(size)
    mask = mask if mask._spec.size == size else mask.expand(size)
    if out is not None and any(t._storage is out._storage for t in (input, mask)):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    result = _masked_select(input, mask, count=int(np.count_nonzero(mask._array())))
    return result if out is None else write_out(result, out, "masked_select")


composite()(masked_select)


def _check_source(call: Any, x: Any, mask: Any, source: Any) -> None:
    """There is an element for each place where the mask is true."""
    if mask is not None and call.specs[2].numel < np.count_nonzero(mask):
        raise RuntimeError("Number of elements of source < number of ones in mask")


@opaque(
    lambda x, mask, source: x.like(x.dtype), name="masked_scatter", halves=True, late_errors=_check_source,
    grad=(
        lambda g, y, _x, mask, _source: g.masked_fill(mask, 0),
        None,
        lambda g, y, _x, mask, _source: _picked(g, mask, size=_source.size),
    ),
)  # fmt: skip
def _masked_scatter(xp: Any, x: Any, mask: Any, source: Any) -> Any:
    out = xp.array(x)
    count = int(xp.count_nonzero(mask))
    if source.size < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    out[mask] = source.reshape(-1)[:count]
    return out


@opaque(
    lambda g, mask, size: (size, g.dtype), name="masked_picked", halves=True,
    grad=lambda g, y, _g, mask, size: _masked_scatter(g.new_zeros(_g.size), mask, g),
)  # fmt: skip
def _picked(xp: Any, g: Any, mask: Any, size: tuple) -> Any:
    out = xp.zeros(shapes.numel(size), g.dtype)
    found = g[mask]
    out[: len(found)] = found
    return out.reshape(size)


@composite()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The tensor with the elements of `source`, one after another, where the mask is true."""
    if mask._spec.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {scalar_name(mask.dtype)}"
        )
    if source._spec.dtype is not input._spec.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{scalar_name(input.dtype)} and "
            f"{scalar_name(source.dtype)}"
        )
    size = shapes.broadcast(input._spec.size, mask._spec.size)
    input = input if input._spec.size == size else input.expand(size)
    mask = mask if mask._spec.size == size else mask.expand(size)
    value = mask._storage.node.value
    if type(value) is np.ndarray and np.count_nonzero(mask._array()) > source._spec.numel:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return _masked_scatter(input, mask, source)


@composite("Tensor")
def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Write the elements of `source`, one after another, where the mask is true."""
    return assign(self, same_size(self, masked_scatter(self, mask, source)))


@composite()
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """The places of the elements that are not zero: a row each, or with `as_tuple` a tensor per axis."""
    array = input._array()
    if as_tuple:
        return tuple(Tensor._from_array(a) for a in np.nonzero(array if array.ndim else array.reshape(1)))
    rows = np.argwhere(array)
    result = Tensor._from_array(np.ascontiguousarray(rows.astype(np.int64)))
    return result if out is None else write_out(result, out, "nonzero")


@composite()
def argwhere(input: Tensor) -> Tensor:
    """The places of the elements that are not zero, a row each."""
    return nonzero(input)


@composite()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 occurs, or the sum of the weights of its occurrences."""
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input._spec.dtype.kind != 1:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{scalar_name(input.dtype)}'")
    array = input._array()
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return Tensor._from_array(np.bincount(array.astype(np.int64), minlength=minlength).astype(np.int64))
    if weights._spec.size != input._spec.size:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    counts = np.bincount(array.astype(np.int64), weights._array().astype(np.float64), minlength)
    return Tensor._from_array(counts.astype(np.float32 if weights._spec.dtype is dtypes.float32 else np.float64))


# ------------------------------------------------------------------------------------------------------------ triangles
def _triangle(name: str) -> Any:
    def rule(x: Spec, diagonal: int) -> Spec:
        if x.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return x.like(x.dtype)

    @opaque(
        rule, lambda g, y, _x, diagonal: function(g, diagonal), name=name, halves=True,
        native=compiled("lines", "triangle", upper=name == "triu"),
    )  # fmt: skip
    def raw(xp: Any, x: Any, diagonal: int) -> Any:
        return getattr(xp, name)(x, diagonal)

    def function(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
        result = raw(input, diagonal=int(diagonal))
        return result if out is None else write_out(result, out, name)

    def inplace(self: Tensor, diagonal: int = 0) -> Tensor:
        return assign(self, function(self, diagonal))

    def indices(
        row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None,
        requires_grad: bool = False, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        for n, value in (("row", row), ("col", col)):
            if value < 0:
                raise RuntimeError(f"{n} must be non-negative, got{value}")
        found = np.stack(getattr(np, name + "_indices")(row, offset, col))
        return Tensor._from_array(found.astype((dtype or dtypes.int64).np))

    part = "lower" if name == "tril" else "upper"
    function.__name__, inplace.__name__, indices.__name__ = name, name + "_", name + "_indices"
    function.__doc__ = f"The {part} triangle of matrices from `diagonal` on; the rest is zero."
    indices.__doc__ = f"Row and column numbers of the {part} triangle of a matrix."
    composite()(function)
    composite("Tensor")(inplace)
    public(indices)
    return function


tril, triu = _triangle("tril"), _triangle("triu")
