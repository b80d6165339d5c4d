"""Python's numbers and sequences of them as arrays: which dtype they ask for, which shape, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import dtype

_NOT_A_LIST = (dict, str, bytes, np.generic, Tensor)  # they have `__getitem__`, and are no sequences of numbers


def infer_dtype(data: Any) -> dtype | None:
    """The dtype that one value asks for, or None if it is no number."""
    if isinstance(data, Tensor):
        return data.dtype
    if isinstance(data, (np.ndarray, np.generic)):
        return dtypes.of_numpy(data.dtype)
    if type(data) in dtypes.PYTHON_TYPES:
        return dtypes.of_python(type(data))
    return None


def is_sequence(data: Any) -> bool:
    """Whether a value counts as a list of others: lists, ranges, deques, a Series, whatever has `__getitem__`.

    >>> is_sequence(range(3)), is_sequence({1: 2}), is_sequence("ab")
    (True, False, False)
    """
    return isinstance(data, list | tuple) or (hasattr(type(data), "__getitem__") and not isinstance(data, _NOT_A_LIST))


def number(value: Any, dtype: dtype | None) -> np.ndarray:
    """One number as an array without axes; raises what PyTorch raises where it is no number."""
    kind = _leaf_dtype(value, dtype)
    if type(value) is int and kind.kind <= dtypes.INT and not -(1 << 63) <= value < (1 << 63 + (kind is dtypes.uint64)):
        raise ValueError("Overflow when unpacking long long")
    return np.array(value).astype((dtype or kind).np)


def array_of(data: Sequence, dtype: dtype | None) -> np.ndarray:
    """Nested sequences of numbers as an array, of the dtype or of the one that the numbers have in common."""
    leaves: set = set()
    listed = _listed(data, dtype, leaves)
    try:
        array = np.array(listed, dtype=None if leaves else np.float32)
    except ValueError:
        _raise_ragged(listed, dtype or _common(leaves), _sizes(listed))
        raise
    target = dtype or _common(leaves)
    if _overflows(array, target, leaves):
        raise ValueError("Overflow when unpacking long long")
    return array.astype(target.np)


def _overflows(array: np.ndarray, target: dtype, leaves: set) -> bool:
    """Whether integers of Python are beyond what the integers of a tensor hold."""
    if target.kind > dtypes.INT or target is dtypes.uint64 or dtypes.int64 not in leaves:
        return False
    return array.dtype.kind == "O" or (array.dtype.kind in "uf" and leaves <= {dtypes.int64, dtypes.bool_})


def _common(leaves: set) -> dtype:
    found = None
    for leaf in leaves:
        found = leaf if found is None else dtypes.promote_types(found, leaf)
    return found or dtypes.get_default_dtype()


def _listed(data: Sequence, dtype: dtype | None, leaves: set) -> list:
    """The sequences as lists, tensors of one element as numbers; the dtypes of what is in them are added to `leaves`."""
    data = data if isinstance(data, list | tuple) else list(data)
    leaves.update(dtypes.of_python(kind) for kind in {*map(type, data)} & dtypes.PYTHON_TYPES.keys())
    return [value if type(value) in dtypes.PYTHON_TYPES else _item(value, dtype, leaves) for value in data]


def _item(value: Any, dtype: dtype | None, leaves: set) -> Any:
    if isinstance(value, list | tuple):
        return _listed(value, dtype, leaves)
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    if not isinstance(value, np.ndarray) and infer_dtype(value) is None and is_sequence(value):
        return _listed(value, dtype, leaves)
    leaves.add(_leaf_dtype(value, dtype))
    return value._array().reshape(()) if isinstance(value, Tensor) else value


def _leaf_dtype(value: Any, dtype: dtype | None) -> dtype:
    """The dtype of one number; raises what PyTorch raises where it is none, or none that the asked dtype can hold."""
    found = infer_dtype(value)
    if found is not None:
        return found
    name = type(value).__name__
    if isinstance(value, str | bytes):
        raise TypeError(f"new(): invalid data type '{name}'")
    if dtype is None:
        raise RuntimeError(f"Could not infer dtype of {name}")
    if not hasattr(type(value), "__float__" if dtype.kind >= dtypes.FLOAT else "__index__"):
        raise TypeError(_not_a_number(name, dtype))
    return dtype


def _not_a_number(name: str, dtype: dtype) -> str:
    if dtype.kind >= dtypes.FLOAT:
        return f"must be real number, not {name}"
    return f"'{name}' object cannot be interpreted as an integer"


def _sizes(data: Any) -> list[int]:
    """The sizes that the first elements promise."""
    sizes = []
    while isinstance(data, list | np.ndarray) and np.ndim(data if isinstance(data, np.ndarray) else [0]):
        sizes.append(len(data))
        if not len(data):
            break
        data = data[0]
    return sizes


def _raise_ragged(data: Any, dtype: dtype, sizes: list[int], dim: int = 0) -> None:
    """Raises what PyTorch raises for the first element that does not keep to the sizes."""
    if dim == len(sizes):
        if isinstance(data, list):
            raise TypeError(_not_a_number("list", dtype))
        return
    if not isinstance(data, list | np.ndarray):
        raise TypeError("not a sequence")
    if len(data) != sizes[dim]:
        raise ValueError(f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(data)})")
    for value in data:
        _raise_ragged(value, dtype, sizes, dim + 1)

