"""Unsupervised learning, without a single label: pictures of clothes as a few numbers, and sorted into groups.

An autoencoder makes eight numbers of a picture and the picture of them again; its error is at least 15 % below that of
the best linear code of eight numbers (principal components). k-means then sorts the codes into ten groups: if each is
named after its commonest class, at least 45 % of the test pictures are named right.
"""

from common import CLASSES, batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=12, numbers=8, groups=10)
x, y, test_x, test_y = fashion(chosen, *((300, 200) if chosen.quick else (7500, 1500)))
flat, test_flat = x.flatten(1), test_x.flatten(1)


def error(back: torch.Tensor) -> float:
    """The mean squared error of the test pictures."""
    return nn.functional.mse_loss(back, test_flat).item()


# 1. principal components: the directions in which pictures differ most
mean = flat.mean(0)
directions = torch.linalg.eigh((flat - mean).T @ (flat - mean)).eigenvectors[:, -chosen.numbers :]
linear_back = (test_flat - mean) @ directions @ directions.T + mean
linear = error(linear_back)
print(f"principal components: error {linear:.4f}", flush=True)

# 2. an autoencoder: what it learns from is also what it should answer
encode = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, chosen.numbers))
decode = nn.Sequential(
    nn.Linear(chosen.numbers, 64), nn.ReLU(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid()
)
epochs = 1 if chosen.quick else chosen.epochs
optimizer = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=2e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
for epoch in range(epochs):
    for batch in batches(len(flat), 100):
        loss = nn.functional.mse_loss(decode(encode(flat[batch])), flat[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    with torch.no_grad():
        back = decode(encode(test_flat))
    print(f"epoch {epoch + 1}   error {error(back):.4f}", flush=True)


# 3. k-means: every picture joins the nearest center, every center moves to the middle of its pictures
def grouped(points: torch.Tensor, rounds: int = 40) -> tuple[torch.Tensor, float]:
    """Centers [groups, numbers] of points [N, numbers], and the mean distance to them."""
    centers = points[torch.randperm(len(points))[: chosen.groups]]
    for _ in range(rounds):
        nearest = torch.cdist(points, centers).argmin(1)
        member = nn.functional.one_hot(nearest, chosen.groups).float()
        centers = member.T @ points / member.sum(0).clamp(min=1).unsqueeze(1)
    return centers, torch.cdist(points, centers).min(1).values.mean().item()


with torch.no_grad():
    codes, test_codes = encode(flat), encode(test_flat)
    # it ends where no small move helps, which depends on the start: the best of a few is kept
    centers, _ = min((grouped(codes) for _ in range(2 if chosen.quick else 10)), key=lambda found: found[1])
    group, test_group = (torch.cdist(points, centers).argmin(1) for points in (codes, test_codes))
    pictures = decode(centers).view(-1, 1, 28, 28)
# labels come in only now, to see what the groups are
counts = torch.zeros(chosen.groups, 10).index_put_((group, y), torch.ones(len(y)), accumulate=True)
names = counts.argmax(1)
right = (names[test_group] == test_y).float().mean().item()
for i in range(chosen.groups):
    share = counts[i].max().item() / counts[i].sum().item()
    print(f"group {i}: {int(counts[i].sum())} pictures, {share:.0%} {CLASSES[names[i]]}")

drawn, (left, right_axis) = figure(1, 2, (8, 3.4))
rows = torch.stack([test_flat[:8], linear_back[:8], back[:8]]).view(-1, 1, 28, 28)
show_images(left, rows, 8, f"pictures, and what {chosen.numbers} numbers keep:\\nprincipal components, autoencoder")
show_images(right_axis, pictures, 5, "the middle of each group")
save(drawn, chosen)
report(chosen, "percent of the linear code's error saved", 100 * (1 - error(back) / linear), at_least=15)
report(chosen, "test pictures named right by their group", right, at_least=0.45)
