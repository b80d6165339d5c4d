"""Recurrent networks learn to write, character by character: plain (RNN), and with gates (GRU, LSTM).

Each of the three needs at most 2.1 nats a character on text that it has not seen (a guess among all characters alike
would be about 4.2).
"""

from common import figure, options, report, save, text

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, cells="rnn gru lstm", steps=700)
corpus = text(chosen, 20_000 if chosen.quick else 200_000)
alphabet = sorted(set(corpus))
codes = torch.tensor([alphabet.index(c) for c in corpus])
held_out = len(codes) // 10
train, test = codes[:-held_out], codes[-held_out:]


class Writer(nn.Module):
    """For each character of a text, scores for the next one."""

    def __init__(self, cell: str, symbols: int, width: int) -> None:
        super().__init__()
        kinds = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
        self.embed = nn.Embedding(symbols, 32)
        self.recurrent = kinds[cell](32, width, batch_first=True)
        self.scores = nn.Linear(width, symbols)

    def forward(self, x: torch.Tensor, state: object = None) -> tuple[torch.Tensor, object]:
        out, state = self.recurrent(self.embed(x), state)
        return self.scores(out), state


def pieces(source: torch.Tensor, count: int, length: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pieces of text, and the same a character later."""
    starts = torch.randint(0, len(source) - length - 1, (count, 1))
    places = starts + torch.arange(length)
    return source[places], source[places + 1]


def loss_of(model: Writer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    scores, _ = model(x)
    return nn.functional.cross_entropy(scores.flatten(0, 1), y.flatten())


@torch.no_grad()
def write(model: Writer, start: str, length: int, temperature: float = 0.7) -> str:
    """The text goes on: each character is drawn from what the network expects, and read by it in turn."""
    written, state = start, None
    x = torch.tensor([[alphabet.index(c) for c in start]])
    for _ in range(length):
        scores, state = model(x, state)
        x = torch.multinomial((scores[:, -1] / temperature).softmax(-1), 1)
        written += alphabet[x.item()]
    return written


def trained(cell: str) -> tuple[Writer, list[float]]:
    """A network, and its losses while it learned."""
    torch.manual_seed(chosen.seed)
    model = Writer(cell, len(alphabet), 64 if chosen.quick else 128)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3 if cell != "rnn" else 1e-3)  # without gates, carefully
    losses = []
    for step in range(4 if chosen.quick else chosen.steps):
        loss = loss_of(model, *pieces(train, 32))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"{cell}   step {step}   loss {losses[-1]:.3f}", flush=True)
    return model, losses


drawn, axis = figure()
worst = 0.0
for cell in chosen.cells.split():
    model, losses = trained(cell)
    with torch.no_grad():
        test_loss = torch.stack([loss_of(model, *pieces(test, 64)) for _ in range(5)]).mean().item()
    worst = max(worst, test_loss)
    print(f"\nwritten by the {cell}:\n{write(model, 'The ', 40 if chosen.quick else 240)}\n", flush=True)
    axis.plot(losses, linewidth=0.8, label=f"{cell}, on unseen text {test_loss:.2f}")
axis.set(xlabel="step", ylabel="nats a character")
axis.legend()
save(drawn, chosen)
report(chosen, "nats a character, of the worst", worst, at_most=2.1)
