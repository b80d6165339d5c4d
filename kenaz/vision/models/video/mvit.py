"""MViT: "Multiscale vision transformers" (2021) and v2 (2021): attention over fewer and fewer places.

A video is [N, heads, 1 + places, C] inside attention: the first place belongs to the class, the others are those of a
grid (time, height, width), its size beside it. Pooling shortens queries (so the result is smaller) or keys and values.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops.misc import MLP
from ...ops.stochastic_depth import StochasticDepth
from .._registry import expect, family

__all__ = ["MViT"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]
Grid = tuple[int, int, int]
F = nn.functional


@dataclass
class MSBlockConfig:
    """A block: its channels, and the kernels and strides (time, height, width) that pool queries, and keys and values.

    An empty kernel or stride does not pool.
    """

    num_heads: int
    input_channels: int
    output_channels: int
    kernel_q: list[int]
    kernel_kv: list[int]
    stride_q: list[int]
    stride_kv: list[int]


class Pool(nn.Module):
    """`pool` over the grid; the place of the class passes by. `norm` and `activation` follow, or come before."""

    def __init__(
        self,
        pool: nn.Module,
        norm: nn.Module | None,
        activation: nn.Module | None = None,
        norm_before_pool: bool = False,
    ) -> None:
        super().__init__()
        self.pool: Any = pool
        layers = [layer for layer in (norm, activation) if layer is not None]
        self.norm_act: Any = nn.Sequential(*layers) if layers else None
        self.norm_before_pool = norm_before_pool

    def forward(self, x: Tensor, thw: Grid) -> tuple[Tensor, Grid]:
        heads = x.ndim == 4
        x = x if heads else x.unsqueeze(1)
        token, x = x[:, :, :1], x[:, :, 1:]
        if self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        n, count, _, channels = x.shape
        x = self.pool(x.reshape(n * count, *thw, channels).permute(0, 4, 1, 2, 3))
        size = tuple(x.shape[2:])
        x = torch.cat((token, x.reshape(n, count, channels, -1).transpose(2, 3)), dim=2)
        if not self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        return (x if heads else x.squeeze(1)), size


def resampled(table: Tensor, rows: int) -> Tensor:
    """A table with another number of rows, by interpolation."""
    if len(table) == rows:
        return table
    return F.interpolate(table.T.unsqueeze(0), size=rows, mode="linear").squeeze(0).T


def distances(table: Tensor, queries: int, keys: int) -> Tensor:
    """[queries, keys, C]: of a table of distances along an axis, the row for each pair.

    >>> distances(torch.arange(3.0).view(3, 1), 1, 2).flatten()
    tensor([1., 0.])
    """
    q_step, k_step = max(keys / queries, 1.0), max(queries / keys, 1.0)
    apart = torch.arange(queries)[:, None] * q_step - (torch.arange(keys)[None, :] + (1.0 - keys)) * k_step
    return resampled(table, 2 * max(queries, keys) - 1)[apart.long()]


def add_relative_positions(scores: Tensor, q: Tensor, q_thw: Grid, k_thw: Grid, tables: Sequence[Tensor]) -> Tensor:
    """Scores [N, heads, 1 + places, 1 + places of keys], plus what each query gives for distances along each axis."""
    n, heads = q.shape[:2]
    grid = q[:, :, 1:].reshape(n, heads, *q_thw, q.shape[-1])
    einsum: Any = torch.einsum
    of_t, of_h, of_w = (
        einsum(f"bythwc,{axis}kc->bythwk", grid, distances(table, queries, keys))
        for axis, table, queries, keys in zip("thw", tables, q_thw, k_thw)
    )
    bias = of_h[..., None, :, None] + of_w[..., None, None, :] + of_t[..., :, None, None]
    return scores + F.pad(bias.reshape(n, heads, math.prod(q_thw), math.prod(k_thw)), (1, 0, 1, 0))


def pooling(channels: int, kernel: list[int], stride: list[int], norm_layer: Layer) -> Pool | None:
    """A convolution of each channel, where a kernel or a stride asks for one."""
    if math.prod(kernel) <= 1 and math.prod(stride) <= 1:
        return None
    padding = [k // 2 for k in kernel]
    # fmt: off
    layer = nn.Conv3d(
        channels, channels, tuple(kernel), tuple(stride), tuple(padding), groups=channels, bias=False
    )
    # fmt: on
    return Pool(layer, norm_layer(channels))


class MultiscaleAttention(nn.Module):
    """Attention whose queries, keys and values are pooled; v2 adds distances, and the pooled queries to the result."""

    def __init__(
        self,
        input_size: list[int],
        embed_dim: int,
        output_dim: int,
        num_heads: int,
        kernel_q: list[int],
        kernel_kv: list[int],
        stride_q: list[int],
        stride_kv: list[int],
        residual_pool: bool,
        residual_with_cls_embed: bool,
        rel_pos_embed: bool,
        dropout: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.output_dim = output_dim
        self.num_heads = num_heads
        self.head_dim = output_dim // num_heads
        self.scaler = 1.0 / math.sqrt(self.head_dim)
        self.residual_pool = residual_pool
        self.residual_with_cls_embed = residual_with_cls_embed
        self.qkv = nn.Linear(embed_dim, 3 * output_dim)
        after = [nn.Dropout(dropout, inplace=True)] if dropout > 0.0 else []
        self.project = nn.Sequential(nn.Linear(output_dim, output_dim), *after)
        self.pool_q = pooling(self.head_dim, kernel_q, stride_q, norm_layer)
        self.pool_k = pooling(self.head_dim, kernel_kv, stride_kv, norm_layer)
        self.pool_v = pooling(self.head_dim, kernel_kv, stride_kv, norm_layer)
        self.rel_pos_h: Any = None
        self.rel_pos_w: Any = None
        self.rel_pos_t: Any = None
        if rel_pos_embed:
            self.add_tables(input_size, stride_q, stride_kv)

    def add_tables(self, input_size: list[int], stride_q: list[int], stride_kv: list[int]) -> None:
        """A vector for each distance along each axis."""
        size = max(input_size[1:])
        longest = max(size // stride[1] if stride else size for stride in (stride_q, stride_kv))
        for axis, length in (("h", longest), ("w", longest), ("t", input_size[0])):
            table = nn.Parameter(torch.zeros(2 * length - 1, self.head_dim))
            nn.init.trunc_normal_(table, std=0.02)
            setattr(self, f"rel_pos_{axis}", table)

    def forward(self, x: Tensor, thw: Grid) -> tuple[Tensor, Grid]:
        n, places, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, places, 3, self.num_heads, self.head_dim).transpose(1, 3).unbind(dim=2)
        k_thw = thw
        if self.pool_k is not None:
            k, k_thw = self.pool_k(k, thw)
        if self.pool_v is not None:
            v, _ = self.pool_v(v, thw)
        if self.pool_q is not None:
            q, thw = self.pool_q(q, thw)
        scores = (self.scaler * q) @ k.transpose(2, 3)
        if self.rel_pos_h is not None:
            tables = (self.rel_pos_t, self.rel_pos_h, self.rel_pos_w)
            scores = add_relative_positions(scores, q, thw, k_thw, tables)
        x = scores.softmax(dim=-1) @ v
        if self.residual_pool:
            x = x + (q if self.residual_with_cls_embed else F.pad(q[:, :, 1:], (0, 0, 1, 0)))
        return self.project(x.transpose(1, 2).reshape(n, -1, self.output_dim)), thw


class MultiscaleBlock(nn.Module):
    """Attention and two linear layers, each after a normalisation and beside a shortcut.

    Where the channels change, `project` changes the shortcut's: that of the attention or that of the linear layers.
    """

    def __init__(
        self,
        input_size: list[int],
        cnf: MSBlockConfig,
        residual_pool: bool,
        residual_with_cls_embed: bool,
        rel_pos_embed: bool,
        proj_after_attn: bool,
        dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
    ) -> None:
        super().__init__()
        self.proj_after_attn = proj_after_attn
        self.pool_skip: Pool | None = None
        if math.prod(cnf.stride_q) > 1:
            kernel = [s + 1 if s > 1 else s for s in cnf.stride_q]
            padding = [k // 2 for k in kernel]
            largest: Any = nn.MaxPool3d
            self.pool_skip = Pool(largest(kernel, stride=cnf.stride_q, padding=padding), None)
        width = cnf.output_channels if proj_after_attn else cnf.input_channels
        self.norm1 = norm_layer(cnf.input_channels)
        self.norm2 = norm_layer(width)
        self.attn = MultiscaleAttention(
            input_size,
            cnf.input_channels,
            width,
            cnf.num_heads,
            kernel_q=cnf.kernel_q,
            kernel_kv=cnf.kernel_kv,
            stride_q=cnf.stride_q,
            stride_kv=cnf.stride_kv,
            residual_pool=residual_pool,
            residual_with_cls_embed=residual_with_cls_embed,
            rel_pos_embed=rel_pos_embed,
            dropout=dropout,
            norm_layer=norm_layer,
        )
        self.mlp = MLP(width, [4 * width, cnf.output_channels], activation_layer=nn.GELU, dropout=dropout)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.project: nn.Module | None = None
        if cnf.input_channels != cnf.output_channels:
            self.project = nn.Linear(cnf.input_channels, cnf.output_channels)

    def forward(self, x: Tensor, thw: Grid) -> tuple[Tensor, Grid]:
        normed = self.norm1(x)
        attended, size = self.attn(normed, thw)
        if self.project is not None and self.proj_after_attn:
            x = self.project(normed)
        x = (x if self.pool_skip is None else self.pool_skip(x, thw)[0]) + self.stochastic_depth(attended)
        normed = self.norm2(x)
        if self.project is not None and not self.proj_after_attn:
            x = self.project(normed)
        return x + self.stochastic_depth(self.mlp(normed)), size


class PositionalEncoding(nn.Module):
    """The place of the class, put first; and, where attention has no distances, a vector for each place."""

    def __init__(self, embed_size: int, spatial_size: tuple[int, int], temporal_size: int, rel_pos_embed: bool) -> None:
        super().__init__()
        self.spatial_size = spatial_size
        self.temporal_size = temporal_size
        self.class_token = nn.Parameter(torch.zeros(embed_size))
        self.absolute = not rel_pos_embed
        if self.absolute:
            self.spatial_pos = nn.Parameter(torch.zeros(spatial_size[0] * spatial_size[1], embed_size))
            self.temporal_pos = nn.Parameter(torch.zeros(temporal_size, embed_size))
            self.class_pos = nn.Parameter(torch.zeros(embed_size))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((self.class_token.expand(len(x), 1, -1), x), dim=1)
        if not self.absolute:
            return x
        places = (self.temporal_pos[:, None] + self.spatial_pos[None]).flatten(0, 1)
        return x + torch.cat((self.class_pos[None], places))


class MViT(nn.Module):
    def __init__(
        self,
        spatial_size: tuple[int, int],
        temporal_size: int,
        block_setting: Sequence[MSBlockConfig],
        residual_pool: bool,
        residual_with_cls_embed: bool,
        rel_pos_embed: bool,
        proj_after_attn: bool,
        dropout: float = 0.5,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        num_classes: int = 400,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        patch_embed_kernel: Grid = (3, 7, 7),
        patch_embed_stride: Grid = (2, 4, 4),
        patch_embed_padding: Grid = (1, 3, 3),
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ValueError("The configuration parameter can't be empty.")
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        width = block_setting[0].input_channels
        self.conv_proj = nn.Conv3d(3, width, patch_embed_kernel, patch_embed_stride, patch_embed_padding)
        size = [length // s for length, s in zip((temporal_size, *spatial_size), patch_embed_stride)]
        self.pos_encoding = PositionalEncoding(width, (size[1], size[2]), size[0], rel_pos_embed)
        self.blocks = nn.ModuleList()
        for i, cnf in enumerate(block_setting):
            self.blocks.append(
                (block or MultiscaleBlock)(
                    input_size=size,
                    cnf=cnf,
                    residual_pool=residual_pool,
                    residual_with_cls_embed=residual_with_cls_embed,
                    rel_pos_embed=rel_pos_embed,
                    proj_after_attn=proj_after_attn,
                    dropout=attention_dropout,
                    stochastic_depth_prob=stochastic_depth_prob * i / (len(block_setting) - 1.0),
                    norm_layer=norm,
                )
            )
            size = [length // s for length, s in zip(size, cnf.stride_q or [1, 1, 1])]
        self.norm = norm(block_setting[-1].output_channels)
        self.head = nn.Sequential(
            nn.Dropout(dropout, inplace=True), nn.Linear(block_setting[-1].output_channels, num_classes)
        )
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2) if x.ndim == 4 else x  # an image is a video of one frame
        x = self.pos_encoding(self.conv_proj(x).flatten(2).transpose(1, 2))
        thw = (self.pos_encoding.temporal_size, *self.pos_encoding.spatial_size)
        for block in self.blocks:
            x, thw = block(x, thw)
        return self.head(self.norm(x)[:, 0])


def initialize(module: nn.Module) -> None:
    """Small numbers for weights and positions, zero for biases; norms begin as the identity."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, PositionalEncoding):
        for positions in module.parameters():
            nn.init.trunc_normal_(positions, std=0.02)


