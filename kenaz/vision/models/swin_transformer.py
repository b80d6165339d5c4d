"""Swin transformer (2021) and Swin transformer v2 (2022): attention inside windows, which every other block shifts.

Features are [N, H, W, C] throughout.
"""

import math
from collections.abc import Callable
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
    height, width = window
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")).flatten(1)
    apart = places[:, :, None] - places[:, None, :]
    return ((apart[0] + height - 1) * (2 * width - 1) + apart[1] + width - 1).flatten()


def in_windows(x: Tensor, window: list[int]) -> Tensor:
    """[N, H, W, C] as [N * windows, places, C]."""
    n, height, width, channels = x.shape
    x = x.view(n, height // window[0], window[0], width // window[1], window[1], channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window[0] * window[1], channels)


def from_windows(x: Tensor, window: list[int], size: tuple[int, int, int]) -> Tensor:
    """The inverse of `in_windows`; `size` is (N, H, W)."""
    n, height, width = size
    x = x.view(n, height // window[0], width // window[1], window[0], window[1], x.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(n, height, width, x.shape[-1])


def shift_mask(height: int, width: int, window: list[int], shift: list[int], like: Tensor) -> Tensor:
    """[windows, places, places]: -100 between places that are neighbours only because the image was rolled."""
    parts = like.new_zeros((height, width))
    count = 0
    for rows in (slice(0, -window[0]), slice(-window[0], -shift[0]), slice(-shift[0], None)):
        for columns in (slice(0, -window[1]), slice(-window[1], -shift[1]), slice(-shift[1], None)):
            parts[rows, columns] = count
            count += 1
    parts = in_windows(parts.view(1, height, width, 1), window).squeeze(-1)
    differ = parts.unsqueeze(1) - parts.unsqueeze(2)
    return torch.where(differ != 0, -100.0, 0.0)


class ShiftedWindowAttention(nn.Module):
    """Self-attention among the places of each window, with a learned bias for each distance."""

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
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.register_buffer("relative_position_index", relative_position_index(window_size))

    def define_relative_position_bias_table(self) -> None:
        rows = (2 * self.window_size[0] - 1) * (2 * self.window_size[1] - 1)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def bias_of(self, table: Tensor) -> Tensor:
        """[1, heads, places, places] of a table [distances, heads]."""
        places = self.window_size[0] * self.window_size[1]
        bias = table[self.relative_position_index].view(places, places, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def get_relative_position_bias(self) -> Tensor:
        return self.bias_of(self.relative_position_bias_table)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)

    def projected(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attention inside windows [windows, places, C]; the mask has a matrix for each window of an image."""
        windows, places, channels = x.shape
        qkv = self.projected(x).reshape(windows, places, 3, self.num_heads, channels // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = self.scores(q, k) + self.get_relative_position_bias()
        if mask is not None:
            scores = scores.view(-1, len(mask), self.num_heads, places, places) + mask[:, None]
            scores = scores.view(-1, self.num_heads, places, places)
        weights = F.dropout(scores.softmax(dim=-1), p=self.attention_dropout, training=self.training)
        x = self.proj((weights @ v).transpose(1, 2).reshape(windows, places, channels))
        return F.dropout(x, p=self.dropout, training=self.training)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, _ = x.shape
        down, right = (-length % w for length, w in zip((height, width), self.window_size))
        x = F.pad(x, (0, 0, 0, right, 0, down))
        size = (n, height + down, width + right)
        # a window that covers the whole image has nothing to shift
        shift = [0 if w >= length else s for s, w, length in zip(self.shift_size, self.window_size, size[1:])]
        mask = None
        if sum(shift) > 0:
            x = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
            mask = shift_mask(*size[1:], self.window_size, shift, x)
        x = from_windows(self.attend(in_windows(x, self.window_size), mask), self.window_size, size)
        if sum(shift) > 0:
            x = torch.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
        return x[:, :height, :width, :].contiguous()


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
        block = block or SwinTransformerBlock
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patches = nn.Conv2d(3, embed_dim, kernel_size=tuple(patch_size), stride=tuple(patch_size))
        layers: list[nn.Module] = [nn.Sequential(patches, Permute([0, 2, 3, 1]), norm(embed_dim))]
        total, done = sum(depths), 0
        for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
            dim = embed_dim * 2**stage
            blocks = []
            for i in range(depth):
                blocks.append(
                    block(
                        dim,
                        heads,
                        window_size=window_size,
                        shift_size=[0 if i % 2 == 0 else w // 2 for w in window_size],
                        mlp_ratio=mlp_ratio,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth_prob=stochastic_depth_prob * float(done) / (total - 1),
                        norm_layer=norm,
                    )
                )
                done += 1
            layers.append(nn.Sequential(*blocks))
            if stage < len(depths) - 1:
                layers.append(downsample_layer(dim, norm))
        width = embed_dim * 2 ** (len(depths) - 1)
        self.features = nn.Sequential(*layers)
        self.norm = norm(width)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

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
