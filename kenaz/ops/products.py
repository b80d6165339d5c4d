"""Products of matrices: matmul and its relatives, through the BLAS of the array library."""

from __future__ import annotations

import math
from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import dtype
from ..core.shape import axis, broadcast
from ..core.spec import Spec
from .declare import SAME, opaque, pointwise, rename_node, same_size
from .pointwise import conj
from .precision import lower
from .precision import state as precision
from .record import apply_call, assign, composite, method, number, public, write_out


def _same_dtype(a: Spec, b: Spec) -> None:
    """Raise where factors differ in dtype, in the words of the kernel that PyTorch would take for their sizes."""
    if a.dtype is b.dtype:
        return
    first, second = dtypes.scalar_name(a.dtype), dtypes.scalar_name(b.dtype)
    if (a.ndim, b.ndim) == (1, 1):
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {first} and {second}")
    if (a.ndim, b.ndim) == (2, 1):
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {second}, {first}, and {second}")
    if a.ndim > 2 and b.ndim > 2:
        raise RuntimeError(f"expected scalar type {first} but found {second}")
    raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {_cpp(a.dtype)} != {_cpp(b.dtype)}")


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
    if (a.ndim, b.ndim) != (2, 2):
        _same_dtype(a, b)
    left = a.size if a.ndim > 1 else (1, *a.size)
    right = b.size if b.ndim > 1 else (*b.size, 1)
    if left[-1] != right[-2]:
        raise RuntimeError(_mismatch(a, b, left, right))
    _same_dtype(a, b)
    size = broadcast(left[:-2], right[:-2])
    return (*size, *(left[-2:-1] if a.ndim > 1 else ()), *(right[-1:] if b.ndim > 1 else ())), a.dtype


def _mismatch(a: Spec, b: Spec, left: tuple, right: tuple) -> str:
    if a.ndim == 1 and b.ndim == 1:
        return (
            f"inconsistent tensor size, expected tensor [{a.size[0]}] and src [{b.size[0]}] to have the same number of "
            f"elements, but got {a.size[0]} and {b.size[0]} elements respectively"
        )
    if b.ndim == 1:
        n = math.prod(a.size[:-1])
        return f"size mismatch, got input ({n}), mat ({n}x{a.size[-1]}), vec ({b.size[0]})"
    if b.ndim > 2:
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


def _compiled(name: str) -> Any:
    """The `native` of an operator: a function of `codegen.products`, which is loaded when a graph is hot."""

    def native(call: Any) -> Any:
        from ..codegen import products, rivals

        return rivals.chosen(call, getattr(products, name)(call))

    return native


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
        return _matmul(_flat_rows(conj(a)).transpose(0, 1), _flat_rows(g))
    return _matmul(conj(a).transpose(-1, -2), g)


@opaque(
    _matmul_rule, name="matmul", grad_name="MmBackward0", native=_compiled("matmul"), depths={0: -1, 1: -2},
    grad=(lambda g, y, _a, b: _left_grad(g, _a, b), lambda g, y, a, _b: _right_grad(g, a, _b)),
)  # fmt: skip
def _matmul(xp: Any, a: Any, b: Any) -> Any:
    if a.dtype.kind == "b":
        return xp.matmul(a.astype("uint8"), b.astype("uint8")) != 0
    return xp.matmul(a, b)


def _wide_name(a: Tensor, b: Tensor) -> str:
    return "SqueezeBackward4" if (a.ndim, b.ndim) == (1, 2) else "UnsafeViewBackward0"


def _named(name: str, grad_name: Any) -> Any:
    """The same operator under another backward name, as PyTorch prints it."""
    return opaque(
        _matmul_rule, name=name, grad_name=grad_name, native=_compiled("matmul"), depths={0: -1, 1: -2},
        grad=(lambda g, y, _a, b: _left_grad(g, _a, b), lambda g, y, a, _b: _right_grad(g, a, _b)),
    )(lambda xp, a, b: xp.matmul(a, b))  # fmt: skip


_mv, _dot, _bmm, _wide = _named("mv", "MvBackward0"), _named("dot", "DotBackward0"), _named("bmm", "BmmBackward0"), _named("matmul_nd", _wide_name)


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
    if precision.on:
        input, other = lower(input, other)
    kinds = {(2, 2): _matmul, (2, 1): _mv, (1, 1): _dot}
    result = kinds.get((input._spec.ndim, other._spec.ndim), _wide)(input, other)
    return result if out is None else write_out(result, out, "matmul")


def _at(self: Tensor, other: Any) -> Any:
    if not isinstance(other, Tensor):
        return NotImplemented
    call = _matmul.op.calls.get((self._spec, other._spec))
    return matmul(self, other) if call is None or precision.on else apply_call(call, (self, other))


