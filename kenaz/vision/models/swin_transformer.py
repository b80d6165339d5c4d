"""Swin transformer (2021) and Swin transformer v2 (2022): attention inside windows, which every other block shifts.

Features are [N, H, W, C] throughout.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import _api as torch
from ... import nn
from ..ops.misc import MLP, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._registry import family

__all__ = ["SwinTransformer"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]
F = nn.functional


def four_neighbors(x: Tensor) -> Tensor:
    """[..., H, W, C] as [..., H/2, W/2, 4 C]; an odd edge is padded with zeros."""
    height, width, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    return torch.cat([x[..., i::2, j::2, :] for i, j in corners], -1)


class PatchMerging(nn.Module):
    """Four neighbours become one, of twice the channels."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(four_neighbors(x)))


class PatchMergingV2(nn.Module):
    """`PatchMerging` with the normalisation last."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(four_neighbors(x)))


def relative_position_index(window: list[int]) -> Tensor:
    """For each pair of places in a window, the row of the table that has the bias for their distance, flattened.

    >>> relative_position_index([1, 2])
    tensor([1, 0, 2, 1])
    """
    places = torch.stack(torch.meshgrid(*(torch.arange(w) for w in window), indexing="ij")).flatten(1)
    index = torch.zeros_like(places[0][:, None])
    for length, apart in zip(window, places[:, :, None] - places[:, None, :]):
        index = index * (2 * length - 1) + apart + length - 1
    return index.flatten()


def in_windows(x: Tensor, window: list[int]) -> Tensor:
    """[N, sizes ..., C] as [N * windows, places, C].

    >>> in_windows(torch.zeros(2, 6, 4, 5), [3, 2]).shape
    torch.Size([8, 6, 5])
    """
    dims = len(window)
    split = [length for size, w in zip(x.shape[1:-1], window) for length in (size // w, w)]
    x = x.view(x.shape[0], *split, x.shape[-1])
    x = x.permute(0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1)
    return x.reshape(-1, math.prod(window), x.shape[-1])


def from_windows(x: Tensor, window: list[int], sizes: Sequence[int]) -> Tensor:
    """The inverse of `in_windows`: [N, sizes ..., C]."""
    dims = len(window)
    x = x.view(-1, *(size // w for size, w in zip(sizes, window)), *window, x.shape[-1])
    x = x.permute(0, *(d for i in range(1, dims + 1) for d in (i, i + dims)), 2 * dims + 1)
    return x.reshape(-1, *sizes, x.shape[-1])


def shift_mask(sizes: Sequence[int], window: list[int], shift: list[int], like: Tensor) -> Tensor:
    """[windows, places, places]: -100 between places that are neighbours only because the image was rolled."""
    parts = like.new_zeros(tuple(sizes))
    cuts = [(slice(0, -w), slice(-w, -s), slice(-s, None)) for w, s in zip(window, shift)]
    for count, part in enumerate(itertools.product(*cuts)):
        parts[part] = count
    parts = in_windows(parts[None, ..., None], window).squeeze(-1)
    differ = parts.unsqueeze(1) - parts.unsqueeze(2)
    return torch.where(differ != 0, -100.0, 0.0)


class ShiftedWindowAttention(nn.Module):
    """Self-attention among the places of each window, with a learned bias for each distance."""

    dims = 2

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != self.dims or len(shift_size) != self.dims:
            raise ValueError(f"window_size and shift_size must be of length {self.dims}")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.register_buffer("relative_position_index", self.position_index())

    def define_relative_position_bias_table(self) -> None:
        rows = math.prod(2 * w - 1 for w in self.window_size)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def position_index(self) -> Tensor:
        return relative_position_index(self.window_size)

    def bias_of(self, table: Tensor) -> Tensor:
        """[1, heads, places, places] of a table [distances, heads]."""
        places = math.prod(self.window_size)
        bias = table[self.relative_position_index].view(places, places, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def get_relative_position_bias(self) -> Tensor:
        return self.bias_of(self.relative_position_bias_table)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)

    def projected(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def attend(self, x: Tensor, bias: Tensor, mask: Tensor | None) -> Tensor:
        """Attention inside windows [windows, places, C]; the mask has a matrix for each window of an image."""
        windows, places, channels = x.shape
        qkv = self.projected(x).reshape(windows, places, 3, self.num_heads, channels // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = self.scores(q, k) + bias
        if mask is not None:
            scores = scores.view(-1, len(mask), self.num_heads, places, places) + mask[:, None]
            scores = scores.view(-1, self.num_heads, places, places)
        weights = F.dropout(scores.softmax(dim=-1), p=self.attention_dropout, training=self.training)
        x = self.proj((weights @ v).transpose(1, 2).reshape(windows, places, channels))
        return F.dropout(x, p=self.dropout, training=self.training)

    def windowed(self, sizes: Sequence[int]) -> tuple[list[int], Tensor]:
        """The window for an image of these sizes, and the bias inside it."""
        return self.window_size, self.get_relative_position_bias()

    def forward(self, x: Tensor) -> Tensor:
        sizes = x.shape[1:-1]
        window, bias = self.windowed(sizes)
        # a window that covers the whole image has nothing to shift
        shift = [0 if size <= w else s for size, w, s in zip(sizes, window, self.shift_size)]
        added = [-size % w for size, w in zip(sizes, window)]
        x = F.pad(x, (0, 0, *(v for more in reversed(added) for v in (0, more))))
        padded = x.shape[1:-1]
        dims, mask = tuple(range(1, self.dims + 1)), None
        if sum(shift) > 0:
            x = torch.roll(x, shifts=tuple(-s for s in shift), dims=dims)
            mask = shift_mask(padded, window, shift, x)
        x = from_windows(self.attend(in_windows(x, window), bias, mask), window, padded)
        if sum(shift) > 0:
            x = torch.roll(x, shifts=tuple(shift), dims=dims)
        return x[(slice(None), *(slice(size) for size in sizes))].contiguous()


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Cosines for scores, each head with its own temperature; a small network finds the bias from the distance."""

    def __init__(self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int, **options: Any) -> None:
        super().__init__(dim, window_size, shift_size, num_heads, **options)
        self.logit_scale = nn.Parameter(torch.log(10 * torch.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if self.qkv.bias is not None:
            third = self.qkv.bias.numel() // 3
            self.qkv.bias[third : 2 * third].data.zero_()

    def define_relative_position_bias_table(self) -> None:
        """Distances on a logarithmic scale, so that larger windows than those of training stay near what was seen."""
        steps = [torch.arange(-(w - 1), w, dtype=torch.float32) for w in self.window_size]
        table = torch.stack(torch.meshgrid(steps, indexing="ij")).permute(1, 2, 0).contiguous().unsqueeze(0)
        table = table / torch.tensor([w - 1.0 for w in self.window_size]) * 8
        self.register_buffer("relative_coords_table", torch.sign(table) * torch.log2(table.abs() + 1.0) / 3.0)

    def get_relative_position_bias(self) -> Tensor:
        return 16 * torch.sigmoid(self.bias_of(self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)))

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return cosines * torch.clamp(self.logit_scale, max=math.log(100.0)).exp()

    def projected(self, x: Tensor) -> Tensor:
        if self.qkv.bias is None:
            return self.qkv(x)
        third = self.qkv.bias.numel() // 3
        query, _, value = self.qkv.bias.split(third)  # keys have no bias: it would cancel in the cosine's direction
        return F.linear(x, self.qkv.weight, torch.cat([query, torch.zeros_like(query), value]))


class SwinTransformerBlock(nn.Module):
    """Attention and two linear layers, each after a normalisation and beside a shortcut."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The normalisations come last, which keeps large models stable."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"attn_layer": ShiftedWindowAttentionV2, **options})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


def layers_of(
    block: Layer,
    downsample: Layer,
    embed_dim: int,
    depths: list[int],
    num_heads: list[int],
    stochastic_depth_prob: float,
    **options: Any,
) -> list[nn.Module]:
    """The stages, and what halves the size between them; `options` go to each block."""
    layers: list[nn.Module] = []
    total, done = sum(depths), 0
    for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
        dim = embed_dim * 2**stage
        blocks = []
        for i in range(depth):
            shift = [0 if i % 2 == 0 else w // 2 for w in options["window_size"]]
            drop = stochastic_depth_prob * float(done) / (total - 1)
            blocks.append(block(dim, heads, shift_size=shift, stochastic_depth_prob=drop, **options))
            done += 1
        layers.append(nn.Sequential(*blocks))
        if stage < len(depths) - 1:
            layers.append(downsample(dim, options["norm_layer"]))
    return layers


def small_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class SwinTransformer(nn.Module):
    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patches = nn.Conv2d(3, embed_dim, kernel_size=tuple(patch_size), stride=tuple(patch_size))
        stem = nn.Sequential(patches, Permute([0, 2, 3, 1]), norm(embed_dim))
        layers = layers_of(
            block or SwinTransformerBlock,
            downsample_layer,
            embed_dim,
            depths,
            num_heads,
            stochastic_depth_prob,
            window_size=window_size,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm_layer=norm,
        )
        width = embed_dim * 2 ** (len(depths) - 1)
        self.features = nn.Sequential(stem, *layers)
        self.norm = norm(width)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(width, num_classes)
        for module in self.modules():
            small_weights(module)

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


V2 = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}


def make(trained: Any, progress: bool, *, drop: float, **kwargs: Any) -> SwinTransformer:
    return SwinTransformer(**{"patch_size": [4, 4], "stochastic_depth_prob": drop, **kwargs})


def shape(width: int, middle: int, heads: int, drop: float) -> dict[str, Any]:
    """Four stages; each has twice the width and twice the heads of the one before."""
    return {
        "embed_dim": width,
        "depths": [2, 2, middle, 2],
        "num_heads": [heads * 2**i for i in range(4)],
        "drop": drop,
    }


SHAPES = {"t": shape(96, 6, 3, 0.2), "s": shape(96, 18, 3, 0.3), "b": shape(128, 18, 4, 0.5)}
family(globals(), make, {f"swin_{s}": (f"Swin_{s.upper()}", {"window_size": [7, 7], **v}) for s, v in SHAPES.items()})
family(
    globals(),
    make,
    {f"swin_v2_{s}": (f"Swin_V2_{s.upper()}", {"window_size": [8, 8], **V2, **v}) for s, v in SHAPES.items()},
)
