"""Denoising diffusion (2020): a network learns to take noise away; from noise alone, step by step, it draws clothes.

The error of the noise that it finds is at most 0.12 (to find nothing would be 1).
"""

import math

from common import batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=8)
x, _, test_x, _ = fashion(chosen, *((200, 100) if chosen.quick else (4000, 500)))
x, test_x = (nn.functional.pad(images * 2 - 1, (2, 2, 2, 2), value=-1.0) for images in (x, test_x))  # 32 x 32
STEPS = 10 if chosen.quick else 100

# how much of the picture is left after t steps (a cosine schedule)
time = torch.arange(STEPS + 1) / STEPS
left = (torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2).clamp(1e-4, 0.9999)


def noisy(images: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    share = left[t].view(-1, 1, 1, 1)
    return share.sqrt() * images + (1 - share).sqrt() * noise


class Denoiser(nn.Module):
    """A small U-Net: down to 8 x 8 and up again, with what was seen on the way down; told how noisy the picture is."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 2 * width))
        self.start = self.unit(1, width)
        self.down = self.unit(width, 2 * width, stride=2)  # 16 x 16
        self.deep = self.unit(2 * width, 2 * width, stride=2)  # 8 x 8
        self.middle = self.unit(2 * width, 2 * width)
        self.up = self.unit(4 * width, width)  # 16 x 16
        self.end = nn.Sequential(self.unit(2 * width, width), nn.Conv2d(width, 1, 3, padding=1))

    @staticmethod
    def unit(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.GroupNorm(4, outputs), nn.SiLU())

    def forward(self, images: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        waves = t.view(-1, 1) / STEPS * torch.exp(torch.linspace(0, 5, 16))
        when = self.time(torch.cat([waves.sin(), waves.cos()], dim=1))[:, :, None, None]
        a = self.start(images)
        b = self.down(a)
        c = self.deep(b) + when
        c = self.middle(c)
        up = nn.functional.interpolate(c, scale_factor=2.0, mode="nearest")
        d = self.up(torch.cat([up, b], dim=1))
        up = nn.functional.interpolate(d, scale_factor=2.0, mode="nearest")
        return self.end(torch.cat([up, a], dim=1))


def loss_on(images: torch.Tensor) -> torch.Tensor:
    t = torch.randint(1, STEPS + 1, (len(images),))
    noise = torch.randn_like(images)
    return nn.functional.mse_loss(model(noisy(images, t, noise), t), noise)


@torch.no_grad()
def sample(count: int) -> torch.Tensor:
    """From noise to pictures: each step takes the noise that the network finds away, and adds a little back."""
    images = torch.randn(count, 1, 32, 32)
    for t in range(STEPS, 0, -1):
        now, before = left[t], left[t - 1]
        found = model(images, torch.full((count,), t))
        clean = ((images - (1 - now).sqrt() * found) / now.sqrt()).clamp(-1, 1)
        spread = ((1 - before) / (1 - now) * (1 - now / before)).sqrt()
        images = before.sqrt() * clean + (1 - before - spread**2).clamp(min=0).sqrt() * found
        images = images + spread * torch.randn_like(images) * (t > 1)
    return images


model = Denoiser(8 if chosen.quick else 16)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
epochs = 1 if chosen.quick else chosen.epochs
steps = epochs * len(batches(len(x), 50))
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
for epoch in range(epochs):
    for batch in batches(len(x), 50):
        loss = loss_on(x[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        error = torch.stack([loss_on(images) for images in test_x.split(100) for _ in range(2)]).mean().item()
    print(f"epoch {epoch + 1}   error of the noise {error:.4f}", flush=True)

drawn, axis = figure(size=(5, 5))
show_images(axis, sample(9 if chosen.quick else 64) / 2 + 0.5, 8, "drawn by the network")
save(drawn, chosen)
report(chosen, "error of the noise", error, at_most=0.12)