def make(
    trained: Any,
    progress: bool,
    *,
    spatial_size: tuple[int, int] = (224, 224),
    temporal_size: int = 16,
    block_setting: list[MSBlockConfig],
    **kwargs: Any,
) -> MViT:
    if trained is not None:
        sizes: dict[str, Any] = {"spatial_size": tuple(spatial_size), "temporal_size": temporal_size}
        expect(sizes, "spatial_size", tuple(trained.meta["min_size"]))
        expect(sizes, "temporal_size", trained.meta["min_temporal_size"])
    options = {"residual_with_cls_embed": False, "stochastic_depth_prob": 0.2, **kwargs}
    return MViT(spatial_size, temporal_size, block_setting, **options)


# blocks 1, 3 and 14 of 16 halve the grid's height and width; keys and values are on a grid of 7 x 7 throughout
HALVING = (1, 3, 14)


def stage(block: int) -> int:
    return sum(block >= first for first in HALVING)


def settings(stride: list[int], kernel: list[int], early: bool) -> list[MSBlockConfig]:
    """The sixteen blocks; `stride` and `kernel` are those of queries where the grid stays.

    Channels double with the grid's halving, in the block that does it or, `early`, in the one before.
    """
    configs = []
    for i in range(16):
        before, after = (i, i + 1) if early else (max(i - 1, 0), i)
        spatial = 8 >> stage(i)
        configs.append(
            MSBlockConfig(
                num_heads=2 ** stage(i),
                input_channels=96 * 2 ** stage(before),
                output_channels=96 * 2 ** stage(after),
                kernel_q=[3, 3, 3] if i in HALVING else kernel,
                kernel_kv=[3, 3, 3],
                stride_q=[1, 2, 2] if i in HALVING else stride,
                stride_kv=[1, spatial, spatial],
            )
        )
    return configs


V1 = {
    "block_setting": settings(stride=[], kernel=[], early=True),
    "residual_pool": False,
    "rel_pos_embed": False,
    "proj_after_attn": False,
}
V2 = {
    "block_setting": settings(stride=[1, 1, 1], kernel=[3, 3, 3], early=False),
    "residual_pool": True,
    "rel_pos_embed": True,
    "proj_after_attn": True,
}
family(globals(), make, {"mvit_v1_b": ("MViT_V1_B", V1), "mvit_v2_s": ("MViT_V2_S", V2)})
