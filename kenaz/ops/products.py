"""Products of matrices: matmul and its relatives, through the BLAS of the array library."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import dtype
from ..core.shape import broadcast
from ..core.spec import Spec
from .declare import opaque
from .pointwise import conj
from .record import composite, method, public, write_out


def _same_dtype(a: dtype, b: dtype, name: str) -> None:
    if a is not b:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_cpp(a)} != {_cpp(b)}"
        )


_CPP = {
    "float32": "float", "float64": "double", "int64": "long", "int32": "int", "int16": "short", "int8": "signed char",
    "uint8": "unsigned char", "bool": "bool", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def _cpp(d: dtype) -> str:
    return _CPP.get(d.name, d.name)


def _matmul_rule(a: Spec, b: Spec) -> tuple:
    """Sizes as NumPy's matmul: vectors are padded with an axis of one, leading axes broadcast."""
    if not a.ndim or not b.ndim:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D")
    _same_dtype(a.dtype, b.dtype, "matmul")
    left = a.size if a.ndim > 1 else (1, *a.size)
    right = b.size if b.ndim > 1 else (*b.size, 1)
    if left[-1] != right[-2]:
        raise RuntimeError(_mismatch(a, b, left, right))
    size = broadcast(left[:-2], right[:-2])
    return (*size, *(left[-2:-1] if a.ndim > 1 else ()), *(right[-1:] if b.ndim > 1 else ())), a.dtype


def _mismatch(a: Spec, b: Spec, left: tuple, right: tuple) -> str:
    if a.ndim == 1 and b.ndim == 1:
        return (
            f"inconsistent tensor size, expected tensor [{a.size[0]}] and src [{b.size[0]}] to have the same number of "
            f"elements, but got {a.size[0]} and {b.size[0]} elements respectively"
        )
    if b.ndim == 1 and a.ndim == 2:
        return f"size mismatch, got input ({a.size[0]}), mat ({a.size[0]}x{a.size[1]}), vec ({b.size[0]})"
    if a.ndim > 2 and b.ndim > 2:
        n = 1
        for s in broadcast(left[:-2], right[:-2]):
            n *= s
        return (
            f"Expected size for first two dimensions of batch2 tensor to be: [{n}, {left[-1]}] but got: [{n}, {right[-2]}]."
        )
    rows = 1
    for s in left[:-1]:
        rows *= s
    return f"mat1 and mat2 shapes cannot be multiplied ({rows}x{left[-1]} and {right[-2]}x{right[-1]})"


def _left_grad(g: Tensor, a: Spec, b: Tensor) -> Tensor:
    """dL/da of a @ b."""
    if b.ndim == 1:
        outer = g.unsqueeze(-1) * conj(b)
        return outer if a.ndim > 1 else g * conj(b)
    if a.ndim == 1:
        return _matmul(conj(b), g.unsqueeze(-1)).squeeze(-1)
    return _matmul(g, conj(b).transpose(-1, -2))


def _right_grad(g: Tensor, a: Tensor, b: Spec) -> Tensor:
    """dL/db of a @ b."""
    if a.ndim == 1:
        return conj(a).unsqueeze(-1) * g.unsqueeze(-2) if b.ndim > 1 else g * conj(a)
    if b.ndim == 1:
        return _matmul(conj(a).transpose(-1, -2), g.unsqueeze(-1)).squeeze(-1)
    if a.ndim > b.ndim == 2:  # one matrix for a whole batch: the batch is more rows
        return _matmul(conj(a).reshape(-1, a.shape[-1]).transpose(0, 1), g.reshape(-1, g.shape[-1]))
    return _matmul(conj(a).transpose(-1, -2), g)


@opaque(
    _matmul_rule, name="matmul", grad_name="MmBackward0",
    grad=(lambda g, y, _a, b: _left_grad(g, _a, b), lambda g, y, a, _b: _right_grad(g, a, _b)),
)  # fmt: skip
def _matmul(xp: Any, a: Any, b: Any) -> Any:
    if a.dtype.kind == "b":
        return xp.matmul(a.astype("uint8"), b.astype("uint8")) != 0
    return xp.matmul(a, b)


def _named(name: str, grad_name: str) -> Any:
    """The same operator under another backward name, as PyTorch prints it."""
    return opaque(
        _matmul_rule, name=name, grad_name=grad_name,
        grad=(lambda g, y, _a, b: _left_grad(g, _a, b), lambda g, y, a, _b: _right_grad(g, a, _b)),
    )(lambda xp, a, b: xp.matmul(a, b))  # fmt: skip