public(matmul)
method("matmul", matmul)
method("__matmul__", _at)
method("__rmatmul__", lambda self, other: matmul(other, self))


def _restricted(name: str, kernel: Any, left: int, right: int, complain: Any) -> Any:
    def function(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
        if input.ndim != left or mat2.ndim != right:
            raise RuntimeError(complain(input, mat2))
        if precision.on and left == right > 1:
            input, mat2 = lower(input, mat2)
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
    size = (*x.size[:-1], *w.size[:-1])
    if type(b) is Spec and x.ndim == 2 > w.ndim:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    if type(b) is Spec and b.ndim and size and b.size[-1] not in (1, size[-1]):
        raise RuntimeError(
            f"The expanded size of the tensor ({size[-1]}) must match the existing size ({b.size[-1]}) at non-singleton "
            f"dimension {len(size) - 1}.  Target sizes: {list(size)}.  Tensor sizes: {list(b.size)}"
        )
    return size, x.dtype


def _flat_rows(t: Tensor) -> Tensor:
    return t if t.ndim == 2 else t.reshape(math.prod(t.shape[:-1]), t.shape[-1])


def _weight_grad(g: Tensor, x: Tensor, w: Spec) -> Tensor:
    if w.ndim == 1:
        return (_flat_rows(conj(x)) * g.reshape(-1, 1)).sum(0)
    return _matmul(_flat_rows(g).transpose(0, 1), _flat_rows(conj(x)))


def _bias_grad(g: Tensor) -> Tensor:
    return g if g.ndim < 2 else _flat_rows(g).sum(0)


def _linear_name(x: Tensor, w: Tensor, b: Tensor) -> str:
    """What PyTorch makes of the call: addmm, a view of one for rows that lie together, or a product and a sum."""
    if x.ndim == 2 == w.ndim:
        return "AddmmBackward0"
    return "ViewBackward0" if w.ndim == 2 and x.is_contiguous() else "AddBackward0"


@opaque(
    _linear_rule, name="linear", grad_name=_linear_name, native=_compiled("linear"), depths={0: -1, 1: -1},
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
    if precision.on:
        input, weight, bias = lower(input, weight, bias)
    return _linear(input, weight, bias)


# Sums of products compute halves in float32 and round once; integers take the whole part of the factors.
def _factor(a: Any, value: Any) -> Any:
    return a.dtype.type(int(value) if a.dtype.kind in "iu" else value)


def _sum_rule(kernel: str, size_of: Any) -> Any:
    """The rule of `beta x + alpha (a @ b)`: x broadcasts to the size of the product."""

    def rule(x: Spec, a: Spec, b: Spec, beta: Any, alpha: Any) -> tuple:
        size = tuple(size_of(x, a, b))
        if a.dtype is dtypes.bool_:
            raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
        check_expandable(x, size)
        return size, x.dtype

    return rule


def check_expandable(x: Spec, size: tuple) -> None:
    """Raise PyTorch's error where a tensor cannot be expanded to a size."""
    if x.ndim > len(size):
        raise RuntimeError(
            f"expand(torch.{dtypes.scalar_name(x.dtype)}Tensor{{{list(x.size)}}}, size={list(size)}): the number of sizes provided "
            f"({len(size)}) must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
        )
    for i in range(1, x.ndim + 1):
        if x.size[-i] not in (1, size[-i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({size[-i]}) must match the existing size ({x.size[-i]}) at non-singleton "
                f"dimension {len(size) - i}.  Target sizes: {list(size)}.  Tensor sizes: {list(x.size)}"
            )


def _addition(name: str, kernel: str, size_of: Any, product: Any, left: Any, right: Any) -> Any:
    @opaque(
        _sum_rule(kernel, size_of), name=name, native=_compiled("combination") if product is _multiply else None,
        depths={1: -1, 2: -2},
        grad=(
            lambda g, y, _x, _a, _b, beta, _alpha: g * conj(beta) if beta != 1 else g,
            lambda g, y, _x, _a, b, _beta, alpha: left(g if alpha == 1 else g * conj(alpha), b),
            lambda g, y, _x, a, _b, _beta, alpha: right(g if alpha == 1 else g * conj(alpha), a),
            None, None,
        ),
    )  # fmt: skip
    def kernel_of(xp: Any, x: Any, a: Any, b: Any, beta: Any, alpha: Any) -> Any:
        y = product(xp, a, b)
        if alpha != 1:
            y = y * _factor(a, alpha)
        if beta == 1:
            return y + x
        return y + x * _factor(a, beta) if beta != 0 else y + xp.zeros_like(x)

    return _with_out_and_inplace(name, kernel_of)


def _with_out_and_inplace(name: str, kernel: Any) -> Any:
    names = {"addmm": ("mat1", "mat2"), "addmv": ("mat", "vec"), "addr": ("vec1", "vec2")}.get(name, ("batch1", "batch2"))

    def function(input: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
        for position, (argument, t) in enumerate(zip(("input", *names), (input, a, b), strict=True), 1):
            if not isinstance(t, Tensor):
                raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(t).__name__}")
        if precision.on and name not in ("addmv", "addr"):
            input, a, b = lower(input, a, b)
        result = kernel(input, a, b, number(beta), number(alpha))
        if out is not None and name == "addmm" and out.dtype is not result.dtype:
            raise RuntimeError(f"Expected out tensor to have dtype {_cpp(result.dtype)}, but got {_cpp(out.dtype)} instead")
        return result if out is None else write_out(result, out, name)

    def named(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        for old, new in zip(names, ("a", "b"), strict=True):
            if old in kwargs:
                kwargs[new] = kwargs.pop(old)
        return function(input, *args, **kwargs)

    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result = named(self, *args, **kwargs)
        return assign(self, same_size(self, result))

    function.__name__ = named.__name__ = name
    inplace.__name__ = name + "_"
    public(named)
    method(name, named)
    method(name + "_", inplace)
    return named


def _addmm_size(x: Spec, a: Spec, b: Spec) -> tuple:
    for s, word in ((a, "mat1"), (b, "mat2")):
        if s.ndim != 2:
            raise RuntimeError(f"{word} must be a matrix, got {s.ndim}-D tensor")
    if a.size[1] != b.size[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.size[0]}x{a.size[1]} and {b.size[0]}x{b.size[1]})"
        )
    check_expandable(x, (a.size[0], b.size[1]))
    for s, word in ((a, "mat1"), (x, "self")):
        if s.dtype is not b.dtype:
            raise RuntimeError(
                f"{word} and mat2 must have the same dtype, but got {dtypes.scalar_name(s.dtype)} and {dtypes.scalar_name(b.dtype)}"
            )
    return a.size[0], b.size[1]


def _addmv_size(x: Spec, a: Spec, b: Spec) -> tuple:
    if (a.ndim, b.ndim) != (2, 1) or x.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {x.ndim}, {a.ndim}, {b.ndim}")
    if a.size[1] != b.size[0] or x.numel not in (1, a.size[0]):
        raise RuntimeError(
            f"size mismatch, got input ({x.size[0] if x.ndim else 1}), mat ({a.size[0]}x{a.size[1]}), vec ({b.size[0]})"
        )
    if not x.dtype is a.dtype is b.dtype:
        names = [dtypes.scalar_name(s.dtype) for s in (x, a, b)]
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {names[0]}, {names[1]}, and {names[2]}")
    return a.size[:1]


def _batches(x: Spec, a: Spec, b: Spec, rest: int) -> None:
    for s in (a, b):
        if s.ndim != 3:
            axis(2, s.ndim)
            raise RuntimeError("batch1 must be a 3D tensor" if s is a else "batch2 must be a 3D tensor")
    check_expandable(x, (a.size[0], a.size[1], b.size[2])[rest:])


def _baddbmm_size(x: Spec, a: Spec, b: Spec) -> tuple:
    _batches(x, a, b, 0)
    if (a.size[0], a.size[2]) != b.size[:2]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.size[0]}, {a.size[2]}] but got: "
            f"[{b.size[0]}, {b.size[1]}]."
        )
    for s in (b, x):
        if s.dtype is not a.dtype:
            found = (a, b) if s is b else (x, a)
            raise RuntimeError("expected scalar type {} but found {}".format(*(dtypes.scalar_name(f.dtype) for f in found)))
    return a.size[0], a.size[1], b.size[2]


