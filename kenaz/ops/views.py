"""Views: rules on size, stride and offset. No rule touches an element."""

from __future__ import annotations

import functools
import operator
from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import scalar_name
from ..core.spec import Spec, fresh
from .declare import View, opaque, view
from .record import COPY, apply, method, public


# ---------------------------------------------------------------------------------------------------- order of axes
@view(grad=lambda g, y, _x, dim0, dim1: g.transpose(dim0, dim1))
def transpose(v: View, dim0: int, dim1: int) -> View:
    """The tensor with two axes exchanged."""
    return v.swap(v.axis(dim0), v.axis(dim1))


@view(grad=lambda g, y, _x, dims: g.permute(_inverse(dims, _x.ndim)), name="permute", torch=False, tensor=False)
def _permute(v: View, dims: tuple) -> View:
    if len(dims) != v.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            "ordering "
            f"of dimensions i.e. input.dim() = {v.ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = [v.axis(d) for d in dims]
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return v.permute(order)


def _inverse(dims: tuple, ndim: int) -> tuple:
    order = [d % ndim for d in dims]
    return tuple(order.index(i) for i in range(ndim))


def flat(args: tuple) -> tuple:
    """Arguments that may come one by one or as one sequence."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        return tuple(args[0])
    return args


def several(keyword: str) -> Any:
    """Let a function of (tensor, tuple) take the tuple as one argument, as several, or by its name."""

    def enter(function: Any) -> Any:
        name = function.__name__

        @functools.wraps(function)
        def named(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if keyword in kwargs and not args:
                args = (kwargs.pop(keyword),)
            elif not args:
                raise TypeError(f'{name}() missing 1 required positional arguments: "{keyword}"')
            return function(input, flat(args), **kwargs)

        return named

    return enter


def integers(name: str, keyword: str, values: tuple) -> tuple[int, ...]:
    """Sizes or axes as integers, or PyTorch's complaint."""
    try:
        return tuple(map(operator.index, values))
    except TypeError:
        wrong = values[0] if len(values) == 1 else values
        raise TypeError(
            f"{name}(): argument '{keyword}' (position 1) must be tuple of ints, not {type(wrong).__name__}"
        ) from None


@several("dims")
def permute(input: Tensor, dims: tuple) -> Tensor:
    """The tensor with its axes in the given order."""
    return _permute(input, dims)


public(permute)
method("permute", permute)


# ------------------------------------------------------------------------------------------------------------- size
@view(grad=lambda g, y, _x, size: g.reshape(_x.size), name="view", torch=False, tensor=False)
def _view(v: View, size: tuple) -> View:
    new = shapes.infer(size, shapes.numel(v.size))
    stride = shapes.view_stride(v.size, v.stride, new)
    if stride is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return View(new, stride)


