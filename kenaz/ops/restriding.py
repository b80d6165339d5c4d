"""More ways to look at a tensor's memory, and tensors that change their own size and strides in place."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor
from ..core import shape as shapes
from ..core.dtype import scalar_name
from ..core.spec import Spec, fresh, spec
from ..graph.node import held, make_node
from .conversion import copy_, fill_
from .declare import View, opaque, view
from .record import check_writable, composite, method, write_out
from .views import (
    _permute,
    _view,
    as_strided,
    diagonal,
    expand,
    format_stride,
    reshape,
    squeeze,
    t,
    transpose,
    unsqueeze,
)


# -------------------------------------------------------------------------------------------------------- order of axes
def _axes_list(name: str, value: Any, ndim: int) -> list[int]:
    found = [shapes.axis(operator.index(d), ndim) for d in (value if isinstance(value, (tuple, list)) else (value,))]
    if len(set(found)) != len(found):
        raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(value)})")
    return found


@composite()
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The tensor with the axes `source` at the places `destination`, the others in their order."""
    many = [d if isinstance(d, (tuple, list)) else (d,) for d in (source, destination)]
    if len(many[0]) != len(many[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(many[0])} dims) should contain the same "
            "number of dims "
            f"as destination ({list(many[1])} dims)"
        )
    n = input._spec.ndim
    if not n:
        return input
    there = dict(zip(_axes_list("destination", destination, n), _axes_list("source", source, n), strict=True))
    rest = iter([d for d in range(n) if d not in there.values()])
    return _permute(input, tuple(there[d] if d in there else next(rest) for d in range(n)))