def _addbmm_size(x: Spec, a: Spec, b: Spec) -> tuple:
    _batches(x, a, b, 1)
    if a.size[0] != b.size[0]:
        raise RuntimeError(f"batch1 and batch2 must have same number of batches, got {a.size[0]} and {b.size[0]}")
    if a.size[2] != b.size[1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({a.size[1]}x{a.size[2]} and {b.size[1]}x{b.size[2]})"
        )
    for s, word in ((a, "mat1"), (x, "self")):
        if s.dtype is not b.dtype:
            raise RuntimeError(
                f"{word} and mat2 must have the same dtype, but got {dtypes.scalar_name(s.dtype)} and {dtypes.scalar_name(b.dtype)}"
            )
    return a.size[1], b.size[2]


_turned = lambda t: conj(t).transpose(-1, -2)
_of_matrices = (lambda g, b: matmul(g, _turned(b)), lambda g, a: matmul(_turned(a), g))
_multiply = lambda xp, a, b: xp.matmul(a, b)
addmm = _addition("addmm", "addmm_impl_cpu_", _addmm_size, _multiply, *_of_matrices)
baddbmm = _addition("baddbmm", "baddbmm", _baddbmm_size, _multiply, *_of_matrices)
addmv = _addition(
    "addmv", "addmv_impl_cpu", _addmv_size, _multiply,
    lambda g, b: g.unsqueeze(1) * conj(b), lambda g, a: matmul(_turned(a), g),
)  # fmt: skip
addbmm = _addition(
    "addbmm", "addmm_impl_cpu_", _addbmm_size, lambda xp, a, b: xp.matmul(a, b).sum(0),
    lambda g, b: matmul(g.unsqueeze(0), _turned(b)), lambda g, a: matmul(_turned(a), g.unsqueeze(0)),
)  # fmt: skip

