"""A variational autoencoder (2013): pictures of clothes as points on a plane, and the plane as pictures of clothes.

The mean lower bound on the test pictures is at most 272 nats each, with a code of two numbers.
"""

from common import batches, fashion, figure, options, report, save, show_images

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=20)
x, y, test_x, test_y = fashion(chosen, *((600, 300) if chosen.quick else (20000, 2000)))


class VAE(nn.Module):
    """An encoder that gives the middle and the width of a bell in code space; a decoder from there to pictures."""

    def __init__(self, code: int = 2) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 2 * code))
        self.decode = nn.Sequential(nn.Linear(code, 256), nn.ReLU(), nn.Linear(256, 784))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        middle, log_variance = self.encode(images).chunk(2, dim=1)
        # a draw from the bell, written so that the gradient passes: the noise does not depend on the network
        code = middle + torch.randn_like(middle) * (0.5 * log_variance).exp()
        return self.decode(code), middle, log_variance


def bound(model: VAE, images: torch.Tensor) -> torch.Tensor:
    """How badly the pictures come back, plus how far the bells are from the standard one: nats a picture."""
    logits, middle, log_variance = model(images)
    back = nn.functional.binary_cross_entropy_with_logits(logits, images.flatten(1), reduction="sum")
    apart = -0.5 * (1 + log_variance - middle**2 - log_variance.exp()).sum()
    return (back + apart) / len(images)


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(2 if chosen.quick else chosen.epochs):
    for batch in batches(len(x), 100):
        loss = bound(model, x[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        test_bound = torch.stack([bound(model, images) for images in test_x.split(100)]).mean().item()
    print(f"epoch {epoch + 1}   bound {test_bound:.1f} nats", flush=True)

with torch.no_grad():
    side = torch.linspace(-2, 2, 12)
    grid = torch.cartesian_prod(side, side)
    pictures = model.decode(grid).sigmoid().view(-1, 1, 28, 28)
    codes = model.encode(test_x[:1000])[:, :2]
drawn, (left, right) = figure(1, 2, (8, 3.8))
left.scatter(codes[:, 0].numpy(), codes[:, 1].numpy(), c=test_y[:1000].numpy(), s=4, cmap="tab10")
left.set_title("test pictures as codes", fontsize=9)
show_images(right, pictures, 12, "codes as pictures")
save(drawn, chosen)
report(chosen, "nats a picture", test_bound, at_most=272)
