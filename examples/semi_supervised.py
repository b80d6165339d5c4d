"""Semi-supervised learning: 10 pictures with a label, 3,000 without. Labels spread to pictures that look alike.

A network that learns from the spread labels names at least 2 points more of the test pictures right than one that
learns from the ten alone (label spreading, Zhou et al. 2004).
"""

from common import CLASSES, accuracy, batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, neighbors=10, shots=1)
x, y, test_x, test_y = fashion(chosen, 300 if chosen.quick else 3000, 200 if chosen.quick else 1500)

# one picture of each class keeps its label; the others' are only used to see how well the spreading went
labelled = torch.cat([torch.where(y == c)[0][: chosen.shots] for c in range(10)])
known = torch.zeros(len(x), 10)
known[labelled, y[labelled]] = 1.0

# 1. a graph: each picture with its nearest neighbours, both ways
flat = x.flatten(1)
length = (flat**2).sum(1)
distance = (length[:, None] + length - 2 * flat @ flat.T).clamp(min=0).sqrt()
near, who = distance.topk(chosen.neighbors + 1, largest=False)
weights = torch.zeros(len(x), len(x)).scatter_(1, who, torch.exp(-((near / near[:, 1:].mean()) ** 2)))
weights = torch.maximum(weights, weights.T).fill_diagonal_(0)
scale = weights.sum(1).clamp(min=1e-6).rsqrt()
weights = scale[:, None] * weights * scale

# 2. every picture takes what its neighbours have, again and again, and those with a label keep a part of it
spread = known.clone()
for _ in range(5 if chosen.quick else 60):
    spread = 0.99 * weights @ spread + 0.01 * known
guess = spread.argmax(1)
sure = spread.max(1).values / spread.sum(1).clamp(min=1e-9)
print(f"spread labels that are right: {(guess == y).float().mean().item():.1%}", flush=True)


def trained(images: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor) -> nn.Module:
    """A network that learned from pictures, each as important as its weight."""
    torch.manual_seed(chosen.seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    steps = 0
    while steps < (10 if chosen.quick else 400):
        for batch in batches(len(images), 100):
            each = nn.functional.cross_entropy(model(images[batch]), labels[batch], reduction="none")
            loss = (each * weight[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    return model.eval()


# 3. the same network, from the few alone and from all
alone = accuracy(trained(x[labelled], y[labelled], torch.ones(len(labelled))), test_x, test_y)
together = accuracy(trained(x, guess, sure), test_x, test_y)
print(f"test accuracy from {len(labelled)} labels: {alone:.1%}, from spread labels: {together:.1%}")

drawn, (left, right) = figure(1, 2, (8, 3.4))
order = sure.argsort(descending=True)
right_so_far = (guess == y)[order].float().cumsum(0) / torch.arange(1, len(x) + 1)
left.plot(right_so_far.numpy())
left.set(xlabel="pictures, the surest first", ylabel="share of labels that are right")
show_images(right, x[labelled], 5, "all that has a label")
save(drawn, chosen)
print("classes:", ", ".join(CLASSES))
report(chosen, "points gained", 100 * (together - alone), at_least=2)