_addr = pointwise(SAME, name="addr", torch=False, tensor=False, grad=(
    lambda g, y, _x, _a, _b, beta, _alpha: g * conj(beta), lambda g, y, _x, _a, b, _beta, alpha: g * conj(alpha * b),
    lambda g, y, _x, a, _b, _beta, alpha: g * conj(alpha * a), None, None))(
    lambda xp, x, a, b, beta, alpha: (x & beta) | (a & b & alpha) if x.dtype.kind == "b" else beta * x + alpha * (a * b))  # fmt: skip


def _addr_checked(input: Tensor, vec1: Tensor, vec2: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta input + alpha (the outer product of two vectors)."""
    for t, n in ((vec1, "vec1"), (vec2, "vec2")):
        if t.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {n}, but got {t.ndim}-D")
    check_expandable(input._spec, (vec1.shape[0], vec2.shape[0]))
    kind = dtypes.promote_types(input.dtype, dtypes.promote_types(vec1.dtype, vec2.dtype))
    for word, value in (("beta", beta), ("alpha", alpha)):
        if kind.kind < dtypes.FLOAT and isinstance(value, float):
            raise RuntimeError(f"For integral input tensors, argument {word} must not be a floating point number.")
    if kind is dtypes.bool_:
        beta, alpha = bool(beta), bool(alpha)
    if beta == 0 and kind.kind >= dtypes.FLOAT:  # nothing of the input shows, not even nan
        input = input.new_zeros(())
    return _addr(input, vec1.unsqueeze(1), vec2, beta, alpha)


addr = _with_out_and_inplace("addr", _addr_checked)


@composite()
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of all pairs of two vectors."""
    for t, n in ((input, "self"), (vec2, "vec2")):
        if t.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {n}, but got {t.ndim}-D")
    result = input.unsqueeze(1) * vec2
    return result if out is None else write_out(result, out, "outer")


@composite()
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of `input` times the whole of `other`, put together as blocks."""
    n = max(input.ndim, other.ndim)
    left, right = (1,) * (n - input.ndim) + tuple(input.shape), (1,) * (n - other.ndim) + tuple(other.shape)
    spread = input.reshape([s for pair in zip(left, (1,) * n) for s in pair])
    blocks = spread * other.reshape([s for pair in zip((1,) * n, right) for s in pair])
    result = blocks.reshape([a * b for a, b in zip(left, right)])
    return result if out is None else write_out(result, out, "kron")


ger = outer
public(outer, "ger")
method("ger", outer)


@composite("torch")
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of several matrices."""
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
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
    result = tensordot(input, other, ([-1], [-1]))
    return result if out is None else write_out(result, out, "inner")


@composite()
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inner product of two vectors, the first conjugated."""
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {dtypes.scalar_name(input.dtype)} and "
            f"{dtypes.scalar_name(other.dtype)}"
        )
    result = rename_node(dot(conj(input), other), "VdotBackward0")
    return result if out is None else write_out(result, out, "vdot")


@composite("torch")
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sums of products over several axes of both."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        dims = (list(range(-dims, 0)), list(range(dims)))
    dims_a, dims_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(dims_a) != len(dims_b):
        raise RuntimeError("both dimension lists should have same length")
    da, db = [axis(d, a.ndim) for d in dims_a], [axis(d, b.ndim) for d in dims_b]
    for i, j in zip(dims_a, dims_b, strict=True):
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
    result = mm(left, right).reshape([a.shape[i] for i in ra] + [b.shape[i] for i in rb])
    return result if out is None else write_out(result, out, "tensordot")
