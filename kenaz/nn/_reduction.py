"""How a loss becomes one number: the words `none`, `mean` and `sum`, and the two flags they replaced."""

from __future__ import annotations

import warnings

from .. import _api as torch

_NUMBERS = {"none": 0, "mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number PyTorch's C++ side uses for a reduction.

    >>> get_enum("mean")
    1
    """
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=2)
        reduction = "mean"
    number = _NUMBERS.get(reduction)
    if number is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return number


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the deprecated `size_average` and `reduce` ask for; a missing flag counts as true.

    >>> legacy_get_string(False, None, emit_warning=False)
    'sum'
    """
    averages, reduces = size_average is None or bool(size_average), reduce is None or bool(reduce)
    reduction = ("mean" if averages else "sum") if reduces else "none"
    if emit_warning:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,
        )
    return reduction


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """`get_enum` of the reduction that the deprecated flags ask for."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))


def resolve(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction in force: the deprecated flags win where one is given."""
    if size_average is None and reduce is None:
        return reduction
    return legacy_get_string(size_average, reduce)


def apply(loss: torch.Tensor, reduction: str) -> torch.Tensor:
    """`loss` as it is, averaged or summed.

    >>> apply(torch.tensor([1.0, 3.0]), "mean")
    tensor(2.)
    """
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        get_enum(reduction)
    return loss
