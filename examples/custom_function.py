"""A function with a gradient of its own: a network whose weights are only +1 and -1 (straight-through, 2013).

The sign of a number has no useful gradient; autograd.Function lets it pass as if nothing had happened. At least 78 % of
Fashion-MNIST's test pictures are named right with binary weights in both layers.
"""

from common import accuracy, batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=8)
x, y, test_x, test_y = fashion(chosen, *((600, 300) if chosen.quick else (60000, 10000)))


class Sign(torch.autograd.Function):
    """+1 or -1; backward, the gradient goes through where the number is between -1 and 1."""

    @staticmethod
    def forward(ctx: object, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return torch.where(weight >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:
        (weight,) = ctx.saved_tensors
        return grad * (weight.abs() <= 1)


class BinaryLinear(nn.Module):
    """A linear layer of ones and minus ones. What it learns, and what is kept, is how sure it is of each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-0.1, 0.1))
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(nn.functional.linear(x, Sign.apply(self.weight)))


model = nn.Sequential(nn.Flatten(), BinaryLinear(784, 256), nn.ReLU(), BinaryLinear(256, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
curve = []
for epoch in range(1 if chosen.quick else chosen.epochs):
    model.train()
    for batch in batches(len(x), 100):
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    curve.append(accuracy(model, test_x, test_y))
    print(f"epoch {epoch + 1}   loss {loss.item():.3f}   test accuracy {curve[-1]:.1%}", flush=True)

# gradcheck compares a gradient with differences; here they differ on purpose, everywhere but at 0
point = torch.tensor([0.5], requires_grad=True)
Sign.apply(point).backward()
print(f"gradient of the sign at 0.5: {point.grad.item()}")
signs = Sign.apply(model[1].weight.detach())[:32].view(-1, 1, 28, 28)
drawn, (left, right) = figure(1, 2, (8, 3))
left.plot(range(1, len(curve) + 1), curve, marker="o")
left.set(xlabel="epoch", ylabel="test accuracy")
show_images(right, signs, 8, "weights of 32 units, +1 and -1")
save(drawn, chosen)
report(chosen, "test accuracy", curve[-1], at_least=0.78)
