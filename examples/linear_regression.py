"""Linear regression, concise: the same line as in linear_regression_scratch.py, with a layer, a loss and an optimizer.

Recovers the weights 2 and -3.4 and the offset 4.2 to 0.01.
"""

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn
from kenaz.utils.data import DataLoader, TensorDataset

chosen = options(__doc__)
true_weight, true_bias = torch.tensor([2.0, -3.4]), 4.2
features = torch.randn(1000, 2)
labels = (features @ true_weight + true_bias + 0.01 * torch.randn(1000)).unsqueeze(1)

loader = DataLoader(TensorDataset(features, labels), batch_size=10, shuffle=True)
model = nn.Linear(2, 1)
loss_of = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03)

losses = []
for epoch in range(2 if chosen.quick else 5):
    for x, y in loader:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1}   loss {loss_of(model(features), labels).item():.6f}")

weight, bias = model.weight.detach()[0], model.bias.item()
print(f"weight {weight.tolist()}, offset {bias:.4f}")
drawn, (left, right) = figure(1, 2, (8, 3))
left.semilogy(losses)
left.set(xlabel="step", ylabel="loss")
right.scatter(model(features).detach().numpy(), labels.numpy(), s=2)
right.set(xlabel="predicted", ylabel="label")
save(drawn, chosen)
error = max((weight - true_weight).abs().max().item(), abs(bias - true_bias))
report(chosen, "largest error of a parameter", error, at_most=0.01)
