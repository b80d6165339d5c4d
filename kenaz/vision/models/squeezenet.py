"""SqueezeNet: "AlexNet-level accuracy with 50x fewer parameters" (2016)."""

from typing import Any

from ... import _api as torch
from ... import nn
from ._registry import family

__all__ = ["SqueezeNet"]

Tensor = torch.Tensor


class Fire(nn.Module):
    """1 x 1 convolutions that narrow, then 1 x 1 beside 3 x 3 that widen."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        ones, threes = self.expand1x1(x), self.expand3x3(x)
        return torch.cat([self.expand1x1_activation(ones), self.expand3x3_activation(threes)], 1)


POOL = None
# (channels and kernel of the first convolution, then for each Fire its inputs, squeezed and expanded channels)
PLANS: dict[str, tuple[tuple[int, int], list[tuple[int, int, int] | None]]] = {
    "1_0": (
        (96, 7),
        [POOL, (96, 16, 64), (128, 16, 64), (128, 32, 128), POOL, (256, 32, 128), (256, 48, 192), (384, 48, 192)]
        + [(384, 64, 256), POOL, (512, 64, 256)],
    ),
    "1_1": (
        (64, 3),
        [POOL, (64, 16, 64), (128, 16, 64), POOL, (128, 32, 128), (256, 32, 128), POOL, (256, 48, 192)]
        + [(384, 48, 192), (384, 64, 256), (512, 64, 256)],
    ),
}


class SqueezeNet(nn.Module):
    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in PLANS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        (channels, kernel), plan = PLANS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel_size=kernel, stride=2), nn.ReLU(inplace=True)]
        for step in plan:
            if step is POOL:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            else:
                inputs, squeezed, expanded = step
                layers.append(Fire(inputs, squeezed, expanded, expanded))
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


def make(trained: Any, progress: bool, *, version: str, **kwargs: Any) -> SqueezeNet:
    return SqueezeNet(version, **kwargs)


family(globals(), make, {f"squeezenet{v}": (f"SqueezeNet{v}", {"version": v}) for v in PLANS})
