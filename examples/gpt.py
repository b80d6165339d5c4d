"""GPT: a small transformer that reads its own text, character by character.

At most 2.1 nats a character on text that it has not seen, after two minutes.
"""

from common import figure, options, report, save, text

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=500)
corpus = text(chosen, 20_000 if chosen.quick else 300_000)
alphabet = sorted(set(corpus))
codes = torch.tensor([alphabet.index(c) for c in corpus])
held_out = len(codes) // 10
train, test = codes[:-held_out], codes[-held_out:]
LENGTH, WIDTH, HEADS, LAYERS = (32, 32, 2, 1) if chosen.quick else (64, 96, 4, 3)


class Attention(nn.Module):
    """Every place looks back at all before it; each head decides for itself where to look."""

    def __init__(self) -> None:
        super().__init__()
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, _ = x.shape
        parts = self.queries_keys_values(x).view(n, length, 3, HEADS, WIDTH // HEADS)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(seen.transpose(1, 2).reshape(n, length, WIDTH))


class Block(nn.Module):
    """Look around, then think: attention and two linear layers, each added to what was there."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(WIDTH), Attention())
        self.think = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(x)
        return x + self.think(x)


class GPT(nn.Module):
    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.symbol = nn.Embedding(symbols, WIDTH)
        self.place = nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.scores = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, symbols))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.blocks(self.symbol(x) + self.place(torch.arange(x.shape[1]))))


def loss_on(source: torch.Tensor, count: int) -> torch.Tensor:
    places = torch.randint(0, len(source) - LENGTH - 1, (count, 1)) + torch.arange(LENGTH)
    return nn.functional.cross_entropy(model(source[places]).flatten(0, 1), source[places + 1].flatten())


@torch.no_grad()
def write(start: str, length: int, temperature: float = 0.7) -> str:
    written = torch.tensor([[alphabet.index(c) for c in start]])
    for _ in range(length):
        scores = model(written[:, -LENGTH:])[:, -1] / temperature
        written = torch.cat([written, torch.multinomial(scores.softmax(-1), 1)], dim=1)
    return "".join(alphabet[i] for i in written[0].tolist())


model = GPT(len(alphabet))
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
steps = 4 if chosen.quick else chosen.steps
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
losses = []
for step in range(steps):
    loss = loss_on(train, 24)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
    if step % 100 == 0:
        print(f"step {step}   loss {losses[-1]:.3f}", flush=True)

with torch.no_grad():
    test_loss = torch.stack([loss_on(test, 32) for _ in range(8)]).mean().item()
print("\nwritten by the network:\n", write("The ", 20 if chosen.quick else 200), "\n")
drawn, axis = figure()
axis.plot(losses)
axis.axhline(test_loss, linestyle="--", color="gray", label="on unseen text")
axis.set(xlabel="step", ylabel="nats a character")
axis.legend()
save(drawn, chosen)
report(chosen, "nats a character", test_loss, at_most=2.1)
