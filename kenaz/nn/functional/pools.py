"""Pooling: PyTorch's signatures around the operators of `ops.pooling`, and the poolings made of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import _api as torch
from ..._api import Tensor
from ...ops import pooling as ops

Ints = int | tuple[int, ...] | list[int]

# operators that need nothing around them
adaptive_avg_pool1d = ops.adaptive_avg_pool1d
avg_pool1d = ops.avg_pool1d
avg_pool2d = ops.avg_pool2d
avg_pool3d = ops.avg_pool3d


# ------------------------------------------------------------------------------------------------------------- maximum
def _named(function: Callable, name: str, doc: str) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _max_pools(name: str, doc: str) -> tuple[Callable, Callable]:
    """`max_pool` of a number of axes, and the same with the places of the maxima."""
    plain, both = getattr(ops, name), getattr(ops, f"{name}_with_indices")

    def with_indices(
        input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return both(input, kernel_size, stride, padding, dilation, ceil_mode)

    def pool(
        input: Tensor, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return (both if return_indices else plain)(input, kernel_size, stride, padding, dilation, ceil_mode)

    places = f"`{name}` and where each maximum stood, as an index into its flattened channel."
    return _named(pool, name, doc), _named(with_indices, f"{name}_with_indices", places)


_LARGEST = "The largest value under a sliding window; with `return_indices` also where it stood.\n\n    "
max_pool1d, max_pool1d_with_indices = _max_pools(
    "max_pool1d", _LARGEST + ">>> max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)\n    tensor([[3., 2.]])"
)
max_pool2d, max_pool2d_with_indices = _max_pools(
    "max_pool2d", _LARGEST + ">>> max_pool2d(torch.arange(4.0).reshape(1, 2, 2), 2)\n    tensor([[[3.]]])"
)
max_pool3d, max_pool3d_with_indices = _max_pools(
    "max_pool3d", _LARGEST + ">>> max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)\n    tensor([[[[7.]]]])"
)


# ------------------------------------------------------------------------------------------------------------ adaptive
def _filled(output_size: Any, sizes: tuple[int, ...]) -> Any:
    """`output_size` with the input's own size where it says None."""
    if isinstance(output_size, int):
        return output_size
    if len(sizes) <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    own = sizes[len(sizes) - len(output_size) :]
    return [default if size is None else size for size, default in zip(output_size, own)]


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows that divide the plane into `output_size` parts; None keeps the input's size.

    >>> adaptive_avg_pool2d(torch.arange(4.0).reshape(1, 2, 2), 1)
    tensor([[[1.5000]]])
    """
    return ops.adaptive_avg_pool2d(input, _filled(output_size, input.shape))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows that divide the volume into `output_size` parts; None keeps the input's size.

    >>> adaptive_avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5000]]]])
    """
    return ops.adaptive_avg_pool3d(input, _filled(output_size, input.shape))


def _adaptive_max_pools(name: str, example: str, filled: Callable) -> tuple[Callable, Callable]:
    """`adaptive_max_pool` of a number of axes, and the same with the places of the maxima."""
    both = getattr(ops, name)

    def with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> tuple[Tensor, Tensor]:
        return both(input, filled(output_size, input.shape))

    def pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        result = both(input, filled(output_size, input.shape))
        return result if return_indices else result[0]

    doc = "The largest value of each of `output_size` parts; with `return_indices` also where it stood.\n\n    "
    places = f"`{name}` and where each maximum stood."
    return _named(pool, name, doc + example), _named(with_indices, f"{name}_with_indices", places)


adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _adaptive_max_pools(
    "adaptive_max_pool1d",
    ">>> adaptive_max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)\n    tensor([[3., 2.]])",
    lambda output_size, sizes: output_size,
)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _adaptive_max_pools(
    "adaptive_max_pool2d",
    ">>> adaptive_max_pool2d(torch.arange(4.0).reshape(1, 2, 2), (1, None))\n    tensor([[[2., 3.]]])",
    _filled,
)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _adaptive_max_pools(
    "adaptive_max_pool3d",
    ">>> adaptive_max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)\n    tensor([[[[7.]]]])",
    _filled,
)


# ---------------------------------------------------------------------------------------------------------- power mean
def _root(mean: Tensor, count: int, norm_type: float) -> Tensor:
    """The norm from the mean of `count` powers."""
    # sign * relu(|mean|) is the mean itself: PyTorch's way of writing it, for PyTorch's gradient at 0
    return (mean.sign() * mean.abs().relu()).mul(count).pow(1.0 / norm_type)


