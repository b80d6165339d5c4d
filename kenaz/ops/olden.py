"""Norms under their names of old, memory in an order of axes, and memory that is a file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..graph.storage import Storage
from . import norms
from .creation import empty, finish
from .record import public, write_out


@public
def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False, *, out: Any = None) -> Tensor:
    """The sum of the singular values.

    >>> nuclear_norm(empty(0, 0))
    tensor(0.)
    """
    if isinstance(dim, bool):  # nuclear_norm(x, keepdim)
        dim, keepdim = (-2, -1), dim
    found = norms.matrix_norm(input, "nuc", dim, keepdim)
    return found if out is None else write_out(found, out, "nuclear_norm")


@public
def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False, *, out: Any = None) -> Tensor:
    """The root of the sum of squares along one or two axes."""
    found = norms.vector_norm(input, 2, dim if isinstance(dim, int) else tuple(dim) or None, keepdim)
    return found if out is None else write_out(found, out, "frobenius_norm")


@public
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all axes but one, which keeps its place."""
    axes = [d for d in range(v.ndim) if d != dim % v.ndim] if dim != -1 else list(range(v.ndim))
    found = norms.vector_norm(v, pow, tuple(axes), True) if axes else v.abs()
    return found if dim != -1 else found.reshape(())


@public
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Cleared memory in which the axes lie in the order of `physical_layout`, from the outermost to the innermost.

    >>> empty_permuted((2, 3, 4), (2, 0, 1)).stride()
    (3, 1, 6)
    """
    if len(size) != len(physical_layout):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    if sorted(physical_layout) != list(range(len(size))):
        wrong = next((d for d in physical_layout if not 0 <= d < len(size)), None)
        raise RuntimeError(
            "Duplicate dim not allowed" if wrong is None else
            f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {wrong} at index "
            f"{list(physical_layout).index(wrong)}).  NB: negative dims not currently supported; file an issue if you "
            "want it."
        )  # fmt: skip
    memory = empty([size[d] for d in physical_layout], dtype=dtype, device=device)
    places = [list(physical_layout).index(d) for d in range(len(size))]
    return finish(memory.permute(places), requires_grad)


@public
def from_file(
    filename: Any, shared: bool | None = None, size: int | None = 0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The elements of a binary file. With `shared` the memory is the file: it is made if it is not there, and what is
    written to the tensor is written to it.

    Raises RuntimeError where the file cannot be opened.
    """
    kind = (dtype or dtypes.get_default_dtype()).np
    path, count = os.fspath(filename), int(size or 0)
    if not shared:
        if not os.path.exists(path):
            raise RuntimeError(f"unable to open file <{path}> in read-only mode: No such file or directory (2)")
        return Tensor._from_array(np.fromfile(path, kind, count))
    with open(path, "ab") as file:
        file.truncate(max(os.path.getsize(path), count * kind.itemsize))
    storage = Storage.of(np.memmap(path, kind, "r+", 0, (count,)).view(np.ndarray))
    storage.expose("always")
    from .. import execute

    execute.update_mode()
    return Tensor._from_storage(storage, (count,), (1,), 0, dtype or dtypes.get_default_dtype())


@public
def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch the search for the line whose gradient fails."""
    from ..autograd.anomaly_mode import set_detect_anomaly

    set_detect_anomaly(enabled, check_nan)


@public
def get_file_path(*path_components: str) -> str:
    """A path inside the folder that this library is installed in."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(here, *path_components)


@public
def init_num_threads() -> None:
    """Start the threads that compute: they start when they are needed."""


class _ClassPropertyDescriptor:
    """A property of a class, asked of it or of its instances."""

    def __init__(self, fget: Any) -> None:
        self.fget = fget

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.fget.__get__(instance, owner or type(instance))()


def classproperty(func: Any) -> _ClassPropertyDescriptor:
    """Decorate a method of a class: it becomes a property of the class.

    >>> class Named:
    ...     @classproperty
    ...     def name(cls):
    ...         return cls.__name__
    >>> Named.name
    'Named'
    """
    return _ClassPropertyDescriptor(func if isinstance(func, (classmethod, staticmethod)) else classmethod(func))


public(classproperty)