def view_method(self: Tensor, *args: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """The same memory with another size, or read as another dtype."""
    size = flat(args) if size is None else tuple(size)
    if dtype is not None or (len(size) == 1 and isinstance(size[0], dtypes.dtype)):
        return view_dtype(self, dtype or size[0])
    try:
        return _view(self, size)
    except TypeError:
        raise TypeError(
            "view() received an invalid combination of arguments - got "
            f"({', '.join(type(s).__name__ for s in size)}), but "
            "expected one of:\n * (torch.dtype dtype)\n * (tuple of ints size)\n"
        ) from None


@view(grad=None, name="view_as_dtype", torch=False, tensor=False)
def view_dtype(v: View, dtype: Any) -> View:
    old, new = v.dtype.itemsize, dtype.itemsize
    if old == new:
        return View(v.size, v.stride, 0, dtype)
    change = f"view {scalar_name(v.dtype)} as {scalar_name(dtype)} (different element sizes)"
    if not v.ndim:
        raise RuntimeError(f"self.dim() cannot be 0 to {change}")
    if v.stride[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 to {change}, but got {v.stride[-1]}")
    if old > new:
        n = old // new
        return View((*v.size[:-1], v.size[-1] * n), (*(q * n for q in v.stride[:-1]), 1), 0, dtype)
    n = new // old
    if v.size[-1] % n:
        raise RuntimeError(f"self.size(-1) must be divisible by {n} to {change}, but got {v.size[-1]}")
    for d, q in enumerate(v.stride[:-1]):
        if q % n:
            raise RuntimeError(f"self.stride({d}) must be divisible by {n} to {change}, but got {q}")
    return View((*v.size[:-1], v.size[-1] // n), (*(q // n for q in v.stride[:-1]), 1), 0, dtype)


method("view", view_method)


@several("shape")
def reshape(input: Tensor, shape: tuple) -> Tensor:
    """The elements in another size: a view where strides allow it, else a copy."""
    s = input._spec
    through = _view if s.contiguous else _reshape_alias
    if (through.op, (shape,)) in s.variants:  # it is known to be a view
        return through(input, shape)
    new = shapes.infer(shape, s.numel)
    if shapes.view_stride(s.size, s.stride, new) is None:
        out = _unsafe_view(contiguous(input), new)
        out._base = None  # nobody else sees the copy
        return out
    return through(input, shape)


@view(grad=lambda g, y, _x, size: g.reshape(_x.size), name="reshape_alias", torch=False, tensor=False)
def _reshape_alias(v: View, size: tuple) -> View:
    new = shapes.infer(size, shapes.numel(v.size))
    return View(new, shapes.view_stride(v.size, v.stride, new))


@view(grad=lambda g, y, _x, size: g.reshape(_x.size), name="unsafe_view", torch=False, tensor=False)
def _unsafe_view(v: View, size: tuple) -> View:
    return View(size, shapes.contiguous_stride(size))


public(reshape)
method("reshape", reshape)


@view(grad=lambda g, y, _x, size: g, name="expand", torch=False, tensor=False)
def _expand(v: View, size: tuple) -> View:
    lead = len(size) - v.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{scalar_name(v.dtype)}Tensor{{{list(v.size)}}}, size={list(size)}): the number of sizes "
            "provided "
            f"({len(size)}) must be greater or equal to the number of dimensions in the tensor ({v.ndim})"
        )
    new, stride = [], []
    for i, s in enumerate(size):
        have = v.size[i - lead] if i >= lead else None
        if s == -1:
            if have is None:
                raise RuntimeError(
                    f"The expanded size of the tensor ({s}) isn't allowed in a leading, non-existing dimension {i}"
                )
            s = have
        if s < 0:
            raise RuntimeError("numel: integer multiplication overflow" if have is not None else f"invalid size {s}")
        if have is not None and have not in (s, 1):
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}.  "
                f"Target sizes: {list(size)}.  Tensor sizes: {list(v.size)}"
            )
        new.append(s)
        stride.append(v.stride[i - lead] if have is not None and have == s else 0)
    return View(new, stride)


@several("size")
def expand(input: Tensor, size: tuple, implicit: bool = False) -> Tensor:
    """The tensor with axes of one element repeated without a copy."""
    return _expand(input, integers("expand", "size", size))


method("expand", expand)


@view(grad=lambda g, y, _x, dim: g.squeeze(dim))
def unsqueeze(v: View, dim: int) -> View:
    """The tensor with a new axis of one element at `dim`."""
    d = v.axis(dim, extra=1)
    step = v.size[d] * v.stride[d] if d < v.ndim else 1
    return v.insert(d, 1, step)


def _squeezer(name: str, grad_name: str) -> Any:
    @view(grad=lambda g, y, _x, dims: g.reshape(_x.size), name=name, grad_name=grad_name, torch=False, tensor=False)
    def rule(v: View, dims: tuple) -> View:
        keep = [i for i in range(v.ndim) if i not in dims or v.size[i] != 1]
        return View([v.size[i] for i in keep], [v.stride[i] for i in keep])

    return rule


_squeeze_all = _squeezer("squeeze", "SqueezeBackward0")
_squeeze_one = _squeezer("squeeze_dim", "SqueezeBackward1")
_squeeze_some = _squeezer("squeeze_dims", "SqueezeBackward2")


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """The tensor without its axes of one element, or without those named."""
    if dim is None:
        return _squeeze_all(input, tuple(range(input._spec.ndim)))
    if isinstance(dim, (tuple, list)):
        return _squeeze_some(input, shapes.axes(dim, input._spec.ndim) if dim else ())
    return _squeeze_one(input, (shapes.axis(operator.index(dim), input._spec.ndim),))


public(squeeze)
method("squeeze", squeeze)


# ------------------------------------------------------------------------------------------------------------ parts
@view(grad=lambda g, y, _x, dim, index: embed(g, _x, select, dim, index), grad_name="SelectBackward0")
def select(v: View, dim: int, index: int) -> View:
    """One slice along an axis, without that axis."""
    if not v.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d, n = v.axis(dim), v.size[v.axis(dim)]
    i = operator.index(index)
    if not -n <= i < n:
        raise IndexError(f"select(): index {i} out of range for tensor of size {list(v.size)} at dimension {d}")
    out = v.drop(d)
    out.offset += (i + n if i < 0 else i) * v.stride[d]
    return out