_mv, _dot, _bmm, _wide = _named("mv", "MvBackward0"), _named("dot", "DotBackward0"), _named("bmm", "BmmBackward0"), _named("matmul_nd", "UnsafeViewBackward0")


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product; vectors count as rows or columns, leading axes broadcast.

    >>> from .creation import ones
    >>> matmul(ones(2, 3), ones(3, 4)).shape
    torch.Size([2, 4])
    """
    for i, t in enumerate((input, other)):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"matmul(): argument '{('input', 'other')[i]}' (position {i + 1}) must be Tensor, not {type(t).__name__}"
            )
    kinds = {(2, 2): _matmul, (2, 1): _mv, (1, 1): _dot}
    result = kinds.get((input._spec.ndim, other._spec.ndim), _wide)(input, other)
    return result if out is None else write_out(result, out, "matmul")


def _at(self: Tensor, other: Any) -> Any:
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


public(matmul)
method("matmul", matmul)
method("__matmul__", _at)
method("__rmatmul__", lambda self, other: matmul(other, self))


def _restricted(name: str, kernel: Any, left: int, right: int, complain: Any) -> Any:
    def function(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
        if input.ndim != left or mat2.ndim != right:
            raise RuntimeError(complain(input, mat2))
        result = kernel(input, mat2)
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    public(function)
    method(name, function)
    return function


mm = _restricted("mm", _matmul, 2, 2, lambda a, b: "self must be a matrix" if a.ndim != 2 else "mat2 must be a matrix")
bmm = _restricted("bmm", _bmm, 3, 3, lambda a, b: "batch1 must be a 3D tensor" if a.ndim != 3 else "batch2 must be a 3D tensor")
mv = _restricted("mv", _mv, 2, 1, lambda a, b: f"vector + matrix @ vector expected, got {1}, {a.ndim}, {b.ndim}")
dot = _restricted(
    "dot", _dot, 1, 1,
    lambda a, b: f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors",
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- with something added
def _linear_rule(x: Spec, w: Spec, b: Any) -> tuple:
    if type(b) is Spec and b.dtype is not x.dtype or w.dtype is not x.dtype:
        other = w if w.dtype is not x.dtype else b
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {dtypes.scalar_name(x.dtype)} and {dtypes.scalar_name(other.dtype)}"
        )
    if not x.ndim:
        raise RuntimeError("both arguments to linear need to be at least 1D, but they are 0D and 2D")
    if x.size[-1] != w.size[-1]:
        rows = x.numel // max(x.size[-1], 1) if x.size[-1] else 1
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.size[-1]} and {w.size[-1]}x{w.size[0]})"
            if w.ndim == 2
            else f"size mismatch, got input ({rows}), mat ({rows}x{x.size[-1]}), vec ({w.size[0]})"
        )
    return (*x.size[:-1], *w.size[:-1]), x.dtype


def _flat_rows(t: Tensor) -> Tensor:
    return t if t.ndim == 2 else t.reshape(-1, t.shape[-1])


def _weight_grad(g: Tensor, x: Tensor, w: Spec) -> Tensor:
    if w.ndim == 1:
        return (_flat_rows(conj(x)) * g.reshape(-1, 1)).sum(0)
    return _matmul(_flat_rows(g).transpose(0, 1), _flat_rows(conj(x)))


def _bias_grad(g: Tensor) -> Tensor:
    return g if g.ndim < 2 else _flat_rows(g).sum(0)


@opaque(
    _linear_rule, name="linear", grad_name="AddmmBackward0",
    grad=(
        lambda g, y, _x, w, _b: _matmul(g, conj(w)) if w.ndim == 2 else g.unsqueeze(-1) * conj(w),
        lambda g, y, x, _w, _b: _weight_grad(g, x, _w),
        lambda g, y, _x, _w, _b: _bias_grad(g),
    ),
)  # fmt: skip
def _linear(xp: Any, x: Any, w: Any, b: Any) -> Any:
    y = xp.matmul(x, w.T) if x.ndim <= 2 else xp.matmul(x.reshape(-1, x.shape[-1]), w.T).reshape(*x.shape[:-1], *w.shape[:-1])
    if b is not None and not isinstance(b, int):
        y = y + b
    return y


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b over the last axis.

    >>> from .creation import ones
    >>> linear(ones(2, 3), ones(4, 3)).shape
    torch.Size([2, 4])
    """
    if bias is None:
        return matmul(input, weight.transpose(0, 1) if weight.ndim == 2 else weight)
    return _linear(input, weight, bias)


def _addition(name: str, product: Any) -> Any:
    def function(input: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
        result = product(a, b)
        result = result if alpha == 1 else result * alpha
        if beta != 0:
            result = (input if beta == 1 else input * beta) + result
        return result if out is None else write_out(result, out, name)

    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from .record import assign

        return assign(self, function(self, *args, **kwargs))

    function.__name__, inplace.__name__ = name, name + "_"
    public(function)
    method(name, function)
    method(name + "_", inplace)
    return function


addmm, baddbmm, addmv = _addition("addmm", mm), _addition("baddbmm", bmm), _addition("addmv", mv)
addbmm = _addition("addbmm", lambda a, b: bmm(a, b).sum(0))
addr = _addition("addr", lambda a, b: outer(a, b))


@composite()
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of all pairs of two vectors."""
    for t, n in ((input, "self"), (vec2, "vec2")):
        if t.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {n}, but got {t.ndim}-D")
    result = input.unsqueeze(1) * vec2
    return result if out is None else write_out(result, out, "outer")


ger = outer
public(outer, "ger")
method("ger", outer)


@composite("torch")
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of several matrices."""
    result = matrices[0]
    for m in matrices[1:]:
        result = mm(result, m)
    return result if out is None else write_out(result, out, "chain_matmul")


@composite()
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products over the last axes of both."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@composite()
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inner product of two vectors, the first conjugated."""
    return dot(conj(input), other)


@composite("torch")
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sums of products over several axes of both."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        dims = (list(range(-dims, 0)), list(range(dims)))
    da = [d % a.ndim for d in ([dims[0]] if isinstance(dims[0], int) else dims[0])]
    db = [d % b.ndim for d in ([dims[1]] if isinstance(dims[1], int) else dims[1])]
    for i, j in zip(da, db, strict=True):
        if a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size "
                f"{b.shape[j]} in dim {j}"
            )
    ra, rb = [i for i in range(a.ndim) if i not in da], [i for i in range(b.ndim) if i not in db]
    n = 1
    for i in da:
        n *= a.shape[i]
    left = a.permute(*ra, *da).reshape(-1, n)
    right = b.permute(*db, *rb).reshape(n, -1)
    return mm(left, right).reshape([a.shape[i] for i in ra] + [b.shape[i] for i in rb])
