"""einops: functions on tensors with gradients, and its layers in a Sequential."""

import json

import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce

x = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()
packed, shapes = pack([x, torch.zeros(2, 4)], "a * c")
torch.manual_seed(0)
net = torch.nn.Sequential(
    Rearrange("b h w -> b (h w)"),
    torch.nn.Linear(12, 4),
    EinMix("b (h c) -> b h d", weight_shape="h c d", bias_shape="h d", h=2, c=2, d=3),
    Reduce("b h d -> b", "sum"),
)
out = net(x)
out.sum().backward()
print(json.dumps({
    "shapes": [list(t.shape) for t in (rearrange(x, "a b c -> (a c) b"), repeat(x, "a b c -> a b c k", k=2),
                                       einsum(x, x, "a b c, a d c -> a b d"), packed, *unpack(packed, shapes, "a * c"))],
    "means": reduce(x, "a b c -> a", "mean").tolist(), "out": out.tolist(), "gradient": x.grad.sum().item(),
}))  # fmt: skip