def _volume(kernel_size: Ints, ndim: int) -> int:
    sizes = (kernel_size,) * ndim if isinstance(kernel_size, int) else tuple(kernel_size)
    volume = 1
    for size in sizes:
        volume *= size
    return volume


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: (sum of x ** norm_type) ** (1 / norm_type).

    >>> lp_pool1d(torch.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    mean = ops.avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, _volume(kernel_size, 1), norm_type)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: (sum of x ** norm_type) ** (1 / norm_type).

    >>> lp_pool2d(torch.tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    mean = ops.avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, _volume(kernel_size, 2), norm_type)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: (sum of x ** norm_type) ** (1 / norm_type).

    >>> lp_pool3d(torch.tensor([[[[3.0, 4.0]]]]), 2, (1, 1, 2))
    tensor([[[[5.]]]])
    """
    mean = ops.avg_pool3d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean, _volume(kernel_size, 3), norm_type)


# ---------------------------------------------------------------------------------------------------------- fractional
def _fractional_arguments(
    name: str, ndim: int, input: Tensor, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[list[int], Tensor]:
    """The output's spatial sizes and the random offsets of the windows."""
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratios = (output_ratio,) * ndim if ndim == 3 and isinstance(output_ratio, float) else output_ratio
        if len(ratios) > ndim:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(input.size(axis - ndim) * ratio) for axis, ratio in enumerate(ratios)]
    elif isinstance(output_size, int):
        output_size = [output_size] * ndim
    if samples is None:
        batch = 1 if input.dim() == ndim + 1 else input.size(0)
        samples = torch.rand(batch, input.size(-ndim - 1), ndim, dtype=input.dtype, device=input.device)
    return list(output_size), samples


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` and where each maximum stood."""
    size, samples = _fractional_arguments("fractional_max_pool2d", 2, input, output_size, output_ratio, _random_samples)
    return ops.fractional_max_pool2d(input, kernel_size, size, samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` and where each maximum stood."""
    size, samples = _fractional_arguments("fractional_max_pool3d", 3, input, output_size, output_ratio, _random_samples)
    return ops.fractional_max_pool3d(input, kernel_size, size, samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value of windows whose places are drawn at random (Graham, 2014).

    >>> fractional_max_pool2d(torch.ones(1, 5, 5), 2, output_size=3).shape
    torch.Size([1, 3, 3])
    """
    result = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value of windows whose places are drawn at random (Graham, 2014).

    >>> fractional_max_pool3d(torch.ones(1, 5, 5, 5), 2, output_ratio=0.6).shape
    torch.Size([1, 3, 3, 3])
    """
    result = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return result if return_indices else result[0]


# ------------------------------------------------------------------------------------------------------------ unpooling
def _unpool_size(
    input: Tensor, kernel_size: list[int], stride: list[int], padding: list[int], output_size: Any
) -> list[int]:
    """The spatial size before the pooling: the asked one if the pooling can have come from it, else the natural one."""
    ndim = len(kernel_size)
    natural = [
        (size - 1) * step + kernel - 2 * pad
        for size, step, kernel, pad in zip(input.shape[-ndim:], stride, kernel_size, padding)
    ]
    if output_size is None:
        return natural
    if len(output_size) == ndim + 2:
        output_size = output_size[2:]
    if len(output_size) != ndim:
        raise ValueError(
            f"output_size should be a sequence containing {ndim} or {ndim + 2} elements, "
            f"but it has a length of '{len(output_size)}'"
        )
    for axis, (size, default, step) in enumerate(zip(output_size, natural, stride)):
        if not default - step < size < default + step:
            raise ValueError(
                f'invalid output_size "{output_size}" (dim {axis} must be between '
                f"{default - step} and {default + step})"
            )
    return list(output_size)


def _spread(value: Ints, ndim: int) -> list[int]:
    return [value] * ndim if isinstance(value, int) else list(value)


def _unpool_arguments(
    ndim: int, input: Tensor, kernel_size: Ints, stride: Ints | None, padding: Ints, output_size: Any
) -> tuple[list[int], list[int], list[int]]:
    kernel = _spread(kernel_size, ndim)
    steps = kernel if stride is None else _spread(stride, ndim)
    pads = _spread(padding, ndim)
    return _unpool_size(input, kernel, steps, pads, output_size), steps, pads


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the values of `max_pool1d` back where `indices` says, among zeros.

    >>> max_unpool1d(torch.tensor([[3.0]]), torch.tensor([[1]]), 2)
    tensor([[0., 3.]])
    """
    size, _, _ = _unpool_arguments(1, input, kernel_size, stride, padding, output_size)
    return ops.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [*size, 1]).squeeze(-1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the values of `max_pool2d` back where `indices` says, among zeros.

    >>> max_unpool2d(torch.tensor([[[3.0]]]), torch.tensor([[[2]]]), 2)
    tensor([[[0., 0.],
             [3., 0.]]])
    """
    size, _, _ = _unpool_arguments(2, input, kernel_size, stride, padding, output_size)
    return ops.max_unpool2d(input, indices, size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the values of `max_pool3d` back where `indices` says, among zeros.

    >>> max_unpool3d(torch.tensor([[[[3.0]]]]), torch.tensor([[[[7]]]]), 2).sum()
    tensor(3.)
    """
    size, steps, pads = _unpool_arguments(3, input, kernel_size, stride, padding, output_size)
    return ops.max_unpool3d(input, indices, size, steps, pads)
