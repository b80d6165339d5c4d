"""Random tensors of every dtype, for tests."""

from __future__ import annotations

from typing import Any

from .. import _api as torch

__all__ = ["make_tensor"]


def _bounds(kind: torch.dtype, low: Any, high: Any) -> tuple[Any, Any]:
    """The range to draw from: as asked for, inside what the dtype holds."""
    least: Any
    most: Any
    if kind is torch.bool:
        least, most, usual = 0, 2, (0, 2)
    elif kind.is_floating_point or kind.is_complex:
        info = torch.finfo(kind)
        least, most, usual = info.min, info.max, (-9, 9)
    else:
        whole = torch.iinfo(kind)
        least, most, usual = whole.min, whole.max, (0 if whole.min == 0 else -9, 10)
    low, high = (usual[i] if bound is None else bound for i, bound in enumerate((low, high)))
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    return max(low, least), min(high, most)


def make_tensor(
    *shape: Any, dtype: torch.dtype, device: Any, low: Any = None, high: Any = None, requires_grad: bool = False,
    noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> torch.Tensor:  # fmt: skip
    """Values drawn evenly from [low, high): [-9, 9) unless given.

    >>> make_tensor((2, 3), dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], list | tuple) else tuple(shape)
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got {noncontiguous=} and {memory_format=}"
        )
    low, high = _bounds(dtype, low, high)
    apart = noncontiguous and len(size) > 0 and min(size) > 0  # every second element of twice as many
    size = (*size[:-1], 2 * size[-1]) if apart else size
    if dtype.is_complex:
        real = torch.empty((*size, 2), dtype=dtype.to_real(), device=device).uniform_(low, high)
        result = torch.view_as_complex(real)
    elif dtype.is_floating_point:
        result = torch.empty(size, dtype=dtype, device=device).uniform_(low, high)
    else:
        result = torch.randint(int(low), int(high), size, dtype=dtype, device=device)
    if apart:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = torch.finfo(dtype).tiny if dtype.is_floating_point or dtype.is_complex else 1
    return result.requires_grad_() if requires_grad else result
