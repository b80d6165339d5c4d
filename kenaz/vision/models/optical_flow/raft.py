"""RAFT: "Recurrent all-pairs field transforms for optical flow" (2020): a guess, corrected a dozen times.

Every pixel of the first image is compared with all of the second, once; then a recurrent network looks up, again and
again, how well the surroundings of the present guess fit, and corrects it. Features have an eighth of the size.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .... import _api as torch
from .... import nn
from ...ops.misc import Conv2dNormActivation
from .._registry import family

__all__ = ["RAFT"]

Tensor = torch.Tensor
Layer = Callable[..., nn.Module]
F = nn.functional

unit: Layer = partial(Conv2dNormActivation, bias=True)  # all have one, beside their normalisation


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        norm_layer: Layer | None,
        stride: int = 1,
        always_project: bool = False,
    ) -> None:
        super().__init__()
        self.convnormrelu1 = unit(in_channels, out_channels, norm_layer=norm_layer, stride=stride)
        self.convnormrelu2 = unit(out_channels, out_channels, norm_layer=norm_layer)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or always_project:
            self.downsample = unit(
                in_channels, out_channels, 1, stride=stride, norm_layer=norm_layer, activation_layer=None
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.downsample(x) + self.convnormrelu2(self.convnormrelu1(x)))


class BottleneckBlock(nn.Module):
    """A 3 x 3 convolution between two of 1 x 1 that narrow and widen, beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, *, norm_layer: Layer | None, stride: int = 1) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.convnormrelu1 = unit(in_channels, narrow, 1, norm_layer=norm_layer)
        self.convnormrelu2 = unit(narrow, narrow, norm_layer=norm_layer, stride=stride)
        self.convnormrelu3 = unit(narrow, out_channels, 1, norm_layer=norm_layer)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            self.downsample = unit(
                in_channels, out_channels, 1, stride=stride, norm_layer=norm_layer, activation_layer=None
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.convnormrelu3(self.convnormrelu2(self.convnormrelu1(x)))
        return self.relu(self.downsample(x) + y)


class FeatureEncoder(nn.Module):
    """Features of an image: a convolution, three pairs of blocks, a convolution; `layers` are their widths."""

    def __init__(
        self,
        *,
        block: Layer = ResidualBlock,
        layers: Sequence[int] = (64, 64, 96, 128, 256),
        strides: Sequence[int] = (2, 1, 2, 2),
        norm_layer: Layer | None = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        if len(layers) != 5:
            raise ValueError(f"The expected number of layers is 5, instead got {len(layers)}")
        self.convnormrelu = unit(3, layers[0], kernel_size=7, norm_layer=norm_layer, stride=strides[0])
        for i in range(1, 4):
            first = block(layers[i - 1], layers[i], norm_layer=norm_layer, stride=strides[i])
            second = block(layers[i], layers[i], norm_layer=norm_layer, stride=1)
            setattr(self, f"layer{i}", nn.Sequential(first, second))
        self.conv = nn.Conv2d(layers[3], layers[4], kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.output_dim = layers[-1]
        self.downsample_factor = 2 ** sum(stride == 2 for stride in strides)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.layer3(self.layer2(self.layer1(self.convnormrelu(x)))))


class MotionEncoder(nn.Module):
    """Features of the present flow and of how well it fits; the flow itself is the last two of them."""

    def __init__(
        self,
        *,
        in_channels_corr: int,
        corr_layers: Sequence[int] = (256, 192),
        flow_layers: Sequence[int] = (128, 64),
        out_channels: int = 128,
    ) -> None:
        super().__init__()
        if len(flow_layers) != 2:
            raise ValueError(f"The expected number of flow_layers is 2, instead got {len(flow_layers)}")
        if len(corr_layers) not in (1, 2):
            raise ValueError(f"The number of corr_layers should be 1 or 2, instead got {len(corr_layers)}")
        self.convcorr1 = unit(in_channels_corr, corr_layers[0], 1, norm_layer=None)
        self.convcorr2: nn.Module = nn.Identity()
        if len(corr_layers) == 2:
            self.convcorr2 = unit(*corr_layers, norm_layer=None)
        self.convflow1 = unit(2, flow_layers[0], kernel_size=7, norm_layer=None)
        self.convflow2 = unit(*flow_layers, norm_layer=None)
        self.conv = unit(corr_layers[-1] + flow_layers[-1], out_channels - 2, norm_layer=None)
        self.out_channels = out_channels

    def forward(self, flow: Tensor, corr_features: Tensor) -> Tensor:
        corr = self.convcorr2(self.convcorr1(corr_features))
        features = self.conv(torch.cat([corr, self.convflow2(self.convflow1(flow))], dim=1))
        return torch.cat([features, flow], dim=1)


class ConvGRU(nn.Module):
    """A gated recurrent unit at every place, of convolutions."""

    def __init__(self, *, input_size: int, hidden_size: int, kernel_size: Any, padding: Any) -> None:
        super().__init__()
        for gate in ("convz", "convr", "convq"):
            setattr(self, gate, nn.Conv2d(hidden_size + input_size, hidden_size, kernel_size, padding=padding))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        both = torch.cat([h, x], dim=1)
        z, r = torch.sigmoid(self.convz(both)), torch.sigmoid(self.convr(both))
        q = torch.tanh(self.convq(torch.cat([r * h, x], dim=1)))
        return (1 - z) * h + z * q


class RecurrentBlock(nn.Module):
    """One gated unit, or two, the first of which looks along rows and the second along columns."""

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        kernel_size: Sequence[Any] = ((1, 5), (5, 1)),
        padding: Sequence[Any] = ((0, 2), (2, 0)),
    ) -> None:
        super().__init__()
        if len(kernel_size) != len(padding):
            raise ValueError(
                f"kernel_size should have the same length as padding, instead got len(kernel_size) = "
                f"{len(kernel_size)} and len(padding) = {len(padding)}"
            )
        if len(kernel_size) not in (1, 2):
            raise ValueError(f"kernel_size should either 1 or 2, instead got {len(kernel_size)}")
        for i, (kernel, around) in enumerate(zip(kernel_size, padding), 1):
            gru = ConvGRU(input_size=input_size, hidden_size=hidden_size, kernel_size=kernel, padding=around)
            setattr(self, f"convgru{i}", gru)
        self.hidden_size = hidden_size

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        for gru in self.children():
            h = gru(h, x)
        return h


class FlowHead(nn.Module):
    """The correction that a hidden state means."""

    def __init__(self, *, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden_size, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden_size, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """A step: the next hidden state, and the correction of the flow."""

    def __init__(self, *, motion_encoder: Any, recurrent_block: Any, flow_head: nn.Module) -> None:
        super().__init__()
        self.motion_encoder = motion_encoder
        self.recurrent_block = recurrent_block
        self.flow_head = flow_head
        self.hidden_state_size = recurrent_block.hidden_size

    def forward(
        self, hidden_state: Tensor, context: Tensor, corr_features: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        motion = self.motion_encoder(flow, corr_features)
        hidden_state = self.recurrent_block(hidden_state, torch.cat([context, motion], dim=1))
        return hidden_state, self.flow_head(hidden_state)


class MaskPredictor(nn.Module):
    """How each of 8 x 8 fine pixels mixes the flows of nine coarse neighbours, before a softmax."""

    def __init__(self, *, in_channels: int, hidden_size: int, multiplier: float = 0.25) -> None:
        super().__init__()
        self.convrelu = unit(in_channels, hidden_size, norm_layer=None)
        self.conv = nn.Conv2d(hidden_size, 8 * 8 * 9, 1, padding=0)
        self.multiplier = multiplier

    def forward(self, x: Tensor) -> Tensor:
        return self.multiplier * self.conv(self.convrelu(x))


def pixel_grid(batch_size: int, height: int, width: int) -> Tensor:
    """[N, 2, H, W]: the column and the row of each pixel."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows]).float()[None].repeat(batch_size, 1, 1, 1)


def sampled(image: Tensor, at: Tensor) -> Tensor:
    """Values of [N, C, H, W] at places [N, h, w, 2], columns first, counted in pixels."""
    height, width = image.shape[-2:]
    last = torch.tensor([width - 1.0, height - 1.0], device=image.device, dtype=at.dtype)
    return F.grid_sample(image, 2 * at / last - 1, mode="bilinear", align_corners=True)


def upsample_flow(flow: Tensor, up_mask: Tensor | None = None, factor: int = 8) -> Tensor:
    """A flow at the size of the images, `factor` times as large, and its numbers, too.

    >>> upsample_flow(torch.ones(1, 2, 1, 1)).mean().item()
    8.0
    """
    n, _, height, width = flow.shape
    size = (height * factor, width * factor)
    if up_mask is None:
        return factor * F.interpolate(flow, size=size, mode="bilinear", align_corners=True)
    weights = torch.softmax(up_mask.view(n, 1, 9, factor, factor, height, width), dim=2)
    near = F.unfold(factor * flow, kernel_size=3, padding=1).view(n, 2, 9, 1, 1, height, width)
    return (weights * near).sum(dim=2).permute(0, 1, 4, 2, 5, 3).reshape(n, 2, *size)


class CorrBlock(nn.Module):
    """How similar each pixel of one image is to all of another, at several scales, and looking that up."""

    def __init__(self, *, num_levels: int = 4, radius: int = 4) -> None:
        super().__init__()
        self.num_levels = num_levels
        self.radius = radius
        self.corr_pyramid: list[Tensor] = []
        self.out_channels = num_levels * (2 * radius + 1) ** 2

    def build_pyramid(self, fmap1: Tensor, fmap2: Tensor) -> None:
        """Compares all pixels of two maps of features [N, C, H, W]; each level has half the second map's size."""
        if fmap1.shape != fmap2.shape:
            raise ValueError(
                f"Input feature maps should have the same shape, instead got {fmap1.shape} (fmap1.shape) != "
                f"{fmap2.shape} (fmap2.shape)"
            )
        least = 2 * 2 ** (self.num_levels - 1)
        if any(size < least for size in fmap1.shape[-2:]):
            raise ValueError(
                "Feature maps are too small to be down-sampled by the correlation pyramid. "
                f"H and W of feature maps should be at least {least}; got: {fmap1.shape[-2:]}. "
                "Remember that input images to the model are downsampled by 8, so that means their dimensions should "
                f"be at least 8 * {least} = {8 * least}."
            )
        n, channels, height, width = fmap1.shape
        similar = fmap1.flatten(2).transpose(1, 2) @ fmap2.flatten(2) / math.sqrt(channels)
        level = similar.reshape(n * height * width, 1, height, width)
        self.corr_pyramid = [level]
        for _ in range(self.num_levels - 1):
            level = F.avg_pool2d(level, kernel_size=2, stride=2)
            self.corr_pyramid.append(level)

    def index_pyramid(self, centroids_coords: Tensor) -> Tensor:
        """[N, `out_channels`, H, W]: similarities in the surroundings of places [N, 2, H, W]."""
        side = 2 * self.radius + 1
        n, _, height, width = centroids_coords.shape
        steps = torch.linspace(-self.radius, self.radius, side)
        around = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1).to(centroids_coords.device)
        centers = centroids_coords.permute(0, 2, 3, 1).reshape(n * height * width, 1, 1, 2)
        found = [
            sampled(level, centers / 2**i + around.view(1, side, side, 2)).view(n, height, width, -1)
            for i, level in enumerate(self.corr_pyramid)
        ]
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()


class RAFT(nn.Module):
    """The flow from one image to another: a list, [N, 2, H, W] after each correction, the best one last."""

    def __init__(
        self,
        *,
        feature_encoder: nn.Module,
        context_encoder: nn.Module,
        corr_block: Any,
        update_block: Any,
        mask_predictor: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.feature_encoder = feature_encoder
        self.context_encoder = context_encoder
        self.corr_block = corr_block
        self.update_block = update_block
        self.mask_predictor = mask_predictor
        if not hasattr(update_block, "hidden_state_size"):
            raise ValueError("The update_block parameter should expose a 'hidden_state_size' attribute.")

    def compare(self, image1: Tensor, image2: Tensor) -> None:
        height, width = image1.shape[-2:]
        first, second = self.feature_encoder(torch.cat([image1, image2], dim=0)).chunk(2, dim=0)
        if first.shape[-2:] != (height // 8, width // 8):
            raise ValueError("The feature encoder should downsample H and W by 8")
        self.corr_block.build_pyramid(first, second)

    def context(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The first hidden state, and what the recurrent network sees at every step."""
        height, width = image.shape[-2:]
        out, hidden = self.context_encoder(image), self.update_block.hidden_state_size
        if out.shape[-2:] != (height // 8, width // 8):
            raise ValueError("The context encoder should downsample H and W by 8")
        if out.shape[1] <= hidden:
            raise ValueError(
                f"The context encoder outputs {out.shape[1]} channels, but it should have at strictly more than "
                f"hidden_state={hidden} channels"
            )
        return torch.tanh(out[:, :hidden]), F.relu(out[:, hidden:])

    def forward(self, image1: Tensor, image2: Tensor, num_flow_updates: int = 12) -> list[Tensor]:
        n, _, height, width = image1.shape
        if (height, width) != image2.shape[-2:]:
            raise ValueError(
                f"input images should have the same shape, instead got ({height}, {width}) != {image2.shape[-2:]}"
            )
        if height % 8 or width % 8:
            raise ValueError(f"input image H and W should be divisible by 8, instead got {height} (h) and {width} (w)")
        self.compare(image1, image2)
        hidden, context = self.context(image1)
        start = pixel_grid(n, height // 8, width // 8).to(hidden.device)
        at, flows = start, []
        for _ in range(num_flow_updates):
            at = at.detach()  # each correction learns by itself
            corr_features = self.corr_block.index_pyramid(centroids_coords=at)
            hidden, delta = self.update_block(hidden, context, corr_features, at - start)
            at = at + delta
            up_mask = None if self.mask_predictor is None else self.mask_predictor(hidden)
            flows.append(upsample_flow(at - start, up_mask))
        return flows


def make(
    trained: Any,
    progress: bool,
    *,
    block: Layer,
    features: Sequence[int],
    context: Sequence[int],
    context_norm: Layer | None,
    radius: int,
    motion: dict[str, Any],
    recurrent: dict[str, Any],
    flow_width: int,
    with_mask: bool,
    **kwargs: Any,
) -> RAFT:
    """RAFT of a table's parts; a keyword with one of RAFT's own names replaces that part."""

    def part(name: str, build: Callable[[], Any]) -> Any:
        return kwargs.pop(name, None) or build()

    hidden = recurrent["hidden_size"]

    def update() -> UpdateBlock:
        encoder = MotionEncoder(in_channels_corr=corr_block.out_channels, **motion)
        inputs = context_encoder.output_dim - hidden + encoder.out_channels
        return UpdateBlock(
            motion_encoder=encoder,
            recurrent_block=RecurrentBlock(input_size=inputs, **recurrent),
            flow_head=FlowHead(in_channels=hidden, hidden_size=flow_width),
        )

    encoder = partial(FeatureEncoder, block=block)
    feature_encoder = part("feature_encoder", partial(encoder, layers=features, norm_layer=nn.InstanceNorm2d))
    context_encoder = part("context_encoder", partial(encoder, layers=context, norm_layer=context_norm))
    corr_block = part("corr_block", partial(CorrBlock, num_levels=4, radius=radius))
    update_block = part("update_block", update)
    mask_predictor = kwargs.pop("mask_predictor", None)
    if mask_predictor is None and with_mask:
        mask_predictor = MaskPredictor(in_channels=hidden, hidden_size=256)
    return RAFT(
        feature_encoder=feature_encoder,
        context_encoder=context_encoder,
        corr_block=corr_block,
        update_block=update_block,
        mask_predictor=mask_predictor,
        **kwargs,
    )


LARGE = {
    "block": ResidualBlock,
    "features": (64, 64, 96, 128, 256),
    "context": (64, 64, 96, 128, 256),
    "context_norm": nn.BatchNorm2d,
    "radius": 4,
    "motion": {"corr_layers": (256, 192), "flow_layers": (128, 64), "out_channels": 128},
    "recurrent": {"hidden_size": 128, "kernel_size": ((1, 5), (5, 1)), "padding": ((0, 2), (2, 0))},
    "flow_width": 256,
    "with_mask": True,
}
SMALL = {
    "block": BottleneckBlock,
    "features": (32, 32, 64, 96, 128),
    "context": (32, 32, 64, 96, 160),
    "context_norm": None,
    "radius": 3,
    "motion": {"corr_layers": (96,), "flow_layers": (64, 32), "out_channels": 82},
    "recurrent": {"hidden_size": 96, "kernel_size": (3,), "padding": (1,)},
    "flow_width": 128,
    "with_mask": False,
}
family(globals(), make, {"raft_large": ("Raft_Large", LARGE), "raft_small": ("Raft_Small", SMALL)})