@view(
    grad=lambda g, y, _x, dim, start, end, step: embed(g, _x, slice_, dim, start, end, step),
    name="slice", torch=False, tensor=False,
)  # fmt: skip
def slice_(v: View, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> View:
    """Every step-th slice from start to end along an axis."""
    d = v.axis(dim)
    if step <= 0:
        raise ValueError("step must be greater than zero")
    first, last = shapes.slice_bounds(start, end, v.size[d])
    return v.change(d, (last - first + step - 1) // step, v.stride[d] * step, first * v.stride[d])


def embed(g: Tensor, x: Spec, rule: Any, *args: Any) -> Tensor:
    """Zeros of the input's size with `g` added where a view looked: the derivative of every view that takes a part."""
    v = rule.op.rule(View(x.size, shapes.contiguous_stride(x.size)), *args)
    return _embed(g, v.offset, size=x.size, stride=v.stride)


def _embed_rule(g: Spec, offset: Any, size: tuple, stride: tuple) -> tuple:
    return size, g.dtype


def _native_embed(call: Any) -> Any:
    from ..codegen import moves

    return moves.embed(call)


def _native_embed_onto(call: Any) -> Any:
    from ..codegen import moves

    return moves.embed_onto(call)


@opaque(
    lambda total, g, offset, size, stride: (total.size, total.dtype), name="embed_onto", halves=True, overwrites=True,
    native=_native_embed_onto,
    grad=(
        lambda g, y, _total, _g, offset, size, stride: g,
        lambda g, y, _total, _g, offset, size, stride: _as_strided(contiguous(g), _g.size, stride, offset),
        None,
    ),
)  # fmt: skip
def _embed_onto(xp: Any, total: Any, g: Any, offset: int, size: tuple, stride: tuple) -> Any:
    return _add_in_view(xp, total, g, offset, stride)


def _add_in_view(xp: Any, total: Any, g: Any, offset: int, stride: tuple) -> Any:
    """`total`, a dense array, once `g` has been added to the elements that a view of it sees."""
    if not g.size:
        return total
    steps = tuple(q * g.itemsize for q in stride)
    seen = xp.lib.stride_tricks.as_strided(total.reshape(-1)[offset:], g.shape, steps)
    crowded = shapes.crowded_axes(g.shape, stride)
    for place in xp.ndindex(tuple(g.shape[d] for d in crowded)):  # elements that several places of the view share
        key = tuple(place[crowded.index(d)] if d in crowded else slice(None) for d in range(g.ndim))
        seen[key] += g[key]
    return total


@opaque(
    _embed_rule, name="embed", halves=True, native=_native_embed, onto=_embed_onto,
    grad=lambda g, y, _x, offset, size, stride: _as_strided(contiguous(g), _x.size, stride, offset),
)  # fmt: skip
def _embed(xp: Any, g: Any, offset: int, size: tuple, stride: tuple) -> Any:
    return _add_in_view(xp, xp.zeros(size, g.dtype), g, offset, stride)


@view(
    grad=lambda g, y, _x, size, stride, storage_offset: embed(g, _x, _as_strided, size, stride, storage_offset),
    torch=False, tensor=False, name="as_strided",
)  # fmt: skip
def _as_strided(v: View, size: tuple, stride: tuple, storage_offset: int) -> View:
    """The memory from `storage_offset` (counted from the input's own first element) with any size and strides."""
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(q < 0 for q in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    return View(size, stride, storage_offset)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """The storage of a tensor seen with any size, strides and offset (counted from the storage's start).

    Raises RuntimeError where that would reach beyond the storage.
    """
    size, stride = tuple(size), tuple(stride)
    start = input._offset if storage_offset is None else storage_offset
    needed = (start + shapes.extent(size, stride)) * input._spec.dtype.itemsize
    if needed > input._storage.nbytes and shapes.numel(size):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start}, and itemsize "
            f"{input._spec.dtype.itemsize} requiring a storage size of {needed} are out of bounds for storage of size "
            f"{input._storage.nbytes}"
        )
    return _as_strided(input, size, stride, start - input._offset)


public(as_strided)
method("as_strided", as_strided)


# ----------------------------------------------------------------------------------------------------- order in memory
_CHANNELS = {"channels_last": 4, "channels_last_3d": 5}  # how many axes a tensor of this memory format has


def format_stride(size: tuple, memory_format: Any) -> tuple | None:
    """The strides of a fresh tensor in a memory format; None where the format keeps what is there."""
    name = getattr(memory_format, "name", "contiguous_format")
    if name == "preserve_format":
        return None
    ndim = _CHANNELS.get(name)
    if ndim is None:
        return shapes.contiguous_stride(size)
    if len(size) != ndim:
        raise RuntimeError(f"required rank {ndim} tensor to use {name} format")
    moved = shapes.contiguous_stride((size[0], *size[2:], size[1]))
    return (moved[0], moved[-1], *moved[1:-1])


def in_format(x: Tensor, memory_format: Any) -> Tensor:
    """A copy of a tensor in a memory format."""
    s = x._spec
    stride = format_stride(s.size, memory_format)
    return apply(COPY, (x,), {"out": s.like(s.dtype) if stride is None else fresh(s.size, s.dtype, s.device, stride)})


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory without gaps, in the order of a memory format."""
    s = self._spec
    ndim = _CHANNELS.get(getattr(memory_format, "name", ""))
    if ndim is None:
        return s.contiguous
    order = (0, *range(2, ndim), 1)
    return s.ndim == ndim and shapes.is_contiguous([s.size[d] for d in order], [s.stride[d] for d in order])


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself where it lies in the order of the memory format (else row-major), or a copy that does."""
    if input._spec.contiguous and memory_format is None:
        return input
    if getattr(memory_format, "name", None) == "preserve_format":
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if is_contiguous(input, memory_format):
        return input
    return in_format(input, memory_format)


method("contiguous", contiguous)
method("is_contiguous", is_contiguous)


# --------------------------------------------------------------------------------------------------- names for an order
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices from `start` along an axis."""
    if not input._spec.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Tensor):
        if start._spec.ndim or start._spec.dtype.kind != 1:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = start.item()
    d = shapes.axis(operator.index(dim), input._spec.ndim)
    n = input._spec.size[d]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    first = start + n if start < 0 else start
    if first + length > n:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return slice_(input, d, first, first + length, 1)


@view(grad=lambda g, y, _x: g.t(), grad_name="TBackward0")
def t(v: View) -> View:
    """The transpose of a matrix; vectors and numbers as they are."""
    if v.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {v.ndim}D")
    return v.swap(0, 1) if v.ndim == 2 else View(v.size, v.stride)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` as one."""
    s = input._spec
    first, last = shapes.axis(operator.index(start_dim), s.ndim), shapes.axis(operator.index(end_dim), s.ndim)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not s.ndim:
        return reshape(input, 1)
    if first == last:
        return input
    return reshape(input, *s.size[:first], shapes.numel(s.size[first : last + 1]), *s.size[last + 1 :])


for _function in (narrow, flatten):
    public(_function)
    method(_function.__name__, _function)


def _reversed_axes(self: Tensor) -> Tensor:
    if self._spec.ndim != 2:
        import warnings

        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
            "throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            stacklevel=2,
        )
    return _permute(self, tuple(range(self._spec.ndim - 1, -1, -1)))


