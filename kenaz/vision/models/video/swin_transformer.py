"""Video Swin transformer (2021): windows over space and time. Features are [N, T, H, W, C] throughout."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from .._registry import family
from ..swin_transformer import (
    PatchMerging,
    ShiftedWindowAttention,
    SwinTransformerBlock,
    layers_of,
    relative_position_index,
    small_weights,
)

__all__ = ["SwinTransformer3d"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]
F = nn.functional


class ShiftedWindowAttention3d(ShiftedWindowAttention):
    """Self-attention inside windows of time, height and width; a short video has smaller windows."""

    dims = 3

    def position_index(self) -> Tensor:
        places = math.prod(self.window_size)
        return relative_position_index(self.window_size).view(places, places)

    def get_relative_position_bias(self, window_size: list[int] | None = None) -> Tensor:
        places = math.prod(window_size or self.window_size)
        # the first places of the whole window stand for those of a smaller one: the published weights expect it
        index = self.relative_position_index[:places, :places].flatten()
        bias = self.relative_position_bias_table[index].view(places, places, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def windowed(self, sizes: Sequence[int]) -> tuple[list[int], Tensor]:
        window = [min(w, size) for w, size in zip(self.window_size, sizes)]
        return window, self.get_relative_position_bias(window)


class PatchEmbed3d(nn.Module):
    """[N, C, T, H, W] in patches, each a vector: [N, T, H, W, `embed_dim`]."""

    def __init__(
        self, patch_size: list[int], in_channels: int = 3, embed_dim: int = 96, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        self.tuple_patch_size = tuple(patch_size)
        self.proj = nn.Conv3d(
            in_channels, embed_dim, kernel_size=self.tuple_patch_size, stride=self.tuple_patch_size
        )
        self.norm = nn.Identity() if norm_layer is None else norm_layer(embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        added = [-size % patch for size, patch in zip(x.shape[2:], self.tuple_patch_size)]
        x = F.pad(x, [v for more in reversed(added) for v in (0, more)])
        return self.norm(self.proj(x).permute(0, 2, 3, 4, 1))


class SwinTransformer3d(nn.Module):
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
        num_classes: int = 400,
        norm_layer: Layer | None = None,
        block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
        patch_embed: Layer | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        self.patch_embed = (patch_embed or PatchEmbed3d)(patch_size, embed_dim=embed_dim, norm_layer=norm)
        self.pos_drop = nn.Dropout(p=dropout)
        layers = layers_of(
            block or partial(SwinTransformerBlock, attn_layer=ShiftedWindowAttention3d),
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
        self.features = nn.Sequential(*layers)
        self.num_features = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(self.num_features)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(self.num_features, num_classes)
        for module in self.modules():
            small_weights(module)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.features(self.pos_drop(self.patch_embed(x))))
        return self.head(torch.flatten(self.avgpool(x.permute(0, 4, 1, 2, 3)), 1))


def make(trained: Any, progress: bool, **kwargs: Any) -> SwinTransformer3d:
    options = {"patch_size": [2, 4, 4], "window_size": [8, 7, 7], "stochastic_depth_prob": 0.1}
    return SwinTransformer3d(**{**options, **kwargs})


def shape(width: int, middle: int, heads: int) -> dict[str, Any]:
    return {"embed_dim": width, "depths": [2, 2, middle, 2], "num_heads": [heads * 2**i for i in range(4)]}


SHAPES = {"t": shape(96, 6, 3), "s": shape(96, 18, 3), "b": shape(128, 18, 4)}
family(globals(), make, {f"swin3d_{s}": (f"Swin3D_{s.upper()}", v) for s, v in SHAPES.items()})
