"""Views that are copied at once (`view_copy`), splits whose parts may be written to, and views in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from .declare import rename_node
from .record import PUBLIC, composite, method, public, write_out

_VIEWS = (
    "alias as_strided detach diagonal expand narrow permute select split split_with_sizes squeeze t transpose unbind "
    "unfold unsqueeze view view_as_complex view_as_real"
).split()


def _alias(x: Tensor) -> Tensor:
    return rename_node(x.view_as(x), "AliasBackward0")


def _copying(name: str) -> Callable:
    """`name_copy` of a view."""
    look = _alias if name == "alias" else PUBLIC.get(name) or getattr(Tensor, name)

    def function(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        try:
            found = look(input, *args, **kwargs)
        except TypeError as error:
            raise TypeError(re.sub(r"^\w+\(", f"{name}_copy(", str(error))) from error
        copies = tuple(map(_copied, found)) if isinstance(found, tuple) else _copied(found)
        return copies if out is None else write_out(copies, out, f"{name}_copy")

    function.__name__ = function.__qualname__ = f"{name}_copy"
    function.__doc__ = f"`{name}` in memory of its own."
    return function


def _copied(view: Tensor, node: str = "") -> Tensor:
    """A view in memory of its own; its backward node is named after the view's where no name is given."""
    copy: Any = view.clone().contiguous()
    return copy if view._grad_fn is None else rename_node(copy, node or f"{type(view._grad_fn).__name__}_copy")


for _name in _VIEWS:
    public(_copying(_name))
method("narrow_copy", PUBLIC["narrow_copy"])


@composite("torch")
def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *, out: Any = None
) -> Tensor:  # fmt: skip
    """Every `step`-th part along an axis from start to end, in memory of its own.

    >>> slice_copy(PUBLIC["arange"](6), 0, 1, None, 2)
    tensor([1, 3, 5])
    """
    dim = dim + input.ndim if dim < 0 else dim
    part = _copied(input[(slice(None),) * dim + (slice(start, end, step),)])
    return part if out is None else write_out(part, out, "slice_copy")


@composite()
def slice_inverse(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:  # fmt: skip
    """The tensor itself, seen in the sizes of what it was sliced from."""
    found = input.as_strided(src.shape, src.stride(), src.storage_offset())
    return rename_node(found, "SliceInverseBackward0")


# ---------------------------------------------------------------------------------------- parts that may be written to
@composite()
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple:
    """`split` without the rule that parts of one tensor may not be written to."""
    return tuple(_copied(part, "UnsafeSplitBackward0") for part in input.split(split_size, dim))


@composite()
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple:
    """`split_with_sizes` without the rule that parts of one tensor may not be written to."""
    return tuple(_copied(part, "UnsafeSplitWithSizesBackward0") for part in input.split_with_sizes(split_sizes, dim))


@composite()
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """`chunk` without the rule that parts of one tensor may not be written to."""
    return tuple(_copied(part, "UnsafeSplitBackward0") for part in input.chunk(chunks, dim))


# --------------------------------------------------------------------------------------- methods in place, as functions
def _in_place(name: str) -> Callable:
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(input, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`Tensor.{name}` as a function."
    return function


for _name in ("addmv_", "as_strided_", "detach_", "resize_as_", "get_device", "is_distributed"):
    public(_in_place(_name))
method("is_distributed", lambda self: False)


@composite("Tensor")
def polygamma_(self: Tensor, n: int) -> Tensor:
    """`polygamma(n, self)` in place."""
    return self.copy_(PUBLIC["polygamma"](n, self))


@composite("Tensor")
def index(self: Tensor, positions: Any, dims: Any) -> Tensor:
    """The tensor with each axis of `positions` indexed by what stands at its place in `dims`.

    >>> PUBLIC["arange"](6).reshape(2, 3).index((0, 1), (1, 2))
    tensor(5)
    """
    positions = positions if isinstance(positions, tuple) else (positions,)
    dims = dims if isinstance(dims, tuple) else (dims,)
    if len(positions) != len(dims):
        raise ValueError(f"{len(positions)} positions and {len(dims)} dims")
    where: list = [slice(None)] * self.ndim
    for position, dim in zip(positions, dims):
        where[position] = dim
    return self[tuple(where)]


@composite("Tensor")
def resize(self: Tensor, *sizes: Any) -> Tensor:
    """The elements in another size; there must be as many."""
    size = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    _warn_of_resizing()
    return _reshaped(self, size)


@composite("Tensor")
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """The elements in the size of another tensor."""
    _warn_of_resizing()
    return _reshaped(self, tuple(tensor.shape))


def _warn_of_resizing() -> None:
    import warnings

    warnings.warn("non-inplace resize is deprecated", stacklevel=4)


def _reshaped(x: Tensor, size: tuple) -> Tensor:
    count = 1
    for n in size:
        count *= n
    if count != x.numel():
        have = "x".join(map(str, x.shape))
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, size))} ({count} elements in total), but the given tensor has a "
            f"size of {have} ({x.numel()} elements). autograd's resize can only change the shape of a given tensor, "
            "while preserving the number of elements. "
        )
    return x.contiguous().view(size)
