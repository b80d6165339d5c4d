"""Linear regression from scratch: a line through noisy points, with nothing but tensors and gradients.

Recovers the weights 2 and -3.4 and the offset 4.2 to 0.01. See linear_regression.py for the same with layers.
"""

from common import figure, options, report, save

import kenaz as torch

chosen = options(__doc__)
true_weight, true_bias = torch.tensor([2.0, -3.4]), 4.2

# 1000 points y = X w + b, with noise
features = torch.randn(1000, 2)
labels = features @ true_weight + true_bias + 0.01 * torch.randn(1000)

# what is to be learned
weight = torch.normal(0, 0.01, (2,), requires_grad=True)
bias = torch.zeros(1, requires_grad=True)


def predict(x: torch.Tensor) -> torch.Tensor:
    return x @ weight + bias


def squared_error(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((prediction - y) ** 2 / 2).mean()


def step(rate: float) -> None:
    """Stochastic gradient descent: every parameter a little against its gradient, which is then forgotten."""
    with torch.no_grad():
        for parameter in (weight, bias):
            parameter -= rate * parameter.grad
            parameter.grad.zero_()


losses = []
for epoch in range(2 if chosen.quick else 5):
    for batch in torch.randperm(1000).split(10):
        loss = squared_error(predict(features[batch]), labels[batch])
        loss.backward()
        step(rate=0.03)
        losses.append(loss.item())
    print(f"epoch {epoch + 1}   loss {squared_error(predict(features), labels).item():.6f}")

print(f"weight {weight.tolist()} (is {true_weight.tolist()}), offset {bias.item():.4f} (is {true_bias})")
drawn, (left, right) = figure(1, 2, (8, 3))
left.semilogy(losses)
left.set(xlabel="step", ylabel="loss")
right.scatter(features[:, 1].numpy(), labels.numpy(), s=2)
right.set(xlabel="second feature", ylabel="label")
save(drawn, chosen)
error = max((weight - true_weight).abs().max().item(), abs(bias.item() - true_bias))
report(chosen, "largest error of a parameter", error, at_most=0.01)
