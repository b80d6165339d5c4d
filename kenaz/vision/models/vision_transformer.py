"""Vision transformer: "An image is worth 16x16 words" (2020)."""

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from ... import _api as torch
from ... import nn
from ..ops.misc import MLP, Conv2dNormActivation
from ._registry import expect, family

__all__ = ["VisionTransformer", "interpolate_embeddings"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]
Norm = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig:
    """A layer of a convolutional stem, which may stand in place of the patches."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: int,
        stride: int,
        norm_layer: Layer = nn.BatchNorm2d,
        activation_layer: Layer = nn.ReLU,
    ) -> None:
        self.options: dict[str, Any] = {
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "stride": stride,
            "norm_layer": norm_layer,
            "activation_layer": activation_layer,
        }
        self.out_channels = out_channels


class MLPBlock(MLP):
    """Two linear layers, the second one back to the width of the input."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Self-attention and two linear layers, each after a normalisation and beside a shortcut."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = Norm,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Positions added to [N, length, width], then blocks, then a normalisation."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = Norm,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        blocks = (
            EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
            for _ in range(num_layers)
        )
        self.layers = nn.Sequential(OrderedDict((f"encoder_layer_{i}", block) for i, block in enumerate(blocks)))
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Layer = Norm,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        torch._assert(image_size % patch_size == 0, "Input shape indivisible by patch size!")
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is None:
            self.conv_proj: nn.Module = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        else:
            self.conv_proj = conv_stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1  # one is the class's
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        self.heads = nn.Sequential(head_layers(hidden_dim, representation_size, num_classes))
        self._initialize()

    def _initialize(self) -> None:
        last = self.conv_proj if isinstance(self.conv_proj, nn.Conv2d) else self.conv_proj.conv_last
        if last is self.conv_proj:
            fan_in = last.in_channels * last.kernel_size[0] * last.kernel_size[1]
            nn.init.trunc_normal_(last.weight, std=math.sqrt(1 / fan_in))
        else:
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
        nn.init.zeros_(last.bias)
        if self.representation_size is not None:
            before = self.heads.pre_logits
            nn.init.trunc_normal_(before.weight, std=math.sqrt(1 / before.in_features))
            nn.init.zeros_(before.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        """The patches of images [N, 3, H, W] as [N, patches, width]."""
        _, _, height, width = x.shape
        size = self.image_size
        torch._assert(height == size, f"Wrong image height! Expected {size} but got {height}!")
        torch._assert(width == size, f"Wrong image width! Expected {size} but got {width}!")
        return self.conv_proj(x).flatten(2).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        return self.heads(self.encoder(x)[:, 0])


def conv_stem(configs: list[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    """Convolutions in place of patches ("Early convolutions help transformers see better", 2021)."""
    stem = nn.Sequential()
    channels = 3
    for i, config in enumerate(configs):
        stem.add_module(f"conv_bn_relu_{i}", Conv2dNormActivation(in_channels=channels, **config.options))
        channels = config.out_channels
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, kernel_size=1))
    return stem


def head_layers(hidden_dim: int, representation_size: int | None, num_classes: int) -> "OrderedDict[str, nn.Module]":
    if representation_size is None:
        return OrderedDict(head=nn.Linear(hidden_dim, num_classes))
    return OrderedDict(
        pre_logits=nn.Linear(hidden_dim, representation_size),
        act=nn.Tanh(),
        head=nn.Linear(representation_size, num_classes),
    )


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: dict[str, Any],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> dict[str, Any]:
    """The state of a model with its positions resampled to images of another size, optionally without its head."""
    name = "encoder.pos_embedding"
    n, length, width = model_state[name].shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {model_state[name].shape}")
    wanted = image_size // patch_size
    have = math.isqrt(length - 1)
    if wanted == have:
        return model_state
    if have * have != length - 1:
        raise ValueError(
            f"seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d = {have * have}"
        )
    token, places = model_state[name][:, :1], model_state[name][:, 1:]
    grid = places.permute(0, 2, 1).reshape(1, width, have, have)
    grid = nn.functional.interpolate(grid, size=wanted, mode=interpolation_mode, align_corners=True)
    state = OrderedDict((k, v) for k, v in model_state.items() if not (reset_heads and k.startswith("heads")))
    state[name] = torch.cat([token, grid.reshape(1, width, wanted * wanted).permute(0, 2, 1)], dim=1)
    return state


def legacy(state: dict[str, Any], model: Any) -> dict[str, Any]:
    """The published files say mlp.linear_1 and mlp.linear_2 where the model counts its layers."""
    return {k.replace("mlp.linear_1", "mlp.0").replace("mlp.linear_2", "mlp.3"): v for k, v in state.items()}


def make(trained: Any, progress: bool, **kwargs: Any) -> VisionTransformer:
    if trained is not None:
        expect(kwargs, "image_size", trained.meta["min_size"][0])
    return VisionTransformer(**{"image_size": 224, **kwargs})


BASE = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "mlp_dim": 3072}
LARGE = {"num_layers": 24, "num_heads": 16, "hidden_dim": 1024, "mlp_dim": 4096}
HUGE = {"num_layers": 32, "num_heads": 16, "hidden_dim": 1280, "mlp_dim": 5120}
family(
    globals(),
    make,
    {
        f"vit_{size}_{patch}": (f"ViT_{size.upper()}_{patch}", {"patch_size": patch, **shape})
        for size, patch, shape in [
            ("b", 16, BASE),
            ("b", 32, BASE),
            ("l", 16, LARGE),
            ("l", 32, LARGE),
            ("h", 14, HUGE),
        ]
    },
)
