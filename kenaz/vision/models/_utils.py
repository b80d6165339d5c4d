"""Networks as backbones of others."""

from collections import OrderedDict
from typing import Any

from ... import nn


class IntermediateLayerGetter(nn.ModuleDict):
    """The layers of a model up to the last one that is asked for; gives the outputs of those in `return_layers`.

    `return_layers` maps the names of direct children to the names of their outputs.
    """

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        if not set(return_layers).issubset(name for name, _ in model.named_children()):
            raise ValueError("return_layers are not present in model")
        wanted = {str(name): str(output) for name, output in return_layers.items()}
        missing = set(wanted)
        layers = OrderedDict()
        for name, module in model.named_children():
            layers[name] = module
            missing.discard(name)
            if not missing:
                break
        super().__init__(layers)
        self.return_layers = wanted

    def forward(self, x: Any) -> dict[str, Any]:
        out: dict[str, Any] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


def stages(features: nn.Sequential) -> list[int]:
    """The positions in a MobileNet's features where the size halves, and the first and the last one."""
    halving = [i for i, block in enumerate(features) if getattr(block, "_is_cn", False)]
    return [0, *halving, len(features) - 1]
