"""ShuffleNet v2: "Practical guidelines for efficient CNN architecture design" (2018)."""

from collections.abc import Callable
from typing import Any

from ... import _api as torch
from ... import nn
from ._registry import family

__all__ = ["ShuffleNetV2"]

Tensor = torch.Tensor


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels dealt out, one to each group in turn.

    >>> channel_shuffle(torch.arange(4).view(1, 4, 1, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    n, channels, height, width = x.shape
    return x.view(n, groups, channels // groups, height, width).transpose(1, 2).reshape(n, channels, height, width)


def depthwise(channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False, groups=channels)


def pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel_size=1, stride=1, padding=0, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class InvertedResidual(nn.Module):
    """One half of the channels passes unchanged; with a stride both halves are computed from all of them."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride == 1 then inp "
                "should be equal to oup // 2 << 1."
            )
        self.stride = stride
        beside: list[nn.Module] = []
        if stride > 1:
            beside = [depthwise(inp, stride), nn.BatchNorm2d(inp), *pointwise(inp, half)]
        self.branch1 = nn.Sequential(*beside)
        self.branch2 = nn.Sequential(
            *pointwise(inp if stride > 1 else half, half),
            depthwise(half, stride),
            nn.BatchNorm2d(half),
            *pointwise(half, half),
        )

    def joined(self, halves: list[Tensor]) -> Tensor:
        return torch.cat(halves, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, used = x.chunk(2, dim=1)
            return channel_shuffle(self.joined([kept, self.branch2(used)]), 2)
        return channel_shuffle(self.joined([self.branch1(x), self.branch2(x)]), 2)


class ShuffleNetV2(nn.Module):
    def __init__(
        self,
        stages_repeats: list[int],
        stages_out_channels: list[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        inputs = first
        for name, repeats, width in zip(("stage2", "stage3", "stage4"), stages_repeats, widths):
            blocks = [inverted_residual(inputs, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            setattr(self, name, nn.Sequential(*blocks))
            inputs = width
        self.conv5 = nn.Sequential(
            nn.Conv2d(inputs, last, 1, 1, 0, bias=False), nn.BatchNorm2d(last), nn.ReLU(inplace=True)
        )
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def make(trained: Any, progress: bool, *, widths: list[int], **kwargs: Any) -> ShuffleNetV2:
    return ShuffleNetV2([4, 8, 4], widths, **kwargs)


WIDTHS = {
    "x0_5": [24, 48, 96, 192, 1024],
    "x1_0": [24, 116, 232, 464, 1024],
    "x1_5": [24, 176, 352, 704, 1024],
    "x2_0": [24, 244, 488, 976, 2048],
}
family(
    globals(),
    make,
    {f"shufflenet_v2_{x}": (f"ShuffleNet_V2_{x.upper()}", {"widths": widths}) for x, widths in WIDTHS.items()},
)
