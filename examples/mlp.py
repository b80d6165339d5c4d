"""A multilayer perceptron tells pictures of clothes apart: one hidden layer of 256, Fashion-MNIST.

At least 83 % of the test pictures are named right, after half a minute with the 7,500 pictures in the package.
"""

from common import CLASSES, accuracy, batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=10)
x, y, test_x, test_y = fashion(chosen, *((600, 300) if chosen.quick else (60000, 10000)))
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

curve = []
for epoch in range(2 if chosen.quick else chosen.epochs):
    model.train()
    for batch in batches(len(x), 100):
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    curve.append(accuracy(model, test_x, test_y))
    print(f"epoch {epoch + 1}   loss {loss.item():.3f}   test accuracy {curve[-1]:.1%}", flush=True)

# what the hidden units look for: their weights are pictures
first = model[1].weight.detach()[:32].view(-1, 1, 28, 28)
drawn, (left, right) = figure(1, 2, (8, 3))
left.plot(range(1, len(curve) + 1), curve, marker="o")
left.set(xlabel="epoch", ylabel="test accuracy")
show_images(right, (first - first.min()) / (first.max() - first.min()), 8, "weights of 32 hidden units")
save(drawn, chosen)
guesses = model(test_x[:5]).argmax(1)
print("first pictures:", ", ".join(f"{CLASSES[g]} (is {CLASSES[t]})" for g, t in zip(guesses, test_y)))
report(chosen, "test accuracy", curve[-1], at_least=0.83)
