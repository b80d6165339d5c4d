"""Sequence to sequence with attention (2014): dates as people write them, translated to one form, "2026-11-21".

At least 95 % of the dates that it has not seen come out right in all ten characters.
"""

import datetime
import random

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=900)
random.seed(chosen.seed)
FORMS = ["%d %B %Y", "%B %d, %Y", "%a %d %b %Y", "%d.%m.%Y", "%m/%d/%y", "%b %d %Y"]
SOURCE, TARGET = 18, 10
ALPHABET = " .,/-0123456789abcdefghijklmnopqrstuvwxyz<"  # the last one starts an answer
START = len(ALPHABET) - 1


def codes(text: str, length: int) -> list[int]:
    return [ALPHABET.index(c) for c in text.lower()[:length].ljust(length)]


def pairs(count: int) -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Written dates, their codes [N, SOURCE], and the codes [N, TARGET] of what they mean."""
    days = [datetime.date(1990, 1, 1) + datetime.timedelta(random.randrange(20000)) for _ in range(count)]
    written = [day.strftime(random.choice(FORMS)) for day in days]
    x = torch.tensor([codes(text, SOURCE) for text in written])
    return written, x, torch.tensor([codes(day.isoformat(), TARGET) for day in days])


class Translator(nn.Module):
    """A network reads the source both ways; another one writes, and looks at the source before each character."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), 32)
        self.read = nn.GRU(32, width // 2, bidirectional=True, batch_first=True)
        self.write = nn.GRUCell(32 + width, width)
        self.ask = nn.Linear(width, width)
        self.scores = nn.Linear(2 * width, len(ALPHABET))

    def forward(self, x: torch.Tensor, answer: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores [N, TARGET, symbols] and attention [N, TARGET, SOURCE]; with an answer, it is read while writing."""
        source, _ = self.read(self.embed(x))
        state = source.mean(1)
        symbol = torch.full((len(x),), START)
        scores, looks = [], []
        for t in range(TARGET):
            look = (source @ self.ask(state).unsqueeze(-1)).softmax(1)  # [N, SOURCE, 1]
            found = (source * look).sum(1)
            state = self.write(torch.cat([self.embed(symbol), found], 1), state)
            scores.append(self.scores(torch.cat([state, found], 1)))
            looks.append(look.squeeze(-1))
            symbol = scores[-1].argmax(1) if answer is None else answer[:, t]
        return torch.stack(scores, 1), torch.stack(looks, 1)


model = Translator()
steps = 2 if chosen.quick else chosen.steps
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
losses = []
for step in range(steps):
    _, x, answer = pairs(64)
    scores, _ = model(x, answer)
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), answer.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
    if step % 100 == 99:
        print(f"step {step + 1}   loss {losses[-1]:.4f}", flush=True)

with torch.no_grad():
    written, x, answer = pairs(50 if chosen.quick else 500)
    scores, looks = model(x)
guesses = scores.argmax(-1)
right = (guesses == answer).all(1).float().mean().item()
for text, guess in zip(written[:5], guesses[:5].tolist()):
    print(f"{text:20} {''.join(ALPHABET[i] for i in guess)}")
drawn, axis = figure(size=(6, 3.6))
axis.imshow(looks[0].numpy(), cmap="Greys")
axis.set_xticks(range(SOURCE), [ALPHABET[i] for i in x[0].tolist()])
axis.set_yticks(range(TARGET), [ALPHABET[i] for i in guesses[0].tolist()])
axis.set_title("where the network looks (across) as it writes (down)", fontsize=9)
save(drawn, chosen)
report(chosen, "dates right", right, at_least=0.95)