@composite()
def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The tensor with the axes `source` at the places `destination`, the others in their order."""
    return movedim(input, source, destination)


@composite()
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """The tensor with two axes exchanged."""
    return transpose(input, axis0, axis1)


@composite()
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """The tensor with two axes exchanged."""
    return transpose(input, dim0, dim1)


def _matrices(name: str) -> Any:
    def function(self: Tensor) -> Tensor:
        n = self._spec.ndim
        if n < 2:
            raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {n}-D tensor.")
        turned = transpose(self, -2, -1)
        return turned if name == "mT" or not self.dtype.is_complex else turned.conj()

    return function


def _hermitian(self: Tensor) -> Tensor:
    n = self._spec.ndim
    if n not in (0, 2):
        more = " For batches of matrices, consider using tensor.mH" if n > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {n}-D tensor.{more}")
    return self if not n else _matrices("mH")(self)


@composite()
def adjoint(input: Tensor) -> Tensor:
    """Matrices transposed and, where complex, conjugated."""
    return _matrices("adjoint()")(input)


for _name, _get in (("mT", _matrices("mT")), ("mH", _matrices("mH")), ("H", _hermitian)):
    setattr(Tensor, _name, property(_get))


# ----------------------------------------------------------------------------------------------------------------- size
@composite()
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One axis as several, of the given sizes."""
    if isinstance(sizes, int) or (isinstance(sizes, (tuple, list)) and sizes and isinstance(sizes[0], (tuple, list))):
        sizes = (sizes,) if isinstance(sizes, int) else sizes
    d = shapes.axis(operator.index(dim), input._spec.ndim)
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must be non-empty")
    n = input._spec.size[d] if input._spec.ndim else 1
    known = shapes.numel([s for s in sizes if s != -1])
    if (n != known) if -1 not in sizes else (not known or n % known):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({n}) in the input "
            "tensor"
        )
    return _view(
        input, (*input._spec.size[:d], *(n // known if s == -1 else s for s in sizes), *input._spec.size[d + 1 :])
    )


@composite()
def ravel(input: Tensor) -> Tensor:
    """The elements in a row."""
    return reshape(input, -1)


@composite("Tensor")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """The same memory with the size of another tensor."""
    return _view(self, tuple(other.shape))


@composite("Tensor")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The elements in the size of another tensor."""
    return reshape(self, tuple(other.shape))


@composite("Tensor")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor expanded to the size of another."""
    return expand(self, tuple(other.shape))


@composite()
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """The tensor expanded to a size."""
    return expand(input, tuple(size))


# ------------------------------------------------------------------------------------------------------------ diagonals
@opaque(
    lambda x, offset: (diagonal.op.rule(View(x.size, x.stride), offset).size, x.dtype),
    name="diagonal_copy", halves=True,
    grad_name="DiagonalBackward0_copy",
    grad=lambda g, y, _x, offset: g.new_zeros(_x.size).diagonal_scatter(g, offset),
)  # fmt: skip
def _diagonal_copy(xp: Any, x: Any, offset: int) -> Any:
    return xp.diagonal(x, offset).copy()


def _embed_rule(x: Spec, offset: int, dim1: int, dim2: int) -> tuple:
    n = x.ndim + 1
    a, b = shapes.axis(dim1, n), shapes.axis(dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = x.size[-1] + abs(offset)
    rest = iter(x.size[:-1])
    return tuple(side if d in (a, b) else next(rest) for d in range(n)), x.dtype


@opaque(
    _embed_rule, name="diag_embed", halves=True,
    grad=lambda g, y, _x, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
)  # fmt: skip
def _diag_embed(xp: Any, x: Any, offset: int, dim1: int, dim2: int) -> Any:
    side = x.shape[-1] + abs(offset)
    out = xp.zeros((*x.shape[:-1], side, side), x.dtype)
    place = xp.arange(x.shape[-1])
    out[..., place + max(-offset, 0), place + max(offset, 0)] = x
    a, b = dim1 % out.ndim, dim2 % out.ndim
    return xp.moveaxis(out, (-2, -1), (a, b))


@composite()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices whose diagonals are the last axis of the input, zero elsewhere."""
    return _diag_embed(input, offset=int(offset), dim1=int(dim1), dim2=int(dim2))


@composite()
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector as its diagonal."""
    n = input._spec.ndim
    if n not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {n}D")
    result = diag_embed(input, diagonal) if n == 1 else _diagonal_copy(input, offset=int(diagonal))
    return result if out is None else write_out(result, out, "diag")


@composite()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with the elements of a tensor as its diagonal."""
    return diag_embed(reshape(input, -1), offset)


@composite("Tensor")
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the main diagonal to a value; with `wrap` it starts again below a tall matrix."""
    size, stride = self._spec.size, self._spec.stride
    if len(size) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(size) > 2 and len(set(size)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    fill_(as_strided(self, (min(size),), (sum(stride),), self._offset), fill_value)
    if wrap and len(size) == 2:
        for start in range(size[1] + 1, size[0], size[1] + 1):
            fill_(diagonal(self[start:], 0, 0, 1), fill_value)
    return self


# -------------------------------------------------------------------------------------------------------------- complex
def _parts(v: View, shift: int) -> View:
    return View(v.size, tuple(q * 2 for q in v.stride), shift, v.dtype.to_real())


@view(grad=lambda g, y, _x: g, name="real", torch=False, tensor=False)
def _real(v: View) -> View:
    return _parts(v, 0)


@view(grad=lambda g, y, _x: g * 1j, name="imag", torch=False, tensor=False)
def _imag(v: View) -> View:
    return _parts(v, 1)


def _check_tensor(name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(value).__name__}")


@composite("torch")
def real(input: Tensor) -> Tensor:
    """The real parts: a view of a complex tensor, a real tensor itself."""
    _check_tensor("real", input)
    return _real(input) if input.dtype.is_complex else input


@composite("torch")
def imag(input: Tensor) -> Tensor:
    """The imaginary parts of a complex tensor, as a view."""
    _check_tensor("imag", input)
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _imag(input)


Tensor.real = property(real, lambda self, value: _set_part(real(self), value))
Tensor.imag = property(imag, lambda self, value: _set_part(imag(self), value))


def _set_part(part: Tensor, value: Any) -> None:
    copy_(part, value) if isinstance(value, Tensor) else fill_(part, value)


@view(grad=lambda g, y, _x: view_as_complex(g.contiguous()), name="view_as_real", torch=False, tensor=False)
def _as_real(v: View) -> View:
    return View((*v.size, 2), (*(q * 2 for q in v.stride), 1), 0, v.dtype.to_real())


@composite("torch")
def view_as_real(input: Tensor) -> Tensor:
    """A complex tensor as a real one with a last axis of (real, imaginary)."""
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _as_real(input)


@view(grad=lambda g, y, _x: view_as_real(g), name="view_as_complex", torch=False, tensor=False)
def _as_complex(v: View) -> View:
    return View(v.size[:-1], tuple(q // 2 for q in v.stride[:-1]), 0, v.dtype.to_complex())


@composite("torch")
def view_as_complex(input: Tensor) -> Tensor:
    """A real tensor with a last axis of (real, imaginary) as a complex one."""
    s = input._spec
    if not s.dtype.is_floating_point:
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{scalar_name(s.dtype)}"
        )
    if not s.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if s.size[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if s.stride[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(q % 2 for q in s.stride[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if input._offset % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    return _as_complex(input)


# ---------------------------------------------------------------------------------------------------- changing oneself
def _become(self: Tensor, seen: Tensor) -> Tensor:
    """Look at the memory as another view of it does."""
    check_writable(self)
    self._spec, self._offset = seen._spec, seen._offset
    self._storage.version += 1
    if seen._grad_fn is not None:
        self._grad_fn, self._output_nr = seen._grad_fn, seen._output_nr
        if self._base is not None:
            self._view_version = seen._view_version
    return self


for _name, _function in {
    "t": t, "transpose": transpose, "swapaxes": transpose, "swapdims": transpose, "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "as_strided": as_strided,
}.items():  # fmt: skip

    def _inplace(self: Tensor, *args: Any, _function: Any = _function, **kwargs: Any) -> Tensor:
        return _become(self, _function(self, *args, **kwargs))

    _inplace.__name__ = _name + "_"
    _inplace.__doc__ = f"`{_name}`, in place."
    method(_name + "_", _inplace)


@composite("Tensor")
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor another size over the same memory, which grows where it must (its new elements are zero)."""
    size = tuple(map(operator.index, sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes))
    if self._grad_fn is not None:
        raise RuntimeError("cannot resize variables that require grad")
    if size == self._spec.size and memory_format is None:
        return self
    for s in size:
        if s < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {s}: {list(size)}")
    stride = format_stride(size, memory_format) or shapes.contiguous_stride(size)
    item = self._spec.dtype.itemsize
    needed = self._offset + shapes.numel(size)
    storage = self._storage
    if shapes.numel(size) and needed * item > storage.nbytes:
        old = execute.memory(storage).reshape(-1).view(np.uint8)
        kind = self._spec.dtype
        memory = np.zeros(needed, kind.np)
        memory.view(np.uint8)[: old.size] = old
        storage.node = make_node(held(fresh((needed,), kind, self._spec.device)), (), None, memory)
    storage.version += 1
    self._spec = spec(size, stride, self._spec.dtype, self._spec.device, self._offset != 0)
    return self


@composite("Tensor")
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """Give the tensor the size of another."""
    return resize_(self, tuple(the_template.shape), memory_format=memory_format)
