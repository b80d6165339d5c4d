"""MaxViT: "Multi-axis vision transformer" (2022): after a convolution, attention inside windows and over a grid."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import _api as torch
from ... import nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._registry import family
from .swin_transformer import relative_position_index

__all__ = ["MaxVit"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]


def halved(size: Sequence[int]) -> tuple[int, int]:
    """The size of an image after a 3 x 3 convolution of stride 2 and padding 1.

    >>> halved((224, 7))
    (112, 4)
    """
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class MBConv(nn.Module):
    """A normalised image widened, filtered channel by channel, weighted and narrowed again, beside a shortcut."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion_ratio: float,
        squeeze_ratio: float,
        stride: int,
        activation_layer: Layer,
        norm_layer: Layer,
        p_stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)] if stride == 2 else []
            self.proj = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=True))
        wide, narrow = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        self.stochastic_depth = StochasticDepth(p_stochastic_dropout, "row") if p_stochastic_dropout else nn.Identity()
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer, inplace=None)
        self.layers = nn.Sequential(
            OrderedDict(
                pre_norm=norm_layer(in_channels),
                conv_a=unit(in_channels, wide, kernel_size=1),
                conv_b=unit(wide, wide, kernel_size=3, stride=stride, groups=wide),
                squeeze_excitation=SqueezeExcitation(wide, narrow, activation=nn.SiLU),
                conv_c=nn.Conv2d(wide, out_channels, kernel_size=1, bias=True),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention in each of many groups [N, groups, places, C], with a learned bias for each distance."""

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        side = int(math.sqrt(max_seq_len))
        self.n_heads = feat_dim // head_dim
        self.head_dim = head_dim
        self.size = side
        self.max_seq_len = max_seq_len
        self.to_qkv = nn.Linear(feat_dim, self.n_heads * self.head_dim * 3)
        self.scale_factor = feat_dim**-0.5  # of all channels, not of a head's: the published weights are trained so
        self.merge = nn.Linear(self.head_dim * self.n_heads, feat_dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, self.n_heads))
        self.register_buffer("relative_position_index", relative_position_index([side, side]).view(side**2, side**2))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> Tensor:
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        return bias.view(self.max_seq_len, self.max_seq_len, -1).permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        n, groups, places, channels = x.shape
        qkv = self.to_qkv(x).reshape(n, groups, places, 3, self.n_heads, self.head_dim)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        scores = q @ (k * self.scale_factor).transpose(-2, -1) + self.get_relative_positional_bias()
        out = scores.softmax(dim=-1) @ v
        return self.merge(out.transpose(2, 3).reshape(n, groups, places, channels))


class SwapAxes(nn.Module):
    """Two axes exchanged."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a = a
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        return torch.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """[N, C, H, W] as windows of side p, [N, windows, p * p, C]."""

    def forward(self, x: Tensor, p: int) -> Tensor:
        n, channels, height, width = x.shape
        x = x.reshape(n, channels, height // p, p, width // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, (height // p) * (width // p), p * p, channels)


class WindowDepartition(nn.Module):
    """The inverse of `WindowPartition`, for windows in `h_partitions` rows and `w_partitions` columns."""

    def forward(self, x: Tensor, p: int, h_partitions: int, w_partitions: int) -> Tensor:
        n, _, _, channels = x.shape
        x = x.reshape(n, h_partitions, w_partitions, p, p, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, channels, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention among neighbours ("window"), or among places that are far from each other ("grid")."""

    def __init__(
        self,
        in_channels: int,
        head_dim: int,
        partition_size: int,
        partition_type: str,
        grid_size: tuple[int, int],
        mlp_ratio: int,
        activation_layer: Layer,
        norm_layer: Layer,
        attention_dropout: float,
        mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        count = grid_size[0] // partition_size
        # a grid takes one place of each window: windows whose side is the number of windows, inside out
        self.p, self.g = (partition_size, count) if partition_type == "window" else (count, partition_size)
        self.grid_size = grid_size
        self.n_heads = in_channels // head_dim
        self.head_dim = head_dim
        self.n_partitions = count
        self.partition_type = partition_type
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if partition_type == "grid" else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if partition_type == "grid" else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, "row")

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.grid_size[0] // self.p, self.grid_size[1] // self.p
        torch._assert(
            self.grid_size[0] % self.p == 0 and self.grid_size[1] % self.p == 0,
            f"Grid size must be divisible by partition size. Got grid size of {self.grid_size} and partition size of "
            f"{self.p}",
        )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, rows, columns)


class MaxVitLayer(nn.Module):
    """A convolution, attention inside windows, attention over a grid."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        p_stochastic_dropout: float,
        **attention: Any,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            MBconv=MBConv(
                in_channels,
                out_channels,
                expansion_ratio,
                squeeze_ratio,
                stride,
                activation_layer,
                norm_layer,
                p_stochastic_dropout,
            )
        )
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                in_channels=out_channels,
                partition_type=kind,
                activation_layer=activation_layer,
                norm_layer=nn.LayerNorm,
                p_stochastic_dropout=p_stochastic_dropout,
                **attention,
            )
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Some layers, the first of which halves the size; `p_stochastic` has a probability for each."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_grid_size: tuple[int, int],
        n_layers: int,
        p_stochastic: list[float],
        **options: Any,
    ) -> None:
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(f"p_stochastic must have length n_layers={n_layers}, got p_stochastic={p_stochastic}.")
        self.grid_size = halved(input_grid_size)
        self.layers = nn.ModuleList(
            MaxVitLayer(
                in_channels if i == 0 else out_channels,
                out_channels,
                stride=2 if i == 0 else 1,
                grid_size=self.grid_size,
                p_stochastic_dropout=p,
                **options,
            )
            for i, p in enumerate(p_stochastic)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def check_sizes(input_size: tuple[int, int], blocks: int, partition_size: int) -> None:
    """Windows must fit into the image at every block."""
    sizes = [halved(input_size)]
    for _ in range(blocks - 1):
        sizes.append(halved(sizes[-1]))
    for i, size in enumerate(sizes):
        if size[0] % partition_size != 0 or size[1] % partition_size != 0:
            raise ValueError(
                f"Input size {size} of block {i} is not divisible by partition size {partition_size}. "
                f"Consider changing the partition size or the input size.\n"
                f"Current configuration yields the following block input sizes: {sizes}."
            )


class MaxVit(nn.Module):
    def __init__(
        self,
        input_size: tuple[int, int],
        stem_channels: int,
        partition_size: int,
        block_channels: list[int],
        block_layers: list[int],
        head_dim: int,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
        activation_layer: Layer = nn.GELU,
        squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4,
        mlp_ratio: int = 4,
        mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        size = halved(input_size)
        check_sizes(size, len(block_channels), partition_size)
        self.stem = nn.Sequential(
            Conv2dNormActivation(
                3, stem_channels, 3, stride=2, norm_layer=norm, activation_layer=activation_layer, inplace=None
            ),
            Conv2dNormActivation(stem_channels, stem_channels, 3, norm_layer=None, activation_layer=None, bias=True),
        )
        self.partition_size = partition_size
        total = sum(block_layers)
        drops = [i * (stochastic_depth_prob / max(total - 1, 1)) for i in range(total)]
        self.blocks = nn.ModuleList()
        inputs = stem_channels
        for channels, layers in zip(block_channels, block_layers):
            own, drops = drops[:layers], drops[layers:]
            block = MaxVitBlock(
                inputs,
                channels,
                size,
                layers,
                own,
                squeeze_ratio=squeeze_ratio,
                expansion_ratio=expansion_ratio,
                norm_layer=norm,
                activation_layer=activation_layer,
                head_dim=head_dim,
                mlp_ratio=mlp_ratio,
                mlp_dropout=mlp_dropout,
                attention_dropout=attention_dropout,
                partition_size=partition_size,
            )
            self.blocks.append(block)
            inputs, size = channels, block.grid_size
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(inputs),
            nn.Linear(inputs, inputs),
            nn.Tanh(),
            nn.Linear(inputs, num_classes, bias=False),
        )
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def initialize(module: nn.Module) -> None:
    """Small numbers for weights, zero for biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def make(trained: Any, progress: bool, *, input_size: tuple[int, int] = (224, 224), **kwargs: Any) -> MaxVit:
    if trained is not None:
        expected = tuple(trained.meta["min_size"])
        if tuple(input_size) != expected:
            raise ValueError(f"The parameter 'input_size' expected value {expected} but got {input_size} instead.")
    return MaxVit(input_size, **kwargs)


TINY = {
    "stem_channels": 64,
    "partition_size": 7,
    "block_channels": [64, 128, 256, 512],
    "block_layers": [2, 2, 5, 2],
    "head_dim": 32,
    "stochastic_depth_prob": 0.2,
}
family(globals(), make, {"maxvit_t": ("MaxVit_T", TINY)})
