"""Dropping whole branches, and whole blocks of an image, while a network trains."""

from ... import _api as torch
from ... import nn

Tensor = torch.Tensor


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """The input, zeroed with probability p ("batch": all of it, "row": each sample alone) and scaled by 1 / (1 - p).

    From "Deep networks with stochastic depth" (2016).

    >>> stochastic_depth(torch.ones(2, 3), 0.5, "row", training=False).sum().item()
    6.0
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    size = [input.shape[0] if mode == "row" else 1] + [1] * (input.ndim - 1)
    kept = torch.empty(size, dtype=input.dtype, device=input.device).bernoulli_(1.0 - p)
    return input * (kept.div_(1.0 - p) if p < 1.0 else kept)


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"


def drop_block(
    input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool, dims: int
) -> Tensor:
    """Blocks of `block_size` in the last `dims` dimensions zeroed, so that about a share p of the values is gone."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if block_size % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block_size} which is even.")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    sizes = input.shape[2:]
    block_size = min(block_size, *sizes)
    gamma = p / block_size**dims
    for size in sizes:
        gamma *= size / (size - block_size + 1)
    inner = [size - block_size + 1 for size in sizes]
    centers = torch.empty((*input.shape[:2], *inner), dtype=input.dtype, device=input.device).bernoulli_(gamma)
    half = block_size // 2
    centers = nn.functional.pad(centers, [half] * (2 * dims), value=0)
    pool = nn.functional.max_pool2d if dims == 2 else nn.functional.max_pool3d
    kept = 1 - pool(centers, kernel_size=block_size, stride=1, padding=half)
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6, training: bool = True
) -> Tensor:
    """Random squares of [N, C, H, W] zeroed (DropBlock, 2018), the rest scaled so that the mean stays.

    >>> drop_block2d(torch.ones(1, 1, 4, 4), 0.5, 3, training=False).mean().item()
    1.0
    """
    return drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6, training: bool = True
) -> Tensor:
    """Random cubes of [N, C, D, H, W] zeroed, the rest scaled so that the mean stays.

    >>> drop_block3d(torch.ones(1, 1, 4, 4, 4), 0.5, 3, training=False).mean().item()
    1.0
    """
    return drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """`drop_block2d` as a layer."""

    drop = staticmethod(drop_block2d)

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        return self.drop(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """`drop_block3d` as a layer."""

    drop = staticmethod(drop_block3d)