Tensor.T = property(_reversed_axes)


@view(grad=lambda g, y, _x, offset, dim1, dim2: embed(g, _x, diagonal, offset, dim1, dim2))
def diagonal(v: View, offset: int = 0, dim1: int = 0, dim2: int = 1) -> View:
    """The elements where the places along two axes differ by `offset`, as a new last axis."""
    a, b = v.axis(dim1), v.axis(dim2)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    down, right = max(-offset, 0), max(offset, 0)
    n = max(min(v.size[a] - down, v.size[b] - right), 0)
    rest = [d for d in range(v.ndim) if d not in (a, b)]
    return View(
        [*(v.size[d] for d in rest), n], [*(v.stride[d] for d in rest), v.stride[a] + v.stride[b]],
        (down * v.stride[a] + right * v.stride[b]) if n else 0,
    )  # fmt: skip


@view(grad=lambda g, y, _x, dimension, size, step: embed(g, _x, unfold, dimension, size, step), torch=False)
def unfold(v: View, dimension: int, size: int, step: int) -> View:
    """Windows of `size` slices, `step` apart, along an axis; the places inside a window become the last axis."""
    d = v.axis(dimension)
    n = v.size[d] if v.ndim else 1
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not v.ndim:
        return View((size,), (1,))
    windows = v.change(d, (n - size) // step + 1, v.stride[d] * step)
    return View((*windows.size, size), (*windows.stride, v.stride[d]), windows.offset)
