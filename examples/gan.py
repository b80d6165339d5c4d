"""A generative adversarial network (2014): one network draws clothes, another one tells them from real ones.

At the end, a classifier that learned from real pictures finds at least 7 of the 10 classes among 500 drawn ones, each
for 2 % of them or more: the network has not settled for one thing that it can draw.
"""

from common import CLASSES, batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=12)
x, y, _, _ = fashion(chosen, 200 if chosen.quick else 4000, 10)
NOISE = 32

draw = nn.Sequential(
    nn.Linear(NOISE, 32 * 7 * 7),
    nn.BatchNorm1d(32 * 7 * 7),
    nn.ReLU(),
    nn.Unflatten(1, (32, 7, 7)),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),  # 14 x 14
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),  # 28 x 28
    nn.Sigmoid(),
)
judge = nn.Sequential(
    nn.Conv2d(1, 16, 4, stride=2, padding=1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(16, 32, 4, stride=2, padding=1),
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(32 * 7 * 7, 1),
)
options_of_adam = {"lr": 1e-3, "betas": (0.5, 0.999)}
draw_optimizer = torch.optim.Adam(draw.parameters(), **options_of_adam)
judge_optimizer = torch.optim.Adam(judge.parameters(), **options_of_adam)


def loss_of(pictures: torch.Tensor, real: float) -> torch.Tensor:
    """How far the judge is from calling pictures real (1) or drawn (0)."""
    scores = judge(pictures)
    return nn.functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, real))


history = []
for epoch in range(1 if chosen.quick else chosen.epochs):
    for batch in batches(len(x), 100):
        drawn_pictures = draw(torch.randn(len(batch), NOISE))

        # the judge learns to tell; 0.9 in place of 1 keeps it from being too sure
        judge_loss = loss_of(x[batch], 0.9) + loss_of(drawn_pictures.detach(), 0.0)
        judge_optimizer.zero_grad()
        judge_loss.backward()
        judge_optimizer.step()

        # the other one learns to be believed
        draw_loss = loss_of(drawn_pictures, 1.0)
        draw_optimizer.zero_grad()
        draw_loss.backward()
        draw_optimizer.step()
        history.append((judge_loss.item(), draw_loss.item()))
    print(f"epoch {epoch + 1}   judge {history[-1][0]:.3f}   draw {history[-1][1]:.3f}", flush=True)

classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-3)
for _ in range(1 if chosen.quick else 5):
    for batch in batches(len(x), 100):
        loss = nn.functional.cross_entropy(classifier(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

draw.eval()
with torch.no_grad():
    pictures = draw(torch.randn(500, NOISE))
    share = torch.bincount(classifier(pictures).argmax(1), minlength=10) / 500
print("drawn:", ", ".join(f"{s:.0%} {name}" for s, name in zip(share.tolist(), CLASSES)))
figure_, (left, right) = figure(1, 2, (8, 3.4))
left.plot(history, linewidth=0.7, label=["judge", "draw"])
left.set(xlabel="step", ylabel="loss")
left.legend()
show_images(right, pictures[:64], 8, "drawn by the network")
save(figure_, chosen)
report(chosen, "classes drawn", (share >= 0.02).sum().item(), at_least=7)
