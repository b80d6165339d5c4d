"""An operator of your own, written with NumPy: registered with its shape rule and its derivative, used in training.

The operator is a soft threshold. A sparse code of pictures is learned with it (LISTA, 2010): at most 12 % of the code's
numbers are not zero, and the pictures come back with a mean squared error of at most 0.03.
"""

import numpy as np
from common import batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=8)
x, _, test_x, _ = fashion(chosen, *((500, 100) if chosen.quick else (7500, 1000)))


@torch.library.custom_op("examples::shrink", mutates_args=())
def shrink(x: torch.Tensor, threshold: float) -> torch.Tensor:
    """Every number moved towards zero by the threshold, and no further."""
    values = x.detach().numpy()
    return torch.from_numpy(np.sign(values) * np.maximum(np.abs(values) - np.float32(threshold), 0))


@shrink.register_fake
def _(x: torch.Tensor, threshold: float) -> torch.Tensor:
    return torch.empty_like(x)


def remember(ctx: object, inputs: tuple, output: torch.Tensor) -> None:
    ctx.save_for_backward(output)


def backward(ctx: object, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
    (output,) = ctx.saved_tensors
    return grad * (output != 0), None


shrink.register_autograd(backward, setup_context=remember)

# the operator against differences, in double precision
point = torch.tensor([-2.0, -0.3, 0.2, 1.5], dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradcheck(lambda x: shrink(x, 0.5), (point,))


class SparseCode(nn.Module):
    """A code that is improved a few times: each time by what is still missing, then shrunk."""

    def __init__(self, size: int = 256, rounds: int = 2) -> None:
        super().__init__()
        self.encode = nn.Linear(784, size, bias=False)
        self.decode = nn.Linear(size, 784)
        self.rounds = rounds

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flat = images.flatten(1)
        code = shrink(self.encode(flat), 0.5)
        for _ in range(self.rounds):
            code = shrink(code + self.encode(flat - self.decode(code)), 0.5)
        return self.decode(code), code


model = SparseCode()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(1 if chosen.quick else chosen.epochs):
    for batch in batches(len(x), 100):
        back, code = model(x[batch])
        loss = nn.functional.mse_loss(back, x[batch].flatten(1)) + 1e-3 * code.abs().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        back, code = model(test_x)
        error = nn.functional.mse_loss(back, test_x.flatten(1)).item()
        used = (code != 0).float().mean().item()
    print(f"epoch {epoch + 1}   error {error:.4f}   {used:.1%} of the code is not zero", flush=True)

drawn, (left, right) = figure(1, 2, (8, 3.2))
show_images(left, torch.cat([test_x[:16], back[:16].view(-1, 1, 28, 28)]), 8, "pictures, and what the code gives back")
parts = model.decode.weight.detach().T[:32].view(-1, 1, 28, 28)
show_images(right, parts / parts.abs().amax((1, 2, 3), keepdim=True) / 2 + 0.5, 8, "what 32 of the code's numbers mean")
save(drawn, chosen)
report(chosen, "share of the code that is not zero", used, at_most=0.12)
report(chosen, "error", error, at_most=0.03)
