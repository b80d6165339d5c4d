"""A recurrent network learns to write, character by character: `--cell rnn`, `gru` or `lstm`.

At most 2.1 nats a character on text that it has not seen (a guess among all characters alike would be about 4.2).
"""

from common import figure, options, report, save, text

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, cell="gru", steps=700)
corpus = text(chosen, 20_000 if chosen.quick else 200_000)
alphabet = sorted(set(corpus))
codes = torch.tensor([alphabet.index(c) for c in corpus])
held_out = len(codes) // 10
train, test = codes[:-held_out], codes[-held_out:]


class Writer(nn.Module):
    """For each character of a text, scores for the next one."""

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        cell = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[chosen.cell]
        self.embed = nn.Embedding(symbols, 32)
        self.recurrent = cell(32, width, batch_first=True)
        self.scores = nn.Linear(width, symbols)

    def forward(self, x: torch.Tensor, state: object = None) -> tuple[torch.Tensor, object]:
        out, state = self.recurrent(self.embed(x), state)
        return self.scores(out), state


def pieces(source: torch.Tensor, count: int, length: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pieces of text, and the same a character later."""
    starts = torch.randint(0, len(source) - length - 1, (count, 1))
    places = starts + torch.arange(length)
    return source[places], source[places + 1]


def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    scores, _ = model(x)
    return nn.functional.cross_entropy(scores.flatten(0, 1), y.flatten())


@torch.no_grad()
def write(start: str, length: int, temperature: float = 0.7) -> str:
    """The text goes on: each character is drawn from what the network expects, and read by it in turn."""
    written, state = start, None
    x = torch.tensor([[alphabet.index(c) for c in start]])
    for _ in range(length):
        scores, state = model(x, state)
        x = torch.multinomial((scores[:, -1] / temperature).softmax(-1), 1)
        written += alphabet[x.item()]
    return written


model = Writer(len(alphabet), 64 if chosen.quick else 128)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
losses = []
steps = 4 if chosen.quick else chosen.steps
for step in range(steps):
    loss = loss_of(*pieces(train, 32))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
    if step % 100 == 0:
        print(f"step {step}   loss {losses[-1]:.3f}", flush=True)

with torch.no_grad():
    test_loss = torch.stack([loss_of(*pieces(test, 64)) for _ in range(5)]).mean().item()
print("\nwritten by the network:\n", write("The ", 40 if chosen.quick else 240), "\n")
drawn, axis = figure()
axis.plot(losses)
axis.axhline(test_loss, linestyle="--", color="gray", label="on unseen text")
axis.set(xlabel="step", ylabel="nats a character", title=chosen.cell)
axis.legend()
save(drawn, chosen)
report(chosen, "nats a character", test_loss, at_most=2.1)
